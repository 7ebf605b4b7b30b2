/**
 * Waiting and trying again: the one clock, the one backoff, the one way to wait.
 * Whoever waits is handed a `Clock` and an AbortSignal, so a test holds the time and a stop is never late.
 * Leaf: knows nothing of laboratories.
 */

/** All that a module may know of time. Instants and durations are milliseconds; instants count from 1970 in UTC. */
export interface Clock {
  nowMs(): number;
  /** Resolves after `ms` (at once when it is 0 or less); rejects with the signal's reason when that is aborted first. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
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

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  async wait(ms, signal) {
    for (let leftMs = ms; leftMs > 0; leftMs -= timerMsMax) await sleep(Math.min(leftMs, timerMsMax), signal);
    signal.throwIfAborted();
  },
};

/** Milliseconds that only go forwards, whatever is done to the clock: for how long something took. */
export function steadyMs(): number {
  return performance.now();
}

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
