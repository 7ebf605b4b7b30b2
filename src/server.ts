/**
 * The HTTP server: which address answers with what, and the errors. Read only: nothing that HTTP can ask for changes
 * anything. What can be asked for is in `api_routes`, what the answers hold in `api`, `api_history`, `page`, `live` and
 * `metrics`; who listens is `listening`.
 */
import { type Context, Hono } from "hono";
import { etag } from "hono/etag";
import { type ApiOptions, eventJson, missingParts, statusJson } from "./api.ts";
import { comeAgain, guard, problem, send, sendJson, sendTaggedJson, unchanged } from "./api_answer.ts";
import { ExperimentBodies } from "./api_body.ts";
import { openapiDocument } from "./api_document.ts";
import { historyJson, historyQuery, historyWindow } from "./api_history.ts";
import type { Path } from "./api_routes.ts";
import { iconSvg, pageChangeJs, pageCss, pageJs, pageTimeJs } from "./assets.ts";
import { pauseForReaders } from "./async.ts";
import { Body, madeOnce } from "./body.ts";
import { parseDuration } from "./duration.ts";
import { excerpt } from "./failure.ts";
import type { Live } from "./live.ts";
import { logger } from "./log.ts";
import { Outgoing, outgoingBytesMax } from "./outgoing.ts";
import { isKnown, pageTexts } from "./page.tsx";
import { Copies } from "./page_copies.ts";
import { linkTo, readQuery } from "./page_query.ts";
import type { Turn } from "./persisted.ts";
import { type ExperimentView, historyEndMs, type Snapshot } from "./snapshot.ts";
import { StoreFailed } from "./store.ts";

export interface ServerPorts {
  snapshot(): Snapshot;
  nowMs(): number;
  steadyMs(): number;
  /** How one experiment stood from `sinceMs` on, oldest first: its turns since, and the one before them. Throws StoreFailed. */
  history(name: string, sinceMs: number): Promise<readonly Turn[]>;
  readonly live: Pick<Live, "answer">;
  /** In the text format of Prometheus. */
  metrics(): Promise<Body>;
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
  app.use(guard, async (c, next) => {
    c.set("outgoing", outgoing);
    if (!hasHost(c)) return problem(c, 400, "the host that is asked for is none");
    if (c.req.method === "GET" || c.req.method === "HEAD") return await next();
    c.header("Allow", "GET, HEAD");
    return problem(c, 405, `${c.req.method} is not allowed: nothing can be changed here`);
  });
  for (const path of tagged) app.use(path, etag());
  for (const [path, answer] of Object.entries(answers(ports, options, page))) {
    app.get(path.replace("{name}", ":name"), answer);
  }
  app.get("/", (c) => page(c, "api/"));
  // Relative, as it must be behind a proxy's path.
  app.get("/api", (c) => c.redirect(`api/${new URL(c.req.url).search}`));
  for (const [path, asset] of Object.entries(assets)) app.get(path, asset);
  app.notFound((c) => problem(c, 404, `there is nothing at ${excerpt(c.req.path)}`));
  app.onError((error, c) => {
    ports.failed(c.req.method, c.req.path, error);
    return problem(c, 500, "something went wrong here: the log has more");
  });
  return app;
}

function onTheWay({ steadyMs }: ServerPorts): Outgoing {
  const limit = `${outgoingBytesMax / 1024 / 1024} MB`;
  return new Outgoing({
    steadyMs,
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
  const bodies = new ExperimentBodies({ snapshot: ports.snapshot, pause: pauseForReaders }, options);
  const document = madeOnce(async () => Body.of(await openapiDocument(ports.snapshot().version)));
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
      return hanging === null ? sendJson(c, { status: "alive" }) : problem(c, 503, hanging);
    },
    "/readyz": (c) => {
      const missing = missingParts(ports.snapshot());
      return missing.length === 0
        ? sendJson(c, { status: "ready" })
        : problem(c, 503, `not ready: ${missing.join(", ")}`);
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
  return view ? answer(view) : problem(c, 404, `there is no experiment ${excerpt(name)}`);
}

async function history(c: Context, ports: ServerPorts, view: ExperimentView, keepMs: number): Promise<Response> {
  const { data, error } = historyQuery.safeParse(single(c.req.queries()));
  const windowMs = data ? parseDuration(data.window) : null;
  if (windowMs === null) return problem(c, 400, error?.issues[0]?.message ?? "there is no such window");
  // Up to the Snapshot's own time: what comes after it nobody has watched yet.
  const snapshot = ports.snapshot();
  const { runs } = snapshot;
  const window = historyWindow({ windowMs, keepMs, nowMs: historyEndMs(snapshot) });
  try {
    const stored = await ports.history(view.name, window.fromMs);
    return sendJson(c, historyJson(view.name, { stored, recent: view.turns, runs }, window));
  } catch (error) {
    if (!(error instanceof StoreFailed)) throw error;
    return problem(c, 503, `the history can't be read: ${error.message}`);
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
  return answer ?? comeAgain(c, "there are too many readers already");
}

function pages(ports: ServerPorts): PageAnswer {
  const { snapshot, nowMs, steadyMs } = ports;
  const copies = new Copies({ snapshot, nowMs, steadyMs, pause: pauseForReaders });
  return async (c, prefix) => {
    const query = readQuery(new URL(c.req.url).searchParams);
    // By what was understood: of however many addresses of one page there is one copy.
    const page = copies.of(prefix + linkTo(query), (of, pause) => {
      return Body.made(pageTexts(of, query, { nowMs: nowMs(), prefix }), pause);
    });
    if (page === null) return comeAgain(c, "too many ask for other pages");
    return send(c, await page, { type: html, status: isKnown(snapshot(), query) ? 200 : 404 });
  };
}
