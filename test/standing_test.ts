import assert from "node:assert/strict";
import type { ResourceState } from "../src/availability.ts";
import { type Condition, conditionsOf, type HealthRules } from "../src/health.ts";
import { statusOf } from "../src/history.ts";
import type { ExperimentState } from "../src/persisted.ts";
import { Bench, resource, rules } from "./support/bench.ts";

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
