import fc from "fast-check";
import assert from "node:assert/strict";
import { recentOf, recordedOf, type Shares, sharesOf, type Span, spansOf } from "../src/history.ts";
import type { MonitorRun, StateChange } from "../src/persisted.ts";

const window = { fromMs: 100, toMs: 200 };
const ran = (startedMs: number, aliveMs: number): MonitorRun => ({ startedMs, aliveMs });
const turn = (atMs: number, state: StateChange["state"], available = true): StateChange => ({ atMs, state, available });

/** As `100 healthy A 150 not_watched 200`. */
function text(spans: readonly Span[]): string {
  const words = spans.map(({ fromMs, state, available }) => {
    return `${fromMs} ${state}${available === null ? "" : available ? " A" : " U"}`;
  });
  return [...words, ...spans.slice(-1).map(({ toMs }) => String(toMs))].join(" ");
}

const told: Record<string, [runs: MonitorRun[], turns: StateChange[], want: string]> = {
  "nothing known": [[], [], "100 not_watched 200"],
  "a run without turns": [[ran(0, 300)], [], "100 not_watched 200"],
  "turns without a run": [[], [turn(120, "healthy")], "100 not_watched 200"],
  "a turn before the window tells how it stood at its start": [
    [ran(0, 300)],
    [turn(50, "healthy")],
    "100 healthy A 200",
  ],
  "of turns before the window the last counts": [
    [ran(0, 300)],
    [turn(50, "healthy"), turn(99, "unhealthy", false)],
    "100 unhealthy U 200",
  ],
  "a turn at the very start": [[ran(0, 300)], [turn(50, "healthy"), turn(100, "unhealthy")], "100 unhealthy A 200"],
  "a turn at the very end is not in it": [
    [ran(0, 300)],
    [turn(50, "healthy"), turn(200, "unhealthy")],
    "100 healthy A 200",
  ],
  "a turn after the window": [[ran(0, 300)], [turn(50, "healthy"), turn(201, "unhealthy")], "100 healthy A 200"],
  "before the first turn nobody watched": [
    [ran(0, 300)],
    [turn(130, "starting")],
    "100 not_watched 130 starting A 200",
  ],
  "each state and what book said of it": [
    [ran(0, 300)],
    [turn(100, "starting", false), turn(110, "healthy", false), turn(120, "healthy"), turn(130, "unknown")],
    "100 starting U 110 healthy U 120 healthy A 130 unknown A 200",
  ],
  "turns that say the same make one span": [
    [ran(0, 300)],
    [turn(90, "healthy"), turn(120, "healthy"), turn(150, "healthy")],
    "100 healthy A 200",
  ],
  "of turns at one moment the last counts": [
    [ran(0, 300)],
    [turn(50, "healthy"), turn(150, "unhealthy"), turn(150, "unknown")],
    "100 healthy A 150 unknown A 200",
  ],
  "it was forgotten, and came back": [
    [ran(0, 300)],
    [turn(50, "healthy"), turn(120, "not_watched", false), turn(160, "starting", false)],
    "100 healthy A 120 not_watched 160 starting U 200",
  ],
  "between two runs nobody watched": [
    [ran(0, 120), ran(150, 300)],
    [turn(50, "healthy")],
    "100 healthy A 120 not_watched 150 healthy A 200",
  ],
  "a turn between two runs holds when the second begins": [
    [ran(0, 120), ran(150, 300)],
    [turn(50, "healthy"), turn(130, "unhealthy")],
    "100 healthy A 120 not_watched 150 unhealthy A 200",
  ],
  "one run ends where the next begins": [[ran(0, 150), ran(150, 300)], [turn(50, "healthy")], "100 healthy A 200"],
  "what follows a gap and says nothing else is no new span": [
    [ran(0, 120), ran(150, 300)],
    [turn(50, "not_watched"), turn(170, "healthy")],
    "100 not_watched 170 healthy A 200",
  ],
  "the run ended before the window": [[ran(0, 100)], [turn(50, "healthy")], "100 not_watched 200"],
  "the run begins after the window": [[ran(200, 300)], [turn(50, "healthy")], "100 not_watched 200"],
  "the run begins in the window": [[ran(130, 300)], [turn(130, "starting")], "100 not_watched 130 starting A 200"],
  "the run ends in the window": [[ran(0, 130)], [turn(0, "healthy")], "100 healthy A 130 not_watched 200"],
  "the window lies before everything": [[ran(250, 300)], [turn(250, "healthy")], "100 not_watched 200"],
  "a run of no length": [[ran(150, 150)], [turn(50, "healthy")], "100 not_watched 200"],
  "a run that ends before it begins": [[ran(150, 120)], [turn(50, "healthy")], "100 not_watched 200"],
  "runs that overlap are one": [[ran(0, 150), ran(120, 300)], [turn(50, "healthy")], "100 healthy A 200"],
};
for (const [name, [runs, turns, want]] of Object.entries(told)) {
  Deno.test(`spans: ${name}`, () => assert.equal(text(spansOf({ runs, turns }, window)), want));
}

Deno.test("spans: a window without time has none", () => {
  const past = { runs: [ran(0, 300)], turns: [turn(50, "healthy")] };
  assert.deepEqual(spansOf(past, { fromMs: 100, toMs: 100 }), []);
  assert.deepEqual(spansOf(past, { fromMs: 100, toMs: 50 }), []);
});

