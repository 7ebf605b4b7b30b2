/**
 * At which interval does a feed report, and how long may it be quiet before it is late, and before it is lost (design,
 * "late" and "lost")? Pure. What to do about a late feed is for `feed`, about a lost one for the core.
 */

/** The newest gaps between two reports on one connection, oldest first. Gaps across connections say nothing. */
export type Pulse = readonly number[];

export const noPulse: Pulse = [];

// Enough for one odd gap, or two, to change nothing; few enough to follow a service whose interval was changed.
const gapsMax = 5;

/** The pulse after another gap. */
export function withGap(pulse: Pulse, gapMs: number): Pulse {
  return [...pulse, gapMs].slice(-gapsMax);
}

/** The interval at which the feed has been reporting: the median of its gaps; null where none is known yet. */
export function intervalOf(pulse: Pulse): number | null {
  const sorted = [...pulse].sort((a, b) => a - b);
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  const upper = sorted[Math.floor(sorted.length / 2)];
  return lower === undefined || upper === undefined ? null : (lower + upper) / 2;
}

/** A feed that has been quiet for this long is late. `lastCheckedMs` is HEALTH_LAST_CHECKED. */
export function lateAfterMs(intervalMs: number | null, lastCheckedMs: number): number {
  return intervalMs === null ? Math.min(15_000, lastCheckedMs) : Math.max(1_000, 2 * intervalMs);
}

/** A feed that has been quiet for this long is lost. `lastCheckedMs` is HEALTH_LAST_CHECKED. */
export function lostAfterMs(intervalMs: number | null, lastCheckedMs: number): number {
  return Math.max(lastCheckedMs, 3 * (intervalMs ?? 0));
}
