import assert from "node:assert/strict";
import type { Shares } from "../src/history.ts";
import {
  ageWords,
  changeText,
  hostWords,
  nameText,
  ownTopic,
  rowId,
  type SeenWords,
  serviceTimeMs,
  sharesText,
  shareWords,
  shortTimeWords,
  streamWords,
  timeWords,
} from "../src/page_model.ts";
import type { StreamView, TopicView } from "../src/snapshot.ts";
import type { FeedView } from "../src/system_alerts.ts";
import { missingJump, nowMs, snapshot, unhealthy, view } from "./support/letters.ts";
import { connection } from "./support/page_lab.ts";
import { seenBy } from "./support/seen.ts";

const second = 1_000, minute = 60 * second;
/** The feeds in this state, having reported last at `nowMs`; it is a while later. */
const at = (state: FeedView["state"]) => {
  const feed = { ...snapshot().feeds.relay, state };
  return { ...snapshot(), atMs: nowMs + 40 * second, feeds: { jump: feed, relay: feed } };
};
const sent = (idleMs: number) => connection({ idle: { kind: "for", ms: idleMs } });
const never = connection({ idle: { kind: "never" } });
const seen = ({ connection = null, ...given }: Partial<TopicView>): TopicView => {
  return { verdict: "ok", seenMs: nowMs, ...seenBy(connection), ...given };
};

/** Without statistics, and last listened to 2 s ago, for 10 s. */
const heard = (isHeard: boolean): TopicView & Pick<StreamView, "probe"> => {
  const probe = { atMs: nowMs - 2 * second, heard: isHeard, sinceMs: nowMs - 12 * second };
  return { ...seen({ connection: { ...never, stats: null } }), probe };
};

const streams: Record<string, [TopicView & Partial<Pick<StreamView, "probe">>, FeedView["state"], SeenWords]> = {
  "one that sends": [seen({ connection: sent(300) }), "live", {
    mark: "healthy",
    words: "sent 0.3 s ago",
    sinceMs: null,
  }],
  "how long ago it was seen counts too": [seen({ connection: sent(300), seenMs: nowMs - 2 * second }), "live", {
    mark: "healthy",
    words: "sent 2.3 s ago",
    sinceMs: null,
  }],
  "one that is silent": [seen({ verdict: "unhealthy", connection: sent(4 * minute) }), "live", {
    mark: "unhealthy",
    words: "silent for",
    sinceMs: nowMs - 4 * minute,
  }],
  "one that never sent": [seen({ verdict: "unhealthy", connection: never }), "live", {
    mark: "unhealthy",
    words: "never sent anything",
    sinceMs: null,
  }],
  "one without statistics": [seen({ connection: { ...never, stats: null } }), "live", {
    mark: "healthy",
    words: "connected; relay gives no statistics",
    sinceMs: null,
  }],
  "one without statistics that was heard": [heard(true), "live", {
    mark: "healthy",
    words: "connected, and heard",
    sinceMs: null,
  }],
  "one that was listened to in vain": [{ ...heard(false), verdict: "unhealthy" }, "live", {
    mark: "unhealthy",
    words: "connected but nothing heard for",
    sinceMs: nowMs - 12 * second,
  }],
  "one that was listened to in vain, and thresholds hold it up": [heard(false), "live", {
    mark: "healthy",
    words: "connected but nothing heard for",
    sinceMs: nowMs - 12 * second,
  }],
  "one that was listened to in vain, and relay is late": [{ ...heard(false), verdict: "unhealthy" }, "late", {
    mark: "unhealthy",
    words: "connected but nothing heard for 10 s",
    sinceMs: null,
  }],
  "one that was listened to in vain, and relay is lost": [{ ...heard(false), verdict: "unhealthy" }, "lost", {
    mark: "unknown",
    words: "not known for",
    sinceMs: nowMs,
  }],
  "one that says it sends, and was listened to in vain": [{ ...heard(false), ...seenBy(sent(300)) }, "live", {
    mark: "healthy",
    words: "connected but nothing heard for",
    sinceMs: nowMs - 12 * second,
  }],
  "one that says it sends, and was heard": [{ ...heard(true), ...seenBy(sent(300)) }, "live", {
    mark: "healthy",
    words: "sent 0.3 s ago",
    sinceMs: null,
  }],
  "one that never was": [seen({ verdict: "missing", seenMs: null }), "live", {
    mark: "unhealthy",
    words: "not reported",
    sinceMs: null,
  }],
  "one that is gone": [seen({ verdict: "missing", seenMs: nowMs - 4 * minute, connection: sent(0) }), "live", {
    mark: "unhealthy",
    words: "not reported for",
    sinceMs: nowMs - 4 * minute,
  }],
  "one not judged yet": [seen({ verdict: null, seenMs: null }), "live", {
    mark: "unknown",
    words: "not known yet",
    sinceMs: null,
  }],
  "one that only an earlier run saw": [seen({ seenMs: nowMs - minute }), "live", {
    mark: "unknown",
    words: "not known yet",
    sinceMs: null,
  }],
  "one whose relay is late is as it was": [seen({ connection: sent(300) }), "late", {
    mark: "healthy",
    words: "sent 0.3 s ago",
    sinceMs: null,
  }],
  "one that is silent, and relay is late": [seen({ verdict: "unhealthy", connection: sent(4 * minute) }), "late", {
    mark: "unhealthy",
    words: "silent for 4 min",
    sinceMs: null,
  }],
  "one that is gone, and relay is late": [seen({ verdict: "missing", seenMs: nowMs - 4 * minute }), "late", {
    mark: "unhealthy",
    words: "not reported for 4 min",
    sinceMs: null,
  }],
  "one that is missing and was never seen, and relay is late": [seen({ verdict: "missing", seenMs: null }), "late", {
    mark: "unhealthy",
    words: "not reported",
    sinceMs: null,
  }],
  "one that was never seen and yet is in order is not known": [
    seen({ seenMs: null, connection: sent(300) }),
    "live",
    { mark: "unknown", words: "not known yet", sinceMs: null },
  ],
  "one whose relay is lost": [seen({ connection: sent(300), seenMs: nowMs - minute }), "lost", {
    mark: "unknown",
    words: "not known for",
    sinceMs: nowMs - minute,
  }],
  "one that was never seen, and relay is lost": [seen({ verdict: null, seenMs: null }), "lost", {
    mark: "unknown",
    words: "not known",
    sinceMs: null,
  }],
};
for (const [name, [stream, state, want]] of Object.entries(streams)) {
  Deno.test(`streamWords: ${name}`, () => assert.deepEqual(streamWords(stream, at(state)), want));
}

