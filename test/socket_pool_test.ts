import assert from "node:assert/strict";
import type { ReportDelta } from "../src/report.ts";
import {
  type Socket,
  type SocketListener,
  SocketPool,
  type SocketWorker,
  startSocketWorker,
} from "../src/socket_pool.ts";
import type { SocketEvent, SocketOrder } from "../src/socket_worker.ts";
import { FakeClock } from "./support/clock.ts";
import { descriptors, linuxTest, startSilentServer, until } from "./support/descriptors.ts";

/** Workers that only note what they are asked; a test says what becomes of the sockets. */
class FakeWorkers {
  readonly orders: SocketOrder[][] = [];
  readonly ended: number[] = [];
  readonly #workers: SocketWorker[] = [];

  readonly start = (): SocketWorker => {
    const orders: SocketOrder[] = [], at = this.orders.push(orders) - 1;
    const worker: SocketWorker = {
      onmessage: null,
      onerror: null,
      postMessage: (order) => void orders.push(order),
      terminate: () => void this.ended.push(at),
    };
    this.#workers.push(worker);
    return worker;
  };

  tell(at: number, event: SocketEvent): void {
    this.#workers[at]?.onmessage?.(new MessageEvent("message", { data: event }));
  }

  breakDown(at: number, message: string): ErrorEvent {
    const event = new ErrorEvent("error", { message, cancelable: true });
    this.#workers[at]?.onerror?.(event);
    return event;
  }
}

function bench(listenMs?: number) {
  const clock = new FakeClock(), workers = new FakeWorkers(), told: string[] = [];
  const pool = new SocketPool(clock, workers.start, listenMs);
  const listener = (name: string): SocketListener => ({
    open: () => told.push(`${name} open`),
    report: (decoded) => told.push(`${name} report of ${decoded.entries}`),
    badFrame: (why) => told.push(`${name} bad frame: ${why}`),
    closed: (why) => told.push(`${name} closed: ${why}`),
    retire: () => told.push(`${name} retire`),
  });
  return { clock, workers, told, pool, dial: (name: string) => pool.dial(`ws://${name}`, "relay", listener(name)) };
}

/** Nine sockets of the first worker whose server never answers the close frame. */
async function withNineStuck({ dial, workers, clock }: ReturnType<typeof bench>, beside = 0): Promise<void> {
  for (let at = 1; at <= 9; at++) {
    const socket = dial("stuck");
    workers.tell(0, { id: beside + at, kind: "open" });
    socket.close();
  }
  await clock.advance(5_000);
}

const report: ReportDelta = {
  ...{ entries: 3, skipped: 0, generation: "measured", gone: [], peers: [], figures: null },
};

Deno.test("no worker is started before the first dial", () => assert.deepEqual(bench().workers.orders, []));

Deno.test("a listener hears of its own socket alone, until it is closed", () => {
  const { dial, workers, told } = bench();
  dial("a");
  dial("b");

  workers.tell(0, { id: 1, kind: "open" });
  workers.tell(0, { id: 2, kind: "closed", why: "tcp connect error" });
  workers.tell(0, { id: 1, kind: "report", columns: report });
  workers.tell(0, { id: 1, kind: "bad-frame", why: "an empty frame" });
  workers.tell(0, { id: 1, kind: "closed", why: "closed with code 1006" });
  workers.tell(0, { id: 1, kind: "report", columns: report });

  assert.deepEqual(workers.orders, [[
    { kind: "dial", id: 1, url: "ws://a", dialect: "relay" },
    { kind: "dial", id: 2, url: "ws://b", dialect: "relay" },
  ]]);
  assert.deepEqual(told, [
    "a open",
    "b closed: tcp connect error",
    "a report of 3",
    "a bad frame: an empty frame",
    "a closed: closed with code 1006",
  ]);
});

Deno.test("nothing is told of a socket after its listener closed it", () => {
  const { dial, workers, told } = bench();
  const socket = dial("a");

  socket.close();
  socket.close();
  for (const event of ["open", "closed"] as const) workers.tell(0, { id: 1, kind: event, why: "" });

  assert.deepEqual(workers.orders[0]?.slice(1), [{ kind: "close", id: 1 }]);
  assert.deepEqual(told, []);
});

Deno.test("a dial that is not open within 10 s is closed with a reason", async () => {
  const { dial, workers, told, clock } = bench();
  dial("slow");
  dial("quick");
  workers.tell(0, { id: 2, kind: "open" });

  await clock.advance(9_999);
  assert.deepEqual(told, ["quick open"]);
  await clock.advance(1);

  assert.deepEqual(told, ["quick open", "slow closed: not open within 10 s"]);
  assert.deepEqual(workers.orders[0]?.at(-1), { kind: "close", id: 1 });
});

Deno.test("a worker with eight sockets that would not close is kept", async () => {
  const { dial, workers, clock } = bench();
  for (let at = 1; at <= 8; at++) dial("stuck").close();
  await clock.advance(5_000);
  dial("next");

  assert.deepEqual([workers.orders.length, workers.ended], [1, []]);
});

