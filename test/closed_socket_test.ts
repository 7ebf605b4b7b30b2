/** What is left of a socket that was closed, and whose server leaves it open for as long as it likes. */
import assert from "node:assert/strict";
import { type SocketListener, SocketPool, type SocketWorker, startSocketWorker } from "../src/socket_pool.ts";
import type { SocketEvent } from "../src/socket_worker.ts";
import { connection } from "./support/bench.ts";
import { FakeClock } from "./support/clock.ts";
import { isLetGo } from "./support/let_go.ts";
import { textFrame, upgrade } from "./support/raw_socket.ts";

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