Deno.test("a jump host has no statistics, and nothing is said of that", () => {
  const host = seen({ connection: { ...never, stats: null } });

  assert.deepEqual(hostWords(host, at("live")), { mark: "healthy", words: "connected", sinceMs: null });
});

const shares: [number, string][] = [
  [1, "100 %"],
  [0.99999, "99.9 %"],
  [1 - 1 / 2_592_000_000, "99.9 %"], // one millisecond of 30 days
  [0.982, "98.2 %"],
  [0.29, "29 %"], // 0.29 * 1000 is less than 290
  [0.5, "50 %"],
  [0.001, "0.1 %"],
  [0.0009, "under 0.1 %"],
  [0, "0 %"],
];
for (const [share, want] of shares) {
  Deno.test(`shareWords: ${share} is ${want}`, () => assert.equal(shareWords(share), want));
}

/** `known` is as `watched` where not said. */
const sums: Record<string, [Omit<Shares, "known"> & Partial<Shares>, isInBook: boolean, string]> = {
  "of all the time": [{ watched: 1, healthy: 0.963, available: 0.9911 }, true, "healthy 96.3 %, available 99.1 %"],
  "an hour of health in a day of which no more was watched": [
    { watched: 0.04, healthy: 0.04, available: 0.04 },
    true,
    "healthy 100 %, available 100 % of the 4 % watched",
  ],
  "of half a day, of which half was watched": [
    { watched: 0.5, healthy: 0.25, available: 0.125 },
    true,
    "healthy 50 %, available 25 % of the 50 % watched",
  ],
  "what was watched all the time, and known a part of it": [
    { watched: 1, known: 0.05, healthy: 0.04, available: 1 },
    true,
    "healthy 80 % of the 5 % known, available 100 %",
  ],
  "what was watched a part of the time, and known a part of that": [
    { watched: 0.5, known: 0.25, healthy: 0.25, available: 0.5 },
    true,
    "healthy 100 % of the 25 % known, available 100 % of the 50 % watched",
  ],
  "the start of a run is not told of": [
    { watched: 0.6, known: 0.5991, healthy: 0.5991, available: 0.6 },
    true,
    "healthy 100 %, available 100 % of the 60 % watched",
  ],
  "more than the start of a run is told of": [
    { watched: 1, known: 0.999, healthy: 0.999, available: 1 },
    true,
    "healthy 100 % of the 99.9 % known, available 100 %",
  ],
  "what is not in book is never available": [{ watched: 1, healthy: 1, available: 0 }, false, "healthy 100 %"],
  "what is not in book and was watched a part of the time": [
    { watched: 0.5, healthy: 0.25, available: 0 },
    false,
    "healthy 50 % of the 50 % watched",
  ],
  "what was never known": [
    { watched: 0.5, known: 0, healthy: 0, available: 0.5 },
    true,
    "health not known, available 100 % of the 50 % watched",
  ],
  "what was known for less than can be said": [
    { watched: 0.0002, known: 0, healthy: 0, available: 0.0002 },
    true,
    "health not known, available 100 % of the under 0.1 % watched",
  ],
  "what nobody watched": [{ watched: 0, healthy: 0, available: 0 }, true, "not watched"],
};
for (const [name, [given, isInBook, want]] of Object.entries(sums)) {
  Deno.test(`sharesText: ${name}`, () => assert.equal(sharesText({ known: given.watched, ...given }, isInBook), want));
}

