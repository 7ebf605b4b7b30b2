/**
 * How does a mail get to its server, and what became of it. One connection for each mail: they are rare. When to send, and
 * again, is for `outbox`; the message itself for `smtp_message`; the conversation for `smtp_conversation`; what a failure means
 * for `smtp_failure`.
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import { Readable } from "node:stream";
import tls from "node:tls";
import { domainToASCII } from "node:url";
import type { NodemailerError } from "nodemailer/lib/errors";
import type SMTPConnection from "nodemailer/lib/smtp-connection";
import { yieldToEventLoop } from "./async.ts";
import { sanitize, type ServiceFailure } from "./failure.ts";
import type { MailText } from "./mail_text.ts";
import type { Delivery } from "./notification.ts";
import { isLoopback, type MailAddress, type Secret } from "./setting_types.ts";

// A server that is near takes so much in some milliseconds.
const pausedAfterBytes = 8 * 16_384;

export interface PostOffice {
  /** The whole MIME message, as `smtp_message` makes it. */
  build(mail: Message): Promise<string>;
  /** Hands `raw` to the server. Never rejects; an abort ends it at once. */
  deliver(raw: string, signal: AbortSignal): Promise<Delivery>;
  /** Connects and logs in. Never rejects. */
  verify(signal: AbortSignal): Promise<{ readonly kind: "ok"; readonly encrypted: boolean } | ServiceFailure>;
}

export function createPostOffice(options: SmtpOptions, timeouts: SmtpTimeouts = smtpTimeouts): PostOffice {
  const { host, port, auth } = options;
  const domain = domainOf(options.from);
  const login = auth.type === "none" ? null : { user: auth.user, password: auth.password.reveal() };
  const call = { options, timeouts, login, domain };
  const talk = { server: `${bareHost(host).includes(":") ? `[${bareHost(host)}]` : host}:${port}`, login };
  return {
    build: (mail) => buildMessage({ ...options, domain }, mail),
    deliver: (raw, signal) => deliver(call, talk, raw, signal),
    async verify(signal) {
      try {
        const encrypted = await converse(call, signal, ({ secure }) => Promise.resolve(secure));
        return { kind: "ok", encrypted };
      } catch (error) {
        return troubleAfter(error, { ...talk, handedOver: false, stopped: signal.aborted });
      }
    },
  };
}

async function deliver(
  call: Parameters<typeof converse>[0],
  talk: Pick<Parameters<typeof deliveryAfter>[1], "server" | "login">,
  raw: string,
  signal: AbortSignal,
): Promise<Delivery> {
  const message = Buffer.from(raw);
  const source = Readable.from(wireChunks(message));
  let handedOver = false;
  source.once("end", () => handedOver = true);
  try {
    const envelope = { ...(await envelopeOf(call.options)), size: message.length };
    const info = await converse(call, signal, (connection) => {
      source.once("end", () => connection._socket && connection._socket.setTimeout(call.timeouts.answerMs));
      return called<SMTPConnection.SentMessageInfo>((done) => connection.send(envelope, source, done));
    });
    const rejected = (info.rejectedErrors ?? []).map((error) => withoutSecrets(rejection(error), talk.login));
    return { kind: "taken", answer: sanitize(withoutSecrets(info.response, talk.login)), rejected };
  } catch (error) {
    return deliveryAfter(error, { ...talk, handedOver, stopped: signal.aborted });
  } finally {
    source.destroy();
  }
}

function rejection({ recipient, responseCode, response, message }: NodemailerError): string {
  return `${recipient}: ${responseCode === undefined ? sanitize(message) : quoted(responseCode, response ?? "")}`;
}

/**
 * In pieces, so that a message of which only a part could be written is known not to have arrived; and with pauses, since a
 * server that is near takes some megabytes in one go.
 */
async function* wireChunks(message: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < message.length; at += 16_384) {
    if (at > 0 && at % pausedAfterBytes === 0) await yieldToEventLoop();
    yield message.subarray(at, at + 16_384);
  }
}

