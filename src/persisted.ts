/**
 * What survives a restart, as values: the rows that a `Store` keeps, and one change of them. Types only.
 * How the laboratory is made of them again is for `lab`; the database is for `store`.
 */
import type { AlertCode, Channel, HealthEvent, Issue, Notification, SystemAlert, Verdict } from "./alerts.ts";
import type { Resource } from "./report.ts";

/** From `atMs` on, until the next turn, the experiment stood so. `not_watched`: it had been forgotten. */
export interface StateChange {
  readonly atMs: number;
  readonly state: SpanState;
  readonly available: boolean;
}

/** A stretch of time in which the monitor ran. `aliveMs`: when it was last known to. */
export interface MonitorRun {
  readonly startedMs: number;
  readonly aliveMs: number;
}

export type SpanState = ExperimentState | "not_watched";

/** An experiment as it was last judged. */
export interface PersistedExperiment {
  readonly name: string;
  readonly issues: readonly Issue[];
  /** Since when it has been healthy, or has not. */
  readonly sinceMs: number;
  /** When book or a feed last named it. */
  readonly namedMs: number;
  readonly host: PersistedVerdict | null;
  /** By topic: every stream that was known, required or not. */
  readonly streams: Readonly<Record<string, PersistedVerdict>>;
}

export interface PersistedVerdict {
  readonly verdict: Verdict;
  /** Its connection, by when it connected, if listening to that had found it silent. */
  readonly silent?: string | undefined;
  /** When a report last had it; null for never. */
  readonly seenMs: number | null;
}

/** Runs that are kept: a program that restarts more often has other problems. */
export const runsMax = 2_000;

/** One thing to keep. Several in one `record` are one transaction. */
export type StoreChange =
  /** A new event, kept for history (pruned by age). */
  | { readonly kind: "event"; readonly event: HealthEvent }
  /** The experiment as it is now; replaces what was saved of it. */
  | { readonly kind: "experiment"; readonly experiment: PersistedExperiment }
  /** The experiment is no longer watched. Its events stay until they are pruned. */
  | { readonly kind: "forgotten"; readonly name: string }
  /** The experiment came to stand otherwise; kept for history (pruned by age, but for the newest). */
  | { readonly kind: "turn"; readonly experiment: string; readonly turn: StateChange }
  /** The monitor has run until now; replaces what was saved of the run that started then. */
  | { readonly kind: "run"; readonly run: MonitorRun }
  /** The clock was put back to `toMs`: what this run of the program has written of later happened no later than that. */
  | { readonly kind: "clock-back"; readonly toMs: number }
  /** A message is owed; replaces the letter of the same id. */
  | { readonly kind: "letter"; readonly letter: Notification }
  /** The other side took it: nothing is owed for it any more. */
  | { readonly kind: "letter-sent"; readonly id: string; readonly channel: Channel; readonly atMs: number }
  /** Nothing is owed for it any more, though nobody took it: there is nobody who could. */
  | { readonly kind: "letter-dropped"; readonly id: string }
  /** A system alert began and people are being told (`raised`), or it ended (`cleared`: it is removed). */
  | { readonly kind: "alert"; readonly alert: SystemAlert }
  /** The newest manifest that listed something. */
  | { readonly kind: "manifest"; readonly manifest: PersistedManifest };

export interface PersistedManifest {
  readonly atMs: number;
  readonly resources: readonly Resource[];
}

/** All that a restart goes on from. */
export interface Persisted {
  readonly experiments: readonly PersistedExperiment[];
  /** The newest events of each experiment, by its name, oldest first. */
  readonly events: ReadonlyMap<string, readonly HealthEvent[]>;
  /** The newest turns of each experiment whose last is not `not_watched`, by its name, oldest first. */
  readonly stateChanges: ReadonlyMap<string, readonly StateChange[]>;
  /** The newest, oldest first. */
  readonly runs: readonly MonitorRun[];
  /** Of all channels, oldest first. */
  readonly notifications: readonly Notification[];
  readonly alerts: ReadonlyMap<AlertCode, SystemAlert>;
  readonly manifest: PersistedManifest | null;
  /** When a mail was last taken by the server; null for never. */
  readonly lastMailMs: number | null;
  /** The same of the webhook. */
  readonly lastWebhookMs: number | null;
}

/*
 * How an experiment stands now, in a word: what API, page and metrics show, and what its history is made of. Pure.
 * What is wrong with it is for `health`, what book is to be told for `availability`.
 */

export type ExperimentState = "healthy" | "unhealthy" | "starting" | "unknown";