const ages: [number, string][] = [[-5, "0.0 s"], [40, "0.0 s"], [350, "0.3 s"], [9_900, "9.9 s"], [9_960, "10 s"], [
  4 * minute,
  "4 min",
]];
for (const [ms, want] of ages) {
  Deno.test(`ageWords: ${ms} ms is ${want}`, () => assert.equal(ageWords(ms), want));
}

Deno.test("a time is said in UTC, to the second and to the minute", () => {
  assert.equal(timeWords(nowMs), "22 Nov 2026, 20:31:14 UTC");
  assert.equal(shortTimeWords(nowMs), "22 Nov, 20:31 UTC");
});

const serviceTimes: [string, number | null][] = [
  ["2026-11-22T20:31:14.12Z", nowMs],
  ["0001-01-01T00:00:00Z", null],
  ["1970-01-01T00:00:00Z", null],
  ["", null],
];
for (const [text, want] of serviceTimes) {
  Deno.test(`serviceTimeMs: "${text}"`, () => assert.equal(serviceTimeMs(text), want));
}

const names: Record<string, [string, string]> = {
  "an ordinary one is as it is": ["pend00", "pend00"],
  "control characters and turns of direction are gone": ["a\u0000b\n\u202ec", "a b c"],
  "a long one is cut": ["x".repeat(256), `${"x".repeat(199)}…`],
  "one of which nothing is left says so": ["\u0007\u202e", "(no name)"],
};
for (const [name, [given, want]] of Object.entries(names)) {
  Deno.test(`nameText: ${name}`, () => assert.equal(nameText(given), want));
}

Deno.test("the id of a row has no space and no quote, whatever the name", () => {
  assert.equal(rowId("pend00"), "e-pend00");
  assert.equal(rowId(`a "b\u0000\ud800`), "e-a%20%22b%00%EF%BF%BD");
});

const topics: [topic: string, name: string, own: string][] = [
  ["pend00-st-data", "pend00", "st-data"],
  ["pend00-", "pend00", "pend00-"],
  ["pend001-st-data", "pend00", "pend001-st-data"],
  ["other", "pend00", "other"],
];
for (const [topic, name, own] of topics) {
  Deno.test(`ownTopic: of ${topic} ${own} is ${name}'s own`, () => assert.equal(ownTopic(topic, name), own));
}

Deno.test("a change is said with its state and its issues", () => {
  const issues = [missingJump, unhealthy("pend00-st-video")];

  assert.equal(changeText(view("pend00", issues)), "pend00: unhealthy, missing jump, unhealthy st-video");
  assert.equal(changeText(view("pend00")), "pend00: healthy");
});
