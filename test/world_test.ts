/** The stand-in world: it fails as the real services do, and is mended. See also `world_mail_test`, `world_recorded_test`. */
import assert from "node:assert/strict";
import type { World, WorldOptions } from "../scripts/simulator/world.ts";
import { access, Listener, withWorld } from "./support/world_client.ts";

const quick: WorldOptions = { reportEveryMs: 30 };

Deno.test("an experiment is in the reports of jump and relay as soon as it is there", async () => {
  await withWorld(quick, async (world) => {
    const jump = await Listener.open(world, await access(world, "jump"));
    const relay = await Listener.open(world, await access(world, "relay"));

    world.addExperiment("pend00");

    await world.until(() => topics(jump).includes("pend00"), { what: "pend00 at jump" });
    await world.until(() => topics(relay).includes("pend00-st-video"), { what: "pend00-st-video at relay" });
    assert.deepEqual(topics(relay), ["pend00-st-data", "pend00-st-video", "stats", "stats"]);
  });
});

Deno.test("a stream that stalls says longer and longer ago, and one that vanishes is reported no more", async () => {
  await withWorld(quick, async (world) => {
    world.addExperiment("pend00");
    const relay = await Listener.open(world, await access(world, "relay"));

    world.stream("pend00-st-data").stall(65_000);
    world.stream("pend00-st-video").vanish();

    await world.until(() => /^1m5\.\d+s$/.test(lastOf(relay, "pend00-st-data")), { what: "a stall of 1m5s" });
    assert.deepEqual(topics(relay), ["pend00-st-data", "stats", "stats"]);
    world.stream("pend00-st-data").resume();
    world.stream("pend00-st-video").appear("never");
    await world.until(() => lastOf(relay, "pend00-st-video") === "Never", { what: "a stream that never spoke" });
    assert.match(lastOf(relay, "pend00-st-data"), /^[\d.]+(ms|µs)$/);
  });
});

Deno.test("a second connection of a stream is a second entry, and its users are entries without expt", async () => {
  await withWorld(quick, async (world) => {
    world.addExperiment("pend00", { streams: ["st-data"] });
    const relay = await Listener.open(world, await access(world, "relay"));

    world.stream("pend00-st-data").stall();
    world.stream("pend00-st-data").double();
    world.stream("pend00-st-data").users(2);

    await world.until(() => relay.entries.length === 6, {
      what: "two senders, two users, the watcher and relay itself",
    });
    const scopes = relay.entries.filter(({ topic }) => topic === "pend00-st-data").map((entry) => String(entry.scopes));
    assert.deepEqual(scopes.sort(), ["read", "read,write", "read,write,expt", "read,write,expt"]);
  });
});

Deno.test("a relay of v0.9 has no statistics", async () => {
  await withWorld({ ...quick, relayGeneration: "v0.9" }, async (world) => {
    world.addExperiment("pend00");
    const relay = await Listener.open(world, await access(world, "relay"));
    await world.until(() => relay.entries.length > 0, { what: "a report" });
    assert.equal(relay.entries.some((entry) => "stats" in entry), false);
  });
});

const silences: Record<string, (world: World) => Promise<string>> = {
  "a used code": async (world) => {
    const uri = await access(world, "relay");
    await Listener.open(world, uri);
    return uri;
  },
  "a made-up code": (world) => Promise.resolve(`ws://${world.relay.host}/session/stats?code=made-up`),
  "no code": (world) => Promise.resolve(`ws://${world.relay.host}/session/stats`),
  "a code for another topic": async (world) => (await access(world, "relay")).replace("/stats?", "/other?"),
  "a relay token without read": (world) => access(world, "relay", { scopes: ["relay:stats"] }),
};
for (const [name, uriOf] of Object.entries(silences)) {
  Deno.test(`${name} gets a socket that is silent and never answers a close`, async () => {
    await withWorld(quick, async (world) => {
      const good = await Listener.open(world, await access(world, "relay"));
      const silent = await Listener.open(world, await uriOf(world));

      silent.socket.close();

      const heard = good.frames.length;
      await world.until(() => good.frames.length >= heard + 5, { what: "five reports to another" });
      assert.equal(silent.socket.readyState, WebSocket.CLOSING);
      assert.deepEqual(silent.frames, []);
      await world.relay.stop();
      await world.until(() => silent.closed, { what: "the end of the service to end the socket" });
    });
  });
}

Deno.test("at its token's exp a socket ends without a close frame", async () => {
  await withWorld(quick, async (world) => {
    const relay = await Listener.open(world, await access(world, "relay", { exp: Date.now() / 1000 + 0.4 }));
    await world.until(() => relay.closed, { what: "the end" });
    // RFC 6455 calls this 1006; the runtime's WebSocket says 0.
    assert.deepEqual({ ...relay.closed, code: 1006 }, { code: 1006, reason: "", wasClean: false });
    assert.ok(relay.frames.length > 0, "it reported until then");
  });
});

