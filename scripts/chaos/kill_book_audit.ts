/**
 * Was book only told what it did not hold, by a program that had looked before, and never against a person? Each PUT is held
 * against what the program last read, and against what book held when it came.
 */
import type { Happening } from "../simulator/board.ts";
import type { Book } from "../simulator/book.ts";
import { isHeld } from "./kill_rest.ts";
import type { Step } from "./kill_talk.ts";

interface Read {
  readonly life: number;
  readonly available: boolean;
  readonly reason: string;
}

export class BookAudit {
  readonly faults: string[] = [];
  readonly counts = { puts: 0, raced: 0 };
  readonly #book: Book;
  readonly #reads = new Map<string, Read>();
  #held = new Map<string, { available: boolean; reason: string }>();

  constructor(book: Book) {
    this.#book = book;
    this.#look();
  }

  /** The program has been answered. */
  answered(step: Step, life: number): void {
    if (step.kind !== "http-answered" || step.asked.method !== "GET" || step.status !== 200) return;
    const name = /\/resources\/([^/?]+)$/.exec(step.asked.target)?.[1];
    if (name !== undefined) this.#reads.set(decodeURIComponent(name), { life, ...JSON.parse(step.body) });
  }

  happened({ part, text }: Happening, life: number): void {
    if (part !== "book") return;
    const [, name, word, reason] = /^book is told to make (\S+) (available|unavailable): (.*)$/.exec(text) ?? [];
    if (name !== undefined) this.#told(name, { available: word === "available", reason: reason ?? "" }, life);
    this.#look();
  }

  #told(name: string, wanted: { available: boolean; reason: string }, life: number): void {
    this.counts.puts++;
    const fault = (words: string) => void this.faults.push(`${name} was made ${JSON.stringify(wanted)}, ${words}`);
    const read = this.#reads.get(name);
    const held = this.#held.get(name);
    if (read === undefined || read.life !== life) return fault("and this run of the program had not asked about it");
    if (isHeld(read)) fault("though the program had read that a person took it off");
    if (read.available === wanted.available) fault("which the program had read that it was");
    if (!wanted.reason.startsWith("status server: ")) fault("for no reason of its own");
    if (held?.available !== read.available || held.reason !== read.reason) this.counts.raced++; // somebody came between
    this.#reads.delete(name);
  }

  #look(): void {
    this.#held = new Map(this.#book.loaded().map(({ name, available, reason }) => [name, { available, reason }]));
  }
}
