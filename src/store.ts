/**
 * What has to survive a restart, behind an interface that shows nothing of the database: what is stored is told as a list
 * of changes, written all or none. `store_sqlite` and `store_memory` keep it; one suite of tests holds for both.
 */
import type { AlertCode, HealthEvent, Issue, Letter, SystemAlert } from "./alert.ts";
import type { Verdict } from "./health.ts";
import type { Resource } from "./book.ts";

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
  /** When a report last had it; null for never. */
  readonly seenMs: number | null;
}

/** One thing to keep. Several in one `record` are one transaction. */
export type Change =
  /** A new event, kept for history (pruned by age). */
  | { readonly kind: "event"; readonly event: HealthEvent }
  /** The experiment as it is now; replaces what was saved of it. */
  | { readonly kind: "experiment"; readonly experiment: SavedExperiment }
  /** The experiment is no longer watched. Its events stay until they are pruned. */
  | { readonly kind: "forgotten"; readonly name: string }
  /** A mail is owed; replaces the letter of the same id. */
  | { readonly kind: "letter"; readonly letter: Letter }
  /** The server took it: nothing is owed for it any more. */
  | { readonly kind: "letter-sent"; readonly id: string; readonly atMs: number }
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
  /** Oldest first. */
  readonly letters: readonly Letter[];
  readonly alerts: ReadonlyMap<AlertCode, SystemAlert>;
  readonly manifest: SavedManifest | null;
  /** When a mail was last taken by the server; null for never. */
  readonly lastMailMs: number | null;
}

export interface Store {
  /** `memory` stores keep nothing beyond the run. */
  readonly kind: "durable" | "memory";
  /** What an earlier run left. `eventsMax`: events per experiment. Throws StoreFailed. */
  load(eventsMax: number): Promise<Saved>;
  /** All of `changes`, or none. Resolves when they would survive a power cut. Throws StoreFailed. */
  record(changes: readonly Change[]): Promise<void>;
  /** Deletes events older than `beforeMs`. Throws StoreFailed. */
  prune(beforeMs: number): Promise<void>;
  close(): Promise<void>;
}

/** The store could not be read or written: the disk is full, the file gone or read-only. Trying again may help. */
export class StoreFailed extends Error {
  override readonly name = "StoreFailed";
  readonly code = "STORE_FAILED";
  readonly retryable = true;
}

/** Another monitor holds the store: two of them would repeat each other's mails. */
export class StoreLocked extends Error {
  override readonly name = "StoreLocked";
  readonly code = "STORE_LOCKED";
  readonly retryable = false;
}
