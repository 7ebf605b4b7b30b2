/** Listening with the real Worker and real sockets, on loopback: what is told, and what is left of it. */
import assert from "node:assert/strict";
import { type AccessPorts, type AccessRequest, streamClaims } from "../src/access.ts";
import { type Probed, probeStream } from "../src/probe_socket.ts";
import { Secret } from "../src/setting_types.ts";
import { type ProbeSocket, SocketPool, startSocketWorker } from "../src/socket_pool.ts";
import { FakeClock } from "./support/clock.ts";
import { descriptors, linuxTest, startSilentServer, until } from "./support/descriptors.ts";

const listenMs = 10_000;

const bytes = (count: number) => new Uint8Array(count);
const frames: Record<string, [frames: (string | Uint8Array<ArrayBuffer>)[], want: string[]]> = {
  "text": [["hello"], ["open", "message"]],
  "bytes": [[bytes(3)], ["open", "message"]],
  "a hundred messages, told of once": [Array.from({ length: 100 }, () => bytes(1_200)), ["open", "message"]],
  "text that is no JSON, and no report": [["]"], ["open", "message"]],
  "empty messages are none": [["", bytes(0)], ["open"]],
  "empty ones, then one that is not": [["", bytes(0), "x"], ["open", "message"]],
  "nothing": [[], ["open"]],
};
for (const [name, [sent, want]] of Object.entries(frames)) {
  Deno.test(`a stream that sends ${name}`, async () => {
    const served = Promise.withResolvers<void>();
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onclose = () => served.resolve();
      socket.onopen = () => {
        for (const frame of sent) socket.send(frame);
        socket.close(4000, "bye");
      };
      return response;
    });
    const pool = new SocketPool(new FakeClock(), startSocketWorker), told: string[] = [];
    await new Promise<void>((resolve) => {
      pool.listen(`ws://127.0.0.1:${server.addr.port}/`, {
        open: () => told.push("open"),
        message: () => told.push("message"),
        closed: (why) => (told.push(why), resolve()),
      });
    });
    pool.close();
    await served.promise;
    await server.shutdown();
    assert.deepEqual(told, [...want, 'closed with code 4000 "bye"']);
  });
}

linuxTest(
  "of a hundred probes that a relay never closes few descriptors stay behind, and none in the end",
  async () => {
    const silent = await startSilentServer(), before = descriptors();
    const clock = new FakeClock(), pool = new SocketPool(clock, startSocketWorker);
    let opened = 0, most = 0;
    const sockets: ProbeSocket = {
      listen: (url, ear) => pool.listen(url, { ...ear, open: () => (opened++, ear.open()) }),
    };
    try {
      for (let round = 1; round <= 25; round++) {
        const probes = Array.from({ length: 4 }, () => probe(silent.url, { clock, sockets }));
        await until(() => opened === 4 * round);
        most = Math.max(most, descriptors() - before);
        await clock.advance(listenMs);
        await clock.advance(5_000); // then the pool takes them never to close
        for (const probed of await Promise.all(probes)) assert.equal(probed.kind, "silent");
      }
      assert.ok(most >= 4 && most <= 30, `${most} descriptors at a time`);
    } finally {
      pool.close();
      await until(() => descriptors() <= before);
      await silent.stop();
    }
  },
);

/** Given access to `url`, listens there. */
function probe(url: string, { clock, sockets }: { clock: FakeClock; sockets: ProbeSocket }): Promise<Probed> {
  const request: AccessRequest = {
    name: "relay",
    accessUrl: new URL("http://127.0.0.1/session/pend00-st-data"),
    claims: streamClaims("http://127.0.0.1", "pend00-st-data"),
    secret: new Secret("made-up"),
    tokenLifeMs: 70_000,
  };
  const fetch: AccessPorts["fetch"] = () => Promise.resolve(Response.json({ uri: url }));
  return probeStream(request, listenMs, { clock, fetch, sockets }, new AbortController().signal);
}
