import assert from "node:assert/strict";
import { eventJson, missingParts, statusJson, time } from "../src/api.ts";
import { applyReport } from "../src/health.ts";
import { type Connection, ConnectionTable } from "../src/report.ts";
import { experimentJson } from "./support/api.ts";
import { Bench, resource, startMs } from "./support/bench.ts";
import { snapshot } from "./support/snapshot.ts";

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
