/**
 * What a feed tells, in one dialect whatever service and generation said it: live connections, report by report.
 * Texts are as the service wrote them (times, `last`): readers translate what they show, so that a report costs little.
 */
import type { ServiceFailure } from "./failure.ts";

export type FeedName = "jump" | "relay";

/** Who is connected: a `host` at jump, or the sender of a stream at relay. It stays as it is while it is connected. */
export interface ConnectionInfo {
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
export interface Connection extends ConnectionInfo {
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
  | { readonly kind: "trouble"; readonly trouble: ServiceFailure }
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

/*
 * The connections of one report. Most of a report is what the last one said: what a connection is stays the same objects
 * from report to report, and what it sent, which every report brings anew, is kept as numbers side by side, so that a report
 * of 25,000 connections makes a few objects and not 100,000. Values that are never changed. Pure.
 */

/** For each row six numbers: for `tx` and `rx` the idle time in ms (Infinity: never), mean size and rate. */
export const figuresEach = 6;

/** What the connections of one report sent, by row. Where nothing was measured of one, its first figure is NaN. */
export interface TrafficStats<Memory extends ArrayBufferLike = ArrayBufferLike> {
  readonly numbers: Float64Array<Memory>;
  /** The service's own texts of when they last sent and were sent: two lines for each, in the order of the report. */
  readonly lasts: string;
  /** Which of them is a row's, counted from 1. */
  readonly places: Uint32Array<Memory>;
}

export class ConnectionTable {
  /** The row of each topic; the same object as in the last report where it has the same topics in the same rows. */
  readonly rows: ReadonlyMap<string, number>;
  /** By row; a row that nobody has may hold anything. */
  readonly peers: readonly ConnectionInfo[];
  /** Null: nothing is measured of any of them. */
  readonly figures: TrafficStats | null;
  #lasts: readonly string[] | null = null;

  constructor(rows: ReadonlyMap<string, number>, peers: readonly ConnectionInfo[], figures: TrafficStats | null) {
    this.rows = rows;
    this.peers = peers;
    this.figures = figures;
  }

  /** A table of these, one of each topic. */
  static of(connections: Iterable<Connection>): ConnectionTable {
    const all = [...connections];
    const numbers = new Float64Array(all.length * figuresEach);
    const lasts: string[] = [];
    for (const [row, { stats }] of all.entries()) {
      numbers.set(stats ? [...numbersOf(stats.tx), ...numbersOf(stats.rx)] : unmeasured, row * figuresEach);
      lasts.push(stats?.tx.last ?? "", stats?.rx.last ?? "");
    }
    const rows = new Map(all.map(({ topic }, row) => [topic, row]));
    const places = Uint32Array.from(all, (_, row) => row + 1);
    return new ConnectionTable(rows, all, { numbers, lasts: lasts.join("\n"), places });
  }

  get size(): number {
    return this.rows.size;
  }

  has(topic: string): boolean {
    return this.rows.has(topic);
  }

  keys(): Iterable<string> {
    return this.rows.keys();
  }

  /** Who it is that has `topic`; undefined where the report has it not. */
  peer(topic: string): ConnectionInfo | undefined {
    const row = this.rows.get(topic);
    return row === undefined ? undefined : this.peers[row];
  }

  /** How long ago `topic` last sent, Infinity for never; null where that is not measured, undefined where it is not there. */
  idleMs(topic: string): number | null | undefined {
    const row = this.rows.get(topic);
    return row === undefined ? undefined : this.idleMsAt(row);
  }

  /** The same of a row. */
  idleMsAt(row: number): number | null {
    const ms = this.figures?.numbers[row * figuresEach] ?? NaN;
    return Number.isNaN(ms) ? null : ms;
  }

  /** What it sent and was sent, null where that is not measured: made for who asks; undefined where it is not there. */
  stats(topic: string): Connection["stats"] | undefined {
    const row = this.rows.get(topic);
    return row === undefined ? undefined : this.#statsAt(row);
  }

  /** All that the report says of it: made for who asks. */
  get(topic: string): Connection | undefined {
    const peer = this.peer(topic), stats = this.stats(topic);
    return peer === undefined || stats === undefined ? undefined : { ...peer, stats };
  }

  /** Whether it is known that these are the topics of `before`. They may be so though it is not: `true` alone can be relied on. */
  hasTopicsOf(before: ConnectionTable): boolean {
    return this.rows === before.rows;
  }

