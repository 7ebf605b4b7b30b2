/**
 * Book, jump and relay for the bench, as a process: they let everybody in and send frames made before, since a simulated
 * laboratory of 10,000 live experiments would take more of the machine than what is measured.
 * `deno run -A scripts/bench/feed.ts EXPERIMENTS EVERY_MS` prints a line of JSON and serves until it is told to end; with EVERY_MS 0
 * a report goes out only on `POST /control/report`.
 */
import { randomOf } from "../seeded.ts";
import { goDuration, neverSpoke, wholeSeconds } from "../simulator/feed.ts";
import { toldToEnd } from "../simulator/process.ts";
import { sleep } from "./figures.ts";

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

// Reports of any size, as jump and relay write them: their order and formats, with other measurements in each. The same for
// the same arguments. (Those of scripts/simulator are of a laboratory that lives.)

/** `bare`: relay from v0.8 on, which sends no statistics. */
export type Dialect = "jump" | "relay" | "bare";
export const dialects: readonly Dialect[] = ["jump", "relay", "bare"];

export interface FrameWish {
  readonly dialect: Dialect;
  readonly experiments: number;
  /** Which report it is: its order and what it measures go by that. */
  readonly turn: number;
  /** Of so many streams relay says that they have sent nothing for a while; at jump so many hosts are not there. 0. */
  readonly bad?: number;
  /** In another order each time, which no service that is known has. */
  readonly isShuffled?: boolean;
}

const streams = ["st-data", "st-video"] as const;
const startMs = Date.UTC(2026, 10, 22, 7);
const never = { last: "Never", size: 0, fps: 0 };
const agent = "Go-http-client/1.1";
// Beyond any HEALTH_LAST_ACTIVE of the bench.
const silentMs = 65_000;

export function nameOf(experiment: number): string {
  return `pend${String(experiment).padStart(2, "0")}`;
}

/** The stream's topic at relay. */
export function topicOf(stream: number): string {
  return `${nameOf(Math.floor(stream / streams.length))}-${streams[stream % streams.length]}`;
}

/** How many entries a frame has, the service's own and the monitor's included. */
export function entriesIn({ dialect, experiments, bad = 0 }: Omit<FrameWish, "turn">): number {
  const users = Math.floor(experiments / 2);
  return (dialect === "jump" ? experiments - bad : experiments * streams.length) + users + 2;
}

/** How many of them are an experiment's. */
export function connectionsIn({ dialect, experiments, bad = 0 }: Omit<FrameWish, "turn">): number {
  return dialect === "jump" ? experiments - bad : experiments * streams.length;
}

export function frameOf(wish: FrameWish): string {
  const random = randomOf(wish.turn * 7919 + wish.experiments);
  const entries = wish.dialect === "jump" ? jumpEntries(wish) : relayEntries(wish, random);
  return JSON.stringify(wish.isShuffled ? shuffled(entries, random) : inGoOrder(entries, random));
}

function jumpEntries({ experiments, bad = 0 }: FrameWish): Topical[] {
  const hosts = Array.from({ length: experiments - bad }, (_, at) => jumpEntry(nameOf(at + bad), "host", at));
  const users = Array.from({ length: Math.floor(experiments / 2) }, (_, at) => {
    return jumpEntry(`${nameOf(at * 2)}/${uuid(at)}`, "client", at);
  });
  const own = { ...jumpEntry("stats", "stats", 0), expires_at: "0001-01-01T00:00:00Z", scopes: null };
  return [own, jumpEntry("stats", "stats", 0), ...hosts, ...users];
}

function jumpEntry(topic: string, scope: string, at: number) {
  const scopes = at % 2 === 0 ? [scope, "read", "write"] : ["read", "write", scope];
  return {
    ...{ can_read: true, can_write: true, connected_at: nanoseconds(at), expires_at: expiry(at) },
    ...{ remote_address: address(at), scopes, statistcs: { last: neverSpoke }, topic, user_agent: agent },
  };
}

function relayEntries({ dialect, experiments, bad = 0 }: FrameWish, random: () => number): Topical[] {
  const isBare = dialect === "bare";
  const entry = (topic: string, scopes: string[], at: number, stats: unknown) => ({
    ...{
      canRead: true,
      canWrite: scopes.includes("write"),
      connected: isBare ? wholeSeconds(connectedMs(at)) : nanoseconds(at),
    },
    ...{
      expiresAt: expiry(at),
      remoteAddr: address(at),
      scopes,
      ...(isBare ? {} : { stats }),
      topic,
      userAgent: agent,
    },
  });
  const measured = (idleMs: number) => ({ last: goDuration(idleMs), size: 1_200 + random(), fps: 10 * random() });
  const senders = Array.from({ length: experiments * streams.length }, (_, at) => {
    const tx = measured(at < bad ? silentMs + 1_000 * random() : 900 * random());
    return entry(topicOf(at), ["read", "write", "expt"], at, { tx, rx: at % 2 === 0 ? measured(5_000) : never });
  });
  const users = Array.from({ length: Math.floor(experiments / 2) }, (_, at) => {
    const userAgent = `Mozilla/5.0 (X11; Linux x86_64; rv:${at}) Gecko/20100101 Firefox/145.0`;
    return { ...entry(topicOf(at * 2 + 1), ["read"], at, { tx: never, rx: measured(40 * random()) }), userAgent };
  });
  const own = entry("stats", ["read", "stats", "write"], 0, { tx: never, rx: never });
  return [own, entry("stats", ["read"], 0, { tx: never, rx: measured(1_000) }), ...senders, ...users];
}

function nanoseconds(at: number): string {
  return new Date(connectedMs(at)).toISOString().replace("Z", `${String(at * 7 % 1_000_000).padStart(6, "0")}Z`);
}

function connectedMs(at: number): number {
  return startMs + at * 1_013;
}

function expiry(at: number): string {
  return wholeSeconds(startMs + 365 * 86_400_000 + at * 1_000);
}

function address(at: number): string {
  return `192.0.2.${at % 256}, 10.0.0.1`;
}

function uuid(at: number): string {
  return `5f0c2b1e-8a4d-4c6b-9f3e-${String(at).padStart(12, "0")}`;
}

interface Topical {
  readonly topic: string;
}

/**
 * As a map of Go's is gone through: its buckets of eight in an order that stays, from any of them on, and each of them round
 * from any place on. The recordings of jump and relay show it: a report has the order of the last but for where it begins.
 */
function inGoOrder(entries: readonly Topical[], random: () => number): Topical[] {
  const laid = entries.map((entry) => ({ entry, key: keyOf(entry) })).sort((a, b) => a.key - b.key);
  const buckets = Array.from({ length: Math.ceil(laid.length / 8) }, (_, at) => laid.slice(8 * at, 8 * at + 8));
  const first = Math.floor(random() * 8);
  return turned(buckets, Math.floor(random() * buckets.length))
    .flatMap((bucket) => turned(bucket, first % bucket.length)).map(({ entry }) => entry);
}

function shuffled(entries: readonly Topical[], random: () => number): Topical[] {
  const keys = new Map(entries.map((entry) => [entry, random()]));
  return entries.toSorted((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0));
}

/** Anywhere, but for the same topic always the same. */
function keyOf({ topic }: Topical): number {
  let seed = 0;
  for (let at = 0; at < topic.length; at++) seed = Math.imul(seed, 31) + topic.charCodeAt(at);
  return randomOf(seed)();
}

function turned<T>(items: readonly T[], first: number): T[] {
  return [...items.slice(first), ...items.slice(0, first)];
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
