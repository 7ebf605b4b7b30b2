/**
 * The HTTP server: which address answers with what, and the errors. Read only: nothing that HTTP can ask for changes
 * anything. What can be asked for is in `api_routes`, what the answers hold in `api`, `api_history`, `page`, `live` and
 * `metrics`; who listens is `listening`.
 */
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { accepts } from "hono/accepts";
import { etag } from "hono/etag";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import {
  type ApiOptions,
  eventJson,
  historyJson,
  historyQuery,
  historyWindow,
  missingParts,
  statusJson,
} from "./api.ts";
import { openapiDocument, type Path } from "./api_routes.ts";
import { yieldForReaders } from "./async.ts";
import { aborted, backoffMs, serviceBackoff, systemClock as clock } from "./clock.ts";
import { parseDuration } from "./duration.ts";
import { sanitize, thrownText } from "./failure.ts";
import { logger } from "./log.ts";
import { isKnown, pageChangeJs, pageCss, pageJs, pageTexts, pageTimeJs } from "./page.tsx";
import { iconSvg } from "./page_history.tsx";
import { linkTo, readQuery } from "./page_model.ts";
import type { StateChange } from "./persisted.ts";
import {
  EncodedBody,
  ListCache,
  madeOnce,
  OutgoingBudget,
  outgoingBytesMax,
  PageCache,
  type Piece,
} from "./response_cache.ts";
import { type ExperimentView, historyEndMs, type Snapshot } from "./snapshot.ts";
import type { Live } from "./sse.ts";
import { StoreFailed } from "./store.ts";

export interface ServerPorts {
  snapshot(): Snapshot;
  nowMs(): number;
  monotonicMs(): number;
  /** How one experiment stood from `sinceMs` on, oldest first: its turns since, and the one before them. Throws StoreFailed. */
  history(name: string, sinceMs: number): Promise<readonly StateChange[]>;
  readonly live: Pick<Live, "answer">;
  /** In the text format of Prometheus. */
  metrics(): Promise<EncodedBody>;
  /** What of the program hangs, in words; null while all is alive. */
  hanging(): string | null;
  /** What went wrong inside while answering. */
  failed(method: string, path: string, error: unknown): void;
}

export interface ServerOptions extends ApiOptions {
  /** For how long history is kept (STORE_KEEP). */
  readonly storeKeepMs: number;
}

type Answer = (c: Context) => Response | Promise<Response>;
type PageAnswer = (c: Context, prefix: "" | "api/") => Promise<Response>;

const html = "text/html; charset=utf-8";
const json = "application/json";
const log = logger("server");

export function createApp(ports: ServerPorts, options: ServerOptions): Hono {
  const app = new Hono();
  const page = pages(ports);
  const outgoing = onTheWay(ports);
  app.use(securityHeaders, async (c, next) => {
    c.set("outgoing", outgoing);
    if (!hasHost(c)) return errorResponse(c, 400, "invalid Host header");
    if (c.req.method === "GET" || c.req.method === "HEAD") return await next();
    c.header("Allow", "GET, HEAD");
    return errorResponse(c, 405, `${c.req.method} is not allowed: nothing can be changed here`);
  });
  for (const path of tagged) app.use(path, etag());
  for (const [path, answer] of Object.entries(answers(ports, options, page))) {
    app.get(path.replace("{name}", ":name"), answer);
  }
  app.get("/", (c) => page(c, "api/"));
  // Relative, as it must be behind a proxy's path.
  app.get("/api", (c) => c.redirect(`api/${new URL(c.req.url).search}`));
  for (const [path, asset] of Object.entries(assets)) app.get(path, asset);
  app.notFound((c) => errorResponse(c, 404, `there is nothing at ${sanitize(c.req.path)}`));
  app.onError((error, c) => {
    ports.failed(c.req.method, c.req.path, error);
    return errorResponse(c, 500, "something went wrong here: the log has more");
  });
  return app;
}

