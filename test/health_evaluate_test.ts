import fc from "fast-check";
import assert from "node:assert/strict";
import { evaluate } from "../src/health.ts";
import { initialLab, persistedExperiment, restoreLab, withManifest } from "../src/lab.ts";
import { Bench, resource, type rules, type Sending, startMs } from "./support/bench.ts";

const pend = () => [resource("pend00", ["st-data", "st-video"])];
const both = { "pend00-st-data": 0, "pend00-st-video": 0 } as const;

/** pend00 with two required streams, judged ok. */
function healthy(changes: Partial<typeof rules> = {}): Bench {
  const bench = new Bench(pend(), changes);
  bench.jump(["pend00"]);
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
  return bench;
}

// Design section 1: required streams ok? jump ok? -> available, healthy.
const truth: [streams: boolean, jump: boolean, wish: string, event: string][] = [
  [true, true, "A", "pend00: ok"],
  [true, false, "A", "pend00: missing jump"],
  [false, true, "U unhealthy pend00-st-data", "pend00: unhealthy pend00-st-data"],
  [false, false, "U unhealthy pend00-st-data", "pend00: missing jump, unhealthy pend00-st-data"],
];
for (const [streams, jump, wish, event] of truth) {
  Deno.test(`streams ${streams ? "ok" : "bad"}, jump ${jump ? "ok" : "bad"}: ${wish[0]}, ${event}`, () => {
    const bench = new Bench(pend());
    bench.jump(jump ? ["pend00"] : []);
    assert.deepEqual(bench.relay({ ...both, "pend00-st-data": streams ? 0 : "silent" }), [event]);
    assert.deepEqual(bench.wishes, { "r-pend00": wish });
  });
}

Deno.test("issues come in their order, streams in alphabetical order within each", () => {
  const bench = new Bench([resource("pend00", ["st-d", "st-b", "st-a", "st-c"])], { startupMs: 12_000 });
  const silent = { "pend00-st-a": "silent", "pend00-st-y": "silent" } as const;
  bench.relay({ ...silent, "pend00-st-z": 0 });
  bench.jump([]);
  bench.nowMs += 6_000;
  bench.relay({ ...silent, "pend00-st-c": 0 });
  bench.nowMs += 6_000;
  assert.deepEqual(bench.relay({ ...silent, "pend00-st-c": 0 }), [
    "pend00: missing jump, missing required pend00-st-b, missing required pend00-st-d, missing pend00-st-z, " +
    "unhealthy pend00-st-a, unhealthy pend00-st-y",
  ]);
});

Deno.test("the same issues again raise no event, other issues do, and so does none", () => {
  const bench = healthy();
  assert.deepEqual(bench.relay({ ...both, "pend00-st-data": 10_001 }), ["pend00: unhealthy pend00-st-data"]);
  assert.deepEqual(bench.relay({ ...both, "pend00-st-data": 15_001 }), []);
  assert.deepEqual(bench.relay({ "pend00-st-data": 20_001, "pend00-st-video": "silent" }), [
    "pend00: unhealthy pend00-st-data, unhealthy pend00-st-video",
  ]);
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
});

Deno.test("a stream that is not required raises events, but leaves its experiment available", () => {
  const bench = healthy();
  bench.relay({ ...both, "pend00-st-extra": 0 });
  assert.deepEqual(bench.relay({ ...both, "pend00-st-extra": "silent" }), ["pend00: unhealthy pend00-st-extra"]);
  assert.deepEqual(bench.wishes, { "r-pend00": "A" });
});

Deno.test("a lone stream that vanishes while its siblings go on is missed by a timer, a millisecond after its time", () => {
  const bench = healthy();
  bench.nowMs += 5_000;
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": 0 });
  bench.nowMs += 4_900;
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": 0 });
  assert.deepEqual(bench.pass(100), []);
  assert.deepEqual(bench.pass(1), ["pend00: missing required pend00-st-video"]);
  assert.deepEqual(bench.wishes, { "r-pend00": "U missing required pend00-st-video" });
});

