/**
 * What an answer holds, made once for all who ask for it: bytes in pieces, and the same as gzip when first somebody takes it
 * so. Of ten thousand experiments it is 15 MB: nothing is done to all of it at once, so that whoever asks for something else
 * is not kept waiting. How it travels is for `api_answer`.
 */
import type { Pause } from "./async.ts";

export type Piece = Uint8Array<ArrayBuffer>;

/** A piece is written in one go. Of larger ones fewer are needed, of smaller ones less is held for each who reads slowly. */
export const pieceBytes = 256 * 1024;

// So many are written or packed between two pauses. Where the texts themselves are made in no time that takes some 5 ms.
const piecesAtOnce = 4;
// Of what there is to pack, JSON and HTML, level 2 leaves a fourteenth in 19 ms for 7 MB; level 6 a sixteenth in 72 ms.
const level = 2;

export class Body {
  readonly pieces: readonly Piece[];
  readonly length: number;
  /** By which it is known whether somebody has it already (ETag); null for what is not asked for in that way. */
  readonly tag: string | null;

  constructor(pieces: readonly Piece[], tag: string | null = null) {
    this.pieces = pieces;
    this.length = pieces.reduce((sum, { length }) => sum + length, 0);
    this.tag = tag;
  }

  static of(text: string, tag: string | null = null): Body {
    return new Body(cut(encoder.encode(text)), tag);
  }

  /** Of what `texts` gives, one after another; pauses where a text is empty, and after every million characters or so. */
  static async made(texts: Iterable<string>, pause: Pause, tag: string | null = null): Promise<Body> {
    const pieces: Piece[] = [];
    let text = "";
    for (const each of texts) {
      text += each;
      const isFull = text.length >= pieceBytes;
      if (isFull) {
        pieces.push(encoder.encode(text));
        text = "";
      }
      if (each === "" || (isFull && pieces.length % piecesAtOnce === 0)) await pause();
    }
    return new Body([...pieces, encoder.encode(text)], tag);
  }

  /** As gzip; the same one for all. */
  readonly packed = madeOnce((pause: Pause) => this.#pack(pause));

  async #pack(pause: Pause): Promise<Body> {
    const { createGzip } = await import("node:zlib"); // 2 MB of memory, for those who ask for it
    const gzip = createGzip({ level });
    const packed: Piece[] = [];
    gzip.on("data", (piece: Piece) => packed.push(piece));
    const ended = new Promise((resolve, reject) => gzip.on("end", resolve).on("error", reject));
    ended.catch(() => {}); // is heard below; it may fail before
    for (const [at, piece] of this.pieces.entries()) {
      if (at > 0 && at % piecesAtOnce === 0) await pause();
      await new Promise((resolve) => gzip.write(piece, resolve));
    }
    gzip.end();
    await ended;
    return new Body(cut(await new Blob(packed).bytes()), this.tag);
  }
}

/** What `make` makes, once for all who ask; anew after it has failed, and whoever waited is told why. */
export function madeOnce<Args extends readonly unknown[], T>(
  make: (...args: Args) => Promise<T>,
): (...args: Args) => Promise<T> {
  let made: Promise<T> | null = null;
  return (...args) => {
    if (made === null) {
      made = make(...args);
      made.catch(() => made = null);
    }
    return made;
  };
}

const encoder = new TextEncoder();

function cut(bytes: Piece): readonly Piece[] {
  const count = Math.ceil(bytes.length / pieceBytes);
  return Array.from({ length: count }, (_, at) => bytes.subarray(at * pieceBytes, (at + 1) * pieceBytes));
}
