/**
 * Pages that are kept for a moment, as a crowd comes at once when the monitor has been away: each is made once and packed
 * once while it says the same but for times. Which page is asked for is for `server`, how it is made for `page`.
 */
import type { Snapshot } from "./snapshot.ts";

/** Addresses of which a page is kept; one of 1000 experiments has 1.6 MB. */
const copiesMax = 32;
// One that takes long to make is kept for longer, so that making pages never takes more than a small part of the time.
const keepMsMin = 1_000;
const keptForItsCost = 20;

export interface Copy {
  readonly text: string;
  /** As gzip. */
  packed(): Promise<Uint8Array<ArrayBuffer>>;
}

interface Kept extends Copy {
  readonly revision: number;
  readonly madeMs: number;
  readonly keepMs: number;
}

export class Copies {
  readonly #kept = new Map<string, Kept>();

  /** The page of `address`, or what `make` makes. */
  of(address: string, snapshot: Pick<Snapshot, "revision">, nowMs: () => number, make: () => string): Copy {
    const startMs = nowMs();
    const kept = this.#kept.get(address);
    const { revision } = snapshot;
    const ageMs = kept ? startMs - kept.madeMs : Infinity; // less than 0 of one that shows other times than there are now
    // One that shows less is of no use: whoever gets it would be told at once that it is stale.
    if (kept?.revision === revision && ageMs >= 0 && ageMs <= kept.keepMs) return kept;
    const text = make();
    const keepMs = Math.max(keepMsMin, (nowMs() - startMs) * keptForItsCost);
    const copy = { text, packed: once(() => gzip(text)), revision, madeMs: startMs, keepMs };
    this.#kept.delete(address); // so that it comes last
    this.#kept.set(address, copy);
    for (const [oldest] of this.#kept) if (this.#kept.size > copiesMax) this.#kept.delete(oldest);
    return copy;
  }
}

async function gzip(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}