Deno.test("within the start-up time there is no event and no change of availability, and then there is", () => {
  const bench = new Bench(pend(), { startupMs: 60_000 });
  bench.jump([], 70_000);
  assert.deepEqual(bench.relay({}, 70_000), []);
  assert.deepEqual(bench.pass(59_999), []);
  assert.deepEqual(bench.wishes, { "r-pend00": "?" });
  assert.deepEqual(bench.pass(1), [
    "pend00: missing jump, missing required pend00-st-data, missing required pend00-st-video",
  ]);
  assert.equal(bench.wishes["r-pend00"]?.[0], "U");
});

Deno.test("the start-up time counts for each experiment from when it was first seen", () => {
  const bench = new Bench(pend(), { startupMs: 60_000 });
  bench.nowMs += 50_000;
  bench.jump(["pend00", "spin31"], 70_000);
  bench.relay(both, 70_000);
  assert.deepEqual(bench.pass(10_000), ["pend00: ok"]);
  assert.deepEqual(bench.pass(49_999), []);
  assert.deepEqual(bench.pass(1), ["spin31: ok"]);
});

Deno.test("nothing is judged before relay has reported once, however long that takes", () => {
  const bench = new Bench(pend());
  bench.jump(["pend00"]);
  assert.deepEqual(bench.pass(3_600_000), []);
  assert.deepEqual(bench.wishes, { "r-pend00": "?" });
  bench.jump(["pend00"]);
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
});

Deno.test("an experiment that book does not list is judged like any other", () => {
  const bench = new Bench([]);
  bench.jump(["spin31"]);
  assert.deepEqual(bench.relay({ "spin31-st-data": "silent" }), ["spin31: unhealthy spin31-st-data"]);
});

Deno.test("a stream belongs to its experiment by the last -st- of its topic", () => {
  const bench = new Bench([]);
  bench.jump(["a-st-b"]);
  assert.deepEqual(bench.relay({ "a-st-b-st-video-alt": "silent", "stats": 0 }), [
    "a-st-b: unhealthy a-st-b-st-video-alt",
  ]);
});

Deno.test("two resources on one stub are each kept true by their own streams, the experiment by all of them", () => {
  const bench = new Bench([resource("pend00", ["st-data"], "r-b"), resource("pend00", ["st-video"], "r-a")]);
  bench.jump(["pend00"]);
  assert.deepEqual(bench.relay({ ...both, "pend00-st-data": "silent" }), ["pend00: unhealthy pend00-st-data"]);
  assert.deepEqual(bench.wishes, { "r-a": "A", "r-b": "U unhealthy pend00-st-data" });
});

Deno.test("a resource that requires no stream is wished available", () => {
  const bench = new Bench([resource("pend00", [])]);
  bench.jump(["pend00"]);
  bench.relay({});
  assert.deepEqual(bench.wishes, { "r-pend00": "A" });
});

Deno.test("when relay is lost nothing of it changes, and what jump tells goes on being judged", () => {
  const bench = healthy();
  const events: string[] = [];
  for (let passed = 0; passed < 60_000; passed += 5_000) {
    events.push(...bench.jump(passed < 30_000 ? ["pend00"] : []), ...bench.pass(5_000));
  }
  assert.deepEqual(events, ["pend00: missing jump"]);
  assert.deepEqual(bench.wishes, { "r-pend00": "A" });
});

Deno.test("when relay is back each entry has HEALTH_LAST_CHECKED to show up, then it is missing", () => {
  const bench = healthy();
  bench.pass(60_000);
  bench.jump(["pend00"]);
  assert.deepEqual(bench.relay({ "pend00-st-data": 0 }), []);
  bench.pass(8_000);
  bench.jump(["pend00"]);
  assert.deepEqual(bench.relay({ "pend00-st-data": 0 }), []);
  assert.deepEqual(bench.pass(2_001), ["pend00: missing required pend00-st-video"]);
});

