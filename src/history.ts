/**
 * How an experiment has stood over time: spans made from the moments at which something changed, and what share of the time
 * it was well. Time in which nobody watched is said to be that, and counts neither for nor against. Pure.
 * What the moments are is for `timeline`, where they are kept for `store`.
 */
import type { ExperimentState } from "./standing.ts";

/** From `atMs` on, until the next turn, the experiment stood so. `not_watched`: it had been forgotten. */
export interface Turn {
  readonly atMs: number;
  readonly state: SpanState;
  readonly available: boolean;
}

/** A stretch of time in which the monitor ran. `aliveMs`: when it was last known to. */
export interface Run {
  readonly startedMs: number;
  readonly aliveMs: number;
}

export type SpanState = ExperimentState | "not_watched";

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** All that is known of an experiment's past, oldest first. */
export interface Past {
  readonly turns: readonly Turn[];
  readonly runs: readonly Run[];
}

/** Never empty, never overlapping; `available` is null where nobody watched. */
export interface Span extends Window {
  readonly state: SpanState;
  readonly available: boolean | null;
}

/** Parts of the whole window, 0 to 1. */
export interface Shares {
  readonly watched: number;
  /** In which it was known to be healthy or not: neither starting nor unknown. */
  readonly known: number;
  readonly healthy: number;
  readonly available: number;
}

/**
 * What of the window can be told: all of it, unless the past holds as many turns or runs as were asked for. What there was
 * before the first of them is then not known, which is not the same as not watched.
 */
export function toldOf({ turns, runs }: Past, max: { turns: number; runs: number }, window: Window): Window {
  const turnsFromMs = turns.length < max.turns ? -Infinity : turns[0]?.atMs ?? -Infinity;
  const runsFromMs = runs.length < max.runs ? -Infinity : runs[0]?.startedMs ?? -Infinity;
  return { ...window, fromMs: Math.max(window.fromMs, Math.min(Math.max(turnsFromMs, runsFromMs), window.toMs)) };
}

/**
 * What of the window the newest turns and runs tell: from the first of each on. What was before may have been let go, or
 * not have been known yet; either way nothing is claimed of it.
 */
export function recentOf({ turns, runs }: Past, { fromMs, toMs }: Window): Window {
  const sinceMs = Math.max(turns[0]?.atMs ?? Infinity, runs[0]?.startedMs ?? Infinity);
  return { fromMs: Math.min(Math.max(fromMs, sinceMs), toMs), toMs };
}

/**
 * The window without a gap, oldest first; neighbours differ. What stands before the first turn, after the last run and
 * between two runs was not watched. Of turns at one moment the last counts.
 */
export function spansOf({ turns, runs }: Past, window: Window): readonly Span[] {
  const spans: Span[] = [];
  let atMs = window.fromMs;
  const add = (untilMs: number, state: SpanState, available: boolean | null) => {
    const toMs = Math.min(untilMs, window.toMs);
    if (toMs <= atMs) return;
    const last = spans.at(-1);
    if (last?.state === state && last.available === available) spans[spans.length - 1] = { ...last, toMs };
    else spans.push({ fromMs: atMs, toMs, state, available });
    atMs = toMs;
  };
  let next = 0; // of the turns, the first that is still to come
  for (const run of runs) {
    add(run.startedMs, "not_watched", null);
    while (atMs < Math.min(run.aliveMs, window.toMs)) {
      while ((turns[next]?.atMs ?? Infinity) <= atMs) next++;
      const { state, available } = turns[next - 1] ?? { state: "not_watched", available: null };
      const untilMs = Math.min(turns[next]?.atMs ?? Infinity, run.aliveMs);
      add(untilMs, state, state === "not_watched" ? null : available);
    }
  }
  add(window.toMs, "not_watched", null);
  return spans;
}

/** What part of the spans' time it was watched, known to be healthy or not, healthy and available; 0 of no time at all. */
export function sharesOf(spans: readonly Span[]): Shares {
  const msOf = (chosen: (span: Span) => boolean) =>
    spans.reduce((sum, span) => sum + (chosen(span) ? span.toMs - span.fromMs : 0), 0);
  const wholeMs = Math.max(msOf(() => true), 1);
  return {
    watched: msOf(({ state }) => state !== "not_watched") / wholeMs,
    known: msOf(({ state }) => state === "healthy" || state === "unhealthy") / wholeMs,
    healthy: msOf(({ state }) => state === "healthy") / wholeMs,
    available: msOf(({ available }) => available === true) / wholeMs,
  };
}
