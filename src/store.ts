/**
 * What has to survive a restart, behind an interface that shows nothing of the database: what is stored is told as a list
 * of changes, written all or none. `store_sqlite` and `store_memory` keep it; one suite of tests holds for both.
 */
import type { AlertCode, Channel, HealthEvent, Issue, Letter, SystemAlert } from "./alert.ts";
import type { Resource } from "./book_client.ts";
import type { Verdict } from "./health.ts";
import type { Run, Turn } from "./history.ts";

/** An experiment as it was last judged. */
export interface SavedExperiment {
  readonly name: string;
  readonly issues: readonly Issue[];
  /** Since when it has been healthy, or has not. */
  readonly sinceMs: number;
  /** When book or a feed last named it. */
  readonly namedMs: number;
  readonly host: SavedVerdict | null;
  /** By topic: every stream that was known, required or not. */
  readonly streams: Readonly<Record<string, SavedVerdict>>;
}

export interface SavedVerdict {
  readonly verdict: Verdict;
  /** Its connection, by when it connected, if listening to that had found it silent. */
  readonly silent?: string | undefined;
  /** When a report last had it; null for never. */
  readonly seenMs: number | null;
}

/** Runs that are kept: whoever restarts more often has other worries. */
export const runsMax = 2_000;

/** One thing to keep. Several in one `record` are one transaction. */
export type Change =
  /** A new event, kept for history (pruned by age). */
  | { readonly kind: "event"; readonly event: HealthEvent }
  /** The experiment as it is now; replaces what was saved of it. */
  | { readonly kind: "experiment"; readonly experiment: SavedExperiment }
  /** The experiment is no longer watched. Its events stay until they are pruned. */
  | { readonly kind: "forgotten"; readonly name: string }
  /** The experiment came to stand otherwise; kept for history (pruned by age, but for the newest). */
  | { readonly kind: "turn"; readonly experiment: string; readonly turn: Turn }
  /** The monitor has run until now; replaces what was saved of the run that started then. */
  | { readonly kind: "run"; readonly run: Run }
  /** The clock was put back to `toMs`: what this run of the program has written of later happened no later than that. */
  | { readonly kind: "clock-back"; readonly toMs: number }
  /** A message is owed; replaces the letter of the same id. */
  | { readonly kind: "letter"; readonly letter: Letter }
  /** The other side took it: nothing is owed for it any more. */
  | { readonly kind: "letter-sent"; readonly id: string; readonly channel: Channel; readonly atMs: number }
  /** Nothing is owed for it any more, though nobody took it: there is nobody who could. */
  | { readonly kind: "letter-dropped"; readonly id: string }
  /** A system alert began and people are being told (`raised`), or it ended (`cleared`: it is removed). */
  | { readonly kind: "alert"; readonly alert: SystemAlert }
  /** The newest manifest that listed something. */
  | { readonly kind: "manifest"; readonly manifest: SavedManifest };

export interface SavedManifest {
  readonly atMs: number;
  readonly resources: readonly Resource[];
}

/** All that a restart goes on from. */
export interface Saved {
  readonly experiments: readonly SavedExperiment[];
  /** The newest events of each experiment, by its name, oldest first. */
  readonly events: ReadonlyMap<string, readonly HealthEvent[]>;
  /** The newest turns of each experiment whose last is not `not_watched`, by its name, oldest first. */
  readonly turns: ReadonlyMap<string, readonly Turn[]>;
  /** The newest, oldest first. */
  readonly runs: readonly Run[];
  /** Of all channels, oldest first. */
  readonly letters: readonly Letter[];
  readonly alerts: ReadonlyMap<AlertCode, SystemAlert>;
  readonly manifest: SavedManifest | null;
  /** When a mail was last taken by the server; null for never. */
  readonly lastMailMs: number | null;
  /** The same of the webhook. */
  readonly lastWebhookMs: number | null;
}

export interface Store {
  /** `memory` stores keep nothing beyond the run. */
  readonly kind: "durable" | "memory";
  /** What an earlier run left. `events`, `turns`: the most of each experiment; `runs`: of all. Throws StoreFailed. */
  load(max: { readonly events: number; readonly turns: number; readonly runs: number }): Promise<Saved>;
  /**
   * How one experiment stood from `sinceMs` on, oldest first: its turns since, and the one before them. Of more than `max`
   * the newest. Throws StoreFailed.
   */
  turns(experiment: string, range: { readonly sinceMs: number; readonly max: number }): Promise<readonly Turn[]>;
  /** All of `changes`, or none. Resolves when they would survive a power cut. Throws StoreFailed. */
  record(changes: readonly Change[]): Promise<void>;
  /**
   * Deletes events, turns and runs older than `beforeMs`. Of each experiment the newest of the older turns stays, since it
   * tells how it stood then, unless that is `not_watched`. Of the runs `runsMax` stay at most. Throws StoreFailed.
   */
  prune(beforeMs: number): Promise<void>;
  close(): Promise<void>;
}

/** The store could not be read or written: the disk is full, the file gone or read-only. Trying again may help. */
export class StoreFailed extends Error {
  override readonly name: "StoreFailed" | "StoreGone" = "StoreFailed";
  readonly code = "STORE_FAILED";
  readonly retryable = true;
}

/**
 * The file was deleted or replaced by another, and has been written anew with all that was in it. Only what was to be
 * recorded now is not: that can be tried again at once. `place`: where it is, for people.
 */
export class StoreGone extends StoreFailed {
  override readonly name = "StoreGone";
  constructor(readonly place: string) {
    super(
      `Cannot write the store ${place}: it was deleted or replaced while in use, and has only just been written anew`,
    );
  }
}

/** Another monitor holds the store: two of them would repeat each other's mails. */
export class StoreLocked extends Error {
  override readonly name = "StoreLocked";
  readonly code = "STORE_LOCKED";
  readonly retryable = false;
}
