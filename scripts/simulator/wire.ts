/**
 * Sockets and ports of the simulator: a port with a broken mail server, the server's end of a WebSocket that can misbehave, free
 * ports that stay free while a service is stopped, and the paths of the proxy in front.
 */
import type { Clock } from "../../src/clock.ts";
import { every, sleepUntil } from "./board.ts";
import { type Certificate, garbageBytes, garbagePage, type MailFault } from "./fault.ts";
import { type Answer, type Asked, Bytes, json } from "./http.ts";

/**
 * A port with a broken mail server: slow, cut off, or not SMTP at all. Input is read and ignored. With TLS the client sees
 * bytes that are not TLS, as such a port looks; a slow one speaks TLS, or it would be found out at once.
 */
export class RawServer {
  readonly #fault: MailFault;
  readonly #listener: TcpListener;
  readonly #open = new Set<Bytes>();
  readonly #tasks = new Set<Promise<void>>();

  /** Listens on 127.0.0.1 at `port`. Throws when it is taken. `certificate`: null where it is to speak no TLS. */
  constructor(port: number, fault: MailFault, certificate: Certificate | null) {
    this.#fault = fault;
    this.#listener = listenAt(port, fault.kind === "slow" ? certificate : null);
    this.#task(this.#accept());
  }

  async stop(): Promise<void> {
    this.#listener.close();
    for (const bytes of this.#open) bytes.close();
    await Promise.all(this.#tasks);
  }

  async #accept(): Promise<void> {
    for (;;) {
      const conn = await this.#listener.accept().catch(() => null); // the listener was closed
      if (conn === null) return;
      this.#task(this.#converse(new Bytes(conn, () => this.#fault.kind === "slow")));
    }
  }

  #task(work: Promise<void>): void {
    const task = work.finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }

