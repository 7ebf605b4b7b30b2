import type { Clock } from "./clock.ts";
import { type EncodedBody, OutgoingBudget, type Piece, type Taking } from "./response_cache.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

/**
 * Server-sent events as text: what stands between two blank lines (html.spec.whatwg.org, "server-sent events"). Pure.
 * Which events there are is for `live_json` and `live_page`.
 */

/** One event. `data` may have several lines; `id`, where there is one, has no line end in it. */
export function eventText(name: string, data: string, id?: string): string {
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`).join("");
  return `event: ${name}\n${id === undefined ? "" : `id: ${id}\n`}${lines}\n`;
}

/** One whose data is JSON, as `JSON.stringify` writes it: on one line. */
export function jsonEventText(name: string, json: string): string {
  return `event: ${name}\ndata: ${json}\n\n`;
}

/** What no client is told of, and keeps proxies from closing a quiet connection. */
export const commentText = ":\n\n";

/** Asks clients to wait this long before they connect again. */
export function retryText(ms: number): string {
  return `retry: ${ms}\n\n`;
}

const encoder = new TextEncoder();

/** What goes out in one piece, encoded once for all who get it. */
export function chunkOf(texts: readonly string[]): Uint8Array<ArrayBuffer> {
  return encoder.encode(texts.join(""));
}

/*
 * Who listens live, and when they are told: `GET /api/v1/live` (design, section 5). Readers who see the same share a channel,
 * in which each thing is made into text and bytes once. While nobody listens nothing is done; a reader that does not read is
 * given up, and nobody waits for one. What is told is for `live_json` and `live_page`.
 */

/** Each takes a socket, and as much memory as may wait for it. */
export const readersMax = 250;

// What happens in between is told in one piece.
const everyMs = 250;
const commentEveryMs = 15_000;
const retryMs = 3_000;

const headers = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-store",
  "X-Accel-Buffering": "no", // nginx passes on each piece as it comes
};

export interface LivePorts {
  /** The same object until something changes. */
  snapshot(): Snapshot;
  readonly clock: Clock;
  /** What went wrong inside while something was made to be told. */
  failed(error: unknown): void;
}

export interface Live {
  /** There is another Snapshot. Costs nothing. */
  changed(): void;
  /** Tells readers of changes until `signal` is aborted; then all streams end, and there are no new ones. */
  run(signal: AbortSignal): Promise<void>;
  /** A stream of events as `params` ask for; null if there are too many readers. */
  answer(params: URLSearchParams): Response | null;
  readonly readers: number;
  /** Readers that were given up because they did not read. */
  readonly dropped: number;
  /** What waits for readers, in bytes; what several wait for counts for each. */
  readonly queuedBytes: number;
}

/** What `params` ask for: readers with the same key share one channel, which the first of them has created. */
export type Asked = (params: URLSearchParams) => {
  readonly key: string;
  create(snapshot: Snapshot, nowMs: number): LiveChannel;
};

interface Audience {
  readonly channel: LiveChannel;
  readonly readers: Set<StreamReader>;
}

export class Streams implements Live {
  readonly #ports: LivePorts;
  readonly #asked: Asked;
  /** Only those that have readers, by what they were asked for. */
  readonly #audiences = new Map<string, Audience>();
  readonly #outgoing: OutgoingBudget;
  #snapshot: Snapshot | null = null;
  #commentMs = 0;
  #isOver = false;
  #dropped = 0;
  #joined = () => {};

  constructor(ports: LivePorts, asked: Asked) {
    this.#ports = ports;
    this.#asked = asked;
    const monotonicMs = () => ports.clock.monotonicMs();
    this.#outgoing = new OutgoingBudget({ monotonicMs, cut() {}, full() {} }); // they are counted as all that are given up
  }

  changed(): void {
    this.#snapshot = null;
  }

  get readers(): number {
    return this.#all().length;
  }

  get dropped(): number {
    return this.#dropped;
  }

  get queuedBytes(): number {
    return this.#all().reduce((sum, reader) => sum + reader.queuedBytes, 0);
  }

  answer(params: URLSearchParams): Response | null {
    if (this.#isOver || this.readers >= readersMax) return null;
    const snapshot = this.#current();
    const nowMs = this.#ports.clock.nowMs();
    if (this.#audiences.size === 0) this.#commentMs = this.#ports.clock.monotonicMs();
    const { key, create } = this.#asked(params);
    const audience = this.#audiences.get(key) ?? { channel: create(snapshot, nowMs), readers: new Set() };
    const first = audience.channel.first(snapshot, nowMs, params.get("revision"));

    const reader = new StreamReader(() => this.#leave(key, reader));
    audience.readers.add(reader);
    this.#audiences.set(key, audience);
    if (first instanceof Promise) this.#begin(key, reader, first);
    else for (const piece of [retryChunk, first]) reader.push(piece);
    this.#joined();
    return new Response(reader.body, { headers });
  }

  /** The body goes out when it is made. Where there is no room for it the stream ends, and the client comes again. */
  #begin(key: string, reader: StreamReader, making: Promise<EncodedBody>): void {
    reader.hold();
    making.then((body) => {
      const taking = this.#outgoing.take(body, () => this.#giveUp(key, reader));
      if (taking === null) this.#giveUp(key, reader);
      else reader.begin(begins(taking), taking.leave);
    }, (error) => {
      this.#ports.failed(error);
      this.#end(key);
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    signal.addEventListener("abort", () => this.#joined(), { once: true });
    while (!signal.aborted) {
      if (this.#audiences.size === 0) await new Promise<void>((resolve) => this.#joined = resolve);
      else await clock.wait(everyMs, signal).catch(() => {}); // a stop ends the loop
      if (!signal.aborted) this.#tell(clock.nowMs());
    }
    this.#isOver = true;
    for (const key of this.#audiences.keys()) this.#end(key);
  }

  #tell(nowMs: number): void {
    for (const [key, { channel, readers }] of this.#audiences) {
      try {
        const piece = channel.next(this.#current(), nowMs);
        if (piece) this.#share(key, readers, piece);
      } catch (error) {
        // Its readers come again and get the whole afresh; the monitor and the other channels go on.
        this.#ports.failed(error);
        this.#end(key);
      }
    }
    const monotonicMs = this.#ports.clock.monotonicMs();
    if (monotonicMs - this.#commentMs < commentEveryMs) return;
    this.#commentMs = monotonicMs;
    for (const [key, { readers }] of this.#audiences) this.#share(key, readers, commentChunk);
  }

  #share(key: string, readers: ReadonlySet<StreamReader>, piece: Piece): void {
    for (const reader of readers) if (!reader.push(piece)) this.#giveUp(key, reader);
  }

  #giveUp(key: string, reader: StreamReader): void {
    this.#dropped++;
    reader.end();
    this.#leave(key, reader);
  }

  #leave(key: string, reader: StreamReader): void {
    const readers = this.#audiences.get(key)?.readers;
    readers?.delete(reader);
    if (readers?.size === 0) this.#audiences.delete(key);
  }

  #end(key: string): void {
    for (const reader of this.#audiences.get(key)?.readers ?? []) reader.end();
    this.#audiences.delete(key);
  }

  #current(): Snapshot {
    return this.#snapshot ??= this.#ports.snapshot();
  }

  #all(): readonly StreamReader[] {
    return [...this.#audiences.values()].flatMap(({ readers }) => [...readers]);
  }
}

const retryChunk = chunkOf([retryText(retryMs)]);
const commentChunk = chunkOf([commentText]);

function* begins({ next }: Taking): Generator<Piece> {
  yield retryChunk;
  for (let piece = next(); piece; piece = next()) yield piece;
}

/** For as long as it has readers; made with the Snapshot that its first reader sees. */
export interface LiveChannel {
  /**
   * What one that comes now gets first, a body where that takes time to make: what all are told from now on comes after it.
   * `seen`: the revision of what it has, as `revisionText`; null for nothing.
   */
  first(snapshot: Snapshot, nowMs: number, seen: string | null): Piece | Promise<EncodedBody>;
  /** What all of them are to be told since the last time; null for nothing. Called some times a second. */
  next(snapshot: Snapshot, nowMs: number): Piece | null;
}

/** The experiments of `snapshot` by name: many channels ask each of them for one. */
export function viewsOf(snapshot: Snapshot): ReadonlyMap<string, ExperimentView> {
  let views = byName.get(snapshot);
  if (!views) byName.set(snapshot, views = new Map(snapshot.experiments.map((view) => [view.name, view])));
  return views;
}

const byName = new WeakMap<Snapshot, ReadonlyMap<string, ExperimentView>>();

/*
 * One reader of an event stream: what comes first, if that is still to be made, and what waits after it, bounded in bytes.
 * The runtime takes a piece when the one before is written, so a reader that does not read takes none; it is given up then
 * (design, section 9: its socket, and the few MB that the kernel holds for it, end with the client). Knows nothing of what
 * it carries.
 */

/**
 * What may wait for one reader before it is given up, in bytes: more than a minute of a laboratory of 1000 experiments. One
 * piece of any size may stand on top, since a whole laboratory can change at once; pieces are shared by all who get them.
 */
export const queuedBytesMax = 1_048_576;

export class StreamReader {
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