Deno.test("when jump is lost availability follows the streams, and no experiment gets an event for it", () => {
  const bench = healthy();
  const events: string[] = [];
  for (let passed = 0; passed < 60_000; passed += 5_000) events.push(...bench.relay(both), ...bench.pass(5_000));
  assert.deepEqual(events, []);
  assert.deepEqual(bench.relay({ ...both, "pend00-st-data": "silent" }), ["pend00: unhealthy pend00-st-data"]);
});

Deno.test("with jump lost from the start nothing is called healthy, but what is bad is told", () => {
  const bench = new Bench([...pend(), resource("spin31", ["st-data"])]);
  bench.relay({ ...both, "spin31-st-data": 0 });
  bench.pass(10_000);
  assert.deepEqual(bench.relay({ ...both, "spin31-st-data": "silent" }), ["spin31: unhealthy spin31-st-data"]);
  assert.deepEqual(bench.wishes, { "r-pend00": "A", "r-spin31": "U unhealthy spin31-st-data" });
  assert.deepEqual(bench.jump(["pend00", "spin31"]), ["pend00: ok"]);
});

Deno.test("with HEALTH_FEED_LOSS=unavailable a lost relay takes experiments off, and its return puts them back", () => {
  const bench = healthy({ feedLoss: "unavailable" });
  bench.nowMs += 14_999;
  bench.jump(["pend00"]);
  assert.deepEqual(bench.pass(1), ["pend00: missing required pend00-st-data, missing required pend00-st-video"]);
  assert.equal(bench.wishes["r-pend00"]?.[0], "U");
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
});

Deno.test("a feed that reports once a minute raises no event in between", () => {
  const bench = healthy();
  const events: string[] = [];
  for (let minute = 0; minute < 5; minute++) {
    events.push(...bench.jump(["pend00"], 60_000), ...bench.relay(both, 60_000), ...bench.pass(60_000));
  }
  assert.deepEqual(events, []);
});

Deno.test("with HEALTH_FAILURES=3 a hiccup of two reports raises nothing, the third in a row does", () => {
  const bench = healthy({ failures: 3 });
  const bad = { ...both, "pend00-st-data": "silent" } as const;
  assert.deepEqual([bad, bad, both, bad, bad].flatMap((report) => bench.relay(report)), []);
  assert.deepEqual(bench.relay(bad), ["pend00: unhealthy pend00-st-data"]);
});

// Thresholds 3 and 3: what a stream's verdict is after each report. b: bad, g: good, -: not in the report.
const turns: Record<string, [reports: string, verdicts: string]> = {
  "a turn and back takes three reports each way": ["gbbbgggbbb", "ggg" + "bbb" + "ggg" + "b"],
  "a hiccup on the way starts the count afresh": ["gbbgbbb", "ggggggb"],
  "one good report on the way back starts that count afresh": ["gbbbggbggg", "gggbbbbbbg"],
};
for (const [name, [reports, want]] of Object.entries(turns)) {
  Deno.test(`thresholds: ${name}`, () => {
    const bench = new Bench([resource("pend00", ["st-data"])], { failures: 3, successes: 3 });
    bench.jump(["pend00"]);
    const verdicts = [...reports].map((report) => {
      bench.relay({ "pend00-st-data": report === "g" ? 0 : "silent" });
      return bench.lab.relay.verdicts.get("pend00-st-data") === "ok" ? "g" : "b";
    });
    assert.equal(verdicts.join(""), want);
  });
}

Deno.test("thresholds: bad reports before a stream left do not count towards its return", () => {
  const bench = healthy({ failures: 3, successes: 3 });
  const bad = { ...both, "pend00-st-data": "silent" } as const;
  bench.relay(bad);
  bench.relay(bad);
  for (let passed = 0; passed < 15_000; passed += 5_000) {
    bench.nowMs += 5_000;
    bench.jump(["pend00"]);
    bench.relay({ "pend00-st-video": 0 });
  }
  assert.deepEqual(bench.wishes, { "r-pend00": "U missing required pend00-st-data" });
  assert.deepEqual([both, both].flatMap((report) => bench.relay(report)), []);
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
});

