/** How an answer travels: its type, its length, packed or not, how long it may be kept, and what a browser may do with it. */
import type { Context, MiddlewareHandler } from "hono";
import { accepts } from "hono/accepts";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { pauseForReaders } from "./async.ts";
import { Body, type Piece } from "./body.ts";
import type { Outgoing } from "./outgoing.ts";

// For HTML: nothing but the page's own stylesheet, script, icon and event stream.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

// What is shorter is not worth packing: it goes in one packet either way.
const packedBytesMin = 1_024;

/** `cache`: `no-store` for what is true only now, `no-cache` for what may be kept and has to be asked about (ETag). */
export interface Sent {
  readonly type: string;
  readonly status?: ContentfulStatusCode;
  readonly cache?: "no-store" | "no-cache";
}

declare module "hono" {
  interface ContextVariableMap {
    /** On what larger bodies go; a server that has none to send needs none. */
    outgoing: Outgoing;
  }
}

// A reader that found no place asks again after so many seconds.
const retryAfterSeconds = 15;

/** With its length, which HEAD tells too; as gzip to those who take it. 503 where too much is on its way to others. */
export async function send(
  c: Context,
  content: string | Body,
  { type, status = 200, cache = "no-store" }: Sent,
): Promise<Response> {
  const plain = typeof content === "string" ? Body.of(content) : content;
  const isPacked = plain.length >= packedBytesMin && takesGzip(c);
  const body = isPacked ? await plain.packed(pauseForReaders) : plain;
  const bytes = bytesOf(c, body);
  if (bytes === null) return comeAgain(c, "too much is on its way to others already");
  return c.newResponse(bytes, status, {
    "Content-Type": type,
    "Content-Length": String(body.length),
    "Cache-Control": cache,
    Vary: "Accept-Encoding",
    ...(isPacked ? { "Content-Encoding": "gzip" } : {}),
    ...(body.tag === null ? {} : { ETag: body.tag }),
  });
}

export function sendJson(c: Context, value: unknown, status: ContentfulStatusCode = 200): Promise<Response> {
  return send(c, JSON.stringify(value), { type: "application/json", status });
}

/** The same, with the tag of what is in it: nothing more to whoever has that already, 304. */
export async function sendTaggedJson(c: Context, value: unknown): Promise<Response> {
  const text = JSON.stringify(value);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  const tag = `W/"${digest.slice(0, 16).toBase64({ alphabet: "base64url", omitPadding: true })}"`;
  return unchanged(c, tag) ?? send(c, Body.of(text, tag), { type: "application/json" });
}

/** Every error: the code a string, as the Go program has it. */
export function problem(c: Context, status: ContentfulStatusCode, message: string): Promise<Response> {
  return sendJson(c, { code: String(status), message }, status);
}

/** There is no place for one more. */
export function comeAgain(c: Context, message: string): Promise<Response> {
  c.header("Retry-After", String(retryAfterSeconds));
  return problem(c, 503, message);
}

/** 304 for whoever names `tag` as what it has already; null for all others, who are to be sent it. */
export function unchanged(c: Context, tag: string): Response | null {
  if (!hasAlready(c.req.header("If-None-Match"), tag)) return null;
  return c.body(null, 304, { ETag: tag, "Cache-Control": "no-store", Vary: "Accept-Encoding" });
}

/** Whether it is one of those that are named, weak or not (RFC 9110, 13.1.2); `*` names any. */
function hasAlready(named: string | undefined, tag: string): boolean {
  if (named === undefined) return false;
  const opaque = tag.replace(/^W\//, "");
  return named.trim() === "*" || (named.match(/"[^"]*"/g)?.includes(opaque) ?? false);
}

/** With the quality that each encoding is asked for with: what is refused (q=0) is not sent, nor what is liked less. */
function takesGzip(c: Context): boolean {
  const supports = ["gzip", "identity"];
  return accepts(c, { header: "Accept-Encoding", supports, default: "identity" }) === "gzip";
}

/**
 * Small bodies are copied by the runtime, which is faster than to ask for each piece. HEAD takes nothing, and asks for none.
 * Null if there is no room.
 */
function bytesOf(c: Context, body: Body): Piece | ReadableStream<Piece> | null {
  const [only = nothing, ...more] = body.pieces;
  if (more.length === 0) return only;
  return c.req.method === "HEAD" ? nothing : c.get("outgoing").stream(body);
}

const nothing: Piece = new Uint8Array();

/**
 * What browsers are told with every answer. Not here: Strict-Transport-Security, which would bind the whole host and is for
 * whoever has its certificate; and Cross-Origin-Resource-Policy, which would keep a laboratory's own pages from showing ours.
 */
export const guard: MiddlewareHandler = async (c, next) => {
  await next();
  const { headers } = c.res;
  headers.set("X-Content-Type-Options", "nosniff");
  headers.set("Referrer-Policy", "no-referrer");
  if (headers.get("Content-Type")?.startsWith("text/html")) {
    headers.set("Content-Security-Policy", contentPolicy);
    headers.set("X-Frame-Options", "DENY");
  }
};
