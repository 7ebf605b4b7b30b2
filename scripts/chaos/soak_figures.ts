/**
 * What is measured of a soak, which of it must not grow and by how much it may, and what the figures say in the end. Pure.
 * Where they come from is for `soak_watch`, how they are shown for `soak_report`.
 */
import type { ProcFigures } from "../proc.ts";
import { lowerEnvelope, type Point, secondHalf, type Slope, slopeOf, type Verdict, verdictOf } from "./soak_slope.ts";

/** All figures of one moment; null for what could not be had. */
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
