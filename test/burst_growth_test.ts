/**
 * What a whole laboratory that changes at once costs, counted in work and not in time: whatever is done for each of its
 * experiments is done a few times, and none of it grows with how many others there are. And nobody waits until all is done.
 */
import assert from "node:assert/strict";
import type { DatabaseSync } from "node:sqlite";
import type { HealthEvent, Notification } from "../src/alerts.ts";
import { forEachYielding } from "../src/async.ts";
import type { ResourceState } from "../src/availability.ts";
import { ResourceTable } from "../src/book_sync.ts";
import type { DesiredAvailability } from "../src/health.ts";
import { newNotification } from "../src/notification.ts";
import type { StoreChange } from "../src/persisted.ts";
import { openSqliteStore } from "../src/sqlite_file.ts";
import { createWriter } from "../src/sqlite_store.ts";
import { checked } from "../src/store.ts";
import { createMemoryStore } from "../src/store_memory.ts";
import { connection } from "./support/bench.ts";
import { withFolder } from "./support/folder.ts";
import { MailDesk } from "./support/mail_desk.ts";
import { setUp } from "./support/monitor.ts";
import { alterStore } from "./support/store_files.ts";
import { event, experiment, noonMs, saying, turn } from "./support/store_samples.ts";

const names = (count: number) => Array.from({ length: count }, (_, number) => `exp${String(number).padStart(6, "0")}`);

/** What a judgement records in which all of `count` experiments changed. */
function burst(count: number, eventOf: (name: string) => HealthEvent = (name) => event(name)): StoreChange[] {
  const events = names(count).map(eventOf);
  const letters = (["mail", "webhook"] as const).map((channel) => {
    return newNotification({ id: channel, channel, createdMs: noonMs }, { events, alerts: [] });
  });
  return [
    ...names(count).map((name) => saying.turn(name, turn(noonMs))),
    ...events.map(saying.event),
    ...names(count).map((name) => saying.experiment(experiment(name))),
    ...letters.map(saying.letter),
  ];
}

Deno.test("recording runs one statement for each change, of those that were prepared once", () => {
  for (const count of [10, 1_000]) {
    const { db, work } = countingDatabase();
    const writer = createWriter(db);
    const preparedFirst = work.prepared;
    for (const change of burst(count)) writer.write(change);
    assert.equal(work.prepared, preparedFirst);
    assert.equal(work.run, 3 * count + 2);
  }
});

Deno.test("ten times the experiments are ten times the bytes that are recorded", () => {
  const [few, many] = [100, 1_000].map((count) => {
    const { db, work } = countingDatabase();
    const writer = createWriter(db);
    for (const change of burst(count)) writer.write(change);
    return work.chars;
  });
  assert.ok(few && many && many / few > 9.5 && many / few < 10.5, `${few} and ${many} characters`);
});

Deno.test("an event is checked once, however many letters tell of it", async () => {
  const looks = async (changesOf: (event: HealthEvent) => StoreChange[]) => {
    let count = 0;
    const watched = {
      ...event("pend00"),
      get lastedMs() {
        return count++, 1;
      },
    };
    await checked(changesOf(watched));
    return count;
  };
  const alone = await looks((event) => [saying.event(event)]);
  const told = await looks((
    event,
  ) => [saying.event(event), ...[1, 2, 3].map((number) => saying.letter(letterOf(number, event)))]);
  assert.ok(alone > 0);
  assert.equal(told, alone);
});

Deno.test("of a laboratory that changes at once one mail is written, once", async () => {
  const desk = await MailDesk.open();
  await desk.news(...names(1_000));
  assert.equal(desk.got.length, 1);
  assert.equal(desk.writes, 1);
});

Deno.test("whether book has answered is seen without looking at each resource at each answer", () => {
  const looks = (count: number) => {
    let looked = 0;
    const ledger = new ResourceTable({ holds: "respect", writes: true }, () => {});
    ledger.adopt(names(count).map((name) => ({ name, stub: name, required: [] })));
    ledger.wish(new Map(names(count).map((name): [string, DesiredAvailability] => [name, { kind: "available" }])));
    const entries = [...ledger.jobs()];
    for (const entry of entries) {
      let state = entry.state;
      Object.defineProperty(entry, "state", { get: () => (looked++, state), set: (next) => state = next });
    }
    const said: ResourceState = { kind: "said", available: true, reason: "", atMs: 0 };
    for (const entry of entries) {
      assert.equal(ledger.isSettled, false);
      ledger.begin(entry);
      ledger.learn(entry, said);
      ledger.end(entry, true);
    }
    assert.equal(ledger.isSettled, true);
    return looked / count;
  };
  assert.ok(looks(1_000) <= looks(10) + 1, `${looks(10)} for each of 10, ${looks(1_000)} for each of 1,000`);
});

