import assert from "node:assert/strict";
import type { SystemAlert } from "../src/alerts.ts";
import type { ResourceState } from "../src/availability.ts";
import { ReportedStates } from "../src/book_sync.ts";
import { ChangeDetector, isSameExperiment } from "../src/change_detector.ts";
import { conditionsOf } from "../src/health.ts";
import { HistoryRecorder } from "../src/history.ts";
import { withManifest } from "../src/lab.ts";
import { createJsonChannel } from "../src/live_updates.ts";
import { type Connection, ConnectionTable, type FeedName } from "../src/report.ts";
import { ListCache } from "../src/response_cache.ts";
import type { ExperimentView, SnapshotInputs, StreamView } from "../src/snapshot.ts";
import * as sources from "../src/system_alerts.ts";
import { Bench, connection, resource, rules, startMs } from "./support/bench.ts";
import { manifest, setUp } from "./support/monitor.ts";
import { plain, seenBy } from "./support/seen.ts";
import { snapshot } from "./support/snapshot.ts";
import { offViews } from "./support/views.ts";

type Judged = Omit<SnapshotInputs, "revision">;

const resources = [resource("pend00", ["st-data"]), resource("spin31", ["st-data"])];
const saidAvailable = { kind: "said", available: true, reason: "", atMs: startMs } as const;
const lost: SystemAlert = { code: "relay-lost", turn: "raised", atMs: startMs, detail: "" };
const idle = { sinceMs: startMs, lastSuccessMs: null, lastError: null, waiting: 0 };

/** All that is known of a laboratory in which all is well, and the bench on which it is changed. */
function wellKnown(): { bench: Bench; known: Judged } {
  const bench = new Bench(resources);
  well(bench);
  const known: Judged = {
    atMs: bench.nowMs,
    version: "1.2.3",
    lab: bench.lab,
    conditions: conditionsOf(bench.lab, rules, bench.nowMs),
    rules: { health: rules, availability: { holds: "respect", writes: true } },
    sources: sources.newSources(startMs),
    timeline: new HistoryRecorder({ stateChanges: new Map(), runs: [] }, bench.lab),
    alerts: new Map(),
    waitingForBook: 0,
    mail: { ...idle, state: "idle", sent: 0, failed: 0, oldestMs: null },
    ...offViews,
    store: { ...idle, state: "ok" },
  };
  return { bench, known };
}

function well(bench: Bench): void {
  bench.jump(["pend00", "spin31"]);
  bench.relay({ "pend00-st-data": 0, "spin31-st-data": 0 });
}

/** What is known after `play` on the bench. */
function played(known: Judged, bench: Bench, play: (bench: Bench) => void): Judged {
  play(bench);
  return { ...known, atMs: bench.nowMs, lab: bench.lab, conditions: conditionsOf(bench.lab, rules, bench.nowMs) };
}

function heard(book: sources.BookStatus, resource: string, state: ResourceState): sources.BookStatus {
  const said = new ReportedStates();
  said.note(resource, state, resources.length);
  return said.takenInto(book);
}

const inBook = (change: (book: sources.BookStatus) => sources.BookStatus) => ({ known }: { known: Judged }): Judged => {
  return { ...known, sources: { ...known.sources, book: change(known.sources.book) } };
};
const inRelay =
  (change: (feed: sources.FeedStatus) => sources.FeedStatus) => ({ known }: { known: Judged }): Judged => {
    return { ...known, sources: { ...known.sources, relay: change(known.sources.relay) } };
  };
const onBench = (play: (bench: Bench) => void) => ({ bench, known }: ReturnType<typeof wellKnown>): Judged => {
  return played(known, bench, play);
};
/** As after a report in which the connections of pend00 are others. */
const onFeed = (feed: FeedName, given: Partial<Connection>) => ({ known }: { known: Judged }): Judged => {
  const was = known.lab[feed];
  const before = was.newest.kind === "none" ? [] : [...was.newest.connections.keys()];
  const connections = ConnectionTable.of(before.map((topic) => {
    const { stats, ...peer } = connection(topic, 0);
    return { ...peer, ...(topic.startsWith("pend00") ? given : {}), stats };
  }));
  const lab = { ...known.lab, [feed]: { ...was, newest: { kind: "report", atMs: known.atMs, connections } } };
  return { ...known, lab };
};
const trouble = { kind: "refused", message: "book answered 500" } as const;

const noHistory = { revision: 0, turnsOf: () => [], wasAvailable: () => false, runs: () => [] };

