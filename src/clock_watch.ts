/**
 * Has the clock been set, or has nothing of the program run for a while? Seen by whoever looks now and then; what follows
 * from it is for others. Leaf. A machine that slept looks like a clock that was put forward: its steady time slept too.
 */
import { durationWords } from "./duration.ts";
import type { Clock } from "./wait.ts";

/** What has been done to the time since the last look. */
export interface Move {
  /** By how much the time of day was put forward, or back where it is negative; 0 for what is no more than a clock's own drift. */
  readonly steppedMs: number;
  /** For how long nothing of the program ran. */
  readonly missedMs: number;
}

// A clock that is set by a time server is set by more than this, or drawn slowly to where it should be.
const stepMsMin = 1_000;
// Between two readings of one clock: the program was stopped in between, and the others don't go with them.
const readMsMax = 50;

export class ClockWatch {
  readonly #clock: Clock;
  #was: Reading;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#was = read(clock);
  }

  /** Null where nothing has been done, as nearly always. */
  look(): Move | null {
    const was = this.#was, now = this.#was = read(this.#clock);
    const aheadMs = now.aheadMs - was.aheadMs;
    const move = { steppedMs: Math.abs(aheadMs) < stepMsMin ? 0 : aheadMs, missedMs: now.missedMs - was.missedMs };
    return move.steppedMs === 0 && move.missedMs === 0 ? null : move;
  }
}

/** What a part tells of its own times. */
interface Told {
  readonly sinceMs: number;
  readonly lastSuccessMs: number | null;
}

/** Keeps the times that a part tells of itself by the clock as it is now. What an earlier run told stays as it was told. */
export class ToldTimes {
  readonly #watch: ClockWatch;
  #startedMs: number;

  constructor(clock: Clock) {
    this.#watch = new ClockWatch(clock);
    this.#startedMs = clock.nowMs();
  }

  /** To be asked before anything is dated anew. The same object where the clock was not set since it was asked last. */
  byNow<Part extends Told>(told: Part): Part {
    const steppedMs = this.#watch.look()?.steppedMs ?? 0;
    if (steppedMs === 0) return told;
    const { sinceMs, lastSuccessMs } = told, isOwn = lastSuccessMs !== null && lastSuccessMs >= this.#startedMs;
    this.#startedMs += steppedMs;
    return { ...told, sinceMs: sinceMs + steppedMs, lastSuccessMs: isOwn ? lastSuccessMs + steppedMs : lastSuccessMs };
  }
}

interface Reading {
  /** How far the time of day is from that which has passed, seen by the program or not. */
  readonly aheadMs: number;
  readonly missedMs: number;
}

function read(clock: Clock): Reading {
  for (;;) {
    const nowMs = clock.nowMs();
    const steadyMs = clock.steadyMs();
    const missedMs = clock.missedMs();
    if (Math.abs(clock.nowMs() - nowMs) <= readMsMax) return { aheadMs: nowMs - steadyMs - missedMs, missedMs };
  }
}

/** A move in words, for the log. */
export function moveText({ steppedMs, missedMs }: Move): string {
  const words = [
    ...(missedMs > 0 ? [`nothing of this program ran for ${durationWords(missedMs)}: it was stopped, or hung`] : []),
    ...(steppedMs > 0 ? [`the clock was put forward by ${durationWords(steppedMs)}, or the machine slept`] : []),
    ...(steppedMs < 0 ? [`the clock was put back by ${durationWords(-steppedMs)}`] : []),
  ];
  return `${words.join(", and ")} (nothing counts as older for it)`;
}
