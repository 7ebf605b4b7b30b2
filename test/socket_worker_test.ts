/** The pool with its real Worker and real sockets, on loopback. */
import assert from "node:assert/strict";
import { type Socket, type SocketListener, SocketPool, startSocketWorker } from "../src/socket_pool.ts";
import { FakeClock } from "./support/clock.ts";
import { descriptors, linuxTest, startSilentServer, until } from "./support/descriptors.ts";

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
