/**
 * How long does something take here? CPU time of this process, which others on the machine disturb less than the time that
 * passes; and how the parts of the bench say what they found. All measured against each other is measured in turn, so that
 * what slows the machine slows both.
 */
import process from "node:process";
import { systemClock } from "../../src/clock.ts";
import { type Figure, figureOf, type Measured } from "./figures.ts";

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
