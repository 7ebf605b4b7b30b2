/**
 * A small HTTP/1.1 server on a raw socket, for book, jump and relay. It can do what a proper server cannot: close without an
 * answer, never answer, cut or slow an answer byte by byte, and hand the socket to a silent WebSocket. No chunked bodies.
 */
import { systemClock } from "../../src/clock.ts";
import { sleepUntil } from "./board.ts";
import { type Certificate, type HttpFault, slowEveryMs } from "./fault.ts";
import { listenAnywhere, listenAt, type TcpListener } from "./wire.ts";

export interface Asked {
  readonly method: string;
  /** As it came: escaped, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Path and query as they came. */
  readonly target: string;
  readonly headers: Headers;
  readonly body: string;
  /** The peer's address, or what a proxy said it was. */
  readonly from: string;
}

export type Answer =
  | {
    readonly kind: "answer";
    readonly status: number;
    readonly headers: Record<string, string>;
    readonly body: string | Uint8Array;
    /** Only so many bytes of it go out, then the connection ends. */
    readonly cutAt?: "head" | "body";
  }
  /** The connection is closed without an answer. */
  | { readonly kind: "drop" }
  /** Nothing is answered; the connection stays until either side goes. */
  | { readonly kind: "hang" }
  /** The connection is no longer HTTP; it is closed when `take` is done. */
  | { readonly kind: "upgrade"; take(bytes: Bytes): Promise<void> };

export function json(status: number, body: string, headers: Record<string, string> = {}): Answer {
  return { kind: "answer", status, headers: { "content-type": "application/json", ...headers }, body };
}

const headBytesMax = 64 * 1024;
const bodyBytesMax = 1024 * 1024;

/** A connection read through a buffer, since a read may bring more than was asked for. */
export class Bytes {
  readonly #conn: Deno.Conn;
  readonly #isSlow: () => boolean;
  readonly #closed = new AbortController();
  #held = new Uint8Array(0);

  constructor(conn: Deno.Conn, isSlow: () => boolean = () => false) {
    this.#conn = conn;
    this.#isSlow = isSlow;
  }

