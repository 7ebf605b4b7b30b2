/**
 * Which request to book is next: at most 4 at a time, and after a failure a pause for all of them. What is asked, and what
 * an answer means, is for `book_sync`.
 */
import { backoffMs, type Clock, serviceBackoff } from "./clock.ts";

// The contract's (design, "book's own state"): book is one small server that students book with.
const requestsMax = 4;

/** Something is being asked for `job`. Has to be ended once, by `succeeded`, `failed` or `dropped`. */
export interface QueuedRequest<Job> {
  readonly job: Job;
  /** Turns of one round that fail are one failure: they were begun before anything was known of it. */
  readonly round: number;
}

interface Failing {
  /** How often in a row it has failed by itself. */
  readonly alone: number;
  readonly lastMs: number;
  /** `all`: it may be book itself, so it waits as all do. A number: it waits by itself, until then. */
  readonly untilMs: number | "all";
}

export class RequestQueue<Job> {
  readonly #random: () => number;
  readonly #failing = new Map<Job, Failing>();
  #taken = 0;
  #round = 0;
  #failuresInARow = 0;
  #pausedUntilMs = -Infinity;

  /** `random`: in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Failures in a row of everything: what fails while others succeed does not count. */
  get failuresInARow(): number {
    return this.#failuresInARow;
  }

  /** Whether anything is, be it by itself. */
  get isFailing(): boolean {
    return this.#failing.size > 0;
  }

  /** Gives the turn to the first of `jobs` that may be asked for now; null where none may. */
  take(jobs: Iterable<Job>, nowMs: number): QueuedRequest<Job> | null {
    if (nowMs < this.#pausedUntilMs || this.#taken >= (this.#failuresInARow > 0 ? 1 : requestsMax)) return null;
    const job = this.#choose(jobs, nowMs);
    if (job === null) return null;
    this.#taken++;
    return { job, round: this.#round };
  }

  #choose(jobs: Iterable<Job>, nowMs: number): Job | null {
    let longestAgo: { readonly job: Job; readonly lastMs: number } | null = null;
    for (const job of jobs) {
      const failing = this.#failing.get(job);
      if (!failing) return job;
      const { untilMs, lastMs } = failing;
      if (untilMs !== "all") {
        if (untilMs <= nowMs) return job;
      } else if (longestAgo === null || lastMs < longestAgo.lastMs) longestAgo = { job, lastMs };
    }
    return longestAgo?.job ?? null;
  }

  /** When a job that may not be asked for now will be, if nothing else happens: always after `nowMs`, Infinity for never. */
  nextMs(nowMs: number): number {
    if (nowMs < this.#pausedUntilMs) return this.#pausedUntilMs;
    let nextMs = Infinity;
    for (const { untilMs } of this.#failing.values()) {
      if (untilMs !== "all" && untilMs > nowMs) nextMs = Math.min(nextMs, untilMs);
    }
    return nextMs;
  }

  succeeded({ job }: QueuedRequest<Job>): void {
    this.#taken--;
    this.#failing.delete(job);
    if (this.#failuresInARow === 0) return;
    const waiting = [...this.#failing].filter(([_, { untilMs }]) => untilMs === "all");
    // Of several, each may have failed only because book did.
    const failures = waiting.length === 1 ? this.#failuresInARow : 1;
    for (const [each, { alone, lastMs }] of waiting) this.#waitAlone(each, alone + failures, lastMs);
    this.#failuresInARow = 0;
    this.#pausedUntilMs = -Infinity;
  }

  /** False for one of several that failed together: that is one failure. */
  failed({ job, round }: QueuedRequest<Job>, nowMs: number): boolean {
    this.#taken--;
    const alone = this.#failing.get(job)?.alone ?? 0;
    if (alone > 0 && this.#failuresInARow === 0) {
      this.#waitAlone(job, alone + 1, nowMs);
      return true;
    }
    this.#failing.set(job, { alone, lastMs: nowMs, untilMs: "all" });
    if (round !== this.#round && this.#failuresInARow > 0) return false;
    this.#round++;
    this.#failuresInARow++;
    this.#pausedUntilMs = nowMs + backoffMs(this.#failuresInARow, this.#random(), serviceBackoff);
    return true;
  }

  #waitAlone(job: Job, alone: number, lastMs: number): void {
    const untilMs = lastMs + backoffMs(alone, this.#random(), serviceBackoff);
    this.#failing.set(job, { alone, lastMs, untilMs });
  }

  /** Ends a turn that says nothing of how book is. */
  dropped(_turn: QueuedRequest<Job>): void {
    this.#taken--;
  }

  /** Nothing is to be asked for `job` any more, so it fails no longer. */
  forget(job: Job): void {
    this.#failing.delete(job);
  }
}

/** Its moments are the steady time of the clock. */
export interface Work {
  /** Begins what may be begun now. A rejection is a fault of the program and ends the loop. */
  begin(nowMs: number): Iterable<Promise<void>>;
  /** When there may be something to begin though nothing happens: after `nowMs`, Infinity for never. */
  nextMs(nowMs: number): number;
}

export class ReconcileLoop {
  readonly #clock: Clock;
  readonly #inHand = new Set<Promise<void>>();
  #fault: { readonly error: unknown } | null = null;
  #change = Promise.withResolvers<void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when something happens: something begun has ended, or `wake` was called. */
  get change(): Promise<void> {
    return this.#change.promise;
  }

  /** Something happened. */
  wake(): void {
    const { resolve } = this.#change;
    this.#change = Promise.withResolvers();
    resolve();
  }

  /** Resolves when `signal` is aborted and all that was begun has ended; rejects with what a begun one rejected with. */
  async run(work: Work, signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.wake(), { once: true });
    while (!signal.aborted && this.#fault === null) {
      const { change } = this;
      const nowMs = this.#clock.monotonicMs();
      for (const begun of work.begin(nowMs)) this.#track(begun);
      const timer = new AbortController();
      const due = this.#clock.wait(work.nextMs(nowMs) - nowMs, timer.signal).catch(() => {}); // something happened before
      await Promise.race([change, due]);
      timer.abort();
    }
    while (this.#inHand.size > 0) await Promise.all(this.#inHand);
    if (this.#fault !== null) throw this.#fault.error;
  }

  #track(begun: Promise<void>): void {
    const tracked = begun
      .catch((error: unknown) => {
        this.#fault ??= { error };
      })
      .finally(() => {
        this.#inHand.delete(tracked);
        this.wake();
      });
    this.#inHand.add(tracked);
  }
}
