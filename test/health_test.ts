import fc from "fast-check";
import assert from "node:assert/strict";
import type { Verdict } from "../src/alerts.ts";
import { type Condition, evaluate, feedCondition, verdictOf } from "../src/health.ts";
import { type FeedState, initialFeed, initialLab, persistedExperiment, restoreLab, withManifest } from "../src/lab.ts";
import { ConnectionTable } from "../src/report.ts";
import { Bench, connection, resource, rules, type Sending, startMs } from "./support/bench.ts";

const topic = "pend00-st-data";

/** A relay feed whose newest report was at `startMs`. */
function feed(has: Partial<FeedState> & { sending?: Sending }): FeedState {
  const { sending, ...rest } = has;
  const connections = ConnectionTable.of(sending === undefined ? [] : [connection(topic, sending)]);
  return {
    ...initialFeed("relay", startMs - 1_000_000),
    newest: { kind: "report", atMs: startMs, connections },
    intervalMs: 5_000,
    ...rest,
  };
}

const was = (verdict: Verdict) => ({ verdicts: new Map([[topic, verdict]]) });
const seen = (agoMs: number) => ({
  departed: new Map([[topic, { seenMs: startMs - agoMs, namedMs: 0, connection: null }]]),
});

const streaks = (count: number) => ({ streaks: new Map([[topic, count]]) });
/** What listening to its connection found. */
const found = (heard: boolean) => {
  const { connected } = connection(topic);
  return { probeResults: new Map([[topic, { connected, heard, atMs: startMs, sinceMs: startMs }]]) };
};

interface Case {
  readonly feed: FeedState;
  readonly condition?: Condition;
  readonly afterMs?: number;
  readonly changes?: Partial<typeof rules>;
  readonly want: Verdict | null;
}

