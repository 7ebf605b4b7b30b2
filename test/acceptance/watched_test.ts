/** Who watches the monitor: the dead man's switch and the service manager, played with the real program. */
import assert from "node:assert/strict";
import { Station } from "../support/station.ts";

const key = "key-of-ours";

/** A dead man's switch that counts how often it was asked for, and answers as the test says. */
class DeadMansSwitch implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  paths: string[] = [];
  status = 200;

  constructor() {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
      this.paths.push(new URL(url).pathname);
      return new Response("OK", { status: this.status });
    });
  }

  get host(): string {
    return `127.0.0.1:${this.#server.addr.port}`;
  }

  get env(): Record<string, string> {
    return { STATUS_HEARTBEAT_URL: `http://${this.host}/ping/${key}`, STATUS_HEARTBEAT_EVERY: "200ms" };
  }

  async [Symbol.asyncDispose]() {
    await this.#server.shutdown();
  }
}

interface Heartbeat {
  readonly heartbeat: { readonly state: string; readonly last_error: string | null; readonly sent: number };
}

/** Stops the program for `ms` after all that was under way has come in, and says how much of it there is then. */
async function stopped(station: Station, ms: number, count: () => number): Promise<number> {
  station.signal("SIGSTOP");
  let seen = -1, sinceMs = 0;
  await station.until(() => {
    if (count() !== seen) [seen, sinceMs] = [count(), performance.now()];
    return performance.now() - sinceMs >= 500;
  }, "what was under way to come in");
  const fromMs = performance.now();
  await station.until(() => performance.now() - fromMs >= ms, "time to pass that the program does not see");
  assert.equal(count(), seen, "a stopped program tells nothing");
  return seen;
}

const heartbeat = async (station: Station) => (await station.json<Heartbeat>("/api/v1/status")).heartbeat;

