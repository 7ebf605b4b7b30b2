import fc from "fast-check";
import assert from "node:assert/strict";
import { conditionsOf } from "../src/health.ts";
import { initialLab, persistedExperiment, restoreLab, withManifest } from "../src/lab.ts";
import { canBeAskedFor } from "../src/probe_socket.ts";
import { noConnections } from "../src/report.ts";
import { ProbePlan, type ProbeTargets, probeTargets, rememberedTargets } from "../src/stream_probe.ts";
import { afterNews, afterReport, newSources } from "../src/system_alerts.ts";
import { Bench, resource, rules, type Sending, startMs } from "./support/bench.ts";
import { nothing } from "./support/store_samples.ts";

const periodMs = 10_000;
// As design has it, whatever the plan says.
const probesMax = 4;
const half = 0.5;

/** Plays the plan until `untilMs`: each stream takes as long as `takesMs` says, and ends as `how` says. */
function play(
  plan: ProbePlan,
  { fromMs = 0, untilMs, takesMs = () => 50, how = () => "worked" as const }: {
    fromMs?: number;
    untilMs: number;
    takesMs?: (topic: string) => number;
    how?: (topic: string, atMs: number) => "worked" | "failed" | "nothing";
  },
): { topic: string; atMs: number; atATime: number }[] {
  const begun: { topic: string; atMs: number; atATime: number }[] = [];
  const running = new Map<string, number>();
  let nowMs = fromMs;
  while (nowMs < untilMs) {
    for (const [topic, endMs] of running) {
      if (endMs > nowMs) continue;
      running.delete(topic);
      plan.end(topic, how(topic, nowMs), nowMs, half);
    }
    const topic = plan.begin(nowMs);
    if (topic !== null) {
      running.set(topic, nowMs + takesMs(topic));
      begun.push({ topic, atMs: nowMs, atATime: running.size });
    } else nowMs = Math.min(plan.dueMs > nowMs ? plan.dueMs : Infinity, ...running.values());
    if (nowMs === Infinity) break;
  }
  return begun;
}

const topics = (count: number) => Array.from({ length: count }, (_, at) => `pend${at}-st-data`);

function planOf(count: number): ProbePlan {
  const plan = new ProbePlan(periodMs);
  plan.set(topics(count), 0);
  return plan;
}

Deno.test("each of three streams is begun with once in ten seconds, spread over them", () => {
  const begun = play(planOf(3), { untilMs: 20_000 });
  assert.deepEqual(begun.map(({ topic, atMs }) => `${topic.slice(0, 5)} ${atMs}`), [
    "pend0 0",
    "pend1 3000",
    "pend2 6000",
    "pend0 10000",
    "pend1 13000",
    "pend2 16000",
  ]);
});

Deno.test("moments are whole milliseconds, so that none is rounded to a little less than a period", () => {
  const begun = play(planOf(7), { untilMs: 40_000, takesMs: () => 0 });
  assert.deepEqual(begun.filter(({ atMs }) => !Number.isInteger(atMs)), []);
});

Deno.test("streams that are new have their turn before those that were listened to", () => {
  const plan = planOf(2);
  play(plan, { untilMs: 9_000 });
  plan.set([...topics(2), "late-st-data"], 9_000);
  assert.equal(plan.begin(9_000), "late-st-data");
});

Deno.test("one that leaves and comes back is not begun with again any sooner", () => {
  const plan = planOf(1);
  assert.deepEqual(play(plan, { untilMs: 1_000 }).length, 1);
  plan.set([], 1_000);
  plan.set(topics(1), 2_000);
  assert.equal(plan.dueMs, 10_000);
});

Deno.test("nor is one that comes back after there was nothing to listen to", () => {
  const plan = planOf(1);
  play(plan, { untilMs: 1_000 });
  plan.clear(1_000);
  plan.set(topics(1), 2_000);
  assert.equal(plan.dueMs, 10_000);
});

Deno.test("without streams nothing is ever due", () => assert.equal(planOf(0).dueMs, Infinity));

const rounds: Record<string, [count: number, failures: number, isFailing: boolean]> = {
  "of one stream: two failures are not all": [1, 2, false],
  "of one stream: the third failure in a row is": [1, 3, true],
  "of five streams: four failures are not all": [5, 4, false],
  "of five streams: the fifth is": [5, 5, true],
  "of none": [0, 0, false],
};
for (const [name, [count, failures, isFailing]] of Object.entries(rounds)) {
  Deno.test(`whether all fails is known after a round ${name}`, () => {
    const plan = planOf(count);
    for (let at = 0; at < failures; at++) plan.end("x", "failed", at, half);
    assert.equal(plan.isFailing, isFailing);
  });
}

