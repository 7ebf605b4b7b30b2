/**
 * What the connections of one report sent and were sent, by row, as it is being read: numbers and texts side by side, as
 * `Figures` has them. Whose rows they are is for `draft`.
 */
import type { Columns } from "./columns.ts";
import { figuresEach } from "./connection_table.ts";

/** What one connection sent and was sent. One for all entries of a frame, written over: they are many. */
export interface Measure {
  readonly numbers: Float64Array;
  txLast: string;
  rxLast: string;
}

export function newMeasure(): Measure {
  return { numbers: new Float64Array(figuresEach).fill(NaN), txLast: "", rxLast: "" };
}

/** For comparing: measured ones by how long they have sent nothing, then unmeasured ones, then those that never sent. */
export function quietMsOf({ numbers: [idleMs = NaN] }: Measure): number {
  return comparable(idleMs);
}

export class Sheet {
  /** Null until something is measured, and NaN in a row where it is not. */
  #numbers: Float64Array<ArrayBuffer> | null = null;
  #lasts: string[] = [];
  #rows: number;

  /** Has room for so many rows, and makes more where it is needed. */
  constructor(rows: number) {
    this.#rows = Math.max(rows, rowsAtLeast);
  }

  set(row: number, measure: Measure): void {
    if (this.#numbers === null && Number.isNaN(measure.numbers[0])) return;
    this.#makeRoom(row);
    this.#numbers!.set(measure.numbers, row * figuresEach);
    this.#lasts[2 * row] = measure.txLast;
    this.#lasts[2 * row + 1] = measure.rxLast;
  }

  /** The same of a row as `quietMsOf`. */
  quietMs(row: number): number {
    return comparable(this.#numbers?.[row * figuresEach] ?? NaN);
  }

  columns(rows: number): Pick<Columns, "figures" | "lasts"> {
    const isMeasured = (ms: number, at: number) => at % figuresEach === 0 && !Number.isNaN(ms);
    if (this.#numbers === null || !this.#numbers.some(isMeasured)) return { figures: null, lasts: "" };
    if (rows > this.#rows) this.#makeRoom(rows - 1);
    const length = rows * figuresEach, numbers = this.#numbers;
    return {
      figures: numbers.length === length ? numbers : numbers.slice(0, length),
      lasts: this.#lasts.slice(0, 2 * rows).join("\n"),
    };
  }

  #makeRoom(row: number): void {
    while (this.#rows <= row) this.#rows *= 2;
    const length = this.#rows * figuresEach, before = this.#numbers;
    if (before?.length === length) return;
    this.#numbers = new Float64Array(length).fill(NaN);
    this.#numbers.set(before ?? []);
    this.#lasts = [...this.#lasts, ...new Array<string>(2 * this.#rows - this.#lasts.length).fill("")];
  }
}

const rowsAtLeast = 64;

function comparable(idleMs: number): number {
  return Number.isNaN(idleMs) ? Number.MAX_VALUE : idleMs;
}
