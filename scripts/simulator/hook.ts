/**
 * The stand-in for whoever is told by webhook: it keeps every message that is posted to it, looks at its signature, and fails
 * as receivers do. Where it is, and what it was told to sign with, a monitor has from `World.env`.
 */
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { messageSchema, type WebhookJson } from "../../src/api_schema.ts";
import type { Board } from "./board.ts";
import { type Certificates, modeWords } from "./fault.ts";
import { type Answer, type Asked, HttpServer, json } from "./http.ts";

/** A message that came whole, whatever became of it. */
export interface Posted {
  readonly atMs: number;
  /** As they came. */
  readonly body: string;
  readonly headers: Headers;
  /** `Idempotency-Key` without its quotes; empty without one. */
  readonly key: string;
  /** Whether the signature is right. */
  readonly signed: boolean;
  /** What the body says; null where it is no message. */
  readonly message: WebhookJson | null;
  /** Whether it was taken, told so or not. */
  readonly taken: boolean;
  /** What was answered; null for nothing. */
  readonly status: number | null;
}

export type HookMode =
  | { readonly kind: "up" | "down" }
  /** Every message is answered so, redirects and `Retry-After` included. */
  | {
    readonly kind: "answer";
    readonly status: number;
    readonly headers: Record<string, string>;
    readonly body: string;
  }
  | HookFault;

/** `hang`: messages are read, and never answered. `slow`: answers go out a byte a second. `cut`: nobody is let in. */
export const hookFault = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("hang") }),
  z.object({ kind: z.literal("slow") }),
  z.object({ kind: z.literal("cut"), at: z.literal("accept") }),
]);
export type HookFault = z.infer<typeof hookFault>;

const postsMax = 1_000;
/** Where messages go: both ends of it are keys that nobody may be shown. */
export const hookPath = "/hook/made-up-path-key";
export const hookQuery = "?token=made-up-query-key";

export class Hook {
  /** Oldest first. */
  readonly posts: Posted[] = [];
  readonly secret: string;
  readonly #board: Board;
  readonly #certificates: Certificates | null;
  readonly #http: HttpServer = new HttpServer((asked) => this.#take(asked));
  #port = 0;
  #mode: HookMode = { kind: "down" };
  #dropNext = false;

  /** With `certificates` it speaks TLS. */
  constructor(secret: string, board: Board, certificates: Certificates | null = null) {
    this.secret = secret;
    this.#board = board;
    this.#certificates = certificates;
  }

  /** The whole address, keys and all. */
  get url(): string {
    return `${this.#certificates === null ? "http" : "https"}://${this.host}${hookPath}${hookQuery}`;
  }

  /** `127.0.0.1:PORT`. */
  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get mode(): HookMode {
    return this.#mode;
  }

  /** The messages that were taken, oldest first; a repeat is in it again. */
  get taken(): readonly Posted[] {
    return this.posts.filter(({ taken }) => taken);
  }

  /** Listens, on `port` at first and then on the one it had; whatever failed is well again. */
  async start(port = this.#port): Promise<void> {
    await this.#http.stop();
    this.#http.fault = null;
    this.#dropNext = false;
    this.#port = this.#http.listen(port, this.#certificates?.good);
    this.#become({ kind: "up" }, "runs");
  }

  /** Connections are refused. */
  async stop(): Promise<void> {
    if (this.#mode.kind === "down") return;
    await this.#http.stop();
    this.#become({ kind: "down" }, "is stopped");
  }

  /** From now on, until `start`, every message is answered so. */
  answer(status: number, { headers = {}, body = "" }: { headers?: Record<string, string>; body?: string } = {}): void {
    this.#become({ kind: "answer", status, headers, body }, `answers ${status}`);
  }

  /** Has `fault` from now on, until `start`. */
  fail(fault: HookFault): void {
    this.#become(fault, modeWords(fault));
    this.#http.fault = fault;
    this.#http.drop();
  }

  /** The next message is taken, and the connection ended instead of saying so. */
  dropNext(): void {
    this.#dropNext = true;
    this.#board.happened("hook", "the webhook will take the next message and not say so");
  }

  #take(asked: Asked): Answer {
    if (asked.method !== "POST" || asked.target !== hookPath + hookQuery) {
      return json(404, `Cannot POST ${asked.target}`);
    }
    const mode = this.#mode;
    const answered = mode.kind === "answer" ? mode : { status: 204, headers: {}, body: "" };
    const isDropped = this.#dropNext;
    const status = isDropped || mode.kind === "hang" ? null : answered.status;
    this.#dropNext = false;
    this.#keep(asked, { taken: isDropped || (status !== null && status < 300), status });
    if (status === null) return { kind: isDropped ? "drop" : "hang" };
    return json(status, answered.body, { "content-type": "text/plain", ...answered.headers });
  }

  #keep({ body, headers }: Asked, fate: Pick<Posted, "taken" | "status">): void {
    const key = /^"(.*)"$/.exec(headers.get("idempotency-key") ?? "")?.[1] ?? "";
    const signed = isSigned(body, headers.get("x-status-signature") ?? "", this.secret);
    const message = parsed(body);
    this.posts.push({ atMs: this.#board.clock.nowMs(), body, headers, key, signed, message, ...fate });
    if (this.posts.length > postsMax) this.posts.shift();
    const what = message === null ? "no message" : `${message.events.length} events, ${message.alerts.length} alerts`;
    const became = fate.taken ? "" : fate.status === null ? ", and gets no answer" : `, and gets ${fate.status}`;
    this.#board.happened("hook", `a message arrives: ${what}${signed ? "" : ", wrongly signed"}${became}`);
  }

  #become(mode: HookMode, words: string): void {
    this.#mode = mode;
    this.#board.happened("hook", `the webhook ${words}`);
  }
}

function isSigned(body: string, given: string, secret: string): boolean {
  const right = Buffer.from(`sha256=${createHmac("sha256", secret).update(body).digest("hex")}`);
  const told = Buffer.from(given);
  return told.length === right.length && timingSafeEqual(told, right);
}

function parsed(body: string): WebhookJson | null {
  try {
    return messageSchema.parse(JSON.parse(body));
  } catch {
    return null;
  }
}