function domainOf({ address }: MailAddress): string {
  const domain = address.slice(address.lastIndexOf("@") + 1);
  return domainToASCII(domain) || domain;
}

/*
 * What does a mail look like on the wire: its headers, and text and HTML as MIME (RFC 5322, 2045). What it says is for `mail`,
 * how it gets to its server for `smtp`.
 */

export interface Message {
  /** The same makes the same Message-ID. */
  readonly id: string;
  readonly text: MailText;
  /** Mails of one UTC day, and of one `thread`, are one thread. */
  readonly dateMs: number;
}

/** The whole message. `domain`: of the sender, as mail servers know it. */
export async function buildMessage(
  options: SmtpOptions & { readonly domain: string },
  { id, text: { subject, text, html }, dateMs }: Message,
): Promise<string> {
  const { domain } = options;
  const thread = `<status.${options.thread}.${new Date(dateMs).toISOString().slice(0, 10)}@${domain}>`;
  const node = await compiled(options, {
    subject,
    text: content(text),
    html: content(html),
    messageId: `<status.${id}@${domain}>`,
    inReplyTo: thread,
    references: thread,
    date: new Date(dateMs),
    headers: { "Auto-Submitted": "auto-generated" },
  });
  return (await node.build()).toString();
}

/** From whom it comes and to whom it goes, as the server is told. */
export async function envelopeOf(options: SmtpOptions): Promise<SMTPConnection.Envelope> {
  return (await compiled(options, {})).getEnvelope();
}

async function compiled(options: SmtpOptions, mail: object) {
  const { default: MailComposer } = await import("nodemailer/lib/mail-composer");
  const { from, to, cc } = options;
  const safe = { disableFileAccess: true, disableUrlAccess: true, newline: "win" };
  return new MailComposer({ from, to: [...to], cc: [...cc], ...safe, ...mail }).compile();
}

// Encoding takes a millisecond for 20 KB.
const pieceBytes = 64 * 1024;

/** What is long, as that of a laboratory of which everything has changed, is encoded in pieces, and all else between them. */
function content(text: string) {
  if (text.length <= pieceBytes) return text;
  // As nodemailer chooses for what it is given whole, by the beginning.
  const others = text.slice(0, pieceBytes).match(/[^\0-\x7f]/g)?.length ?? 0;
  return {
    content: Readable.from(contentChunks(Buffer.from(text)), { objectMode: false }),
    contentTransferEncoding: others < pieceBytes / 2 ? "quoted-printable" : "base64",
  };
}

async function* contentChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    await yieldToEventLoop();
    yield bytes.subarray(at, at + pieceBytes);
  }
}

/*
 * What a failed SMTP conversation means for the mail, and the sentence about it for a person: a definite no for now, a no
 * for good, or, after the whole message went out unanswered, nothing that can be known. Pure.
 * The sentence never holds the password, even where a server repeats what it was sent.
 */

/** Where it failed, and what must not be repeated. */
export interface Conversation {
  /** `HOST:PORT`. */
  readonly server: string;
  readonly login: { readonly user: string; readonly password: string } | null;
  /** Whether all of the message had been handed over. */
  readonly handedOver: boolean;
  readonly stopped: boolean;
}

/**
 * What is known of a mail after `error` ended the conversation: a 4xx, or no conversation, defers it, a 5xx refuses it. Only
 * one that answers the message itself, or its size, says that the server has not got it from before.
 */
export function deliveryAfter(error: unknown, talk: Conversation): Delivery {
  const answer = answerOf(error, talk);
  const words = wordsOf(error, talk);
  if (talk.handedOver && answer === null) {
    return { kind: "in-doubt", why: `Cannot know whether ${talk.server} took the mail: ${words}` };
  }
  const why = `Cannot send mail through ${talk.server}: ${words}`;
  if (isTooLarge(error, answer?.code)) return { kind: "refused", why, ofMessage: true };
  if (answer === null || answer.code < 500) return { kind: "deferred", why };
  return fieldsOf(error).command === "DATA" ? { kind: "refused", why, ofMessage: true } : { kind: "refused", why };
}

