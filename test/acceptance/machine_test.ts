/**
 * The machine under the real program fails: its disk is full or takes no writes, its store or its log is deleted, replaced or
 * damaged while it runs, nobody reads its output. The laboratory is watched and people are told all the same.
 */
import assert from "node:assert/strict";
import { freePort } from "../../scripts/simulator/wire.ts";
import { startWorld } from "../../scripts/simulator/world.ts";
import { program, Station } from "../support/station.ts";

const failing = /^the store cannot be written so a restart may repeat or lose alerts: /m;
// What goes beyond a limit on the size of files ends a program, unless whoever started it told it not to mind.
const heedless = ["sh", "-c", `trap "" XFSZ; exec "$@"`, "sh"];

/** Where the store is, and how its disk can be made to refuse it. */
interface Disk {
  readonly works: boolean;
  readonly says: RegExp;
  mount(folder: string): Promise<void>;
  refuse(folder: string, pid: number): Promise<void>;
  relent(folder: string, pid: number): Promise<void>;
  unmount(folder: string): Promise<void>;
}

const nothing = () => Promise.resolve();
const small: Disk = {
  works: await succeeds("d=$(mktemp -d) && mount -t tmpfs -o size=64k none $d && umount $d && rmdir $d"),
  says: /database or disk is full/,
  mount: (folder) => run(`mount -t tmpfs -o size=2m none ${folder}`),
  refuse: (folder) => run(`dd if=/dev/zero of=${folder}/filling bs=4k 2>/dev/null || true`),
  relent: (folder) => run(`rm ${folder}/filling`),
  unmount: (folder) => run(`umount ${folder}`),
};
const disks: Record<string, Disk> = {
  "is full (where a small one can be mounted)": small,
  "fails every write (where prlimit can make it)": {
    works: await succeeds("prlimit --version"),
    says: /disk I\/O error|database or disk is full/,
    mount: nothing,
    refuse: (_, pid) => run(`prlimit --pid ${pid} --fsize=0:`),
    relent: (_, pid) => run(`prlimit --pid ${pid} --fsize=unlimited:`),
    unmount: nothing,
  },
  "has the store's files read-only (where chattr can make them)": {
    works: await succeeds("f=$(mktemp) && chattr +i $f && chattr -i $f && rm $f"),
    says: /disk I\/O error|readonly/,
    mount: nothing,
    refuse: (folder) => run(`chattr +i ${folder}/status.db ${folder}/status.db-wal`),
    relent: (folder) => run(`chattr -i ${folder}/status.db ${folder}/status.db-wal`),
    unmount: (folder) => run(`chattr -i ${folder}/status.db* || true`),
  },
};

