/**
 * What an answer holds, made once for all who ask for it: bytes in pieces, and the same as gzip when first somebody takes it
 * so. Of ten thousand experiments it is 15 MB: nothing is done to all of it at once, so that whoever asks for something else
 * is not kept waiting. How it travels is for `api_answer`.
 */
import { type ApiOptions, experimentText } from "./api.ts";
import { createMutex, type YieldToEventLoop } from "./async.ts";
import type { Clock } from "./clock.ts";
import type { Snapshot } from "./snapshot.ts";

export type Piece = Uint8Array<ArrayBuffer>;

/** A piece is written in one go. Of larger ones fewer are needed, of smaller ones less is held for each who reads slowly. */
export const pieceBytes = 256 * 1024;

// So many are written or packed between two pauses. Where the texts themselves are made in no time that takes some 5 ms.
const piecesAtOnce = 4;
// Of what there is to pack, JSON and HTML, level 2 leaves a fourteenth in 19 ms for 7 MB; level 6 a sixteenth in 72 ms.
const level = 2;

export class EncodedBody {
  readonly pieces: readonly Piece[];
  readonly length: number;
  /** By which it is known whether somebody has it already (ETag); null for what is not asked for in that way. */
  readonly tag: string | null;

  constructor(pieces: readonly Piece[], tag: string | null = null) {
    this.pieces = pieces;
    this.length = pieces.reduce((sum, { length }) => sum + length, 0);
    this.tag = tag;
  }

  static of(text: string, tag: string | null = null): EncodedBody {
    return new EncodedBody(cut(encoder.encode(text)), tag);
  }

  /** Of what `texts` gives, one after another; pauses where a text is empty, and after every million characters or so. */
  static async made(texts: Iterable<string>, pause: YieldToEventLoop, tag: string | null = null): Promise<EncodedBody> {
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
    return new EncodedBody([...pieces, encoder.encode(text)], tag);
  }

  /** As gzip; the same one for all. */
  readonly packed = madeOnce((pause: YieldToEventLoop) => this.#pack(pause));

  async #pack(pause: YieldToEventLoop): Promise<EncodedBody> {
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
    return new EncodedBody(cut(await new Blob(packed).bytes()), this.tag);
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

/*
 * `GET /api/v1/experiments`: its body, made once however many ask for it, and only if somebody does. One is made at a time,
 * and bit by bit. Every report brings other times and statistics, and is no reason to write all of it anew for each who asks:
 * these are a second old at most, everything else is current.
 */

export interface BodyPorts {
  /** The same object until something changes. */
  snapshot(): Snapshot;
  readonly pause: YieldToEventLoop;
}

/** For so long a body is good while nothing has changed but times and statistics (`revision`). */
export const keptMs = 1_000;

/** A body, made or not. */
interface Known {
  readonly atMs: number;
  readonly revision: number;
  readonly tag: string;
  body: Promise<EncodedBody> | null;
}

export class ListCache {
  readonly #ports: BodyPorts;
  readonly #options: ApiOptions;
  /** Of this run alone: after a restart, or from another monitor behind the same proxy, the same number is another body. */
  readonly #run = crypto.randomUUID().slice(0, 13);
  /** The newest. It stays until one is asked for that it is not good for: a few MB of a large laboratory. */
  #last: Known | null = null;
  #count = 0;
  /** The last that was begun; null when it is made. */
  #making: Promise<unknown> | null = null;
  /** For those who came while one of an earlier Snapshot was being made. */
  #next: Promise<EncodedBody> | null = null;

  constructor(ports: BodyPorts, options: ApiOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** That of the body of now, which need not be made for it. */
  get tag(): string {
    return this.#of(this.#ports.snapshot()).tag;
  }

  /** The body of now, or of a later moment. */
  now(): Promise<EncodedBody> {
    const snapshot = this.#ports.snapshot();
    const known = this.#of(snapshot);
    if (known.body !== null) return known.body;
    if (this.#making === null) return this.#begin(snapshot, known);
    return this.#next ??= this.#making.then(() => {
      this.#next = null;
      return this.now();
    });
  }

  #begin(snapshot: Snapshot, known: Known): Promise<EncodedBody> {
    const body = known.body = this.#make(snapshot, known.tag);
    const done = () => {
      this.#making = null;
    };
    this.#making = body.then(done, () => {
      known.body = null;
      done();
    });
    return body;
  }

  #make({ experiments }: Snapshot, tag: string): Promise<EncodedBody> {
    const options = this.#options;
    function* texts() {
      yield "[";
      for (const [at, view] of experiments.entries()) yield `${at > 0 ? "," : ""}${experimentText(view, options)}`;
      yield "]";
    }
    return EncodedBody.made(texts(), this.#ports.pause, tag);
  }

  #of(snapshot: Snapshot): Known {
    if (this.#last !== null && isGood(this.#last, snapshot)) return this.#last;
    const { atMs, revision } = snapshot;
    // Weak, as another encoding has other bytes and the same tag.
    return this.#last = { atMs, revision, tag: `W/"${this.#run}-${++this.#count}"`, body: null };
  }
}

/** Whether it says of `now` all but newer times and statistics. */
function isGood({ atMs, revision }: Known, now: Snapshot): boolean {
  return revision === now.revision && !isDue(atMs, { nowMs: now.atMs, everyMs: keptMs });
}

