/** That what is known means the same after the clock was set, or the program was stopped: no rule gives another verdict. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { evaluate, nextLimitMs } from "../src/health.ts";
import { noConnections } from "../src/report.ts";
import { type Shift, shiftedAlert, shiftedLab } from "../src/shift.ts";
import { newSources, shiftedSources, SystemAlertTracker } from "../src/system_alerts.ts";
import { Bench, resource, startMs } from "./support/bench.ts";
import { alert } from "./support/letters.ts";

const dayMs = 86_400_000;

/** The clock of a bench is set by `setMs`, and the program stopped for `stoppedMs`. */
function move(bench: Bench, { setMs = 0, stoppedMs = 0 }: { setMs?: number; stoppedMs?: number }): Shift {
  bench.nowMs += setMs + stoppedMs;
  const shift = { byMs: setMs + stoppedMs, setMs, startedMs: bench.lab.startedMs, nowMs: bench.nowMs };
  bench.lab = shiftedLab(bench.lab, shift);
  return shift;
}

function well(bench: Bench): string[] {
  return [...bench.jump(["pend00"]), ...bench.relay({ "pend00-st-data": 0, "pend00-st-extra": 0 })];
}

const moves: Record<string, { setMs?: number; stoppedMs?: number }> = {
  "put forward by a day": { setMs: dayMs },
  "put back by a day": { setMs: -dayMs },
  "stopped for a day": { stoppedMs: dayMs },
  "stopped for a minute and put back by an hour": { setMs: -3_600_000, stoppedMs: 60_000 },
};

for (const [name, deed] of Object.entries(moves)) {
  Deno.test(`${name}: nothing is late, lost, missing, forgotten or begun by it, and all is in its time after`, () => {
    const bench = new Bench([resource("pend00", ["st-data"])], { startupMs: 60_000 });
    well(bench);
    bench.relay({ "pend00-st-data": 0 }); // the extra one has left the reports
    bench.pass(5_000);
    move(bench, deed);
    assert.deepEqual(bench.judge(), []);
    assert.deepEqual(bench.forget(3_600_000), []);
    assert.equal(bench.lab.experiments.get("pend00")?.isStarting, true, "its start-up time was over");
    bench.pass(3_000);
    bench.jump(["pend00"]);
    bench.relay({ "pend00-st-data": 0 });
    assert.equal(bench.lab.relay.verdicts.get("pend00-st-extra"), "ok", "it was missed too soon");
    bench.pass(2_001);
    assert.equal(bench.lab.relay.verdicts.get("pend00-st-extra"), "missing", "it was not missed in time");
  });

  Deno.test(`${name}: what listening found has the time at which it was found`, () => {
    const bench = new Bench([resource("pend00", ["st-data"])]);
    well(bench);
    bench.listened("pend00-st-data", false);
    bench.nowMs += 3_000;
    move(bench, deed);
    const [finding] = bench.lab.relay.probeResults.values();
    const agoMs = 3_000 + (deed.stoppedMs ?? 0);
    assert.deepEqual([finding?.atMs, finding?.sinceMs], [bench.nowMs - agoMs, bench.nowMs - agoMs - 10_000]);
  });

  Deno.test(`${name}: how long something has lasted does not count it, where it was told before`, () => {
    const bench = new Bench([resource("pend00", ["st-data"])]);
    well(bench);
    bench.pass(4_000);
    move(bench, deed);
    bench.jump(["pend00"]);
    const events = bench.relay({ "pend00-st-data": "silent", "pend00-st-extra": 0 });
    assert.equal(events.length, 1);
    const all = bench.lab.experiments.get("pend00")?.events ?? [];
    // While it was stopped it stayed what it was, for all that is known.
    assert.equal(all.at(-1)?.lastedMs, 4_000 + (deed.stoppedMs ?? 0));
    const times = all.map(({ atMs }) => atMs);
    assert.deepEqual(times, times.toSorted((a, b) => a - b));
  });
}

