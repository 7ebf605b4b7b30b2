/**
 * What a history bar shows of the spans of its window: all, or where they are more than anyone could tell apart, fewer in
 * which a short trouble is never hidden by what was well beside it. Pure. How they are drawn is for `page_bar`.
 */
import type { Span } from "./history.ts";
import type { SpanState } from "./persisted.ts";

/** `isLumped`: of several spans, of which the state is that of the worst and not that of all the time. */
export interface Piece extends Span {
  readonly isLumped?: true;
}

// More pieces of one bar would be neither told apart nor walked through.
const piecesMax = 120;
const piecesMin = 10;
// Of all bars of a page: this many fit into 300 kB, compressed, with all else of a thousand experiments.
const piecesTotalMax = 10_000;
const partMin = 1 / 400;

/** How many pieces a bar may have on a page with so many of them. */
export function piecesMaxOf(bars: number): number {
  return Math.max(Math.min(Math.floor(piecesTotalMax / Math.max(bars, 1)), piecesMax), piecesMin);
}

/** Without a gap, oldest first, at most `max` (2 or more); the last is always how things are now. `spans`: as `spansOf` gives them. */
export function piecesOf(spans: readonly Span[], max: number): readonly Piece[] {
  const [first, last] = [spans[0], spans.at(-1)];
  if (first === undefined || last === undefined || spans.length <= max) return spans;
  for (let shortMs = (last.toMs - first.fromMs) * partMin;; shortMs *= 2) {
    const pieces = [...lumped(spans.slice(0, -1), shortMs), last];
    if (pieces.length <= max) return pieces;
  }
}

/** Neighbours that are all short are lumped together, as the worst of them, until the lump is short no more. */
function lumped(spans: readonly Span[], shortMs: number): readonly Piece[] {
  const pieces: Piece[] = [];
  for (const span of spans) {
    const before = pieces.at(-1);
    const isLumped = before !== undefined && isShort(before, shortMs) && isShort(span, shortMs);
    if (isLumped) pieces[pieces.length - 1] = both(before, span);
    else pieces.push(span);
  }
  return pieces;
}

function isShort({ fromMs, toMs }: Span, shortMs: number): boolean {
  return toMs - fromMs < shortMs;
}

function both(one: Span, next: Span): Piece {
  return {
    fromMs: one.fromMs,
    toMs: next.toMs,
    state: badness[next.state] > badness[one.state] ? next.state : one.state,
    available: one.available === false || next.available === false ? false : one.available ?? next.available,
    isLumped: true,
  };
}

const badness: Readonly<Record<SpanState, number>> = {
  healthy: 0,
  not_watched: 1,
  starting: 2,
  unknown: 3,
  unhealthy: 4,
};
