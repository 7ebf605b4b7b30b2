import assert from "node:assert/strict";
import { freePort } from "../scripts/simulator/wire.ts";
import { createProfileApp, startProfiling } from "../src/profile.ts";
import { FakeClock } from "./support/clock.ts";
import { Station } from "./support/station.ts";

const startMs = Date.UTC(2026, 10, 22, 20, 30, 0);

function bench() {
  const clock = new FakeClock(startMs);
  const stop = new AbortController();
  const app = createProfileApp({ clock, startedMs: clock.monotonicMs() - 5_000, signal: stop.signal });
  return { app, clock, stop };
}

/** Recursive, since V8 builds what is not into its caller, under whose name it then is. */
function workAsTheMonitorDoes(depth: number): number {
  return depth < 2 ? depth : workAsTheMonitorDoes(depth - 1) + workAsTheMonitorDoes(depth - 2);
}

// V8 looks at what runs from a thread of its own, which a busy machine can keep waiting for longer than some work takes.
const triesMax = 20;

/** The first profile that shows the work, or the last. */
async function profileOfWork(path: string) {
  for (let tries = 1;; tries++) {
    const { app, clock } = bench();
    const answer = await app.request(path);
    workAsTheMonitorDoes(32);
    await clock.advance(3_000);
    const profile = await answer.json();
    if (tries === triesMax || functionsOf(profile).includes("workAsTheMonitorDoes")) return { answer, profile };
  }
}

for (const path of ["/profile?seconds=3", "/debug/pprof/profile?seconds=3", "/?seconds=3"]) {
  Deno.test(`${path} gives a CPU profile that shows what the program was busy with`, async () => {
    const { answer, profile } = await profileOfWork(path);

    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), "application/json");
    assert.equal(
      answer.headers.get("content-disposition"),
      'attachment; filename="status-2026-11-22T20-30-00Z.cpuprofile"',
    );
    assert.ok(functionsOf(profile).includes("workAsTheMonitorDoes"));
    assert.equal(profile.samples.length, profile.timeDeltas.length);
  });
}

Deno.test("without a number of seconds it takes ten", async () => {
  const { app, clock } = bench();
  const answer = await app.request("/profile");
  await clock.advance(9_999);
  assert.equal(clock.waiting, 1);
  await clock.advance(1);
  assert.equal(clock.waiting, 0);
  await answer.body?.cancel();
});

Deno.test("one at a time: a second is refused, and taken when the first is done", async () => {
  const { app, clock } = bench();
  const first = await app.request("/profile?seconds=1");

  const second = await app.request("/profile?seconds=1");
  assert.equal(second.status, 409);
  assert.deepEqual(await second.json(), { code: "409", message: "a profile is being taken: one at a time" });

  await clock.advance(1_000);
  assert.ok((await first.json()).nodes.length > 0);
  const third = await app.request("/profile?seconds=1");
  await clock.advance(1_000);
  assert.ok((await third.json()).nodes.length > 0);
});

for (const seconds of ["0", "0.99", "120.01", "121", "-1", "ten", "1e1", "Infinity", "1s"]) {
  Deno.test(`${seconds} is no number of seconds from 1 to 120`, async () => {
    const answer = await bench().app.request(`/profile?seconds=${seconds}`);
    assert.equal(answer.status, 400);
    assert.deepEqual(await answer.json(), {
      code: "400",
      message: `seconds is ${seconds}, and must be a number from 1 to 120`,
    });
  });
}

Deno.test("whoever leaves ends the profile, and the next can have one", async () => {
  const { app, clock } = bench();
  const left = await app.request("/profile?seconds=120");
  assert.equal(clock.waiting, 1);

  await left.body?.cancel();
  assert.equal(clock.waiting, 0);

  const next = await app.request("/profile?seconds=1");
  await clock.advance(1_000);
  assert.ok((await next.json()).nodes.length > 0);
});

Deno.test("a stop of the program ends the profile at once, and what there is of it is given", async () => {
  const { app, clock, stop } = bench();
  const answer = await app.request("/profile?seconds=120");

  stop.abort();
  assert.ok((await answer.json()).nodes.length > 0);
  assert.equal(clock.waiting, 0);
});

