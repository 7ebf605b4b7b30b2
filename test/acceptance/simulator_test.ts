/** The stand-in world: it fails as the real services do, and is mended. See also `world_mail_test`, `world_recorded_test`. */
import assert from "node:assert/strict";
import { type Control, startControl } from "../../scripts/simulator/control.ts";
import type { World, WorldOptions } from "../../scripts/simulator/world.ts";
import { Secret } from "../../src/setting_types.ts";
import { signature } from "../../src/webhook.ts";
import { access, alone, Listener, withWorld } from "../support/world_client.ts";

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

/*  The stand-in world over HTTP, in this process and as one of its own. */

Deno.test("what is asked for over HTTP is done", async () => {
  await withControl(async (world, control) => {
    await post(control, "stream/pend00-st-data/vanish");
    await post(control, "host/pend00/pull");
    await post(control, "book/take-off", { resource: "r-pend00", reason: "broken belt" });
    await post(control, "relay/mute");

    assert.deepEqual(world.stream("pend00-st-data").senders, []);
    assert.equal(world.host("pend00").connection, null);
    assert.deepEqual(world.book.availability("r-pend00"), {
      available: false,
      reason: "unavailable because broken belt",
    });
    assert.equal(world.relay.mode.kind, "mute");
  });
});

const refused: Record<string, [string, unknown, RegExp]> = {
  "a verb that there is not": ["book/burn", {}, /"404".*book\/restart/],
  "a stream that there is not": ["stream/pend07-st-data/stall", {}, /Cannot find pend07-st-data/],
  "a missing argument": ["book/take-off", { resource: "r-pend00" }, /reason/],
};
for (const [name, [path, body, words]] of Object.entries(refused)) {
  Deno.test(`${name} is refused with a word about it`, async () => {
    await withControl(async (_world, control) => {
      const answer = await fetch(`${control.address}/control/${path}`, { method: "POST", body: JSON.stringify(body) });
      assert.match(await answer.text(), words);
      assert.ok(answer.status >= 400);
    });
  });
}

Deno.test("who has seen the state is told when something happens", async () => {
  await withControl(async (world, control) => {
    const { version } = await get(control, "state");
    const asking = get(control, `state?after=${version}`);
    world.stream("pend00-st-video").stall();
    const { happenings } = await asking as { happenings: Array<{ text: string }> };
    assert.equal(happenings.at(-1)?.text, "pend00-st-video falls silent, still connected");
  });
});

Deno.test("a world that is stopped keeps no one waiting for news", async () => {
  await withControl(async (_world, control) => {
    const { version } = await get(control, "state");
    const asking = get(control, `state?after=${version}`).then(() => "answered", () => "ended");
    await control.stop();
    assert.ok(["answered", "ended"].includes(await asking));
  });
});

