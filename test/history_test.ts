import fc from "fast-check";
import assert from "node:assert/strict";
import type { ResourceState } from "../src/availability.ts";
import { type Condition, conditionsOf, type HealthRules } from "../src/health.ts";
import { recentOf, recordedOf, type Shares, sharesOf, type Span, spansOf, statusOf } from "../src/history.ts";
import type { ExperimentState, MonitorRun, StateChange } from "../src/persisted.ts";
import { Bench, resource, rules } from "./support/bench.ts";

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

const said = (available: boolean): ResourceState => ({ kind: "said", available, reason: "", atMs: 0 });

function standing(
  bench: Bench,
  has: {
    states?: Record<string, ResourceState>;
    wasAvailable?: boolean;
    conditions?: { jump: Condition; relay: Condition };
  } = {},
) {
  const experiment = bench.lab.experiments.get("pend00");
  assert.ok(experiment);
  const conditions = has.conditions ?? conditionsOf(bench.lab, bench.rules, bench.nowMs);
  const states = new Map(Object.entries(has.states ?? {}));
  return statusOf(experiment, { lab: bench.lab, conditions, health: bench.rules, states }, has.wasAvailable ?? false);
}

/** pend00 with one required stream that sends, or never did. */
function reported(sending: 0 | "silent", changes: Partial<HealthRules> = {}): Bench {
  const bench = new Bench([resource("pend00", ["st-data"])], changes);
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": sending });
  return bench;
}

const live: Condition = "live";
const states: Record<string, [bench: Bench, conditions: { jump: Condition; relay: Condition }, want: ExperimentState]> =
  {
    "all is ok": [reported(0), { jump: live, relay: live }, "healthy"],
    "a stream is silent": [reported("silent"), { jump: live, relay: live }, "unhealthy"],
    "not judged yet": [reported(0, { startupMs: 1 }), { jump: live, relay: live }, "starting"],
    "not judged yet, and a feed is lost": [reported(0, { startupMs: 1 }), { jump: "lost", relay: live }, "unknown"],
    "jump is lost": [reported(0), { jump: "lost", relay: live }, "unknown"],
    "jump is lost and a stream is silent": [reported("silent"), { jump: "lost", relay: live }, "unknown"],
    "relay is lost": [reported(0), { jump: live, relay: "lost" }, "unknown"],
    "both are lost": [reported(0), { jump: "lost", relay: "lost" }, "unknown"],
    "a late feed is not a lost one": [reported(0), { jump: "late", relay: "late" }, "healthy"],
    "a feed that only connects is not a lost one": [reported(0), { jump: "connecting", relay: live }, "healthy"],
    "relay is lost, and HEALTH_FEED_LOSS=unavailable": [
      reported("silent", { feedLoss: "unavailable" }),
      { jump: live, relay: "lost" },
      "unhealthy",
    ],
    "jump is lost, and HEALTH_FEED_LOSS=unavailable": [
      reported(0, { feedLoss: "unavailable" }),
      { jump: "lost", relay: live },
      "unknown",
    ],
  };
for (const [name, [bench, conditions, want]] of Object.entries(states)) {
  Deno.test(`how an experiment stands: ${name}`, () => {
    assert.equal(standing(bench, { conditions }).state, want);
  });
}

Deno.test("it is unknown since the first feed was lost, and healthy since it became so", () => {
  const bench = reported(0);
  const healthyMs = bench.nowMs;
  assert.equal(standing(bench).sinceMs, healthyMs);
  bench.pass(4_000);
  bench.relay({ "pend00-st-data": 0 });
  bench.pass(30_000);
  assert.deepEqual(standing(bench), { state: "unknown", sinceMs: healthyMs + 15_000, available: false });
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": 0 });
  assert.deepEqual([standing(bench).state, standing(bench).sinceMs], ["healthy", healthyMs]);
});

Deno.test("a feed that never reported is lost since its time was up", () => {
  const bench = new Bench([resource("pend00", ["st-data"])], { startupMs: rules.startupMs });
  const startedMs = bench.nowMs;
  bench.pass(60_000);
  assert.equal(standing(bench).sinceMs, startedMs + rules.lastCheckedMs);
});

const unread: ResourceState = { kind: "unread" };
const one = ["r-pend00"], two = ["r-pend00", "r-other"];
const availabilities: Record<
  string,
  [resources: string[], states: Record<string, ResourceState>, was: boolean, want: boolean]
> = {
  "book said so": [one, { "r-pend00": said(true) }, false, true],
  "book said no": [one, { "r-pend00": said(false) }, true, false],
  "book does not know it": [one, { "r-pend00": { kind: "absent" } }, true, false],
  "book has not said anything in this run: as before": [one, {}, true, true],
  "nor ever": [one, {}, false, false],
  "it is being read": [one, { "r-pend00": unread }, true, true],
  "book lists no resource of it": [[], { "r-other": said(true) }, true, false],
  "book said so of both": [two, { "r-pend00": said(true), "r-other": said(true) }, false, true],
  "book said no of one": [two, { "r-pend00": said(true), "r-other": said(false) }, true, false],
  "of one book has not said anything: as before": [two, { "r-pend00": said(true) }, true, true],
  "of one book has not said anything, nor ever": [two, { "r-pend00": said(true) }, false, false],
  "of one book has not said anything, and no of the other": [two, { "r-pend00": said(false) }, true, false],
};
for (const [name, [names, said, wasAvailable, want]] of Object.entries(availabilities)) {
  Deno.test(`whether an experiment is available: ${name}`, () => {
    const bench = new Bench(names.map((each) => resource("pend00", ["st-data"], each)));
    bench.jump(["pend00"]);
    assert.equal(standing(bench, { states: said, wasAvailable }).available, want);
  });
}
