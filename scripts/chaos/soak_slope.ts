/**
 * Does something grow? The arithmetic of a soak: the least-squares slope of a figure over time, how sure it is, and what
 * follows. Pure. Which figures there are, and how much growth is nothing to worry about, is for `soak_figures`.
 */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Slope {
  /** Of y for 1 of x. */
  readonly slope: number;
  /** The standard error of that, the residuals' likeness to their neighbours taken into account. */
  readonly error: number;
  /** The 95 % interval, by Student's t. */
  readonly low: number;
  readonly high: number;
  readonly points: number;
}

/** `unclear`: no growth is seen, but it was too short, or too noisy, to say that there is none that matters. */
export type Verdict = "flat" | "unclear" | "grows";

// Fewer leave an interval so wide that it says nothing.
const pointsMin = 6;
// Beyond it the estimate of the likeness itself means nothing.
const likenessMax = 0.9;
// Two-sided 95 %, for 1, 2, 3, … degrees of freedom.
const students = [
  ...[12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228],
  ...[2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086],
  ...[2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042],
];

/** Null for fewer than three points, and where x does not vary. */
export function slopeOf(points: readonly Point[]): Slope | null {
  const count = points.length;
  const [meanX, meanY] = [mean(points.map(({ x }) => x)), mean(points.map(({ y }) => y))];
  const spread = sum(points.map(({ x }) => (x - meanX) ** 2));
  if (count < 3 || spread === 0) return null;
  const slope = sum(points.map(({ x, y }) => (x - meanX) * (y - meanY))) / spread;
  const residuals = points.map(({ x, y }) => y - meanY - slope * (x - meanX));
  const alike = likeness(residuals);
  // Neighbours that are alike tell less than as many that are not.
  const error = Math.sqrt(sum(residuals.map((each) => each ** 2)) / (count - 2) / spread * (1 + alike) / (1 - alike));
  const margin = studentsT(count - 2) * error;
  return { slope, error, low: slope - margin, high: slope + margin, points: count };
}

/** The lowest point of each of `blocks` equal parts of the time: V8 is lazy, so what counts is what is left after a collection. */
export function lowerEnvelope(points: readonly Point[], blocks: number): Point[] {
  const [from, to] = [points[0]?.x ?? 0, points.at(-1)?.x ?? 0];
  const blockOf = ({ x }: Point) => Math.min(Math.floor((x - from) / (to - from) * blocks), blocks - 1);
  const parts = Map.groupBy(points, blockOf);
  return [...parts.values()].map((part) => part.reduce((lowest, each) => each.y < lowest.y ? each : lowest));
}

/** What was seen in the second half of the time: the first is for what is filled once, and stays. */
export function secondHalf(points: readonly Point[]): Point[] {
  const middle = ((points[0]?.x ?? 0) + (points.at(-1)?.x ?? 0)) / 2;
  return points.filter(({ x }) => x >= middle);
}

/** `bound`: a slope that is nothing to worry about, also if it is certain. */
export function verdictOf(slope: Slope | null, bound: number): Verdict {
  if (slope === null || slope.points < pointsMin) return "unclear";
  if (slope.high <= bound) return "flat";
  return slope.low > 0 && slope.slope > bound ? "grows" : "unclear";
}

/** Two-sided 95 % of Student's t. */
export function studentsT(freedom: number): number {
  return students[freedom - 1] ?? 1.96 + 2.4 / freedom;
}

/** How far each residual is like the one before it (the autocorrelation of lag 1), where it is; 0 to 0.9. */
function likeness(residuals: readonly number[]): number {
  const whole = sum(residuals.map((each) => each ** 2));
  const shared = sum(residuals.slice(1).map((each, at) => each * (residuals[at] ?? 0)));
  return whole === 0 ? 0 : Math.min(Math.max(shared / whole, 0), likenessMax);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}