Deno.test("failures for two periods are a round too, however many streams there are", () => {
  const plan = planOf(300);
  for (const atMs of [0, 10_000, 19_999]) plan.end("x", "failed", atMs, half);
  assert.equal(plan.isFailing, false);
  plan.end("x", "failed", 20_000, half);
  assert.equal(plan.isFailing, true);
});

Deno.test("one that works among those that fail keeps the round from failing", () => {
  const plan = planOf(4);
  const begun = play(plan, { untilMs: 100_000, how: (topic) => topic === "pend0-st-data" ? "worked" : "failed" });
  assert.equal(plan.isFailing, false);
  assert.equal(begun.length, 40);
});

Deno.test("what was called off is neither a failure nor a success", () => {
  const plan = planOf(1);
  for (let at = 0; at < 5; at++) plan.end("x", "nothing", at, half);
  assert.equal(plan.isFailing, false);
  for (let at = 0; at < 3; at++) plan.end("x", "failed", at, half);
  plan.end("x", "nothing", 4, half);
  assert.equal(plan.isFailing, true);
});

Deno.test("while all fails one is tried at a time, ever more seldom; and as soon as one works all go on as before", () => {
  const plan = planOf(40);
  const begun = play(plan, { untilMs: 60_000, how: () => "failed" });
  const gaps = begun.slice(40).map(({ atMs }, at) => atMs - begun[39 + at]!.atMs);
  assert.deepEqual(begun.slice(40).map(({ atATime }) => atATime).filter((count) => count > 1), []);
  // Half of the doubled pause and half of that again at random, here the middle; 50 ms for the try itself.
  assert.deepEqual(gaps.slice(1, 5), [1_550, 3_050, 6_050, 7_550]);

  const after = play(plan, { fromMs: 60_000, untilMs: 80_000 });
  assert.equal(plan.isFailing, false);
  assert.ok(after.length >= 40, `${after.length} in 20 s`);
});

Deno.test("without failures there are four at a time at most, none twice in a period, and a turn for everyone", () => {
  fc.assert(fc.property(
    fc.array(fc.record({ takesMs: fc.integer({ min: 0, max: 21_000 }) }), { minLength: 1, maxLength: 60 }),
    (given) => {
      const plan = planOf(given.length),
        takes = new Map(given.map(({ takesMs }, at) => [topics(given.length)[at], takesMs]));
      const takesMs = (topic: string) => takes.get(topic) ?? 0;
      const begun = play(plan, { untilMs: 200_000, takesMs });
      assertPolite(begun);
      // A round takes the period, or as long as four at a time need for all; and each waits for one round at most.
      const totalMs = given.reduce((sum, each) => sum + each.takesMs, 0), longestMs = Math.max(...takes.values());
      const roundMs = Math.max(periodMs, totalMs / probesMax + longestMs) + longestMs + periodMs / 10;
      for (const topic of takes.keys()) {
        const atMs = begun.filter((each) => each.topic === topic).map((each) => each.atMs);
        for (const [at, each] of [...atMs, 200_000].entries()) {
          assert.ok(each - (atMs[at - 1] ?? 0) <= roundMs, `${topic} ${each}`);
        }
      }
    },
  ));
});

Deno.test("whatever fails, leaves and comes back: four at a time at most, none twice in a period", () => {
  const step = fc.record({
    streams: fc.uniqueArray(fc.constantFrom(...topics(12))),
    forMs: fc.integer({ min: 0, max: 30_000 }),
    takesMs: fc.integer({ min: 0, max: 12_000 }),
    how: fc.constantFrom("worked", "failed", "nothing"),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
    const plan = new ProbePlan(periodMs), begun = [];
    let fromMs = 0;
    for (const { streams, forMs, takesMs, how } of steps) {
      if (streams.length === 0) plan.clear(fromMs);
      else plan.set(streams, fromMs);
      begun.push(
        ...play(plan, { fromMs, untilMs: fromMs + forMs, takesMs: () => takesMs, how: () => how as "worked" }),
      );
      fromMs += forMs + 12_000; // all that runs has ended by then
      for (const topic of topics(12)) plan.end(topic, "nothing", fromMs, half);
    }
    assertPolite(begun);
  }));
});

Deno.test("however many streams there are, they are begun with one after the other and never in a burst", () => {
  fc.assert(fc.property(fc.integer({ min: 2, max: 400 }), fc.integer({ min: 0, max: 100 }), (count, takesMs) => {
    const begun = play(planOf(count), { untilMs: 30_000, takesMs: () => takesMs });
    for (const [at, { atMs }] of begun.slice(1).entries()) {
      assert.ok(atMs - begun[at]!.atMs >= 0.9 * periodMs / count - 1e-6);
    }
  }));
});

