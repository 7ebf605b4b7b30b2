/**
 * How each of the monitor's own sources and parts is: its state in a word and a shape, what is worth knowing besides, and its
 * last error. Pure. How it looks is for `page_top`.
 */
import { durationWords } from "./duration.ts";
import { counted } from "./page_banner.ts";
import type { Mark } from "./page_time.tsx";
import type { HeartbeatView, OutboxView, Snapshot } from "./snapshot.ts";
import type { BookView, FeedView, PartView, ProbesView, StoreView } from "./system_alerts.ts";

export interface SourceWords {
  readonly name: string;
  readonly part: PartView<string>;
  readonly mark: Mark;
  readonly state: string;
  /** What the time of its last success is that of. */
  readonly success: string;
  /** What waits for it; null for nothing. */
  readonly waits: string | null;
  readonly facts: readonly string[];
  /** Whether the last error is why it is as it is; else it is over. */
  readonly isError: boolean;
}

/** What is not set up is left out, but for mail: a monitor that tells nobody should say so. */
export function sourcesOf(snapshot: Snapshot, nowMs: number): readonly SourceWords[] {
  const { feeds, book, mail, webhook, probes, heartbeat, store } = snapshot;
  return [
    feedWords("jump", feeds.jump, nowMs),
    feedWords("relay", feeds.relay, nowMs),
    bookWords(book),
    ...(probes.state === "off" || probes.state === "idle" ? [] : [probesWords(probes)]),
    mailWords(mail, nowMs),
    ...(webhook.state === "off" ? [] : [outboxWords("webhook", webhook, "message", nowMs)]),
    ...(heartbeat.state === "off" ? [] : [heartbeatWords(heartbeat)]),
    storeWords(store),
  ];
}

function feedWords(name: string, view: FeedView, nowMs: number): SourceWords {
  const marks = { connecting: "starting", live: "healthy", late: "warned", lost: "unhealthy" } as const;
  const { counts, intervalMs, tokenExpiresMs, generation } = view;
  return {
    name,
    part: view,
    mark: marks[view.state],
    state: view.state,
    success: "last report",
    waits: null,
    facts: [
      ...(intervalMs === null ? [] : [`one every ${intervalText(intervalMs)}`]),
      ...(name === "relay" && generation === "unmeasured" ? ["gives no statistics"] : []),
      ...(counts.skipped > 0 ? [`${counted(counts.skipped, "entry", "entries")} skipped`] : []),
      ...(counts.badFrames > 0 ? [counted(counts.badFrames, "bad frame")] : []),
      ...(counts.connects > 1 ? [`connected ${counts.connects} times`] : []),
      ...(tokenExpiresMs === null ? [] : [tokenText(tokenExpiresMs - nowMs)]),
    ],
    isError: view.state !== "live",
  };
}

/** One that reports more than once a second does not do so every 0 s. */
function intervalText(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : durationWords(ms);
}

function bookWords(view: BookView): SourceWords {
  const marks = {
    unread: "starting",
    ok: "healthy",
    failing: "warned",
    lost: "unhealthy",
    empty: "unhealthy",
  } as const;
  const words = { unread: "not read yet", ok: "ok", failing: "failing", lost: "lost", empty: "lists nothing" };
  return {
    name: "book",
    part: view,
    mark: marks[view.state],
    state: words[view.state],
    success: "last answer",
    waits: waitText(view.waiting, "change"),
    facts: [
      counted(view.resources, "resource"),
      ...(view.writes > 0 ? [`${counted(view.writes, "change")} written`] : []),
    ],
    isError: view.state === "failing" || view.state === "lost",
  };
}

function mailWords(view: OutboxView, nowMs: number): SourceWords {
  const words = outboxWords("mail", view, "mail", nowMs);
  return view.state === "off" ? { ...words, facts: ["alerts go to the log alone"] } : words;
}

function outboxWords(name: string, view: OutboxView, thing: string, nowMs: number): SourceWords {
  const marks = { off: "off", idle: "healthy", waiting: "starting", failing: "unhealthy" } as const;
  return {
    name,
    part: view,
    mark: marks[view.state],
    state: view.state,
    success: `last ${thing}`,
    waits: view.waiting > 0 ? `${waitText(view.waiting, thing)}${oldestText(view, nowMs)}` : null,
    facts: [
      ...(view.sent > 0 ? [`${view.sent} sent`] : []),
      ...(view.failed > 0 ? [`${counted(view.failed, "try", "tries")} failed`] : []),
    ],
    isError: view.state === "failing",
  };
}

function probesWords(view: ProbesView): SourceWords {
  const marks = { off: "off", idle: "off", probing: "healthy", failing: "warned" } as const;
  return {
    name: "listening",
    part: view,
    mark: marks[view.state],
    state: view.state === "probing" ? "ok" : view.state,
    success: "last heard",
    waits: null,
    facts: [
      `to ${counted(view.streams, "stream")} in turn`,
      ...(view.failed > 0 ? [`${counted(view.failed, "try", "tries")} failed`] : []),
    ],
    isError: view.state === "failing",
  };
}

function heartbeatWords(view: HeartbeatView): SourceWords {
  const marks = { off: "off", waiting: "starting", ok: "healthy", withheld: "warned", failing: "unhealthy" } as const;
  return {
    name: "heartbeat",
    part: view,
    mark: marks[view.state],
    state: view.state,
    success: "last answer",
    waits: null,
    facts: view.failed > 0 ? [`${counted(view.failed, "try", "tries")} failed`] : [],
    isError: view.state === "failing" || view.state === "withheld",
  };
}

function waitText(count: number, thing: string): string | null {
  return count > 0 ? `${counted(count, thing)} waiting` : null;
}

function tokenText(leftMs: number): string {
  return leftMs > 0 ? `token good for ${durationWords(leftMs)}` : "token expired";
}

function oldestText({ oldestMs }: OutboxView, nowMs: number): string {
  return oldestMs === null ? "" : `, the oldest for ${durationWords(nowMs - oldestMs)}`;
}

function storeWords(view: StoreView): SourceWords {
  const marks = { ok: "healthy", memory: "off", failing: "unhealthy" } as const;
  return {
    name: "store",
    part: view,
    mark: marks[view.state],
    state: view.state === "memory" ? "in memory" : view.state,
    success: "last write",
    waits: waitText(view.waiting, "change"),
    facts: [
      ...(view.state === "memory" ? ["a restart forgets history and unsent mail"] : []),
    ],
    isError: view.state === "failing",
  };
}
