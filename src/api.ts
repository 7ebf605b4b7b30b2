/**
 * The monitor and its parts as the API shows them, and what happened to an experiment (design, section 5). How an experiment
 * stands is for `api_experiment`. Pure: how it travels is for `server`.
 */
import { alertText, type HealthEvent, issueText } from "./alerts.ts";
import type { EventJson } from "./api_schema.ts";
import type { StatusJson } from "./api_schema_status.ts";
import type { OutboxView, Snapshot } from "./snapshot.ts";
import type { FeedView, PartView } from "./system_alerts.ts";

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