function assertPolite(begun: readonly { topic: string; atMs: number; atATime: number }[]): void {
  const last = new Map<string, number>();
  for (const { topic, atMs, atATime } of begun) {
    assert.ok(atATime <= probesMax, `${atATime} at a time`);
    assert.ok(atMs - (last.get(topic) ?? -Infinity) >= periodMs, `${topic} at ${last.get(topic)} and ${atMs}`);
    last.set(topic, atMs);
  }
}

const trouble = { kind: "unreachable", message: "the connection ended" } as const;
const connected = "2026-11-22T07:00:00Z";
const none: ProbeTargets = { kind: "none" }, away: ProbeTargets = { kind: "away" };
const streams = (...topics: string[]): ProbeTargets & { kind: "streams" } => {
  const each = new Map(topics.map((topic) => [topic, connected]));
  return { kind: "streams", streams: each, reports: 1, connects: 0, unaskable: 0 };
};

interface Case {
  readonly sends?: Readonly<Record<string, Sending>>;
  readonly required?: readonly string[];
  readonly mode?: "auto" | "always";
  readonly afterMs?: number;
  readonly isTroubled?: boolean;
  readonly isUnheard?: boolean;
  readonly want: ProbeTargets;
}

const unmeasured = { "pend00-st-data": "unmeasured", "pend00-st-video": "unmeasured" } as const;
const cases: Record<string, Case> = {
  "required streams that are connected are listened to": {
    sends: unmeasured,
    want: streams("pend00-st-data", "pend00-st-video"),
  },
  "one that is not connected is not": { sends: { "pend00-st-data": "unmeasured" }, want: streams("pend00-st-data") },
  "one that is not required is not": {
    sends: { ...unmeasured, "pend00-st-extra": "unmeasured", "spin31-st-data": "unmeasured" },
    want: streams("pend00-st-data", "pend00-st-video"),
  },
  "one that relay could mistake for another is not": {
    sends: { ...unmeasured, "pend00-st-a b": "unmeasured" },
    required: ["st-data", "st-a b"],
    want: { ...streams("pend00-st-data"), unaskable: 1 },
  },
  "with statistics none is": { sends: { "pend00-st-data": 0, "pend00-st-video": 0 }, want: none },
  "nor where only some have them": { sends: { ...unmeasured, "pend00-st-data": 0 }, want: none },
  "but with PROBE_STREAMS=always": {
    sends: { "pend00-st-data": 0, "pend00-st-video": "silent" },
    mode: "always",
    want: streams("pend00-st-data", "pend00-st-video"),
  },
  "where book requires nothing none is": { sends: unmeasured, required: [], want: none },
  "before relay has reported none is": { isUnheard: true, want: away },
  "nor while it is late": { sends: unmeasured, afterMs: 10_000, want: away },
  "nor while it is lost": { sends: unmeasured, afterMs: 60_000, want: away },
  "just before it is late they are": {
    sends: unmeasured,
    afterMs: 9_999,
    want: streams("pend00-st-data", "pend00-st-video"),
  },
  "trouble such as a bad frame, or a renewal that fails, is none of theirs": {
    sends: unmeasured,
    isTroubled: true,
    want: streams("pend00-st-data", "pend00-st-video"),
  },
};
for (const [name, has] of Object.entries(cases)) {
  Deno.test(`probeTargets: ${name}`, () => {
    const bench = new Bench([resource("pend00", has.required ?? ["st-data", "st-video"])]);
    let { relay } = newSources(startMs);
    if (!has.isUnheard) {
      bench.relay(has.sends ?? {});
      const { newest } = bench.lab.relay;
      const connections = newest.kind === "report" ? newest.connections : noConnections;
      const isMeasured = [...connections.keys()].some((topic) => connections.idleMs(topic) !== null);
      const generation = isMeasured ? "measured" : "unmeasured";
      const rest = { entries: connections.size, skipped: 0, generation, intervalMs: 5_000 } as const;
      relay = afterReport(relay, { feed: "relay", atMs: startMs, connections, ...rest });
    }
    if (has.isTroubled) relay = afterNews(relay, { kind: "trouble", trouble });
    const conditions = conditionsOf(bench.lab, rules, bench.nowMs + (has.afterMs ?? 0));
    assert.deepEqual(probeTargets({ lab: bench.lab, conditions, relay }, has.mode ?? "auto"), has.want);
  });
}

