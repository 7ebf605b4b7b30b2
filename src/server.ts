/**
 * The HTTP server: which address answers with what, and the errors. Read only: nothing that HTTP can ask for changes
 * anything. What the answers hold is for `api`.
 */
import { type Context, Hono } from "hono";
import { secureHeaders } from "hono/secure-headers";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { type ApiOptions, eventJson, experimentJson, missingParts, statusJson } from "./api.ts";
import type { Snapshot } from "./snapshot.ts";

export interface ServerPorts {
  snapshot(): Snapshot;
  nowMs(): number;
  /** What went wrong inside while answering. */
  failed(method: string, path: string, error: unknown): void;
}

export function createApp(ports: ServerPorts, options: ApiOptions): Hono {
  const app = new Hono();
  app.use(secureHeaders());
  app.use(async (c, next) => {
    if (c.req.method === "GET" || c.req.method === "HEAD") return await next();
    c.header("Allow", "GET, HEAD");
    return problem(c, 405, `${c.req.method} is not allowed: nothing can be changed here`);
  });

  app.get(
    "/api/v1/experiments",
    (c) => c.json(ports.snapshot().experiments.map((view) => experimentJson(view, options))),
  );
  app.get("/api/v1/experiments/events/:name", (c) => {
    const name = c.req.param("name");
    const view = ports.snapshot().experiments.find((each) => each.name === name);
    return view ? c.json(view.events.map(eventJson)) : problem(c, 404, `there is no experiment ${name}`);
  });
  app.get("/api/v1/status", (c) => c.json(statusJson(ports.snapshot(), ports.nowMs())));

  app.get("/healthz", (c) => c.json({ status: "alive" }));
  app.get("/readyz", (c) => {
    const missing = missingParts(ports.snapshot());
    return missing.length === 0 ? c.json({ status: "ready" }) : problem(c, 503, `not ready: ${missing.join(", ")}`);
  });

  app.notFound((c) => problem(c, 404, `there is nothing at ${c.req.path}`));
  app.onError((error, c) => {
    ports.failed(c.req.method, c.req.path, error);
    return problem(c, 500, "something went wrong here: the log has more");
  });
  return app;
}

function problem(c: Context, status: ContentfulStatusCode, message: string) {
  return c.json({ code: String(status), message }, status);
}

export interface Listening {
  readonly port: number;
  /** Takes no more requests, lets those under way finish until `enough` is aborted. */
  stop(enough: AbortSignal): Promise<void>;
}

/** The port is in use, or the address is none of this machine's. */
export class ListenFailed extends Error {
  override readonly name = "ListenFailed";
  readonly code = "LISTEN_FAILED";
  readonly retryable = false;
}

/** Listens on `host`:`port` (0 asks for a free one). Throws ListenFailed. */
export function listen(app: Hono, host: string, port: number): Listening {
  const end = new AbortController();
  // Of the two addresses of localhost the proxies and people here mean the first.
  const hostname = host === "localhost" ? "127.0.0.1" : host;
  const server = serveOrFail(hostname, { port, signal: end.signal, onListen: () => {} }, app);
  return {
    port: server.addr.port,
    async stop(enough) {
      enough.addEventListener("abort", () => end.abort(), { once: true });
      await server.shutdown();
    },
  };
}

function serveOrFail(hostname: string, options: Deno.ServeTcpOptions, app: Hono) {
  try {
    return Deno.serve({ ...options, hostname }, app.fetch);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new ListenFailed(`Cannot listen on ${hostname}:${options.port}: ${words}`, { cause });
  }
}
