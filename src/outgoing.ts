/**
 * Bodies on their way to those who asked for them. The runtime copies bytes that it is given at once, for each who asks: a
 * hundred who took 9 MB and read nothing held 1 GB. So a large body goes piece by piece as it is read, the same pieces to
 * all; and of bodies that are still being read at most so many bytes are held, or a few who read a byte a second would keep
 * every body that there ever was.
 */
import type { Body, Piece } from "./body.ts";

/** Four bodies of 10,000 experiments, or 40 of 1000. Of more, those who take the oldest are cut off. */
export const outgoingBytesMax = 64 * 1024 * 1024;

export class Outgoing {
  /** By body how those are ended who take it; what was first taken longest ago comes first. */
  readonly #taken = new Map<Body, Set<() => void>>();
  readonly #hasCut: (readers: number) => void;

  /** `hasCut`: so many readers of one body were cut off. */
  constructor(hasCut: (readers: number) => void) {
    this.#hasCut = hasCut;
  }

  /** Of all bodies that are being taken, each counted once. */
  get bytes(): number {
    return [...this.#taken.keys()].reduce((sum, { length }) => sum + length, 0);
  }

  /** Until the function that is given back is called somebody takes `body`, unless `end` is called before. */
  take(body: Body, end: () => void): () => void {
    const ends = this.#taken.get(body) ?? new Set();
    this.#taken.set(body, ends.add(end));
    for (const oldest of this.#taken.keys()) {
      if (oldest === body || this.bytes <= outgoingBytesMax) break;
      this.#cut(oldest);
    }
    return () => {
      ends.delete(end);
      if (ends.size === 0 && this.#taken.get(body) === ends) this.#taken.delete(body);
    };
  }

  /** `body`, for one who asked for it. */
  stream(body: Body): ReadableStream<Piece> {
    let pieces: readonly Piece[] = body.pieces;
    let at = 0;
    let left = () => {};
    const leave = () => {
      pieces = []; // the runtime may keep the stream for as long as its socket
      left();
    };
    const source: UnderlyingDefaultSource<Piece> = {
      start: (controller) => {
        left = this.take(body, () => {
          leave();
          controller.error(new Error("there is too much on its way to those who read slowly"));
        });
      },
      pull: (controller) => {
        const piece = pieces[at++];
        if (piece) controller.enqueue(piece);
        if (at < pieces.length) return;
        controller.close(); // with the last piece: nobody asks for more once all is there
        leave();
      },
      cancel: leave,
    };
    return new ReadableStream(source, { highWaterMark: 0 });
  }

  #cut(body: Body): void {
    const ends = [...this.#taken.get(body) ?? []];
    this.#taken.delete(body);
    for (const end of ends) end();
    this.#hasCut(ends.length);
  }
}
