/**
 * Is the program itself alive: do its loops turn, does its store take what it is given, has nothing ended that must not?
 * Taps and signs are gathered at the wiring; `hanging` judges them, for `/healthz`, the dead man's switch and the service
 * manager. All is measured in steady time, so a program that was stopped and goes on has not hung. A blocked event loop
 * can't say so of itself: whoever asks gets no answer, and bounds how long it waits.
 */
import type { Clock } from "./clock.ts";
import type { Store } from "./store.ts";

/** All in steady milliseconds. */
export type Sign =
  /** A loop that turns every `turnMsMax` at least. */
  | { readonly kind: "turned"; readonly atMs: number }
  /** What is being done, and since when; null where nothing is. */
  | { readonly kind: "working"; readonly sinceMs: number | null }
  /** What must not end before the program is asked to. */
  | { readonly kind: "running"; readonly hasEnded: boolean };

/** What the program as a whole gives signs of, by its name in the words. */
export type Signs = Readonly<Record<string, Sign>>;

/** A loop that has nothing to do turns this often, to show that it could. */
export const turnMsMax = 10_000;
/** Three turns, and longer than a full disk takes to say so. */
export const stillMsMax = 30_000;

/** What hangs, and for how long, for people; null while nothing does. Something still for exactly `stillMsMax` does not yet. */
export function hanging(signs: Signs, nowMs: number): string | null {
  const words = Object.entries(signs).flatMap(([name, sign]) => hangWords(name, sign, nowMs) ?? []);
  return words.length === 0 ? null : words.join(", ");
}

function hangWords(name: string, sign: Sign, nowMs: number): string | null {
  switch (sign.kind) {
    case "running":
      return sign.hasEnded ? `${name} has ended` : null;
    case "turned":
      return isStill(sign.atMs, nowMs) ? `${name} has not turned for ${secondsSince(sign.atMs, nowMs)} s` : null;
    case "working":
      if (sign.sinceMs === null || !isStill(sign.sinceMs, nowMs)) return null;
      return `${name} has not answered for ${secondsSince(sign.sinceMs, nowMs)} s`;
  }
}

function isStill(sinceMs: number, nowMs: number): boolean {
  return nowMs - sinceMs > stillMsMax;
}

function secondsSince(sinceMs: number, nowMs: number): number {
  return Math.floor((nowMs - sinceMs) / 1_000);
}

/** Watches what the wiring gives it. */
export class Vigil {
  readonly #clock: Clock;
  readonly #signs = new Map<string, () => Sign>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What hangs now, in words; null while all is alive. */
  hanging(): string | null {
    const signs = Object.fromEntries([...this.#signs].map(([name, sign]) => [name, sign()]));
    return hanging(signs, this.#clock.steadyMs());
  }

  /** A loop that begins now: it calls what this gives each time that it turns. */
  loop(name: string): () => void {
    let atMs = this.#clock.steadyMs();
    this.#signs.set(name, () => ({ kind: "turned", atMs }));
    return () => atMs = this.#clock.steadyMs();
  }

  /** `run`, of which it is seen when it ends before `signal` is aborted. */
  async running(name: string, run: Promise<void>, signal: AbortSignal): Promise<void> {
    let hasEnded = false;
    this.#signs.set(name, () => ({ kind: "running", hasEnded }));
    await run;
    hasEnded = !signal.aborted;
  }

  /** The store, of which it is seen when it does not come back from a record. There is one at a time: see `recorder`. */
  store(store: Store): Store {
    let sinceMs: number | null = null;
    this.#signs.set("the store", () => ({ kind: "working", sinceMs }));
    return {
      kind: store.kind,
      load: (max) => store.load(max),
      turns: (experiment, range) => store.turns(experiment, range),
      record: async (changes) => {
        sinceMs = this.#clock.steadyMs();
        await store.record(changes).finally(() => sinceMs = null);
      },
      prune: (beforeMs) => store.prune(beforeMs),
      close: () => store.close(),
    };
  }
}
