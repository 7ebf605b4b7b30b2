import assert from "node:assert/strict";
import type { Store } from "../src/store.ts";
import { createMemoryStore } from "../src/store_memory.ts";
import { createRecorder } from "../src/store_writer.ts";
import { hanging, Liveness, type LivenessSignal, turnMsMax } from "../src/watchdog.ts";
import { appOf, wellLab } from "./support/app.ts";
import { FakeClock } from "./support/clock.ts";
import { setUp } from "./support/monitor.ts";
import { snapshot } from "./support/snapshot.ts";

const nowMs = 1_000_000;
const turned = (agoMs: number): LivenessSignal => ({ kind: "turned", atMs: nowMs - agoMs });
const working = (forMs: number | null): LivenessSignal => ({
  kind: "working",
  sinceMs: forMs === null ? null : nowMs - forMs,
});
const running = (hasEnded: boolean): LivenessSignal => ({ kind: "running", hasEnded });

const cases: Record<string, [signs: Record<string, LivenessSignal>, want: string | null]> = {
  "without a sign nothing hangs": [{}, null],
  "a loop that turned just now is alive": [{ "the monitor": turned(0) }, null],
  "a loop that turned 30 s ago is alive": [{ "the monitor": turned(30_000) }, null],
  "a loop that turned 30.001 s ago hangs": [{ "the monitor": turned(30_001) }, "the monitor has not turned for 30 s"],
  "how long is said": [{ "the monitor": turned(125_900) }, "the monitor has not turned for 125 s"],
  "nothing in hand is well, for however long": [{ "the store": working(null) }, null],
  "30 s of work is well": [{ "the store": working(30_000) }, null],
  "a millisecond more is not": [{ "the store": working(30_001) }, "the store has not answered for 30 s"],
  "what runs is well": [{ "sending mail": running(false) }, null],
  "what has ended is not, from the first moment": [{ "sending mail": running(true) }, "sending mail has ended"],
  "all that hangs is said, and no more": [
    { a: turned(40_000), b: working(0), c: running(true), d: turned(1), e: working(50_000) },
    "a has not turned for 40 s, c has ended, e has not answered for 50 s",
  ],
};
for (const [name, [signs, want]] of Object.entries(cases)) {
  Deno.test(`hanging: ${name}`, () => assert.equal(hanging(signs, nowMs), want));
}

/** What /healthz answers. */
async function health(vigil: Liveness): Promise<[status: number, body: unknown]> {
  const app = appOf(snapshot(wellLab().bench), { hanging: () => vigil.hanging() });
  const answer = await app.request("/healthz");
  return [answer.status, await answer.json()];
}

const alive = [200, { status: "alive" }];

Deno.test("a store that never comes back from a record is what /healthz fails with, until it does", async () => {
  const clock = new FakeClock();
  const vigil = new Liveness(clock);
  const back = Promise.withResolvers<void>();
  const stuck: Store = { ...createMemoryStore(), record: () => back.promise };
  const recorder = createRecorder(vigil.store(stuck), { clock, random: () => 0, changed() {}, turned() {} });
  await clock.advance(100_000);

  const recorded = recorder.record([{ kind: "forgotten", name: "pend00" }]);
  await clock.advance(30_000);
  assert.deepEqual(await health(vigil), alive);
  await clock.advance(5_000);
  assert.deepEqual(await health(vigil), [503, { code: "503", message: "the store has not answered for 35 s" }]);

  back.resolve();
  await recorded;
  assert.deepEqual(await health(vigil), alive);
});

Deno.test("a store that is slow but goes on is alive, however much waits", async () => {
  const clock = new FakeClock();
  const vigil = new Liveness(clock);
  const slow: Store = { ...createMemoryStore(), record: () => clock.wait(20_000, new AbortController().signal) };
  const recorder = createRecorder(vigil.store(slow), { clock, random: () => 0, changed() {}, turned() {} });
  const changes = ["a", "b", "c"].map((name) => recorder.record([{ kind: "forgotten", name }]));

  await clock.advance(50_000);
  assert.equal(vigil.hanging(), null);
  await clock.advance(10_000);
  await Promise.all(changes);
});

Deno.test("a store that fails is not one that hangs", async () => {
  const clock = new FakeClock();
  const vigil = new Liveness(clock);
  const store = vigil.store({ ...createMemoryStore(), record: () => Promise.reject(new Error("the disk is full")) });

  await assert.rejects(store.record([]), /the disk is full/);
  await clock.advance(60_000);
  assert.equal(vigil.hanging(), null);
});

Deno.test("the store on which an eye is kept does all that it did", async () => {
  const told: string[] = [];
  const store: Store = {
    kind: "durable",
    load: (max) => (told.push(`load ${max.events}`), createMemoryStore().load(max)),
    turns: (name, { max }) => (told.push(`turns ${name} ${max}`), Promise.resolve([])),
    record: (changes) => (told.push(`record ${changes.length}`), Promise.resolve()),
    prune: (beforeMs) => (told.push(`prune ${beforeMs}`), Promise.resolve()),
    close: () => (told.push("close"), Promise.resolve()),
  };
  const watched = new Liveness(new FakeClock()).store(store);

  assert.deepEqual(Object.keys(watched).sort(), Object.keys(store).sort());
  await watched.load({ events: 1, stateChanges: 1, runs: 1 });
  await watched.turns("pend00", { sinceMs: 0, max: 2 });
  await watched.record([]);
  await watched.prune(3);
  await watched.close();
  assert.equal(watched.kind, "durable");
  assert.deepEqual(told, ["load 1", "turns pend00 2", "record 0", "prune 3", "close"]);
});

Deno.test("the monitor's loop turns at least every 10 s, though there is nothing to judge", async () => {
  const clock = new FakeClock();
  const vigil = new Liveness(clock);
  const { end } = setUp({ clock, turned: vigil.loop("the monitor") });

  for (let round = 0; round < 20; round++) {
    await clock.advance(turnMsMax);
    assert.equal(vigil.hanging(), null);
  }
  await end();
});

Deno.test("a monitor's loop that never turns is what /healthz fails with; a stop of the program is not", async () => {
  const clock = new FakeClock();
  const vigil = new Liveness(clock);
  // A clock whose waits never end: the loop waits for ever, and no report wakes it.
  const hung = Object.assign(new FakeClock(), { wait: () => new Promise<void>(() => {}) });
  setUp({ clock: hung, turned: vigil.loop("the monitor") });

  clock.stopped(3_600_000);
  assert.deepEqual(await health(vigil), alive);
  await clock.advance(31_000);
  assert.deepEqual(await health(vigil), [503, { code: "503", message: "the monitor has not turned for 31 s" }]);
});

Deno.test("a loop that ends before the program is to stop is what /healthz fails with; with the stop it is none", async () => {
  const vigil = new Liveness(new FakeClock());
  const stop = new AbortController();
  const mail = Promise.withResolvers<void>();
  const feeds = Promise.withResolvers<void>();
  const runs = [
    vigil.running("sending mail", mail.promise, stop.signal),
    vigil.running("watching the feeds", feeds.promise, stop.signal),
  ];
  assert.deepEqual(await health(vigil), alive);

  mail.resolve();
  await runs[0];
  assert.deepEqual(await health(vigil), [503, { code: "503", message: "sending mail has ended" }]);

  stop.abort();
  feeds.resolve();
  await runs[1];
  assert.equal(vigil.hanging(), "sending mail has ended");
});
