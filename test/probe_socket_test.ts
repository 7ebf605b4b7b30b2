import assert from "node:assert/strict";
import { type AccessPorts, type AccessRequest, streamClaims } from "../src/access.ts";
import { type Probed, probeStream } from "../src/probe_socket.ts";
import { Secret } from "../src/setting_types.ts";
import { type Ear, type ProbeSocket, SocketPool, startSocketWorker } from "../src/socket_pool.ts";
import { FakeClock } from "./support/clock.ts";
import { descriptors, linuxTest, startSilentServer, until } from "./support/descriptors.ts";

const listenMs = 10_000;
const socketUrl = "wss://relay.example.org/session/pend00-st-data?code=never-to-be-shown";
const request: AccessRequest = {
  name: "relay",
  accessUrl: new URL("https://relay.example.org/session/pend00-st-data"),
  claims: streamClaims("https://relay.example.org", "pend00-st-data"),
  secret: new Secret("made-up"),
  tokenLifeMs: 70_000,
};

interface Relay {
  readonly clock: FakeClock;
  readonly ear: Ear;
  readonly said: string[];
  readonly stop: AbortController;
  /** Settled or not, after all that is ready to run has. */
  outcome(): Promise<Probed | "listening" | string>;
}

/** A probe that has been given access, and whose socket the test plays. */
async function dialled(answer = () => Response.json({ uri: socketUrl }), isDeaf = false): Promise<Relay> {
  const gone = Promise.withResolvers<void>();
  const clock = new FakeClock(), said: string[] = [], stop = new AbortController();
  let ear: Ear | null = null;
  const sockets: ProbeSocket = {
    listen(url, given) {
      said.push(`dialled ${url}`);
      ear = given;
      return { close: () => (said.push("closed"), isDeaf || gone.resolve()), gone: gone.promise };
    },
  };
  const fetch = (url: URL, { method, headers }: RequestInit) => {
    const token = new Headers(headers).get("authorization") ?? "";
    const { topic, scopes, prefix, booking_id, exp, iat } = JSON.parse(atob(token.split(".")[1] ?? ""));
    said.push(`${method} ${url} ${topic} ${scopes} ${prefix} ${booking_id} ${exp - iat} s`);
    return Promise.resolve(answer());
  };
  let outcome: Probed | "listening" | string = "listening";
  probeStream(request, listenMs, { clock, sockets, fetch }, stop.signal).then(
    (probed) => outcome = probed,
    (error) => outcome = `rejected: ${error.message}`,
  );
  const deaf: Ear = { open() {}, message() {}, closed() {} };
  for (let turns = 0; turns < 200 && ear === null && outcome === "listening"; turns++) await clock.advance(0);
  return { clock, ear: ear ?? deaf, said, stop, outcome: async () => (await clock.advance(0), outcome) };
}

Deno.test("a stream is asked for with a token of its own, which can be read with for long enough, and no longer", async () => {
  const { said, stop } = await dialled();
  stop.abort();
  assert.deepEqual(said.slice(0, 2), [
    "POST https://relay.example.org/session/pend00-st-data pend00-st-data read session status-server 80 s",
    `dialled ${socketUrl}`,
  ]);
});

Deno.test("a message is heard, and the socket closed", async () => {
  const { ear, outcome, said, clock } = await dialled();
  ear.open();
  await clock.advance(listenMs - 1);
  ear.message();
  assert.deepEqual(await outcome(), { kind: "heard" });
  assert.deepEqual([said.at(-1), clock.waiting], ["closed", 0]);
});

Deno.test("no message for the whole time that the socket was open is silence, and the socket closed", async () => {
  const { ear, outcome, said, clock } = await dialled();
  await clock.advance(5_000);
  ear.open();
  const openMs = clock.monotonicMs();
  await clock.advance(listenMs - 1);
  assert.equal(await outcome(), "listening");
  await clock.advance(1);
  assert.deepEqual(await outcome(), { kind: "silent", openMs });
  assert.deepEqual([said.at(-1), clock.waiting], ["closed", 0]);
});

const failures: Record<string, [play: (relay: Relay) => unknown, words: RegExp]> = {
  "a socket that ends before a message": [
    ({ ear }) => (ear.open(), ear.closed("closed with code 1006")),
    /^Cannot listen to relay at relay.example.org\/session\/pend00-st-data: the connection ended before a message: closed with code 1006$/,
  ],
  "a socket that ends a moment before the time is over": [
    async ({ ear, clock }) => (ear.open(), await clock.advance(listenMs - 1), ear.closed("closed with code 1006")),
    /ended before a message/,
  ],
  "a socket that does not open": [({ ear }) => ear.closed("tcp connect error"), /: tcp connect error$/],
  "a socket that is refused": [({ ear }) => ear.closed("Invalid status code: 503"), /: relay answered 503$/],
  "a code that has grown old while it was dialled": [
    async ({ ear, clock }) => (await clock.advance(20_001), ear.open()),
    /took too long/,
  ],
  "a code that has grown old while the program was stopped": [
    ({ ear, clock }) => (clock.stopped(60_000), ear.open()),
    /took too long/,
  ],
};
for (const [name, [play, words]] of Object.entries(failures)) {
  Deno.test(`${name} says nothing of the stream`, async () => {
    const relay = await dialled();
    await play(relay);
    const probed = await relay.outcome();
    assert.ok(typeof probed === "object" && probed.kind === "failed", JSON.stringify(probed));
    assert.match(probed.trouble.message, words);
    assert.doesNotMatch(probed.trouble.message, /never-to-be-shown/);
    assert.deepEqual([relay.said.at(-1), relay.clock.waiting], ["closed", 0]);
  });
}

const refusals: Record<string, [answer: () => Response, words: RegExp]> = {
  "access that is refused": [
    () => new Response('{"code":500,"message":"token invalid"}', { status: 500 }),
    /^Cannot get access to relay at relay.example.org\/session\/pend00-st-data: relay answered 500 "token invalid"/,
  ],
  "access that is no address": [() => new Response("<html>hello"), /no websocket address/],
};
for (const [name, [answer, words]] of Object.entries(refusals)) {
  Deno.test(`${name} says nothing of the stream, and nothing is dialled`, async () => {
    const { outcome, said } = await dialled(answer);
    const probed = await outcome();
    assert.ok(typeof probed === "object" && probed.kind === "failed");
    assert.match(probed.trouble.message, words);
    assert.equal(said.length, 1);
  });
}

Deno.test("a program that is stopped while it listens does not count that time as silence", async () => {
  const { ear, outcome, clock } = await dialled();
  ear.open();
  await clock.advance(listenMs - 1_000);
  clock.stopped(60_000);
  assert.equal(await outcome(), "listening");
  ear.message();
  assert.deepEqual(await outcome(), { kind: "heard" });
});

Deno.test("until the relay has closed the socket it is listened to still; one that never does is not waited for long", async () => {
  const { ear, outcome, clock } = await dialled(undefined, true);
  ear.open();
  ear.message();
  await clock.advance(999);
  assert.equal(await outcome(), "listening");
  await clock.advance(1);
  assert.deepEqual(await outcome(), { kind: "heard" });
  assert.equal(clock.waiting, 0);
});

Deno.test("what is called off rejects with why, and its socket is closed", async () => {
  const { ear, outcome, said, stop, clock } = await dialled();
  ear.open();
  stop.abort(new Error("relay is late"));
  assert.equal(await outcome(), "rejected: relay is late");
  assert.deepEqual([said.at(-1), clock.waiting], ["closed", 0]);
});

/*  Listening with the real Worker and real sockets, on loopback: what is told, and what is left of it. */

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