for (const [what, disk] of Object.entries(disks)) {
  Deno.test({
    name:
      `a disk that ${what}: people are told of that and of all events, once, and nothing is repeated after a restart`,
    ignore: !disk.works,
    async fn() {
      const folder = await Deno.makeTempDir({ prefix: "disk" });
      await disk.mount(folder);
      try {
        await using station = await Station.watching({ env: storeIn(folder), by: heedless });
        await disk.refuse(folder, station.pid);
        station.world.host("pend00").pull();
        await station.line("pend00 -- A   [missing jump]");
        assert.match((await station.mail(failing)).text, disk.says);
        assert.equal((await station.states()).store, "failing");
        await disk.relent(folder, station.pid);
        await station.line("the store can be written again");
        await settled(station);
        const mails = station.mailCount;
        await station.end("SIGTERM");
        await station.start();
        await station.until(
          async () => (await station.experiment("pend00"))?.state === "unhealthy",
          "pend00 to be judged",
        );
        await station.reports(15);
        assert.equal(station.mailCount, mails);
        assert.deepEqual((await station.experiment("pend00"))?.issues, ["missing jump"]);
      } finally {
        await disk.unmount(folder);
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

Deno.test("a store that is deleted while the program runs is written anew: people are told, and a restart goes on from it", async () => {
  await using station = await Station.watching();
  for (const part of ["", "-wal", "-shm", ".lock"]) await Deno.remove(`${station.folder}/status.db${part}`);
  station.world.host("pend00").pull();
  await station.line("pend00 -- A   [missing jump]");
  const gone = await station.mail(/the store was deleted or replaced and has been written anew/);
  assert.match(gone.text, /written anew: \/\S+\/status\.db/);
  await settled(station);
  const mails = station.mailCount;
  await station.end("SIGKILL");
  await station.start();
  await station.until(async () => (await station.experiment("pend00"))?.state === "unhealthy", "pend00 to be judged");
  await station.reports(15);
  assert.equal(station.mailCount, mails);
  assert.equal((await station.experiment("pend00"))?.health_events, 2);
});

Deno.test("a store that is overwritten while the program runs stops no mail; the next start sets it aside and says so", async () => {
  await using station = await Station.watching();
  const path = `${station.folder}/status.db`;
  for (const part of ["", "-wal"]) {
    using file = await Deno.open(path + part, { write: true });
    await file.write(crypto.getRandomValues(new Uint8Array(16_384)));
  }
  station.world.host("pend00").pull();
  await station.line("pend00 -- A   [missing jump]");
  await settled(station);
  await station.end("SIGKILL");
  await station.start();
  await station.mail(
    /^the store was damaged and a new one has been begun: the old one is kept as .*status\.db\.damaged-/m,
  );
  await station.until(async () => (await station.states()).store === "ok", "the new store to be written");
});

Deno.test("a log whose folder is deleted, and made again before a SIGHUP, goes on in a new file; meanwhile all goes on", async () => {
  await using station = await Station.with();
  const folder = `${station.folder}/logs`, path = `${folder}/status.log`;
  await Deno.mkdir(folder);
  await using logged = await Station.watching({ env: { STATUS_LOG_FILE: path } });
  await Deno.remove(folder, { recursive: true });
  logged.signal("SIGHUP");
  await logged.until(() => logged.log.includes("Cannot reopen the log"), "stderr to say that it can't be reopened");
  await Deno.mkdir(path, { recursive: true }); // a folder of that name
  logged.signal("SIGHUP");
  logged.world.host("pend00").pull();
  await logged.line("pend00 -- A   [missing jump]");
  await Deno.remove(path);
  logged.signal("SIGHUP");
  await logged.until(() => Deno.statSync(path).isFile, "the log to be made anew");
  logged.world.host("pend00").plug();
  await logged.until(async () => (await Deno.readTextFile(path)).includes("pend00: ok"), "the log to go on");
});

Deno.test({
  name:
    "a log on a full disk is complained of on stderr, stops nothing, and says later what is missing (where one can be mounted)",
  ignore: !small.works,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "disk" });
    await small.mount(folder);
    try {
      const path = `${folder}/status.log`;
      await using station = await Station.watching({ env: { STATUS_LOG_FILE: path, STATUS_HEALTH_LOG_EVERY: "50ms" } });
      await small.refuse(folder, station.pid);
      await station.until(() => station.log.includes("Cannot write the log"), "stderr to say that it can't be written");
      station.world.host("pend00").pull();
      await station.line("pend00 -- A   [missing jump]");
      assert.equal(station.log.match(/Cannot write the log .*: No space left on device/g)?.length, 1);
      await small.relent(folder, station.pid);
      await station.until(
        async () => (await Deno.readTextFile(path)).includes("lines could not be written"),
        "the log to say what is missing",
      );
    } finally {
      await small.unmount(folder);
      await Deno.remove(folder, { recursive: true });
    }
  },
});

const readers: Record<string, (child: Deno.ChildProcess) => Promise<void>> = {
  "does not read": nothing,
  "is gone": (child) => child.stdout.cancel(),
};

for (const [how, begin] of Object.entries(readers)) {
  Deno.test(`a log on a pipe whose reader ${how}: the laboratory is watched, mails go out, and it stops when asked to`, async () => {
    const port = freePort();
    const env = { STATUS_PORT_SERVE: String(port), STATUS_HEALTH_LOG_EVERY: "5ms" }; // fills a pipe in a second
    await withSilent(env, async ({ world, child }) => {
      await begin(child);
      await world.until(() => world.mailbox.mails.length > 0, { what: "the first mail" });
      for (let round = 0; round < 3; round++) {
        world.stream("pend00-st-data").vanish();
        await world.until(() => world.book.availability("r-pend00")?.available === false, { what: "pend00 to be off" });
        world.stream("pend00-st-data").appear();
        await world.until(() => world.book.availability("r-pend00")?.available === true, { what: "pend00 to be on" });
      }
      const health = await fetch(`http://127.0.0.1:${port}/healthz`);
      assert.equal((await health.body?.cancel(), health.status), 200);
      child.kill("SIGTERM");
      const { code } = await child.status;
      assert.equal(code, 0);
    });
  });
}

/** A program whose output nobody reads, in a laboratory; its end is the caller's, who reads what it said then. */
async function withSilent(
  env: Readonly<Record<string, string>>,
  play: (given: { world: Awaited<ReturnType<typeof startWorld>>; child: Deno.ChildProcess }) => Promise<void>,
): Promise<void> {
  const world = await startWorld({ reportEveryMs: 100 });
  world.addExperiment("pend00");
  world.loadManifest();
  const common = { STATUS_HEALTH_LAST: "1s", STATUS_HEALTH_STARTUP: "1s", STATUS_STORE_FILE: "memory" };
  const child = program(["serve"], { ...world.env, ...common, STATUS_LOG_FILE: "stdout", ...env }).spawn();
  try {
    await play({ world, child });
  } finally {
    await ended(child);
    await world.stop();
  }
}

async function ended(child: Deno.ChildProcess): Promise<void> {
  try {
    child.kill("SIGKILL");
  } catch {
    // it has ended
  }
  await child.status;
  for (const stream of [child.stdout, child.stderr]) if (!stream.locked) await stream.cancel();
}

/** All that is owed is sent, and the store has it. */
async function settled(station: Station): Promise<void> {
  await station.until(async () => (await station.states()).mail === "idle", "all mails to be sent");
}

function storeIn(folder: string) {
  return { STATUS_STORE_FILE: `${folder}/status.db` };
}

async function succeeds(command: string): Promise<boolean> {
  try {
    return (await new Deno.Command("sh", { args: ["-ec", command], stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false; // there is no shell
  }
}

async function run(command: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("sh", { args: ["-ec", command] }).output();
  assert.ok(success, `${command}: ${new TextDecoder().decode(stderr)}`);
}