/*
 * Pages that are kept for a moment, as a crowd comes at once when the monitor has been away: each is made once and packed
 * once while it says the same but for times. Which page is asked for is for `server`, how it is made for `page`.
 */

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

export interface CopiesPorts extends Pick<Clock, "nowMs" | "monotonicMs"> {
  readonly pause: YieldToEventLoop;
  snapshot(): Snapshot;
}

interface Kept {
  readonly page: Promise<EncodedBody>;
  /** What it is made of; null while others are made before it. */
  of: { readonly revision: number; readonly monotonicMs: number; readonly nowMs: number } | null;
  /** From its start on; Infinity while it is being made. */
  keepMs: number;
  /** 0 while it is being made. */
  bytes: number;
}

/** Makes a page of `snapshot`, and pauses as it is told. */
type Make = (snapshot: Snapshot, pause: YieldToEventLoop) => Promise<EncodedBody>;

export class PageCache {
  readonly #ports: CopiesPorts;
  readonly #kept = new Map<string, Kept>();
  readonly #inTurn = createMutex();
  #waiting = 0;

  constructor(ports: CopiesPorts) {
    this.#ports = ports;
  }

  /** The page of `address`, or what `make` makes: once for all who ask meanwhile. Null where too many are made before it. */
  of(address: string, make: Make): Promise<EncodedBody> | null {
    const kept = this.#kept.get(address);
    if (kept && this.#isGood(kept)) return kept.page;
    if (this.#waiting >= waitingMax) return null;
    this.#waiting++;
    const work = new Work(this.#ports);
    const page = this.#inTurn(async () => {
      this.#waiting--;
      const { nowMs, monotonicMs, snapshot } = this.#ports;
      const now = snapshot();
      made.of = { revision: now.revision, monotonicMs: monotonicMs(), nowMs: nowMs() };
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
    const { nowMs, monotonicMs, snapshot } = this.#ports;
    const isPutBack = nowMs() < of.nowMs; // then it shows other times than there are now
    return snapshot().revision === of.revision && !isPutBack && monotonicMs() - of.monotonicMs <= keepMs;
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
    this.#begunMs = this.#ports.monotonicMs();
  }

  readonly pause = async (): Promise<void> => {
    this.ended();
    await this.#ports.pause();
    this.begin();
  };

  /** In milliseconds; nothing more is done. */
  ended(): number {
    return this.#doneMs += this.#ports.monotonicMs() - this.#begunMs;
  }
}

/*
 * Bodies on their way to those who asked for them. The runtime copies bytes that it is given at once, for each who asks: a
 * hundred who took 9 MB and read nothing held 1 GB. So a large body goes piece by piece as it is read, the same pieces to
 * all; and of bodies that are still being read at most so many bytes are held. Whoever has begun and reads, however slowly,
 * gets all of it: it is the newcomer who is told to come again, or of many slow readers none would ever have the whole.
 */

/** Four bodies of 10,000 experiments, or 40 of 1000. */
export const outgoingBytesMax = 64 * 1024 * 1024;
/** Who has taken no piece for so long has left, or does not read: it is cut off where another wants the room. */
export const stalledMs = 10_000;

export interface OutgoingPorts {
  monotonicMs(): number;
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

export class OutgoingBudget {
  readonly #ports: OutgoingPorts;
  readonly #takers = new Map<EncodedBody, Set<Taker>>();
  #isFull = false;

  constructor(ports: OutgoingPorts) {
    this.#ports = ports;
  }

  /** Of all bodies that are being taken, each counted once. */
  get bytes(): number {
    return [...this.#takers.keys()].reduce((sum, { length }) => sum + length, 0);
  }

  /** Null if there is no room. `end` is called where it is cut off; then it has left. */
  take(body: EncodedBody, end: () => void): Taking | null {
    if (!this.#hasRoom(body)) return null;
    const taker: Taker = { pieces: body.pieces, at: 0, takenMs: this.#ports.monotonicMs(), end };
    this.#takers.set(body, (this.#takers.get(body) ?? new Set()).add(taker));
    return {
      next: () => {
        taker.takenMs = this.#ports.monotonicMs();
        return taker.pieces[taker.at++];
      },
      leave: () => this.#leave(taker),
    };
  }

  /** `body`, for one who asked for it; null if there is no room. Who is cut off gets less of it than its length. */
  stream(body: EncodedBody): ReadableStream<Piece> | null {
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
  #hasRoom(body: EncodedBody): boolean {
    const fits = () =>
      this.#takers.has(body) || this.#takers.size === 0 || this.bytes + body.length <= outgoingBytesMax;
    if (!fits()) this.#cutStalled();
    const isFull = !fits();
    if (isFull && !this.#isFull) this.#ports.full();
    this.#isFull = isFull;
    return !isFull;
  }

  #cutStalled(): void {
    const nowMs = this.#ports.monotonicMs();
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

/*  What live readers who see the same are told: the shape of `live_json` and `live_page`, and what `live` shares out. */

/** Whether `everyMs` have passed since `sinceMs`. A clock that was put back has made it due: all times are others now. */
export function isDue(sinceMs: number, { nowMs, everyMs }: { nowMs: number; everyMs: number }): boolean {
  return nowMs - sinceMs >= everyMs || nowMs < sinceMs;
}
