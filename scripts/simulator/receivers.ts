/**
 * Simulated receivers: a mail server (a real SMTP conversation, mails parsed and kept) and a webhook receiver (messages kept,
 * signatures checked), with the faults of each stage.
 */
import { simpleParser } from "mailparser";
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import {
  SMTPServer,
  type SMTPServerAuthentication,
  type SMTPServerDataStream,
  type SMTPServerSession,
} from "smtp-server";
import { messageSchema, type WebhookJson } from "../../src/api_schema.ts";
import type { Board } from "./board.ts";
import {
  type Certificate,
  type Certificates,
  type HookFault,
  type MailFault,
  modeWords,
  type SmtpStage,
} from "./fault.ts";
import { type Answer, type Asked, HttpServer, json } from "./http.ts";
import { portsToTry, RawServer } from "./wire.ts";

export interface ReceivedMail {
  readonly atMs: number;
  readonly subject: string;
  readonly text: string;
  /** Empty without an HTML part. */
  readonly html: string;
  readonly messageId: string;
  /** By lower-case name, each as it came, folded lines joined. */
  readonly headers: ReadonlyMap<string, string>;
  readonly raw: string;
  /** What the client called itself in EHLO, and the envelope. */
  readonly ehlo: string;
  readonly envelopeFrom: string;
  readonly envelopeTo: readonly string[];
  /** False for one that was taken but whose client was never told so. */
  readonly answered: boolean;
}

export type MailboxMode = { readonly kind: "up" | "down" } | MailFault;

export interface SmtpAuth {
  readonly user: string;
  readonly password: string;
}

type Callback = (error?: Error | null) => void;

const mailsMax = 1_000;
// smtp-server waits 100 ms before it greets, by a timer that outlives the connection.
const greetingMs = 150;

export class Mailbox {
  /** Oldest first. */
  readonly mails: ReceivedMail[] = [];
  readonly #auth: SmtpAuth | null;
  readonly #board: Board;
  readonly #sockets = new Set<Socket>();
  readonly #certificates: Certificates | null;
  #server: SMTPServer | null = null;
  /** In the server's place, for a fault that no mail server has a word for. */
  #raw: RawServer | null = null;
  #port = 0;
  #mode: MailboxMode = { kind: "down" };
  #dropNext = false;
  /** When the newest connection will have been greeted, so that nothing of it is left. */
  #greetedMs = 0;

  /** With `certificates` it speaks TLS from the first byte. */
  constructor(auth: SmtpAuth | null, board: Board, certificates: Certificates | null = null) {
    this.#certificates = certificates;
    this.#auth = auth;
    this.#board = board;
  }

  get port(): number {
    return this.#port;
  }

  get mode(): MailboxMode {
    return this.#mode;
  }

  /** Listens, on `port` at first and then on the one it had; a server that refused or hung is well again. */
  async start(port = this.#port): Promise<void> {
    this.#dropNext = false;
    if (this.#mode.kind === "up") return;
    await this.#end();
    this.#port = await this.#listen(port, this.#certificates?.good);
    this.#become({ kind: "up" }, "the mail server runs");
  }

  /** Conversations end, connections are refused. */
  async stop(): Promise<void> {
    await this.#end();
    this.#become({ kind: "down" }, "the mail server is stopped");
  }

  /** From now on, until `start`, this stage of every conversation is answered with `code` and `text`. */
  refuse(stage: SmtpStage, code: number, text: string): void {
    this.#become({ kind: "refuse", stage, code, text }, `the mail server answers ${stage} with ${code} ${text}`);
  }

  /** From now on, until `start`, this stage of a conversation is never answered. */
  hang(stage: SmtpStage): void {
    this.#become({ kind: "hang", stage }, `the mail server hangs at ${stage}`);
  }

  /** Has `fault` from now on, until `start`. */
  async fail(fault: MailFault): Promise<void> {
    const isOfAServer = fault.kind === "refuse" || fault.kind === "hang" ||
      (fault.kind === "cut" && (fault.at === "message" || fault.at === "answer"));
    if (!isOfAServer) {
      await this.#end();
      if (fault.kind === "certificate") await this.#listen(this.#port, this.#certificates?.[fault.which]);
      else this.#raw = new RawServer(this.#port, fault, this.#certificates?.good ?? null);
    }
    this.#become(fault, `the mail server ${modeWords(fault)}`);
  }

  /** The next message is taken, and the connection ended instead of saying so. */
  dropAfterData(): void {
    this.#dropNext = true;
    this.#board.happened("mail", "the mail server will take the next message and not say so");
  }

  async #listen(port: number, certificate: Certificate | undefined): Promise<number> {
    for (const each of port === 0 ? portsToTry() : [port]) {
      const server = this.#make(certificate);
      const fault = await new Promise<Error | null>((resolve) => {
        server.on("error", resolve);
        server.listen(each, "127.0.0.1", () => resolve(null));
      });
      if (fault === null) {
        this.#server = server;
        return each;
      }
      if (port !== 0) throw fault;
    }
    throw new Error("Cannot start a mail server on 127.0.0.1: no port of its slice is free");
  }

