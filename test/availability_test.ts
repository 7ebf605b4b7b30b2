import assert from "node:assert/strict";
import type { Issue } from "../src/alerts.ts";
import {
  type AvailabilityRules,
  decide,
  type Decision,
  dryRunsOf,
  heldReason,
  reasonText,
  type ResourceState,
} from "../src/availability.ts";
import type { DesiredAvailability } from "../src/health.ts";
import { Bench, resource } from "./support/bench.ts";

const unread: ResourceState = { kind: "unread" };
const absent: ResourceState = { kind: "absent" };
const said = (available: boolean, reason: string): ResourceState => ({ kind: "said", available, reason, atMs: 0 });
const available = said(true, "Loaded at 2026-11-22T20:57:06Z");
const byUs = said(false, "unavailable because status server: 2026-11-22T20:31:14Z missing required pend00-st-data");
const byPerson = said(false, "unavailable because the camera is at the workshop");

const undecided: DesiredAvailability = { kind: "undecided" };
const yes: DesiredAvailability = { kind: "available" };
const no: DesiredAvailability = {
  kind: "unavailable",
  issues: [{ code: "missing-required", topic: "pend00-st-data" }],
};

const respect: AvailabilityRules = { holds: "respect", writes: true };
const override: AvailabilityRules = { holds: "override", writes: true };
const trial: AvailabilityRules = { holds: "respect", writes: false };
const overrideTrial: AvailabilityRules = { holds: "override", writes: false };

const read: Decision = { kind: "read" };
const nothing: Decision = { kind: "nothing" };
const held: Decision = { kind: "held", reason: "the camera is at the workshop" };
const write = (available: boolean): Decision => ({ kind: "write", available });
const wouldWrite = (available: boolean): Decision => ({ kind: "trial", available });

/** Every state with every wish, by the four pairs of rules in the order: respect, override, and both with writes off. */
const decisions: Record<string, [ResourceState, DesiredAvailability, [Decision, Decision, Decision, Decision]]> = {
  "unread and undecided: book is asked": [unread, undecided, [read, read, read, read]],
  "unread and wanted: book is asked first": [unread, yes, [read, read, read, read]],
  "unread and not wanted: book is asked first": [unread, no, [read, read, read, read]],
  "book does not know it, undecided: nothing": [absent, undecided, [nothing, nothing, nothing, nothing]],
  "book does not know it, wanted: nothing": [absent, yes, [nothing, nothing, nothing, nothing]],
  "book does not know it, not wanted: nothing": [absent, no, [nothing, nothing, nothing, nothing]],
  "available and undecided: left as it is": [available, undecided, [nothing, nothing, nothing, nothing]],
  "available and wanted: left as it is": [available, yes, [nothing, nothing, nothing, nothing]],
  "available and not wanted: made unavailable, whoever set it": [
    available,
    no,
    [write(false), write(false), wouldWrite(false), wouldWrite(false)],
  ],
  "taken off by us and undecided: left as it is": [byUs, undecided, [nothing, nothing, nothing, nothing]],
  "taken off by us and wanted: made available": [
    byUs,
    yes,
    [write(true), write(true), wouldWrite(true), wouldWrite(true)],
  ],
  "taken off by us and not wanted: left as it is": [byUs, no, [nothing, nothing, nothing, nothing]],
  "taken off by a person and undecided: held": [byPerson, undecided, [held, nothing, held, nothing]],
  "taken off by a person and wanted: held, or put back when overridden": [
    byPerson,
    yes,
    [held, write(true), held, wouldWrite(true)],
  ],
  "taken off by a person and not wanted: held": [byPerson, no, [held, nothing, held, nothing]],
};
for (const [name, [state, wish, want]] of Object.entries(decisions)) {
  Deno.test(`decide: ${name}`, () => {
    assert.deepEqual([respect, override, trial, overrideTrial].map((rules) => decide(state, wish, rules)), want);
  });
}

Deno.test("decide: two resources on one topic stub are each kept true by their own wish", () => {
  assert.deepEqual(decide(available, no, respect), write(false));
  assert.deepEqual(decide(available, yes, respect), nothing);
});

const holds: Record<string, [ResourceState, AvailabilityRules, string | null]> = {
  "a person's reason, without book's own words": [byPerson, respect, "the camera is at the workshop"],
  "a person's reason that book did not put its words before": [said(false, "being cleaned"), respect, "being cleaned"],
  "a reason that only mentions us is a person's": [
    said(false, "unavailable because the status server: is wrong"),
    respect,
    "the status server: is wrong",
  ],
  "book's words twice are a person's": [
    said(false, "unavailable because unavailable because status server: x"),
    respect,
    "unavailable because status server: x",
  ],
  "an empty reason is none of ours": [said(false, "unavailable because "), respect, "no reason given"],
  "nor is one that book did not put its words before": [said(false, ""), respect, "no reason given"],
  "nor is one of nothing but spaces": [said(false, "unavailable because   "), respect, "no reason given"],
  "our reason is no hold": [byUs, respect, null],
  "our reason is none without book's words either": [said(false, "status server: x"), respect, null],
  "an available resource is not held, whatever the reason": [said(true, "repaired"), respect, null],
  "with writes off it is held all the same": [byPerson, trial, "the camera is at the workshop"],
  "overridden it never is": [byPerson, override, null],
  "unread it is not known to be": [unread, respect, null],
  "unknown to book it is not": [absent, respect, null],
};
for (const [name, [state, rules, want]] of Object.entries(holds)) {
  Deno.test(`heldReason: ${name}`, () => assert.equal(heldReason(state, rules), want));
}

