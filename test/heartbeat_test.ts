import assert from "node:assert/strict";
import { systemClock } from "../src/clock.ts";
import { askHeartbeat, createHeartbeat, type Missing, missingOf } from "../src/heartbeat.ts";
import { Secret } from "../src/setting_types.ts";
import type { FeedView } from "../src/system_alerts.ts";
import { FakeClock } from "./support/clock.ts";

const url = new Secret("https://alive.example.org/key-of-ours?x=more-key");
const never = new AbortController().signal;

type Answer = (signal: AbortSignal) => Promise<Response>;

/** A switch that is asked for every minute; what it answers, and what is missing, are the test's to change. */
function setUp(given: { everyMs?: number; missing?: Missing; answer?: Answer } = {}) {
  const clock = new FakeClock();
  const world = {
    asked: [] as number[],
    logged: [] as string[],
    missing: given.missing ?? null,
    answer: given.answer ?? answers(200),
  };
  const beganMs = clock.monotonicMs();
  const note = (words: string) => world.logged.push(words);
  const beat = createHeartbeat({ url, everyMs: given.everyMs ?? 60_000 }, {
    clock,
    random: () => 0,
    log: { trace: note, debug: note, info: note, warn: note, error: note, always: note },
    missing: () => world.missing,
    changed() {},
    fetch(_url, { signal }) {
      world.asked.push((clock.monotonicMs() - beganMs) / 1_000);
      return world.answer(signal!);
    },
  });
  const stop = new AbortController();
  const running = beat.run(stop.signal);
  const end = async () => (stop.abort(), await running);
  return { clock, beat, end, world };
}

const starting = { words: "jump is connecting", isStarting: true };
const lost = { words: "relay is lost", isStarting: false };
const answers = (status: number): Answer => () => Promise.resolve(new Response("x", { status }));
const silence: Answer = (signal) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));

Deno.test("it is asked for at once while all is alive, and then every minute", async () => {
  const { clock, beat, end, world } = setUp();
  await clock.advance(125_000);

  assert.deepEqual(world.asked, [0, 60, 120]);
  const { state, sent, failed, lastError, lastSuccessMs } = beat.view();
  assert.deepEqual({ state, sent, failed, lastError }, { state: "ok", sent: 3, failed: 0, lastError: null });
  assert.equal(lastSuccessMs, clock.nowMs() - 5_000);
  assert.deepEqual(world.logged, []);
  await end();
});

Deno.test("it waits for the feeds to report, without a word, and is then asked for within a second", async () => {
  const { clock, beat, end, world } = setUp({ missing: starting });
  await clock.advance(7_300);
  assert.deepEqual([beat.view().state, world.asked], ["waiting", []]);

  world.missing = null;
  await clock.advance(1_000);
  assert.deepEqual([beat.view().state, world.asked], ["ok", [8]]);
  assert.deepEqual(world.logged, []);
  await end();
});

Deno.test("it is not asked for while something is not alive: that is shown, and told once, as is that it goes on", async () => {
  const { clock, beat, end, world } = setUp();
  await clock.advance(30_000);
  world.missing = lost;
  await clock.advance(300_000);

  assert.deepEqual(world.asked, [0]);
  assert.deepEqual([beat.view().state, beat.view().lastError], ["withheld", "relay is lost"]);
  assert.deepEqual(world.logged, ["the dead man's switch is not asked for any more: relay is lost"]);

  world.missing = { words: "relay is lost, the monitor has not turned for 31 s", isStarting: false };
  await clock.advance(1_000);
  assert.equal(beat.view().lastError, "relay is lost, the monitor has not turned for 31 s");
  world.missing = null;
  await clock.advance(1_000);
  assert.deepEqual([beat.view().state, world.asked.length], ["ok", 2]);
  assert.deepEqual(world.logged.slice(1), ["the dead man's switch is asked for again"]);
  await end();
});

Deno.test("an answer that is no good is tried once more within a second or so, and then when it is due", async () => {
  const { clock, beat, end, world } = setUp({ answer: answers(503) });
  await clock.advance(121_000);

  assert.deepEqual(world.asked, [0, 0.5, 60, 60.5, 120, 120.5]);
  const why = "Cannot ask the dead man's switch at alive.example.org: it answered 503";
  assert.deepEqual([beat.view().state, beat.view().failed, beat.view().lastError], ["failing", 6, why]);
  assert.deepEqual(world.logged, [why]);

  world.answer = answers(200);
  await clock.advance(60_000);
  assert.deepEqual([beat.view().state, world.asked.slice(6)], ["ok", [180]]);
  assert.deepEqual(world.logged, [why, "the dead man's switch answers again"]);
  await end();
});

Deno.test("a failure that the second try makes good is over", async () => {
  const tries = [() => Promise.reject(new TypeError("error sending request")), answers(200)];
  const { clock, beat, end, world } = setUp({ answer: (signal) => tries.shift()!(signal) });
  await clock.advance(10_000);

  assert.deepEqual(world.asked, [0, 0.5]);
  const { state, sent, failed } = beat.view();
  assert.deepEqual({ state, sent, failed }, { state: "ok", sent: 1, failed: 1 });
  await end();
});

Deno.test("where it is asked for more often than a second try would come, there is none", async () => {
  const { clock, end, world } = setUp({ everyMs: 400, answer: answers(500) });
  await clock.advance(1_000);

  assert.deepEqual(world.asked, [0, 0.4, 0.8]);
  await end();
});

Deno.test("one that does not answer is given up after 10 s", async () => {
  const { clock, beat, end } = setUp({ answer: silence });
  await clock.advance(10_000);

  assert.equal(beat.view().lastError, "Cannot ask the dead man's switch at alive.example.org: no answer within 10 s");
  await end();
});

