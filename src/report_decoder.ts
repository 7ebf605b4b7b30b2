/**
 * What does a frame say, and what of it is new? One reader for each socket: most of what a report says is what the same
 * socket said in its last. A large report is one array, read in pieces, so that what JSON.parse makes of a piece can be
 * thrown away before the next. What entries mean is for `draft`, how glued documents come apart for `frame`.
 */
import { sanitize } from "./failure.ts";
import {
  type ConnectionInfo,
  type FeedName,
  figuresEach,
  type Measurement,
  type ReportDelta,
  type TrafficStats,
} from "./report.ts";
import {
  type EntryRule,
  type Fields,
  isFields,
  isTopic,
  jumpRule,
  peerOf,
  relayRule,
  scopesOf,
} from "./report_entry.ts";

export type Read =
  | { readonly kind: "report"; readonly columns: ReportDelta }
  | { readonly kind: "bad"; readonly why: string }
  /** No report: what another client of the topic said. */
  | { readonly kind: "other" };

const rules = { jump: jumpRule, relay: relayRule } as const;

// The objects of a piece take some ten times as much, which is little enough to be cleared away while it is young.
const pieceChars = 65_536;
// An entry takes some 400.
const pieceCharsMax = 2 * pieceChars;

export class FrameReader {
  readonly #feed: FeedName;
  readonly #known = nobody();

  constructor(feed: FeedName) {
    this.#feed = feed;
  }

  /** What is bad, or no report, changes nothing of what the next frame is compared with. */
  read(text: string): Read {
    const inPieces = this.#readPieces(text);
    if (inPieces !== null) return finish(inPieces);
    const frame = splitFrame(text);
    if (frame.kind === "bad") return frame;
    const draft = this.#newDraft();
    return draft.takeDocuments(frame.documents) ? finish(draft) : { kind: "other" };
  }

  /**
   * Null for what is small, or is not one array of objects. Brackets are not counted here (`tooIntricate`), which would take
   * half as long as all the rest: however many are in a piece, they are gone before the next one.
   */
  #readPieces(text: string): FrameDiff | null {
    if (text.length <= pieceCharsMax || text[0] !== "[" || text.at(-1) !== "]") return null;
    const draft = this.#newDraft();
    draft.begin();
    for (let at = 1; at < text.length;) {
      const end = pieceEnd(text, at);
      const entries = end - at > pieceCharsMax ? null : parsed(`[${text.slice(at, end)}]`);
      if (entries === null) return null;
      draft.take(entries);
      at = end + 1;
    }
    return draft;
  }

  #newDraft(): FrameDiff {
    return new FrameDiff(rules[this.#feed], this.#known);
  }
}

function finish(draft: FrameDiff): Read {
  // Of a service that was changed, or of another one: it must not look as if everybody had left.
  if (draft.entries > 0 && draft.skipped === draft.entries) {
    return { kind: "bad", why: `none of its ${draft.entries} entries can be read` };
  }
  return { kind: "report", columns: draft.keep() };
}

/**
 * Where the comma after the piece is that begins at `start`, or the bracket that closes the array. The comma may be another
 * than one between two entries, in a text or deeper: then the piece has no end, and can't be parsed. Where all pieces can be,
 * the whole is an array of what is in them.
 */
function pieceEnd(text: string, start: number): number {
  const before = text.indexOf("},{", start + pieceChars);
  return before === -1 ? text.length - 1 : before + 1;
}

function parsed(text: string): unknown[] | null {
  try {
    return JSON.parse(text) as unknown[];
  } catch {
    return null; // then it is read as a whole, and called bad if it is
  }
}

/*
 * One frame as it is being read, against what the same socket said before: which entries count, of several on a topic which,
 * and what is new. What an entry means is for `entry`, `jump` and `relay`. What of a frame was read before it proved to be bad
 * leaves no trace: nothing counts until it is `kept`.
 */

/** Who was connected at the last report of a socket. */
export interface EntryRow {
  readonly rows: Map<string, number>;
  /** By row; undefined where it is free. */
  readonly peers: (ConnectionInfo | undefined)[];
  readonly free: number[];
}

export function nobody(): EntryRow {
  return { rows: new Map(), peers: [], free: [] };
}

// Ten times the largest laboratory that is thought of. What is beyond is counted as skipped.
const connectionsMax = 50_000;