function onTheWay({ monotonicMs }: ServerPorts): OutgoingBudget {
  const limit = `${outgoingBytesMax / 1024 / 1024} MB`;
  return new OutgoingBudget({
    monotonicMs,
    cut: (readers) => log.warn(`${readers} who did not read were cut off: others wait, and ${limit} may be on its way`),
    full: () => log.warn(`there is no room for more readers of large answers: ${limit} may be on its way`),
  });
}

/** The runtime takes any: one with a slash in it would be taken for a part of the path, and many are none to `new URL`. */
function hasHost(c: Context): boolean {
  return /^[\w.\-:[\]]*$/.test(c.req.header("Host") ?? "") && URL.canParse(c.req.url);
}

/** An answer to everything that is promised: a path without one does not compile. */
function answers(ports: ServerPorts, options: ServerOptions, page: PageAnswer): Record<Path, Answer> {
  const bodies = new ListCache({ snapshot: ports.snapshot, pause: yieldForReaders }, options);
  const document = madeOnce(async () => EncodedBody.of(await openapiDocument(ports.snapshot().version)));
  return {
    "/api/v1/experiments": async (c) => unchanged(c, bodies.tag) ?? send(c, await bodies.now(), { type: json }),
    "/api/v1/experiments/events/{name}": (c) =>
      ofExperiment(c, ports, (view) => sendTaggedJson(c, view.events.map(eventJson))),
    "/api/v1/experiments/{name}/history": (c) =>
      ofExperiment(c, ports, (view) => history(c, ports, view, options.storeKeepMs)),
    "/api/v1/status": (c) => sendJson(c, statusJson(ports.snapshot(), ports.nowMs())),
    "/api/v1/live": (c) => live(c, ports),
    "/api/v1/openapi.json": async (c) => send(c, await document(), { type: json, cache: "no-cache" }),
    "/api/": (c) => page(c, ""),
    "/healthz": (c) => {
      const hanging = ports.hanging();
      return hanging === null ? sendJson(c, { status: "alive" }) : errorResponse(c, 503, hanging);
    },
    "/readyz": (c) => {
      const missing = missingParts(ports.snapshot());
      return missing.length === 0
        ? sendJson(c, { status: "ready" })
        : errorResponse(c, 503, `not ready: ${missing.join(", ")}`);
    },
    "/metrics": async (c) => send(c, await ports.metrics(), { type: "text/plain; version=0.0.4; charset=utf-8" }),
  };
}

const assets: Readonly<Record<string, Answer>> = {
  "/api/page.css": (c) => send(c, pageCss, { type: "text/css; charset=utf-8", cache: "no-cache" }),
  "/api/page.js": (c) => send(c, pageJs, { type: "text/javascript; charset=utf-8", cache: "no-cache" }),
  "/api/page_change.js": (c) => send(c, pageChangeJs, { type: "text/javascript; charset=utf-8", cache: "no-cache" }),
  "/api/page_time.js": (c) => send(c, pageTimeJs, { type: "text/javascript; charset=utf-8", cache: "no-cache" }),
  "/api/icon.svg": (c) =>
    send(c, iconSvg(Number(c.req.query("trouble"))), { type: "image/svg+xml", cache: "no-cache" }),
};
// Whoever has them already need not be sent them again. A new version has to be seen at once: browsers may keep the assets
// and the document, and ask each time whether they still hold.
const tagged = [...Object.keys(assets), "/api/v1/openapi.json"];

function ofExperiment(
  c: Context,
  ports: ServerPorts,
  answer: (view: ExperimentView) => Response | Promise<Response>,
): Response | Promise<Response> {
  const name = c.req.param("name") ?? "";
  const view = ports.snapshot().experiments.find((each) => each.name === name);
  return view ? answer(view) : errorResponse(c, 404, `there is no experiment ${sanitize(name)}`);
}

