/**
 * The monitor and its parts as the API shows them, and what happened to an experiment (design, section 5). How an experiment
 * stands is for `api_experiment`. Pure: how it travels is for `server`.
 */
import * as z from "zod";
import { alertText, type HealthEvent, issueText } from "./alerts.ts";
import type { EventJson, ExperimentJson, HistoryJson, StatusJson } from "./api_schema.ts";
import { recordedOf, sharesOf, spansOf, type Window } from "./history.ts";
import { type MonitorRun, runsMax, type StateChange } from "./persisted.ts";
import type { ConnectionInfo, Traffic } from "./report.ts";
import type { ExperimentView, OutboxView, Snapshot, StreamView, TopicView } from "./snapshot.ts";
import type { ComponentStatus, FeedView } from "./system_alerts.ts";

export interface ApiOptions {
  /** Whether clients' network addresses are shown (API_ADDRESSES). */
  readonly addresses: boolean;
}

export function eventJson({ healthy, issues, jumpOk, streamOk, atMs }: HealthEvent): EventJson {
  return { healthy, issues: issues.map(issueText), jump_ok: jumpOk, stream_ok: streamOk, when: time(atMs) };
}

export function statusJson(snapshot: Snapshot, nowMs: number): StatusJson {
  const { feeds, book, mail, webhook, probes, heartbeat, store } = snapshot;
  return {
    time: time(nowMs),
    version: snapshot.version,
    started: time(snapshot.startedMs),
    counts: snapshot.counts,
    alerts: snapshot.alerts.map(alertText),
    feeds: { jump: feedJson(feeds.jump), relay: feedJson(feeds.relay) },
    book: { ...partJson(book), resources: book.resources, writes: book.writes, waiting: book.waiting },
    mail: outboxJson(mail),
    webhook: outboxJson(webhook),
    probes: {
      ...partJson(probes),
      streams: probes.streams,
      heard: probes.heard,
      silent: probes.silent,
      failed: probes.failed,
    },
    heartbeat: { ...partJson(heartbeat), sent: heartbeat.sent, failed: heartbeat.failed },
    store: { ...partJson(store), waiting: store.waiting },
  };
}

/** What has to be true before the monitor can be relied on, and is not; empty when it is ready. */
export function missingParts({ feeds, book }: Snapshot): readonly string[] {
  const missing = book.state === "unread" || book.lastSuccessMs === null ? ["book has not been read"] : [];
  for (const name of ["jump", "relay"] as const) {
    if (feeds[name].state !== "live") missing.push(`${name} is ${feeds[name].state}`);
  }
  return missing;
}

/** RFC 3339 in UTC; milliseconds only where there are any. Null stands for never. */
export function time(ms: number): string;
export function time(ms: number | null): string | null;
export function time(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString().replace(".000Z", "Z");
}

function outboxJson(view: OutboxView) {
  return {
    ...partJson(view),
    waiting: view.waiting,
    sent: view.sent,
    failed: view.failed,
    oldest: time(view.oldestMs),
  };
}

function partJson<State extends string>(part: ComponentStatus<State>) {
  return {
    state: part.state,
    since: time(part.sinceMs),
    last_success: time(part.lastSuccessMs),
    last_error: part.lastError,
  };
}

function feedJson(feed: FeedView): StatusJson["feeds"]["jump"] {
  return {
    ...partJson(feed),
    generation: feed.generation,
    interval_seconds: feed.intervalMs === null ? null : feed.intervalMs / 1_000,
    token_expires: time(feed.tokenExpiresMs),
    reports: feed.counts.reports,
    entries: feed.counts.entries,
    skipped: feed.counts.skipped,
    bad_frames: feed.counts.badFrames,
    connects: feed.counts.connects,
  };
}

/*
 * An experiment as the API shows it: the field names of the Go program and what has been added to them (design, section 5).
 * As JSON text at once, and in it what a connection is as it was written the last time: each report tells anew of thousands
 * of them what they have sent, and of nearly none that it is another. Pure, but for what is kept.
 */

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
function reportText(seen: TopicView, { addresses }: ApiOptions): string | null {
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
const addressed = new WeakMap<ConnectionInfo, string>();
const unaddressed = new WeakMap<ConnectionInfo, string>();

/** Without the bracket at its end: what it has sent comes last. */
function peerText(peer: ConnectionInfo, addresses: boolean): string {
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

function newestMs(streams: readonly TopicView[]): number | null {
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

/*
 * How one experiment has stood, as the API shows it (`GET /api/v1/experiments/{name}/history`): which window that is,
 * and the answer. Pure: reading the store is for whoever asks, what spans and shares are is for `history`.
 */

/** Turns that are read from the store for one answer (some 2 MB of it): of more, the newest. */
export const historyTurnsMax = 20_000;

// A duration as in the settings, within what parseDuration takes: the document promises exactly what is taken.
const windowPattern =
  /^(?:(?:0\.\d{0,2}[1-9]|[1-9]\d{0,2}(?:\.\d{1,3})?)d|[1-9]\d?w|(?:0\.\d{0,2}[1-9]|[1-9]\d{0,3}(?:\.\d{1,3})?)[smh]){1,3}$/;

/** What may be asked of a history. */
export const historyQuery = z.object({
  window: z.string().regex(windowPattern, "a window is a duration such as 45m, 24h, 1h30m, 7d or 4w")
    .default("24h").meta({
      description: "How far back: a duration in seconds (s), minutes (m), hours (h), days (d) or weeks (w)",
      examples: ["7d"],
    }),
});

/** The window that ends now. It reaches no further back than history is kept (STORE_KEEP): what was before is not known. */
export function historyWindow(
  { windowMs, keepMs, nowMs }: { windowMs: number; keepMs: number; nowMs: number },
): Window {
  return { fromMs: nowMs - Math.min(windowMs, keepMs), toMs: nowMs };
}

/** What is known of one experiment's past. */
export interface HistoryKept {
  /** What the store has since the window's beginning and the one before, `historyTurnsMax` at most. */
  readonly stored: readonly StateChange[];
  /** The newest, as the Snapshot has them: the store may be behind. */
  readonly recent: readonly StateChange[];
  /** The Snapshot's. */
  readonly runs: readonly MonitorRun[];
}

/** `from` is later than asked for where there are more turns or runs than are read: what is told of is told right. */
export function historyJson(name: string, { stored, recent, runs }: HistoryKept, window: Window): HistoryJson {
  const recentFromMs = recent[0]?.atMs ?? Infinity;
  const turns = [...stored.filter(({ atMs }) => atMs < recentFromMs), ...recent];
  const { fromMs, toMs } = recordedOf({ turns: stored, runs }, { turns: historyTurnsMax, runs: runsMax }, window);
  const spans = spansOf({ turns, runs }, { fromMs, toMs });
  return {
    topic_name: name,
    from: time(fromMs),
    to: time(toMs),
    shares: sharesOf(spans),
    spans: spans.map((span) => ({
      from: time(span.fromMs),
      to: time(span.toMs),
      state: span.state,
      available: span.available,
    })),
  };
}
