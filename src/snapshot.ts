/**
 * What readers see: everything that is known at one moment, immutable, and the same object for all of them until something
 * changes. Mail, page, API and metrics are functions of a Snapshot.
 */
import type { HealthEvent, Issue, SystemAlert } from "./alert.ts";
import type { Connection, FeedCounts } from "./connection.ts";
import type { Verdict } from "./health.ts";

export interface Snapshot {
  readonly atMs: number;
  readonly startedMs: number;
  readonly version: string;
  /** Sorted by name. */
  readonly experiments: readonly ExperimentView[];
  readonly counts: Readonly<Record<ExperimentState, number>>;
  readonly feeds: { readonly jump: FeedView; readonly relay: FeedView };
  readonly book: BookView;
  readonly mail: MailView;
  readonly store: StoreView;
  /** System alerts that hold now, oldest first. */
  readonly alerts: readonly SystemAlert[];
}

export type ExperimentState = "healthy" | "unhealthy" | "starting" | "unknown";

export interface ExperimentView {
  readonly name: string;
  /** Its resources in book, by name; empty for one that book does not list. */
  readonly resources: readonly string[];
  readonly state: ExperimentState;
  readonly sinceMs: number;
  /** Judged in this run or an earlier one: only these are in mails. */
  readonly judged: boolean;
  /** As last judged; a state of `unknown` or `starting` leaves them as they were. */
  readonly healthy: boolean;
  readonly issues: readonly Issue[];
  /** What book last said of all its resources together; false if it never said. */
  readonly available: boolean;
  /** The reason of the person who took it off, without book's own words; null when nobody did. */
  readonly held: string | null;
  /** With BOOK_WRITES=off: what would be written; null when nothing would. */
  readonly trial: string | null;
  /** Oldest first, HEALTH_EVENTS at most. */
  readonly events: readonly HealthEvent[];
  readonly firstSeenMs: number;
  readonly foundInManifestMs: number | null;
  readonly host: SeenView;
  /** Sorted by topic: all that book requires and all that relay knows. */
  readonly streams: readonly StreamView[];
}

export interface SeenView {
  /** Null while it has never been judged. */
  readonly verdict: Verdict | null;
  readonly seenMs: number | null;
  /** From the newest report that had it, in this run. */
  readonly connection: Connection | null;
}

export interface StreamView extends SeenView {
  readonly topic: string;
  readonly required: boolean;
}

/** Of every part: its state, since when, when it last succeeded, and its last error in words (null: never). */
export interface PartView<State extends string> {
  readonly state: State;
  readonly sinceMs: number;
  readonly lastSuccessMs: number | null;
  readonly lastError: string | null;
}

export interface FeedView extends PartView<"connecting" | "live" | "late" | "lost"> {
  readonly counts: FeedCounts;
  readonly intervalMs: number | null;
  readonly generation: "measured" | "unmeasured" | "unseen";
  readonly tokenExpiresMs: number | null;
}

export interface BookView extends PartView<"unread" | "ok" | "failing" | "lost" | "empty"> {
  readonly resources: number;
  readonly writes: number;
  /** Changes of availability that wait for book. */
  readonly waiting: number;
}

export interface MailView extends PartView<"off" | "idle" | "waiting" | "failing"> {
  readonly waiting: number;
  readonly sent: number;
  readonly failed: number;
  readonly oldestMs: number | null;
}

export interface StoreView extends PartView<"ok" | "memory" | "failing"> {
  /** Changes that could not be written yet. */
  readonly waiting: number;
}
