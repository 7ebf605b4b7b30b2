/** Numbers in [0, 1) that are the same for the same `seed`, a whole number of 32 bits (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Random choices that can be repeated: the same seed gives the same ones. */
export class Dice {
  /** In [0, 1). */
  readonly next: () => number;

  /** `seed`: a whole number of 32 bits. */
  constructor(seed: number) {
    this.next = randomOf(seed);
  }

  /** A whole number from 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** Throws for an empty list. */
  pick<T>(from: readonly T[]): T {
    if (from.length === 0) throw new Error("Cannot pick from nothing");
    return from[this.below(from.length)] as T;
  }

  /** True so often in one. */
  chance(share: number): boolean {
    return this.next() < share;
  }
}