Deno.test("what is due next is as far off as it was, whatever is done to the clock", () => {
  fc.assert(fc.property(
    fc.integer({ min: -10 * dayMs, max: 10 * dayMs }),
    fc.integer({ min: 0, max: dayMs }),
    fc.integer({ min: 0, max: 15_000 }),
    (setMs, stoppedMs, passMs) => {
      const bench = new Bench([resource("pend00", ["st-data"])], { startupMs: 20_000 });
      well(bench);
      bench.relay({ "pend00-st-data": 0 });
      bench.pass(passMs);
      const before = (nextLimitMs(bench.lab, bench.rules, bench.nowMs) ?? 0) - bench.nowMs;
      move(bench, { setMs, stoppedMs });
      assert.equal((nextLimitMs(bench.lab, bench.rules, bench.nowMs) ?? 0) - bench.nowMs, before);
      const { events, lab } = evaluate(bench.lab, bench.rules, bench.nowMs);
      assert.deepEqual(events, []);
      assert.equal(lab.relay.verdicts, bench.lab.relay.verdicts);
    },
  ));
});

Deno.test("what an earlier run told keeps its date, though by the clock of now it is still to come", () => {
  const bench = new Bench([resource("pend00", ["st-data"])]);
  well(bench);
  const known = bench.lab.experiments.get("pend00") ?? assert.fail();
  const sinceMs = startMs + dayMs; // this run's clock was a day behind
  const judged = { kind: "judged", issues: [], sinceMs } as const;
  bench.lab = { ...bench.lab, experiments: new Map([["pend00", { ...known, judged }]]) };
  move(bench, { setMs: dayMs });
  assert.deepEqual(bench.lab.experiments.get("pend00")?.judged, judged);
  const events = bench.relay({ "pend00-st-data": "silent", "pend00-st-extra": 0 });
  assert.equal(events.length, 1);
});

Deno.test("events of this run are no later than now when the clock was put back; those of earlier runs when something happens", () => {
  const bench = new Bench([resource("pend00", ["st-data"])]);
  well(bench);
  const known = bench.lab.experiments.get("pend00") ?? assert.fail();
  const [own = assert.fail()] = known.events;
  const earlier = { ...own, atMs: startMs - 60_000 }, toCome = { ...own, atMs: startMs + 10 * dayMs };
  const experiment = { ...known, events: [earlier, toCome, own] };
  bench.lab = { ...bench.lab, experiments: new Map([["pend00", experiment]]) };
  bench.pass(5_000);
  const times = () => bench.lab.experiments.get("pend00")?.events.map(({ atMs }) => (atMs - startMs) / 1_000);
  move(bench, { setMs: -3_000 });
  assert.deepEqual(times(), [-60, 864_000, 0], "2 s after the start there is nothing to come of this run");
  move(bench, { setMs: -10_000 });
  assert.deepEqual(times(), [-60, 864_000, -8]);
  bench.relay({ "pend00-st-data": "silent", "pend00-st-extra": 0 });
  assert.deepEqual(times(), [-60, -8, -8, -8]);
});

Deno.test("the last word of a source, and since when it is so, go with the clock, and when book's list was gone with a stop too", () => {
  const sources = newSources(startMs);
  const told = { ...sources.relay, sinceMs: startMs + 1_000, lastReportMs: startMs + 4_000, tokenExpiresMs: dayMs };
  const book = { ...sources.book, sinceMs: startMs - 5_000, goneMs: startMs + 2_000, lastSuccessMs: startMs + 3_000 };
  const shift = { byMs: 70_000, setMs: 10_000, startedMs: startMs, nowMs: startMs + 75_000 };
  const shifted = shiftedSources({ ...sources, relay: told, book }, shift);
  assert.deepEqual(shifted.relay, { ...told, sinceMs: startMs + 11_000, lastReportMs: startMs + 14_000 });
  assert.deepEqual(shifted.book, {
    ...book,
    sinceMs: startMs - 5_000,
    goneMs: startMs + 72_000,
    lastSuccessMs: startMs + 13_000,
  });
  assert.equal(shiftedAlert(alert("relay-lost", { atMs: startMs + 1 }), shift).atMs, startMs + 10_001);
});

