/**
 * Bodies on their way to those who asked for them. The runtime copies bytes that it is given at once, for each who asks: a
 * hundred who took 9 MB and read nothing held 1 GB. So a large body goes piece by piece as it is read, the same pieces to
 * all; and of bodies that are still being read at most so many bytes are held. Whoever has begun and reads, however slowly,
 * gets all of it: it is the newcomer who is told to come again, or of many slow readers none would ever have the whole.
 */
import type { Body, Piece } from "./body.ts";

/** Four bodies of 10,000 experiments, or 40 of 1000. */
export const outgoingBytesMax = 64 * 1024 * 1024;
/** Who has taken no piece for so long has left, or does not read: it is cut off where another wants the room. */
export const stalledMs = 10_000;

export interface OutgoingPorts {
  steadyMs(): number;
  /** So many were cut off, since they did not read. */
  cut(readers: number): void;
  /** There is no room for a body: told once, until there is again. */
  full(): void;
}

/** One who takes a body, until it has left. */
export interface Taking {
  /** The next piece; undefined where there is none any more. */
  next(): Piece | undefined;
  leave(): void;
}

interface Taker {
  /** Those to come. None when it has left: the runtime may keep its stream for as long as its socket. */
  pieces: readonly Piece[];
  at: number;
  takenMs: number;
  end(): void;
}

export class Outgoing {
  readonly #ports: OutgoingPorts;
  readonly #takers = new Map<Body, Set<Taker>>();
  #isFull = false;

  constructor(ports: OutgoingPorts) {
    this.#ports = ports;
  }

  /** Of all bodies that are being taken, each counted once. */
  get bytes(): number {
    return [...this.#takers.keys()].reduce((sum, { length }) => sum + length, 0);
  }

  /** Null if there is no room. `end` is called where it is cut off; then it has left. */
  take(body: Body, end: () => void): Taking | null {
    if (!this.#hasRoom(body)) return null;
    const taker: Taker = { pieces: body.pieces, at: 0, takenMs: this.#ports.steadyMs(), end };
    this.#takers.set(body, (this.#takers.get(body) ?? new Set()).add(taker));
    return {
      next: () => {
        taker.takenMs = this.#ports.steadyMs();
        return taker.pieces[taker.at++];
      },
      leave: () => this.#leave(taker),
    };
  }

  /** `body`, for one who asked for it; null if there is no room. Who is cut off gets less of it than its length. */
  stream(body: Body): ReadableStream<Piece> | null {
    let close = () => {};
    let left = body.pieces.length;
    const taking = this.take(body, () => close());
    if (taking === null) return null;
    const source: UnderlyingDefaultSource<Piece> = {
      start: (controller) => {
        close = () => controller.close(); // of an error the runtime would write a stack to stderr
      },
      pull: (controller) => {
        const piece = taking.next();
        if (piece) controller.enqueue(piece);
        if (--left > 0) return;
        controller.close(); // with the last piece: nobody asks for more once all is there
        taking.leave();
      },
      cancel: taking.leave,
    };
    return new ReadableStream(source, { highWaterMark: 0 });
  }

  /** Room for what is on its way already, and for what is too large for any room. */
  #hasRoom(body: Body): boolean {
    const fits = () =>
      this.#takers.has(body) || this.#takers.size === 0 || this.bytes + body.length <= outgoingBytesMax;
    if (!fits()) this.#cutStalled();
    const isFull = !fits();
    if (isFull && !this.#isFull) this.#ports.full();
    this.#isFull = isFull;
    return !isFull;
  }

  #cutStalled(): void {
    const nowMs = this.#ports.steadyMs();
    const all = [...this.#takers.values()].flatMap((takers) => [...takers]);
    const stalled = all.filter(({ takenMs }) => nowMs - takenMs >= stalledMs);
    for (const taker of stalled) {
      this.#leave(taker);
      taker.end();
    }
    if (stalled.length > 0) this.#ports.cut(stalled.length);
  }

  #leave(taker: Taker): void {
    taker.pieces = [];
    for (const [body, takers] of this.#takers) {
      if (takers.delete(taker) && takers.size === 0) this.#takers.delete(body);
    }
  }
}
