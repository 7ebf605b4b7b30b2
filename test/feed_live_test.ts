/** Feeds with real sockets and real HTTP on loopback; only the time is the test's. */
import { jwtVerify } from "jose";
import assert from "node:assert/strict";
import { jumpClaims, relayClaims } from "../src/access.ts";
import { type FeedConfig, tryFeed, watchFeed } from "../src/feed.ts";
import type { FeedName, FeedNews, Report } from "../src/report.ts";
import { Secret } from "../src/setting_types.ts";
import {
  type SocketListener,
  SocketPool,
  type Sockets,
  type SocketWorker,
  startSocketWorker,
} from "../src/socket_pool.ts";
import type { SocketEvent } from "../src/socket_worker.ts";
import { connection } from "./support/bench.ts";
import { capturedFrames, testOfCaptures } from "./support/captures.ts";
import { FakeClock } from "./support/clock.ts";
import { isLetGo } from "./support/let_go.ts";
import { textFrame, upgrade } from "./support/raw_socket.ts";

const stream = (topic: string) => `{"topic":"${topic}","scopes":["expt"]}`;

Deno.test("reports arrive through real sockets, one a frame, whatever number of documents it holds", async () => {
  await using lab = new Lab("relay");
  await lab.isWatched();

  lab.send(`[${stream("pend00-st-data")}]`);
  lab.send(`{"cmd":"update"}[${stream("pend00-st-data")}][${stream("pend01-st-data")}]`);
  lab.send('{"cmd":"update"}');
  lab.send("[");
  lab.send("null");
  await until(() => lab.reports.length === 3);

  assert.deepEqual(lab.reports.map(({ connections }) => [...connections.keys()]), [
    ["pend00-st-data"],
    ["pend00-st-data", "pend01-st-data"],
    [],
  ]);
  assert.deepEqual(lab.news.map((each) => each.kind), ["connected", "bad-frame"]);
});

Deno.test("a token is renewed without a gap in the reports, nor one that counts twice", async () => {
  await using lab = new Lab("relay");
  await lab.isWatched();
  for (let tick = 1; tick <= 15; tick++) {
    await lab.clock.advance(5_000); // the token lives for 100 s: 70 s are over at tick 14
    if (tick === 14) await until(() => lab.sockets.length === 2);
    lab.send(`[${stream("pend00-st-data")}]`);
    await until(() => lab.reports.length === tick);
  }
  await until(() => lab.sockets[0]?.readyState === WebSocket.CLOSED);

  assert.deepEqual(lab.news.map((each) => each.kind), ["connected", "connected"]);
  assert.equal(lab.sockets.length, 2);
});

Deno.test("a feed is connected again when its service comes back", async () => {
  await using lab = new Lab("jump");
  await lab.isWatched();
  lab.send("[]");
  await until(() => lab.reports.length === 1);
  lab.sockets[0]?.close(1001, "going");
  await until(() => lab.news.length === 2);
  await lab.clock.advance(1_000);
  await until(() => lab.sockets.length === 2);
  lab.send("[]");
  await until(() => lab.reports.length === 2);

  const [, trouble] = lab.news;
  assert.match(
    trouble?.kind === "trouble" ? trouble.trouble.message : "",
    /^The connection to jump at .* ended: closed with code 1001 "going"$/,
  );
});

Deno.test("trying a feed tells what its first report held", async () => {
  await using lab = new Lab("relay");
  const tried = lab.tries();
  await until(() => lab.sockets.length === 1);
  lab.send(`[${stream("pend00-st-data")},{"topic":"stats","scopes":["read"]}]`);

  assert.deepEqual(await tried, { kind: "reported", entries: 2, generation: "unmeasured", connections: 1 });
});

Deno.test("trying a feed tells a refused token from a silent service", async () => {
  await using lab = new Lab("relay");
  const refused = await lab.tries({ secret: new Secret("another") });
  assert.deepEqual([refused.kind, refused.kind === "trouble" && refused.accepted], ["trouble", false]);
  assert.match(refused.kind === "trouble" ? refused.trouble.message : "", /: relay answered 500 "token invalid"/);

  const tried = lab.tries();
  await until(() => lab.sockets.length === 1);
  await until(() => lab.opened === 1);
  await lab.clock.advance(15_000);
  const silent = await tried;
  assert.deepEqual([silent.kind, silent.kind === "trouble" && silent.accepted], ["trouble", true]);
  assert.match(silent.kind === "trouble" ? silent.trouble.message : "", /connected but silent for 15 s/);
});

Deno.test("trying a feed can be called off", async () => {
  await using lab = new Lab("relay");
  const tried = lab.tries();
  await until(() => lab.sockets.length === 1);
  lab.stop.abort(new Error("enough"));
  await assert.rejects(tried, /enough/);
});

const recordings = { "jump-v0.4.0": 35, "relay-v0.7.0": 30, "relay-v0.9.3": 29 };
for (const [recording, wantReports] of Object.entries(recordings)) {
  testOfCaptures(`the recording of ${recording} comes through real sockets with nothing skipped`, async () => {
    await using lab = new Lab(recording.startsWith("jump") ? "jump" : "relay");
    await lab.isWatched();
    for (const { frame } of capturedFrames(`${recording}.jsonl`)) lab.send(frame);
    await until(() => lab.reports.length === wantReports);

    assert.deepEqual(lab.reports.filter((each) => each.skipped > 0), []);
    assert.deepEqual(lab.news.map((each) => each.kind), ["connected"]);
  });
}

