/**
 * Pages that are kept for a moment, as a crowd comes at once when the monitor has been away: each is made once and packed
 * once while it says the same but for times. Which page is asked for is for `server`, how it is made for `page`.
 */
import { createTurns, type Pause } from "./async.ts";
import type { Body } from "./body.ts";
import type { Clock } from "./clock.ts";
import type { Snapshot } from "./snapshot.ts";

/** Addresses of which a page is kept, and bytes of all of them: a page of 1000 experiments has 2 MB, one of 10,000 has 20. */
const copiesMax = 32;
const bytesMax = 32 * 1024 * 1024;
/** Pages that may wait until those before them are made: they are made one by one, or a crowd's would all be held at once. */
export const waitingMax = 32;
// One that is much work is kept for longer, so that making pages never takes more than a small part of the time; but nobody
// is shown what was so long ago.
const keepMsMin = 1_000;
const keepMsMax = 10_000;
const keptForItsCost = 20;

export interface CopiesPorts extends Pick<Clock, "nowMs" | "steadyMs"> {
  readonly pause: Pause;
  snapshot(): Snapshot;
}

interface Kept {
  readonly page: Promise<Body>;
  /** What it is made of; null while others are made before it. */
  of: { readonly revision: number; readonly steadyMs: number; readonly nowMs: number } | null;
  /** From its start on; Infinity while it is being made. */
  keepMs: number;
  /** 0 while it is being made. */
  bytes: number;
}

/** Makes a page of `snapshot`, and pauses as it is told. */
type Make = (snapshot: Snapshot, pause: Pause) => Promise<Body>;

export class Copies {
  readonly #ports: CopiesPorts;
  readonly #kept = new Map<string, Kept>();
  readonly #inTurn = createTurns();
  #waiting = 0;

  constructor(ports: CopiesPorts) {
    this.#ports = ports;
  }

  /** The page of `address`, or what `make` makes: once for all who ask meanwhile. Null where too many are made before it. */
  of(address: string, make: Make): Promise<Body> | null {
    const kept = this.#kept.get(address);
    if (kept && this.#isGood(kept)) return kept.page;
    if (this.#waiting >= waitingMax) return null;
    this.#waiting++;
    const work = new Work(this.#ports);
    const page = this.#inTurn(async () => {
      this.#waiting--;
      const { nowMs, steadyMs, snapshot } = this.#ports;
      const now = snapshot();
      made.of = { revision: now.revision, steadyMs: steadyMs(), nowMs: nowMs() };
      work.begin();
      return await make(now, work.pause);
    });
    const made: Kept = { page, of: null, keepMs: Infinity, bytes: 0 };
    this.#kept.delete(address); // so that it comes last
    this.#kept.set(address, made);
    this.#makeRoom();
    page.then(({ length }) => {
      made.keepMs = Math.min(Math.max(keepMsMin, work.ended() * keptForItsCost), keepMsMax);
      made.bytes = length;
      this.#makeRoom();
    }, () => this.#kept.get(address) === made && this.#kept.delete(address)); // who asked for it is told why
    return page;
  }

  /** One that shows less than there is to show is of no use: whoever gets it would be told at once that it is stale. */
  #isGood({ of, keepMs }: Kept): boolean {
    if (of === null) return true;
    const { nowMs, steadyMs, snapshot } = this.#ports;
    const isPutBack = nowMs() < of.nowMs; // then it shows other times than there are now
    return snapshot().revision === of.revision && !isPutBack && steadyMs() - of.steadyMs <= keepMs;
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
  #begunMs = 0;
  #doneMs = 0;

  constructor(ports: CopiesPorts) {
    this.#ports = ports;
  }

  begin(): void {
    this.#begunMs = this.#ports.steadyMs();
  }

  readonly pause = async (): Promise<void> => {
    this.ended();
    await this.#ports.pause();
    this.begin();
  };

  /** In milliseconds; nothing more is done. */
  ended(): number {
    return this.#doneMs += this.#ports.steadyMs() - this.#begunMs;
  }
}