const timeMs = fc.integer({ min: 80, max: 220 });
const state = fc.constantFrom<StateChange["state"][]>("healthy", "unhealthy", "starting", "unknown", "not_watched");
const anyTurns = fc.array(fc.record({ atMs: timeMs, state, available: fc.boolean() }), { maxLength: 12 });
const anyRuns = fc.array(fc.record({ startedMs: timeMs, aliveMs: timeMs }), { maxLength: 5 });
const byTime = (turns: readonly StateChange[]) => turns.toSorted((a, b) => a.atMs - b.atMs);

Deno.test("spans cover the window without a gap or overlap, and neighbours differ, in whatever order the past comes", () => {
  fc.assert(fc.property(anyTurns, anyRuns, timeMs, timeMs, (turns, runs, fromMs, toMs) => {
    const spans = spansOf({ turns, runs }, { fromMs, toMs });
    if (toMs <= fromMs) return assert.deepEqual(spans, []);
    assert.deepEqual([spans[0]?.fromMs, spans.at(-1)?.toMs], [fromMs, toMs]);
    for (const [at, span] of spans.entries()) {
      assert.ok(span.fromMs < span.toMs);
      const next = spans[at + 1];
      if (next) assert.equal(next.fromMs, span.toMs);
      assert.notDeepEqual([next?.state, next?.available], [span.state, span.available]);
    }
  }));
});

Deno.test("at each moment the span says what the newest turn says, if a run lasted then", () => {
  fc.assert(fc.property(anyTurns, anyRuns, timeMs, (unsorted, anyOrder, atMs) => {
    const turns = byTime(unsorted);
    const runs = anyOrder.toSorted((a, b) => a.startedMs - b.startedMs);
    const [span] = spansOf({ turns, runs }, { fromMs: atMs, toMs: atMs + 1 });
    const isRunning = runs.some(({ startedMs, aliveMs }) => startedMs <= atMs && atMs < aliveMs);
    const newest = turns.findLast((each) => each.atMs <= atMs);
    const isWatched = isRunning && newest !== undefined && newest.state !== "not_watched";
    assert.equal(span?.state, isWatched ? newest.state : "not_watched");
    assert.equal(span?.available, isWatched ? newest.available : null);
  }));
});

const share: Record<string, [spans: [ms: number, state: Span["state"], available: boolean | null][], want: Shares]> = {
  "no time": [[], { watched: 0, known: 0, healthy: 0, available: 0 }],
  "nobody watched": [[[10, "not_watched", null]], { watched: 0, known: 0, healthy: 0, available: 0 }],
  "well and available all the time": [[[10, "healthy", true]], { watched: 1, known: 1, healthy: 1, available: 1 }],
  "ill and unavailable all the time": [[[10, "unhealthy", false]], { watched: 1, known: 1, healthy: 0, available: 0 }],
  "half of it not watched": [
    [[10, "not_watched", null], [10, "healthy", true]],
    { watched: 0.5, known: 0.5, healthy: 0.5, available: 0.5 },
  ],
  "starting and unknown are watched, but not known": [
    [[10, "starting", false], [20, "unknown", true], [10, "healthy", true]],
    { watched: 1, known: 0.25, healthy: 0.25, available: 0.75 },
  ],
  "only starting": [[[10, "starting", false]], { watched: 1, known: 0, healthy: 0, available: 0 }],
  "time counts, not spans": [
    [[30, "healthy", true], [5, "unhealthy", true], [5, "unhealthy", false]],
    { watched: 1, known: 1, healthy: 0.75, available: 0.875 },
  ],
};
for (const [name, [parts, want]] of Object.entries(share)) {
  Deno.test(`shares: ${name}`, () => {
    const spans: Span[] = [];
    for (const [ms, state, available] of parts) {
      const fromMs = spans.at(-1)?.toMs ?? 0;
      spans.push({ fromMs, toMs: fromMs + ms, state, available });
    }
    assert.deepEqual(sharesOf(spans), want);
  });
}

const recent: Record<string, [runs: MonitorRun[], turns: StateChange[], fromMs: number]> = {
  "nothing is known": [[], [], 200],
  "all of the window": [[ran(50, 300)], [turn(60, "healthy")], 100],
  "the first turn is in the window": [[ran(50, 300)], [turn(120, "healthy"), turn(150, "unknown")], 120],
  "the first run is in the window": [[ran(130, 300)], [turn(60, "healthy")], 130],
  "the first turn is after the window": [[ran(50, 300)], [turn(260, "healthy")], 200],
};
for (const [name, [runs, turns, fromMs]] of Object.entries(recent)) {
  Deno.test(`what the newest turns and runs tell of the window: ${name}`, () => {
    assert.deepEqual(recentOf({ runs, turns }, window), { fromMs, toMs: 200 });
  });
}

const most = { turns: 2, runs: 2 };
const known: Record<string, [runs: MonitorRun[], turns: StateChange[], fromMs: number]> = {
  "nothing is known, of which nothing was left out": [[], [], 100],
  "fewer turns and runs than were asked for": [[ran(150, 300)], [turn(150, "healthy")], 100],
  "as many turns, the first before the window": [[], [turn(90, "healthy"), turn(150, "unknown")], 100],
  "as many turns, the first in the window": [[], [turn(120, "healthy"), turn(150, "unknown")], 120],
  "as many runs, the first in the window": [[ran(130, 140), ran(150, 300)], [], 130],
  "as many of both": [[ran(130, 140), ran(150, 300)], [turn(120, "healthy"), turn(150, "unknown")], 130],
  "all of them after the window": [[], [turn(250, "healthy"), turn(260, "unknown")], 200],
};
for (const [name, [runs, turns, fromMs]] of Object.entries(known)) {
  Deno.test(`what can be told: ${name}`, () => {
    assert.deepEqual(recordedOf({ runs, turns }, most, window), { fromMs, toMs: 200 });
  });
}
