/**
 * What answers, bursts and the store cost: CPU and bytes of the most requested paths after a change, after a report with new
 * statistics only, and when nothing changed; in process, by the real monitor and server.
 */
import { availabilityRules, createOutboxes, monitorOptions, open } from "../../src/app.ts";
import { yieldForReaders } from "../../src/async.ts";
import type { Availability } from "../../src/book_client.ts";
import { startBookSync } from "../../src/book_sync.ts";
import { systemClock as clock } from "../../src/clock.ts";
import { turnsMax } from "../../src/history.ts";
import { createLive } from "../../src/live_updates.ts";
import { logger } from "../../src/log.ts";
import { createMetrics, type Instrumentation, processFigures } from "../../src/metrics.ts";
import { Monitor } from "../../src/monitor.ts";
import { runsMax, type StoreChange } from "../../src/persisted.ts";
import { ConnectionTable, type Report } from "../../src/report.ts";
import { readSettings, type Settings } from "../../src/settings.ts";
import { openSqliteStore } from "../../src/sqlite_file.ts";
import type { Live } from "../../src/sse.ts";
import type { Store } from "../../src/store.ts";
import { createRecorder } from "../../src/store_writer.ts";
import { appOf } from "../../test/support/app.ts";
import { connection } from "../../test/support/bench.ts";
import { mailEnvironment } from "../../test/support/environment.ts";
import { atMost, event, experiment, noonMs, saying, turn } from "../../test/support/store_samples.ts";
import { offViews } from "../../test/support/views.ts";
import { frameOf, nameOf } from "./feed.ts";
import { type BenchOptions, type Figure, Findings, say, sleep, timesOf } from "./figures.ts";
import { benchReaders, intervalMs, manifestOf, openMonitor } from "./lab.ts";

const paths = ["/api/v1/experiments", "/api/", "/metrics"] as const;
const gzip = { "accept-encoding": "gzip" };

export async function benchHttp(options: BenchOptions): Promise<Figure[]> {
  const findings = new Findings("http");
  for (const size of options.sizes) await benchAnswers(size, options, findings);
  await benchReaders(options, findings);
  return findings.figures;
}

/** Throws where a report that is to bring a change brings none, or one that is not does. */
export async function benchAnswers(
  size: number,
  { full, folder }: Pick<BenchOptions, "full" | "folder">,
  findings: Findings,
): Promise<void> {
  say(`http: answers of ${size} experiments`);
  const lab = await openMonitor(size, folder);
  const live = () => ({ readers: 0, queuedBytes: 0, dropped: 0 });
  const metrics = createMetrics({ process: processFigures, live, pause: yieldForReaders });
  const snapshot = () => lab.monitor.snapshot();
  const ports = { snapshot, nowMs: () => lab.clock.nowMs(), metrics: () => metrics.body(snapshot()) };
  const app = appOf(snapshot(), ports);
  const report = reporting(lab, size);
  const ask = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await app.request(path, { headers });
    return { answer, bytes: (await answer.arrayBuffer()).byteLength };
  };
  try {
    for (let round = -1; round < (full ? 10 : 4); round++) {
      for (const path of paths) {
        const tell = (what: string, cpu: number) => {
          if (round >= 0) findings.add({ what: `GET ${path}: ${what}`, size, unit: "ms" }, cpu);
        };
        const cost = async (headers?: Record<string, string>) => (await timesOf(() => ask(path, headers))).cpu;
        await report("a change");
        tell("CPU after a change", await cost());
        tell("CPU when asked again", await cost());
        await report("no change");
        tell("CPU after a report without a change", await cost());
        tell("CPU as gzip, the first time", await cost(gzip));
        tell("CPU as gzip, asked again", await cost(gzip));
      }
    }
    for (const path of paths) await sizes(path, size, ask, findings);
  } finally {
    await lab.close();
  }
}

/** Both feeds report, relay other statistics each time; in every second report that is to bring a change one stream is ill. */
function reporting({ monitor, clock, report }: Awaited<ReturnType<typeof openMonitor>>, size: number) {
  let turn = 0, bad = 0;
  return async (bringing: "a change" | "no change"): Promise<void> => {
    if (bringing === "a change") bad = 1 - bad;
    const { revision } = monitor.snapshot();
    await clock.advance(intervalMs);
    await report("jump", frameOf({ dialect: "jump", experiments: size, turn: ++turn }));
    await report("relay", frameOf({ dialect: "relay", experiments: size, turn, bad }));
    const brought = monitor.snapshot().revision === revision ? "no change" : "a change";
    if (brought !== bringing) throw new Error(`A report was to bring ${bringing}, and brought ${brought}`);
  };
}

