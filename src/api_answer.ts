/** How an answer travels: its type, its length, how long it may be kept, and what a browser may do with it. */
import type { Context, MiddlewareHandler } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";

// For HTML: nothing but the page's own stylesheet, script, icon and event stream.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const encoder = new TextEncoder();

/** `cache`: `no-store` for what is true only now, `no-cache` for what may be kept and has to be asked about (ETag). */
export interface Sent {
  readonly type: string;
  readonly status?: ContentfulStatusCode;
  readonly cache?: "no-store" | "no-cache";
}

/** With its length: short answers are not compressed, and HEAD tells it. */
export function send(
  c: Context,
  content: string | Uint8Array<ArrayBuffer>,
  { type, status = 200, cache = "no-store" }: Sent,
): Response {
  const bytes = typeof content === "string" ? encoder.encode(content) : content;
  return c.body(bytes, status, {
    "Content-Type": type,
    "Content-Length": String(bytes.length),
    "Cache-Control": cache,
    Vary: "Accept-Encoding",
  });
}

export function sendJson(c: Context, value: unknown, status: ContentfulStatusCode = 200): Response {
  return send(c, JSON.stringify(value), { type: "application/json", status });
}

/** Every error: the code a string, as the Go program has it. */
export function problem(c: Context, status: ContentfulStatusCode, message: string): Response {
  return sendJson(c, { code: String(status), message }, status);
}

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
