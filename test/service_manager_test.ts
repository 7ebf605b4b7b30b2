import assert from "node:assert/strict";
import { countWords, type ManagerRequest, managerRequest, openChannel, runServiceManager } from "../src/watchdog.ts";
import { wellLab } from "./support/app.ts";
import { FakeClock } from "./support/clock.ts";
import { snapshot } from "./support/snapshot.ts";

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
function setUp(request: ManagerRequest | null, changes: { open?: () => never; isDeaf?: boolean } = {}) {
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
  const { clock, world, end } = setUp({ socket, watchdogMs: null });
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
  const { clock, world, end } = setUp({ socket, watchdogMs: 8_000 });
  await clock.advance(9_000);
  await end();

  assert.deepEqual(world.told.filter((each) => each.includes("WATCHDOG")), [
    "0 WATCHDOG=1",
    "4 WATCHDOG=1",
    "8 WATCHDOG=1",
  ]);
});

Deno.test("a patient watchdog hears it every 10 s, so that what hangs is seen soon", async () => {
  const { clock, world, end } = setUp({ socket, watchdogMs: 600_000 });
  await clock.advance(15_000);
  await end();

  assert.deepEqual(world.told.filter((each) => each.includes("WATCHDOG")), ["0 WATCHDOG=1", "10 WATCHDOG=1"]);
});

Deno.test("while something hangs the watchdog hears nothing, and the line says what it is", async () => {
  const { clock, world, end } = setUp({ socket, watchdogMs: 8_000 });
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
  await setUp(null, { open: () => assert.fail("it was opened") }).end();
});

Deno.test("a socket that can't be had is told to the log once, and the program goes on", async () => {
  const open = () => {
    throw new Error("No such file or directory (os error 2)");
  };
  const { clock, world, end } = setUp({ socket, watchdogMs: 8_000 }, { open });
  await clock.advance(100_000);
  await end();

  assert.deepEqual(world.logged, [
    "Cannot tell the service manager how the program is: No such file or directory (os error 2)",
  ]);
});

Deno.test("a manager that can't be told for a while is told by another channel as soon as it can", async () => {
  const { clock, world, end } = setUp({ socket, watchdogMs: 8_000 });
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
  const { clock, world, end } = setUp({ socket, watchdogMs: null }, { isDeaf: true });
  await clock.advance(5_000);
  world.isDeaf = false;
  await clock.advance(10_000);
  await end();

  assert.deepEqual(world.told, ["closed", "10 READY=1", "10 STATUS=all is well", "15 STOPPING=1", "closed"]);
});

Deno.test("one that can't be told of the stop does not hinder it", async () => {
  const { clock, world, end } = setUp({ socket, watchdogMs: 8_000 });
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