type Step = (now: ReturnType<typeof wellKnown>) => Judged;

const nothing: Record<string, Step> = {
  "nothing at all": ({ known }) => known,
  "time": ({ known }) => ({ ...known, atMs: known.atMs + 1_000 }),
  "a report that says the same": onBench((bench) => {
    bench.pass(5_000);
    well(bench);
  }),
  "a report with other statistics": onBench((bench) => {
    bench.relay({ "pend00-st-data": 3_000, "spin31-st-data": 9_000 });
  }),
  "a stream has connected again, and says the same": onFeed("relay", { connected: "2026-11-22T09:00:00Z" }),
  "a host's token expires later": onFeed("jump", { expiresAt: "2028-11-22T09:00:00Z" }),
  "the counts of a feed": inRelay((feed) => ({
    ...feed,
    lastReportMs: startMs,
    counts: { ...feed.counts, reports: 7 },
  })),
  "a new token": inRelay((feed) => ({ ...feed, tokenExpiresMs: startMs + 1 })),
  "the manifest, read again": onBench((bench) => {
    bench.lab = withManifest(bench.lab, resources.map((each) => ({ ...each })), startMs + 900_000);
    bench.judge();
  }),
  "book's answer that all is as it was": inBook((book) => ({ ...book, lastSuccessMs: startMs })),
  "a write to the store": ({ known }) => ({ ...known, store: { ...known.store, lastSuccessMs: startMs } }),
  "a sign of life": ({ known }) => {
    known.timeline.runs(startMs + 60_000);
    return known;
  },
};
for (const [what, next] of Object.entries(nothing)) {
  Deno.test(`the revision stays: ${what}`, () => {
    const revision = new ChangeDetector();
    const now = wellKnown();
    const before = revision.of(now.known);
    assert.equal(revision.of(next(now)), before);
  });
}

const something: Record<string, Step> = {
  "a stream is silent": onBench((bench) => bench.relay({ "pend00-st-data": "silent", "spin31-st-data": 0 })),
  "a host is missing": onBench((bench) => {
    bench.jump(["spin31"]);
    bench.pass(10_001);
  }),
  "a stream appears": onBench((bench) => {
    bench.relay({ "pend00-st-data": 0, "spin31-st-data": 0, "spin31-st-video": 0 });
  }),
  "an experiment appears": onBench((bench) => bench.jump(["pend00", "spin31", "turn04"])),
  "an experiment is no longer listed": onBench((bench) => {
    bench.lab = withManifest(bench.lab, resources.slice(1), startMs);
  }),
  "another resource of an experiment is listed": onBench((bench) => {
    bench.lab = withManifest(bench.lab, [...resources, resource("pend00", ["st-data"], "r-other")], startMs);
  }),
  "another stream is required": onBench((bench) => {
    const video = resource("pend00", ["st-data", "st-video"]);
    bench.lab = withManifest(bench.lab, [video, ...resources.slice(1)], startMs);
  }),
  "a stream is listened to, and heard": onBench((bench) => bench.listened("pend00-st-data", true)),
  "a stream is listened to in vain": onBench((bench) => bench.listened("pend00-st-data", false)),
  "another program sends a stream": onFeed("relay", { userAgent: "other" }),
  "a stream comes from another address": onFeed("relay", { remoteAddr: "203.0.113.9" }),
  "a stream may not write any more": onFeed("relay", { canWrite: false }),
  "a host has another scope": onFeed("jump", { scopes: ["expt", "host"] }),
  "a feed is late": ({ known }) => ({ ...known, conditions: { ...known.conditions, jump: "late" } }),
  "a feed is lost": ({ known }) => ({ ...known, conditions: { ...known.conditions, relay: "lost" } }),
  "a feed has trouble": inRelay((feed) => sources.afterNews(feed, { kind: "trouble", trouble })),
  "a feed is of another generation": inRelay((feed) => ({ ...feed, generation: "unmeasured" })),
  "a feed is in another state": inRelay((feed) => ({ ...feed, state: "live" })),
  "book says of a resource": inBook((book) => heard(book, "r-pend00", saidAvailable)),
  "book has trouble": inBook((book) => sources.afterTrouble(book, trouble, 1, startMs)),
  "book's trouble is another": inBook((book) => {
    return { ...book, trouble: { kind: "refused", message: "book answered 502" } };
  }),
  "book is in another state": inBook((book) => ({ ...book, state: "empty" })),
  "a change was written to book": inBook((book) => ({ ...book, writes: 1 })),
  "a change waits for book": ({ known }) => ({ ...known, waitingForBook: 1 }),
  "a system alert is raised": ({ known }) => ({ ...known, alerts: new Map([["relay-lost", lost]]) }),
  "a mail waits": ({ known }) => ({ ...known, mail: { ...known.mail, state: "waiting", waiting: 1 } }),
  "a mail was sent": ({ known }) => ({ ...known, mail: { ...known.mail, sent: 1 } }),
  "a mail could not be sent": ({ known }) => ({ ...known, mail: { ...known.mail, failed: 1, lastError: "450 later" } }),
  "a mail fails for another reason": ({ known }) => ({ ...known, mail: { ...known.mail, lastError: "451 busy" } }),
  "the store fails for another reason": ({ known }) => {
    return { ...known, store: { ...known.store, lastError: "it is read-only" } };
  },
  "the store fails": ({ known }) => ({
    ...known,
    store: { ...known.store, state: "failing", lastError: "it is full" },
  }),
  "more waits for the store": ({ known }) => ({ ...known, store: { ...known.store, waiting: 2 } }),
  "the history has a turn more": ({ known }) => ({ ...known, timeline: { ...noHistory, revision: 1 } }),
};
for (const [what, next] of Object.entries(something)) {
  Deno.test(`the revision grows by one: ${what}`, () => {
    const revision = new ChangeDetector();
    const now = wellKnown();
    const before = revision.of(now.known);
    const then = next(now);
    assert.equal(revision.of(then), before + 1);
    assert.equal(revision.of(then), before + 1);
  });
}

