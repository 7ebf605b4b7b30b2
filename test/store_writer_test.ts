import assert from "node:assert/strict";
import { alertText, type SystemAlert } from "../src/alerts.ts";
import type { StoreChange } from "../src/persisted.ts";
import { type Store, StoreFailed, StoreGone } from "../src/store.ts";
import { compacted, createRecorder, pruneEveryMs, Retention, waitingEventsMax } from "../src/store_writer.ts";
import { FakeClock } from "./support/clock.ts";

const event = (experiment: string): StoreChange => ({
  kind: "event",
  event: { experiment, atMs: 0, healthy: true, issues: [], jumpOk: true, streamOk: {}, lastedMs: null },
});
const sent = (id: string): StoreChange => ({ kind: "letter-sent", id, channel: "mail", atMs: 0 });

/** A store that takes what it is given, or refuses it while `isFull`. */
function disk(kind: Store["kind"] = "durable") {
  const disk = { isFull: false, written: [] as string[][] };
  const store: Store = {
    kind,
    turns: () => Promise.resolve([]),
    load: () => Promise.reject(new Error("not asked for here")),
    record(changes) {
      if (disk.isFull) return Promise.reject(new StoreFailed("Cannot write the store: the disk is full"));
      disk.written.push(changes.map((each) => each.kind === "event" ? each.event.experiment : each.kind));
      return Promise.resolve();
    },
    prune: () => disk.isFull ? Promise.reject(new StoreFailed("Cannot prune: the disk is full")) : Promise.resolve(),
    close: () => Promise.resolve(),
  };
  return Object.assign(disk, { store });
}

function setUp(given = disk()) {
  const clock = new FakeClock();
  let changes = 0, turns = 0;
  const ports = { clock, random: () => 0, changed: () => changes++, turned: () => turns++ };
  const recorder = createRecorder(given.store, ports);
  return { clock, recorder, disk: given, changes: () => changes, turns: () => turns };
}

Deno.test("what is recorded together is written together, in the order it came", async () => {
  const { recorder, disk } = setUp();
  await Promise.all([recorder.record([event("a"), event("b")]), recorder.record([event("c")])]);
  assert.deepEqual(disk.written, [["a", "b"], ["c"]]);
  assert.equal(recorder.view().state, "ok");
});

Deno.test("a store that refuses delays the record and not who waits for it; what waits is written when it can be", async () => {
  const { clock, recorder, disk } = setUp();
  const stop = new AbortController();
  const running = recorder.run(stop.signal);
  disk.isFull = true;
  await recorder.record([event("a")]);
  await recorder.record([event("b")]);
  assert.equal(recorder.view().state, "failing");
  assert.equal(recorder.view().waiting, 2);
  assert.match(recorder.view().lastError ?? "", /disk is full/);

  disk.isFull = false;
  await clock.advance(60_000);
  assert.deepEqual(disk.written, [["a", "b"]]);
  assert.equal(recorder.view().state, "ok");
  assert.equal(recorder.view().waiting, 0);
  stop.abort();
  await running;
});

Deno.test("a store that was gone and has been written anew is told of, and what was to be recorded is, at once", async () => {
  const told: string[] = [], { store, written } = disk();
  let isGone = true;
  const record: Store["record"] = (changes) => {
    if (!isGone) return store.record(changes);
    isGone = false;
    return Promise.reject(new StoreGone("/s.db"));
  };
  const turned = (alerts: readonly SystemAlert[]) => told.push(...alerts.map(alertText));
  const recorder = createRecorder({ ...store, record }, {
    clock: new FakeClock(),
    random: () => 0,
    changed() {},
    turned,
  });
  await recorder.record([event("a")]);
  await recorder.record([event("b")]);
  assert.deepEqual(told, ["the store was deleted or replaced and has been written anew: /s.db"]);
  assert.deepEqual(written, [["a"], ["b"]]);
  assert.equal(recorder.view().state, "ok");
});

Deno.test("that the store fails is told once, and that it does no more, however often it is tried meanwhile", async () => {
  const { recorder, disk, turns } = setUp();
  await recorder.record([event("a")]);
  disk.isFull = true;
  for (const name of ["b", "c", "d"]) await recorder.record([event(name)]);
  assert.equal(turns(), 1);
  disk.isFull = false;
  await recorder.record([event("e")]);
  assert.equal(turns(), 2);
});

Deno.test("when it stops it tries once more to write what waits", async () => {
  const { recorder, disk } = setUp();
  const stop = new AbortController();
  const running = recorder.run(stop.signal);
  disk.isFull = true;
  await recorder.record([event("a")]);
  disk.isFull = false;
  stop.abort();
  await running;
  assert.deepEqual(disk.written, [["a"]]);
});

