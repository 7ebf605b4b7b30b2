import assert from "node:assert/strict";
import { conditionsOf } from "../src/health.ts";
import { withManifest } from "../src/lab.ts";
import { canBeAskedFor } from "../src/probe_socket.ts";
import { noConnections } from "../src/report.ts";
import { type ProbeTargets, probeTargets, rememberedTargets } from "../src/stream_probe.ts";
import { afterNews, afterReport, newSources } from "../src/system_alerts.ts";
import { Bench, resource, rules, type Sending, startMs } from "./support/bench.ts";

const trouble = { kind: "unreachable", message: "the connection ended" } as const;
const connected = "2026-11-22T07:00:00Z";
const none: ProbeTargets = { kind: "none" }, away: ProbeTargets = { kind: "away" };
const streams = (...topics: string[]): ProbeTargets & { kind: "streams" } => {
  const each = new Map(topics.map((topic) => [topic, connected]));
  return { kind: "streams", streams: each, reports: 1, connects: 0, unaskable: 0 };
};

interface Case {
  readonly sends?: Readonly<Record<string, Sending>>;
  readonly required?: readonly string[];
  readonly mode?: "auto" | "always";
  readonly afterMs?: number;
  readonly isTroubled?: boolean;
  readonly isUnheard?: boolean;
  readonly want: ProbeTargets;
}

const unmeasured = { "pend00-st-data": "unmeasured", "pend00-st-video": "unmeasured" } as const;
const cases: Record<string, Case> = {
  "required streams that are connected are listened to": {
    sends: unmeasured,
    want: streams("pend00-st-data", "pend00-st-video"),
  },
  "one that is not connected is not": { sends: { "pend00-st-data": "unmeasured" }, want: streams("pend00-st-data") },
  "one that is not required is not": {
    sends: { ...unmeasured, "pend00-st-extra": "unmeasured", "spin31-st-data": "unmeasured" },
    want: streams("pend00-st-data", "pend00-st-video"),
  },
  "one that relay could mistake for another is not": {
    sends: { ...unmeasured, "pend00-st-a b": "unmeasured" },
    required: ["st-data", "st-a b"],
    want: { ...streams("pend00-st-data"), unaskable: 1 },
  },
  "with statistics none is": { sends: { "pend00-st-data": 0, "pend00-st-video": 0 }, want: none },
  "nor where only some have them": { sends: { ...unmeasured, "pend00-st-data": 0 }, want: none },
  "but with PROBE_STREAMS=always": {
    sends: { "pend00-st-data": 0, "pend00-st-video": "silent" },
    mode: "always",
    want: streams("pend00-st-data", "pend00-st-video"),
  },
  "where book requires nothing none is": { sends: unmeasured, required: [], want: none },
  "before relay has reported none is": { isUnheard: true, want: away },
  "nor while it is late": { sends: unmeasured, afterMs: 10_000, want: away },
  "nor while it is lost": { sends: unmeasured, afterMs: 60_000, want: away },
  "just before it is late they are": {
    sends: unmeasured,
    afterMs: 9_999,
    want: streams("pend00-st-data", "pend00-st-video"),
  },
  "trouble such as a bad frame, or a renewal that fails, is none of theirs": {
    sends: unmeasured,
    isTroubled: true,
    want: streams("pend00-st-data", "pend00-st-video"),
  },
};
for (const [name, has] of Object.entries(cases)) {
  Deno.test(`probeTargets: ${name}`, () => {
    const bench = new Bench([resource("pend00", has.required ?? ["st-data", "st-video"])]);
    let { relay } = newSources(startMs);
    if (!has.isUnheard) {
      bench.relay(has.sends ?? {});
      const { newest } = bench.lab.relay;
      const connections = newest.kind === "report" ? newest.connections : noConnections;
      const isMeasured = [...connections.keys()].some((topic) => connections.idleMs(topic) !== null);
      const generation = isMeasured ? "measured" : "unmeasured";
      const rest = { entries: connections.size, skipped: 0, generation, intervalMs: 5_000 } as const;
      relay = afterReport(relay, { feed: "relay", atMs: startMs, connections, ...rest });
    }
    if (has.isTroubled) relay = afterNews(relay, { kind: "trouble", trouble });
    const conditions = conditionsOf(bench.lab, rules, bench.nowMs + (has.afterMs ?? 0));
    assert.deepEqual(probeTargets({ lab: bench.lab, conditions, relay }, has.mode ?? "auto"), has.want);
  });
}

const names: Record<string, boolean> = {
  "pend00-st-data": true,
  "PEND_00-st-video-alt": true,
  "pend.00-st-data": false,
  "pend 00-st-data": false,
  "pend/00-st-data": false,
  "pend00-st-data?code=1": false,
  "pend%2F00-st-data": false,
  "pénd00-st-data": false,
  "..": false,
  "": false,
};
for (const [name, want] of Object.entries(names)) {
  Deno.test(`relay ${want ? "can" : "cannot"} be asked for ${JSON.stringify(name)}`, () => {
    assert.equal(canBeAskedFor(name), want);
  });
}

Deno.test("what to listen to is made anew when relay reports, book lists, or relay's state turns, and only then", () => {
  const bench = new Bench([resource("pend00", ["st-data"])]);
  bench.relay(unmeasured);
  const { relay } = newSources(startMs);
  const telling = (conditions = conditionsOf(bench.lab, rules, bench.nowMs)) => ({ lab: bench.lab, conditions, relay });
  const targetsOf = rememberedTargets("always");
  const first = targetsOf(telling());
  assert.equal(first.kind, "streams");

  bench.listened("pend00-st-data", true);
  assert.equal(targetsOf(telling()), first);
  bench.relay(unmeasured);
  assert.notEqual(targetsOf(telling()), first);
  assert.equal(targetsOf(telling({ jump: "live", relay: "late" })).kind, "away");
  const renewed = targetsOf({ ...telling(), relay: afterNews(relay, { kind: "connected", tokenExpiresMs: startMs }) });
  assert.equal(renewed.kind === "streams" && renewed.connects, 1);
  bench.lab = withManifest(bench.lab, [], bench.nowMs);
  assert.equal(targetsOf(telling()).kind, "none");
});