Deno.test("always: a verdict turns after as many reports in a row as the thresholds say, never sooner", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 40 }), fc.integer({ min: 1, max: 4 }), (reports, needed) => {
      const bench = new Bench([resource("pend00", ["st-data"])], { failures: needed, successes: needed });
      let standing = reports[0], streak = 0;
      for (const isGood of reports) {
        streak = isGood === standing ? 0 : streak + 1;
        if (streak >= needed) standing = isGood, streak = 0;
        bench.relay({ "pend00-st-data": isGood ? 0 : "silent" });
        assert.equal(bench.lab.relay.verdicts.get("pend00-st-data") === "ok", standing);
      }
    }),
  );
});

Deno.test("with HEALTH_SUCCESSES=2 a stream and a host come back with their second good report", () => {
  const bench = new Bench(pend(), { successes: 2 });
  bench.jump([]);
  bench.relay({ ...both, "pend00-st-data": "silent" });
  assert.deepEqual(bench.relay(both).concat(bench.jump(["pend00"])), []);
  assert.deepEqual(bench.relay(both), ["pend00: missing jump"]);
  assert.deepEqual(bench.jump(["pend00"]), ["pend00: ok"]);
});

Deno.test("an event says how long the state before it had lasted", () => {
  const bench = healthy();
  bench.nowMs += 4_000;
  bench.relay({ ...both, "pend00-st-data": "silent" });
  bench.nowMs += 3_000;
  bench.relay(both);
  assert.deepEqual(bench.lab.experiments.get("pend00")?.events.map(({ lastedMs }) => lastedMs), [null, 4_000, 3_000]);
});

Deno.test("only HEALTH_EVENTS events are kept of each experiment, the newest", () => {
  const bench = healthy({ eventsMax: 2 });
  bench.relay({ ...both, "pend00-st-data": "silent" });
  bench.relay(both);
  bench.relay({ ...both, "pend00-st-video": "silent" });
  assert.deepEqual(bench.lab.experiments.get("pend00")?.events.map(({ healthy }) => healthy), [true, false]);
});

/** The same laboratory after a restart, from what its last run saved. */
function restarted(bench: Bench, changes: Partial<typeof rules> = {}): Bench {
  const experiments = [...bench.lab.experiments.values()].flatMap((each) =>
    persistedExperiment(each, bench.lab, bench.nowMs) ?? []
  );
  const manifest = { atMs: startMs, resources: bench.lab.resources };
  const events = new Map([...bench.lab.experiments].map(([name, each]) => [name, each.events]));
  const saved = {
    experiments,
    events,
    notifications: [],
    alerts: new Map(),
    manifest,
    stateChanges: new Map(),
    runs: [],
    lastMailMs: null,
    lastWebhookMs: null,
  };
  const next = new Bench([], changes, restoreLab(initialLab(bench.nowMs), saved));
  next.nowMs = bench.nowMs;
  return next;
}

Deno.test("a restart raises no event for an unchanged state, and changes nothing before the start-up time", () => {
  const bench = healthy();
  bench.relay({ ...both, "pend00-st-data": "silent" });
  const next = restarted(bench, { startupMs: 60_000 });
  assert.deepEqual(next.wishes, { "r-pend00": "?" });
  const events: string[] = [];
  for (let passed = 0; passed <= 60_000; passed += 5_000) {
    events.push(...next.jump(["pend00"]), ...next.relay({ ...both, "pend00-st-data": "silent" }), ...next.pass(5_000));
  }
  assert.deepEqual(events, []);
  assert.deepEqual(next.wishes, { "r-pend00": "U unhealthy pend00-st-data" });
});

Deno.test("what broke while the program was stopped is told after the start-up time, an extra stream's end too", () => {
  const bench = healthy();
  bench.relay({ ...both, "pend00-st-extra": "silent" });
  const next = restarted(bench, { startupMs: 20_000 });
  const events: string[] = [];
  for (let passed = 0; passed < 25_000; passed += 5_000) {
    events.push(...next.jump([]), ...next.relay({ "pend00-st-data": 0 }), ...next.pass(5_000));
  }
  assert.deepEqual(events, ["pend00: missing jump, missing required pend00-st-video, missing pend00-st-extra"]);
});

