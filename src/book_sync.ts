/**
 * Keeps book true to what is wished, in the background: reads the manifest and what book says of each resource, writes only
 * differences, sees that they hold, and tries again for ever what failed. Nobody waits for it: `wish` returns at once.
 * What to do about a resource is decided by `availability`; what follows from what it tells is for `monitor`.
 */
import { type AvailabilityRules, decide, reasonText, type ResourceState } from "./availability.ts";
import { type Availability, type Book, BookDidNotKeep, bookTrouble, isBookError } from "./book_client.ts";
import { type QueuedRequest, ReconcileLoop, RequestQueue } from "./book_queue.ts";
import type { Clock } from "./clock.ts";
import type { ServiceFailure } from "./failure.ts";
import type { DesiredAvailability } from "./health.ts";
import type { Resource } from "./report.ts";
import type { BookStatus } from "./system_alerts.ts";

export interface BookSync {
  /** What is wanted of each resource from now on: the whole set, replacing the last. */
  setDesired(wishes: ReadonlyMap<string, DesiredAvailability>): void;
  /**
   * Resolves when each wish that differs from what book says has been answered: done, held, or unknown to
   * book. Rejects with the signal's reason when that is aborted first, or with the bookkeeper's when that is stopped.
   */
  settled(signal: AbortSignal): Promise<void>;
  /** Changes of availability that wait for book. */
  readonly waiting: number;
}

/** Is told at once, in the order of what happens. Must not throw. */
export interface BookListener {
  /** The manifest was read. An empty one changes nothing here: the last goes on being used. */
  manifest(list: { readonly resources: readonly Resource[]; readonly skipped: number; readonly atMs: number }): void;
  /** Book was asked about a resource that it lists, and this is what it said. */
  state(resource: string, state: ResourceState): void;
  /** A change was made, and book was seen to hold it. */
  written(resource: string, what: Availability & { readonly atMs: number }): void;
  /** `failuresInARow`: of everything, those together as one; 1 for what fails by itself. */
  trouble(trouble: ServiceFailure, failuresInARow: number): void;
  /** Something succeeded after everything had failed (one resource may go on failing), or nothing is failing. */
  answers(): void;
}

export interface BookkeeperOptions {
  readonly queryEveryMs: number;
  readonly rules: AvailabilityRules;
}

export interface BookkeeperPorts {
  readonly book: Book;
  readonly clock: Clock;
  /** In [0, 1). */
  random(): number;
}

/** Runs until `signal` is aborted; `done` resolves when nothing is in hand any more, at most 2 s later. */
export function startBookSync(
  options: BookkeeperOptions,
  ports: BookkeeperPorts,
  listener: BookListener,
  signal: AbortSignal,
): BookSync & { readonly done: Promise<void> } {
  return new Reconciler(options, ports, listener, signal);
}

// Book has lost its manifest (it restarted) or is suspected to: an operator will load one any moment.
const rereadMs = 10_000;
// As many failures in a row as make book count as lost: it may have been restarted.
const outageFailures = 3;
// While something fails by itself: an outage in which book answered once looks the same.
const doubtMs = 60_000;
// A change that is on its way at a stop. If it is not answered by then, the next start sees what became of it.
const partingMs = 2_000;

type Job = Entry | "manifest";

class Reconciler implements BookSync {
  readonly done: Promise<void>;
  readonly #options: BookkeeperOptions;
  readonly #ports: BookkeeperPorts;
  readonly #listener: BookListener;
  readonly #signal: AbortSignal;
  readonly #turns: RequestQueue<Job>;
  readonly #ledger: ResourceTable;
  readonly #loop: ReconcileLoop;
  /** Ends changes that are on their way, some time after everything else. */
  readonly #parted = new AbortController();
  #isListing = false;
  #listedMs = -Infinity;
  #nextListMs = -Infinity;

  constructor(options: BookkeeperOptions, ports: BookkeeperPorts, listener: BookListener, signal: AbortSignal) {
    this.#options = options;
    this.#ports = ports;
    this.#listener = listener;
    this.#signal = signal;
    this.#turns = new RequestQueue(ports.random);
    this.#ledger = new ResourceTable(options.rules, (entry) => this.#turns.forget(entry));
    this.#loop = new ReconcileLoop(ports.clock);
    this.done = this.#run();
  }

  get waiting(): number {
    return this.#ledger.waiting;
  }

  setDesired(wishes: ReadonlyMap<string, DesiredAvailability>): void {
    this.#ledger.wish(wishes);
    this.#loop.wake();
  }