Deno.test("a pruning that fails shows, and stops nothing", async () => {
  const { recorder, disk } = setUp();
  disk.isFull = true;
  await recorder.prune(0);
  assert.equal(recorder.view().state, "failing");
});

Deno.test("a store in memory says so", () => {
  assert.equal(setUp(disk("memory")).recorder.view().state, "memory");
});

Deno.test("readers are told of every change of what they see", async () => {
  const { recorder, changes } = setUp();
  await recorder.record([event("a")]);
  assert.equal(changes(), 1);
});

Deno.test("compacted: of what is replaced as a whole only the newest waits, and all events do, in order", () => {
  const changes = [event("a"), sent("x"), event("b"), sent("y"), sent("x")];
  assert.deepEqual(compacted(changes), { changes: [event("a"), event("b"), sent("y"), sent("x")], lost: 0 });
});

Deno.test("compacted: that the clock was put back stays between what came before and what came after", () => {
  const back = (toMs: number): StoreChange => ({ kind: "clock-back", toMs });
  const changes = [event("a"), back(5), event("b"), back(3), event("c")];
  assert.deepEqual(compacted(changes), { changes, lost: 0 });
});

Deno.test("compacted: of a run only the newest sign of life waits, and every turn does", () => {
  const ran = (startedMs: number, aliveMs: number): StoreChange => ({ kind: "run", run: { startedMs, aliveMs } });
  const turned = (atMs: number): StoreChange => {
    return { kind: "turn", experiment: "pend00", turn: { atMs, state: "healthy", available: true } };
  };
  const changes = [ran(0, 1), turned(1), ran(0, 2), turned(2), turned(2), ran(5, 5)];
  assert.deepEqual(compacted(changes), { changes: [turned(1), ran(0, 2), turned(2), turned(2), ran(5, 5)], lost: 0 });
});

Deno.test("compacted: events beyond the limit are let go, the oldest first, and counted", () => {
  const changes = Array.from({ length: waitingEventsMax + 2 }, (_, i) => event(`e${i}`));
  const { changes: kept, lost } = compacted(changes);
  assert.equal(lost, 2);
  assert.deepEqual(kept[0], event("e2"));
});

const pruned: Record<string, [keepMs: number, everyMs: number]> = {
  "that is kept for months is pruned every hour": [90 * 86_400_000, 3_600_000],
  "that is kept for an hour is pruned every six minutes": [3_600_000, 360_000],
  "that is kept for a second is pruned once in it": [1_000, 1_000],
};
for (const [which, [keepMs, everyMs]] of Object.entries(pruned)) {
  Deno.test(`a history ${which}`, () => assert.equal(pruneEveryMs(keepMs), everyMs));
}

const hourMs = 3_600_000;
const yearMs = 365 * 24 * hourMs;

Deno.test("while nothing is done to the clock, history has come to now", async () => {
  const clock = new FakeClock(), retention = new Retention(clock, []);
  await clock.advance(hourMs);
  assert.equal(retention.nowMs(), clock.nowMs());
});

Deno.test("a clock that is a year ahead for some hours makes nothing look old", async () => {
  const clock = new FakeClock(), startMs = clock.nowMs(), retention = new Retention(clock, []);
  clock.step(yearMs);
  for (let hours = 1; hours <= 23; hours++) {
    await clock.advance(hourMs);
    assert.equal(retention.nowMs(), startMs + hours * hourMs);
  }
  clock.step(-yearMs);
  await clock.advance(hourMs);
  assert.equal(retention.nowMs(), clock.nowMs());
});

Deno.test("a clock that was put forward and stays there is believed after a day", async () => {
  const clock = new FakeClock(), retention = new Retention(clock, []);
  clock.step(yearMs);
  for (let hours = 0; hours < 24; hours++) {
    assert.ok(retention.nowMs() < clock.nowMs() - hourMs, `it was believed after ${hours} h`);
    await clock.advance(hourMs);
  }
  assert.equal(retention.nowMs(), clock.nowMs());
  await clock.advance(hourMs);
  assert.equal(retention.nowMs(), clock.nowMs());
});

Deno.test("a start with a clock that is a year ahead deletes nothing of what earlier runs wrote", async () => {
  const clock = new FakeClock(), aliveMs = clock.nowMs() - yearMs;
  const retention = new Retention(clock, [{ startedMs: 0, aliveMs }]);
  await clock.advance(hourMs);
  assert.equal(retention.nowMs(), aliveMs + hourMs);
});

Deno.test("a clock that was put back is believed at once, since nothing looks older by it", async () => {
  const clock = new FakeClock(), retention = new Retention(clock, []);
  clock.step(-yearMs);
  await clock.advance(hourMs);
  assert.equal(retention.nowMs(), clock.nowMs());
});