Deno.test("sockets that close in time count for nothing", async () => {
  const { dial, workers, clock } = bench();
  for (let at = 1; at <= 20; at++) {
    dial("quick").close();
    workers.tell(0, { id: at, kind: "closed", why: "" });
  }
  await clock.advance(5_000);

  assert.deepEqual([workers.ended, clock.waiting], [[], 0]);
});

Deno.test("a worker with nine is ended at once where nobody lives in it, and the next dial starts another", async () => {
  const all = bench();
  await withNineStuck(all);
  assert.deepEqual([all.workers.orders.length, all.workers.ended], [1, [0]]);

  all.dial("next");

  assert.deepEqual(all.workers.orders[1]?.length, 1);
  assert.deepEqual(all.told, Array(9).fill("stuck open"));
});

Deno.test("who lives in a worker that is replaced is asked to renew, and it is ended when the last has gone", async () => {
  const all = bench(), { workers } = all;
  const old = all.dial("old");
  workers.tell(0, { id: 1, kind: "open" });
  await withNineStuck(all, 1);
  all.dial("new");
  workers.tell(0, { id: 1, kind: "report", columns: report });

  assert.deepEqual(all.told.filter((each) => each.startsWith("old")), ["old open", "old retire", "old report of 3"]);
  assert.deepEqual([workers.orders.length, workers.ended], [2, []]);

  old.close();
  assert.deepEqual(workers.ended, [0]);
});

Deno.test("a worker that is replaced is ended after a minute, whoever lives in it", async () => {
  const all = bench();
  all.dial("old");
  all.workers.tell(0, { id: 1, kind: "open" });
  await withNineStuck(all, 1);

  await all.clock.advance(59_999);
  assert.deepEqual(all.workers.ended, []);
  await all.clock.advance(1);

  assert.deepEqual(all.workers.ended, [0]);
  assert.equal(all.told.at(-1), "old closed: what held the connection was replaced");
  assert.equal(all.clock.waiting, 0);
});

Deno.test("whoever listens for two minutes is not cut short by a worker that is replaced", async () => {
  const all = bench(120_000);
  all.dial("old");
  all.workers.tell(0, { id: 1, kind: "open" });
  await withNineStuck(all, 1);

  await all.clock.advance(179_999);
  assert.deepEqual(all.workers.ended, []);
  await all.clock.advance(1);

  assert.deepEqual([all.workers.ended, all.clock.waiting], [[0], 0]);
});

Deno.test("a worker that breaks ends its sockets but not the program, and the next dial starts another", () => {
  const { dial, workers, told } = bench();
  dial("a");
  const event = workers.breakDown(0, "out of memory");
  dial("b");

  assert.ok(event.defaultPrevented);
  assert.deepEqual(told, ["a closed: what held the connection broke: out of memory"]);
  assert.deepEqual([workers.ended, workers.orders.length], [[0], 2]);
});

Deno.test("closing the pool ends every worker and every wait", async () => {
  const all = bench();
  const closed: Socket = all.dial("closed");
  closed.close();
  all.dial("live");
  all.pool.close();
  await all.clock.advance(0);

  assert.deepEqual([all.workers.ended, all.clock.waiting], [[0], 0]);
  assert.deepEqual(all.told, ["live closed: the program is stopping"]);
});

const ends: Record<string, (all: ReturnType<typeof bench>, socket: Socket) => unknown> = {
  "the server has answered the close": ({ workers }, socket) => {
    socket.close();
    workers.tell(0, { id: 1, kind: "closed", why: "" });
  },
  "the server ends it": ({ workers }) => workers.tell(0, { id: 1, kind: "closed", why: "closed with code 1006" }),
  "the server does not answer the close in time": async ({ clock }, socket) => {
    socket.close();
    await clock.advance(5_000);
  },
  "the pool is closed": ({ pool }) => pool.close(),
  "what held it breaks": ({ workers }) => workers.breakDown(0, "out of memory"),
};
for (const [name, end] of Object.entries(ends)) {
  Deno.test(`a socket that is listened to is gone when ${name}, and not before`, async () => {
    const all = bench();
    let isGone = false;
    const socket = all.pool.listen("ws://a", { open() {}, message: () => void all.told.push("message"), closed() {} });
    socket.gone.then(() => isGone = true);
    all.workers.tell(0, { id: 1, kind: "open" });
    all.workers.tell(0, { id: 1, kind: "message" });
    await all.clock.advance(4_999);
    assert.deepEqual([all.told, isGone], [["message"], false]);
    await end(all, socket);
    await all.clock.advance(0);
    assert.equal(isGone, true);
  });
}

/*  The pool with its real Worker and real sockets, on loopback. */

