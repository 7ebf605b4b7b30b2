import assert from "node:assert/strict";
import type { Shares } from "../src/history.ts";
import {
  ageWords,
  changeText,
  countsOf,
  hostWords,
  isShown,
  linkTo,
  nameText,
  ordered,
  ownTopic,
  type PageOrder,
  type PageQuery,
  rankOf,
  readQuery,
  rowId,
  searchText,
  type SeenWords,
  serviceTimeMs,
  sharesText,
  shareWords,
  shortTimeWords,
  streamWords,
  tagsOf,
  timeWords,
} from "../src/page_model.ts";
import type { ExperimentView, StreamView, TopicView } from "../src/snapshot.ts";
import type { FeedView } from "../src/system_alerts.ts";
import { agoMs, missingJump, nowMs, snapshot, unhealthy, view } from "./support/letters.ts";
import { connection, lab, rig } from "./support/page_lab.ts";
import { seenBy } from "./support/seen.ts";

const off = { available: false };
const extra = { resources: [], available: false, wanted: null };

/** The rule of page_list.ts: what is in trouble, and what else is told of it. */
const kinds: Record<string, [ExperimentView, tags: string, rank: number]> = {
  "one that works": [rig("a"), "", 2],
  "one with issues": [rig("a", [missingJump]), "trouble", 0],
  "one with issues that is unavailable": [rig("a", [unhealthy("a-st-data")], off), "trouble unavailable", 0],
  "one that works and book does not offer": [rig("a", [], off), "trouble unavailable", 0],
  "one that works and a person holds": [rig("a", [], { ...off, held: "new arm" }), "unavailable held", 2],
  "one with issues that a person holds": [
    rig("a", [missingJump], { ...off, held: "new arm" }),
    "trouble unavailable held",
    0,
  ],
  "one that works, of which book is only just being told": [
    rig("a", [], { ...off, turns: [{ atMs: nowMs - 4_999, state: "healthy", available: false }] }),
    "unavailable",
    2,
  ],
  "one that works, of which book has been told long enough": [
    rig("a", [], { ...off, turns: [{ atMs: nowMs - 5_000, state: "healthy", available: false }] }),
    "trouble unavailable",
    0,
  ],
  "one of which the rule does not know yet": [
    rig("a", [], { ...off, wanted: null, state: "unknown" }),
    "unavailable",
    1,
  ],
  "one that is starting": [rig("a", [], { state: "starting", judged: false, wanted: null }), "", 1],
  "one that is starting, of which no mail tells yet": [
    rig("a", [missingJump], { state: "starting", judged: false, wanted: null }),
    "",
    1,
  ],
  "one that is unknown and was well": [rig("a", [], { state: "unknown" }), "", 1],
  "one that is unknown and had issues": [rig("a", [missingJump], { state: "unknown" }), "trouble", 0],
  "one that book does not list": [rig("a", [], extra), "extra", 2],
  "one with issues that book does not list": [rig("a", [missingJump], extra), "trouble extra", 0],
};
for (const [name, [view, tags, rank]] of Object.entries(kinds)) {
  Deno.test(`what needs attention: ${name}`, () => {
    assert.equal(tagsOf(view, lab([view])).join(" "), tags);
    assert.equal(rankOf(view, lab([view])), rank);
  });
}

Deno.test("before book has answered once, what it does not offer is no trouble", () => {
  const view = rig("a", [], off);
  const { book, atMs } = lab([view]);

  assert.deepEqual(tagsOf(view, { book: { ...book, lastSuccessMs: null }, atMs }), ["unavailable"]);
});

Deno.test("every choice says how many it has", () => {
  const views = Object.values(kinds).map(([view]) => view);

  assert.deepEqual(countsOf(lab(views)), { all: 15, trouble: 7, unavailable: 7, held: 2, extra: 2 });
});