const cases: Record<string, Case> = {
  "a stream that sent just now is ok": { feed: feed({ sending: 0 }), want: "ok" },
  "one that sent exactly HEALTH_LAST_ACTIVE before the report is ok": { feed: feed({ sending: 10_000 }), want: "ok" },
  "one that sent a millisecond earlier is not": { feed: feed({ sending: 10_001 }), want: "unhealthy" },
  "one that never sent is not": { feed: feed({ sending: "silent" }), want: "unhealthy" },
  "one that relay does not measure is ok by being connected": { feed: feed({ sending: "unmeasured" }), want: "ok" },
  "one that listening heard is ok": { feed: feed({ sending: "unmeasured", ...found(true) }), want: "ok" },
  "one that listening found silent is not": {
    feed: feed({ sending: "unmeasured", ...found(false) }),
    want: "unhealthy",
  },
  "one that was ok and is found silent between two reports is so until the next": {
    feed: feed({ sending: "unmeasured", ...was("ok"), ...found(false) }),
    want: "ok",
  },
  "and is not ok by the next": {
    feed: feed({ sending: "unmeasured", ...was("ok"), ...found(false), ...streaks(1) }),
    want: "unhealthy",
  },
  "one found silent counts by HEALTH_FAILURES, report by report": {
    feed: feed({ sending: "unmeasured", ...was("ok"), ...found(false), ...streaks(1) }),
    changes: { failures: 2 },
    want: "ok",
  },
  "one that was silent and is heard between two reports stays unhealthy until the next": {
    feed: feed({ sending: "unmeasured", ...was("unhealthy"), ...found(true) }),
    want: "unhealthy",
  },
  "and is ok by the next": {
    feed: feed({ sending: "unmeasured", ...was("unhealthy"), ...found(true), ...streaks(1) }),
    want: "ok",
  },
  "one heard again counts by HEALTH_SUCCESSES, report by report": {
    feed: feed({ sending: "unmeasured", ...was("unhealthy"), ...found(true), ...streaks(1) }),
    changes: { successes: 2 },
    want: "unhealthy",
  },
  "one that relay says sends and listening found silent is not ok": {
    feed: feed({ sending: 0, ...found(false) }),
    want: "unhealthy",
  },
  "one that relay says is silent is not ok, though listening heard it": {
    feed: feed({ sending: 10_001, ...found(true) }),
    want: "unhealthy",
  },
  "one that was found silent and has left is missing in its time, not unhealthy": {
    feed: feed({ ...seen(4_000), ...was("ok"), ...found(false) }),
    afterMs: 6_001,
    want: "missing",
  },
  "while relay is lost one that was found silent stays as it was": {
    feed: feed({ sending: "unmeasured", ...was("ok"), ...found(false), ...streaks(1) }),
    condition: "lost",
    want: "ok",
  },
  "one that no report ever had is missing": { feed: feed({}), want: "missing" },
  "one last seen exactly HEALTH_LAST_CHECKED ago stays as it was": {
    feed: feed({ ...seen(4_000), ...was("ok") }),
    afterMs: 6_000,
    want: "ok",
  },
  "a millisecond later it is missing": {
    feed: feed({ ...seen(4_000), ...was("ok") }),
    afterMs: 6_001,
    want: "missing",
  },
  "an unhealthy one that left stays unhealthy for as long": {
    feed: feed({ ...seen(4_000), ...was("unhealthy") }),
    afterMs: 6_000,
    want: "unhealthy",
  },
  "and is missing then": { feed: feed({ ...seen(4_000), ...was("unhealthy") }), afterMs: 6_001, want: "missing" },
  "one in the newest report does not age, however slow the feed": {
    feed: feed({ sending: 0, intervalMs: 60_000, ...was("ok") }),
    afterMs: 119_000,
    want: "ok",
  },
  "while the feed is late nothing of it ages": {
    feed: feed({ ...seen(4_000), ...was("ok") }),
    condition: "late",
    afterMs: 14_000,
    want: "ok",
  },
  "while the feed is late what was too old at its newest report still is": {
    feed: feed({ ...seen(10_001), ...was("ok") }),
    condition: "late",
    afterMs: 14_000,
    want: "missing",
  },
  "while the feed is lost what was ok stays ok": {
    feed: feed({ ...seen(90_000), ...was("ok") }),
    condition: "lost",
    afterMs: 99_000,
    want: "ok",
  },
  "while the feed is lost what was missing stays missing": {
    feed: feed({ ...was("missing") }),
    condition: "lost",
    want: "missing",
  },
  "while the feed is lost what was never judged is not known": { feed: feed({}), condition: "lost", want: null },
  "with HEALTH_FEED_LOSS=unavailable the streams of a lost relay are missing": {
    feed: feed({ sending: 0, ...was("ok") }),
    condition: "lost",
    changes: { feedLoss: "unavailable" },
    want: "missing",
  },
  "with HEALTH_FEED_LOSS=unavailable the hosts of a lost jump stay as they were": {
    feed: feed({ name: "jump", sending: "unmeasured", ...was("ok") }),
    condition: "lost",
    changes: { feedLoss: "unavailable" },
    want: "ok",
  },
  "after the feed is back an entry has HEALTH_LAST_CHECKED to show up": {
    feed: feed({ ...seen(90_000), ...was("ok"), recoveredMs: startMs }),
    afterMs: 10_000,
    want: "ok",
  },
  "and is missing a millisecond later": {
    feed: feed({ ...seen(90_000), ...was("ok"), recoveredMs: startMs }),
    afterMs: 10_001,
    want: "missing",
  },
  "what was missing before the feed was lost does not become ok by its return": {
    feed: feed({ ...seen(90_000), ...was("missing"), recoveredMs: startMs }),
    want: "missing",
  },
  "with HEALTH_FAILURES=3 two bad reports do not turn ok bad": {
    feed: feed({ sending: "silent", ...was("ok"), streaks: new Map([[topic, 2]]) }),
    changes: { failures: 3 },
    want: "ok",
  },
  "with HEALTH_FAILURES=3 the third does": {
    feed: feed({ sending: "silent", ...was("ok"), streaks: new Map([[topic, 3]]) }),
    changes: { failures: 3 },
    want: "unhealthy",
  },
  "with HEALTH_SUCCESSES=2 one good report does not turn bad ok": {
    feed: feed({ sending: 0, ...was("missing"), streaks: new Map([[topic, 1]]) }),
    changes: { successes: 2 },
    want: "missing",
  },
  "with HEALTH_SUCCESSES=2 the second does": {
    feed: feed({ sending: 0, ...was("missing"), streaks: new Map([[topic, 2]]) }),
    changes: { successes: 2 },
    want: "ok",
  },
  "from missing to connected but silent needs no patience: both are bad": {
    feed: feed({ sending: "silent", ...was("missing") }),
    changes: { failures: 3, successes: 3 },
    want: "unhealthy",
  },
  "before the feed's first report what an earlier run judged stands": {
    feed: { ...initialFeed("relay", startMs - 1_000_000), ...was("unhealthy") },
    condition: "connecting",
    want: "unhealthy",
  },
};
for (const [name, { feed, condition = "live", afterMs = 0, changes = {}, want }] of Object.entries(cases)) {
  Deno.test(`judgeEntry: ${name}`, () => {
    assert.equal(verdictOf(topic, feed, condition, { ...rules, ...changes }, startMs + afterMs), want);
  });
}

const fresh: Record<string, [intervalMs: number | null, silentMs: number, want: Condition]> = {
  "a report just now: live": [5_000, 0, "live"],
  "just less than twice the interval: live": [5_000, 9_999, "live"],
  "twice the interval: late": [5_000, 10_000, "late"],
  "just less than three times the interval: late": [5_000, 14_999, "late"],
  "three times the interval, when that is more than HEALTH_LAST_CHECKED: lost": [5_000, 15_000, "lost"],
  "a quick feed is late after a second": [100, 1_000, "late"],
  "and lost after HEALTH_LAST_CHECKED": [100, 10_000, "lost"],
  "a slow feed has its own pace": [60_000, 119_999, "live"],
  "where no interval is known HEALTH_LAST_CHECKED is the limit of both": [null, 10_000, "lost"],
};
for (const [name, [intervalMs, silentMs, want]] of Object.entries(fresh)) {
  Deno.test(`feedCondition: ${name}`, () => {
    assert.equal(feedCondition(feed({ intervalMs }), rules, startMs + silentMs), want);
  });
}

Deno.test("feedCondition: a feed that has never reported is connecting, and lost after HEALTH_LAST_CHECKED", () => {
  const unheard = initialFeed("relay", startMs);
  assert.equal(feedCondition(unheard, rules, startMs + 9_999), "connecting");
  assert.equal(feedCondition(unheard, rules, startMs + 10_000), "lost");
});

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
