/**
 * An experiment as the API shows it: the field names of the Go program and what has been added to them (design, section 5).
 * As JSON text at once, and in it what a connection is as it was written the last time: each report tells anew of thousands
 * of them what they have sent, and of nearly none that it is another. Pure, but for what is kept.
 */
import { issueText } from "./alerts.ts";
import { type ApiOptions, time } from "./api.ts";
import type { ExperimentJson } from "./api_schema.ts";
import type { Peer, Traffic } from "./report.ts";
import type { ExperimentView, SeenView, StreamView } from "./snapshot.ts";

type ReportJson = NonNullable<ExperimentJson["jump_report"]>;

/** What `JSON.stringify` makes of an ExperimentJson. */
export function experimentText(view: ExperimentView, options: ApiOptions): string {
  const { streams, host } = view;
  const required = byTopic(streams, ({ required }) => required ? "true" : null);
  const working = byTopic(streams, ({ verdict }) => String(verdict === "ok"));
  const reports = byTopic(streams, (stream) => reportText(stream, options));
  const probes = byTopic(streams, ({ probe }) => probe && `{"when":${timeText(probe.atMs)},"heard":${probe.heard}}`);
  return `{"topic_name":${quoted(view.name)},"resource_name":${quoted(view.resources[0] ?? "")},` +
    `"state":"${view.state}","healthy":${view.healthy},"issues":${JSON.stringify(view.issues.map(issueText))},` +
    `"since":${timeText(view.sinceMs)},"available":${view.available},"held":${JSON.stringify(view.held)},` +
    `"trial":${JSON.stringify(view.trial)},"health_events":${view.events.length},` +
    `"first_checked":${timeText(view.firstSeenMs)},"last_found_in_manifest":${timeText(view.foundInManifestMs)},` +
    `"jump_ok":${host.verdict === "ok"},"last_checked_jump":${timeText(host.seenMs)},` +
    `"last_checked_streams":${timeText(newestMs(streams))},"stream_required":${required},"stream_ok":${working},` +
    `"stream_reports":${reports},"stream_probes":${probes},"jump_report":${reportText(host, options) ?? "null"}}`;
}

/** Null where there is no report of it. */
function reportText(seen: SeenView, { addresses }: ApiOptions): string | null {
  const { peer } = seen;
  if (peer === null) return null;
  const kept = addresses ? addressed : unaddressed;
  let text = kept.get(peer);
  if (text === undefined) kept.set(peer, text = peerText(peer, addresses));
  const { stats } = seen;
  const said = stats === null ? "null" : `{"tx":${trafficText(stats.tx)},"rx":${trafficText(stats.rx)}}`;
  return `${text},"stats":${said}}`;
}

// A connection's text is let go of with the connection.
const addressed = new WeakMap<Peer, string>();
const unaddressed = new WeakMap<Peer, string>();

/** Without the bracket at its end: what it has sent comes last. */
function peerText(peer: Peer, addresses: boolean): string {
  const fields: Omit<ReportJson, "stats"> = {
    topic: peer.topic,
    scopes: peer.scopes,
    can_read: peer.canRead,
    can_write: peer.canWrite,
    connected: serviceTime(peer.connected),
    expires_at: serviceTime(peer.expiresAt),
    ...(addresses ? { remote_addr: peer.remoteAddr } : {}),
    user_agent: peer.userAgent,
  };
  return JSON.stringify(fields).slice(0, -1);
}

function trafficText({ last, size, fps, idle }: Traffic): string {
  return `{"last":${quoted(last)},"size":${size},"fps":${fps},"never":${idle.kind === "never"}}`;
}

// RFC 3339 has years of four digits.
const serviceMsMax = Date.UTC(10_000, 0) - 1;

/** A service's own time; it writes year 1 (jump) or 1970 (relay) for never. */
function serviceTime(text: string): string | null {
  const ms = Date.parse(text);
  return Number.isNaN(ms) || ms <= 0 || ms > serviceMsMax ? null : time(ms);
}

function newestMs(streams: readonly SeenView[]): number | null {
  let newest: number | null = null;
  for (const { seenMs } of streams) if (seenMs !== null && (newest === null || seenMs > newest)) newest = seenMs;
  return newest;
}

/** An object of what `text` makes of each stream; what it makes nothing of is not there. */
function byTopic(streams: readonly StreamView[], text: (stream: StreamView) => string | null): string {
  let fields = "";
  for (const stream of streams) {
    const value = text(stream);
    if (value !== null) fields += `${fields === "" ? "" : ","}${quoted(stream.topic)}:${value}`;
  }
  return `{${fields}}`;
}

function quoted(text: string): string {
  return plain.test(text) ? `"${text}"` : JSON.stringify(text);
}

// What stands in JSON as it is: nearly all names do, and to look is half of the work of writing them.
const plain = /^[ !#-[\]-~]*$/;

/** Most times stand in many experiments, or in one from report to report. */
function timeText(ms: number | null): string {
  if (ms === null) return "null";
  let text = times.get(ms);
  if (text === undefined) {
    if (times.size >= timesMax) times.clear();
    times.set(ms, text = `"${time(ms)}"`);
  }
  return text;
}

const times = new Map<number, string>();
// Some 4 MB: three of each of 10,000 experiments.
const timesMax = 30_000;