async function history(c: Context, ports: ServerPorts, view: ExperimentView, keepMs: number): Promise<Response> {
  const { data, error } = historyQuery.safeParse(single(c.req.queries()));
  const windowMs = data ? parseDuration(data.window) : null;
  if (windowMs === null) return errorResponse(c, 400, error?.issues[0]?.message ?? "there is no such window");
  // Up to the Snapshot's own time: what comes after it nobody has watched yet.
  const snapshot = ports.snapshot();
  const { runs } = snapshot;
  const window = historyWindow({ windowMs, keepMs, nowMs: historyEndMs(snapshot) });
  try {
    const stored = await ports.history(view.name, window.fromMs);
    return sendJson(c, historyJson(view.name, { stored, recent: view.turns, runs }, window));
  } catch (error) {
    if (!(error instanceof StoreFailed)) throw error;
    return errorResponse(c, 503, `the history can't be read: ${error.message}`);
  }
}

/** Each parameter as it was given; one given twice stays a list, which no schema takes. */
function single(queries: Record<string, string[]>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(queries).map(([name, values]) => [name, values.length === 1 ? values[0]! : values]),
  );
}

function live(c: Context, ports: ServerPorts): Response | Promise<Response> {
  // HEAD asks what would come: it must not take a reader's place.
  if (c.req.method === "HEAD") {
    return c.body(null, 200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  }
  const answer = ports.live.answer(new URL(c.req.url).searchParams);
  return answer ?? retryLater(c, "there are too many readers already");
}

function pages(ports: ServerPorts): PageAnswer {
  const { snapshot, nowMs, monotonicMs } = ports;
  const copies = new PageCache({ snapshot, nowMs, monotonicMs, pause: yieldForReaders });
  return async (c, prefix) => {
    const query = readQuery(new URL(c.req.url).searchParams);
    // By what was understood: of however many addresses of one page there is one copy.
    const page = copies.of(prefix + linkTo(query), (of, pause) => {
      return EncodedBody.made(pageTexts(of, query, { nowMs: nowMs(), prefix }), pause);
    });
    if (page === null) return retryLater(c, "too many ask for other pages");
    return send(c, await page, { type: html, status: isKnown(snapshot(), query) ? 200 : 404 });
  };
}

/*
 * The port that people and machines ask at, for as long as the program runs. The runtime ends a server for good when it is
 * out of descriptors for a moment (every connection takes one, and there is no limit of connections): then all of its
 * connections are closed, which gives the descriptors back to the feeds, book and mail, and it is begun anew. On Deno 2.6 that
 * is noticed only when the last of the connections has ended. What keeps clients from it is LimitNOFILE and the proxy's limits.
 */

export interface Listening {
  readonly port: number;
  /** Takes no more requests, lets those under way finish until `enough` is aborted. */
  stop(enough: AbortSignal): Promise<void>;
}

/** The port is in use, or the address is not one of this machine. */
export class ListenFailed extends Error {
  override readonly name = "ListenFailed";
  readonly code = "LISTEN_FAILED";
  readonly retryable = false;
}

const listenLog = logger("server");

/** Listens on `host`:`port` (0 asks for a free one), and goes on doing so until it is stopped. Throws ListenFailed. */
export function listen(app: Hono, host: string, port: number): Listening {
  // Of the two addresses of localhost the proxies and people here mean the first.
  return new Port(app, host === "localhost" ? "127.0.0.1" : host, port);
}

interface Held {
  readonly server: Deno.HttpServer<Deno.NetAddr>;
  /** Closes all its connections at once. */
  readonly end: AbortController;
}

class Port implements Listening {
  readonly port: number;
  readonly #app: Hono;
  readonly #hostname: string;
  readonly #stop = new AbortController();
  readonly #kept: Promise<void>;
  /** Null before there is one. */
  #held: Held | null;

  constructor(app: Hono, hostname: string, port: number) {
    this.#app = app;
    this.#hostname = hostname;
    this.#held = this.#begin(port);
    this.port = this.#held.server.addr.port;
    this.#kept = this.#keep(this.#held);
  }

  async stop(enough: AbortSignal): Promise<void> {
    this.#stop.abort();
    // What hangs on is left to the end of the program: to abort a server that is being shut down throws (BadResource).
    await Promise.race([Promise.all([this.#held?.server.shutdown(), this.#kept]), aborted(enough)]);
  }

  #begin(port: number): Held {
    const end = new AbortController();
    const options = { hostname: this.#hostname, port, signal: end.signal, onListen: () => {} };
    try {
      return { server: Deno.serve(options, this.#app.fetch), end };
    } catch (cause) {
      throw new ListenFailed(`Cannot listen on ${this.#hostname}:${port}: ${thrownText(cause)}`, { cause });
    }
  }

  async #keep(first: Held): Promise<void> {
    for (let held: Held | null = first; held !== null; held = await this.#beginAgain()) {
      this.#held = held;
      const why = await held.server.finished.then(() => "it has ended", thrownText);
      if (this.#stop.signal.aborted) return;
      listenLog.error(`no request can be answered for now: ${why}`);
      this.#held = null;
      held.end.abort();
    }
  }

  /** Null when it is stopped before it can. */
  async #beginAgain(): Promise<Held | null> {
    for (let failures = 1; !this.#stop.signal.aborted; failures++) {
      await clock.wait(backoffMs(failures, 0, serviceBackoff), this.#stop.signal).catch(() => {}); // a stop ends it
      if (this.#stop.signal.aborted) break;
      try {
        const held = this.#begin(this.port);
        listenLog.warn("requests are answered again");
        return held;
      } catch (error) {
        listenLog.error(thrownText(error));
      }
    }
    return null;
  }
}

/*  How an answer travels: its type, its length, packed or not, how long it may be kept, and what a browser may do with it. */

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
    outgoing: OutgoingBudget;
  }
}

// A reader that found no place asks again after so many seconds.
const retryAfterSeconds = 15;

/** With its length, which HEAD tells too; as gzip to those who take it. 503 where too much is on its way to others. */
export async function send(
  c: Context,
  content: string | EncodedBody,
  { type, status = 200, cache = "no-store" }: Sent,
): Promise<Response> {
  const plain = typeof content === "string" ? EncodedBody.of(content) : content;
  const isPacked = plain.length >= packedBytesMin && takesGzip(c);
  const body = isPacked ? await plain.packed(yieldForReaders) : plain;
  const bytes = bytesOf(c, body);
  if (bytes === null) return retryLater(c, "too much is on its way to others already");
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

/** The same, with the tag of what is in it: a client that has it already gets a 304. */
export async function sendTaggedJson(c: Context, value: unknown): Promise<Response> {
  const text = JSON.stringify(value);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  const tag = `W/"${digest.slice(0, 16).toBase64({ alphabet: "base64url", omitPadding: true })}"`;
  return unchanged(c, tag) ?? send(c, EncodedBody.of(text, tag), { type: "application/json" });
}

/** Every error: the code a string, as the Go program has it. */
export function errorResponse(c: Context, status: ContentfulStatusCode, message: string): Promise<Response> {
  return sendJson(c, { code: String(status), message }, status);
}

/** There is no place for one more. */
export function retryLater(c: Context, message: string): Promise<Response> {
  c.header("Retry-After", String(retryAfterSeconds));
  return errorResponse(c, 503, message);
}

/** 304 for a client that has `tag` already; null for the others, who get the whole. */
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
function bytesOf(c: Context, body: EncodedBody): Piece | ReadableStream<Piece> | null {
  const [only = nothing, ...more] = body.pieces;
  if (more.length === 0) return only;
  return c.req.method === "HEAD" ? nothing : c.get("outgoing").stream(body);
}

const nothing: Piece = new Uint8Array();

/**
 * What browsers are told with every answer. Not here: Strict-Transport-Security, which would bind the whole host and is for
 * whoever has its certificate; and Cross-Origin-Resource-Policy, which would keep a laboratory's own pages from showing ours.
 */
export const securityHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  const { headers } = c.res;
  headers.set("X-Content-Type-Options", "nosniff");
  headers.set("Referrer-Policy", "no-referrer");
  if (headers.get("Content-Type")?.startsWith("text/html")) {
    headers.set("Content-Security-Policy", contentPolicy);
    headers.set("X-Frame-Options", "DENY");
  }
};
