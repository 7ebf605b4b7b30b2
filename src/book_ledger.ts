/**
 * What is known of each resource in book, what is wished of it, and so what is to be asked: writes first, then reads.
 * No effects: `bookkeeper` asks, and tells the ledger what came.
 */
import { type AvailabilityRules, decide, type ResourceState, type Wish } from "./availability.ts";
import type { Availability, Resource } from "./book_client.ts";

/** One resource that book lists. Changed by the ledger and, while it is doing something, by who does it. */
export interface Entry {
  readonly name: string;
  state: ResourceState;
  /** The manifest was read since: book may have set it otherwise. */
  isStale: boolean;
  /** Book does not take the change (422): not asked again until the wish or the manifest is another. */
  isRefused: boolean;
  doing: "nothing" | "reading" | "writing";
  /** What was last written, until book is seen to say so. */
  unconfirmed: Availability | null;
}

const undecided: Wish = { kind: "undecided" };

export class Ledger {
  readonly #rules: AvailabilityRules;
  readonly #nothingToDo: (entry: Entry) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #toWrite = new Set<Entry>();
  readonly #toRead = new Set<Entry>();
  /** Of which book has not said anything yet. */
  readonly #unread = new Set<Entry>();
  /** That book is being asked about. */
  readonly #reading = new Set<Entry>();
  #writing = 0;
  #wishes: ReadonlyMap<string, Wish> = new Map();
  #list: readonly Resource[] | null = null;

  /** `nothingToDo` is told of each entry that is put right, or no longer listed. */
  constructor(rules: AvailabilityRules, nothingToDo: (entry: Entry) => void) {
    this.#rules = rules;
    this.#nothingToDo = nothingToDo;
  }

  /** Changes of availability that wait for book. */
  get waiting(): number {
    return this.#toWrite.size + this.#writing;
  }

  /** Whether each wish has been answered: done, held, refused, or book does not know the name. */
  get isSettled(): boolean {
    if (this.waiting > 0) return false;
    if (this.#list === null) return [...this.#wishes.values()].every((wish) => wish.kind === "undecided");
    for (const entry of this.#unread) if (this.wishOf(entry).kind !== "undecided") return false;
    // Its turn to be written comes when it has been read.
    for (const entry of this.#reading) if (!entry.isRefused && this.decide(entry).kind === "write") return false;
    return true;
  }

  wish(wishes: ReadonlyMap<string, Wish>): void {
    const before = this.#wishes;
    this.#wishes = wishes;
    if (wishes === before) return;
    for (const entry of this.#entries.values()) {
      if (sameDesire(before.get(entry.name) ?? undecided, this.wishOf(entry))) continue;
      entry.isRefused = false;
      this.#place(entry);
    }
  }

  wishOf(entry: Entry): Wish {
    return this.#wishes.get(entry.name) ?? undecided;
  }

  decide(entry: Entry) {
    return decide(entry.state, this.wishOf(entry), this.#rules);
  }

  /** A manifest was read. An empty one changes nothing: the last goes on being used until something is listed again. */
  adopt(resources: readonly Resource[]): void {
    if (resources.length === 0) {
      this.#list ??= [];
      return;
    }
    const isOther = JSON.stringify(resources) !== JSON.stringify(this.#list);
    this.#list = resources;
    const names = new Set(resources.map(({ name }) => name));
    for (const entry of this.#entries.values()) if (!names.has(entry.name)) this.#drop(entry);
    for (const name of names) {
      const entry = this.#entries.get(name) ?? newEntry(name);
      this.#entries.set(name, entry);
      if (entry.state.kind === "unread") this.#unread.add(entry);
      entry.isStale = true;
      if (isOther) entry.isRefused = false;
      this.#place(entry);
    }
  }

  /** What may be asked about, the most urgent first. */
  *jobs(): Generator<Entry, void> {
    yield* this.#toWrite;
    yield* this.#toRead;
  }

  begin(entry: Entry): void {
    entry.doing = this.#toWrite.has(entry) ? "writing" : "reading";
    if (entry.doing === "writing") this.#writing++;
    else this.#reading.add(entry);
    entry.isStale = false; // a manifest that is read meanwhile makes it so again
    this.#place(entry);
  }

  /** `isCertain`: whether book's answer is known. If not it has to be asked again: even a change may have been made. */
  end(entry: Entry, isCertain: boolean): void {
    if (entry.doing === "writing") this.#writing--;
    this.#reading.delete(entry);
    entry.doing = "nothing";
    if (!isCertain) entry.isStale = true;
    this.#place(entry);
  }

  /** Book said so. False where it lists the resource no longer. */
  learn(entry: Entry, state: ResourceState): boolean {
    entry.state = state;
    this.#unread.delete(entry);
    return this.#entries.get(entry.name) === entry;
  }

  #place(entry: Entry): void {
    this.#toWrite.delete(entry);
    this.#toRead.delete(entry);
    if (this.#entries.get(entry.name) !== entry || entry.doing !== "nothing") return;
    const { kind } = this.decide(entry);
    if (kind === "write" && !entry.isRefused) this.#toWrite.add(entry);
    else if (kind === "read" || entry.isStale) this.#toRead.add(entry);
    else this.#nothingToDo(entry);
  }

  #drop(entry: Entry): void {
    this.#entries.delete(entry.name);
    this.#unread.delete(entry);
    this.#reading.delete(entry);
    this.#place(entry);
    this.#nothingToDo(entry);
  }
}

function newEntry(name: string): Entry {
  return { name, state: { kind: "unread" }, isStale: false, isRefused: false, doing: "nothing", unconfirmed: null };
}

function sameDesire(a: Wish, b: Wish): boolean {
  if (a.kind !== "unavailable" || b.kind !== "unavailable") return a.kind === b.kind;
  return a.issues === b.issues || JSON.stringify(a.issues) === JSON.stringify(b.issues);
}