Deno.test("the dead man's switch is asked for while all is alive, withheld while a feed is lost, and then asked for again", async () => {
  await using lifeline = new DeadMansSwitch();
  await using station = await Station.watching({ env: lifeline.env });
  await station.until(() => lifeline.paths.length >= 3, "the switch to be asked for thrice");
  assert.deepEqual(new Set(lifeline.paths), new Set([`/ping/${key}`]));

  await station.world.relay.stop();
  await station.until(async () => (await heartbeat(station)).state === "withheld", "the switch to be withheld");
  assert.equal((await heartbeat(station)).last_error, "relay is lost");
  const before = lifeline.paths.length;
  await station.mail(/^relay has no fresh reports/m);
  assert.equal(lifeline.paths.length, before);

  await station.world.relay.start();
  await station.until(() => lifeline.paths.length > before, "the switch to be asked for again");
  await station.until(async () => (await heartbeat(station)).state === "ok", "that to be shown");
  await station.until(() => /the dead man's switch is asked for again/.test(station.log), "the log to say so");
  assert.match(station.log, /the dead man's switch is not asked for any more: relay is lost/);
  assert.doesNotMatch(station.log, new RegExp(key));
});

Deno.test("a dead man's switch that says no is shown and told once, and harms nothing", async () => {
  await using lifeline = new DeadMansSwitch();
  lifeline.status = 404;
  await using station = await Station.watching({ env: lifeline.env });
  await station.until(() => lifeline.paths.length >= 6, "it to be asked for");
  const words = `Cannot ask the dead man's switch at ${lifeline.host}: it answered 404`;
  assert.equal((await heartbeat(station)).last_error, words);
  assert.equal(station.log.split(words).length - 1, 1);
});

Deno.test("after it was stopped for a while the program asks the dead man's switch no oftener than ever", async () => {
  await using lifeline = new DeadMansSwitch();
  await using station = await Station.watching({ env: { ...lifeline.env, STATUS_HEARTBEAT_EVERY: "500ms" } });
  await station.until(() => lifeline.paths.length >= 1, "the switch to be asked for");
  const before = await stopped(station, 3_000, () => lifeline.paths.length);
  const continuedMs = performance.now();
  station.signal("SIGCONT");
  await station.until(() => lifeline.paths.length >= before + 5, "it to go on");
  // Two may come at once: one that was under way, and, as up to 500 ms of the stop count as passed, the next. From then on
  // there are 500 ms before each. A busy machine makes it only later; a timer may be a little early.
  assert.ok(performance.now() - continuedMs >= 1_400, "five at once are a storm");
});

Deno.test("check says which dead man's switch is set, and asks for it with --send alone", async () => {
  await using lifeline = new DeadMansSwitch();
  await using station = await Station.with({ env: { ...lifeline.env, STATUS_STORE_FILE: "memory" } });
  const without = await station.run({}, "check");
  assert.match(without.said, new RegExp(`^ok +heartbeat +${lifeline.host}; --send asks for it$`, "m"));
  assert.deepEqual(lifeline.paths, []);

  const sent = await station.run({}, "check", "--send");
  assert.match(sent.said, new RegExp(`^ok +heartbeat +${lifeline.host} answers$`, "m"));
  assert.deepEqual(lifeline.paths, [`/ping/${key}`]);

  lifeline.status = 410;
  const refused = await station.run({}, "check", "--send");
  assert.match(refused.said, new RegExp(`^FAIL +heartbeat +.* at ${lifeline.host}: it answered 410$`, "m"));
  assert.equal(refused.code, 1);
  assert.doesNotMatch(without.said + sent.said + refused.said, new RegExp(key));
});

/** As systemd has it: a socket of datagrams, and what came in by it. */
class ServiceManager implements AsyncDisposable {
  readonly #folder = Deno.makeTempDirSync({ prefix: "manager" });
  readonly path = `${this.#folder}/notify`;
  readonly #socket = Deno.listenDatagram({ transport: "unixpacket", path: this.path });
  readonly #reading = this.#read();
  readonly told: string[] = [];

  count(text: string): number {
    return this.told.filter((each) => each === text).length;
  }

  async #read() {
    for await (const [bytes] of this.#socket) this.told.push(new TextDecoder().decode(bytes));
  }

  async [Symbol.asyncDispose]() {
    this.#socket.close();
    await this.#reading;
    await Deno.remove(this.#folder, { recursive: true });
  }
}

Deno.test("a service manager is told that the program is ready, alive and stops; nothing while it is stopped", async () => {
  await using manager = new ServiceManager();
  const env = { NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: "400000" };
  await using station = await Station.watching({ env });
  await station.until(() => manager.count("WATCHDOG=1") >= 5, "signs of life");
  assert.equal(manager.told[0], "READY=1");
  await station.until(
    () => manager.told.some((each) => each === "STATUS=1 healthy; jump live, relay live, book ok, mail idle"),
    "a line of what is seen",
  );

  await stopped(station, 1_000, () => manager.told.length); // more than twice what the watchdog allows
  station.signal("SIGCONT");
  const lives = manager.count("WATCHDOG=1");
  await station.until(() => manager.count("WATCHDOG=1") > lives, "it to live again");

  assert.equal((await station.end("SIGTERM")).code, 0);
  await station.until(() => manager.told.includes("STOPPING=1"), "its last word to be read");
  assert.equal(manager.told.at(-1), "STOPPING=1");
});

Deno.test("a service manager that is not there is told to the log, and the program works all the same", async () => {
  await using station = await Station.watching({ env: { NOTIFY_SOCKET: "/nowhere/notify", WATCHDOG_USEC: "400000" } });
  assert.match(station.log, /Cannot tell the service manager how the program is: No such file/);
});

Deno.test("a program whose loop has ended says so to whoever asks, to systemd, and to the dead man's switch by silence", async () => {
  await using manager = new ServiceManager();
  await using lifeline = new DeadMansSwitch();
  await using station = await Station.with({
    by: [Deno.execPath(), "run", "--allow-all", "test/support/lame_program.ts"],
    env: { ...lifeline.env, NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: "400000" },
  });
  await station.start();

  const answer = await fetch(`http://127.0.0.1:${station.port}/healthz`);
  assert.deepEqual([answer.status, await answer.json()], [503, { code: "503", message: "judging has ended" }]);
  assert.equal((await station.run({ STATUS_PORT_SERVE: String(station.port) }, "healthcheck")).code, 1);
  await station.until(() => manager.told.includes("STATUS=judging has ended"), "systemd to be told");
  await station.until(async () => (await heartbeat(station)).state === "withheld", "the switch to be withheld");
  assert.deepEqual([manager.count("WATCHDOG=1"), lifeline.paths], [0, []]);
});
