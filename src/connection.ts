/**
 * What a feed tells, in one dialect whatever service and generation said it: live connections, report by report.
 * Texts are as the service wrote them (times, `last`): readers translate what they show, so that a report costs little.
 */
import type { ConnectionTable } from "./connection_table.ts";
import type { Trouble } from "./failure.ts";

export type FeedName = "jump" | "relay";

/** Who is connected: a `host` at jump, or the sender of a stream at relay. It stays as it is while it is connected. */
export interface Peer {
  readonly topic: string;
  readonly scopes: readonly string[];
  readonly canRead: boolean;
  readonly canWrite: boolean;
  /** When it connected and when its token expires, as the service wrote it; year 1 and 1970 stand for never. */
  readonly connected: string;
  readonly expiresAt: string;
  readonly remoteAddr: string;
  readonly userAgent: string;
}

/** One live connection of an experiment. */
export interface Connection extends Peer {
  /** `tx` is what the connection sent to the service, `rx` what it was sent; null where the service doesn't say. */
  readonly stats: { readonly tx: Traffic; readonly rx: Traffic } | null;
}

export interface Traffic {
  /** The service's own text: a Go duration, `Never`, or empty. */
  readonly last: string;
  readonly idle: Idle;
  /** Mean message size in bytes and messages a second, since it connected. */
  readonly size: number;
  readonly fps: number;
}

export type Idle = { readonly kind: "never" } | { readonly kind: "for"; readonly ms: number };

/** One frame of a feed: one report, whatever number of documents it holds. Only connections of experiments are in it. */
export interface Report {
  readonly feed: FeedName;
  readonly atMs: number;
  /** By topic: at jump the experiment's topic stub, at relay the stream's whole topic. */
  readonly connections: ConnectionTable;
  /** How many entries the frame held, those of users and of the service itself included. */
  readonly entries: number;
  /** Entries that could not be read and were left out. */
  readonly skipped: number;
  /** Relay up to v0.7 measures; a report without one statistic is of a later generation. Jump: always "unmeasured". */
  readonly generation: "measured" | "unmeasured";
  /** At which interval the feed has been reporting, where that is known yet. */
  readonly intervalMs: number | null;
}

/** What a feed's client tells besides reports. `trouble` is the newest cause of there being none. */
export type FeedNews =
  | { readonly kind: "trouble"; readonly trouble: Trouble }
  | { readonly kind: "connected"; readonly tokenExpiresMs: number }
  | { readonly kind: "bad-frame"; readonly why: string };

/** Frames, entries and connections since the start, for the page and the metrics. */
export interface FeedCounts {
  readonly reports: number;
  readonly entries: number;
  readonly skipped: number;
  readonly badFrames: number;
  readonly connects: number;
  /** Of these, the connections that were made as something had gone wrong, and not to renew one in time. */
  readonly reconnects: number;
}