const views = [
  rig("spin31", [], { sinceMs: agoMs(5) }),
  rig("pend01", [], { sinceMs: agoMs(90) }),
  rig("turn04", [missingJump], { sinceMs: agoMs(60) }),
  rig("pend00", [unhealthy("pend00-st-video")], { sinceMs: agoMs(70) }),
  rig("gyro07", [], { state: "starting", judged: false, sinceMs: agoMs(5) }),
];
const orders: Record<PageOrder, string> = {
  trouble: "pend00 turn04 gyro07 pend01 spin31",
  name: "gyro07 pend00 pend01 spin31 turn04",
  since: "gyro07 spin31 turn04 pend00 pend01",
};
for (const [order, want] of Object.entries(orders)) {
  Deno.test(`the order "${order}"`, () => {
    assert.equal(ordered(lab(views), order as PageOrder).map(({ name }) => name).join(" "), want);
  });
}

const searches: Record<string, [address: string, found: string]> = {
  "nothing asked for finds all": ["", "spin31 pend01 turn04 pend00 gyro07"],
  "part of a name, in any case": ["q=PEND", "pend01 pend00"],
  "what is wrong": ["q=missing jump", "turn04"],
  "a stream": ["q=spin31-st-v", "spin31"],
  "a resource": ["q=r-gyro", "gyro07"],
  "a state": ["q=starting", "gyro07"],
  "what there is not": ["q=nothing", ""],
  "a filter": ["show=trouble", "turn04 pend00"],
  "a filter and a search": ["show=trouble&q=pend", "pend00"],
};
for (const [name, [address, found]] of Object.entries(searches)) {
  Deno.test(`what is shown: ${name}`, () => {
    const query: PageQuery = readQuery(new URLSearchParams(address));

    const shown = views.filter((view) => isShown(view, lab(views), query));

    assert.equal(shown.map(({ name }) => name).join(" "), found);
  });
}

Deno.test("why a person holds it can be searched for", () => {
  assert.match(searchText(rig("a", [], { held: "New ARM" })), /held new arm$/);
});

const usual: PageQuery = {
  experiment: null,
  q: "",
  show: "all",
  order: "trouble",
  window: "24h",
  view: "list",
  theme: "system",
  rows: "first",
};

const addresses: Record<string, [string, Partial<PageQuery>]> = {
  "nothing asked for is the default": ["", {}],
  "each choice is read": ["show=held&order=since&window=7d&view=wall&theme=dark", {
    show: "held",
    order: "since",
    window: "7d",
    view: "wall",
    theme: "dark",
  }],
  "nonsense is the default": ["show=everything&order=&window=1y&view=WALL&theme=../x", {}],
  "what every object has is no choice": ["show=constructor&view=__proto__", {}],
  "of a choice given twice the first counts": ["view=wall&view=list", { view: "wall" }],
  "a search loses the spaces around it": ["q=%20Pend%20", { q: "Pend" }],
  "a search loses what cannot be seen": ["q=a%00b%E2%80%AE", { q: "a b" }],
  "a search longer than the limit is cut": [`q=${"x".repeat(300)}`, { q: "x".repeat(200) }],
  "an experiment is read as it is": ["experiment=a%2Fb%20%3Cc%3E", { experiment: "a/b <c>" }],
  "an empty experiment is none": ["experiment=", {}],
};
for (const [name, [address, want]] of Object.entries(addresses)) {
  Deno.test(`readQuery: ${name}`, () => {
    assert.deepEqual(readQuery(new URLSearchParams(address)), { ...usual, ...want });
  });
}

const links: Record<string, [Partial<PageQuery>, string]> = {
  "the default is left out": [usual, "?"],
  "what is not the default is there": [{ ...usual, window: "30d", show: "extra" }, "?show=extra&window=30d"],
  "what could break an address is escaped": [{ experiment: "a&b=c #d", q: "ü" }, "?experiment=a%26b%3Dc+%23d&q=%C3%BC"],
  "half a character does not throw": [{ experiment: "\ud800" }, "?experiment=%EF%BF%BD"],
};
for (const [name, [query, want]] of Object.entries(links)) {
  Deno.test(`linkTo: ${name}`, () => assert.equal(linkTo(query), want));
}

Deno.test("a link that is followed asks for what it was made of", () => {
  const query: PageQuery = { ...usual, experiment: "pend 00", q: "video", order: "name", view: "wall", theme: "light" };

  assert.deepEqual(readQuery(new URLSearchParams(linkTo(query))), query);
});

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
