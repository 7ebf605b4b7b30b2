/**
 * Writes changes to the store, in order, and keeps what could not be written until it can: a full disk delays the record,
 * never the alert. What waits is kept short, since of most things only the newest word counts.
 */
import type { SystemAlert } from "./alerts.ts";
import { aborted, type BackoffLimits, backoffMs, type Clock, ToldTimes } from "./clock.ts";
import type { MonitorRun, StoreChange } from "./persisted.ts";
import { type Store, StoreGone } from "./store.ts";
import type { StoreView } from "./system_alerts.ts";

/** Events and turns that wait for a store that can't be written; older ones are let go, and counted. */
export const waitingEventsMax = 50_000;
const storeBackoff: BackoffLimits = { firstMs: 1_000, maxMs: 60_000 };

export interface StoreWriter {
  /** Resolves when `changes` are in the store, or when the store has refused them and they wait. Never rejects. */
  record(changes: readonly StoreChange[]): Promise<void>;
  /** Deletes history from before `beforeMs`. A failure shows in the view; the next pruning tries again. */
  prune(beforeMs: number): Promise<void>;
  /** Tries what waits again until the signal is aborted, then once more. */
  run(signal: AbortSignal): Promise<void>;
  view(): StoreView;
}

export interface RecorderPorts {
  readonly clock: Clock;
  random(): number;
  /** The view is another. */
  changed(): void;
  /** It fails, or does no more: people are to know, though nothing else happens. `alerts`: what they are to be told besides. */
  turned(alerts: readonly SystemAlert[]): void;
}

export function createRecorder(store: Store, ports: RecorderPorts): StoreWriter {
  return new StoreRecorder(store, ports);
}

class StoreRecorder implements StoreWriter {
  readonly #store: Store;
  readonly #ports: RecorderPorts;
  #waiting: readonly StoreChange[] = [];
  #lost = 0;
  #failures = 0;
  #last: Promise<void> = Promise.resolve();
  #failed = Promise.withResolvers<void>();
  readonly #times: ToldTimes;
  #view: StoreView;

  constructor(store: Store, ports: RecorderPorts) {
    this.#store = store;
    this.#ports = ports;
    this.#times = new ToldTimes(ports.clock);
    const sinceMs = ports.clock.nowMs();
    this.#view = { state: this.#okState, sinceMs, lastSuccessMs: null, lastError: null, waiting: 0 };
  }

  record(changes: readonly StoreChange[]): Promise<void> {
    return this.#last = this.#last.then(() => this.#write(changes));
  }

  async prune(beforeMs: number): Promise<void> {
    await this.#store.prune(beforeMs).catch((error) => this.#saw(wordsOf(error)));
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#ports;
    const stopped = aborted(signal);
    while (!signal.aborted) {
      await Promise.race([this.#failed.promise, stopped]);
      while (this.#waiting.length > 0 && !signal.aborted) {
        await clock.wait(backoffMs(this.#failures, random(), storeBackoff), signal).catch(() => {}); // the stop is seen above
        await this.record([]);
      }
      this.#failed = Promise.withResolvers();
    }
    await this.record([]);
  }

  view(): StoreView {
    return this.#view = this.#times.byNow(this.#view);
  }

  get #okState() {
    return this.#store.kind === "memory" ? "memory" : "ok";
  }

  async #write(changes: readonly StoreChange[]): Promise<void> {
    const all = [...this.#waiting, ...changes];
    if (all.length === 0) return;
    try {
      await this.#store.record(all).catch((error) => this.#writeAgain(all, error));
      this.#waiting = [];
      this.#failures = 0;
      this.#saw(null);
    } catch (error) {
      this.#failures++;
      const kept = compacted(all);
      this.#lost += kept.lost;
      this.#waiting = kept.changes;
      this.#saw(wordsOf(error));
      this.#failed.resolve();
    }
  }

  /** The store was gone and is there again: people are to know, and nothing has failed. */
  async #writeAgain(changes: readonly StoreChange[], error: unknown): Promise<void> {
    if (!(error instanceof StoreGone)) throw error;
    const atMs = this.#ports.clock.nowMs();
    this.#ports.turned([{ code: "store-gone", turn: "raised", atMs, detail: error.place }]);
    await this.#store.record(changes);
  }

  #saw(error: string | null): void {
    const was = this.view(), nowMs = this.#ports.clock.nowMs();
    const state = error === null ? this.#okState : "failing", hasTurned = state !== was.state;
    const lastError = error !== null && this.#lost > 0 ? `${error} (${this.#lost} events could not be kept)` : error;
    this.#view = {
      state,
      sinceMs: hasTurned ? nowMs : was.sinceMs,
      lastSuccessMs: error === null ? nowMs : was.lastSuccessMs,
      lastError: lastError ?? was.lastError,
      waiting: this.#waiting.length,
    };
    this.#ports.changed();
    if (hasTurned) this.#ports.turned([]);
  }
}