linuxTest("a hundred sockets that would not close leave no more than a few descriptors behind", async () => {
  const server = await startSilentServer(), clock = new FakeClock(), pool = new SocketPool(clock, startSocketWorker);
  const before = descriptors();
  let most = 0;
  try {
    for (let round = 0; round < 10; round++) {
      const sockets = await Promise.all(Array.from({ length: 10 }, () => opened(pool, server.url)));
      most = Math.max(most, descriptors() - before);
      for (const socket of sockets) socket.close();
      await clock.advance(5_000);
      await until(() => descriptors() - before < 10);
    }
    assert.ok(most >= 10, `the sockets were never there: ${most}`);
  } finally {
    pool.close();
    await server.stop();
  }
});

linuxTest("eight sockets that would not close stay, and go with the pool", async () => {
  const server = await startSilentServer(), clock = new FakeClock(), pool = new SocketPool(clock, startSocketWorker);
  const before = descriptors();
  try {
    const sockets = await Promise.all(Array.from({ length: 8 }, () => opened(pool, server.url)));
    for (const socket of sockets) socket.close();
    await clock.advance(60_000);
    assert.ok(descriptors() - before >= 8);
  } finally {
    pool.close();
    await until(() => descriptors() <= before);
    await server.stop();
  }
});

const oneEntry = '[{"topic":"pend00","scopes":["host"]}]';
const frames: Record<string, [frames: (string | Uint8Array<ArrayBuffer>)[], want: string[]]> = {
  "reports are decoded": [[oneEntry], ["open", "report of pend00", 'closed: closed with code 4000 "bye"']],
  "several documents of one frame are one report": [[`{"cmd":"update"}${oneEntry}[]`], [
    "open",
    "report of pend00",
    'closed: closed with code 4000 "bye"',
  ]],
  "a frame that is no report is not told of": [['{"cmd":"update"}', "[]"], [
    "open",
    "report of ",
    'closed: closed with code 4000 "bye"',
  ]],
  "a bad frame is told of, and the next report comes": [["[", oneEntry], [
    "open",
    "bad frame: document 1 is not JSON",
    "report of pend00",
    'closed: closed with code 4000 "bye"',
  ]],
  "a report of which no entry can be read is bad: it does not say that all have left": [
    ['[{"topic":7,"scopes":["host"]},{"topic":"pend00","scopes":"host"}]', '[{"topic":7},{"topic":"stats"}]'],
    ["open", "bad frame: none of its 2 entries can be read", "report of ", 'closed: closed with code 4000 "bye"'],
  ],
  "a binary frame is bad": [[new Uint8Array(3)], [
    "open",
    "bad frame: a binary frame",
    'closed: closed with code 4000 "bye"',
  ]],
  "a frame over 64 MB ends the connection, by name": [["x".repeat(65 * 1024 * 1024)], [
    "open",
    "closed: Frame too large (more than 64 MB)",
  ]],
};
for (const [name, [sent, want]] of Object.entries(frames)) {
  Deno.test(`through a real socket: ${name}`, async () => {
    const served = Promise.withResolvers<void>();
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onclose = () => served.resolve();
      socket.onopen = () => {
        for (const frame of sent) socket.send(frame);
        socket.close(4000, "bye");
      };
      socket.onerror = () => {}; // the client hung up on it, as it should
      return response;
    });
    assert.deepEqual(await untilClosed(`ws://127.0.0.1:${server.addr.port}/`), want);
    await served.promise;
    await server.shutdown();
  });
}

const refusals: Record<string, [url: (port: number) => string, want: string]> = {
  "nobody there": [() => "ws://127.0.0.1:1/", "closed: tcp connect error"],
  "an answer that is no websocket": [(port) => `ws://127.0.0.1:${port}/`, "closed: Invalid status code: 404"],
  "an address that is none": [
    () => "ftp://127.0.0.1/",
    "closed: Only ws & wss schemes are allowed in a WebSocket URL: received ftp:",
  ],
};
for (const [name, [url, want]] of Object.entries(refusals)) {
  Deno.test(`through a real socket: ${name} is said in words`, async () => {
    const notFound = () => new Response("no such thing", { status: 404 });
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, notFound);
    assert.deepEqual(await untilClosed(url(server.addr.port)), [want]);
    await server.shutdown();
  });
}

/** What a listener is told until the socket is closed. */
async function untilClosed(url: string): Promise<string[]> {
  const pool = new SocketPool(new FakeClock(), startSocketWorker), told: string[] = [];
  await new Promise<void>((resolve) => {
    pool.dial(url, "jump", {
      open: () => told.push("open"),
      report: ({ connections }) => told.push(`report of ${[...connections.keys()]}`),
      badFrame: (why) => told.push(`bad frame: ${why.split(": ")[0]}`),
      closed: (why) => (told.push(`closed: ${why}`), resolve()),
      retire: () => told.push("retire"),
    });
  });
  pool.close();
  return told;
}

function opened(pool: SocketPool, url: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const deaf: Pick<SocketListener, "report" | "badFrame" | "retire"> = { report() {}, badFrame() {}, retire() {} };
    const socket: Socket = pool.dial(url, "relay", {
      ...deaf,
      open: () => resolve(socket),
      closed: (why) => reject(new Error(why)),
    });
  });
}
