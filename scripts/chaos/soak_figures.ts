/**
 * The figures of a soak: what is measured, which of it must not grow and by how much it may, and the least-squares slope that
 * decides. Pure. Where figures come from is in `soak_watch`, how they are shown in `soak`.
 */
import type { ProcFigures } from "../proc.ts";

/** All figures of one moment; null for what could not be read. */
export interface Sample extends ProcFigures {
  /** Since the start of the soak. */
  readonly atMs: number;
  /** Of the main thread; the Worker's is in the resident memory alone. */
  readonly heapBytes: number | null;
  readonly storeBytes: number;
  readonly walBytes: number;
  readonly logBytes: number;
  readonly healthzMs: number | null;
  /** From /metrics. */
  readonly counters: Readonly<Record<string, number>>;
}

export type FigureName = Exclude<keyof Sample, "atMs" | "counters" | "healthzMs">;

interface Figure {
  readonly words: string;
  readonly unit: "MB" | "" | "% of a core";
  /** In the unit: growth in a day of the laboratory that is nothing to worry about. */
  readonly perDay: number;
}

/** In the order in which they are shown. */
export const figures: Readonly<Record<FigureName, Figure>> = {
  residentBytes: { words: "resident memory", unit: "MB", perDay: 20 },
  privateBytes: { words: "private memory", unit: "MB", perDay: 20 },
  heapBytes: { words: "JavaScript heap of the main thread", unit: "MB", perDay: 5 },
  sockets: { words: "sockets", unit: "", perDay: 4 },
  listening: { words: "sockets that listen", unit: "", perDay: 0.5 },
  pipes: { words: "pipes", unit: "", perDay: 1 },
  files: { words: "open files", unit: "", perDay: 1 },
  otherDescriptors: { words: "other descriptors", unit: "", perDay: 2 },
  threads: { words: "threads", unit: "", perDay: 2 },
  cpuSeconds: { words: "processor", unit: "% of a core", perDay: 5 },
  storeBytes: { words: "store", unit: "MB", perDay: 1 },
  walBytes: { words: "the store's log (WAL)", unit: "MB", perDay: 1 },
  logBytes: { words: "log, which is rotated", unit: "MB", perDay: 1 },
};

export interface Finding {
  readonly name: FigureName;
  readonly last: number;
  readonly max: number;
  /** In the figure's unit, for a day; of the lower envelope of the second half. */
  readonly slope: Slope | null;
  readonly verdict: Verdict;
}

/** So many that each has samples just after a collection, and enough for a slope. */
export const blocks = 15;
const million = 1_000_000;

/** `dayMs`: how long a day of the laboratory takes here. */
export function findingsOf(samples: readonly Sample[], dayMs: number): Finding[] {
  return (Object.keys(figures) as FigureName[]).map((name) => findingOf(name, seriesOf(samples, name), dayMs));
}

export function findingOf(name: FigureName, series: readonly Point[], dayMs: number): Finding {
  const low = lowerEnvelope(secondHalf(series), blocks);
  const slope = slopeOf(low.map(({ x, y }) => ({ x: x / dayMs, y })));
  return {
    name,
    last: series.at(-1)?.y ?? NaN,
    max: Math.max(...series.map(({ y }) => y)),
    slope,
    verdict: verdictOf(slope, figures[name].perDay),
  };
}

/** One figure over time (ms), in its unit. */
export function seriesOf(samples: readonly Sample[], name: FigureName): Point[] {
  if (name === "cpuSeconds") return load(samples);
  const per = figures[name].unit === "MB" ? million : 1;
  return samples.flatMap((each) => {
    const value = each[name];
    return value === null ? [] : [{ x: each.atMs, y: value / per }];
  });
}

/** How busy it was between each two samples: timers that are never ended show here. */
function load(samples: readonly Sample[]): Point[] {
  return samples.slice(1).map((each, at) => {
    const before = samples[at] as Sample;
    return { x: each.atMs, y: (each.cpuSeconds - before.cpuSeconds) / (each.atMs - before.atMs) * 100_000 };
  });
}

/** What is left over when all load has ended: the figures of which there is more than before there was any, with both. */
export function leftOvers(before: Sample, after: Sample): string[] {
  return (Object.keys(leftMax) as (keyof typeof leftMax)[]).flatMap((name) => {
    const more = after[name] - before[name];
    return more <= leftMax[name] ? [] : [`${figures[name].words}: ${before[name]} before, ${after[name]} after`];
  });
}

/** How much more there may be: connections to book that are kept for the next request, threads that wait for work. */
const leftMax = { sockets: 4, listening: 0, pipes: 0, files: 0, otherDescriptors: 0, threads: 4 } as const;

/** Of values in any order: the median, the 99th percentile and the greatest. NaN of none. */
export function percentiles(values: readonly number[]): { p50: number; p99: number; max: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)] ?? NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

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

/** `unclear`: no growth is seen, but it was too short, or too noisy, to rule out growth that matters. */
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
