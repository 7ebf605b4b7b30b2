/** What the monitor tells, and what it keeps, when the clock is set under it, or it is stopped. */
import assert from "node:assert/strict";
import { agedMs } from "../src/snapshot.ts";
import { connection } from "./support/bench.ts";
import { FakeClock } from "./support/clock.ts";
import { manifest, setUp } from "./support/monitor.ts";

const dayMs = 86_400_000;
const all = { events: 100, stateChanges: 100, runs: 100 };
type Lab = ReturnType<typeof setUp>;

/** pend00 as both feeds report it. */
function reported({ report }: Lab, sending: number | "silent" = 0): void {
  report("jump", connection("pend00"));
  report("relay", connection("pend00-st-data", sending));
}

async function watching(given: Parameters<typeof setUp>[0] = {}): Promise<Lab> {
  const lab = setUp(given);
  manifest(lab.monitor, lab.clock.nowMs());
  reported(lab);
  await lab.monitor.settled();
  return lab;
}

const told = ({ done }: Lab) => done.filter((what) => what.startsWith("owed"));

const deeds: Record<string, (clock: FakeClock) => void> = {
  "the clock is put forward by a day": (clock) => clock.step(dayMs),
  "the clock is put back by a day": (clock) => clock.step(-dayMs),
  "the program is stopped for a day": (clock) => clock.stopped(dayMs),
};

for (const [deed, act] of Object.entries(deeds)) {
  Deno.test(`${deed}: nobody is told anything, and feeds are lost in their time when they go silent after`, async () => {
    const lab = await watching();
    lab.done.length = 0;
    act(lab.clock);
    await lab.clock.advance(14_000);
    assert.deepEqual(told(lab), [], "lost after 14 s of silence, of 15");
    reported(lab);
    await lab.clock.advance(5_000);
    reported(lab);
    await lab.monitor.settled();
    assert.deepEqual(told(lab), []);

    await lab.clock.advance(15_001);
    assert.match(told(lab).join(), /jump has no fresh reports so may be down.*relay has no fresh reports/);
    await lab.end();
  });

  Deno.test(`${deed}: what nothing names is forgotten in its time, and not before`, async () => {
    const lab = setUp({ forgetMs: 3_600_000 });
    lab.report("jump", connection("pend00"));
    lab.report("relay");
    lab.report("jump");
    act(lab.clock);
    await lab.clock.advance(3_500_000);
    assert.equal(lab.monitor.snapshot().experiments.length, 1, "forgotten too soon");
    await lab.clock.advance(200_000);
    assert.equal(lab.monitor.snapshot().experiments.length, 0, "not forgotten in time");
    await lab.end();
  });

  Deno.test(`${deed}: the store has events and history in order, none later than now`, async () => {
    const lab = await watching();
    await lab.clock.advance(5_000);
    reported(lab, "silent");
    await lab.monitor.settled();
    act(lab.clock);
    await lab.clock.advance(5_000);
    reported(lab);
    await lab.monitor.settled();
    await lab.end();

    const saved = await lab.store.load(all);
    const ascending = (times: readonly number[]) => {
      assert.ok(times.length > 0);
      assert.deepEqual(times, times.toSorted((a, b) => a - b));
      assert.ok((times.at(-1) ?? Infinity) <= lab.clock.nowMs(), "later than now");
    };
    const events = saved.events.get("pend00") ?? [];
    ascending(events.map(({ atMs }) => atMs));
    ascending((saved.stateChanges.get("pend00") ?? []).map(({ atMs }) => atMs));
    ascending(saved.runs.flatMap(({ startedMs, aliveMs }) => [startedMs, aliveMs]));
    assert.deepEqual(events.map(({ healthy }) => healthy), [true, false, true]);
    assert.equal(events[1]?.lastedMs, 5_000);
    assert.equal(saved.experiments[0]?.sinceMs, lab.clock.nowMs());
  });
}

