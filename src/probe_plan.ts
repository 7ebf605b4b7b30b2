/**
 * Which stream is listened to next, and when: each in turn, the one that was longest ago first, never one twice within the
 * period, never more than a few at a time, spread over the period so that there is no burst; and when nothing but failures
 * comes, ever more seldom. It is told the time, and does nothing itself: `prober` does.
 */
import { backoffMs, serviceBackoff } from "./clock.ts";

/** At most so many streams are listened to at a time (design, section 8). */
export const probesMax = 4;

/** `nothing`: it was called off, or could not be told apart from relay being silent. */
export type ProbeEnd = "worked" | "failed" | "nothing";

// Fewer say little: a relay that is being restarted refuses one or two.
const failuresMin = 3;
// A tenth of the period is in hand, so that timers which fire late do not make the round longer.
const paceShare = 0.9;

export class ProbePlan {
  readonly #periodMs: number;
  /** When each stream was last begun with, the longest ago first. */
  #turns = new Map<string, number>();
  /** Those that have left, for as long as they would not be due: one that comes back is not asked for sooner. */
  #left = new Map<string, number>();
  readonly #running = new Set<string>();
  #begunMs = -Infinity;
  /** Failures since the last that worked, and when the first of them was. */
  #failures = 0;
  #failedMs = 0;
  /** How often it was failed at while failing, and until when nothing is tried for that. */
  #tries = 0;
  #pausedMs = -Infinity;

  /** `periodMs`: how long each stream is left alone, at least, after it was begun with. */
  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  /** How many streams there are. */
  get size(): number {
    return this.#turns.size;
  }

  /** All that was tried for a whole round has failed: of every stream, or for two periods. */
  get isFailing(): boolean {
    return this.#tries > 0;
  }

  /** These are the streams from now on. */
  set(topics: Iterable<string>, nowMs: number): void {
    const known = new Map([...this.#left, ...this.#turns]);
    const turns = [...new Set(topics)].map((topic): [string, number] => [topic, known.get(topic) ?? -Infinity]);
    this.#turns = new Map(turns.sort(([, a], [, b]) => (a === b ? 0 : a - b)));
    const isKept = ([topic, atMs]: [string, number]) => !this.#turns.has(topic) && atMs + this.#periodMs > nowMs;
    this.#left = new Map([...known].filter(isKept));
  }

  /** There is nothing to listen to, so nothing fails. */
  clear(nowMs: number): void {
    this.set([], nowMs);
    this.#calm();
  }

  /** When one is due, as far as is known now; Infinity while it takes one that ends, or other streams. */
  get dueMs(): number {
    const next = this.#next();
    if (next === null || this.#running.size >= (this.isFailing ? 1 : probesMax)) return Infinity;
    const paceMs = Math.ceil(paceShare * this.#periodMs / this.#turns.size);
    return Math.max(this.#begunMs + paceMs, next.atMs + this.#periodMs, this.#pausedMs);
  }

  /** Begins with the stream that is due; null where none is yet. */
  begin(nowMs: number): string | null {
    const next = this.#next();
    if (next === null || this.dueMs > nowMs) return null;
    this.#turns.delete(next.topic);
    this.#turns.set(next.topic, nowMs); // to the end of the queue
    this.#running.add(next.topic);
    this.#begunMs = nowMs;
    return next.topic;
  }

  /** `random` in [0, 1). */
  end(topic: string, how: ProbeEnd, nowMs: number, random: number): void {
    this.#running.delete(topic);
    if (how === "worked") this.#calm();
    if (how === "failed") this.#fail(nowMs, random);
  }

  #calm(): void {
    this.#failures = this.#tries = 0;
    this.#pausedMs = -Infinity;
  }

  #fail(nowMs: number, random: number): void {
    if (this.#failures++ === 0) this.#failedMs = nowMs;
    const isWholeRound = this.#failures >= this.#turns.size || nowMs - this.#failedMs >= 2 * this.#periodMs;
    if (!this.isFailing && (this.#failures < failuresMin || !isWholeRound)) return;
    this.#pausedMs = nowMs + backoffMs(++this.#tries, random, serviceBackoff);
  }

  #next(): { topic: string; atMs: number } | null {
    for (const [topic, atMs] of this.#turns) if (!this.#running.has(topic)) return { topic, atMs };
    return null;
  }
}