export class FrameDiff {
  #entries = 0;
  #skipped = 0;
  readonly #rule: EntryRule;
  readonly #known: EntryRow;
  readonly #measure = newMeasure();
  readonly #sheet: StatsBuffer;
  /** Rows of topics that the last report had not. */
  readonly #added = new Map<string, number>();
  /** By row: who is new or not as before. */
  readonly #changed = new Map<number, ConnectionInfo>();
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

  constructor(rule: EntryRule, known: EntryRow) {
    this.#rule = rule;
    this.#known = known;
    this.#sheet = new StatsBuffer(known.peers.length);
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
  keep(): ReportDelta {
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
  #isLivelier(peer: ConnectionInfo, row: number): boolean {
    const rival = this.#changed.get(row) ?? this.#known.peers[row]!;
    const one = quietRank(this.#measure.numbers[0]!), other = quietRank(this.#sheet.idleMsAt(row));
    return one < other || (one === other && peer.connected > rival.connected);
  }

  #gone(): number[] {
    if (this.#size === this.#known.rows.size + this.#added.size) return []; // all that are known are in it
    return [...this.#known.rows.values()].filter((row) => this.#sheet.placeOf(row) === 0);
  }

  /** Relay up to v0.7 measures; where there are streams and nothing is measured of any, it is a later one. */
  #generation(figures: ReportDelta["figures"]): ReportDelta["generation"] {
    return this.#rule.measures && (figures !== null || this.#size === 0) ? "measured" : "unmeasured";
  }
}

/** For comparing: measured ones by how long they have sent nothing, then unmeasured ones, then those that never sent. */
function quietRank(idleMs: number): number {
  return Number.isNaN(idleMs) ? Number.MAX_VALUE : idleMs;
}

export function newMeasure(): Measurement {
  return { numbers: new Float64Array(figuresEach).fill(NaN), txLast: "", rxLast: "" };
}

export class StatsBuffer {
  #rows: number;
  #numbers: Float64Array<ArrayBuffer>;
  /** By row: which of those that were written down it is, counted from 1; 0 for none. */
  #places: Uint32Array<ArrayBuffer>;
  #count = 0;
  /** How many rows something is measured of. */
  #measured = 0;
  #lines: string[] = [];
  readonly #texts: string[] = [];

  /** Has room for so many rows, and makes more where it is needed. */
  constructor(rows: number) {
    this.#rows = Math.max(rows, rowsAtLeast);
    this.#numbers = new Float64Array(this.#rows * figuresEach).fill(NaN);
    this.#places = new Uint32Array(this.#rows);
  }

  /** How many have been written down, those included that others were written over. */
  get count(): number {
    return this.#count;
  }

  /** Which of them `row` is, counted from 1; 0 for none. */
  placeOf(row: number): number {
    return this.#places[row] ?? 0;
  }

  /** How long ago a row last sent, as `Figures` has it. */
  idleMsAt(row: number): number {
    return this.#numbers[row * figuresEach] ?? NaN;
  }

  set(row: number, { numbers, txLast, rxLast }: Measurement): void {
    if (row >= this.#rows) this.#makeRoom(row);
    const first = row * figuresEach;
    this.#measured += Number(isMeasured(numbers[0]!)) - Number(isMeasured(this.#numbers[first]!));
    for (let at = 0; at < figuresEach; at++) this.#numbers[first + at] = numbers[at]!;
    this.#places[row] = ++this.#count;
    this.#lines.push(txLast, rxLast);
  }

  /** Forty thousand short texts that live as long as the frame are dear to clear away: they are joined now and then. */
  join(): void {
    if (this.#lines.length > 0) this.#texts.push(this.#lines.join("\n"));
    this.#lines = [];
  }

  /** Null where nothing is measured. */
  figures(rows: number): TrafficStats<ArrayBuffer> | null {
    if (this.#measured === 0) return null;
    this.join();
    if (rows > this.#rows) this.#makeRoom(rows - 1);
    return {
      numbers: this.#rows === rows ? this.#numbers : this.#numbers.slice(0, rows * figuresEach),
      places: this.#rows === rows ? this.#places : this.#places.slice(0, rows),
      lasts: this.#texts.join("\n"),
    };
  }

  #makeRoom(row: number): void {
    while (this.#rows <= row) this.#rows *= 2;
    const { buffer } = this.#numbers;
    this.#numbers = new Float64Array(this.#rows * figuresEach).fill(NaN);
    this.#numbers.set(new Float64Array(buffer));
    this.#places = new Uint32Array(this.#places.buffer.transfer(this.#rows * this.#places.BYTES_PER_ELEMENT));
  }
}

const rowsAtLeast = 64;

function isMeasured(idleMs: number): boolean {
  return !Number.isNaN(idleMs);
}

/*
 * Which JSON documents are in a text frame? Relay writes several into one, with nothing between them, when its queue for a
 * client backs up (protocol, "Access, then websocket", 5). What the documents mean is for `jump` and `relay`. Pure.
 */

export type Frame =
  | { readonly kind: "documents"; readonly documents: readonly unknown[] }
  | { readonly kind: "bad"; readonly why: string };

// A queue of the services holds some hundreds; a frame of nothing but `{}` must not become millions of objects.
const documentsMax = 10_000;

/** All documents of `text`, in their order. One that can't be read makes the whole frame bad. Never throws. */
export function splitFrame(text: string): Frame {
  const why = tooIntricate(text);
  if (why !== null) return { kind: "bad", why };
  try {
    return { kind: "documents", documents: [JSON.parse(text)] };
  } catch {
    return splitGlued(text); // not one document: several, or none
  }
}

function splitGlued(text: string): Frame {
  const documents: unknown[] = [];
  for (let at = skipSpace(text, 0); at < text.length; at = skipSpace(text, at)) {
    if (documents.length === documentsMax) {
      return { kind: "bad", why: `more than ${documentsMax} documents in one frame` };
    }
    const end = documentEnd(text, at);
    try {
      documents.push(JSON.parse(text.slice(at, end)));
    } catch (error) {
      return {
        kind: "bad",
        why: `document ${documents.length + 1} is not JSON: ${sanitize((error as Error).message)}`,
      };
    }
    at = end;
  }
  return documents.length === 0 ? { kind: "bad", why: "an empty frame" } : { kind: "documents", documents };
}

/** Where the document that begins at `start` ends; if it is no JSON, anywhere after `start`. */
function documentEnd(text: string, start: number): number {
  switch (text[start]) {
    case "{":
    case "[":
      return nestedEnd(text, start);
    case '"':
      return stringEnd(text, start);
    default:
      return bareEnd(text, start);
  }
}

/** Whether a `]` closes a `[` or a `{` is left to JSON.parse. */
function nestedEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === quote) at = stringEnd(text, at) - 1;
    else if (char === openBracket || char === openBrace) depth++;
    else if ((char === closeBracket || char === closeBrace) && --depth === 0) return at + 1;
  }
  return text.length;
}

function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === backslash) at++;
    else if (char === quote) return at + 1;
  }
  return text.length;
}