Deno.test("the revision stays when a stream is found again as it was, and grows when otherwise", () => {
  const revision = new ChangeDetector(), { bench, known } = wellKnown();
  const found = (heard: boolean) =>
    revision.of(played(known, bench, (bench) => bench.listened("pend00-st-data", heard)));
  const before = found(true);
  bench.nowMs += 2_000;
  assert.deepEqual([found(true), found(false), found(false)], [before, before + 1, before + 1]);
});

Deno.test("the first revision of a run is 1, even of an empty laboratory", () => {
  const { known } = wellKnown();
  assert.equal(new ChangeDetector().of(known), 1);
  assert.equal(new ChangeDetector().of({ ...known, lab: new Bench([]).lab }), 1);
});

Deno.test("the revision grows when an experiment is judged for the first time, and well", () => {
  const bench = new Bench(resources, { startupMs: 1_000 });
  const { known } = wellKnown();
  const revision = new ChangeDetector();
  well(bench);
  const before = revision.of(played(known, bench, () => {}));
  const judged = played(known, bench, (bench) => bench.pass(1_000));
  assert.equal(revision.of(judged), before + 1);
});

Deno.test("that another connection has a stream is told to live readers, and is in the list at once", async () => {
  const { monitor, clock, report, end } = setUp();
  manifest(monitor, clock.nowMs());
  for (let at = 0; at < 2; at++) {
    report("jump", connection("pend00"));
    report("relay", connection("pend00-st-data", 0));
    await clock.advance(5_000);
  }
  const pause = () => Promise.resolve();
  const bodies = new ListCache({ snapshot: () => monitor.snapshot(), pause }, { addresses: true });
  const before = await bodies.now();
  const channel = createJsonChannel(monitor.snapshot(), clock.nowMs(), { addresses: true });
  report("relay", { ...connection("pend00-st-data", 0), userAgent: "other" });
  const told = channel.next(monitor.snapshot(), clock.nowMs());
  const list = await bodies.now();

  assert.match(new TextDecoder().decode(told ?? undefined), /"user_agent":"other"/);
  assert.match(await new Blob([...list.pieces]).text(), /"user_agent":"other"/);
  assert.notEqual(list.tag, before.tag);
  await end();
});

const view = viewOf();
const [stream] = view.streams as [StreamView];
const event = { ...view.events[0]!, atMs: startMs + 1 };
const turn = { atMs: startMs + 1, state: "healthy", available: true } as const;