/** What `error` means where no mail was under way. */
export function troubleAfter(error: unknown, talk: Conversation): ServiceFailure {
  const kind = answerOf(error, talk) === null ? "unreachable" : "refused";
  return { kind, message: `Cannot send mail through ${talk.server}: ${wordsOf(error, talk)}` };
}

/** `550 "no such user"`. */
export function quoted(code: number, response: string): string {
  const words = response.split("\n").map((line) => line.replace(/^\d{3}[ -]?/, "")).join(" ");
  return `${code} "${sanitize(words)}"`;
}

/** The server's no, where it said one; other numbers in its answer decide nothing. */
function answerOf(error: unknown, { login }: Conversation): { code: number; response: string } | null {
  const { responseCode, response } = fieldsOf(error);
  if (responseCode === undefined || responseCode < 400 || responseCode > 599) return null;
  return { code: responseCode, response: withoutSecrets(response ?? "", login) };
}

function wordsOf(error: unknown, talk: Conversation): string {
  const answer = answerOf(error, talk);
  if (answer !== null) return `it answered ${quoted(answer.code, answer.response)}${to(fieldsOf(error).command)}`;
  if (talk.stopped) return "this program stopped before it answered";
  const { code, originalCode, timeoutType, message } = fieldsOf(error);
  if (timeoutType !== undefined) return timeoutWords[timeoutType];
  const cause = originalCode ?? code ?? "";
  if (unknownIssuer.test(`${cause} ${message}`)) {
    return `its certificate is not trusted here: it has expired, or its issuer is not known; ${howToTrust}`;
  }
  // Deno 2.6 says no more than this after STARTTLS.
  if (cause === "UNKNOWN") {
    return `the TLS connection failed; if its certificate's issuer is not well known: ${howToTrust}`;
  }
  if (/wrong version number|InvalidContentType/.test(message)) {
    return "it does not speak TLS there: see STATUS_EMAIL_TLS";
  }
  return socketWords[cause] ?? sanitize(withoutSecrets(message, talk.login));
}

/** Which command was answered, where the answer alone would not tell. */
function to(command: string | undefined): string {
  if (command?.startsWith("AUTH")) return " to the login";
  if (command === "STARTTLS") return " to STARTTLS (required: see STATUS_EMAIL_TLS)";
  if (command === "MAIL FROM") return " to the sender";
  return command === "RCPT TO" ? " to the recipients" : "";
}

const timeoutWords: Record<NonNullable<NodemailerError["timeoutType"]>, string> = {
  CONNECT_TIMEOUT: "no connection came about in time",
  GREETING_TIMEOUT: "connected, but it sent no greeting in time",
  UPGRADE_TIMEOUT: "connected, but TLS did not come about in time",
  SOCKET_TIMEOUT: "connected, but it stopped answering",
};

const socketWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "it broke the connection off",
  ECONNECTION: "it closed the connection",
  ENOTFOUND: "there is no host of this name",
  EAI_AGAIN: "its name cannot be looked up now",
  EHOSTUNREACH: "there is no way to this host",
  ENETUNREACH: "there is no way to its network",
  EPIPE: "it closed the connection",
};

// Of an expired one Deno says UNABLE_TO_VERIFY_LEAF_SIGNATURE too, and shows nobody the certificate.
const unknownIssuer = /UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)|SELF_SIGNED|CERT_UNTRUSTED|UnknownIssuer/;
const howToTrust = "name its authority in STATUS_EMAIL_CA_FILE, or trust this machine's with " +
  "DENO_TLS_CA_STORE=mozilla,system, or one more with DENO_CERT";

