/** How each part of the monitor is, as readers see it: its sources, what it tells people by, its store. Types alone. */
import type { FeedCounts } from "./report.ts";

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

/** Of the mails, and of what the webhook is owed. */
export interface OutboxView extends PartView<"off" | "idle" | "waiting" | "failing"> {
  readonly waiting: number;
  readonly sent: number;
  readonly failed: number;
  readonly oldestMs: number | null;
}

/** `idle`: relay gives statistics, so nothing has to be listened to. `failing`: no stream can be. Counts are of this run. */
export interface ProbesView extends PartView<"off" | "idle" | "probing" | "failing"> {
  /** Streams that are listened to in turn now. */
  readonly streams: number;
  readonly heard: number;
  readonly silent: number;
  readonly failed: number;
}

/** `withheld`: not asked for, since something is not alive (`lastError` says what). Counts are of this run. */
export interface HeartbeatView extends PartView<"off" | "waiting" | "ok" | "withheld" | "failing"> {
  readonly sent: number;
  readonly failed: number;
}

export interface StoreView extends PartView<"ok" | "memory" | "failing"> {
  /** Changes that could not be written yet. */
  readonly waiting: number;
}
