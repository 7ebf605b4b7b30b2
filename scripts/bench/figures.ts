/**
 * Figures of a bench: median and spread, how they compare with a goal, and what has moved since the kept ones; and the tables that
 * show them. Pure but for the timers.
 */
import process from "node:process";
import { systemClock } from "../../src/clock.ts";

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

export type Measured =
  & Pick<Figure, "what" | "unit">
  & Partial<Pick<Figure, "size" | "atMost" | "by" | "go">>;

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

/** Whether the value meets its goal; true without a goal. The bound is included. */
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

/** What stays of `before` if `parts` are measured again. Throws as `merged` does. */
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

// Tables for people: one per part, the goals, and what has moved.

const columns = ["what", "experiments", "median", "min", "max", "times", "goal", "Go program"] as const;

/** A table of the figures of one part. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = [columns, ...figures.map(rowOf)];
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  // Words stand at the left, numbers at the right.
  const cell = (text: string, at: number) => at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0);
  return rows.map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}

export function machineText({ cpu, cores, deno }: Machine): string {
  return `${cpu}, ${cores} cores, Deno ${deno}. Times and sizes hold for this machine, ratios (×) for any.`;
}

/** A line for each goal that is missed; that all are kept, where they are. */
export function goalsText(figures: readonly Figure[]): string {
  const goals = figures.filter(({ atMost }) => atMost !== undefined);
  const missed = goals.filter((each) => !keepsGoal(each));
  const lines = missed.map((each) =>
    `  ${nameOf(each)}: ${amount(judgedOf(each), each)}, and ${goalOf(each)} is the goal`
  );
  return [
    `${goals.length - missed.length} of ${goals.length} goals kept${lines.length > 0 ? "; missed:" : ""}`,
    ...lines,
  ]
    .join("\n");
}

/** A line for each figure that has moved since the kept ones. */
export function movesText(moves: readonly Move[]): string {
  if (moves.length === 0) return "Nothing has moved beyond the spread since the kept figures.";
  const line = ({ figure, before, by }: Move) =>
    `  ${nameOf(figure)}: ${amount(before.median, before)} → ${amount(figure.median, figure)} (× ${number(by)})`;
  return ["Moved beyond the spread since the kept figures:", ...moves.map(line)].join("\n");
}

function rowOf(figure: Figure): readonly string[] {
  const { what, size, median, min, max, times, atMost, go } = figure;
  return [
    what,
    size === null ? "" : size.toLocaleString("en"),
    amount(median, figure),
    number(min),
    number(max),
    String(times),
    atMost === undefined ? "" : `${goalOf(figure)} ${keepsGoal(figure) ? "kept" : "MISSED"}`,
    go === undefined ? "" : `${number(go)}: × ${number(median / go)}`,
  ];
}

function goalOf({ atMost = NaN, by }: Figure): string {
  return `${by === "max" ? "each " : ""}≤ ${number(atMost)}`;
}

function amount(value: number, { unit }: Figure): string {
  return unit === "×" ? `× ${number(value)}` : `${number(value)} ${unit}`;
}

/** Three digits, and no more zeros than needed. */
function number(value: number): string {
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

// Timing: CPU time of this process, which other load on the machine disturbs less than elapsed time.

/** What is asked of a part. */
export interface BenchOptions {
  /** How many experiments the laboratories have. */
  readonly sizes: readonly number[];
  /** Whether there is time: the five minutes of reports, more rounds. */
  readonly full: boolean;
  /** Compiled programs to measure beside the source; none. */
  readonly binaries: readonly { readonly program: string; readonly hello: string }[];
  /** Somewhere to put files. */
  readonly folder: string;
}

/** A part of the bench: what it has measured, in the order in which it is shown. */
export type Part = (options: BenchOptions) => Promise<Figure[]> | Figure[];

/** Collects the values of one figure after another. */
export class Findings {
  readonly #part: string;
  readonly #values = new Map<string, { readonly measured: Measured; readonly values: number[] }>();

  constructor(part: string) {
    this.#part = part;
  }

  add(measured: Measured, ...values: readonly number[]): void {
    const key = `${measured.what} ${measured.size ?? ""}`;
    const found = this.#values.get(key) ?? { measured, values: [] };
    found.values.push(...values);
    this.#values.set(key, found);
  }

  get figures(): Figure[] {
    return [...this.#values.values()].map(({ measured, values }) => figureOf(this.#part, measured, values));
  }
}

/** All CPU time that this process has taken, of all its threads, in milliseconds. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/**
 * CPU milliseconds that one call of `act` takes, as the mean of `times`. It is called once before, so that what is thrown away
 * meanwhile is its own. (V8 is not asked to collect its garbage first: that throws away what it has learnt of the objects,
 * and reading then takes a quarter more than in the program.)
 */
export function cpuMsOf(times: number, act: (at: number) => void): number {
  act(times);
  const startMs = cpuMs();
  for (let at = 0; at < times; at++) act(at);
  return (cpuMs() - startMs) / times;
}

/** Milliseconds that pass while `act` is done, and the CPU time that this process takes meanwhile. */
export async function timesOf(act: () => Promise<unknown>): Promise<{ tookMs: number; cpu: number }> {
  const [startMs, startCpu] = [systemClock.monotonicMs(), cpuMs()];
  await act();
  return { tookMs: systemClock.monotonicMs() - startMs, cpu: cpuMs() - startCpu };
}

/** A line of what is being done, on stderr: the results alone are on stdout. */
export function say(words: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${words}\n`));
}

export function sleep(ms: number): Promise<void> {
  return systemClock.wait(ms, new AbortController().signal);
}