Deno.test("a socket that is closed properly is answered properly", async () => {
  await withWorld(quick, async (world) => {
    const jump = await Listener.open(world, await access(world, "jump"));
    jump.socket.close(1000);
    await world.until(() => jump.closed?.code === 1000, { what: "the close to be answered" });
    await world.until(() => world.jump.watchers === 0, { what: "jump to notice" });
  });
});

Deno.test("documents are glued into one frame on demand", async () => {
  await withWorld({ reportEveryMs: 60_000 }, async (world) => {
    world.addExperiment("pend00");
    const relay = await Listener.open(world, await access(world, "relay"));
    world.relay.glue(['{"cmd":"update"}', [{ topic: "a" }], []]);
    await world.until(() => relay.frames.length > 0, { what: "the frame" });
    assert.deepEqual(relay.frames, ['{"cmd":"update"}[{"topic":"a"}][]']);
  });
});

Deno.test("an update that a client asks for is heard by the others, and all get a report", async () => {
  await withWorld({ reportEveryMs: 60_000 }, async (world) => {
    const relay = await Listener.open(world, await access(world, "relay"));
    const asking = await Listener.open(world, await access(world, "relay", { scopes: ["read", "write"] }));
    asking.socket.send('{"cmd":"update"}');
    await world.until(() => asking.entries.length === 3, { what: "a report" });
    await world.until(() => relay.frames.join("").startsWith('{"cmd":"update"}['), {
      what: "the command, then a report",
    });
  });
});

Deno.test("a watcher that leaves jump is told of to the others", async () => {
  await withWorld({ reportEveryMs: 60_000 }, async (world) => {
    const stays = await Listener.open(world, await access(world, "jump"));
    const leaves = await Listener.open(world, await access(world, "jump"));
    leaves.socket.close();
    await world.until(() => stays.frames[0]?.startsWith('{"action":"disconnect"'), { what: "the farewell" });
  });
});

Deno.test("a client that never pongs is pinged, then dropped", async () => {
  await withWorld({ reportEveryMs: 60_000, pingEveryMs: 90 }, async (world) => {
    const uri = new URL(await access(world, "jump"));
    const conn = await Deno.connect({ hostname: uri.hostname, port: Number(uri.port) });
    const headers = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    await conn.write(
      new TextEncoder().encode(`GET ${uri.pathname}${uri.search} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`),
    );
    const heard = new Uint8Array(await new Response(conn.readable).arrayBuffer()); // until the world ends it
    assert.deepEqual([...heard.slice(-2)], [0x89, 0]);
  });
});

Deno.test("a mute relay keeps its sockets, takes new ones, and says nothing until it is started again", async () => {
  await withWorld(quick, async (world) => {
    const before = await Listener.open(world, await access(world, "relay"));
    await world.until(() => before.frames.length > 0, { what: "a report" });
    world.relay.mute();
    const after = await Listener.open(world, await access(world, "relay"));
    assert.equal(before.socket.readyState, WebSocket.OPEN);
    await world.relay.start();
    await world.until(() => before.closed && after.closed, { what: "both sockets to end" });
    assert.deepEqual(after.frames, []);
    const again = await Listener.open(world, await access(world, "relay"));
    await world.until(() => again.frames.length > 0, { what: "a report" });
  });
});

Deno.test("a service that is stopped refuses connections, and has the same address when it is back", async () => {
  await withWorld(quick, async (world) => {
    const { host } = world.jump;
    await world.jump.stop();
    await assert.rejects(access(world, "jump"), TypeError);
    await world.jump.start();
    assert.equal(world.jump.host, host);
    await access(world, "jump");
  });
});

Deno.test("a relay that refuses says so in the words it was given, and its sockets are gone", async () => {
  await withWorld(quick, async (world) => {
    const relay = await Listener.open(world, await access(world, "relay"));
    world.relay.refuse(401, '"Token Wrong Topic"\n');
    await assert.rejects(access(world, "relay"), /401 "Token Wrong Topic"/);
    await world.until(() => relay.closed, { what: "the socket to end" });
  });
});

Deno.test("what is waited for in vain is named, with what happened last", async () => {
  await withWorld({}, async (world) => {
    world.addExperiment("pend00");
    const waiting = world.until(() => false, { timeoutMs: 1, what: "a miracle" });
    await assert.rejects(waiting, /in vain for a miracle.*pend00 is there/s);
  });
});

Deno.test("a condition that asks something which hangs is waited for in vain, too", async () => {
  await withWorld({}, async (world) => {
    const waiting = world.until(() => new Promise<boolean>(() => {}), { timeoutMs: 1, what: "an answer" });
    await assert.rejects(waiting, /in vain for an answer/);
  });
});

function topics(listener: Listener): unknown[] {
  return listener.entries.map(({ topic }) => topic).sort();
}

function lastOf(listener: Listener, topic: string): string {
  const entry = listener.entries.find((each) => each.topic === topic) as
    | { stats: { tx: { last: string } } }
    | undefined;
  return entry?.stats.tx.last ?? "(not reported)";
}