/** `null`, `true`, `false` (which may be glued to each other) and numbers. */
function bareEnd(text: string, start: number): number {
  bare.lastIndex = start;
  return bare.test(text) ? bare.lastIndex : start + 1;
}

function skipSpace(text: string, start: number): number {
  space.lastIndex = start;
  return space.test(text) ? space.lastIndex : start;
}

const bare = /null|true|false|[-+.\deE]+/y;
const space = /[ \t\r\n]+/y;

/**
 * Is a text worth the memory that reading it as JSON takes? 20 MB of nothing but brackets take a gigabyte and ten seconds, as
 * every bracket becomes an object; what the services say has some five of them for hundreds of characters. Leaf.
 */

/** Shorter texts are taken as they are: they can't do much harm, and the most of what comes is shorter. */
const freeChars = 1_000_000;
// A report of 25,000 connections has 125,000 in 10 million characters, a manifest of 20,000 resources has 60,000 in 5 million.
const bracketsMax = 1_000_000;
const depthMax = 64;

/** Why `text` is not to be read as JSON, in words for people; null where it may be. Whether it is JSON is another matter. */
export function tooIntricate(text: string): string | null {
  if (text.length <= freeChars) return null;
  let depth = 0;
  let brackets = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case quote:
        at = textEnd(text, at);
        break;
      case openBracket:
      case openBrace:
        if (++depth > depthMax) return `it is nested deeper than ${depthMax} levels`;
        if (++brackets > bracketsMax) return `there are more than ${bracketsMax} objects and lists in it`;
        break;
      case closeBracket:
      case closeBrace:
        depth--;
    }
  }
  return null;
}

/** Where the string that begins at `start` has its closing quote; the text's end where it has none. */
function textEnd(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    if (!isEscaped(text, at)) return at;
  }
  return text.length;
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0;
  while (text.charCodeAt(at - 1 - slashes) === backslash) slashes++;
  return slashes % 2 === 1;
}

export const quote = 0x22;
export const backslash = 0x5c;
export const openBracket = 0x5b;
export const closeBracket = 0x5d;
export const openBrace = 0x7b;
export const closeBrace = 0x7d;