  async settled(signal: AbortSignal): Promise<void> {
    const calledOff = Promise.withResolvers<void>();
    const callOff = () => calledOff.resolve();
    signal.addEventListener("abort", callOff, { once: true });
    while (!this.#ledger.isSettled && !signal.aborted && !this.#signal.aborted) {
      await Promise.race([this.#loop.change, calledOff.promise]);
    }
    signal.removeEventListener("abort", callOff);
    if (this.#ledger.isSettled) return;
    signal.throwIfAborted();
    this.#signal.throwIfAborted();
  }

  async #run(): Promise<void> {
    const finished = new AbortController();
    this.#signal.addEventListener("abort", () => {
      const part = () => this.#parted.abort(this.#signal.reason);
      this.#ports.clock.wait(partingMs, finished.signal).then(part, () => {}); // all that was on its way was answered
    }, { once: true });
    const work = { begin: (nowMs: number) => this.#begin(nowMs), nextMs: (nowMs: number) => this.#nextMs(nowMs) };
    await this.#loop.run(work, this.#signal).finally(() => finished.abort());
  }

  *#begin(nowMs: number): Generator<Promise<void>, void> {
    for (;;) {
      const turn = this.#turns.take(this.#jobs(nowMs), nowMs);
      if (turn === null) return;
      if (turn.job === "manifest") this.#isListing = true;
      else this.#ledger.begin(turn.job);
      yield this.#do(turn);
    }
  }

  *#jobs(nowMs: number): Generator<Job, void> {
    if (!this.#isListing && this.#nextListMs <= nowMs) yield "manifest";
    yield* this.#ledger.jobs();
  }

  #nextMs(nowMs: number): number {
    const isListDueLater = !this.#isListing && this.#nextListMs > nowMs;
    return Math.min(this.#turns.nextMs(nowMs), isListDueLater ? this.#nextListMs : Infinity);
  }

  async #do(turn: QueuedRequest<Job>): Promise<void> {
    const { job } = turn;
    let isCertain = true;
    try {
      await (job === "manifest" ? this.#list() : job.doing === "writing" ? this.#write(job) : this.#look(job));
      this.#answered(turn);
    } catch (error) {
      isCertain = this.#failed(turn, error);
    }
    if (job === "manifest") this.#isListing = false;
    else this.#ledger.end(job, isCertain);
  }

  async #list(): Promise<void> {
    const { resources, skipped } = await this.#ports.book.resources(this.#signal);
    this.#listedMs = this.#ports.clock.monotonicMs();
    this.#nextListMs = this.#listedMs +
      Math.min(this.#options.queryEveryMs, resources.length === 0 ? rereadMs : Infinity);
    this.#ledger.adopt(resources);
    this.#listener.manifest({ resources, skipped, atMs: this.#ports.clock.nowMs() });
  }

  async #read(entry: Entry): Promise<Availability> {
    const said = await this.#ports.book.availability(entry.name, this.#signal);
    this.#learn(entry, { kind: "said", ...said, atMs: this.#ports.clock.nowMs() });
    return said;
  }

  /** Reads, and tells of a change that was made though its answer was lost. */
  async #look(entry: Entry): Promise<void> {
    const said = await this.#read(entry);
    const { unconfirmed } = entry;
    entry.unconfirmed = null;
    if (unconfirmed?.available !== said.available || !said.reason.endsWith(unconfirmed.reason)) return;
    this.#tellWritten(entry, unconfirmed);
  }

  async #write(entry: Entry): Promise<void> {
    await this.#look(entry);
    const wish = this.#ledger.wishOf(entry);
    const decision = this.#ledger.decide(entry);
    if (decision.kind !== "write" || wish.kind === "undecided") return; // a person came between, or the wish is another
    const { available } = decision;
    const wanted = { available, reason: reasonText(wish, this.#ports.clock.nowMs()) };
    entry.unconfirmed = wanted;
    await this.#ports.book.setAvailability(entry.name, wanted, this.#parted.signal);
    this.#signal.throwIfAborted();
    const said = await this.#read(entry);
    entry.unconfirmed = null;
    if (said.available !== available) throw new BookDidNotKeep(entry.name, said);
    this.#tellWritten(entry, wanted);
  }

  #answered(turn: QueuedRequest<Job>): void {
    const { failuresInARow } = this.#turns;
    this.#turns.succeeded(turn);
    if (failuresInARow >= outageFailures && turn.job !== "manifest") this.#listSoon();
    if (failuresInARow > 0 || !this.#turns.isFailing) this.#listener.answers();
  }

  /** Whether book's answer is known all the same. Throws what is no failure of book. */
  #failed(turn: QueuedRequest<Job>, error: unknown): boolean {
    const { job } = turn;
    if (this.#signal.aborted) return this.#turns.dropped(turn), false;
    if (!isBookError(error)) throw error;
    if (job !== "manifest" && error.code === "BOOK_UNKNOWN_RESOURCE") {
      this.#turns.dropped(turn); // a proxy without its book says so too
      if (job.state.kind !== "absent" || this.#turns.failuresInARow > 0) this.#listSoon();
      this.#learn(job, { kind: "absent" });
      return true;
    }
    if (!this.#turns.failed(turn, this.#ports.clock.monotonicMs())) return false;
    const { failuresInARow } = this.#turns;
    // One resource, or all of book? If the manifest can be read before book counts as lost, it is not all of it.
    if (failuresInARow === outageFailures - 1) this.#listSoon(0);
    if (failuresInARow === 0) this.#listSoon(doubtMs);
    this.#listener.trouble(bookTrouble(error), Math.max(failuresInARow, 1));
    return false;
  }

  /** The manifest may be another than the last that was read, or tell how book is. `distanceMs`: from the last. */
  #listSoon(distanceMs = rereadMs): void {
    this.#nextListMs = Math.min(
      this.#nextListMs,
      Math.max(this.#ports.clock.monotonicMs(), this.#listedMs + distanceMs),
    );
  }

  #learn(entry: Entry, state: ResourceState): void {
    if (this.#ledger.learn(entry, state)) this.#listener.state(entry.name, state);
  }

  #tellWritten(entry: Entry, what: Availability): void {
    this.#listener.written(entry.name, { ...what, atMs: this.#ports.clock.nowMs() });
  }
}

