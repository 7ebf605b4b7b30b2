/**
 * One frame as it is being read, against what the same socket said before: which entries count, of several on a topic which,
 * and what is new. What an entry means is for `entry`, `jump` and `relay`. What of a frame was read before it proved to be bad
 * leaves no trace: nothing counts until it is `kept`.
 */
import type { Columns } from "./columns.ts";
import type { Peer } from "./connection.ts";
import { type EntryRule, type Fields, isFields, isTopic, peerOf, scopesOf } from "./entry.ts";
import { newMeasure, Sheet } from "./sheet.ts";

/** Who was connected at the last report of a socket. */
export interface Known {
  readonly rows: Map<string, number>;
  /** By row; undefined where it is free. */
  readonly peers: (Peer | undefined)[];
  readonly free: number[];
}

export function nobody(): Known {
  return { rows: new Map(), peers: [], free: [] };
}

// Ten times the largest laboratory that is thought of. What is beyond is counted as skipped.
const connectionsMax = 50_000;

export class Draft {
  #entries = 0;
  #skipped = 0;
  readonly #rule: EntryRule;
  readonly #known: Known;
  readonly #measure = newMeasure();
  readonly #sheet: Sheet;
  /** Rows of topics that the last report had not. */
  readonly #added = new Map<string, number>();
  /** By row: who is new or not as before. */
  readonly #changed = new Map<number, Peer>();
  /**
   * The row that the next entry is likely to have. A report has the order of the last but for where it begins, as a map of Go's
   * is gone through (recordings of jump and of both relays show it), and rows have that of the first. Looking up, among 20,000,
   * a topic that was just parsed takes a third of the time that parsing the whole entry does.
   */
  #expected = 0;
  /** How many connections the reports of the frame had before this one. */
  #before = 0;
  /** How many topics the reports of the frame have. */
  #size = 0;

  constructor(rule: EntryRule, known: Known) {
    this.#rule = rule;
    this.#known = known;
    this.#sheet = new Sheet(known.peers.length);
  }

  get entries(): number {
    return this.#entries;
  }

  get skipped(): number {
    return this.#skipped;
  }

  /**
   * All of a frame. Arrays are reports and `null` is an empty one; other documents are what another client of the topic said.
   * False where none of them is a report.
   */
  takeDocuments(documents: readonly unknown[]): boolean {
    const reports = documents.filter((each) => each === null || Array.isArray(each)).map((each): unknown[] =>
      each ?? []
    );
    for (const report of reports) {
      this.begin();
      this.take(report);
    }
    return reports.length > 0;
  }

  /** Another report of the frame begins. Where a topic is in several, the last counts. */
  begin(): void {
    this.#before = this.#sheet.count;
  }

  /** Some entries of the report. */
  take(entries: readonly unknown[]): void {
    this.#entries += entries.length;
    for (const entry of entries) if (!this.#takeOne(entry)) this.#skipped++;
    this.#sheet.join();
  }

  /** What is new is known from now on. Once, and last. */
  keep(): Columns {
    const { rows, peers, free } = this.#known;
    const gone = this.#gone();
    free.splice(0, this.#added.size);
    for (const row of gone) {
      rows.delete(peers[row]!.topic);
      peers[row] = undefined;
      free.push(row);
    }
    for (const [topic, row] of this.#added) rows.set(topic, row);
    for (const [row, peer] of this.#changed) peers[row] = peer;
    const figures = this.#sheet.figures(peers.length);
    return {
      ...{ entries: this.#entries, skipped: this.#skipped, generation: this.#generation(figures) },
      ...{ gone, peers: [...this.#changed], figures },
    };
  }

  /** False for what can't be read, and for what there is no room for. */
  #takeOne(entry: unknown): boolean {
    if (!isFields(entry)) return false;
    const { topic } = entry, scopes = scopesOf(entry);
    if (typeof topic !== "string" || scopes === null) return false;
    if (!scopes.includes(this.#rule.scope)) return isTopic(topic); // somebody else's
    const row = this.#rowOf(topic);
    if (row === undefined && !isTopic(topic)) return false;
    return this.#rule.read(entry, this.#measure) && this.#place(topic, row, scopes, entry);
  }

  /** Of a topic that is known, and so is one that can be used. */
  #rowOf(topic: string): number | undefined {
    if (this.#known.peers[this.#expected]?.topic === topic) return this.#expected;
    return this.#known.rows.get(topic) ?? this.#added.get(topic);
  }

  #place(topic: string, had: number | undefined, scopes: readonly string[], entry: Fields): boolean {
    const place = had === undefined ? 0 : this.#sheet.placeOf(had);
    if (place === 0 && this.#size === connectionsMax) return false;
    const row = had ?? this.#newRow(topic), known = this.#known.peers[row];
    this.#expected = row + 1;
    const peer = peerOf(topic, scopes, entry, known);
    if (place > this.#before && !this.#isLivelier(peer, row)) return true;
    if (place === 0) this.#size++;
    if (peer !== known) this.#changed.set(row, peer);
    else this.#changed.delete(row);
    this.#sheet.set(row, this.#measure);
    return true;
  }

  #newRow(topic: string): number {
    const { free, peers } = this.#known, at = this.#added.size;
    const row = free[at] ?? peers.length + at - free.length;
    this.#added.set(topic, row);
    return row;
  }

  /** Of two that are equally lively the newer one, so that the order of a report, which is not steady, decides nothing. */
  #isLivelier(peer: Peer, row: number): boolean {
    const rival = this.#changed.get(row) ?? this.#known.peers[row]!;
    const one = quietRank(this.#measure.numbers[0]!), other = quietRank(this.#sheet.idleMsAt(row));
    return one < other || (one === other && peer.connected > rival.connected);
  }

  #gone(): number[] {
    if (this.#size === this.#known.rows.size + this.#added.size) return []; // all that are known are in it
    return [...this.#known.rows.values()].filter((row) => this.#sheet.placeOf(row) === 0);
  }

  /** Relay up to v0.7 measures; where there are streams and nothing is measured of any, it is a later one. */
  #generation(figures: Columns["figures"]): Columns["generation"] {
    return this.#rule.measures && (figures !== null || this.#size === 0) ? "measured" : "unmeasured";
  }
}

/** For comparing: measured ones by how long they have sent nothing, then unmeasured ones, then those that never sent. */
function quietRank(idleMs: number): number {
  return Number.isNaN(idleMs) ? Number.MAX_VALUE : idleMs;
}
