import fc from "fast-check";
import assert from "node:assert/strict";
import {
  eventJson,
  experimentText,
  historyJson,
  historyQuery,
  historyTurnsMax,
  historyWindow,
  missingParts,
  statusJson,
  time,
} from "../src/api.ts";
import { parseDuration } from "../src/duration.ts";
import { applyReport } from "../src/health.ts";
import { runsMax } from "../src/persisted.ts";
import { type Connection, ConnectionTable } from "../src/report.ts";
import type { ExperimentView } from "../src/snapshot.ts";
import { experimentJson } from "./support/api.ts";
import { laboratories, oddNames, wellLab } from "./support/app.ts";
import { Bench, connection, resource, startMs } from "./support/bench.ts";
import { seenBy } from "./support/seen.ts";
import { snapshot } from "./support/snapshot.ts";
import { turn } from "./support/store_samples.ts";

const hidden = { addresses: false };
const common = {
  canRead: true,
  canWrite: true,
  connected: "2026-11-22T08:00:00.000999Z",
  remoteAddr: "192.0.2.7",
  userAgent: "Go-http-client/1.1",
};
const video: Connection = {
  ...common,
  topic: "pend00-st-video",
  scopes: ["read", "write", "expt"],
  expiresAt: "2027-11-22T07:00:00Z",
  stats: {
    tx: { last: "35.1s", idle: { kind: "for", ms: 35_100 }, size: 1200, fps: 24.9 },
    rx: { last: "Never", idle: { kind: "never" }, size: 0, fps: 0 },
  },
};
const host: Connection = {
  ...common,
  topic: "pend00",
  scopes: ["host", "read", "write"],
  expiresAt: "0001-01-01T00:00:00Z",
  stats: null,
};

/** The example of the design: pend00, whose video stalls. */
function stalled() {
  const bench = new Bench([resource("pend00", ["st-video"])]);
  const report = { entries: 1, skipped: 0, generation: "measured", intervalMs: 5_000 } as const;
  bench.lab = applyReport(bench.lab, {
    ...report,
    feed: "jump",
    atMs: startMs + 120,
    connections: ConnectionTable.of([host]),
  }, bench.rules);
  bench.nowMs += 1_120;
  bench.lab = applyReport(
    bench.lab,
    { ...report, feed: "relay", atMs: bench.nowMs, connections: ConnectionTable.of([video]) },
    bench.rules,
  );
  bench.judge();
  return bench;
}

Deno.test("an experiment has the Go program's fields, and those added to them", () => {
  const view = snapshot(stalled(), { "r-pend00": { available: false, reason: "status server: x" } }).experiments[0];
  assert.deepEqual(view && experimentJson(view, hidden), {
    topic_name: "pend00",
    resource_name: "r-pend00",
    state: "unhealthy",
    healthy: false,
    issues: ["unhealthy pend00-st-video"],
    since: "2026-11-22T20:00:01.120Z",
    available: false,
    held: null,
    trial: null,
    health_events: 1,
    first_checked: "2026-11-22T20:00:00Z",
    last_found_in_manifest: "2026-11-22T20:00:00Z",
    jump_ok: true,
    last_checked_jump: "2026-11-22T20:00:00.120Z",
    last_checked_streams: "2026-11-22T20:00:01.120Z",
    stream_required: { "pend00-st-video": true },
    stream_ok: { "pend00-st-video": false },
    stream_probes: {},
    stream_reports: {
      "pend00-st-video": {
        topic: "pend00-st-video",
        scopes: ["read", "write", "expt"],
        can_read: true,
        can_write: true,
        connected: "2026-11-22T08:00:00Z",
        expires_at: "2027-11-22T07:00:00Z",
        user_agent: "Go-http-client/1.1",
        stats: {
          tx: { last: "35.1s", size: 1200, fps: 24.9, never: false },
          rx: { last: "Never", size: 0, fps: 0, never: true },
        },
      },
    },
    jump_report: {
      topic: "pend00",
      scopes: ["host", "read", "write"],
      can_read: true,
      can_write: true,
      connected: "2026-11-22T08:00:00Z",
      expires_at: null,
      user_agent: "Go-http-client/1.1",
      stats: null,
    },
  });
});

Deno.test("addresses of clients are shown only where that was asked for", () => {
  const view = snapshot(stalled()).experiments[0];
  assert.equal(view && experimentJson(view, { addresses: true }).jump_report?.remote_addr, "192.0.2.7");
});

Deno.test("what was never reported is false, null and without a report", () => {
  const view = snapshot(new Bench([resource("pend00", ["st-data"])])).experiments[0];
  const json = view && experimentJson(view, hidden);
  assert.deepEqual(json?.stream_ok, { "pend00-st-data": false });
  assert.deepEqual(json?.stream_reports, {});
  assert.deepEqual([json?.jump_report, json?.last_checked_jump, json?.last_checked_streams], [null, null, null]);
});

