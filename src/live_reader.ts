/**
 * One reader of an event stream: what comes first, if that is still to be made, and what waits after it, bounded in bytes.
 * The runtime takes a piece when the one before is written, so a reader that does not read takes none; it is given up then
 * (design, section 9: its socket, and the few MB that the kernel holds for it, end with the client). Knows nothing of what
 * it carries.
 */
import type { Piece } from "./body.ts";

/**
 * What may wait for one reader before it is given up, in bytes: more than a minute of a laboratory of 1000 experiments. One
 * piece of any size may stand on top, since a whole laboratory can change at once; pieces are shared by all who get them.
 */
export const queuedBytesMax = 1_048_576;

export class Reader {
  readonly body: ReadableStream<Piece>;
  #controller!: ReadableStreamDefaultController<Piece>;
  /** What comes before all that waits; null while it is being made. Shared by many, so it does not count as waiting. */
  #first: Iterator<Piece> | null = [].values();
  #begun = () => {};
  #queue: Piece[] = [];
  /** The runtime has asked for a piece, and there was none. */
  #isAwaited = false;
  #isOver = false;

  /** `gone` is called when the client has left; not after `end`. */
  constructor(gone: () => void) {
    const source: UnderlyingDefaultSource<Piece> = {
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#pull(),
      cancel: () => {
        this.#free();
        gone();
      },
    };
    // Nothing waits in the stream's own queue: it would count pieces, and keep them after an end.
    this.body = new ReadableStream(source, { highWaterMark: 0 });
  }

  get queuedBytes(): number {
    return this.#queue.reduce((sum, { length }) => sum + length, 0);
  }

  /** Nothing goes out until `begin`. */
  hold(): void {
    this.#first = null;
  }

  /** `first` goes out before all that has come meanwhile. `begun` is called once: when it has, or nobody waits for it any more. */
  begin(first: Iterator<Piece>, begun: () => void): void {
    if (this.#isOver) return begun();
    this.#first = first;
    this.#begun = begun;
    if (this.#isAwaited) this.#pull();
  }

  /** False if too much waits already: then the piece is not taken, and the reader is to be ended. */
  push(piece: Piece): boolean {
    if (this.#isOver) return true;
    if (this.queuedBytes > queuedBytesMax) return false;
    if (this.#isAwaited && this.#first !== null) {
      this.#isAwaited = false;
      this.#controller.enqueue(piece);
    } else {
      this.#queue.push(piece);
    }
    return true;
  }

  /** The stream ends after what the runtime has taken; what waits is freed. */
  end(): void {
    if (this.#isOver) return;
    this.#free();
    this.#controller.close();
  }

  #pull(): void {
    const piece = this.#first === null ? undefined : this.#next(this.#first);
    this.#isAwaited = piece === undefined;
    if (piece === undefined) return;
    this.#controller.enqueue(piece);
  }

  #next(first: Iterator<Piece>): Piece | undefined {
    const { done, value } = first.next();
    if (!done) return value;
    this.#hasBegun();
    return this.#queue.shift();
  }

  #hasBegun(): void {
    const begun = this.#begun;
    this.#begun = () => {};
    begun();
  }

  #free(): void {
    this.#isOver = true;
    this.#queue = [];
    this.#first = null;
    this.#hasBegun();
  }
}
