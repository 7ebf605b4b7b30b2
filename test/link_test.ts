import assert from "node:assert/strict";
import { type ConnectionPorts, openConnection } from "../src/feed.ts";
import { ConnectionTable } from "../src/report.ts";
import type { SocketListener } from "../src/socket_pool.ts";
import { connection } from "./support/bench.ts";
import { FakeClock } from "./support/clock.ts";
import { isLetGo } from "./support/let_go.ts";

Deno.test("a connection that lives on does not keep what its first report said", async () => {
  const dialled: SocketListener[] = [];
  const ports: ConnectionPorts = {
    clock: new FakeClock(),
    sockets: { dial: (_url, _dialect, listener) => (dialled.push(listener), { close() {} }) },
  };
  const plan = { name: "relay", socketUrl: "ws://relay.test/", firstReportMsMax: 10_000 } as const;
  const deaf = { report() {}, badFrame() {}, closed() {}, retire() {} };
  const link = openConnection(plan, ports, deaf, new AbortController().signal);
  const [socket = assert.fail("not dialled")] = dialled;
  const said = report(socket);

  assert.equal((await link.firstReport).kind, "reported");
  assert.equal(await isLetGo(said), true);

  link.close();
});

/** One report of one stream; what it says is held by nobody but who was told. */
function report(socket: SocketListener): WeakRef<object> {
  const connections = ConnectionTable.of([connection("pend00-st-data")]);
  socket.report({ connections, entries: 1, skipped: 0, generation: "measured" });
  return new WeakRef(connections);
}
