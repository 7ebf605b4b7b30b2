/**
 * How does a message get to the webhook: one signed POST in bounded time, and what its answer means. When to post, and again,
 * is for `outbox`; what a message says for `webhook_body`. The address may hold a key, so nothing that is said here holds
 * more of it than its host, even where the other side repeats it.
 */
import { createHmac } from "node:crypto";
import * as z from "zod";
import { aborted, abortedWith, type Clock } from "./clock.ts";
import type { Delivery, Failure } from "./delivery.ts";
import { answerWords, networkWords, redirectWords, type Trouble } from "./failure.ts";
import type { Secret } from "./setting_types.ts";
import { withoutAddress } from "./webhook_address.ts";

export interface WebhookOptions {
  readonly url: Secret;
  /** What messages are signed with. */
  readonly secret: Secret;
  /** What this program calls itself: `status/VERSION`. */
  readonly userAgent: string;
}

export interface WebhookPorts {
  readonly clock: Clock;
  fetch(url: URL, init: RequestInit): Promise<Response>;
}

export interface Webhook {
  /** `HOST` or `HOST:PORT`: all of the address that may be shown. */
  readonly host: string;
  /** Posts a message of `webhook_body`. Never rejects; an abort ends it at once. */
  deliver(message: string, signal: AbortSignal): Promise<Delivery>;
  /** Connects, and says nothing. Never rejects. */
  reach(signal: AbortSignal): Promise<{ readonly kind: "ok"; readonly encrypted: boolean } | Trouble>;
}

/** For the whole request: receivers are to answer first and work then. */
export const requestMsMax = 10_000;
// Of an answer only the first words are shown.
const answerCharsMax = 16 * 1024;

export function createWebhook(options: WebhookOptions, ports: WebhookPorts): Webhook {
  const url = new URL(options.url.reveal());
  return {
    host: url.host,
    async deliver(message, signal) {
      const key = keyOf(message);
      if (key === null) return withoutId;
      const body = new TextEncoder().encode(message);
      const headers = {
        // Messages are rare, and a connection that was kept may be gone unseen: then nobody knows whether it arrived.
        "connection": "close",
        "content-type": "application/json",
        "user-agent": options.userAgent,
        "idempotency-key": `"${key}"`, // a string as RFC 8941 writes it, as the draft of this header asks
        "x-status-signature": signature(body, options.secret),
      };
      // A redirected POST would arrive as a GET, or the events where nobody wanted them.
      return await post(url, { method: "POST", headers, body, redirect: "manual" }, ports, signal);
    },
    async reach(signal) {
      try {
        await Promise.race([connected(url), aborted(signal).then(() => signal.throwIfAborted())]);
        return { kind: "ok", encrypted: url.protocol === "https:" };
      } catch (error) {
        return { kind: "unreachable", message: `${cannotTell(url)}: ${networkWords(error)}` };
      }
    },
  };
}

/** `sha256=` and the HMAC-SHA256 of `body` in hexadecimal. */
export function signature(body: Uint8Array, secret: Secret): string {
  return `sha256=${createHmac("sha256", secret.reveal()).update(body).digest("hex")}`;
}

/**
 * What an answer's status says of the message. Taken: any 2xx. Deferred: a no that is meant for now (a 409 too: the same
 * message is still being worked at). In doubt: a server that failed, or a proxy that lost it (another 5xx), may have taken
 * it before. Refused: all else, redirects included; never for good of this very message, since a proxy's no looks the same
 * as the receiver's, and says nothing of what came before.
 */
export function deliveryKind(status: number): Delivery["kind"] {
  if (status >= 200 && status <= 299) return "taken";
  if ([408, 409, 425, 429, 503].includes(status)) return "deferred";
  return status >= 500 && status <= 599 ? "in-doubt" : "refused";
}

/** How long a `Retry-After` asks to wait at `nowMs`; 0 where it says nothing that can be read. */
export function retryAfterMs(header: string | null, nowMs: number): number {
  if (header === null) return 0;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1_000;
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? 0 : Math.max(atMs - nowMs, 0);
}

const withoutId: Delivery = {
  kind: "refused",
  why: "Cannot tell the webhook: the message that was kept has no id",
  ofMessage: true,
};
// Of its own, and not of what it holds: before anything nested. Reading megabytes of JSON for it would hold everything up.
const ownId = /^\{[^{}[\]]*?"id":"([^"]*)"/;

/** A message carries its key, so that whatever repeats it repeats that too; null for nothing that this program wrote. */
export function keyOf(message: string): string | null {
  const { data: id } = z.uuid().safeParse(ownId.exec(message)?.[1]);
  return id ?? null; // then the letter is made anew
}

async function post(url: URL, init: RequestInit, ports: WebhookPorts, signal: AbortSignal): Promise<Delivery> {
  const limit = abortedWith(signal);
  ports.clock.wait(requestMsMax, limit.signal).then(() => limit.abort(), () => {}); // called off: it has been answered
  try {
    const response = await ports.fetch(url, { ...init, signal: limit.signal });
    return await answered(url, response, ports.clock.nowMs());
  } catch (error) {
    if (signal.aborted) return inDoubt(url, "this program stopped before it answered");
    if (limit.signal.aborted) return inDoubt(url, `no answer within ${requestMsMax / 1_000} s`);
    const words = networkWords(error);
    return wasNotSent(error) ? { kind: "deferred", why: `${cannotTell(url)}: ${words}` } : inDoubt(url, words);
  } finally {
    limit.abort();
  }
}

async function answered(url: URL, response: Response, nowMs: number): Promise<Delivery> {
  const { status, headers } = response;
  const kind = deliveryKind(status);
  if (kind === "taken") {
    await response.body?.cancel();
    return { kind, answer: String(status), rejected: [] };
  }
  const why = `${cannotTell(url)}: it answered ${status}${await answerOf(url, response)}`;
  const afterMs = kind === "deferred" ? retryAfterMs(headers.get("retry-after"), nowMs) : 0;
  return afterMs > 0 ? { kind: "deferred", why, afterMs } : { kind, why };
}

/** What the answer says, to follow its status. */
async function answerOf(url: URL, response: Response): Promise<string> {
  const redirect = redirectWords(response, url);
  if (redirect !== null) {
    await response.body?.cancel();
    return ` ${redirect}`;
  }
  const words = answerWords(withoutAddress(await beginningOf(response), url));
  return words === "" ? "" : ` "${words}"`;
}

async function beginningOf(response: Response): Promise<string> {
  let text = "";
  try {
    for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += part;
      if (text.length >= answerCharsMax) break;
    }
  } catch {
    // The status is known, and what came of the body has to do.
  }
  return text.slice(0, answerCharsMax);
}

async function connected({ protocol, hostname, port }: URL): Promise<void> {
  const isEncrypted = protocol === "https:";
  const place = { hostname: hostname.replace(/^\[|\]$/g, ""), port: Number(port) || (isEncrypted ? 443 : 80) };
  if (!isEncrypted) return (await Deno.connect(place)).close();
  const connection = await Deno.connectTls(place);
  try {
    await connection.handshake();
  } finally {
    connection.close();
  }
}

function inDoubt(url: URL, words: string): Failure {
  return { kind: "in-doubt", why: `Cannot know whether the webhook at ${url.host} took the message: ${words}` };
}

function cannotTell(url: URL): string {
  return `Cannot tell the webhook at ${url.host}`;
}

/** Without a connection nothing can have arrived; of all that comes after, nobody knows. */
function wasNotSent(error: unknown): boolean {
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    if (inner.message.includes("client error (Connect)")) return true;
  }
  return false;
}
