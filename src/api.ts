/**
 * The Snapshot as the API shows it: the field names of the Go program and what has been added to them (design, section 5).
 * Pure: how it travels is for `server`.
 */
import { alertText, type HealthEvent, issueText } from "./alert.ts";
import type { EventJson, ExperimentJson } from "./api_schema.ts";
import type { StatusJson } from "./api_schema_status.ts";
import type { Connection, Traffic } from "./connection.ts";
import type { FeedView, OutboxView, PartView } from "./part_view.ts";
import type { SeenView } from "./seen.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

type ReportJson = NonNullable<ExperimentJson["jump_report"]>;

export interface ApiOptions {
  /** Whether clients' network addresses are shown (API_ADDRESSES). */
  readonly addresses: boolean;
}

export function experimentJson(view: ExperimentView, options: ApiOptions): ExperimentJson {
  const reports = view.streams.flatMap(({ topic, connection }): [string, ReportJson][] => {
    return connection === null ? [] : [[topic, reportJson(connection, options)]];
  });
  return {
    topic_name: view.name,
    resource_name: view.resources[0] ?? "",
    state: view.state,
    healthy: view.healthy,
    issues: view.issues.map(issueText),
    since: time(view.sinceMs),
    available: view.available,
    held: view.held,
    trial: view.trial,
    health_events: view.events.length,
    first_checked: time(view.firstSeenMs),
    last_found_in_manifest: time(view.foundInManifestMs),
    jump_ok: view.host.verdict === "ok",
    last_checked_jump: time(view.host.seenMs),
    last_checked_streams: time(newestOf(view.streams)),
    stream_required: record(view.streams.filter(({ required }) => required).map(({ topic }) => [topic, true as const])),
    stream_ok: record(view.streams.map(({ topic, verdict }) => [topic, verdict === "ok"])),
    stream_reports: record(reports),
    stream_probes: record(
      view.streams.flatMap(({ topic, probe }) =>
        probe ? [[topic, { when: time(probe.atMs), heard: probe.heard }]] : []
      ),
    ),
    jump_report: view.host.connection && reportJson(view.host.connection, options),
  };
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

function partJson<State extends string>(part: PartView<State>) {
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

function reportJson(connection: Connection, { addresses }: ApiOptions): ReportJson {
  return {
    topic: connection.topic,
    scopes: connection.scopes,
    can_read: connection.canRead,
    can_write: connection.canWrite,
    connected: serviceTime(connection.connected),
    expires_at: serviceTime(connection.expiresAt),
    ...(addresses ? { remote_addr: connection.remoteAddr } : {}),
    user_agent: connection.userAgent,
    stats: connection.stats && { tx: trafficJson(connection.stats.tx), rx: trafficJson(connection.stats.rx) },
  };
}

function trafficJson({ last, size, fps, idle }: Traffic) {
  return { last, size, fps, never: idle.kind === "never" };
}

// RFC 3339 has years of four digits.
const serviceMsMax = Date.UTC(10_000, 0) - 1;

/** A service's own time; it writes year 1 (jump) or 1970 (relay) for never. */
function serviceTime(text: string): string | null {
  const ms = Date.parse(text);
  return Number.isNaN(ms) || ms <= 0 || ms > serviceMsMax ? null : time(ms);
}

function newestOf(streams: readonly SeenView[]): number | null {
  const seen = streams.flatMap(({ seenMs }) => (seenMs === null ? [] : [seenMs]));
  return seen.length === 0 ? null : Math.max(...seen);
}

/** A plain object whose keys may be any topic, `__proto__` included. */
function record<Value>(entries: readonly (readonly [string, Value])[]): Record<string, Value> {
  return Object.fromEntries(entries);
}