Deno.test("a first judgement of a whole laboratory is one record, with one event, one turn and one experiment each", async () => {
  for (const count of [10, 300]) {
    const { monitor, clock, recorded, report, end } = setUp();
    const resources = names(count).map((name) => ({ name: `r-${name}`, stub: name, required: [`${name}-st-data`] }));
    monitor.manifest({ resources, skipped: 0, atMs: clock.nowMs() });
    report("jump", ...names(count).map((name) => connection(name)));
    report("relay", ...names(count).map((name) => connection(`${name}-st-data`, 0)));
    await monitor.settled();
    await clock.advance(0);
    const kinds = Map.groupBy(recorded.flat(), ({ kind }) => kind);
    assert.deepEqual(["event", "experiment"].map((kind) => kinds.get(kind as StoreChange["kind"])?.length), [
      count,
      count,
    ]);
    assert.equal(recorded.filter((changes) => changes.some(({ kind }) => kind === "event")).length, 1);
    await end();
  }
});

Deno.test("while much is recorded all else has its turn, and a reader sees all of it or nothing", () =>
  withFolder(async (folder) => {
    const { store } = await openSqliteStore(`${folder}/status.db`, { nowMs: noonMs });
    for (const each of [store, createMemoryStore()]) {
      let turns = 0;
      const timer = setInterval(() => turns++, 0);
      await each.record(burst(5_000));
      clearInterval(timer);
      assert.ok(turns > 1, `${each.kind}: ${turns} turns`);
    }
    const recording = store.record(
      names(5_000).map((name) => saying.turn("pend00", turn(noonMs + Number(name.slice(3))))),
    );
    const seen = await store.turns("pend00", { sinceMs: 0, max: 10_000 });
    await recording;
    await store.close();
    assert.equal(seen.length, 5_000);
  }));

Deno.test("a record in pieces that can't be checked, or fails half way, leaves nothing, and the next is whole", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`, last = names(3_000).at(-1)!;
    const { store } = await openSqliteStore(path, { nowMs: noonMs });
    await assert.rejects(store.record([...burst(3_000), saying.event(event("pend00", NaN))]), /no valid change/);
    const refuse = `BEFORE INSERT ON experiments WHEN new.name = '${last}' BEGIN SELECT RAISE(ABORT, 'half way'); END`;
    alterStore(path, `CREATE TRIGGER refuse ${refuse}`);
    await assert.rejects(store.record(burst(3_000)), /half way/);
    const left = await store.load({ events: 1, stateChanges: 1, runs: 1 });
    alterStore(path, "DROP TRIGGER refuse");
    await store.record(burst(3_000));
    const { experiments } = await store.load({ events: 1, stateChanges: 1, runs: 1 });
    await store.close();
    assert.deepEqual([left.experiments.length, left.stateChanges.size, left.notifications.length], [0, 0, 0]);
    assert.equal(experiments.length, 3_000);
  }));

Deno.test("few things are done in one go, without a pause", () => {
  const done: number[] = [];
  forEachYielding([1, 2, 3], (item) => done.push(item));
  assert.deepEqual(done, [1, 2, 3]);
});

Deno.test("what is done in pieces is done in order, to the first that fails", async () => {
  const done: number[] = [];
  const act = (item: number) => {
    if (item === 150) throw new Error("no");
    done.push(item);
    for (const endMs = performance.now() + 0.2; performance.now() < endMs;); // so that there are several pieces
  };
  await assert.rejects(forEachYielding(Array.from({ length: 200 }, (_, number) => number), act), /no/);
  assert.deepEqual(done, Array.from({ length: 150 }, (_, number) => number));
});

function letterOf(number: number, event: HealthEvent): Notification {
  return newNotification({ id: `letter ${number}`, channel: "mail", createdMs: noonMs }, {
    events: [event],
    alerts: [],
  });
}

/** A database that keeps nothing, and counts what it is asked. */
function countingDatabase() {
  const work = { prepared: 0, run: 0, chars: 0 };
  const statement = {
    get: () => ({ id: 0 }),
    run(...values: unknown[]) {
      work.run++;
      for (const value of values) if (typeof value === "string") work.chars += value.length;
      return { changes: 1 };
    },
  };
  const prepare = () => (work.prepared++, statement);
  return { db: { prepare } as unknown as DatabaseSync, work };
}
