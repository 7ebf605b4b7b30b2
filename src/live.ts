/**
 * Who listens live, and when they are told: `GET /api/v1/live` (design, section 5). Readers who see the same share a channel,
 * in which each thing is made into text and bytes once. While nobody listens nothing is done; a reader that does not read is
 * given up, and nobody waits for one. What is told is for `live_json` and `live_page`.
 */
import type { ApiOptions } from "./api.ts";
import type { Body, Piece } from "./body.ts";
import type { Clock } from "./clock.ts";
import type { Channel } from "./live_channel.ts";
import { chunkOf, commentText, retryText } from "./live_event.ts";
import { createJsonChannel } from "./live_json.ts";
import { createExperimentChannel, createListChannel } from "./live_page.ts";
import { Reader } from "./live_reader.ts";
import { Outgoing, type Taking } from "./outgoing.ts";
import { readQuery } from "./page_query.ts";
import type { Snapshot } from "./snapshot.ts";

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

export function createLive(ports: LivePorts, options: ApiOptions): Live {
  return new Streams(ports, options);
}

interface Audience {
  readonly channel: Channel;
  readonly readers: Set<Reader>;
}

class Streams implements Live {
  readonly #ports: LivePorts;
  readonly #options: ApiOptions;
  /** Only those that have readers, by what they were asked for. */
  readonly #audiences = new Map<string, Audience>();
  readonly #outgoing: Outgoing;
  #snapshot: Snapshot | null = null;
  #commentMs = 0;
  #isOver = false;
  #dropped = 0;
  #joined = () => {};

  constructor(ports: LivePorts, options: ApiOptions) {
    this.#ports = ports;
    this.#options = options;
    const steadyMs = () => ports.clock.steadyMs();
    this.#outgoing = new Outgoing({ steadyMs, cut() {}, full() {} }); // they are counted as all that are given up
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
    if (this.#audiences.size === 0) this.#commentMs = this.#ports.clock.steadyMs();
    const { key, create } = asked(params, this.#options);
    const audience = this.#audiences.get(key) ?? { channel: create(snapshot, nowMs), readers: new Set() };
    const first = audience.channel.first(snapshot, nowMs, params.get("revision"));

    const reader = new Reader(() => this.#leave(key, reader));
    audience.readers.add(reader);
    this.#audiences.set(key, audience);
    if (first instanceof Promise) this.#begin(key, reader, first);
    else for (const piece of [retryChunk, first]) reader.push(piece);
    this.#joined();
    return new Response(reader.body, { headers });
  }

  /** The body goes out when it is made. Where there is no room for it the stream ends, and the client comes again. */
  #begin(key: string, reader: Reader, making: Promise<Body>): void {
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
    const steadyMs = this.#ports.clock.steadyMs();
    if (steadyMs - this.#commentMs < commentEveryMs) return;
    this.#commentMs = steadyMs;
    for (const [key, { readers }] of this.#audiences) this.#share(key, readers, commentChunk);
  }

  #share(key: string, readers: ReadonlySet<Reader>, piece: Piece): void {
    for (const reader of readers) if (!reader.push(piece)) this.#giveUp(key, reader);
  }

  #giveUp(key: string, reader: Reader): void {
    this.#dropped++;
    reader.end();
    this.#leave(key, reader);
  }

  #leave(key: string, reader: Reader): void {
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

  #all(): readonly Reader[] {
    return [...this.#audiences.values()].flatMap(({ readers }) => [...readers]);
  }
}

const retryChunk = chunkOf([retryText(retryMs)]);
const commentChunk = chunkOf([commentText]);

function* begins({ next }: Taking): Generator<Piece> {
  yield retryChunk;
  for (let piece = next(); piece; piece = next()) yield piece;
}

/** Which channel is asked for, and how it is made. */
function asked(params: URLSearchParams, options: ApiOptions) {
  const { window } = readQuery(params);
  const name = params.get("experiment");
  const page = params.get("page");
  if (page === "list") {
    const create = (snapshot: Snapshot, nowMs: number) => createListChannel(snapshot, nowMs, window);
    return { key: `list ${window}`, create };
  }
  if (page === "experiment" && name !== null) {
    const create = (snapshot: Snapshot, nowMs: number) => createExperimentChannel(snapshot, nowMs, { name, window });
    return { key: `experiment ${window} ${name}`, create };
  }
  return { key: "json", create: (snapshot: Snapshot, nowMs: number) => createJsonChannel(snapshot, nowMs, options) };
}
