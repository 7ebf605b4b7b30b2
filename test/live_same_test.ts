import assert from "node:assert/strict";
import { isSameExperiment } from "../src/change_detector.ts";
import type { Connection } from "../src/report.ts";
import type { ExperimentView, StreamView } from "../src/snapshot.ts";
import { Bench, connection, resource, startMs } from "./support/bench.ts";
import { plain, seenBy } from "./support/seen.ts";
import { snapshot } from "./support/snapshot.ts";

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