  #make(certificate: Certificate | undefined): SMTPServer {
    const auth = this.#auth;
    const server = new SMTPServer({
      ...(certificate === undefined ? {} : { secure: true, ...certificate }),
      logger: false,
      disableReverseLookup: true,
      disabledCommands: auth === null ? ["STARTTLS", "AUTH"] : ["STARTTLS"],
      authMethods: ["PLAIN", "LOGIN", "CRAM-MD5"],
      allowInsecureAuth: true,
      authOptional: auth === null,
      onConnect: (_session, callback) => this.#at("CONNECT", callback),
      onAuth: (given, _session, callback) => this.#at("AUTH", (error) => this.#login(given, error, callback)),
      onMailFrom: (_address, _session, callback) => this.#at("MAIL", callback),
      onRcptTo: (_address, _session, callback) => this.#at("RCPT", callback),
      onData: (stream, session, callback) => void this.#take(stream, session, callback),
    });
    server.server.on("connection", (socket: Socket) => {
      this.#greetedMs = this.#board.clock.nowMs() + greetingMs;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    return server;
  }

  /** Answers a stage as the mode has it; a stage that hangs is never answered. */
  #at(stage: SmtpStage, callback: Callback): void {
    const mode = this.#mode;
    if (mode.kind === "hang" && mode.stage === stage) return;
    if (mode.kind !== "refuse" || mode.stage !== stage) return callback();
    callback(Object.assign(new Error(mode.text), { responseCode: mode.code }));
  }

  #login(
    given: SMTPServerAuthentication,
    error: Error | null | undefined,
    callback: (error: Error | null, response?: { user?: string; message?: string }) => void,
  ): void {
    if (error) return callback(error);
    const known = this.#auth !== null && given.username === this.#auth.user &&
      (given.method === "CRAM-MD5"
        ? given.validatePassword(this.#auth.password)
        : given.password === this.#auth.password);
    callback(null, known ? { user: this.#auth.user } : { message: "Username and Password not accepted" });
  }

  async #take(stream: SMTPServerDataStream, session: SMTPServerSession, callback: Callback): Promise<void> {
    const chunks: Uint8Array[] = [];
    const mode = this.#mode;
    try {
      for await (const chunk of stream) {
        chunks.push(chunk);
        if (mode.kind === "cut" && mode.at === "message") return this.#cut(session);
      }
    } catch {
      return; // the client went midway: nothing arrived
    }
    if ("stage" in mode && mode.stage === "DATA") return this.#at("DATA", callback);
    const answered = !this.#dropNext && mode.kind !== "cut";
    this.#dropNext = false;
    await this.#keep(Buffer.concat(chunks), session, answered);
    if (answered) callback();
    else this.#cut(session);
  }

  #cut(session: SMTPServerSession): void {
    for (const socket of this.#sockets) if (socket.remotePort === session.remotePort) socket.destroy();
  }

  async #keep(raw: Buffer, session: SMTPServerSession, answered: boolean): Promise<void> {
    const parsed = await simpleParser(raw);
    const headers = parsed.headerLines.map(({ key, line }) =>
      [key, line.slice(line.indexOf(":") + 1).replace(/\r?\n\s+/g, " ").trim()] as const
    );
    const { mailFrom, rcptTo } = session.envelope;
    this.mails.push({
      atMs: this.#board.clock.nowMs(),
      subject: parsed.subject ?? "",
      text: parsed.text ?? "",
      html: parsed.html || "",
      messageId: parsed.messageId ?? "",
      headers: new Map(headers),
      raw: raw.toString(),
      ehlo: session.hostNameAppearsAs,
      envelopeFrom: mailFrom === false ? "" : mailFrom.address,
      envelopeTo: rcptTo.map(({ address }) => address),
      answered,
    });
    if (this.mails.length > mailsMax) this.mails.shift();
    this.#board.happened("mail", `a mail arrives: ${parsed.subject ?? "(no subject)"}`);
  }

  async #end(): Promise<void> {
    const [server, raw] = [this.#server, this.#raw];
    this.#server = this.#raw = null;
    await raw?.stop();
    if (server === null) return;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(resolve));
    await this.#board.clock.wait(this.#greetedMs - this.#board.clock.nowMs(), new AbortController().signal);
  }

  #become(mode: MailboxMode, text: string): void {
    this.#mode = mode;
    this.#board.happened("mail", text);
  }
}

// The webhook receiver. Its address and secret are in `World.env`.

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