Deno.test("the figures of memory say what is resident, V8's heap and how long the program runs", async () => {
  const answer = await bench().app.request("/memory");
  assert.equal(answer.status, 200);
  const { time, uptime_seconds, memory, heap, spaces } = await answer.json();
  assert.deepEqual({ time, uptime_seconds }, { time: "2026-11-22T20:30:00Z", uptime_seconds: 5 });
  assert.ok(memory.rss >= memory.heapUsed && memory.heapUsed > 0);
  assert.ok(heap.heap_size_limit > heap.used_heap_size);
  assert.ok(spaces.some(({ space_name }: { space_name: string }) => space_name === "old_space"));
});

Deno.test("/ says what there is", async () => {
  const answer = await bench().app.request("/");
  assert.match(await answer.text(), /^\/profile\?seconds=10 [\s\S]*^\/memory /m);
});

const refusals: Record<string, [path: string, method: string, status: number]> = {
  "an unknown path": ["/debug/pprof/heap", "GET", 404],
  "a head without a body": ["/profile", "HEAD", 405],
  "a method that would change something": ["/memory", "POST", 405],
};
for (const [name, [path, method, status]] of Object.entries(refusals)) {
  Deno.test(`the profile's listener answers ${name} with ${status}`, async () => {
    assert.equal((await bench().app.request(path, { method })).status, status);
  });
}

Deno.test("a client that hangs up over the network ends its profile", async () => {
  const clock = new FakeClock(startMs);
  const stop = new AbortController();
  const { port, done } = startProfiling(0, { clock, startedMs: clock.monotonicMs(), signal: stop.signal });
  const leaving = new AbortController();
  const answer = await fetch(`http://127.0.0.1:${port}/profile`, { signal: leaving.signal });
  assert.equal(clock.waiting, 1);

  leaving.abort();
  await assert.rejects(answer.text());
  while (clock.waiting > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  stop.abort();
  await done;
});

Deno.test("a stop ends the listener, and what it is at is answered first", async () => {
  const stop = new AbortController();
  const { port, done } = startProfiling(0, { clock: new FakeClock(), startedMs: 0, signal: stop.signal });
  const answer = await fetch(`http://127.0.0.1:${port}/profile?seconds=120`);

  stop.abort();
  assert.ok((await answer.json()).nodes.length > 0);
  await done;
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
});

Deno.test("the program gives a profile of itself, on a port of loopback alone, with STATUS_PROFILE=true", async () => {
  const port = freePort();
  await using station = await Station.with({ env: { STATUS_PROFILE: "true", STATUS_PORT_PROFILE: String(port) } });
  await station.start();
  assert.match(station.log, new RegExp(`http://127.0.0.1:${port}\\b`));

  // What takes less than a millisecond, twenty times a second, is not seen in every second.
  await station.until(async () => {
    const profile = await (await fetch(`http://127.0.0.1:${port}/profile?seconds=1`)).json();
    return profile.nodes.some(({ callFrame }: CallNode) => callFrame.url.endsWith("/src/feed.ts"));
  }, "a profile that shows what is done with a report");

  const unfinished = await fetch(`http://127.0.0.1:${port}/profile?seconds=120`);
  const [{ code }] = await Promise.all([station.end("SIGTERM"), unfinished.json()]);
  assert.equal(code, 0);
});

Deno.test("a port for the profile that is in use ends the program with 1, and is named", async () => {
  await using station = await Station.with();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const { code, said } = await station.run({ STATUS_PROFILE: "true", STATUS_PORT_PROFILE: String(port) }, "serve");
  assert.equal(code, 1);
  assert.match(said, new RegExp(`Cannot listen on 127.0.0.1:${port}: `));
});

Deno.test("without STATUS_PROFILE nobody listens at its port", async () => {
  const port = freePort();
  await using station = await Station.with({ env: { STATUS_PORT_PROFILE: String(port) } });
  await station.start();
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
});

interface CallNode {
  readonly callFrame: { readonly functionName: string; readonly url: string };
}

function functionsOf({ nodes }: { nodes: CallNode[] }): string[] {
  return nodes.map(({ callFrame }) => callFrame.functionName);
}