/** Nodemailer looks at the server's own limit (SIZE) before it asks; a server may say so itself, by 552 (RFC 1870). */
function isTooLarge(error: unknown, answered: number | undefined): boolean {
  const { code, command } = fieldsOf(error);
  return command === "MAIL FROM" && (code === "EMESSAGE" || answered === 552);
}

function fieldsOf(error: unknown): NodemailerError {
  return error instanceof Error ? error : new Error(String(error));
}

/** Servers repeat commands that they don't know, base64 and all, and cut them short. */
export function withoutSecrets(text: string, login: Conversation["login"]): string {
  if (login === null) return text;
  const encoded = [`\u0000${login.user}\u0000${login.password}`, login.password].map(base64);
  const plain = text.replaceAll(login.password, "(secret)");
  return encoded.reduce((left, token) => left.replace(beginningOf(token), "(secret)"), plain);
}

function beginningOf(token: string): RegExp {
  return new RegExp(token.slice(0, 8).replace(/[+/=]/g, "\\$&") + "[A-Za-z0-9+/=]*", "gi");
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/*
 * One SMTP conversation: connecting, TLS, the login, what is to be done, QUIT, and no socket left behind. What is said to the
 * server is for `smtp`, what a failure means for `smtp_failure`. Nodemailer speaks the protocol, and is loaded here.
 *
 * Certificates: Deno's own rules hold (Mozilla's authorities; DENO_TLS_CA_STORE and DENO_CERT). With `caPem` those of
 * DENO_TLS_CA_STORE and `caPem` are trusted, DENO_CERT is not, since Deno does not tell what is in it.
 */

export interface SmtpOptions {
  readonly host: string;
  readonly port: number;
  /** `auto`: implicit on 465, else STARTTLS where offered, required with a password unless the host is loopback. */
  readonly tls: "auto" | "implicit" | "starttls" | "none";
  readonly auth:
    | { readonly type: "none" }
    | { readonly type: "plain" | "login" | "cram-md5"; readonly user: string; readonly password: Secret };
  readonly from: MailAddress;
  readonly to: readonly MailAddress[];
  readonly cc: readonly MailAddress[];
  /** Certificate authorities to trust besides the usual, PEM; null for none. */
  readonly caPem: string | null;
  /** Letters and digits that tell this monitor from others which mail from the same domain. */
  readonly thread: string;
}

export interface SmtpTimeouts {
  readonly connectMs: number;
  readonly greetingMs: number;
  /** Without a byte from the server. */
  readonly idleMs: number;
  /** For the answer to a whole message: a server that looks for viruses takes its time, and giving up repeats the mail. */
  readonly answerMs: number;
  /** For the answer to QUIT, when all is done. */
  readonly quitMs: number;
}

export const smtpTimeouts: SmtpTimeouts = {
  connectMs: 10_000,
  greetingMs: 10_000,
  idleMs: 30_000,
  answerMs: 300_000,
  quitMs: 1_000,
};

export interface Call {
  readonly options: SmtpOptions;
  readonly timeouts: SmtpTimeouts;
  readonly login: { readonly user: string; readonly password: string } | null;
  /** What EHLO gives: many servers refuse a bare address. */
  readonly domain: string;
}

/** Connects, logs in, does what `talk` does, and leaves no socket behind. Rejects with what ended it, or the abort. */
export async function converse<T>(
  call: Call,
  signal: AbortSignal,
  talk: (connection: SMTPConnection) => Promise<T>,
): Promise<T> {
  const { timeouts, login, options } = call;
  const { default: Connection } = await import("nodemailer/lib/smtp-connection");
  const socket = dial(options);
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {}); // whoever waits for something at that moment is told
  const stop = () => ended.reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  const connection = new Connection({ ...connectionOptions(call), connection: socket });
  connection.on("error", ended.reject);
  // Nodemailer may close the connection just before it says why: what it says counts.
  connection.once("end", () => queueMicrotask(() => ended.reject(new Error("Connection closed"))));
  try {
    await Promise.race([ended.promise, connected(socket, timeouts.connectMs)]);
    await Promise.race([ended.promise, called((done) => connection.connect(done))]);
    if (login !== null) {
      const method = options.auth.type.toUpperCase();
      const credentials = { user: login.user, pass: login.password };
      await Promise.race([ended.promise, called((done) => connection.login({ method, credentials }, done))]);
    }
    const result = await Promise.race([ended.promise, talk(connection)]);
    await quit(connection, timeouts.quitMs);
    return result;
  } finally {
    signal.removeEventListener("abort", stop);
    connection.close();
    socket.destroy();
  }
}

