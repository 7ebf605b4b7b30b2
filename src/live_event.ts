/**
 * Server-sent events as text: what stands between two blank lines (html.spec.whatwg.org, "server-sent events"). Pure.
 * Which events there are is for `live_json` and `live_page`.
 */

/** One event. `data` may have several lines; `id`, where there is one, has no line end in it. */
export function eventText(name: string, data: string, id?: string): string {
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`).join("");
  return `event: ${name}\n${id === undefined ? "" : `id: ${id}\n`}${lines}\n`;
}

/** One whose data is JSON, as `JSON.stringify` writes it: on one line. */
export function jsonEventText(name: string, json: string): string {
  return `event: ${name}\ndata: ${json}\n\n`;
}

/** What no client is told of, and keeps proxies from closing a quiet connection. */
export const commentText = ":\n\n";

/** Asks clients to wait this long before they connect again. */
export function retryText(ms: number): string {
  return `retry: ${ms}\n\n`;
}

const encoder = new TextEncoder();

/** What goes out in one piece, encoded once for all who get it. */
export function chunkOf(texts: readonly string[]): Uint8Array<ArrayBuffer> {
  return encoder.encode(texts.join(""));
}
