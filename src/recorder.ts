/**
 * Writes changes to the store, in order, and keeps what could not be written until it can: a full disk delays the record,
 * never the alert. What waits is kept short, since of most things only the newest word counts.
 */
import { ToldTimes } from "./clock_watch.ts";
import type { StoreView } from "./part_view.ts";
import type { Change, Store } from "./store.ts";
import { aborted, type BackoffLimits, backoffMs, type Clock } from "./wait.ts";

/** Events and turns that wait for a store that can't be written; older ones are let go, and counted. */
export const waitingEventsMax = 50_000;
const storeBackoff: BackoffLimits = { firstMs: 1_000, maxMs: 60_000 };

export interface Recorder {
  /** Resolves when `changes` are in the store, or when the store has refused them and they wait. Never rejects. */
  record(changes: readonly Change[]): Promise<void>;
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
  /** It fails, or does no more: people are to know, though nothing else happens. */
  turned(): void;
}

export function createRecorder(store: Store, ports: RecorderPorts): Recorder {
  const { clock } = ports;
  let waiting: readonly Change[] = [];
  let lost = 0;
  let failures = 0;
  let last: Promise<void> = Promise.resolve();
  let failed = Promise.withResolvers<void>();
  const okState = store.kind === "memory" ? "memory" : "ok";
  const times = new ToldTimes(clock);
  let view: StoreView = { state: okState, sinceMs: clock.nowMs(), lastSuccessMs: null, lastError: null, waiting: 0 };

  function saw(error: string | null) {
    view = times.byNow(view);
    const nowMs = clock.nowMs();
    const state = error === null ? okState : "failing", hasTurned = state !== view.state;
    view = {
      state,
      sinceMs: hasTurned ? nowMs : view.sinceMs,
      lastSuccessMs: error === null ? nowMs : view.lastSuccessMs,
      lastError: error === null ? view.lastError : lost > 0 ? `${error} (${lost} events could not be kept)` : error,
      waiting: waiting.length,
    };
    ports.changed();
    if (hasTurned) ports.turned();
  }

  async function write(changes: readonly Change[]) {
    const all = [...waiting, ...changes];
    if (all.length === 0) return;
    try {
      await store.record(all);
      waiting = [];
      failures = 0;
      saw(null);
    } catch (error) {
      failures++;
      const kept = compacted(all);
      lost += kept.lost;
      waiting = kept.changes;
      saw(wordsOf(error));
      failed.resolve();
    }
  }

  function record(changes: readonly Change[]): Promise<void> {
    return last = last.then(() => write(changes));
  }

  async function run(signal: AbortSignal) {
    const stopped = aborted(signal);
    while (!signal.aborted) {
      await Promise.race([failed.promise, stopped]);
      while (waiting.length > 0 && !signal.aborted) {
        await clock.wait(backoffMs(failures, ports.random(), storeBackoff), signal).catch(() => {}); // the stop is seen above
        await record([]);
      }
      failed = Promise.withResolvers();
    }
    await record([]);
  }

  async function prune(beforeMs: number) {
    await store.prune(beforeMs).catch((error) => saw(wordsOf(error)));
  }

  return { record, prune, run, view: () => view = times.byNow(view) };
}

/** How often history is pruned: hourly, or, where it is kept for hours or less, so that a tenth more is there at most. */
export function pruneEveryMs(keepMs: number): number {
  return Math.min(Math.max(keepMs / 10, 1_000), 3_600_000);
}

/** The same in fewer changes: of what is replaced as a whole only the newest, and of events the newest. */
export function compacted(changes: readonly Change[]): { changes: readonly Change[]; lost: number } {
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

function keyOf(change: Exclude<Change, { kind: "event" | "turn" | "clock-back" }>): string {
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
