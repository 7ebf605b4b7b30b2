import { durationWords } from "./duration.ts";

/**
 * Time: the clock, its one way to wait, linked aborts, backoff, and noticing that the wall clock was set or the program was
 * suspended. Everything that waits takes a `Clock` and an AbortSignal, so a test holds the time and a stop is never late.
 */

/** All that a module may know of time. Instants and durations are milliseconds. */
export interface Clock {
  /** The time of day, from 1970 in UTC: for telling, storing and signing. Anybody may set it, forwards and back. */
  nowMs(): number;
  /**
   * For how long something takes, and when it is due: it only goes forwards, whatever is done to the time of day, and stands
   * still while nothing of the program runs. It counts from some moment of this run and means nothing outside of it.
   */
  monotonicMs(): number;
  /** How much of this run the steady time has left out, as nothing of the program ran. */
  suspendedMs(): number;
  /** Resolves after `ms` steady ones (at once when 0 or less); rejects with the signal's reason when that is aborted first. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

/** What a clock is made of. */
export interface Clockwork {
  wallMs(): number;
  /** Only goes forwards, also while the program is stopped. */
  risingMs(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface SupervisedClock extends Clock {
  /**
   * Until `signal` is aborted, time in which the program was suspended is noticed and left out. `lagged`: by how much the
   * event loop was late, twice a second; lag counts as time, since a loaded machine must not slow time down.
   */
  attend(signal: AbortSignal, lagged: (ms: number) => void): Promise<void>;
}

/** The first delay and the longest, in milliseconds, of one kind of retry. */
export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Feeds and book: first retry within a second, then at most every 10 s (design, "trying again"). */
export const serviceBackoff: BackoffLimits = { firstMs: 1_000, maxMs: 10_000 };
/** Mail servers count attempts: at most every 5 min. */
export const mailBackoff: BackoffLimits = { firstMs: 1_000, maxMs: 300_000 };

/**
 * How long to wait after the `failures`-th failure in a row (1 for the first): doubled each time up to the limit, and
 * between half and all of that, by `random` in [0, 1), so that many clients don't come back in step.
 */
export function backoffMs(failures: number, random: number, limits: BackoffLimits): number {
  const doubled = limits.firstMs * 2 ** Math.min(failures - 1, 30);
  return Math.min(doubled, limits.maxMs) * (0.5 + random / 2);
}

// A longer setTimeout fires at once (its delay is a signed 32-bit number).
const timerMsMax = 2 ** 31 - 1;

/** Resolves when `signal` is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * A controller that is aborted with `signal`, too. Its owner aborts it in the end: then nothing of it stays in `signal`, which
 * may live for months. (Of `AbortSignal.any` something stays there, in Deno 2.6.)
 */
export function linkedAbort(signal: AbortSignal): AbortController {
  const own = new AbortController();
  const follow = () => own.abort(signal.reason);
  signal.addEventListener("abort", follow, { once: true });
  own.signal.addEventListener("abort", () => signal.removeEventListener("abort", follow), { once: true });
  if (signal.aborted) follow();
  return own;
}

/** Resolves after `ms` steady ones, or as soon as `woken` or `signal` says. Never rejects. */
export async function sleepUntil(
  woken: Promise<void>,
  { clock, ms }: { clock: Clock; ms: number },
  signal: AbortSignal,
): Promise<void> {
  const timer = linkedAbort(signal);
  const passed = clock.wait(ms, timer.signal).catch(() => {}); // as was said above
  await Promise.race([passed, woken]);
  timer.abort();
}

// A running loop touches the clock that often. A gap this long is no load, but a process or a machine that was suspended.
const tickMs = 500;
const suspendedMsMin = 5_000;

/** A clock of `works`; it measures all that passes until it is attended. */
export function createClock(works: Clockwork): SupervisedClock {
  let touchedMs = works.risingMs();
  let suspendedMs = 0;
  let isAttended = false;

  function monotonicMs(): number {
    const risenMs = works.risingMs();
    const sinceMs = risenMs - touchedMs;
    if (isAttended && sinceMs >= suspendedMsMin) suspendedMs += sinceMs - tickMs;
    touchedMs = Math.max(touchedMs, risenMs);
    return touchedMs - suspendedMs;
  }

  return {
    nowMs: works.wallMs,
    monotonicMs,
    suspendedMs() {
      monotonicMs();
      return suspendedMs;
    },
    async wait(ms, signal) {
      const endMs = monotonicMs() + ms;
      // A timer that was due while the program was stopped fires as soon as it goes on: then there is some left.
      for (let leftMs = ms; leftMs > 0; leftMs = endMs - monotonicMs()) {
        await works.sleep(Math.min(Math.ceil(leftMs), timerMsMax), signal);
      }
      signal.throwIfAborted();
    },
    async attend(signal, lagged) {
      touchedMs = works.risingMs();
      isAttended = true;
      while (!signal.aborted) {
        const fromMs = works.risingMs();
        await works.sleep(tickMs, signal).catch(() => {}); // the stop ends the loop
        const lagMs = works.risingMs() - fromMs - tickMs;
        if (!signal.aborted && lagMs < suspendedMsMin) lagged(Math.max(lagMs, 0));
        monotonicMs();
      }
      isAttended = false;
    },
  };
}

export const systemClock: SupervisedClock = createClock({
  wallMs: () => Date.now(),
  risingMs: () => performance.now(),
  sleep,
});

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}

/*
 * Has the clock been set, or has nothing of the program run for a while? Seen by whoever looks now and then; what follows
 * from it is for others. Leaf. A machine that slept looks like a clock that was put forward: its steady time slept too.
 */

/** What has been done to the time since the last look. */
export interface ClockChange {
  /** By how much the time of day was put forward, or back where it is negative; 0 for what is no more than a clock's own drift. */
  readonly steppedMs: number;
  /** For how long nothing of the program ran. */
  readonly suspendedMs: number;
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
  look(): ClockChange | null {
    const was = this.#was, now = this.#was = read(this.#clock);
    const aheadMs = now.aheadMs - was.aheadMs;
    const move = {
      steppedMs: Math.abs(aheadMs) < stepMsMin ? 0 : aheadMs,
      suspendedMs: now.suspendedMs - was.suspendedMs,
    };
    return move.steppedMs === 0 && move.suspendedMs === 0 ? null : move;
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

  /** Ask before writing a new time. The same object where the clock was not set since it was asked last. */
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
  readonly suspendedMs: number;
}

function read(clock: Clock): Reading {
  for (;;) {
    const nowMs = clock.nowMs();
    const monotonicMs = clock.monotonicMs();
    const suspendedMs = clock.suspendedMs();
    if (Math.abs(clock.nowMs() - nowMs) <= readMsMax) {
      return { aheadMs: nowMs - monotonicMs - suspendedMs, suspendedMs };
    }
  }
}

/** A move in words, for the log. */
export function clockChangeText({ steppedMs, suspendedMs }: ClockChange): string {
  const words = [
    ...(suspendedMs > 0 ? [`the program was suspended for ${durationWords(suspendedMs)}`] : []),
    ...(steppedMs > 0
      ? [`wall clock stepped forward by ${durationWords(steppedMs)}, or the machine was suspended`]
      : []),
    ...(steppedMs < 0 ? [`wall clock stepped back by ${durationWords(-steppedMs)}`] : []),
  ];
  return `${words.join(", and ")}; ages are unaffected`;
}
