/**
 * What does the store take: to record many events, to open it with a past of 90 days, and to read the history of one experiment
 * out of that? Time that passes, since most of it may be the disk's.
 */
import { turnsMax } from "../../src/history.ts";
import { runsMax, type StoreChange } from "../../src/persisted.ts";
import { openSqliteStore } from "../../src/sqlite_file.ts";
import type { Store } from "../../src/store.ts";
import { atMost, event, experiment, noonMs, saying, turn } from "../../test/support/store_samples.ts";
import type { Figure } from "./figures.ts";
import { nameOf } from "./frames.ts";
import { type BenchOptions, Findings, say, timesOf } from "./timing.ts";

const events = 10_000;
const experiments = 1_000;
const days = 90;
// A trouble and its end, each day.
const turnsADay = 2;
const dayMs = 86_400_000;

export async function benchStore({ full, folder }: BenchOptions): Promise<Figure[]> {
  const findings = new Findings("store");
  for (let round = 0; round < (full ? 5 : 3); round++) {
    say("store: recording");
    for (const at of [events, 100, 1]) await recording(at, folder, findings);
  }
  const path = `${folder}/past.db`;
  say(`store: ${days} days of ${experiments} experiments`);
  await fill(path);
  findings.add(
    { what: `the file, with ${days} days`, size: experiments, unit: "MB" },
    (await Deno.stat(path)).size / 1024 ** 2,
  );
  for (let round = 0; round < (full ? 10 : 4); round++) await reading(path, findings);
  return findings.figures;
}

/** Each event comes with its experiment as it is now, as the monitor records them. */
function changesOf(count: number, from: number): StoreChange[] {
  return Array.from({ length: count }, (_, at) => nameOf((from + at) % experiments)).flatMap((name) => [
    saying.turn(name, turn(noonMs + from, "unhealthy", false)),
    saying.event(event(name, noonMs + from)),
    saying.experiment(experiment(name)),
  ]);
}

async function recording(atOnce: number, folder: string, findings: Findings): Promise<void> {
  // One at a time takes the disk a moment each: a tenth of them says as much.
  const count = atOnce === 1 ? events / 10 : events;
  const { store } = await openSqliteStore(`${folder}/${crypto.randomUUID()}.db`, { nowMs: noonMs });
  const { tookMs } = await timesOf(async () => {
    for (let from = 0; from < count; from += atOnce) await store.record(changesOf(atOnce, from));
  });
  await store.close();
  const words = atOnce === 1 ? "one at a time" : atOnce === events ? "all at once" : `${atOnce} at a time`;
  findings.add({ what: `recording 10,000 events, ${words}`, unit: "ms" }, tookMs * events / count);
}

async function fill(path: string): Promise<void> {
  const { store } = await openSqliteStore(path, { nowMs: noonMs });
  await store.record(Array.from({ length: experiments }, (_, at) => saying.experiment(experiment(nameOf(at)))));
  for (let day = days; day > 0; day--) await store.record(dayOf(noonMs - day * dayMs));
  await store.close();
}

function dayOf(startMs: number): StoreChange[] {
  const all: StoreChange[] = [saying.run(startMs, startMs + dayMs - 1)];
  for (let at = 0; at < experiments * turnsADay; at++) {
    const name = nameOf(at % experiments), isWell = at >= experiments, atMs = startMs + at * 1_000;
    all.push(saying.event(event(name, atMs, isWell ? { healthy: true, issues: [], jumpOk: true } : {})));
    all.push(saying.turn(name, turn(atMs, isWell ? "healthy" : "unhealthy", isWell)));
  }
  return all;
}

async function reading(path: string, findings: Findings): Promise<void> {
  let opened: Store | null = null;
  const { tookMs } = await timesOf(async () => {
    ({ store: opened } = await openSqliteStore(path, { nowMs: noonMs }));
    await opened.load({ ...atMost(100), stateChanges: turnsMax, runs: runsMax });
  });
  findings.add({ what: `opening and reading it, with ${days} days`, size: experiments, unit: "ms" }, tookMs);
  const store = opened as Store | null;
  for (const at of [1, 500, 999]) {
    const range = { sinceMs: noonMs - days * dayMs, max: 10_000 };
    const { tookMs } = await timesOf(async () => {
      const turns = await store?.turns(nameOf(at), range) ?? [];
      if (turns.length !== days * turnsADay) throw new Error(`The history has ${turns.length} turns`);
    });
    findings.add({ what: `the history of one experiment, ${days} days`, size: experiments, unit: "ms" }, tookMs);
  }
  await store?.close();
}
