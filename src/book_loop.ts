/**
 * The bookkeeper's clockwork: begins what may be begun, waits until something happens or is due, and is done when it has
 * been stopped and nothing is in hand any more. What is begun is for `bookkeeper`.
 */
import type { Clock } from "./clock.ts";

/** Its moments are the steady time of the clock. */
export interface Work {
  /** Begins what may be begun now. A rejection is a fault of the program and ends the loop. */
  begin(nowMs: number): Iterable<Promise<void>>;
  /** When there may be something to begin though nothing happens: after `nowMs`, Infinity for never. */
  nextMs(nowMs: number): number;
}

export class Loop {
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
      const nowMs = this.#clock.steadyMs();
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
