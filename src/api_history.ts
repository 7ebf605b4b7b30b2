/**
 * How one experiment has stood, as the API shows it (`GET /api/v1/experiments/{name}/history`): which window that is,
 * and the answer. Pure: reading the store is for whoever asks, what spans and shares are is for `history`.
 */
import * as z from "zod";
import { time } from "./api.ts";
import type { HistoryJson } from "./api_schema.ts";
import { sharesOf, spansOf, toldOf, type Window } from "./history.ts";
import { type Run, runsMax, type Turn } from "./persisted.ts";

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
  readonly stored: readonly Turn[];
  /** The newest, as the Snapshot has them: the store may be behind. */
  readonly recent: readonly Turn[];
  /** The Snapshot's. */
  readonly runs: readonly Run[];
}

/** `from` is later than asked for where there are more turns or runs than are read: what is told of is told right. */
export function historyJson(name: string, { stored, recent, runs }: HistoryKept, window: Window): HistoryJson {
  const recentFromMs = recent[0]?.atMs ?? Infinity;
  const turns = [...stored.filter(({ atMs }) => atMs < recentFromMs), ...recent];
  const { fromMs, toMs } = toldOf({ turns: stored, runs }, { turns: historyTurnsMax, runs: runsMax }, window);
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