Deno.test("every moment by which something ages goes with the clock, and with the time in which nothing ran", () => {
  const connections = noConnections;
  const left = new Map([["pend00-st-extra", { seenMs: 3, namedMs: 4, connection: null }]]);
  const newest = { kind: "report", atMs: 5, connections } as const;
  const { lab } = new Bench([resource("pend00", ["st-data"])]);
  const jump = { ...lab.jump, startedMs: 1, recoveredMs: 2, newest, departed: left };
  const known = lab.experiments.get("pend00") ?? assert.fail();
  const starting = { ...known, firstSeenMs: 6, namedBeforeMs: 7, isStarting: true };
  const aged = { ...lab, startedMs: 0, listedMs: 8, jump, experiments: new Map([["pend00", starting]]) };

  const shifted = shiftedLab(aged, { byMs: 100, setMs: 0, startedMs: 0, nowMs: 200 });

  // When the manifest had it is shown as it was, and ages by when it was named.
  const experiment = { ...starting, firstSeenMs: 106, namedBeforeMs: 108 };
  assert.deepEqual(shifted.experiments.get("pend00"), experiment);
  assert.equal(shifted.listedMs, 8);
  assert.deepEqual(shifted.jump, {
    ...jump,
    startedMs: 101,
    recoveredMs: 102,
    newest: { ...newest, atMs: 105 },
    departed: new Map([["pend00-st-extra", { seenMs: 103, namedMs: 104, connection: null }]]),
  });
  assert.equal(shifted.startedMs, 0, "when it was started is no age");
});

Deno.test("when a manifest last listed an experiment goes with a clock that is set, and not with time in which nothing ran", () => {
  const { lab } = new Bench([resource("pend00", ["st-data"])]);
  const known = lab.experiments.get("pend00") ?? assert.fail();
  const gone = { ...known, name: "spin31", resources: [], namedBeforeMs: 7, listedBeforeMs: 9 };
  const listed = { ...lab, listedMs: 8, experiments: new Map([["pend00", known], ["spin31", gone]]) };

  const shifted = shiftedLab(listed, { byMs: 150, setMs: 50, startedMs: 0, nowMs: 200 });

  assert.equal(shifted.listedMs, 58);
  assert.equal(shifted.experiments.get("pend00")?.listedBeforeMs, null);
  const { listedBeforeMs, namedBeforeMs } = shifted.experiments.get("spin31") ?? assert.fail();
  assert.deepEqual({ listedBeforeMs, namedBeforeMs }, { listedBeforeMs: 59, namedBeforeMs: 159 });
});

Deno.test("when this run was started, and an experiment first seen, goes with a clock that is set", () => {
  const bench = new Bench([resource("pend00", ["st-data"])]);
  well(bench);
  bench.pass(1_000);
  move(bench, { setMs: dayMs });
  assert.equal(bench.lab.startedMs, startMs + dayMs);
  assert.equal(bench.lab.experiments.get("pend00")?.firstSeenMs, startMs + dayMs);
});

Deno.test("alerts that hold go with the clock, and are told of no more for it", () => {
  const alarms = new SystemAlertTracker(new Map([["relay-lost", alert("relay-lost", { atMs: startMs })]]), []);
  alarms.shift({ byMs: -dayMs, setMs: -dayMs, startedMs: startMs, nowMs: startMs - dayMs + 5 });
  assert.deepEqual([...alarms.known.values()], [alert("relay-lost", { atMs: startMs - dayMs })]);
});
