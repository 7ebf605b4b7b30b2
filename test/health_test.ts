import assert from "node:assert/strict";
import type { Verdict } from "../src/alerts.ts";
import { type Condition, feedCondition, verdictOf } from "../src/health.ts";
import { type FeedState, initialFeed } from "../src/lab.ts";
import { ConnectionTable } from "../src/report.ts";
import { connection, rules, type Sending, startMs } from "./support/bench.ts";

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