type Ask = (path: string, headers?: Record<string, string>) => Promise<{ answer: Response; bytes: number }>;

async function sizes(path: string, size: number, ask: Ask, findings: Findings): Promise<void> {
  const tell = (what: string, bytes: number) =>
    findings.add({ what: `GET ${path}: ${what}`, size, unit: "kB" }, bytes / 1024);
  const { answer, bytes } = await ask(path);
  tell("bytes", bytes);
  tell("bytes as gzip", (await ask(path, gzip)).bytes);
  const tag = answer.headers.get("etag");
  tell("bytes when the asker has it already", (await ask(path, tag === null ? {} : { "if-none-match": tag })).bytes);
}

// Bursts: how long the event loop is blocked while all experiments change at once.

const tickMs = 2;
const random = () => 0;
const measures: Instrumentation = {
  book() {},
  store() {},
  judged() {},
  mailed() {},
  mailFailed() {},
  webhookFailed() {},
  lagged() {},
};

export async function benchBurst({ full, folder, sizes }: BenchOptions): Promise<Figure[]> {
  const findings = new Findings("burst");
  for (const size of sizes.filter((each) => each >= 1_000)) {
    const goal = size === 1_000 ? { atMost: 50, by: "max" } as const : {};
    for (let round = 0; round < (full ? 5 : 3); round++) {
      say(`burst: all of ${size} change at once`);
      await using lab = await Burst.open(size, `${folder}/${crypto.randomUUID()}`);
      for (const [what, ms] of [["a first judgement", 0], ["all fall silent", null], ["all come back", 0]] as const) {
        const { longestMs, tookMs } = await lab.change(ms);
        findings.add({ what: `${what}: the loop is held up for`, size, unit: "ms", ...goal }, longestMs);
        findings.add({ what: `${what}: until the mail is taken`, size, unit: "ms" }, tookMs);
      }
    }
  }
  return findings.figures;
}

/** A laboratory whose streams send, or do not, all together. */
class Burst implements AsyncDisposable {
  readonly #names: readonly string[];
  readonly #monitor: Monitor;
  readonly #mails: { count: number };
  readonly #close: () => Promise<void>;

  private constructor(
    names: readonly string[],
    monitor: Monitor,
    mails: { count: number },
    close: () => Promise<void>,
  ) {
    this.#names = names;
    this.#monitor = monitor;
    this.#mails = mails;
    this.#close = close;
  }

  static async open(size: number, folder: string): Promise<Burst> {
    await Deno.mkdir(folder);
    const sink = new Worker(new URL("./sink.ts", import.meta.url), { type: "module" });
    const port = await new Promise<number>((resolve) => sink.onmessage = ({ data }) => resolve(data));
    const mails = { count: 0 };
    sink.onmessage = () => mails.count++;
    const settings = settingsOf(folder, port);
    const opened = await open(settings, clock);
    const stop = new AbortController();
    const { monitor, ended } = started(settings, opened, size, stop.signal);
    while (monitor.snapshot().book.resources < size) await sleep(tickMs);
    const names = Array.from({ length: size }, (_, at) => nameOf(at));
    return new Burst(names, monitor, mails, async () => {
      stop.abort();
      await ended;
      await opened.store.close();
      await opened.log.close();
      sink.terminate();
    });
  }