const names: Record<string, boolean> = {
  "pend00-st-data": true,
  "PEND_00-st-video-alt": true,
  "pend.00-st-data": false,
  "pend 00-st-data": false,
  "pend/00-st-data": false,
  "pend00-st-data?code=1": false,
  "pend%2F00-st-data": false,
  "pénd00-st-data": false,
  "..": false,
  "": false,
};
for (const [name, want] of Object.entries(names)) {
  Deno.test(`relay ${want ? "can" : "cannot"} be asked for ${JSON.stringify(name)}`, () => {
    assert.equal(canBeAskedFor(name), want);
  });
}

Deno.test("what to listen to is made anew when relay reports, book lists, or relay's state turns, and only then", () => {
  const bench = new Bench([resource("pend00", ["st-data"])]);
  bench.relay(unmeasured);
  const { relay } = newSources(startMs);
  const telling = (conditions = conditionsOf(bench.lab, rules, bench.nowMs)) => ({ lab: bench.lab, conditions, relay });
  const targetsOf = rememberedTargets("always");
  const first = targetsOf(telling());
  assert.equal(first.kind, "streams");

  bench.listened("pend00-st-data", true);
  assert.equal(targetsOf(telling()), first);
  bench.relay(unmeasured);
  assert.notEqual(targetsOf(telling()), first);
  assert.equal(targetsOf(telling({ jump: "live", relay: "late" })).kind, "away");
  const renewed = targetsOf({ ...telling(), relay: afterNews(relay, { kind: "connected", tokenExpiresMs: startMs }) });
  assert.equal(renewed.kind === "streams" && renewed.connects, 1);
  bench.lab = withManifest(bench.lab, [], bench.nowMs);
  assert.equal(targetsOf(telling()).kind, "none");
});

/*  What listening finds, and what is made of it report by report: the rules of a relay without statistics. */

const data = "pend00-st-data", video = "pend00-st-video";
const both: Record<string, Sending> = { [data]: "unmeasured", [video]: "unmeasured" };
const pend = () => [resource("pend00", ["st-data", "st-video"])];
const anew = "2026-11-22T20:00:04Z";

/** pend00 with two required streams that relay does not measure, judged ok. */
function healthy(changes: Partial<typeof rules> = {}): Bench {
  const bench = new Bench(pend(), changes);
  bench.jump(["pend00"]);
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
  return bench;
}

/** The same, with the video found silent and judged so. */
function silent(): Bench {
  const bench = healthy();
  bench.listened(video, false);
  bench.nowMs += 5_000;
  assert.deepEqual(bench.relay(both), [`pend00: unhealthy ${video}`]);
  return bench;
}

Deno.test("a stream that is found silent makes its experiment unhealthy by the next report, and unavailable", () => {
  const bench = healthy();

  assert.deepEqual(bench.listened(video, false), []);
  assert.deepEqual(bench.jump(["pend00"]), []);
  assert.deepEqual(bench.wishes, { "r-pend00": "A" });

  assert.deepEqual(bench.relay(both), [`pend00: unhealthy ${video}`]);
  assert.deepEqual(bench.wishes, { "r-pend00": `U unhealthy ${video}` });
  assert.deepEqual(bench.relay(both), []);
});

Deno.test("it is ok again by the report after it is heard", () => {
  const bench = silent();
  assert.deepEqual(bench.listened(video, false), []);
  assert.deepEqual(bench.relay(both), []);
  assert.deepEqual(bench.listened(video, true), []);
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
  assert.deepEqual(bench.wishes, { "r-pend00": "A" });
});

Deno.test("one that is heard and then silent in between two reports is what was found last", () => {
  const bench = healthy();
  bench.listened(video, false);
  bench.listened(video, true);
  assert.deepEqual(bench.relay(both), []);
});

Deno.test("a new connection of the stream may be well: what was found of the old one is forgotten", () => {
  const bench = silent();
  assert.deepEqual(bench.relay(both, 5_000, anew), ["pend00: ok"]);
  assert.equal(bench.lab.relay.probeResults.size, 0);
});

Deno.test("what was found of a connection that is gone by then counts for nothing", () => {
  const bench = healthy();
  bench.relay(both, 5_000, anew);
  bench.listened(video, false);
  assert.equal(bench.lab.relay.probeResults.size, 0);
  assert.deepEqual(bench.relay(both, 5_000, anew), []);
});

Deno.test("nor does what was found of a stream that is in no report", () => {
  const bench = healthy();
  bench.relay({ [data]: "unmeasured" });
  bench.listened(video, false);
  assert.equal(bench.lab.relay.probeResults.size, 0);
});

