import assert from "node:assert/strict";
import { type AlertCode, alertText, type SystemAlert } from "../src/alerts.ts";
import type { Conditions } from "../src/health.ts";
import { initialLab, type LabState } from "../src/lab.ts";
import { ConnectionTable, noConnections } from "../src/report.ts";
import {
  afterAnswer,
  afterList,
  afterNews,
  afterReport,
  afterTrouble,
  alertTurns,
  knownAfter,
  newSources,
  type ProbesView,
  type Sources,
} from "../src/system_alerts.ts";
import { connection } from "./support/bench.ts";
import { offViews } from "./support/views.ts";

const t0 = Date.UTC(2026, 10, 22);
const start = newSources(t0);
const live: Conditions = { jump: "live", relay: "live" };
const refused = { kind: "refused", message: 'relay answered 500 "token invalid"' } as const;

/** The lines that are told, given which alerts people know of. */
function told(
  has: Partial<Sources & { lab: LabState; conditions: Conditions; storeError: string; probes: Partial<ProbesView> }>,
  known: AlertCode[] = [],
): string[] {
  const probes = { ...offViews.probes, ...has.probes };
  const given = { ...start, lab: initialLab(t0), conditions: live, storeError: null, ...has, probes };
  const knownAlerts = known.map((
    code,
  ): [AlertCode, SystemAlert] => [code, { code, turn: "raised", atMs: t0, detail: "" }]);
  return alertTurns(given, new Map(knownAlerts), t0).map(alertText);
}

const heard = {
  ...initialLab(t0),
  relay: { ...initialLab(t0).relay, newest: { kind: "report", atMs: t0, connections: noConnections } as const },
};
const connected = afterNews(start.jump, { kind: "connected", tokenExpiresMs: t0 });
const bookDown = [1, 2, 3].reduce((book, failures) => afterTrouble(book, refused, failures, t0), start.book);

