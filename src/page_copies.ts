/**
 * Pages that are kept for a moment, as a crowd comes at once when the monitor has been away: each is made once and packed
 * once while it says the same but for times. Which page is asked for is for `server`, how it is made for `page`.
 */
import type { Body } from "./body.ts";
import type { Pause } from "./pause.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Clock } from "./wait.ts";

/** Addresses of which a page is kept, and bytes of all of them: a page of 1000 experiments has 2 MB, one of 10,000 has 20. */
const copiesMax = 32;
const bytesMax = 32 * 1024 * 1024;
// One that is much work is kept for longer, so that making pages never takes more than a small part of the time; but nobody
// is shown what was so long ago.
const keepMsMin = 1_000;
const keepMsMax = 10_000;
const keptForItsCost = 20;

export interface CopiesPorts extends Pick<Clock, "nowMs" | "steadyMs"> {
  readonly pause: Pause;
}

interface Kept {
  readonly revision: number;
  /** Of its start, as are all ages. */
  readonly steadyMs: number;
  /** The time that it tells. */
  readonly nowMs: number;
  readonly page: Promise<Body>;
  /** Infinity while it is being made. */
  keepMs: number;
  /** 0 while it is being made. */
  bytes: number;
}

export class Copies {
  readonly #ports: CopiesPorts;
  readonly #kept = new Map<string, Kept>();

  constructor(ports: CopiesPorts) {
    this.#ports = ports;
  }

  /** The page of `address`, or what `make` makes: once for all who ask meanwhile. It pauses as it is told. */
  of(
    address: string,
    { revision }: Pick<Snapshot, "revision">,
    make: (pause: Pause) => Promise<Body>,
  ): Promise<Body> {
    const kept = this.#kept.get(address);
    // One that shows less is of no use: whoever gets it would be told at once that it is stale.
    if (kept?.revision === revision && this.#isFresh(kept)) return kept.page;
    const [steadyMs, nowMs] = [this.#ports.steadyMs(), this.#ports.nowMs()];
    const work = new Work(this.#ports);
    const made: Kept = { revision, steadyMs, nowMs, page: make(work.pause), keepMs: Infinity, bytes: 0 };
    this.#kept.delete(address); // so that it comes last
    this.#kept.set(address, made);
    this.#makeRoom();
    made.page.then(({ length }) => {
      made.keepMs = Math.min(Math.max(keepMsMin, work.ended() * keptForItsCost), keepMsMax);
      made.bytes = length;
      this.#makeRoom();
    }, () => this.#kept.get(address) === made && this.#kept.delete(address)); // who asked for it is told why
    return made.page;
  }

  #isFresh(kept: Kept): boolean {
    const isPutBack = this.#ports.nowMs() < kept.nowMs; // then it shows other times than there are now
    return !isPutBack && this.#ports.steadyMs() - kept.steadyMs <= kept.keepMs;
  }

  /** Those that were made longest ago go; the newest stays, however large. */
  #makeRoom(): void {
    for (const oldest of this.#kept.keys()) {
      const bytes = [...this.#kept.values()].reduce((sum, kept) => sum + kept.bytes, 0);
      if (this.#kept.size === 1 || (this.#kept.size <= copiesMax && bytes <= bytesMax)) return;
      this.#kept.delete(oldest);
    }
  }
}

/** How long something took by itself, without what all else did while it paused. */
class Work {
  readonly #ports: CopiesPorts;
  #begunMs: number;
  #doneMs = 0;

  constructor(ports: CopiesPorts) {
    this.#ports = ports;
    this.#begunMs = ports.steadyMs();
  }

  readonly pause = async (): Promise<void> => {
    this.ended();
    await this.#ports.pause();
    this.#begunMs = this.#ports.steadyMs();
  };

  /** In milliseconds; nothing more is done. */
  ended(): number {
    return this.#doneMs += this.#ports.steadyMs() - this.#begunMs;
  }
}
