/**
 * Keeps book true to what is wished, in the background: reads the manifest and what book says of each resource, writes only
 * differences, sees that they hold, and tries again for ever what failed. Nobody waits for it: `wish` returns at once.
 * What to do about a resource is decided by `availability`; what follows from what it tells is for `monitor`.
 */
import { type AvailabilityRules, reasonText, type ResourceState, type Wish } from "./availability.ts";
import {
  type Availability,
  type Book,
  BookDidNotKeep,
  bookTrouble,
  isBookError,
  type Resource,
} from "./book_client.ts";
import { type Entry, Ledger } from "./book_ledger.ts";
import { Loop } from "./book_loop.ts";
import { type Turn, Turns } from "./book_turns.ts";
import type { Clock } from "./clock.ts";
import type { Trouble } from "./failure.ts";

export interface Bookkeeper {
  /** What is wanted of each resource from now on: the whole set, replacing the last. */
  wish(wishes: ReadonlyMap<string, Wish>): void;
  /**
   * Resolves when each wish that differs from what book says has been answered: done, held, refused for good, or unknown to
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
  /** `failuresInARow`: of everything, those together as one; 1 for what fails by itself. 0: book refused this for good. */
  trouble(trouble: Trouble, failuresInARow: number): void;
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
export function runBookkeeper(
  options: BookkeeperOptions,
  ports: BookkeeperPorts,
  listener: BookListener,
  signal: AbortSignal,
): Bookkeeper & { readonly done: Promise<void> } {
  return new Keeper(options, ports, listener, signal);
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

class Keeper implements Bookkeeper {
  readonly done: Promise<void>;
  readonly #options: BookkeeperOptions;
  readonly #ports: BookkeeperPorts;
  readonly #listener: BookListener;
  readonly #signal: AbortSignal;
  readonly #turns: Turns<Job>;
  readonly #ledger: Ledger;
  readonly #loop: Loop;
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
    this.#turns = new Turns(ports.random);
    this.#ledger = new Ledger(options.rules, (entry) => this.#turns.forget(entry));
    this.#loop = new Loop(ports.clock);
    this.done = this.#run();
  }

  get waiting(): number {
    return this.#ledger.waiting;
  }

  wish(wishes: ReadonlyMap<string, Wish>): void {
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

  async #do(turn: Turn<Job>): Promise<void> {
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
    this.#listedMs = this.#ports.clock.steadyMs();
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

  #answered(turn: Turn<Job>): void {
    const { failuresInARow } = this.#turns;
    this.#turns.succeeded(turn);
    if (failuresInARow >= outageFailures && turn.job !== "manifest") this.#listSoon();
    if (failuresInARow > 0 || !this.#turns.isFailing) this.#listener.answers();
  }

  /** Whether book's answer is known all the same. Throws what is no failure of book. */
  #failed(turn: Turn<Job>, error: unknown): boolean {
    const { job } = turn;
    if (this.#signal.aborted) return this.#turns.dropped(turn), false;
    if (!isBookError(error)) throw error;
    if (job !== "manifest" && error.code === "BOOK_UNKNOWN_RESOURCE") {
      this.#turns.dropped(turn); // a proxy without its book says so too
      if (job.state.kind !== "absent" || this.#turns.failuresInARow > 0) this.#listSoon();
      this.#learn(job, { kind: "absent" });
      return true;
    }
    if (job !== "manifest" && job.doing === "writing" && !error.retryable) {
      job.isRefused = true;
      this.#answered(turn);
      this.#listener.trouble(bookTrouble(error), 0);
      return true;
    }
    if (!this.#turns.failed(turn, this.#ports.clock.steadyMs())) return false;
    const { failuresInARow } = this.#turns;
    // One resource, or all of book? If the manifest can be read before book counts as lost, it is not all of it.
    if (failuresInARow === outageFailures - 1) this.#listSoon(0);
    if (failuresInARow === 0) this.#listSoon(doubtMs);
    this.#listener.trouble(bookTrouble(error), Math.max(failuresInARow, 1));
    return false;
  }

  /** The manifest may be another than the last that was read, or tell how book is. `distanceMs`: from the last. */
  #listSoon(distanceMs = rereadMs): void {
    this.#nextListMs = Math.min(this.#nextListMs, Math.max(this.#ports.clock.steadyMs(), this.#listedMs + distanceMs));
  }

  #learn(entry: Entry, state: ResourceState): void {
    if (this.#ledger.learn(entry, state)) this.#listener.state(entry.name, state);
  }

  #tellWritten(entry: Entry, what: Availability): void {
    this.#listener.written(entry.name, { ...what, atMs: this.#ports.clock.nowMs() });
  }
}