  async #converse(bytes: Bytes): Promise<void> {
    this.#open.add(bytes);
    const greeting = greetingOf(this.#fault);
    if (greeting.length > 0) await bytes.write(greeting).catch(() => {/* it has gone, as the next read sees */});
    if (this.#fault.kind !== "cut") { while (await bytes.take(1) !== null); }
    this.#open.delete(bytes);
    bytes.close();
  }
}

function greetingOf(fault: MailFault): Uint8Array {
  if (fault.kind === "garbage" && fault.what === "bytes") return garbageBytes;
  if (fault.kind === "garbage") return new TextEncoder().encode(garbagePage);
  const greeting = "220 mail.lab.example.org ESMTP\r\n";
  if (fault.kind !== "cut") return new TextEncoder().encode(greeting);
  return new TextEncoder().encode(fault.at === "accept" ? "" : greeting.slice(0, 10));
}

// WebSocket, server side, by hand: it can stay open and silent, ignore a close frame, and end without one.

export interface SocketHabits {
  /** Several documents that wait are written into one frame with nothing between them, as relay does. */
  readonly glues: boolean;
  readonly pingEveryMs: number;
  /** When the connection is dropped, as at its token's `exp`. */
  readonly expiresMs: number;
}

// gorilla's usual ratio, which the services have: pings every 54 s, a pong within 60 s.
const pongWithinPings = 60 / 54;
// A client that reads nothing must not fill the world's memory.
const backlogMax = 1_000;
const opcode = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Upgrades, whatever then becomes of the socket: `live` runs until it ends. 400 for what is no WebSocket request. */
export async function upgrade(asked: Asked, live: (bytes: Bytes) => Promise<void>): Promise<Answer> {
  const key = asked.headers.get("sec-websocket-key");
  if (asked.method !== "GET" || key === null) return json(400, "Bad Request\n", { "content-type": "text/plain" });
  const salted = new TextEncoder().encode(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", salted));
  const accept = btoa(String.fromCharCode(...digest));
  const head = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    `Sec-WebSocket-Accept: ${accept}\r\n\r\n`;
  return {
    kind: "upgrade",
    async take(bytes) {
      await bytes.write(new TextEncoder().encode(head)).catch(() => {/* gone already: `live` sees the end at once */});
      await live(bytes);
    },
  };
}

export class ServerSocket {
  readonly #bytes: Bytes;
  readonly #habits: SocketHabits;
  readonly #clock: Clock;
  readonly #onText: (text: string) => void;
  readonly #backlog: string[] = [];
  readonly #ended = new AbortController();
  #writes: Promise<void> = Promise.resolve();
  #silent = false;
  #pongMs: number;

  constructor(bytes: Bytes, habits: SocketHabits, clock: Clock, onText: (text: string) => void) {
    this.#bytes = bytes;
    this.#habits = habits;
    this.#clock = clock;
    this.#onText = onText;
    this.#pongMs = clock.nowMs();
  }

  /** Serves the socket until either side ends it. */
  async run(): Promise<void> {
    const timers = [this.#pinging(), this.#dropWithoutPong(), this.#dropAtExpiry()];
    await this.#reading();
    this.drop();
    await Promise.all([...timers, this.#writes]);
  }

  send(document: string): void {
    if (this.#silent) return;
    this.#backlog.push(document);
    if (this.#backlog.length > backlogMax) this.drop();
    this.#write(() => {
      const text = this.#habits.glues ? this.#backlog.splice(0).join("") : this.#backlog.shift() ?? "";
      return text === "" ? new Uint8Array(0) : textFrame(text);
    });
  }

  /** Sends `bytes` as they are, whole frames or not; and then, with `ends`, nothing more. */
  spoil({ bytes, ends }: { bytes: Uint8Array; ends: boolean }): void {
    if (this.#silent) return;
    this.#write(() => bytes);
    if (ends) this.#writes = this.#writes.then(() => this.drop());
  }

  /** From now on nothing is sent, no ping answered, no close: the socket is open, and that is all. */
  silence(): void {
    this.#silent = true;
  }

  /** Ends the connection without a close frame: the client sees code 1006. */
  drop(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#bytes.close();
  }

  #write(make: () => Uint8Array): void {
    this.#writes = this.#writes.then(() => this.#bytes.write(make())).catch(
      () => {/* it has ended, which the reader sees */},
    );
  }

  async #reading(): Promise<void> {
    let text = "";
    for (;;) {
      const got = await readFrame(this.#bytes);
      if (got === null) return;
      if (this.#silent) continue;
      if (got.opcode === opcode.close) {
        this.#write(() => frame(opcode.close, got.payload));
        return await this.#writes;
      }
      if (got.opcode === opcode.ping) this.#write(() => frame(opcode.pong, got.payload));
      else if (got.opcode === opcode.pong) this.#pongMs = this.#clock.nowMs();
      else {
        text += new TextDecoder().decode(got.payload);
        if (got.last) this.#onText(text), text = "";
      }
    }
  }

  #pinging(): Promise<void> {
    return every(this.#habits.pingEveryMs, this.#clock, this.#ended.signal, () => {
      if (!this.#silent) this.#write(() => frame(opcode.ping, new Uint8Array(0)));
    });
  }

  async #dropWithoutPong(): Promise<void> {
    const withinMs = this.#habits.pingEveryMs * pongWithinPings;
    while (await sleepUntil(this.#pongMs + withinMs, this.#clock, this.#ended.signal)) {
      if (this.#silent) return;
      if (this.#clock.nowMs() - this.#pongMs >= withinMs) return this.drop();
    }
  }

  async #dropAtExpiry(): Promise<void> {
    if (await sleepUntil(this.#habits.expiresMs, this.#clock, this.#ended.signal) && !this.#silent) this.drop();
  }
}

export function textFrame(text: string): Uint8Array {
  return frame(opcode.text, new TextEncoder().encode(text));
}

export function binaryFrame(bytes: Uint8Array): Uint8Array {
  return frame(opcode.binary, bytes);
}

/** Reads a socket that says nothing, whatever comes, until its client ends the connection. */
export async function sitSilent(bytes: Bytes): Promise<void> {
  while (await bytes.take(1) !== null);
}

interface Frame {
  readonly opcode: number;
  readonly last: boolean;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** One frame of a client, unmasked; null when the connection ends. */
async function readFrame(bytes: Bytes): Promise<Frame | null> {
  const start = await bytes.take(2);
  if (start === null) return null;
  const [first = 0, second = 0] = start;
  const short = second & 0x7f;
  const wide = short < 126 ? new Uint8Array(0) : await bytes.take(short === 126 ? 2 : 8);
  if (wide === null) return null;
  const length = short < 126 ? short : wide.reduce((sum, byte) => sum * 256 + byte, 0);
  const mask = await bytes.take(4);
  const payload = await bytes.take(length);
  if (mask === null || payload === null) return null;
  return {
    opcode: first & 0x0f,
    last: (first & 0x80) !== 0,
    payload: payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0)),
  };
}

/** One whole frame of a server: unmasked. */
function frame(code: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const head = new DataView(new ArrayBuffer(length < 126 ? 2 : length < 65_536 ? 4 : 10));
  head.setUint8(0, 0x80 | code);
  if (length < 126) head.setUint8(1, length);
  else if (length < 65_536) head.setUint8(1, 126), head.setUint16(2, length);
  else head.setUint8(1, 127), head.setBigUint64(2, BigInt(length));
  const all = new Uint8Array(head.byteLength + length);
  all.set(new Uint8Array(head.buffer));
  all.set(payload, head.byteLength);
  return all;
}

// Ports on 127.0.0.1.

/** With TLS or without. */
export type TcpListener = Deno.Listener<Deno.Conn<Deno.NetAddr>> & { readonly addr: Deno.NetAddr };

/*
 * Every process, and every worker of `deno test --parallel`, draws its ports from a slice of its own: a service that is
 * stopped finds its port free when it starts again, and a port that was found free is still free when it is used. All
 * slices are below the ports that the system gives to clients and to listeners that ask for none.
 */
const sliceSize = 100;
const firstPort = 20_000;
const slices = 120;

/** The first port of this module instance's slice. Listened at until it ends, which is what keeps others out of the slice. */
const sliceStart = claimSlice();
let drawn = 0;

function claimSlice(): number {
  const first = Math.floor(Math.random() * slices);
  for (let tried = 0; tried < slices; tried++) {
    const start = firstPort + (first + tried) % slices * sliceSize;
    const listener = tryToListen(start);
    if (listener === null) continue;
    listener.unref();
    return start;
  }
  throw new Error(`Cannot claim a slice of ports on 127.0.0.1: all ${slices} from ${firstPort} on are in use`);
}

/** All ports of the slice once, those first that were drawn longest ago. */
export function* portsToTry(): Generator<number> {
  for (let tried = 1; tried < sliceSize; tried++) yield sliceStart + 1 + drawn++ % (sliceSize - 1);
}

/** `preferred` where it is given and nothing listens there, else one of the slice. It is free now, not reserved. */
export function freePort(preferred?: number): number {
  if (preferred !== undefined && isFree(preferred)) return preferred;
  for (const port of portsToTry()) if (isFree(port)) return port;
  throw noPort();
}

function isFree(port: number): boolean {
  const listener = tryToListen(port);
  listener?.close();
  return listener !== null;
}

/** With TLS by a certificate. Throws where the port is taken. */
export function listenAt(port: number, certificate: Certificate | null): TcpListener {
  const place = { hostname: "127.0.0.1", port };
  return certificate === null ? Deno.listen(place) : Deno.listenTls({ ...place, ...certificate });
}

export function listenAnywhere(certificate: Certificate | null = null): TcpListener {
  for (const port of portsToTry()) {
    const listener = tryToListen(port, certificate);
    if (listener !== null) return listener;
  }
  throw noPort();
}

function noPort(): Error {
  return new Error(`Cannot find a free port on 127.0.0.1: all ${sliceSize - 1} from ${sliceStart + 1} on are in use`);
}

/** Null where the port is taken. */
function tryToListen(port: number, certificate: Certificate | null = null): TcpListener | null {
  try {
    return listenAt(port, certificate);
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return null;
    throw error;
  }
}

// The proxy in front: paths lose their base; unknown ones get its own 404.

/** What nginx answers where no service is. */
export const notProxied: Answer = {
  kind: "answer",
  status: 404,
  headers: { "content-type": "text/html" },
  body: "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n" +
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
};

/** The path as the service behind the proxy sees it, slashes put right as it does; null when it is not the service's. */
export function withoutBase(path: string, basePath: string): string | null {
  const base = basePath === "/" ? "" : basePath;
  if (path !== base && !path.startsWith(`${base}/`)) return null;
  const parts = path.slice(base.length).split("/").filter((part) => part !== "");
  return `/${parts.join("/")}`;
}