const nowMs = Date.UTC(2026, 10, 22, 20, 31, 14, 999);
const missing = (topic: string): Issue => ({ code: "missing-required", topic });
const unhealthy = (topic: string): Issue => ({ code: "unhealthy", topic });
const long = "x".repeat(256);

const reasons: Record<string, [Exclude<DesiredAvailability, { kind: "undecided" }>, string]> = {
  "available": [yes, "status server: 2026-11-22T20:31:14Z all required streams ok"],
  "one issue": [no, "status server: 2026-11-22T20:31:14Z missing required pend00-st-data"],
  "several issues, in the order given": [
    { kind: "unavailable", issues: [missing("pend00-st-data"), unhealthy("pend00-st-video")] },
    "status server: 2026-11-22T20:31:14Z missing required pend00-st-data, unhealthy pend00-st-video",
  ],
  "only issues of required streams are told": [
    {
      kind: "unavailable",
      issues: [{ code: "missing-jump" }, { code: "missing", topic: "pend00-st-log" }, unhealthy("pend00-st-data")],
    },
    "status server: 2026-11-22T20:31:14Z unhealthy pend00-st-data",
  ],
  "without an issue there is a reason all the same, as book refuses an empty one": [
    { kind: "unavailable", issues: [] },
    "status server: 2026-11-22T20:31:14Z a required stream is not ok",
  ],
  "the longest issue there can be is told whole, and the others are counted": [
    { kind: "unavailable", issues: [missing(`${long}-${long}`), missing("a-st-b"), unhealthy("a-st-c")] },
    `status server: 2026-11-22T20:31:14Z missing required ${long}-${long} and 2 more`,
  ],
};
const both = [missing("x".repeat(251)), missing("y".repeat(251))];
reasons["two issues for which there is just room"] = [
  { kind: "unavailable", issues: both },
  `status server: 2026-11-22T20:31:14Z missing required ${"x".repeat(251)}, missing required ${"y".repeat(251)}`,
];
reasons["two issues for which there is one letter too few"] = [
  { kind: "unavailable", issues: [missing("x".repeat(252)), missing("y".repeat(251))] },
  `status server: 2026-11-22T20:31:14Z missing required ${"x".repeat(252)} and 1 more`,
];
for (const [name, [wish, want]] of Object.entries(reasons)) {
  Deno.test(`reasonText: ${name}`, () => assert.equal(reasonText(wish, nowMs), want));
}

Deno.test("reasonText: a thousand issues take no more than 600 characters", () => {
  const issues = Array.from({ length: 1_000 }, (_, i) => missing(`pend00-st-${i}`));

  const text = reasonText({ kind: "unavailable", issues }, nowMs);

  assert.match(text, /^status server: 2026-11-22T20:31:14Z missing required pend00-st-0, .*\d and 9\d\d more$/);
  assert.ok(text.length <= 600, `${text.length} characters`);
});

// pend00 is ok, turn04 misses its stream.
const resources = [resource("pend00", ["st-data"]), resource("turn04", ["st-data"])];
const dryRuns: Record<string, [states: Record<string, ResourceState>, writes: boolean, want: Record<string, string>]> =
  {
    "writes are on": [{ "r-pend00": byUs, "r-turn04": available }, true, {}],
    "what differs would be written": [{ "r-pend00": byUs, "r-turn04": available }, false, {
      "r-pend00": "A status server: 2026-11-22T20:31:14Z all required streams ok",
      "r-turn04": "U status server: 2026-11-22T20:31:14Z missing required turn04-st-data",
    }],
    "what book says already would not": [{ "r-pend00": available, "r-turn04": byUs }, false, {}],
    "nor what a person holds": [{ "r-pend00": byPerson, "r-turn04": byPerson }, false, {}],
    "nor what was not read yet, or is not there": [{ "r-turn04": absent }, false, {}],
  };
for (const [name, [states, writes, want]] of Object.entries(dryRuns)) {
  Deno.test(`dryRunsOf: ${name}`, () => {
    const bench = new Bench(resources);
    bench.relay({ "pend00-st-data": 0 });
    bench.pass(10_001);
    bench.relay({ "pend00-st-data": 0 });

    const rules: AvailabilityRules = { holds: "respect", writes };
    const runs = dryRunsOf(resources, { lab: bench.lab, states: new Map(Object.entries(states)), rules }, nowMs);

    const words = [...runs].map(([name, { available, reason }]) => [name, `${available ? "A" : "U"} ${reason}`]);
    assert.deepEqual(Object.fromEntries(words), want);
  });
}
