/**
 * One reader of an event stream: what waits for it, bounded in bytes. The runtime takes a piece when the one before is
 * written, so a reader that does not read takes none; it is given up then (design, section 9: its socket, and the few MB
 * that the kernel holds for it, end with the client). Knows nothing of what it carries.
 */

/**
 * What may wait for one reader before it is given up, in bytes: more than a minute of a laboratory of 1000 experiments. One
 * piece of any size may stand on top, since a whole laboratory can change at once; pieces are shared by all who get them.
 */
export const queuedBytesMax = 1_048_576;

export class Reader {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #queue: Uint8Array<ArrayBuffer>[] = [];
  /** The runtime has asked for a piece, and there was none. */
  #isAwaited = false;
  #isOver = false;

  /** `gone` is called when the client has left; not after `end`. */
  constructor(gone: () => void) {
    const source: UnderlyingDefaultSource<Uint8Array<ArrayBuffer>> = {
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

  /** False if too much waits already: then the piece is not taken, and the reader is to be ended. */
  push(piece: Uint8Array<ArrayBuffer>): boolean {
    if (this.#isOver) return true;
    if (this.queuedBytes > queuedBytesMax) return false;
    if (this.#isAwaited) {
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
    const piece = this.#queue.shift();
    this.#isAwaited = piece === undefined;
    if (piece === undefined) return;
    this.#controller.enqueue(piece);
  }

  #free(): void {
    this.#isOver = true;
    this.#queue = [];
  }
}