Deno.test("after the program was stopped for an hour it is asked for once, when it is due", async () => {
  const { clock, end, world } = setUp();
  await clock.advance(30_000);
  clock.stopped(3_600_000);
  await clock.advance(60_000);

  assert.deepEqual(world.asked, [0, 60]);
  await end();
});

Deno.test("a stop ends it while it is being asked for", async () => {
  const { clock, beat, end, world } = setUp({ answer: silence });
  await clock.advance(1_000);
  await end();

  assert.deepEqual([world.asked.length, beat.view().failed], [1, 0]);
});

Deno.test("a fault of the program is no reason to ask on and on: it is told", async () => {
  const stop = new AbortController();
  const beat = createHeartbeat({ url, everyMs: 60_000 }, {
    clock: new FakeClock(),
    random: () => 0,
    log: { trace() {}, debug() {}, info() {}, warn() {}, error() {}, always() {} },
    missing() {
      if (asked++ === 3) stop.abort(); // or nothing would end it
      throw new RangeError("no such feed");
    },
    changed() {},
    fetch: () => assert.fail("it was asked for"),
  });
  let asked = 0;

  await assert.rejects(beat.run(stop.signal), new RangeError("no such feed"));
  assert.equal(asked, 1);
});

Deno.test("without an address it is off, and ends at once", async () => {
  const beat = createHeartbeat(null, {
    clock: new FakeClock(),
    random: () => 0,
    log: { trace() {}, debug() {}, info() {}, warn() {}, error() {}, always() {} },
    missing: () => null,
    changed() {},
    fetch: () => assert.fail("it was asked for"),
  });
  await beat.run(never);
  assert.equal(beat.view().state, "off");
});

/** A switch on loopback. */
async function asked(handler: (request: Request) => Response) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler);
  const there = new Secret(`http://127.0.0.1:${server.addr.port}/ping/key-of-ours?rid=more-key`);
  const outcome = await askHeartbeat(there, { clock: systemClock, fetch }, never);
  await server.shutdown();
  return { outcome, place: `127.0.0.1:${server.addr.port}` };
}

Deno.test("the whole address is asked for, and a redirect followed", async () => {
  const paths: string[] = [];
  const { outcome } = await asked(({ url, method }) => {
    const { pathname, search } = new URL(url);
    paths.push(`${method} ${pathname}${search}`);
    return pathname === "/moved"
      ? new Response("OK")
      : new Response(null, { status: 302, headers: { Location: "/moved" } });
  });

  assert.deepEqual(outcome, { kind: "ok" });
  assert.deepEqual(paths, ["GET /ping/key-of-ours?rid=more-key", "GET /moved"]);
});

Deno.test("a redirect without end is a failure", async () => {
  const { outcome } = await asked(({ url }) => new Response(null, { status: 302, headers: { Location: url } }));

  assert.equal(outcome.kind, "failed");
  assert.doesNotMatch(JSON.stringify(outcome), /key/);
});

Deno.test("an answer is not read to its end, which may never come", async () => {
  const endless = () =>
    new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) }));
  const { outcome } = await asked(endless);

  assert.deepEqual(outcome, { kind: "ok" });
});

const failures: Record<string, string> = {
  "nobody there": "http://127.0.0.1:1/key-of-ours?more-key",
  "no such host": "https://nowhere.invalid/key-of-ours",
  "a name and a password": "http://user:key-of-ours@127.0.0.1:1/more-key",
};
for (const [name, address] of Object.entries(failures)) {
  Deno.test(`an address with ${name} fails in words that show its host and none of its key`, async () => {
    const outcome = await askHeartbeat(new Secret(address), { clock: systemClock, fetch }, never);

    const { host } = new URL(address);
    assert.equal(outcome.kind, "failed");
    assert.ok("why" in outcome && outcome.why.startsWith(`Cannot ask the dead man's switch at ${host}: `));
    assert.doesNotMatch(outcome.why, /key/);
  });
}

type Feed = Pick<FeedView, "state" | "lastSuccessMs">;
const live: Feed = { state: "live", lastSuccessMs: 1 };
const late: Feed = { state: "late", lastSuccessMs: 1 };
const lostFeed: Feed = { state: "lost", lastSuccessMs: 1 };
const neverReported: Feed = { state: "lost", lastSuccessMs: null };
const connecting: Feed = { state: "connecting", lastSuccessMs: null };

const cases: Record<string, [jump: Feed, relay: Feed, hanging: string | null, want: Missing | null]> = {
  "both feeds are live": [live, live, null, null],
  "a feed that is late has reported, so it is alive": [late, late, null, null],
  "a feed that is lost is not": [live, lostFeed, null, { words: "relay is lost", isStarting: false }],
  "nor one that never came": [neverReported, live, null, { words: "jump is lost", isStarting: false }],
  "both are said": [lostFeed, connecting, null, { words: "jump is lost, relay is connecting", isStarting: false }],
  "a feed that has yet to report is the start": [connecting, live, null, {
    words: "jump is connecting",
    isStarting: true,
  }],
  "both too": [connecting, connecting, null, { words: "jump is connecting, relay is connecting", isStarting: true }],
  "what hangs is no start": [connecting, live, "x has ended", {
    words: "x has ended, jump is connecting",
    isStarting: false,
  }],
  "what hangs is enough": [live, live, "x has ended", { words: "x has ended", isStarting: false }],
};
for (const [name, [jump, relay, hanging, want]] of Object.entries(cases)) {
  Deno.test(`missingOf: ${name}`, () => assert.deepEqual(missingOf({ jump, relay }, hanging), want));
}