Deno.test("a silent stream that leaves the reports is missing in its time, and well when it is back", () => {
  const bench = silent();
  bench.nowMs += 5_000;
  assert.deepEqual(bench.relay({ [data]: "unmeasured" }), []);
  bench.nowMs += 5_001;
  assert.deepEqual(bench.relay({ [data]: "unmeasured" }), [`pend00: missing required ${video}`]);
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
});

Deno.test("with HEALTH_FAILURES=3 the third report after it was found silent counts, and one that is heard begins anew", () => {
  const bench = healthy({ failures: 3 });
  bench.listened(video, false);
  assert.deepEqual([bench.relay(both), bench.relay(both)], [[], []]);
  bench.listened(video, true);
  assert.deepEqual(bench.relay(both), []);
  bench.listened(video, false);
  assert.deepEqual([bench.relay(both), bench.relay(both)], [[], []]);
  assert.deepEqual(bench.relay(both), [`pend00: unhealthy ${video}`]);
});

Deno.test("with HEALTH_SUCCESSES=2 the second report after it was heard counts", () => {
  const bench = healthy({ successes: 2 });
  bench.listened(video, false);
  bench.relay(both);
  bench.listened(video, true);
  assert.deepEqual(bench.relay(both), []);
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
});

Deno.test("the first report after a start does not yet say that a silent stream is well, if it is found in the start-up time", () => {
  const bench = restarted(silent());

  assert.deepEqual(bench.relay(both), []);
  bench.nowMs += 20_000;
  bench.relay(both);
  bench.listened(video, false);
  bench.nowMs += 5_000;
  assert.deepEqual(bench.relay(both), []);
  bench.jump(["pend00"]);
  bench.nowMs += 35_000;
  bench.jump(["pend00"]);
  assert.deepEqual(bench.relay(both), []);
  assert.deepEqual(bench.wishes, { "r-pend00": `U unhealthy ${video}` });
});

/** A run that goes on from what an earlier one kept of a stream that was silent, and of the manifest. */
function restarted(before: Bench, resources = pend()): Bench {
  const experiment = before.lab.experiments.get("pend00");
  const saved = experiment && persistedExperiment(experiment, before.lab, before.nowMs);
  assert.ok(saved);
  const manifest = { atMs: startMs, resources };
  const lab = restoreLab(initialLab(startMs), { ...nothing, experiments: [saved], manifest });
  const bench = new Bench([], { startupMs: 60_000 }, withManifest(lab, resources, startMs));
  bench.jump(["pend00"]);
  return bench;
}

Deno.test("a restart does not make a silent stream look well until it has been listened to again", () => {
  const bench = restarted(silent());
  for (let at = 0; at < 100; at += 5) {
    bench.nowMs += 5_000;
    bench.jump(["pend00"]);
    assert.deepEqual(bench.relay(both), []);
  }
  assert.deepEqual(bench.wishes, { "r-pend00": `U unhealthy ${video}` });
});

Deno.test("but a stream that has connected anew meanwhile may be well", () => {
  const bench = restarted(silent());
  bench.nowMs += 60_000;
  bench.jump(["pend00"]);
  assert.deepEqual(bench.relay(both, 5_000, anew), ["pend00: ok"]);
});

Deno.test("what was found of a stream that book no longer requires is forgotten, since nobody listens to it", () => {
  const bench = silent();
  bench.lab = withManifest(bench.lab, [resource("pend00", ["st-data"])], bench.nowMs);
  bench.nowMs += 5_000;
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
});

Deno.test("it is forgotten too where the program was killed between keeping that manifest and what it means", () => {
  const bench = restarted(silent(), [resource("pend00", ["st-data"])]);
  bench.nowMs += 60_000;
  bench.jump(["pend00"]);
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
});

Deno.test("listening again to what is as it was changes when, and not since when", () => {
  const bench = silent();
  const [first] = bench.lab.relay.probeResults.values();
  bench.nowMs += 20_000;
  bench.listened(video, false);
  const [second] = bench.lab.relay.probeResults.values();
  assert.deepEqual([second?.sinceMs, second?.atMs], [first?.sinceMs, bench.nowMs]);
});

Deno.test("judging does not change by being heard: the same laboratory, and no event", () => {
  const bench = healthy();
  bench.listened(video, true);
  const { verdicts } = bench.lab.relay;
  assert.deepEqual(bench.relay(both), []);
  assert.equal(bench.lab.relay.verdicts, verdicts);
});

Deno.test("of a stream that is required no more, and gone, no finding is kept", () => {
  const bench = silent();
  bench.lab = withManifest(bench.lab, [], bench.nowMs);
  bench.relay({});
  assert.equal(bench.lab.relay.probeResults.size, 0);
});
