import assert from "node:assert/strict";
import type { Store } from "../src/store.ts";
import { openMemoryStore } from "../src/sqlite_file.ts";
import { createRecorder } from "../src/store_writer.ts";
import {
  countWords,
  hanging,
  Liveness,
  type LivenessSignal,
  type ManagerRequest,
  managerRequest,
  openChannel,
  runServiceManager,
  turnMsMax,
} from "../src/watchdog.ts";
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
  const stuck: Store = { ...openMemoryStore(), record: () => back.promise };
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
  const slow: Store = { ...openMemoryStore(), record: () => clock.wait(20_000, new AbortController().signal) };
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
  const store = vigil.store({ ...openMemoryStore(), record: () => Promise.reject(new Error("the disk is full")) });

  await assert.rejects(store.record([]), /the disk is full/);
  await clock.advance(60_000);
  assert.equal(vigil.hanging(), null);
});

Deno.test("the store on which an eye is kept does all that it did", async () => {
  const told: string[] = [];
  const store: Store = {
    kind: "durable",
    load: (max) => (told.push(`load ${max.events}`), openMemoryStore().load(max)),
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

const socket = "/run/systemd/notify";
const requests: Record<string, [env: Record<string, string>, want: ManagerRequest | null]> = {
  "no socket, no service manager": [{ WATCHDOG_USEC: "30000000" }, null],
  "an empty one is none": [{ NOTIFY_SOCKET: "" }, null],
  "a socket, and nobody who watches": [{ NOTIFY_SOCKET: socket }, { socket, watchdogMs: null }],
  "microseconds": [{ NOTIFY_SOCKET: socket, WATCHDOG_USEC: "30000000" }, { socket, watchdogMs: 30_000 }],
  "who watches this process": [
    { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "1000", WATCHDOG_PID: "42" },
    { socket, watchdogMs: 1 },
  ],
  "who watches another": [
    { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "1000", WATCHDOG_PID: "43" },
    { socket, watchdogMs: null },
  ],
  "no number of microseconds": [{ NOTIFY_SOCKET: socket, WATCHDOG_USEC: "soon" }, { socket, watchdogMs: null }],
  "an abstract socket begins with a zero": [{ NOTIFY_SOCKET: "@x@y" }, { socket: "\0x@y", watchdogMs: null }],
  "one of a virtual machine's host is not for us": [{ NOTIFY_SOCKET: "vsock:2:1234" }, null],
};
for (const [name, [env, want]] of Object.entries(requests)) {
  Deno.test(`managerRequest: ${name}`, () => assert.deepEqual(managerRequest(env, 42), want));
}

/** The service manager is told until the test ends it; `told` has each message with the second of its coming. */
function managerSetUp(request: ManagerRequest | null, changes: { open?: () => never; isDeaf?: boolean } = {}) {
  const clock = new FakeClock();
  const beganMs = clock.monotonicMs();
  const world = {
    told: [] as string[],
    logged: [] as string[],
    hanging: null as string | null,
    words: "all is well",
    isDeaf: changes.isDeaf ?? false,
  };
  const note = (words: string) => world.logged.push(words);
  const stop = new AbortController();
  const running = runServiceManager(request, {
    clock,
    log: { trace: note, debug: note, info: note, warn: note, error: note, always: note },
    open: () => ({
      send(text) {
        if (world.isDeaf) return Promise.reject(new Error("Connection refused (os error 111)"));
        world.told.push(`${(clock.monotonicMs() - beganMs) / 1_000} ${text}`);
        return Promise.resolve();
      },
      close: () => world.told.push("closed"),
    }),
    hanging: () => world.hanging,
    words: () => world.words,
    ...(changes.open === undefined ? {} : { open: changes.open }),
  }, stop.signal);
  const end = async () => (stop.abort(), await running);
  return { clock, world, end };
}

Deno.test("it is told that the program is ready, what it sees when that is another, and that it stops", async () => {
  const { clock, world, end } = managerSetUp({ socket, watchdogMs: null });
  await clock.advance(25_000);
  world.words = "relay is lost";
  await clock.advance(25_000);
  await end();

  assert.deepEqual(world.told, [
    "0 READY=1",
    "0 STATUS=all is well",
    "30 STATUS=relay is lost",
    "50 STOPPING=1",
    "closed",
  ]);
  assert.deepEqual(world.logged, []);
});

Deno.test("a watchdog hears at half its time that the program is alive", async () => {
  const { clock, world, end } = managerSetUp({ socket, watchdogMs: 8_000 });
  await clock.advance(9_000);
  await end();

  assert.deepEqual(world.told.filter((each) => each.includes("WATCHDOG")), [
    "0 WATCHDOG=1",
    "4 WATCHDOG=1",
    "8 WATCHDOG=1",
  ]);
});

Deno.test("a patient watchdog hears it every 10 s, so that what hangs is seen soon", async () => {
  const { clock, world, end } = managerSetUp({ socket, watchdogMs: 600_000 });
  await clock.advance(15_000);
  await end();

  assert.deepEqual(world.told.filter((each) => each.includes("WATCHDOG")), ["0 WATCHDOG=1", "10 WATCHDOG=1"]);
});

Deno.test("while something hangs the watchdog hears nothing, and the line says what it is", async () => {
  const { clock, world, end } = managerSetUp({ socket, watchdogMs: 8_000 });
  await clock.advance(1_000);
  world.hanging = "the store has not answered for 31 s";
  await clock.advance(8_000);
  world.hanging = null;
  await clock.advance(4_000);
  await end();

  assert.deepEqual(world.told.slice(3, -2), [
    "4 STATUS=the store has not answered for 31 s",
    "12 WATCHDOG=1",
    "12 STATUS=all is well",
  ]);
  assert.deepEqual(world.logged, [
    "the service manager is not told that the program is alive: the store has not answered for 31 s",
  ]);
});

Deno.test("where nobody asked nothing is opened", async () => {
  await managerSetUp(null, { open: () => assert.fail("it was opened") }).end();
});

Deno.test("a socket that can't be had is told to the log once, and the program goes on", async () => {
  const open = () => {
    throw new Error("No such file or directory (os error 2)");
  };
  const { clock, world, end } = managerSetUp({ socket, watchdogMs: 8_000 }, { open });
  await clock.advance(100_000);
  await end();

  assert.deepEqual(world.logged, [
    "Cannot tell the service manager how the program is: No such file or directory (os error 2)",
  ]);
});

Deno.test("a manager that can't be told for a while is told by another channel as soon as it can", async () => {
  const { clock, world, end } = managerSetUp({ socket, watchdogMs: 8_000 });
  await clock.advance(1_000);
  world.isDeaf = true;
  world.words = "relay is lost";
  await clock.advance(8_000);
  world.isDeaf = false;
  await clock.advance(4_000);
  const failure = "Cannot tell the service manager how the program is: Connection refused (os error 111)";
  assert.deepEqual(world.logged, [failure]);

  world.isDeaf = true;
  await clock.advance(4_000);
  world.isDeaf = false;
  await end();
  assert.deepEqual(world.told.slice(3), [
    "closed",
    "closed",
    "12 WATCHDOG=1",
    "12 STATUS=relay is lost",
    "closed",
    "17 STOPPING=1",
    "closed",
  ]);
  assert.deepEqual(world.logged, [failure, failure]);
});

Deno.test("a manager that is deaf at the start hears later all the same that the program is ready", async () => {
  const { clock, world, end } = managerSetUp({ socket, watchdogMs: null }, { isDeaf: true });
  await clock.advance(5_000);
  world.isDeaf = false;
  await clock.advance(10_000);
  await end();

  assert.deepEqual(world.told, ["closed", "10 READY=1", "10 STATUS=all is well", "15 STOPPING=1", "closed"]);
});

Deno.test("one that can't be told of the stop does not hinder it", async () => {
  const { clock, world, end } = managerSetUp({ socket, watchdogMs: 8_000 });
  await clock.advance(1_000);
  world.isDeaf = true;
  await end();

  assert.equal(world.told.at(-1), "closed");
  assert.equal(world.logged.length, 1);
});

for (const kind of ["a file", "abstract"]) {
  Deno.test(`what is sent arrives, and leaves nothing behind, where the socket is ${kind}`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "notify" });
    const path = kind === "abstract" ? `\0notify-${crypto.randomUUID()}` : `${folder}/notify`;
    const manager = Deno.listenDatagram({ transport: "unixpacket", path });
    const channel = openChannel(path);

    await channel.send("READY=1");
    const [bytes] = await manager.receive();
    assert.equal(new TextDecoder().decode(bytes), "READY=1");
    channel.close();
    manager.close();
    if (kind === "a file") {
      assert.deepEqual((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name), ["notify"]);
    }
    await Deno.remove(folder, { recursive: true });
  });
}

Deno.test("the line counts what there is, and says how each part is", () => {
  assert.equal(countWords(snapshot(wellLab().bench)), "2 healthy; jump live, relay live, book unread, mail idle");
});