  /** `idleMs`: for how long no stream has sent anything; null: it never has. */
  async change(idleMs: number | null): Promise<{ longestMs: number; tookMs: number }> {
    const { count } = this.#mails;
    const { hands } = this.#monitor;
    const startMs = clock.monotonicMs();
    const ticks = ticking();
    this.#report("jump", this.#names, 0);
    this.#report("relay", this.#names.flatMap((name) => [`${name}-st-data`, `${name}-st-video`]), idleMs);
    while (this.#mails.count === count) await sleep(tickMs);
    const tookMs = clock.monotonicMs() - startMs;
    const isBusy = () => [hands.outbox, hands.webhook].some((each) => each.view().waiting > 0);
    while (hands.keeper.waiting > 0 || isBusy()) await sleep(tickMs);
    return { longestMs: await ticks.longestMs(), tookMs };
  }

  #report(feed: Report["feed"], topics: readonly string[], idleMs: number | null): void {
    const connections = ConnectionTable.of(topics.map((topic) => connection(topic, idleMs ?? "silent")));
    const counts = { entries: topics.length, skipped: 0, generation: "measured", intervalMs: 60_000 } as const;
    this.#monitor.report({ feed, atMs: clock.nowMs(), connections, ...counts });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

function settingsOf(folder: string, mailPort: number): Settings {
  const files = { STATUS_STORE_FILE: `${folder}/status.db`, STATUS_LOG_FILE: `${folder}/status.log` };
  const mail = { ...mailEnvironment, STATUS_EMAIL_HOST: "127.0.0.1", STATUS_EMAIL_PORT: String(mailPort) };
  const webhook = { STATUS_WEBHOOK_URL: "http://127.0.0.1:9/", STATUS_SECRET_WEBHOOK: "a secret of the bench's own" };
  const read = readSettings({ ...mail, ...webhook, ...files, STATUS_HEALTH_STARTUP: "0s" }, Deno.readTextFileSync);
  if (read.kind === "faulty") throw new Error(read.faults.join("; "));
  return read.settings;
}

function started(settings: Settings, opened: Awaited<ReturnType<typeof open>>, size: number, signal: AbortSignal) {
  const log = logger("status");
  const ended: Promise<unknown>[] = [];
  const changed = () => monitor.readersChanged();
  const recorder = createRecorder(opened.store, { clock, random, changed, turned: (alerts) => monitor.judge(alerts) });
  const record = (changes: readonly StoreChange[]) => recorder.record(changes);
  const ports = { clock, log, recorder, views: () => offViews, changed: () => live.changed(), turned() {} };
  const monitor: Monitor = new Monitor(monitorOptions(settings, "bench"), ports, opened, (monitor) => {
    const rules = availabilityRules(settings);
    const keeper = startBookSync(
      { queryEveryMs: 3_600_000, rules },
      { book: bookOf(size), clock, random },
      monitor,
      signal,
    );
    ended.push(keeper.done);
    const fetch = () => Promise.resolve(new Response());
    const told = { clock, random, fetch, version: "bench", snapshot: () => monitor.snapshot(), record, changed };
    return { keeper, ...createOutboxes(settings, { ...told, measures }, opened.saved) };
  });
  const live = createLive({ snapshot: () => monitor.snapshot(), clock, failed }, { addresses: false });
  const { outbox, webhook } = monitor.hands;
  ended.push(...[monitor, outbox, webhook, recorder, live].map((each) => each.run(signal)), readLive(live));
  return { monitor, ended: Promise.all(ended) };
}

function failed(error: unknown): void {
  throw error;
}

/** Until the live events end. */
async function readLive(live: Live): Promise<void> {
  for await (const _ of live.answer(new URLSearchParams())?.body ?? []);
}

/** All is available at first; an answer takes a turn of the loop. */
function bookOf(size: number) {
  const resources = manifestOf(size);
  const said = new Map(
    resources.map(({ name }): [string, Availability] => [name, { available: true, reason: "loaded" }]),
  );
  const answer = async <Answer>(what: () => Answer) => (await sleep(1), what());
  return {
    resources: () => answer(() => ({ resources, skipped: 0 })),
    availability: (name: string) => answer(() => said.get(name) ?? { available: false, reason: "" }),
    setAvailability: (name: string, wanted: Availability) => answer(() => void said.set(name, wanted)),
  };
}

/** The most CPU time that this thread took between two ticks, in milliseconds. */
function ticking(): { longestMs(): Promise<number> } {
  // What others do on the machine is not in it, as it would be in the time that passes.
  const cpuMs = () => Number(Deno.readTextFileSync(`/proc/self/task/${Deno.pid}/schedstat`).split(" ")[0]) / 1e6;
  let longest = 0, last = cpuMs();
  const tick = () => {
    const now = cpuMs();
    longest = Math.max(longest, now - last);
    last = now;
  };
  let isOver = false;
  const run = async () => {
    while (!isOver) {
      await sleep(tickMs);
      tick();
    }
  };
  const ended = run();
  return {
    async longestMs() {
      isOver = true;
      await ended;
      return longest;
    },
  };
}

// The store: recording many events, opening 90 days of history, reading one history.

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
