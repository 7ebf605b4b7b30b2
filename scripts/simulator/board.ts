/** The board of the simulator: what happens, as it happens. Tests wait on it, the control page and the demo show it. */
import { type Clock, systemClock } from "../../src/clock.ts";

// The board.

export type Part = "lab" | "book" | "jump" | "relay" | "mail" | "hook";

export interface Happening {
  readonly atMs: number;
  readonly part: Part;
  /** A line for a person: what was done, or what a service was told. */
  readonly text: string;
}

// A page and a failed test show the newest; a world that runs for days must not grow.
const happeningsMax = 500;

const pollMs = 25;

// What is asked just before the time runs out may still answer.
const graceMs = 1_000;

export class Board {
  /** Counts what happened since the start: who has seen this many has seen all. */
  version = 0;
  readonly happenings: Happening[] = [];
  readonly #listeners = new Set<(happening: Happening) => void>();
  readonly clock: Clock = systemClock;

  happened(part: Part, text: string): void {
    const happening = { atMs: this.clock.nowMs(), part, text };
    this.happenings.push(happening);
    if (this.happenings.length > happeningsMax) this.happenings.shift();
    this.version++;
    for (const listener of [...this.#listeners]) listener(happening);
  }

  /** Calls `listener` with everything that happens from now on, until the function it returns is called. */
  listen(listener: (happening: Happening) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * What `condition` returns as soon as that is truthy. It is asked at every change, and every 25 ms too, since it may ask
   * of things outside the world; one that throws counts as not yet. Throws after `timeoutMs`, with `what` was waited for.
   */
  async until<T>(condition: () => T | Promise<T>, wait: { timeoutMs?: number; what: string }): Promise<Truthy<T>> {
    const { timeoutMs = 20_000, what } = wait;
    const deadlineMs = this.clock.nowMs() + timeoutMs;
    for (let cause: unknown;;) {
      try {
        const value = await this.#answer(condition(), deadlineMs + graceMs);
        if (value) return value as Truthy<T>;
        cause = undefined;
      } catch (error) {
        cause = error; // told if the time runs out: what is asked may still be starting
      }
      if (this.clock.nowMs() >= deadlineMs) throw new Error(this.#inVain(what, timeoutMs), { cause });
      await this.change(pollMs);
    }
  }

  /** The answer, or an error at `atMs`: a condition may ask something that hangs. */
  async #answer<T>(answer: T | Promise<T>, atMs: number): Promise<T> {
    if (!(answer instanceof Promise)) return answer;
    const answered = new AbortController();
    const late = new Promise<never>((_, reject) => {
      sleepUntil(atMs, this.clock, answered.signal).then((tooLate) =>
        tooLate && reject(new Error("no answer to what was asked"))
      );
    });
    return await Promise.race([answer, late]).finally(() => answered.abort());
  }

  /** Resolves when something happens, or after `ms`, or when `signal` is aborted. */
  async change(ms: number, signal?: AbortSignal): Promise<void> {
    const changed = new AbortController();
    const unlisten = this.listen(() => changed.abort());
    const either = signal === undefined ? changed.signal : AbortSignal.any([changed.signal, signal]);
    await sleepUntil(this.clock.nowMs() + ms, this.clock, either);
    unlisten();
  }

  #inVain(what: string, timeoutMs: number): string {
    const lines = this.happenings.slice(-15).map(({ atMs, part, text }) => `  ${clockTime(atMs)} ${part}: ${text}`);
    return `Waited ${timeoutMs} ms in vain for ${what}; the world's last happenings:\n${lines.join("\n")}`;
  }
}

export type Truthy<T> = Exclude<T, false | 0 | "" | null | undefined>;

/** `20:31:14.120`, in UTC. */
export function clockTime(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 23);
}

/** Calls `action` every `ms`, the times reckoned from the first so that they don't drift, until `signal` is aborted. */
export async function every(ms: number, clock: Clock, signal: AbortSignal, action: () => void): Promise<void> {
  for (let nextMs = clock.nowMs() + ms; await sleepUntil(nextMs, clock, signal); nextMs += ms) action();
}

/** True at `atMs`, false as soon as `signal` is aborted. */
export async function sleepUntil(atMs: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.wait(atMs - clock.nowMs(), signal);
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