/**
 * A socket that connects. By ourselves, since nodemailer asks a DNS server where the machine would look into /etc/hosts, and
 * reads the network interfaces, which takes a permission. With TLS from the start it is made as such: on Deno 2.6 the
 * handshake never comes about on a plain socket that has not been read from yet.
 */
function dial(options: SmtpOptions): net.Socket {
  const place = { host: bareHost(options.host), port: options.port, autoSelectFamily: true };
  const servername = net.isIP(place.host) ? {} : { servername: place.host };
  const socket = isImplicit(options)
    ? tls.connect({ ...place, ...tlsOptions(options), ...servername })
    : net.connect(place);
  // Nodemailer sets it a turn after the socket was connected. Of one that the server has closed by then Deno 2.6 throws, where
  // nobody can catch it: the program would end. Without it an answer may take 40 ms more.
  socket.setNoDelay = () => socket;
  return socket;
}

function connectionOptions({ options, timeouts, domain }: Call): SMTPConnection.Options {
  const { host, port, auth } = options;
  const secure = isImplicit(options);
  const needsTls = options.tls === "auto" && auth.type !== "none" && !isLoopback(host);
  return {
    host: bareHost(host),
    port,
    secure,
    secured: secure,
    requireTLS: options.tls === "starttls" || (needsTls && !secure),
    ignoreTLS: options.tls === "none",
    name: domain,
    tls: tlsOptions(options),
    connectionTimeout: timeouts.connectMs + timeouts.greetingMs,
    greetingTimeout: timeouts.greetingMs,
    socketTimeout: timeouts.idleMs,
    socketCloseTimeout: 0,
    logger: false,
  };
}

function isImplicit({ tls, port }: SmtpOptions): boolean {
  return tls === "implicit" || (tls === "auto" && port === 465);
}

function tlsOptions({ caPem }: SmtpOptions): tls.ConnectionOptions {
  return caPem === null ? {} : { ca: [...usualAuthorities(), caPem] };
}

/** `ca` replaces what is trusted else, on Deno 2.6 it adds to it. Deno 2.6 does not say what the machine trusts. */
function usualAuthorities(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: (kind: "default") => string[] };
  return getCACertificates?.("default") ?? tls.rootCertificates;
}

/** Resolves when `socket` is connected, TLS and all. Its idle timer runs while it connects, too. */
function connected(socket: net.Socket, withinMs: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timedOut = () => reject(Object.assign(new Error("Connection timeout"), { timeoutType: "CONNECT_TIMEOUT" }));
  socket.once(socket instanceof tls.TLSSocket ? "secureConnect" : "connect", resolve);
  socket.on("error", reject).setTimeout(withinMs, timedOut);
  return promise.finally(() => socket.setTimeout(0).off("timeout", timedOut));
}

/** Says goodbye. The mail is on its way already: what goes wrong here is nobody's loss. */
function quit(connection: SMTPConnection, withinMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  connection.once("end", resolve);
  if (connection.destroyed || !connection._socket) return Promise.resolve();
  connection._socket.setTimeout(withinMs);
  connection.quit();
  return promise;
}

/** The result of a function that takes a callback. */
export function called<T>(start: (done: (error?: Error | null, result?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => start((error, result) => error ? reject(error) : resolve(result as T)));
}

export function bareHost(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}
