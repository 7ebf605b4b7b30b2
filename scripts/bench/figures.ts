/**
 * What a bench has measured, and what the figures say: median and spread, how they stand to a goal, and what has moved since
 * the figures that were kept. Pure. How they are shown is for `bench_table`; where they come from, for the other `bench_*`.
 */

export type Unit = "×" | "µs" | "ms" | "s" | "kB" | "MB" | "MB/min" | "/s";

/** One thing that was measured, several times over. */
export interface Figure {
  readonly part: string;
  /** In words, the same in every run: figures are compared by it, and by `part` and `size`. */
  readonly what: string;
  /** How many experiments the laboratory has; null where that does not matter. */
  readonly size: number | null;
  readonly unit: Unit;
  readonly min: number;
  readonly median: number;
  readonly max: number;
  /** How often it was measured. */
  readonly times: number;
  /** What it is to be at most, if it has a goal. */
  readonly atMost?: number;
  /** Which of its values keeps the goal, or misses it: `max` where none is to be more ("never", "within"). The median. */
  readonly by?: "median" | "max";
  /** When it was measured, where that was in an earlier run than the others that it is kept with. */
  readonly at?: string;
  /** What the Go program was measured at: elsewhere, in another run (issue 6). */
  readonly go?: number;
}

export type Measured = Pick<Figure, "what" | "unit"> & Partial<Pick<Figure, "size" | "atMost" | "by" | "go">>;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly deno: string;
}

/** What is kept of a run, in docs/performance.json. */
export interface Run {
  readonly machine: Machine;
  readonly at: string;
  readonly figures: readonly Figure[];
}

/** Throws a TypeError where nothing was measured, or what is no number: a figure that is not there must be seen. */
export function figureOf(part: string, measured: Measured, values: readonly number[]): Figure {
  if (values.length === 0 || !values.every(Number.isFinite)) {
    throw new TypeError(`Cannot tell "${measured.what}": measured was [${values.join(", ")}]`);
  }
  const [min, median, max] = [quantile(values, 0), quantile(values, 0.5), quantile(values, 1)].map(rounded);
  return { part, size: null, ...measured, min: min!, median: median!, max: max!, times: values.length };
}

/** The value below which `share` (0 to 1) of them are; between two neighbours, as far from each. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)] ?? NaN, sorted[Math.ceil(place)] ?? NaN];
  return below + (above - below) * (place - Math.floor(place));
}

/** Whether the value that the goal is for keeps it; true where there is none. The bound is included. */
export function keepsGoal(figure: Figure): boolean {
  return figure.atMost === undefined || judgedOf(figure) <= figure.atMost;
}

/** The value that the goal is for. */
export function judgedOf({ by = "median", ...figure }: Figure): number {
  return figure[by];
}

export interface Move {
  readonly figure: Figure;
  readonly before: Figure;
  /** The new median over the old. */
  readonly by: number;
}

/**
 * What has moved between two runs by more than their spread: the ranges from min to max share nothing. Only ratios are
 * compared of runs on different machines.
 */
export function movesSince(before: Run, now: Run): Move[] {
  const isSameMachine = before.machine.cpu === now.machine.cpu && before.machine.cores === now.machine.cores;
  const old = new Map(before.figures.map((each) => [nameOf(each), each]));
  return now.figures.flatMap((figure) => {
    const was = old.get(nameOf(figure));
    if (was === undefined || !(isSameMachine || figure.unit === "×") || !hasMoved(was, figure)) return [];
    return [{ figure, before: was, by: figure.median / was.median }];
  });
}

/**
 * The kept run after another: what that measured is replaced, and what it did not (a part left out) stays, each with when it
 * was measured. Throws a TypeError where that was on another machine: it would stand as if it were of this one.
 */
export function merged(before: Run, now: Run): Run {
  const parts = new Set(now.figures.map(({ part }) => part));
  const left = leftOf(before, now.machine, parts);
  return { ...now, figures: [...left.map((figure) => ({ at: before.at, ...figure })), ...now.figures] };
}

/** What stays of `before` if `parts` are measured anew. Throws as `merged` does. */
export function leftOf(before: Run, machine: Machine, parts: ReadonlySet<string>): readonly Figure[] {
  const left = before.figures.filter(({ part }) => !parts.has(part));
  const { cpu, cores, deno } = before.machine;
  const isSame = cpu === machine.cpu && cores === machine.cores && deno === machine.deno;
  if (left.length === 0 || isSame) return left;
  const others = [...new Set(left.map(({ part }) => part))].join(", ");
  throw new TypeError(`Cannot keep ${others} beside this run: measured with ${cpu}, ${cores} cores, Deno ${deno}`);
}

export function nameOf({ part, what, size }: Figure): string {
  return `${part}: ${what}${size === null ? "" : ` (${size})`}`;
}

// A machine is never quite as fast as the last time, however little a figure varied within one run.
const alwaysShare = 0.1;

function hasMoved(one: Figure, other: Figure): boolean {
  const [a, b] = [rangeOf(one), rangeOf(other)];
  return a.high < b.low || b.high < a.low;
}

function rangeOf({ min, median, max }: Figure): { low: number; high: number } {
  const margin = Math.abs(median) * alwaysShare / 2;
  return { low: Math.min(min, median - margin), high: Math.max(max, median + margin) };
}

/** Four digits: more would only be noise in what is kept. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
