/**
 * Up to when has history come, for what is too old of it to be deleted? A clock that is far ahead, for a moment or at the
 * start, must not make all of it look old: a leap of the clock is believed only when it has lasted for a day.
 */
import type { Clock } from "./clock.ts";
import type { Run } from "./history.ts";

const believedAfterMs = 86_400_000;
// Between two looks more than this is a leap, and not a clock that is drawn to where it should be.
const leapMsMin = 60_000;

export class Retention {
  readonly #clock: Clock;
  /** What was last believed of the time of day, and when that was in steady time. */
  #believed: { readonly nowMs: number; readonly steadyMs: number };
  /** Since when the clock has been ahead of that, in steady time; null while it is not. */
  #aheadSinceMs: number | null = null;

  /** `runs`: of earlier runs of the program; until the last of them time had come. */
  constructor(clock: Clock, runs: readonly Run[]) {
    this.#clock = clock;
    const nowMs = runs.length === 0 ? clock.nowMs() : Math.max(...runs.map(({ aliveMs }) => aliveMs));
    this.#believed = { nowMs, steadyMs: clock.steadyMs() };
  }

  /** The time of day as far as it is believed: to be asked now and then. */
  nowMs(): number {
    const nowMs = this.#clock.nowMs(), steadyMs = this.#clock.steadyMs();
    const expectedMs = this.#believed.nowMs + steadyMs - this.#believed.steadyMs;
    const isLeap = nowMs > expectedMs + leapMsMin;
    this.#aheadSinceMs = isLeap ? this.#aheadSinceMs ?? steadyMs : null;
    if (this.#aheadSinceMs !== null && steadyMs - this.#aheadSinceMs < believedAfterMs) return expectedMs;
    this.#believed = { nowMs, steadyMs };
    this.#aheadSinceMs = null;
    return nowMs;
  }
}
