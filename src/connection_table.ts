/**
 * The connections of one report. Most of a report is what the last one said: what a connection is stays the same objects
 * from report to report, and what it sent, which every report brings anew, is kept as numbers side by side, so that a report
 * of 25,000 connections makes a few objects and not 100,000. Values that are never changed. Pure.
 */
import type { Connection, Peer, Traffic } from "./connection.ts";

/** For each row six numbers: for `tx` and `rx` the idle time in ms (Infinity: never), mean size and rate. */
export const figuresEach = 6;

/** What the connections of one report sent, by row. Where nothing was measured of one, its first figure is NaN. */
export interface Figures<Memory extends ArrayBufferLike = ArrayBufferLike> {
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
  readonly peers: readonly Peer[];
  /** Null: nothing is measured of any of them. */
  readonly figures: Figures | null;
  #lasts: readonly string[] | null = null;

  constructor(rows: ReadonlyMap<string, number>, peers: readonly Peer[], figures: Figures | null) {
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
  peer(topic: string): Peer | undefined {
    const row = this.rows.get(topic);
    return row === undefined ? undefined : this.peers[row];
  }

  /** How long ago `topic` last sent, Infinity for never; null where that is not measured, undefined where it is not there. */
  quietMs(topic: string): number | null | undefined {
    const row = this.rows.get(topic);
    return row === undefined ? undefined : this.quietMsAt(row);
  }

  /** The same of a row. */
  quietMsAt(row: number): number | null {
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
    if (this.figures === null || this.quietMsAt(row) === null) return null;
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