const cases: Record<string, [lines: string[], want: string[]]> = {
  "nothing wrong, nothing told": [told({}), []],
  "a lost feed, with the service's own words": [
    told({ conditions: { ...live, relay: "lost" }, relay: { ...start.relay, trouble: refused } }),
    ['relay has no fresh reports so may be down: relay answered 500 "token invalid"'],
  ],
  "a lost feed that is connected": [
    told({ conditions: { ...live, jump: "lost" }, jump: connected }),
    ["jump has no fresh reports so may be down: connected but silent, as old services are for good once one client stops reading: they need a restart"],
  ],
  "a lost feed of which nothing is known yet": [
    told({ conditions: { ...live, jump: "lost" } }),
    ["jump has no fresh reports so may be down: no answer yet"],
  ],
  "it is told once": [told({ conditions: { ...live, relay: "lost" } }, ["relay-lost"]), []],
  "its return is a line": [told({ lab: heard }, ["relay-lost"]), ["relay reports again"]],
  "after a restart it is not back before it has reported": [
    told({ conditions: { ...live, relay: "connecting" } }, ["relay-lost"]),
    [],
  ],
  "two failed tries of book are none": [told({ book: afterTrouble(start.book, refused, 2, t0) }), []],
  "three in a row are": [
    told({ book: bookDown }),
    ['book does not answer so availability may be out of date: relay answered 500 "token invalid"'],
  ],
  "book's answer is a line": [told({ book: afterAnswer(bookDown, t0) }, ["book-lost"]), ["book answers again"]],
  "after a restart book is not back before it has answered": [told({}, ["book-lost"]), []],
  "one resource that book refuses three times while it answers the rest": [
    told({ book: [1, 1, 1].reduce((book, failures) => afterTrouble(book, refused, failures, t0), start.book) }),
    ['book does not take a change so availability may be out of date: relay answered 500 "token invalid"'],
  ],
  "two such failures are none": [
    told({ book: [1, 1].reduce((book, failures) => afterTrouble(book, refused, failures, t0), start.book) }),
    [],
  ],
  "its end is a line": [told({ book: afterAnswer(bookDown, t0) }, ["book-stuck"]), ["book takes all changes again"]],
  "an empty list after one that was not": [
    told({ book: afterList(start.book, { isEmpty: true, hadResources: true, atMs: t0 }) }),
    ["book lists no resources"],
  ],
  "an empty list from the start is none": [
    told({ book: afterList(start.book, { isEmpty: true, hadResources: false, atMs: t0 }) }),
    [],
  ],
  "resources again": [
    told({ book: afterList(start.book, { isEmpty: false, hadResources: true, atMs: t0 }) }, ["book-empty"]),
    ["book lists resources again"],
  ],
  "a store that cannot be written": [
    told({ storeError: "the disk is full" }),
    ["the store cannot be written so a restart may repeat or lose alerts: the disk is full"],
  ],
  "all listening fails": [
    told({ probes: { state: "failing", lastError: "relay answered 500" } }),
    ["no stream can be listened to so a silent one may go unnoticed: relay answered 500"],
  ],
  "all listening goes on failing": [told({ probes: { state: "failing" } }, ["probes-failing"]), []],
  "something is heard again": [
    told({ probes: { state: "probing", heard: 1 }, lab: heard }, ["probes-failing"]),
    ["streams can be listened to again, or need not be"],
  ],
  "silence is something that is heard": [
    told({ probes: { state: "probing", silent: 1 }, lab: heard }, ["probes-failing"]),
    ["streams can be listened to again, or need not be"],
  ],
  "nothing has been listened to since a restart": [
    told({ probes: { state: "probing", failed: 2 }, lab: heard }, ["probes-failing"]),
    [],
  ],
  "relay has not reported since a restart": [told({ probes: { state: "idle" } }, ["probes-failing"]), []],
  "relay gives statistics since a restart": [
    told({ probes: { state: "idle" }, lab: heard }, ["probes-failing"]),
    ["streams can be listened to again, or need not be"],
  ],
  "nothing is listened to any more": [
    told({ probes: { state: "off" } }, ["probes-failing"]),
    ["streams can be listened to again, or need not be"],
  ],
  "more experiments than the limit": [
    told({ lab: { ...initialLab(t0), overLimit: new Set(["a", "b"]) } }),
    ["there are more experiments and streams than the limit so some are not watched: 2 left out"],
  ],
  "no more than the limit for almost an hour": [
    told({ lab: { ...initialLab(t0 - 1e9), overLimitMs: t0 - 3_599_999 } }, ["too-many"]),
    [],
  ],
  "no more than the limit for an hour": [
    told({ lab: { ...initialLab(t0 - 1e9), overLimitMs: t0 - 3_600_000 } }, ["too-many"]),
    ["all experiments and streams are watched again"],
  ],
  "more than the limit in the run before this one, which has just begun": [told({}, ["too-many"]), []],
  "more than the limit in the run before this one, which has gone on for an hour": [
    told({ lab: initialLab(t0 - 3_600_000) }, ["too-many"]),
    ["all experiments and streams are watched again"],
  ],
  "no more than the limit, and nobody was told of more": [told({ lab: { ...initialLab(t0), overLimitMs: t0 } }), []],
  "several at once": [
    told({ conditions: { jump: "lost", relay: "lost" }, jump: { ...start.jump, trouble: refused } }).map((line) =>
      line.slice(0, 30)
    ),
    ["jump has no fresh reports so m", "relay has no fresh reports so "],
  ],
};
for (const [name, [lines, want]] of Object.entries(cases)) {
  Deno.test(`alertTurns: ${name}`, () => assert.deepEqual(lines, want));
}

Deno.test("people know of an alert from when it is raised until it is cleared", () => {
  const raised = { code: "relay-lost", turn: "raised", atMs: t0, detail: "" } as const;
  const known = knownAfter(new Map(), [raised]);
  assert.deepEqual([...known.keys()], ["relay-lost"]);
  assert.deepEqual([...knownAfter(known, [{ ...raised, turn: "cleared" }]).keys()], []);
});