const changes: Record<string, [Partial<ExperimentView>, isTold: boolean]> = {
  "another name": [{ name: "pend01" }, true],
  "another resource": [{ resources: ["r-pend00", "s"] }, true],
  "another state": [{ state: "unknown" }, true],
  "having gone and come back between two looks": [{ sinceMs: startMs + 1 }, true],
  "its first judgement": [{ judged: !view.judged }, true],
  "being healthy or not": [{ healthy: !view.healthy }, true],
  "an issue": [{ issues: [{ code: "missing-jump" }] }, true],
  "being taken off book": [{ available: !view.available }, true],
  "what the rule wants": [{ wanted: null }, true],
  "a person who holds it": [{ held: "repair" }, true],
  "what would be written": [{ trial: "r-pend00: status server: 2026-11-22T20:00:00Z all required streams ok" }, true],
  "a new event": [{ events: [...view.events, event] }, true],
  "a new event where the oldest made room": [{ events: [event] }, true],
  "a turn of its history": [{ turns: [...view.turns, turn] }, true],
  "when it was first seen": [{ firstSeenMs: startMs + 1 }, false],
  "when the manifest had it": [{ foundInManifestMs: startMs + 1 }, false],
  "that the manifest has had it": [{ foundInManifestMs: null }, true],
  "jump's verdict": [{ host: { ...view.host, verdict: "missing" } }, true],
  "when jump last had it": [{ host: { ...view.host, seenMs: startMs + 1 } }, false],
  "that jump has never had it": [{ host: { ...view.host, seenMs: null } }, true],
  "its connection at jump": [{ host: { ...view.host, ...seenBy(null) } }, true],
  "another stream": [{ streams: [...view.streams, { ...stream, topic: "pend00-st-other" }] }, true],
  "a stream less": [{ streams: [] }, true],
  "another topic": [withStream({ topic: "pend00-st-other" }), true],
  "a stream that is required no more": [withStream({ required: false }), true],
  "a stream's verdict": [withStream({ verdict: "unhealthy" }), true],
  "when relay last had a stream": [withStream({ seenMs: startMs + 1 }), false],
  "a stream that was never seen": [withStream({ seenMs: null }), true],
  "a stream's connection": [withStream(seenBy(null)), true],
  "a connection's topic": [withConnection({ topic: "x" }), true],
  "a connection's scopes": [withConnection({ scopes: ["read"] }), true],
  "what a connection can read": [withConnection({ canRead: false }), true],
  "what a connection can write": [withConnection({ canWrite: false }), true],
  "when a connection was made": [withConnection({ connected: "2026-11-22T08:00:00Z" }), false],
  "when a connection expires": [withConnection({ expiresAt: "2028-11-22T08:00:00Z" }), false],
  "a connection's address": [withConnection({ remoteAddr: "192.0.2.8" }), true],
  "a connection's program": [withConnection({ userAgent: "other" }), true],
  "a connection's statistics": [withConnection({ stats: connection("x", 9_000).stats }), false],
  "statistics that are given no more": [withConnection({ stats: null }), true],
};
for (const [name, [change, isTold]] of Object.entries(changes)) {
  Deno.test(`readers are ${isTold ? "" : "not "}told of ${name}`, () => {
    assert.equal(isSameExperiment(view, { ...view, ...change }), !isTold);
  });
}

Deno.test("readers are not told of scopes in another order, as jump gives them with every report", () => {
  const [one, other] = [["host", "read"], ["read", "host"]].map((scopes) => ({
    ...view,
    ...withConnection({ scopes }),
  }));
  assert.ok(isSameExperiment(one!, other!));
});

Deno.test("readers are told of nothing in a view that was made anew", () => {
  const { events, turns } = view;
  assert.ok(isSameExperiment(view, { ...structuredClone(view), events: [...events], turns: [...turns] }));
});

Deno.test("what would be written is the same whenever it is asked, though the reason carries the time", () => {
  const at = (time: string) => ({ ...view, trial: `r-pend00: status server: ${time} all required streams ok` });
  assert.ok(isSameExperiment(at("2026-11-22T20:00:00Z"), at("2026-11-22T20:00:01.5Z")));
});

Deno.test("the table has a row for every member", () => {
  const named = Object.values(changes).flatMap(([change]) => Object.keys(change));
  assert.deepEqual(new Set(named), new Set(Object.keys(view)));
});

function viewOf(): ExperimentView {
  const bench = new Bench([resource("pend00", ["st-data"])]);
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": 0 });
  const view = snapshot(bench, { "r-pend00": { available: true } }).experiments[0]!;
  return { ...view, host: plain(view.host), streams: view.streams.map(plain) };
}

function withStream(change: Partial<StreamView>): Partial<ExperimentView> {
  return { streams: [{ ...stream, ...change }] };
}

function withConnection(change: Partial<Connection>): Partial<ExperimentView> {
  return withStream(seenBy({ ...stream.connection!, ...change }));
}