/** A service that says what the test tells it to, to whoever is connected, and a feed of it. */
class Lab implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly stop = new AbortController();
  readonly sockets: WebSocket[] = [];
  readonly reports: Report[] = [];
  readonly news: FeedNews[] = [];
  /** How many of the feed's sockets are open by what it has been told. */
  opened = 0;
  readonly #pool = new SocketPool(this.clock, startSocketWorker);
  readonly #server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => this.#serve(request));
  readonly #source: FeedConfig;
  #watched = Promise.resolve();

  constructor(name: FeedName) {
    const base = `http://127.0.0.1:${this.#server.addr.port}`;
    const claims = name === "jump" ? jumpClaims(base) : relayClaims(base);
    const accessUrl = new URL(`${base}/session/stats`), secret = new Secret("s");
    this.#source = { name, accessUrl, claims, secret, tokenLifeMs: 100_000, lastCheckedMs: 10_000 };
  }

  async isWatched(): Promise<void> {
    const listener = {
      report: (report: Report) => void this.reports.push(report),
      news: (news: FeedNews) => void this.news.push(news),
    };
    this.#watched = watchFeed(this.#source, { ...this.#ports(), random: () => 0 }, listener, this.stop.signal);
    await until(() => this.sockets.length === 1);
  }

  tries(changes: Partial<FeedConfig> = {}) {
    return tryFeed({ ...this.#source, ...changes }, this.#ports(), 15_000, this.stop.signal);
  }

  send(frame: string): void {
    for (const socket of this.sockets) if (socket.readyState === WebSocket.OPEN) socket.send(frame);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    await this.#watched;
    await until(() => this.sockets.every((each) => each.readyState === WebSocket.CLOSED));
    this.#pool.close();
    await this.#server.shutdown();
    assert.equal(this.clock.waiting, 0, "something still waits");
  }

  #ports() {
    const sockets: Sockets = {
      dial: (url, dialect, listener) =>
        this.#pool.dial(url, dialect, {
          open: () => (listener.open(), this.opened++),
          report: (decoded) => listener.report(decoded),
          badFrame: (why) => listener.badFrame(why),
          closed: (why) => listener.closed(why),
          retire: () => listener.retire(),
        }),
    };
    return { clock: this.clock, sockets, fetch: (url: URL, init: RequestInit) => fetch(url, init) };
  }

  async #serve(request: Request): Promise<Response> {
    if (request.headers.get("upgrade") === "websocket") return this.#upgrade(request);
    try {
      const key = new TextEncoder().encode("s");
      await jwtVerify(request.headers.get("authorization") ?? "", key, { currentDate: new Date(this.clock.nowMs()) });
      return Response.json({ uri: `ws://${new URL(request.url).host}/stats?code=c0de` });
    } catch {
      return Response.json({ code: 500, message: "token invalid" }, { status: 500 });
    }
  }

  #upgrade(request: Request): Response {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => this.sockets.push(socket);
    socket.onerror = () => {}; // what is said to a socket that has gone
    return response;
  }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/*  What is left of a socket that was closed, and whose server leaves it open for as long as it likes. */

const deaf: SocketListener = { open() {}, report() {}, badFrame() {}, closed() {}, retire() {} };
const oneEntry = '[{"topic":"pend00","scopes":["host"]}]';

Deno.test("the pool lets go of what a socket said when that is closed, though its server never ends it", async () => {
  const clock = new FakeClock();
  const worker: SocketWorker = { onmessage: null, onerror: null, postMessage() {}, terminate() {} };
  const pool = new SocketPool(clock, () => worker);
  const tell = (data: SocketEvent) => worker.onmessage?.(new MessageEvent("message", { data }));
  const said: WeakRef<object>[] = [];
  const socket = pool.dial("ws://a", "relay", {
    ...deaf,
    report: ({ connections }) => void said.push(new WeakRef(connections.rows)),
  });
  tell({ id: 1, kind: "open" });
  const peers = [[0, connection("pend00-st-data")]] as const;
  tell({
    id: 1,
    kind: "report",
    columns: { ...{ entries: 1, skipped: 0, generation: "measured" }, gone: [], peers, figures: null },
  });
  assert.equal(await isLetGo(said[0]!), false, "the next report could say that all is as before");

  socket.close();
  await clock.advance(5_000);

  assert.equal(await isLetGo(said[0]!), true);
  pool.close();
});

Deno.test("what a server goes on sending after the close is not read", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = goOnSending(listener);
  const told: string[] = [], closed = Promise.withResolvers<void>();
  const pool = new SocketPool(new FakeClock(), () => overheard(told, closed.resolve));
  const socket = pool.dial(`ws://127.0.0.1:${listener.addr.port}/`, "jump", { ...deaf, report: () => socket.close() });

  await Promise.all([served, closed.promise]);

  assert.deepEqual(told, ["open", "report", "closed"]);
  pool.close();
});

/** A real worker, whose words are noted on their way to the pool. */
function overheard(told: string[], onClosed: () => void): SocketWorker {
  const worker = startSocketWorker();
  const between: SocketWorker = {
    onmessage: null,
    onerror: null,
    postMessage: (order) => worker.postMessage(order),
    terminate: () => worker.terminate(),
  };
  worker.onmessage = (event) => {
    told.push(event.data.kind);
    between.onmessage?.(event);
    if (event.data.kind === "closed") onClosed();
  };
  return between;
}

/** Serves one client: a report, another one when the client has asked for the close, and the end without an answer. */
async function goOnSending(listener: Deno.TcpListener): Promise<void> {
  const client = await listener.accept();
  listener.close();
  await upgrade(client);
  await client.write(textFrame(oneEntry));
  await client.read(new Uint8Array(64)); // the close frame
  await client.write(textFrame(oneEntry));
  client.close();
}
