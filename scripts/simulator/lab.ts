/**
 * The simulated experiments: who is connected to jump and relay, and when each stream last sent something. This is the truth of
 * the simulated world; `feed` writes it as jump and relay do, `book` holds the manifest.
 */
import type { Board } from "./board.ts";

/** One connection that an experiment keeps to relay for a stream. */
export interface Sender {
  readonly connectedMs: number;
  speech: Speech;
}

export type Speech =
  | { readonly kind: "talking" }
  | { readonly kind: "silent"; readonly sinceMs: number }
  /** Connected, and never sent a byte. */
  | { readonly kind: "never" };

export class Stream {
  /** As relay knows it, e.g. `pend00-st-data`. */
  readonly topic: string;
  readonly senders: Sender[] = [];
  /** When each user who watches the stream connected; users don't make a stream present. */
  readonly userMs: number[] = [];
  readonly #board: Board;

  constructor(topic: string, board: Board) {
    this.topic = topic;
    this.#board = board;
  }

  /** It stays connected and sends no more; `idleMs`: how long ago it last did. */
  stall(idleMs = 0): void {
    const sinceMs = this.#board.clock.nowMs() - idleMs;
    for (const sender of this.senders) sender.speech = { kind: "silent", sinceMs };
    this.#board.happened("lab", `${this.topic} falls silent, still connected`);
  }

  /** It sends again. */
  resume(): void {
    for (const sender of this.senders) sender.speech = { kind: "talking" };
    this.#board.happened("lab", `${this.topic} talks again`);
  }

  /** All its connections go, so it leaves relay's reports. Its users stay. */
  vanish(): void {
    this.senders.length = 0;
    this.#board.happened("lab", `${this.topic} disconnects`);
  }

  /** It is connected, by one new connection alone, and sends; or, `never`, has not sent a byte. */
  appear(speech: "talking" | "never" = "talking"): void {
    this.senders.splice(0, Infinity, { connectedMs: this.#board.clock.nowMs(), speech: { kind: speech } });
    this.#board.happened("lab", `${this.topic} connects${speech === "never" ? ", and sends nothing" : ""}`);
  }

  /** A further connection that sends, beside those there are, whatever they do. */
  double(): void {
    this.senders.push({ connectedMs: this.#board.clock.nowMs(), speech: { kind: "talking" } });
    this.#board.happened("lab", `${this.topic} connects once more`);
  }

  /** So many users watch it from now on. */
  users(count: number): void {
    this.userMs.splice(0, Infinity, ...Array<number>(count).fill(this.#board.clock.nowMs()));
    this.#board.happened("lab", `${count} users watch ${this.topic}`);
  }
}

/** An experiment's connection to jump. */
export class Host {
  readonly name: string;
  connection: { readonly connectedMs: number } | null = null;
  /** When each user who is logged in at the experiment connected. */
  readonly userMs: number[] = [];
  readonly #board: Board;

  constructor(name: string, board: Board) {
    this.name = name;
    this.#board = board;
  }

  pull(): void {
    this.connection = null;
    this.#board.happened("lab", `${this.name} leaves jump`);
  }

  plug(): void {
    this.connection = { connectedMs: this.#board.clock.nowMs() };
    this.#board.happened("lab", `${this.name} connects to jump`);
  }

  users(count: number): void {
    this.userMs.splice(0, Infinity, ...Array<number>(count).fill(this.#board.clock.nowMs()));
    this.#board.happened("lab", `${count} users at ${this.name}`);
  }
}

export class Lab {
  readonly hosts = new Map<string, Host>();
  /** By topic. */
  readonly streams = new Map<string, Stream>();
  readonly #board: Board;

  constructor(board: Board) {
    this.#board = board;
  }

  /** An experiment whose host and streams (`st-data`, …) are connected and well. */
  add(name: string, streams: readonly string[]): void {
    const connectedMs = this.#board.clock.nowMs();
    const host = new Host(name, this.#board);
    host.connection = { connectedMs };
    this.hosts.set(name, host);
    for (const each of streams) {
      const stream = new Stream(`${name}-${each}`, this.#board);
      stream.senders.push({ connectedMs, speech: { kind: "talking" } });
      this.streams.set(stream.topic, stream);
    }
    this.#board.happened("lab", `${name} is there, with ${streams.join(", ") || "no streams"}`);
  }

  /** The experiment is taken apart: host and streams are gone for good. */
  remove(name: string): void {
    this.hosts.delete(name);
    for (const topic of this.streams.keys()) if (topic.startsWith(`${name}-st-`)) this.streams.delete(topic);
    this.#board.happened("lab", `${name} is gone`);
  }
}
