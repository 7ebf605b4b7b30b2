/**
 * Pages that are kept for a moment, as a crowd comes at once when the monitor has been away: each is made once and packed
 * once while it says the same but for times. Which page is asked for is for `server`, how it is made for `page`.
 */
import type { Body } from "./body.ts";
import type { Snapshot } from "./snapshot.ts";

/** Addresses of which a page is kept, and bytes of all of them: a page of 1000 experiments has 2 MB, one of 10,000 has 20. */
const copiesMax = 32;
const bytesMax = 32 * 1024 * 1024;
// One that takes long to make is kept for longer, so that making pages never takes more than a small part of the time.
const keepMsMin = 1_000;
const keptForItsCost = 20;

interface Kept {
  readonly revision: number;
  readonly startMs: number;
  readonly page: Promise<Body>;
  /** From its start on; Infinity while it is being made. */
  keepMs: number;
  /** 0 while it is being made. */
  bytes: number;
}

export class Copies {
  readonly #kept = new Map<string, Kept>();

  /** The page of `address`, or what `make` makes: once for all who ask meanwhile. */
  of(
    address: string,
    { revision }: Pick<Snapshot, "revision">,
    nowMs: () => number,
    make: () => Promise<Body>,
  ): Promise<Body> {
    const startMs = nowMs();
    const kept = this.#kept.get(address);
    const ageMs = kept ? startMs - kept.startMs : Infinity; // less than 0 of one that shows other times than there are now
    // One that shows less is of no use: whoever gets it would be told at once that it is stale.
    if (kept?.revision === revision && ageMs >= 0 && ageMs <= kept.keepMs) return kept.page;
    const made: Kept = { revision, startMs, page: make(), keepMs: Infinity, bytes: 0 };
    this.#kept.delete(address); // so that it comes last
    this.#kept.set(address, made);
    this.#makeRoom();
    made.page.then(({ length }) => {
      made.keepMs = Math.max(keepMsMin, (nowMs() - startMs) * keptForItsCost);
      made.bytes = length;
      this.#makeRoom();
    }, () => this.#kept.get(address) === made && this.#kept.delete(address)); // who asked for it is told why
    return made.page;
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