Deno.test("after a restart what nothing names is forgotten a day after it was named, not at once", () => {
  const bench = new Bench([resource("pend00", ["st-data"])]);
  bench.jump([]);
  bench.relay({});
  bench.lab = withManifest(bench.lab, [], bench.nowMs);
  const next = restarted(bench);
  next.nowMs += 86_400_000;
  assert.deepEqual(next.forget(86_400_000), []);
  next.nowMs += 1;
  assert.deepEqual(next.forget(86_400_000), ["pend00"]);
});

Deno.test("after a restart with a feed lost from the start what it told stays as it was", () => {
  const bench = healthy();
  bench.relay({ ...both, "pend00-st-video": "silent" });
  const next = restarted(bench);
  const events: string[] = [];
  for (let passed = 0; passed < 60_000; passed += 5_000) {
    events.push(...next.relay({ ...both, "pend00-st-video": "silent" }), ...next.pass(5_000));
  }
  assert.deepEqual(events, []);
});

// Properties: whatever is reported in whatever order.

const sending = fc.oneof(
  fc.integer({ min: 0, max: 20_000 }),
  fc.constant<Sending>("silent"),
  fc.constant<Sending>("unmeasured"),
);
const topics = ["pend00-st-data", "pend00-st-video", "pend00-st-extra", "spin31-st-data"];
const relayReport = fc.record(Object.fromEntries(topics.map((topic) => [topic, sending])), { requiredKeys: [] });
const step = fc.oneof(
  fc.record({ kind: fc.constant("relay" as const), streams: relayReport }),
  fc.record({ kind: fc.constant("jump" as const), hosts: fc.subarray(["pend00", "spin31"]) }),
  fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 30_000 }) }),
);

function take(bench: Bench, each: typeof step extends fc.Arbitrary<infer Step> ? Step : never): string[] {
  if (each.kind === "relay") return bench.relay(each.streams as Record<string, Sending>);
  return each.kind === "jump" ? bench.jump(each.hosts) : bench.pass(each.ms);
}

Deno.test("always: an event is raised exactly when the list of issues has changed or is the first", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const bench = new Bench([...pend(), resource("spin31", ["st-data"])], { startupMs: 5_000 });
    const told = new Map<string, string>();
    for (const each of steps) {
      for (const event of take(bench, each)) {
        const [name = "", issues = ""] = event.split(": ");
        assert.notEqual(told.get(name), issues);
        told.set(name, issues);
      }
      for (const { name, judged } of bench.lab.experiments.values()) {
        const issues = judged.kind === "judged" ? judged.issues.map((issue) => issue.code).length : null;
        assert.equal(issues === null ? undefined : issues === 0, told.has(name) ? told.get(name) === "ok" : undefined);
      }
    }
  }));
});

Deno.test("always: a resource is wished available if and only if the standing verdicts of its streams are all ok", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const bench = new Bench([...pend(), resource("spin31", ["st-data"])]);
    for (const each of steps) {
      take(bench, each);
      for (const { name, stub, required } of bench.lab.resources) {
        if (bench.lab.experiments.get(stub)?.isStarting) continue;
        const verdicts = required.map((topic) => bench.lab.relay.verdicts.get(topic));
        const want = verdicts.some((each) => each === "missing" || each === "unhealthy")
          ? "U"
          : verdicts.includes(undefined)
          ? "?"
          : "A";
        assert.equal(bench.wishes[name]?.[0], want);
      }
    }
  }));
});

Deno.test("always: judging again without new input changes nothing at all", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const bench = new Bench(pend(), { failures: 2, successes: 3, startupMs: 5_000 });
    for (const each of steps) {
      take(bench, each);
      const again = evaluate(bench.lab, bench.rules, bench.nowMs);
      assert.equal(again.lab, bench.lab);
      assert.deepEqual(again.events, []);
    }
  }));
});
