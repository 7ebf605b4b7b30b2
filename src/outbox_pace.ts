/**
 * When is the next try of an outbox due? At once on news; after a failure with growing delays; never more often than was
 * asked for, by us or by the other side. All times are steady milliseconds. What is tried is for `outbox`.
 */
import { backoffMs, mailBackoff } from "./clock.ts";
import type { Failure } from "./delivery.ts";

export interface PaceOptions {
  /** The least time between two messages; 0 for none. */
  readonly everyMs: number;
  /** How often all problems are told while there are any; 0 for never. */
  readonly remindEveryMs: number;
}

export class Pace {
  readonly #options: PaceOptions;
  readonly #startedMs: number;
  #takenMs: number | null;
  #failures = 0;
  #retryMs = 0;
  /** Until then the other side asked not to be tried, whatever happens here. */
  #heldOffMs = 0;

  /** `takenMs`: when a message was last taken, by an earlier run too; null for never. */
  constructor(options: PaceOptions, times: { readonly startedMs: number; readonly takenMs: number | null }) {
    this.#options = options;
    this.#startedMs = times.startedMs;
    this.#takenMs = times.takenMs;
  }

  /** In a row, until now. */
  get failures(): number {
    return this.#failures;
  }

  /** When what is owed is to be tried. */
  get owedDueMs(): number {
    const leastMs = this.#takenMs === null ? 0 : this.#takenMs + this.#options.everyMs;
    return Math.max(this.#retryMs, this.#heldOffMs, leastMs);
  }

  /** When all problems are to be told again, if there are any. */
  get reminderDueMs(): number {
    const { remindEveryMs } = this.#options;
    if (remindEveryMs === 0) return Infinity;
    return Math.max((this.#takenMs ?? this.#startedMs) + remindEveryMs, this.owedDueMs);
  }

  /** There is something new to tell. */
  hurry(): void {
    this.#retryMs = 0;
  }

  /** A try is under way: the next is due when it is known how this one went, unless news come meanwhile. */
  begin(): void {
    this.#retryMs = Infinity;
  }

  taken(nowMs: number): void {
    this.#takenMs = nowMs;
    this.#failures = 0;
    this.#retryMs = 0;
    this.#heldOffMs = 0;
  }

  /** `random` in [0, 1). */
  failed(failure: Failure, random: number, nowMs: number): void {
    this.#failures++;
    const delayMs = failure.kind === "refused" ? mailBackoff.maxMs : backoffMs(this.#failures, random, mailBackoff);
    this.#retryMs = Math.min(this.#retryMs, nowMs + delayMs);
    const askedMs = failure.kind === "deferred" ? failure.afterMs ?? 0 : 0;
    this.#heldOffMs = nowMs + Math.min(askedMs, mailBackoff.maxMs);
  }
}