/** How often history is pruned: hourly, or, where it is kept for hours or less, so that a tenth more is there at most. */
export function pruneEveryMs(keepMs: number): number {
  return Math.min(Math.max(keepMs / 10, 1_000), 3_600_000);
}

/** The same in fewer changes: of what is replaced as a whole only the newest, and of events the newest. */
export function compacted(changes: readonly StoreChange[]): { changes: readonly StoreChange[]; lost: number } {
  const seen = new Set<string>();
  let events = 0;
  let lost = 0;
  const kept = changes.toReversed().filter((change) => {
    if (change.kind === "event" || change.kind === "turn" || change.kind === "clock-back") {
      return ++events <= waitingEventsMax || (lost++, false);
    }
    const key = keyOf(change);
    return !seen.has(key) && Boolean(seen.add(key));
  });
  return { changes: kept.reverse(), lost };
}

function keyOf(change: Exclude<StoreChange, { kind: "event" | "turn" | "clock-back" }>): string {
  switch (change.kind) {
    case "experiment":
      return `experiment ${change.experiment.name}`;
    case "forgotten":
      return `experiment ${change.name}`;
    case "letter":
      return `letter ${change.letter.id}`;
    case "letter-sent":
    case "letter-dropped":
      return `letter ${change.id}`;
    case "alert":
      return `alert ${change.alert.code}`;
    case "run":
      return `run ${change.run.startedMs}`;
    case "manifest":
      return "manifest";
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/*
 * Up to when has history come, for what is too old of it to be deleted? A clock that is far ahead, for a moment or at the
 * start, must not make all of it look old: a leap of the clock is believed only when it has lasted for a day.
 */

const believedAfterMs = 86_400_000;
// Between two looks more than this is a leap, and not a clock that is drawn to where it should be.
const leapMsMin = 60_000;

export class Retention {
  readonly #clock: Clock;
  /** What was last believed of the time of day, and when that was in steady time. */
  #believed: { readonly nowMs: number; readonly monotonicMs: number };
  /** Since when the clock has been ahead of that, in steady time; null while it is not. */
  #aheadSinceMs: number | null = null;

  /** `runs`: of earlier runs of the program; until the last of them time had come. */
  constructor(clock: Clock, runs: readonly MonitorRun[]) {
    this.#clock = clock;
    const nowMs = runs.length === 0 ? clock.nowMs() : Math.max(...runs.map(({ aliveMs }) => aliveMs));
    this.#believed = { nowMs, monotonicMs: clock.monotonicMs() };
  }

  /** The time of day as far as it is believed: to be asked now and then. */
  nowMs(): number {
    const nowMs = this.#clock.nowMs(), monotonicMs = this.#clock.monotonicMs();
    const expectedMs = this.#believed.nowMs + monotonicMs - this.#believed.monotonicMs;
    const isLeap = nowMs > expectedMs + leapMsMin;
    this.#aheadSinceMs = isLeap ? this.#aheadSinceMs ?? monotonicMs : null;
    if (this.#aheadSinceMs !== null && monotonicMs - this.#aheadSinceMs < believedAfterMs) return expectedMs;
    this.#believed = { nowMs, monotonicMs };
    this.#aheadSinceMs = null;
    return nowMs;
  }
}
