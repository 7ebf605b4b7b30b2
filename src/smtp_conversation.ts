/**
 * One SMTP conversation: connecting, TLS, the login, what is to be done, QUIT, and no socket left behind. What is said to the
 * server is for `smtp`, what a failure means for `smtp_failure`. Nodemailer speaks the protocol, and is loaded here.
 *
 * Certificates: Deno's own rules hold (Mozilla's authorities; DENO_TLS_CA_STORE and DENO_CERT). With `caPem` those of
 * DENO_TLS_CA_STORE and `caPem` are trusted, DENO_CERT is not, since Deno does not tell what is in it.
 */
import net from "node:net";
import tls from "node:tls";
import type SMTPConnection from "nodemailer/lib/smtp-connection";
import { isLoopback, type MailAddress, type Secret } from "./setting_types.ts";

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
