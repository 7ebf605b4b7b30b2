/**
 * Book, jump and relay for the bench, as a process of their own: they let everybody in, and send frames that were made
 * before, since a laboratory of 10,000 experiments that lives (`world`) takes more of the machine than what is measured.
 * `deno run -A scripts/bench/feed.ts EXPERIMENTS EVERY_MS` prints a line of JSON and serves until it is told to end;
 * EVERY_MS 0: reports go out when they are asked for alone (`POST /control/report`).
 */
import { toldToEnd } from "../simulator/process.ts";
import { frameOf, nameOf } from "./frames.ts";
import { sleep } from "./timing.ts";

/** What it prints first. */
export interface FeedLine {
  readonly control: string;
  /** The settings that point the program here. */
  readonly env: Readonly<Record<string, string>>;
}

/** What has been sent and asked for since the start: `GET /control/counts`. */
export interface FeedCounts {
  jump: number;
  relay: number;
  book: number;
}

type Feed = "jump" | "relay";

const feeds: readonly Feed[] = ["jump", "relay"];
const turns = 4;
const bookPath = "/book/api/v1/admin/resources";
const json = { "content-type": "application/json" };

class StandIn {
  readonly #experiments: number;
  readonly #frames: Readonly<Record<Feed, readonly string[]>>;
  /** One stream less is well in them. */
  readonly #ill: readonly string[];
  readonly #sockets: Readonly<Record<Feed, Set<WebSocket>>> = { jump: new Set(), relay: new Set() };
  readonly counts: FeedCounts = { jump: 0, relay: 0, book: 0 };

  constructor(experiments: number) {
    this.#experiments = experiments;
    const made = (dialect: Feed, bad = 0) =>
      Array.from({ length: turns }, (_, turn) => frameOf({ dialect, experiments, turn, bad }));
    this.#frames = { jump: made("jump"), relay: made("relay") };
    this.#ill = made("relay", 1);
  }

  report(feed: Feed, isIll = false): void {
    const frames = isIll ? this.#ill : this.#frames[feed];
    const frame = frames[this.counts[feed]++ % turns] ?? "";
    for (const socket of this.#sockets[feed]) if (socket.readyState === WebSocket.OPEN) socket.send(frame);
  }

  answer(request: Request): Response {
    const { pathname, searchParams, host } = new URL(request.url);
    const feed = feeds.find((each) => pathname.startsWith(`/${each}`));
    if (request.headers.get("upgrade") === "websocket" && feed) return this.#open(request, feed);
    if (feed) return Response.json({ uri: `ws://${host}/${feed}?code=${crypto.randomUUID()}` });
    if (pathname.startsWith(bookPath)) return this.#book(request.method, pathname.slice(bookPath.length + 1));
    if (pathname === "/control/report") {
      this.report(searchParams.get("feed") as Feed, searchParams.has("ill"));
    }
    return Response.json(this.counts);
  }

  #open(request: Request, feed: Feed): Response {
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    socket.onopen = () => this.#sockets[feed].add(socket);
    socket.onclose = () => this.#sockets[feed].delete(socket);
    return response;
  }

  /** Everything is available, whatever is written. */
  #book(method: string, name: string): Response {
    this.counts.book++;
    if (method === "PUT") return new Response(null, { status: 204 });
    if (name !== "") return new Response('{"available":true,"reason":"loaded"}', { headers: json });
    const resources = Array.from({ length: this.#experiments }, (_, at) => {
      const stub = nameOf(at);
      return [`r-${stub}`, { description: "made up", streams: ["st-data", "st-video"], tests: [], topic_stub: stub }];
    });
    return Response.json(Object.fromEntries(resources));
  }
}

/** Jump first, relay half an interval later: they are two services. */
async function reportEvery(standIn: StandIn, everyMs: number): Promise<never> {
  for (;;) {
    for (const feed of feeds) {
      standIn.report(feed);
      await sleep(everyMs / feeds.length);
    }
  }
}

function lineOf(port: number): FeedLine {
  const services = ["book", "jump", "relay"].flatMap((service) => {
    const name = service.toUpperCase();
    const setting = (which: string, value: string) => [`STATUS_${which}_${name}`, value];
    return [
      ...[setting("SCHEME", "http"), setting("HOST", `127.0.0.1:${port}`)],
      ...[setting("BASEPATH", `/${service}`), setting("SECRET", "made-up")],
    ];
  });
  return { control: `http://127.0.0.1:${port}/control`, env: Object.fromEntries(services) };
}

if (import.meta.main) {
  const [experiments = 10, everyMs = 1_000] = Deno.args.map(Number);
  const standIn = new StandIn(experiments);
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => standIn.answer(request));
  console.log(JSON.stringify(lineOf(server.addr.port)));
  if (everyMs > 0) void reportEvery(standIn, everyMs);
  await toldToEnd();
  Deno.exit(0);
}