Deno.test("a feed's connection ends its trouble, but the last error stays to be seen; and reports, entries, bad frames and connections are counted", () => {
  const report = { feed: "relay", atMs: t0, entries: 3, skipped: 1, generation: "measured", intervalMs: null } as const;
  let relay = afterNews(start.relay, { kind: "trouble", trouble: refused });
  assert.equal(relay.trouble, refused);
  relay = afterNews(relay, { kind: "connected", tokenExpiresMs: t0 + 1 });
  assert.equal(relay.trouble, null);
  assert.equal(relay.lastError, refused.message);
  relay = afterReport(relay, { ...report, connections: ConnectionTable.of([connection("a")]) });
  relay = afterNews(relay, { kind: "bad-frame", why: "not JSON" });
  assert.deepEqual(relay.counts, { reports: 1, entries: 3, skipped: 1, badFrames: 1, connects: 1, reconnects: 0 });
  assert.equal(relay.generation, "measured");
});

Deno.test("a connection made again as something had gone wrong is told from one that renews another in time", () => {
  const connected = { kind: "connected", tokenExpiresMs: t0 } as const;
  const trouble = { kind: "trouble", trouble: refused } as const;
  const news = [trouble, connected, connected, trouble, trouble, connected] as const;
  const { counts } = news.reduce(afterNews, start.relay);
  assert.deepEqual([counts.connects, counts.reconnects], [3, 1]);
});

Deno.test("a bad frame is no cause any more once a report has come", () => {
  const report = { feed: "relay", atMs: t0, entries: 0, skipped: 0, generation: "measured", intervalMs: null } as const;
  const relay = afterReport(afterNews(start.relay, { kind: "bad-frame", why: "x" }), {
    ...report,
    connections: noConnections,
  });
  assert.equal(relay.trouble, null);
  assert.match(relay.lastError ?? "", /frame/);
});

Deno.test("since when book lists nothing is kept while it fails in between", () => {
  const gone = afterList(start.book, { isEmpty: true, hadResources: true, atMs: t0 });
  const later = afterAnswer(afterTrouble(gone, refused, 3, t0 + 1), t0 + 2);
  assert.equal(afterList(later, { isEmpty: true, hadResources: true, atMs: t0 + 3 }).goneMs, t0);
  assert.equal(afterList(later, { isEmpty: false, hadResources: true, atMs: t0 + 3 }).goneMs, null);
});

Deno.test("book is unread, ok, failing, lost, and ok again; empty when it lists nothing", () => {
  const ok = afterList(start.book, { isEmpty: false, hadResources: false, atMs: t0 });
  const states = [
    start.book,
    ok,
    afterTrouble(ok, refused, 1, t0),
    afterTrouble(ok, refused, 3, t0),
    afterAnswer(afterTrouble(ok, refused, 3, t0), t0),
    afterList(ok, { isEmpty: true, hadResources: true, atMs: t0 }),
  ];
  assert.deepEqual(states.map(({ state }) => state), ["unread", "ok", "failing", "lost", "ok", "empty"]);
});

Deno.test("a manifest that is read while one resource keeps failing does not make book answer again", () => {
  const lost = afterTrouble(start.book, refused, 3, t0);
  const listed = afterList(lost, { isEmpty: false, hadResources: true, atMs: t0 });
  assert.deepEqual([listed.state, listed.failures, listed.lastSuccessMs], ["lost", 3, t0]);
  assert.equal(afterAnswer(listed, t0).state, "ok");
});

Deno.test("an empty book that fails and answers again is still empty", () => {
  const empty = afterList(start.book, { isEmpty: true, hadResources: false, atMs: t0 });
  assert.equal(afterAnswer(afterTrouble(empty, refused, 3, t0), t0).state, "empty");
});
