/**
 * The streams of the stand-in relay, as whoever listens to one has them: messages while the stream sends, none while it does
 * not, and the ways in which listening fails. Who is let in is `world_access`'s. It counts who asked for what, and when.
 */
import { z } from "zod";
import { type Board, every } from "./board.ts";
import { type Answer, type Bytes, json } from "./http.ts";
import type { Lab } from "./lab.ts";
import { binaryFrame, ServerSocket, sitSilent, textFrame } from "./socket.ts";
import type { Grant } from "./token.ts";

/**
 * `refuse`, `hang`: of access. `drop`: the socket opens, and ends before a message. `deaf`: the stream comes, and no close
 * frame is answered. `mute`: the socket is open, and that is all, whatever the stream does.
 */
export const sessionFault = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("refuse"), status: z.int(), body: z.string() }),
  z.object({ kind: z.enum(["hang", "drop", "deaf", "mute"]) }),
]);
export type SessionFault = z.infer<typeof sessionFault>;

/** A request for access to a stream, granted or not. */
export interface Asking {
  readonly topic: string;
  readonly atMs: number;
}

// As the entries of relay's reports have it.
const messageEveryMs = 100;
const messageBytes = 1_200;
const dropAfterMs = 50;
// A world that runs for days must not grow.
const askingsMax = 100_000;

export class Sessions {
  /** Oldest first. */
  readonly askings: Asking[] = [];
  /** Sockets that are open now, and the most that ever were at a time. */
  open = 0;
  most = 0;
  readonly #lab: Lab;
  readonly #board: Board;
  readonly #faults = new Map<string, SessionFault>();
  #fault: SessionFault | null = null;
  #silenced = new AbortController();

  constructor(lab: Lab, board: Board) {
    this.#lab = lab;
    this.#board = board;
  }

  /** `fault` from now on, null for none: of `topic`, or of all that have none of their own. Open sockets stay. */
  fail(fault: SessionFault | null, topic?: string): void {
    if (topic === undefined) this.#fault = fault;
    else if (fault === null) this.#faults.delete(topic);
    else this.#faults.set(topic, fault);
    this.#board.happened(
      "relay",
      `listening to ${topic ?? "streams"} ${fault === null ? "works" : `fails: ${fault.kind}`}`,
    );
  }

  /** Nothing more is sent on the sockets that are open. */
  silence(): void {
    this.#silenced.abort();
    this.#silenced = new AbortController();
  }

  /** What is answered to who asks for access to `topic`; `admit` is what a relay that is well answers. */
  answer(topic: string, admit: () => Answer): Answer {
    this.askings.push({ topic, atMs: this.#board.clock.nowMs() });
    if (this.askings.length > askingsMax) this.askings.shift();
    const fault = this.#faultOf(topic);
    if (fault?.kind === "refuse") return json(fault.status, fault.body);
    return fault?.kind === "hang" ? { kind: "hang" } : admit();
  }

  /** Serves one socket, until either side ends it. */
  async serve(bytes: Bytes, grant: Grant, pingEveryMs: number): Promise<void> {
    this.most = Math.max(this.most, ++this.open);
    const ended = new AbortController();
    try {
      const over = AbortSignal.any([ended.signal, this.#silenced.signal]);
      await this.#play(bytes, grant, { pingEveryMs, over });
    } finally {
      this.open--;
      ended.abort();
    }
  }

  async #play(
    bytes: Bytes,
    { topic, expiresMs }: Grant,
    { pingEveryMs, over }: { pingEveryMs: number; over: AbortSignal },
  ): Promise<void> {
    const { clock } = this.#board;
    const kind = this.#faultOf(topic)?.kind;
    if (kind === "mute") return await sitSilent(bytes);
    if (kind === "deaf") {
      const send = () =>
        void bytes.write(this.#message(topic)).catch(() => {/* it has ended, which the reader sees */});
      every(messageEveryMs, clock, over, send);
      return await sitSilent(bytes);
    }
    const socket: ServerSocket = new ServerSocket(bytes, { glues: false, pingEveryMs, expiresMs }, clock, () => {});
    if (kind === "drop") every(dropAfterMs, clock, over, () => socket.drop());
    else every(messageEveryMs, clock, over, () => socket.spoil({ bytes: this.#message(topic), ends: false }));
    await socket.run();
  }

  /** A frame of the stream; nothing while none of its connections sends. */
  #message(topic: string): Uint8Array {
    const isTalking = this.#lab.streams.get(topic)?.senders.some(({ speech }) => speech.kind === "talking");
    if (!isTalking) return new Uint8Array(0);
    return topic.includes("video")
      ? binaryFrame(new Uint8Array(messageBytes))
      : textFrame(JSON.stringify({ at: this.#board.clock.nowMs(), value: Math.random() }));
  }

  #faultOf(topic: string): SessionFault | null {
    return this.#faults.get(topic) ?? this.#fault;
  }
}