Deno.test("an experiment that book does not list has no resource, and was never found in the manifest", () => {
  const bench = new Bench([]);
  bench.jump(["spin31"]);
  const view = snapshot(bench).experiments[0];
  const json = view && experimentJson(view, hidden);
  assert.deepEqual([json?.resource_name, json?.last_found_in_manifest, json?.available], ["", null, false]);
});

Deno.test("an event tells what was wrong and when", () => {
  const event = snapshot(stalled()).experiments[0]?.events[0];
  assert.deepEqual(event && eventJson(event), {
    healthy: false,
    issues: ["unhealthy pend00-st-video"],
    jump_ok: true,
    stream_ok: { "pend00-st-video": false },
    when: "2026-11-22T20:00:01.120Z",
  });
});

Deno.test("the status tells of every part its state, since when, its last success and its last error", () => {
  const status = statusJson(snapshot(stalled()), startMs + 2_000);
  assert.deepEqual([status.time, status.version, status.started], [
    "2026-11-22T20:00:02Z",
    "1.2.3",
    "2026-11-22T20:00:00Z",
  ]);
  assert.deepEqual(status.counts, { healthy: 0, unhealthy: 1, starting: 0, unknown: 0 });
  const parts = [status.feeds.jump, status.feeds.relay, status.book, status.mail, status.store];
  assert.deepEqual(parts.map(({ state }) => state), ["live", "live", "unread", "idle", "ok"]);
  for (const part of parts) {
    assert.deepEqual(Object.keys(part).slice(0, 4), ["state", "since", "last_success", "last_error"]);
  }
});

Deno.test("it is not ready before book has been read and both feeds are live, and says what is missing", () => {
  const bench = new Bench([]);
  assert.deepEqual(missingParts(snapshot(bench)), [
    "book has not been read",
    "jump is connecting",
    "relay is connecting",
  ]);
  bench.jump([]);
  bench.relay({});
  assert.deepEqual(missingParts(snapshot(bench)), ["book has not been read"]);
});

Deno.test("times are RFC 3339 in UTC, milliseconds only where there are any, null for never", () => {
  assert.deepEqual([time(startMs), time(startMs + 120), time(null)], [
    "2026-11-22T20:00:00Z",
    "2026-11-22T20:00:00.120Z",
    null,
  ]);
});

/*  The text of an experiment: is it what JSON.stringify would write, and what of it is written anew with each report? */

const well = snapshot(wellLab(["pend00"]).bench).experiments[0]!;

for (const [name, laboratory] of Object.entries(laboratories)) {
  Deno.test(`of ${name} it is what JSON.stringify makes of what it says`, () => {
    for (const view of [...laboratory().experiments, ...snapshot(wellLab(oddNames).bench).experiments]) {
      for (const addresses of [false, true]) assertJson(experimentText(view, { addresses }));
    }
  });
}

Deno.test("whatever names, reasons and connections hold, it is what JSON.stringify makes of what it says", () => {
  const text = fc.string({ unit: "binary", maxLength: 12 });
  const said = fc.record({
    last: text,
    size: fc.double({ noNaN: true, noDefaultInfinity: true }),
    fps: fc.float({ noNaN: true, noDefaultInfinity: true }),
  });
  fc.assert(fc.property(text, text, said, (name, held, traffic) => {
    const tx = { ...traffic, idle: { kind: "for", ms: 5 } } as const;
    const said = { ...connection("x", 5), userAgent: held, scopes: [name, held], stats: { tx, rx: tx } };
    const view = withConnection({ ...well, name, held, resources: [held] }, said);
    const json = assertJson(experimentText(view, { addresses: true }));
    assert.deepEqual([json.topic_name, json.held, json.resource_name], [name, held, held]);
  }));
});

Deno.test("what a connection is is written once, whatever it sends, and again for another connection", () => {
  let reads = 0;
  const peer = {
    ...connection("pend00-st-data", 0),
    get userAgent() {
      reads++;
      return "camera";
    },
  };
  const report = (idleMs: number, from = peer) => {
    const { stats } = connection("pend00-st-data", idleMs);
    const seen = { connection: from, peer: from, stats };
    return experimentText({ ...well, streams: [{ ...well.streams[0]!, ...seen }] }, { addresses: false });
  };

  for (let at = 0; at < 100; at++) report(at);
  assert.equal(reads, 1);
  assert.match(report(0, { ...peer, userAgent: "another" }), /"user_agent":"another"/);
});

Deno.test("whether addresses are shown is asked for each time", () => {
  const [shown, hidden] = [true, false].map((addresses) => experimentText(well, { addresses }));
  assert.match(shown!, /"remote_addr":"192\.0\.2\.7"/);
  assert.doesNotMatch(hidden!, /remote_addr/);
});

function assertJson(text: string) {
  const json = JSON.parse(text);
  assert.equal(text, JSON.stringify(json));
  return json;
}