Deno.test("since when something is so goes with the clock, in the store too", async () => {
  const lab = await watching();
  await lab.clock.advance(5_000);
  lab.clock.step(-dayMs);
  reported(lab);
  await lab.end();
  assert.equal(lab.monitor.snapshot().experiments[0]?.sinceMs, lab.clock.nowMs() - 5_000);
  assert.equal((await lab.store.load(all)).experiments[0]?.sinceMs, lab.clock.nowMs() - 5_000);
});

Deno.test("what a clock that was put back moves is recorded with what has another date for it, so that no kill comes between", async () => {
  const lab = await watching();
  lab.recorded.length = 0;
  lab.clock.step(-dayMs);
  lab.monitor.snapshot();
  await lab.monitor.settled();
  assert.deepEqual(lab.recorded.map((changes) => changes.map(({ kind }) => kind)), [[
    "clock-back",
    "run",
    "experiment",
  ]]);
  await lab.end();
});

Deno.test("what listening found right after the clock was set has the time at which it was found", async () => {
  const lab = await watching();
  lab.clock.step(dayMs / 24);
  const atMs = lab.clock.nowMs(), { connected } = connection("pend00-st-data");
  lab.monitor.probed({
    topic: "pend00-st-data",
    finding: { connected, heard: false, atMs, sinceMs: atMs - 10_000 },
  });
  const probe = lab.monitor.snapshot().experiments[0]?.streams[0]?.probe;
  assert.deepEqual([probe?.atMs, probe?.sinceMs], [atMs, atMs - 10_000]);
  await lab.end();
});

Deno.test("after it was stopped for a day, what was last heard of all is told with the time at which it was", async () => {
  const lab = await watching();
  const saidMs = lab.clock.nowMs();
  await lab.clock.advance(2_000);
  lab.report("relay"); // its stream has left
  lab.clock.stopped(dayMs);
  await lab.clock.advance(1_000);
  const { feeds, book, experiments: [pend00] } = lab.monitor.snapshot();
  assert.deepEqual([feeds.jump.lastSuccessMs, feeds.relay.lastSuccessMs], [saidMs, saidMs + 2_000]);
  assert.deepEqual([book.lastSuccessMs, pend00?.foundInManifestMs], [saidMs, saidMs]);
  const stream = pend00?.streams[0] ?? assert.fail();
  assert.deepEqual([pend00?.host.seenMs, stream.seenMs], [saidMs, saidMs]);
  assert.equal(agedMs(saidMs, feeds.relay), 2_000, "it is no longer gone than it was");
  await lab.end();
});

Deno.test("after a restart with a clock that was put back by a day, what has vanished meanwhile is missed in time", async () => {
  const first = await watching();
  await first.clock.advance(5_000);
  reported(first);
  await first.end();

  const clock = new FakeClock(first.clock.nowMs() - dayMs);
  const lab = setUp({ saved: await first.store.load(all), store: first.store, clock });
  for (let reports = 0; reports < 4; reports++) {
    lab.report("jump", connection("pend00"));
    lab.report("relay");
    await clock.advance(5_000);
  }
  await lab.monitor.settled();
  assert.deepEqual(told(lab), ["owed pend00: missing required pend00-st-data"]);
  const [experiment] = lab.monitor.snapshot().experiments;
  const lasted = experiment?.events.at(-1)?.lastedMs;
  assert.equal(lasted, 0, "it had lasted for less than no time");
  const times = experiment?.events.map(({ atMs }) => atMs) ?? [];
  assert.deepEqual(times, times.toSorted((a, b) => a - b));
  await lab.end();
});

Deno.test("after a restart with a clock that is far ahead, nothing is missed that is there", async () => {
  const first = await watching();
  await first.end();
  const clock = new FakeClock(first.clock.nowMs() + 365 * dayMs);
  const lab = setUp({ saved: await first.store.load(all), store: first.store, clock });
  reported(lab);
  await clock.advance(5_000);
  reported(lab);
  clock.step(-365 * dayMs);
  await clock.advance(5_000);
  reported(lab);
  await lab.monitor.settled();
  assert.deepEqual(told(lab), []);
  await lab.end();
});