  #statsAt(row: number): Connection["stats"] {
    if (this.figures === null || this.idleMsAt(row) === null) return null;
    this.#lasts ??= this.figures.lasts.split("\n");
    const { numbers, places } = this.figures, at = row * figuresEach, line = 2 * (places[row]! - 1);
    return {
      tx: trafficAt(numbers, at, this.#lasts[line] ?? ""),
      rx: trafficAt(numbers, at + figuresEach / 2, this.#lasts[line + 1] ?? ""),
    };
  }
}

export const noConnections: ConnectionTable = new ConnectionTable(new Map(), [], null);

function trafficAt(numbers: Float64Array, at: number, last: string): Traffic {
  const ms = numbers[at] ?? Infinity, size = numbers[at + 1] ?? 0, fps = numbers[at + 2] ?? 0;
  return { last, idle: ms === Infinity ? { kind: "never" } : { kind: "for", ms }, size, fps };
}

const unmeasured = [NaN, 0, 0, NaN, 0, 0];

function numbersOf({ idle, size, fps }: Traffic): number[] {
  return [idle.kind === "never" ? Infinity : idle.ms, size, fps];
}

/*
 * How a report gets from the Worker to the pool: what has changed since the last one of the same socket, and what was sent as
 * numbers side by side: 25,000 connections take 70 ms to hand over as objects, and 3 so. `frame_reader` makes them, a `Mirror`
 * for each socket makes reports of them. Pure.
 */

/** One report of a socket. Every one has to be applied, in their order: each says only what the last did not. */
export interface ReportDelta extends Pick<Report, "entries" | "skipped" | "generation"> {
  /** Rows that nobody has any more: free before `peers` are told, and for others from then on. */
  readonly gone: readonly number[];
  /** Who is new or not as before, with the row. */
  readonly peers: readonly (readonly [row: number, peer: ConnectionInfo])[];
  /** Null where nothing is measured. */
  readonly figures: TrafficStats<ArrayBuffer> | null;
}

/** What of it is handed over instead of copied. */
export function buffersOf({ figures }: ReportDelta): ArrayBuffer[] {
  return figures === null ? [] : [figures.numbers.buffer, figures.places.buffer];
}

/** One frame in our words. Only connections of experiments are in it. */
export type Decoded = Pick<Report, "connections" | "entries" | "skipped" | "generation">;

/** What a socket has said so far, on the side of those who want to know. */
export class DeltaDecoder {
  #rows: ReadonlyMap<string, number> = new Map();
  #peers: readonly ConnectionInfo[] = [];

  /** What did not change is the same object as in the report before; what that report has stays as it is. */
  apply({ gone, peers, figures, entries, skipped, generation }: ReportDelta): Decoded {
    const isNew = ([row, { topic }]: ReportDelta["peers"][number]) => this.#rows.get(topic) !== row;
    if (gone.length > 0 || peers.some(isNew)) this.#rows = this.#rowsAfter(gone, peers);
    if (peers.length > 0) this.#peers = withPeers(this.#peers, peers);
    const connections = new ConnectionTable(this.#rows, this.#peers, figures);
    return { connections, entries, skipped, generation };
  }

  #rowsAfter(gone: ReportDelta["gone"], peers: ReportDelta["peers"]): ReadonlyMap<string, number> {
    const rows = new Map(this.#rows);
    for (const row of gone) rows.delete(this.#peers[row]!.topic);
    for (const [row, { topic }] of peers) rows.set(topic, row);
    return rows;
  }
}

function withPeers(before: readonly ConnectionInfo[], changed: ReportDelta["peers"]): readonly ConnectionInfo[] {
  const peers = [...before];
  for (const [row, peer] of changed) peers[row] = peer;
  return peers;
}

/*
 * What the connections of one frame sent and were sent, as it is being read: numbers by row, texts in the order of the frame,
 * as `Figures` has them. Whose rows they are is for `draft`.
 */

/** What one connection sent and was sent. One for all entries of a frame, written over: they are many. */
export interface Measurement {
  /** As `Figures` has them, of one row. */
  readonly numbers: Float64Array;
  txLast: string;
  rxLast: string;
}

/** A bookable resource as the manifest lists it. */
export interface Resource {
  readonly name: string;
  /** The experiment's topic stub. */
  readonly stub: string;
  /** Whole topics of the streams it must have, sorted, e.g. `pend00-st-data`. */
  readonly required: readonly string[];
}

/** `pend00-st-video-alt` is stream `st-video-alt` (as book calls it) of experiment `pend00`; null for what is no experiment's. */
export function splitTopic(topic: string): { stub: string; stream: string } | null {
  const at = topic.lastIndexOf(mark);
  const isWhole = at > 0 && at + mark.length < topic.length;
  return isWhole ? { stub: topic.slice(0, at), stream: topic.slice(at + 1) } : null;
}

const mark = "-st-";
