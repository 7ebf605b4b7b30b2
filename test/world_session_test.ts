/** The stand-in relay's streams, as whoever listens to one has them. */
import assert from "node:assert/strict";
import type { SessionFault } from "../scripts/simulator/session.ts";
import type { World } from "../scripts/simulator/world.ts";
import { alone, claimsFor, Listener, sign, withWorld } from "./support/world_client.ts";

const topic = "pend00-st-data";

Deno.test("who listens to a stream hears it while it sends, and nothing while it does not, though it is connected", async () => {
  await withLab(async (world) => {
    const data = await listen(world, topic), video = await listen(world, "pend00-st-video");
    await world.until(() => data.frames.length > 0 && video.frames.length > 0, { what: "both streams to be heard" });
    assert.match(data.frames[0] ?? "", /^\{"at":/);
    assert.equal(video.frames[0], "[object Blob]");
    assert.equal(world.sessions.open, 2);

    world.stream(topic).stall();
    const late = await listen(world, topic);
    const before = video.frames.length;
    await world.until(() => video.frames.length >= before + 3, { what: "the other stream to go on" });
    assert.deepEqual(late.frames, []);

    world.stream(topic).resume();
    await world.until(() => late.frames.length > 0, { what: "the stream to be heard again" });
    for (const each of [data, video, late]) each.socket.close();
    await world.until(() => world.sessions.open === 0, { what: "the sockets to close" });
    assert.equal(world.sessions.most, 3);
  });
});

const tokens: Record<string, [claims: Record<string, unknown>, answer: RegExp]> = {
  "a token of another topic": [{ topic: "stats" }, /^401 "Token Wrong Topic"/],
  "one without scopes": [{ scopes: [] }, /^401 "Token Missing Required Claims"/],
  "one without a booking": [{ booking_id: undefined }, /^400 .*bookingID/],
  "one for another relay": [{ aud: ["http://elsewhere"] }, /^500 .*does not match this host/],
  "one that is over": [{ exp: 1 }, /^500 .*token invalid/],
};
for (const [name, [claims, answer]] of Object.entries(tokens)) {
  Deno.test(`${name} is refused for a stream as for the feed`, async () => {
    await withLab(async (world) => assert.match(await ask(world, topic, claims), answer));
  });
}

Deno.test("a token that may not read gets a socket that is silent", async () => {
  await withLab(async (world) => {
    const other = await listen(world, topic);
    const silent = await Listener.open(world, uriOf(await ask(world, topic, { scopes: ["other"] })));
    await world.until(() => other.frames.length >= 3, { what: "the other to hear" });
    assert.deepEqual(silent.frames, []);
    await world.relay.stop();
    await world.until(() => silent.closed && other.closed, { what: "the sockets to end" });
  });
});

Deno.test("listening can be refused, of one stream and of all, and every request for it is counted", async () => {
  await withLab(async (world) => {
    world.sessions.fail({ kind: "refuse", status: 503, body: "busy" }, topic);
    assert.equal(await ask(world, topic), "503 busy");
    assert.match(await ask(world, "pend00-st-video"), /^200 /);
    world.sessions.fail({ kind: "refuse", status: 500, body: "ill" });
    assert.equal(await ask(world, "pend00-st-video"), "500 ill");
    world.sessions.fail(null);
    world.sessions.fail(null, topic);
    assert.match(await ask(world, topic), /^200 /);
    assert.equal(world.sessions.askings.length, 4);
  });
});

const faults: Record<string, [SessionFault, play: (world: World, listener: Listener) => Promise<unknown>]> = {
  "a socket that ends before a message": [{ kind: "drop" }, async (world, { frames, socket }) => {
    await world.until(() => socket.readyState === WebSocket.CLOSED, { what: "the end" });
    assert.deepEqual(frames, []);
  }],
  "a socket that is mute": [{ kind: "mute" }, async (world, { frames }) => {
    const other = await listen(world, "pend00-st-video");
    await world.until(() => world.sessions.open === 2 && other.socket.readyState === WebSocket.OPEN, { what: "both" });
    assert.deepEqual(frames, []);
  }],
  "a socket whose close is never answered": [{ kind: "deaf" }, async (world, { frames, socket }) => {
    await world.until(() => frames.length > 0, { what: "a message" });
    socket.close();
    const before = frames.length;
    await world.until(() => frames.length > before + 2 || socket.readyState === WebSocket.CLOSING, { what: "no end" });
    assert.equal(world.sessions.open, 1);
  }],
};
for (const [name, [fault, play]] of Object.entries(faults)) {
  Deno.test(`listening can get ${name}`, async () => {
    await withLab(async (world) => {
      world.sessions.fail(fault, topic);
      const listener = await listen(world, topic);
      await play(world, listener);
      await world.relay.stop();
      await world.until(() => listener.closed, { what: "the socket to end" });
    });
  });
}

async function withLab(test: (world: World) => Promise<void>): Promise<void> {
  await withWorld({ relayGeneration: "v0.9" }, async (world) => {
    world.addExperiment("pend00");
    await test(world);
  });
}

async function listen(world: World, topic: string): Promise<Listener> {
  return await Listener.open(world, uriOf(await ask(world, topic)));
}

function uriOf(answer: string): string {
  return JSON.parse(answer.slice(4)).uri;
}

/** Status and body of a request for access to `topic`. */
async function ask(world: World, topic: string, claims: Record<string, unknown> = {}): Promise<string> {
  const authorization = await sign(claimsFor(world, "relay", { topic, ...claims }), world.secrets.relay);
  const url = `${world.audience("relay")}/session/${topic}`;
  const answer = await fetch(url, { method: "POST", headers: { authorization, ...alone } });
  return `${answer.status} ${await answer.text()}`;
}