  /** Exactly `count` bytes; null when the connection ends first. */
  async take(count: number): Promise<Uint8Array<ArrayBuffer> | null> {
    while (this.#held.length < count) if (!await this.#more()) return null;
    return this.#cut(count);
  }

  /** All up to and with the empty line that ends a head; null when the connection ends first or it is too long. */
  async head(): Promise<string | null> {
    for (let seen = 0;;) {
      const end = indexOfEmptyLine(this.#held, seen);
      if (end >= 0) return new TextDecoder().decode(this.#cut(end + 4));
      seen = Math.max(0, this.#held.length - 3);
      if (seen > headBytesMax || !await this.#more()) return null;
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const isSlow = this.#isSlow();
      done += await this.#conn.write(bytes.subarray(done, isSlow ? done + 1 : bytes.length));
      if (isSlow) await sleepUntil(systemClock.nowMs() + slowEveryMs, systemClock, this.#closed.signal);
    }
  }

  /** Ends the connection, if it has not ended. */
  close(): void {
    this.#closed.abort();
    try {
      this.#conn.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // closed before: that is what was wanted
    }
  }

  #cut(count: number): Uint8Array<ArrayBuffer> {
    const cut = this.#held.slice(0, count);
    this.#held = this.#held.slice(count);
    return cut;
  }

  async #more(): Promise<boolean> {
    const chunk = new Uint8Array(16 * 1024);
    const count = await this.#conn.read(chunk).catch(() => null); // closed by us or reset by the peer: it has ended
    if (count === null) return false;
    const joined = new Uint8Array(this.#held.length + count);
    joined.set(this.#held);
    joined.set(chunk.subarray(0, count), this.#held.length);
    this.#held = joined;
    return true;
  }
}

export class HttpServer {
  /** What is wrong with it. Connections are cut off, or slow, by itself; what is answered is for `handle` (`spoilt`). */
  fault: HttpFault | null = null;
  readonly #handle: (asked: Asked) => Answer | Promise<Answer>;
  readonly #connections = new Set<Bytes>();
  readonly #tasks = new Set<Promise<void>>();
  #listener: TcpListener | null = null;

  constructor(handle: (asked: Asked) => Answer | Promise<Answer>) {
    this.#handle = handle;
  }

  /**
   * Listens on 127.0.0.1 at `port`, or at a free one for 0; with TLS by a certificate.
   * Returns the port. Throws when it is taken.
   */
  listen(port: number, certificate: Certificate | null = null): number {
    const listener = port === 0 ? listenAnywhere(certificate) : listenAt(port, certificate);
    this.#listener = listener;
    this.#task(this.#accept(listener));
    return listener.addr.port;
  }

  /** Ends the listener and every connection; resolves when nothing of it is left. */
  async stop(): Promise<void> {
    this.#listener?.close();
    this.#listener = null;
    this.drop();
    await Promise.all(this.#tasks);
  }

  /** Ends every connection, without a word. */
  drop(): void {
    for (const bytes of this.#connections) bytes.close();
  }

  async #accept(listener: TcpListener): Promise<void> {
    while (this.#listener === listener) {
      const conn = await listener.accept().catch(() => null); // the listener was closed
      if (conn === null) return;
      const isUp = this.#listener === listener && !(this.fault?.kind === "cut" && this.fault.at === "accept");
      if (isUp) this.#task(this.#converse(conn));
      else conn.close(); // it came in the moment of the stop, or is cut off
    }
  }

  #task(work: Promise<void>): void {
    const task = work.finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  async #converse(conn: Deno.Conn<Deno.NetAddr>): Promise<void> {
    const bytes = new Bytes(conn, () => this.fault?.kind === "slow");
    this.#connections.add(bytes);
    try {
      while (await this.#answerOne(bytes, conn.remoteAddr.hostname));
    } finally {
      this.#connections.delete(bytes);
      bytes.close();
    }
  }

  /** Answers one request; says whether another may follow on the same connection. */
  async #answerOne(bytes: Bytes, peer: string): Promise<boolean> {
    const asked = await readRequest(bytes, peer);
    if (asked === null) return false;
    const answer = await this.#handle(asked);
    switch (answer.kind) {
      case "answer":
        await bytes.write(encodeAnswer(answer)).catch(() => {/* the client has gone: the next read ends it */});
        return answer.cutAt === undefined && asked.headers.get("connection")?.toLowerCase() !== "close";
      case "drop":
        return false;
      case "hang":
        while (await bytes.take(1) !== null);
        return false;
      case "upgrade":
        await answer.take(bytes);
        return false;
    }
  }
}

async function readRequest(bytes: Bytes, peer: string): Promise<Asked | null> {
  const head = await bytes.head();
  const [first = "", ...lines] = head?.split("\r\n") ?? [];
  const [method, target] = first.split(" ");
  if (!method || !target) return null;
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const length = Number(headers.get("content-length") ?? 0);
  if (!(length <= bodyBytesMax)) return null;
  const body = await bytes.take(length);
  if (body === null) return null;
  const mark = target.indexOf("?");
  const path = mark < 0 ? target : target.slice(0, mark);
  if (!isEscaped(path)) return null;
  return {
    method,
    path,
    query: new URLSearchParams(mark < 0 ? "" : target.slice(mark + 1)),
    target,
    headers,
    body: new TextDecoder().decode(body),
    from: headers.get("x-forwarded-for") ?? peer,
  };
}

function isEscaped(path: string): boolean {
  try {
    return decodeURIComponent(path) !== "";
  } catch {
    return false; // a stray % or no UTF-8: no client of ours sends it
  }
}

function encodeAnswer(answer: Answer & { kind: "answer" }): Uint8Array {
  const body = typeof answer.body === "string" ? new TextEncoder().encode(answer.body) : answer.body;
  const date = new Date(systemClock.nowMs()).toUTCString(); // as every server in Go says it
  const length = { ...answer.headers, "content-length": String(body.length) };
  const headers = { date, ...(answer.status === 204 ? {} : length) };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = new TextEncoder().encode(`HTTP/1.1 ${answer.status} ${answer.status}\r\n${lines.join("")}\r\n`);
  const all = new Uint8Array(head.length + body.length);
  all.set(head);
  all.set(body, head.length);
  if (answer.cutAt === "head") return all.subarray(0, head.length / 2);
  return answer.cutAt === "body" ? all.subarray(0, head.length + body.length / 2) : all;
}

function indexOfEmptyLine(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(13, from); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  }
  return -1;
}
