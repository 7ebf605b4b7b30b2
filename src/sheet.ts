/**
 * What the connections of one frame sent and were sent, as it is being read: numbers by row, texts in the order of the frame,
 * as `Figures` has them. Whose rows they are is for `draft`.
 */
import { type Figures, figuresEach } from "./connection_table.ts";

/** What one connection sent and was sent. One for all entries of a frame, written over: they are many. */
export interface Measure {
  /** As `Figures` has them, of one row. */
  readonly numbers: Float64Array;
  txLast: string;
  rxLast: string;
}

export function newMeasure(): Measure {
  return { numbers: new Float64Array(figuresEach).fill(NaN), txLast: "", rxLast: "" };
}

export class Sheet {
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

  set(row: number, { numbers, txLast, rxLast }: Measure): void {
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
  figures(rows: number): Figures<ArrayBuffer> | null {
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