/*
 * What is known of each resource in book, what is wished of it, and so what is to be asked: writes first, then reads.
 * No effects: `bookkeeper` asks, and tells the ledger what came.
 */

/** One resource that book lists. Changed by the ledger and, while it is doing something, by who does it. */
export interface Entry {
  readonly name: string;
  state: ResourceState;
  /** The manifest was read since: book may have set it otherwise. */
  isStale: boolean;
  doing: "nothing" | "reading" | "writing";
  /** What was last written, until book is seen to say so. */
  unconfirmed: Availability | null;
}

const undecided: DesiredAvailability = { kind: "undecided" };

export class ResourceTable {
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
  #wishes: ReadonlyMap<string, DesiredAvailability> = new Map();
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

  /** Whether each wish has been answered: done, held, or book does not know the name. */
  get isSettled(): boolean {
    if (this.waiting > 0) return false;
    if (this.#list === null) return [...this.#wishes.values()].every((wish) => wish.kind === "undecided");
    for (const entry of this.#unread) if (this.wishOf(entry).kind !== "undecided") return false;
    // Its turn to be written comes when it has been read.
    for (const entry of this.#reading) if (this.decide(entry).kind === "write") return false;
    return true;
  }

  wish(wishes: ReadonlyMap<string, DesiredAvailability>): void {
    const before = this.#wishes;
    this.#wishes = wishes;
    if (wishes === before) return;
    for (const entry of this.#entries.values()) {
      if (sameDesire(before.get(entry.name) ?? undecided, this.wishOf(entry))) continue;
      this.#place(entry);
    }
  }

  wishOf(entry: Entry): DesiredAvailability {
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
    this.#list = resources;
    const names = new Set(resources.map(({ name }) => name));
    for (const entry of this.#entries.values()) if (!names.has(entry.name)) this.#drop(entry);
    for (const name of names) {
      const entry = this.#entries.get(name) ?? newEntry(name);
      this.#entries.set(name, entry);
      if (entry.state.kind === "unread") this.#unread.add(entry);
      entry.isStale = true;
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
    if (kind === "write") this.#toWrite.add(entry);
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
  return { name, state: { kind: "unread" }, isStale: false, doing: "nothing", unconfirmed: null };
}

function sameDesire(a: DesiredAvailability, b: DesiredAvailability): boolean {
  if (a.kind !== "unavailable" || b.kind !== "unavailable") return a.kind === b.kind;
  return a.issues === b.issues || JSON.stringify(a.issues) === JSON.stringify(b.issues);
}

/*
 * What book says of one resource after the other, of thousands within seconds, is taken in at one go when somebody looks.
 * What it means is for `availability`.
 */

export class ReportedStates {
  readonly #news = new Map<string, ResourceState>();
  /** Of which it has said something, until that is enough. */
  readonly #named = new Set<string>();
  readonly #all = Promise.withResolvers<void>();
  #isAll = false;

  /** Resolves when book has spoken of as many resources as it lists; one that it lists no longer counts as one. */
  get all(): Promise<void> {
    return this.#all.promise;
  }

  /** Book said this of one of `resourcesCount`. */
  note(resource: string, state: ResourceState, resourcesCount: number): void {
    this.#news.set(resource, state);
    if (this.#isAll) return;
    this.#named.add(resource);
    if (this.#named.size < resourcesCount) return;
    this.#isAll = true;
    this.#named.clear();
    this.#all.resolve();
  }

  /** The source with all that was noted since; the same one where that says nothing new. */
  takenInto(source: BookStatus): BookStatus {
    if (this.#news.size === 0) return source;
    const { states } = source;
    const news = [...this.#news].filter(([resource, state]) => !sameState(states.get(resource), state));
    this.#news.clear();
    if (news.length === 0) return source; // most of what book says, it has said before
    return { ...source, states: new Map([...states, ...news]) };
  }
}

function sameState(was: ResourceState | undefined, now: ResourceState): boolean {
  if (was?.kind !== "said" || now.kind !== "said") return was?.kind === now.kind;
  return was.available === now.available && was.reason === now.reason;
}