function withConnection(view: ExperimentView, said: Connection): ExperimentView {
  return { ...view, host: { ...view.host, ...seenBy(said) }, streams: [{ ...view.streams[0]!, ...seenBy(said) }] };
}

const nowMs = Date.UTC(2026, 10, 22, 12);
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const windows: Record<string, [text: string, wantMs: number | null]> = {
  "nothing": ["", null],
  "a day": ["24h", dayMs],
  "a week": ["7d", 7 * dayMs],
  "several units": ["1h30m", 1.5 * hourMs],
  "a part of one": ["1.5h", 1.5 * hourMs],
  "seconds": ["3600s", hourMs],
  "less than one": ["0.5h", hourMs / 2],
  "the longest": ["999.999d999.999d999.999d", 2_999.997 * dayMs],
  "no time": ["0", null],
  "backwards": ["-1h", null],
  "no unit": ["24", null],
  "longer than any setting": ["99999d", null],
  "other words": ["yesterday", null],
};
for (const [name, [text, wantMs]] of Object.entries(windows)) {
  Deno.test(`the window that is asked for: ${name}`, () => {
    const { data } = historyQuery.safeParse({ window: text });
    assert.equal(data ? parseDuration(data.window) : null, wantMs);
  });
}

Deno.test("the window ends now, and reaches no further back than history is kept", () => {
  const times = { keepMs: 30 * dayMs, nowMs };
  assert.deepEqual(historyWindow({ windowMs: dayMs, ...times }), { fromMs: nowMs - dayMs, toMs: nowMs });
  assert.deepEqual(historyWindow({ windowMs: 90 * dayMs, ...times }), { fromMs: nowMs - 30 * dayMs, toMs: nowMs });
});

const day = { fromMs: nowMs - dayMs, toMs: nowMs };
const runs = [{ startedMs: nowMs - 12 * hourMs, aliveMs: nowMs }];

Deno.test("a history is what there was in the window, with times as the rest of the API has them", () => {
  const stored = [turn(nowMs - 12 * hourMs, "healthy"), turn(nowMs - 3 * hourMs + 120, "unhealthy", false)];
  assert.deepEqual(historyJson("pend00", { stored, recent: stored, runs }, day), {
    topic_name: "pend00",
    from: "2026-11-21T12:00:00Z",
    to: "2026-11-22T12:00:00Z",
    shares: {
      watched: 0.5,
      known: 0.5,
      healthy: (9 * hourMs + 120) / dayMs,
      available: (9 * hourMs + 120) / dayMs,
    },
    spans: [
      { from: "2026-11-21T12:00:00Z", to: "2026-11-22T00:00:00Z", state: "not_watched", available: null },
      { from: "2026-11-22T00:00:00Z", to: "2026-11-22T09:00:00.120Z", state: "healthy", available: true },
      { from: "2026-11-22T09:00:00.120Z", to: "2026-11-22T12:00:00Z", state: "unhealthy", available: false },
    ],
  });
});

Deno.test("an experiment of which nothing is known was not watched", () => {
  const { shares, spans } = historyJson("pend00", { stored: [], recent: [], runs: [] }, day);
  assert.deepEqual(shares, { watched: 0, known: 0, healthy: 0, available: 0 });
  assert.deepEqual(spans.map(({ state }) => state), ["not_watched"]);
});

Deno.test("what is not in the store yet is told from what the monitor has, and no turn twice", () => {
  const [old, both, since] = [
    turn(nowMs - 9 * hourMs, "starting", false),
    turn(nowMs - 6 * hourMs, "healthy"),
    turn(nowMs - 3 * hourMs, "unhealthy"),
  ] as const;
  const { spans } = historyJson("pend00", { stored: [old, both], recent: [both, since], runs }, day);
  assert.deepEqual(spans.map(({ state }) => state), ["not_watched", "starting", "healthy", "unhealthy"]);
});

Deno.test("of more turns than are read at once it begins with the first of those: before it nothing is known", () => {
  const stored = Array.from({ length: historyTurnsMax }, (_, number) => {
    return turn(nowMs - hourMs + number, number % 2 === 0 ? "healthy" : "unhealthy");
  });
  const history = historyJson("pend00", { stored, recent: stored.slice(-500), runs }, day);
  assert.deepEqual([history.from, history.spans[0]?.from], ["2026-11-22T11:00:00Z", "2026-11-22T11:00:00Z"]);
  assert.equal(history.shares.watched, 1);
});

Deno.test("of more runs than are kept it begins with the first of those", () => {
  const many = Array.from({ length: runsMax }, (_, number) => {
    return { startedMs: nowMs - hourMs + number, aliveMs: nowMs - hourMs + number };
  });
  const history = historyJson("pend00", { stored: [], recent: [], runs: many }, day);
  assert.equal(history.from, "2026-11-22T11:00:00Z");
});