Deno.test("the control page needs nothing from elsewhere", async () => {
  await withControl(async (_world, control) => {
    const page = await (await fetch(control.address)).text();
    assert.match(page, /<title>The stand-in world<\/title>/);
    assert.doesNotMatch(page, /https?:\/\//);
  });
});

Deno.test("as a process of its own it tells where it is, can be broken, and ends when told to", async () => {
  const script = new URL("../../scripts/simulator/world.ts", import.meta.url).pathname;
  const args = ["run", "--allow-all", script, "--json", "--experiments", "2"];
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const told = JSON.parse((await lines.read()).value ?? "");
  assert.match(told.env.STATUS_HOST_BOOK, /^127\.0\.0\.1:\d+$/);

  await post({ address: told.control }, "mailbox/refuse", { stage: "RCPT", code: 550, text: "nobody" });

  const { services, resources } = await get({ address: told.control }, "state");
  assert.deepEqual([services.mailbox.kind, services.mailbox.code, resources.length], ["refuse", 550, 2]);
  child.kill("SIGTERM");
  assert.equal((await child.status).code, 0);
  await lines.cancel();
});

async function withControl(test: (world: World, control: Control) => Promise<void>): Promise<void> {
  await withWorld({}, async (world) => {
    world.addExperiment("pend00");
    world.loadManifest();
    const control = startControl(world, { port: 0 });
    try {
      await test(world, control);
    } finally {
      await control.stop();
    }
  });
}

async function post({ address }: { address: string }, path: string, body: unknown = {}): Promise<void> {
  const answer = await fetch(`${address}/control/${path}`, { method: "POST", body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.text());
}

interface State {
  readonly version: number;
  readonly services: { readonly mailbox: { readonly kind: string; readonly code: number } };
  readonly resources: unknown[];
  readonly happenings: Array<{ text: string }>;
}

async function get({ address }: { address: string }, what: string): Promise<State> {
  return await (await fetch(`${address}/control/${what}`)).json();
}

/*  The stand-in world's receiver of webhooks: it keeps what comes, knows a right signature from a wrong one, and fails. */

const body = '{"no":"message of a monitor"}';

Deno.test("a message is kept as it came, and its signature is looked at", async () => {
  await withWorld({ hook: true }, async (world) => {
    assert.equal(await hookPost(world), 204);
    assert.equal(await hookPost(world, "another secret"), 204);
    assert.deepEqual(world.hook.posts.map(({ message }) => message), [null, null]);
    assert.deepEqual(world.hook.posts.map((each) => [each.body, each.key, each.signed, each.taken]), [
      [body, "k1", true, true],
      [body, "k1", false, true],
    ]);
  });
});

Deno.test("it answers as it is told to, drops what it has taken, and lets nobody in", async () => {
  await withWorld({ hook: true }, async (world) => {
    world.hook.answer(503, { headers: { "retry-after": "7" }, body: "later" });
    assert.equal(await hookPost(world), 503);
    await world.hook.start();
    world.hook.dropNext();
    await assert.rejects(hookPost(world));
    assert.equal(await hookPost(world), 204);
    world.hook.fail({ kind: "cut", at: "accept" });
    await assert.rejects(hookPost(world));
    assert.deepEqual(world.hook.posts.map(({ status, taken }) => [status, taken]), [[503, false], [null, true], [
      204,
      true,
    ]]);
  });
});

Deno.test("only its own address is the webhook, and a world that was not asked for one has none", async () => {
  await withWorld({ hook: true }, async (world) => {
    const answer = await fetch(`http://${world.hook.host}/hook`, { method: "POST", body });
    assert.equal(answer.status, 404);
    await answer.body?.cancel();
    assert.equal(world.hook.posts.length, 0);
    assert.equal(world.env.STATUS_WEBHOOK_URL, world.hook.url);
  });
  await withWorld({}, (world) => {
    assert.equal(world.env.STATUS_WEBHOOK_URL, undefined);
    assert.equal(world.hook.mode.kind, "down");
    return Promise.resolve();
  });
});

Deno.test("the control page breaks it, mends it, and shows what it was told", async () => {
  await withWorld({ hook: true }, async (world) => {
    const control = startControl(world, { port: 0 });
    const ask = async (verb: string, given: unknown) => {
      const answer = await fetch(`${control.address}/control/hook/${verb}`, {
        method: "POST",
        body: JSON.stringify(given),
      });
      return (await answer.json()).services.hook.kind;
    };
    assert.equal(await ask("answer", { status: 500 }), "answer");
    assert.equal(await hookPost(world), 500);
    assert.equal(await ask("fail", { kind: "hang" }), "hang");
    assert.equal(await ask("stop", {}), "down");
    assert.equal(await ask("start", {}), "up");
    assert.equal(await hookPost(world), 204);
    const posts = await (await fetch(`${control.address}/control/posts`)).json();
    assert.deepEqual(posts.map(({ status, key }: { status: number; key: string }) => [status, key]), [
      [500, "k1"],
      [204, "k1"],
    ]);
    await control.stop();
  });
});

/** The status of the answer. */
async function hookPost(world: World, secret = world.hook.secret): Promise<number> {
  const headers = {
    ...alone,
    "idempotency-key": '"k1"',
    "x-status-signature": signature(new TextEncoder().encode(body), new Secret(secret)),
  };
  const answer = await fetch(world.hook.url, { method: "POST", headers, body });
  await answer.body?.cancel();
  return answer.status;
}
