/** The store's folder is the only place that has to be writable: an image's root, and its /tmp, need not be. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { openSqliteStore } from "../../src/sqlite_file.ts";
import { StoreLocked } from "../../src/store.ts";
import { withFolder } from "../support/folder.ts";
import { fillStore } from "../support/store_files.ts";
import { atMost, event, experiment, noonMs, saying, turn } from "../support/store_samples.ts";

const root = new URL("../../", import.meta.url).pathname;

/** Runs `script` with `folder` for temporary files, and gives the names of the files that were made there. */
async function madeIn(folder: string, script: string): Promise<string[]> {
  const watcher = Deno.watchFs(folder);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    // SQLite asks for the place once, when it is loaded.
    args: ["eval", script],
    env: { TMPDIR: folder },
    cwd: root,
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  await Deno.writeTextFile(`${folder}/end`, "");
  const made = new Set<string>();
  for await (const { paths } of watcher) {
    for (const path of paths) made.add(path.slice(folder.length + 1));
    if (made.has("end")) break;
  }
  return [...made].filter((name) => name !== "end");
}

/** A store with `turns` of each of a hundred experiments, closed; and a folder for temporary files. */
async function setUp(turns: number) {
  const folder = await Deno.makeTempDir({ prefix: "place" });
  const [file, temporary] = [`${folder}/status.db`, `${folder}/tmp`];
  await Deno.mkdir(temporary);
  const { store } = await openSqliteStore(file, { nowMs: noonMs });
  const names = Array.from({ length: 100 }, (_, at) => `experiment${at}`);
  await store.record([
    ...names.map((name) => saying.experiment(experiment(name))),
    ...names.flatMap((name) => Array.from({ length: turns }, (_, at) => saying.turn(name, turn(noonMs + at)))),
  ]);
  await store.close();
  return { folder, file, temporary };
}

Deno.test("a history too large for SQLite's cache is sorted in memory, not in a file elsewhere", async () => {
  const { folder, file, temporary } = await setUp(1_000);

  const made = await madeIn(
    temporary,
    `import { openSqliteStore } from "./src/sqlite_file.ts";
    const { store } = await openSqliteStore(${JSON.stringify(file)}, { nowMs: ${noonMs} });
    const { stateChanges: turns } = await store.load({ events: 1, stateChanges: 1_000, runs: 1 });
    if (turns.size !== 100) throw new Error(String(turns.size));
    await store.close();`,
  );

  assert.deepEqual(made, []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("check looks into a store without a place for temporary files", async () => {
  const { folder, file, temporary } = await setUp(1);
  const names = async () => (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  const before = await names();

  const made = await madeIn(
    temporary,
    `import { checkStore } from "./src/check.ts";
    const { kind, words } = await checkStore(${JSON.stringify(file)}, { asked: true }, ${noonMs});
    if (kind !== "ok") throw new Error(words);`,
  );

  assert.deepEqual([made, await names()], [[], before]);
  await Deno.remove(folder, { recursive: true });
});

/*  What takes a process of its own: one that holds the store, one that is killed, one that the system lets not write. */

const script = new URL("../support/store_process.ts", import.meta.url).pathname;

Deno.test("a store that another process holds says who does, and is free at once when that is killed", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    await using holder = new Holder(path);
    await holder.kept(0);
    const held = `Cannot open the store ${path}: process ${holder.pid} has held it since 2026-11-22T12:00:00.000Z`;

    await assert.rejects(openSqliteStore(path, { nowMs: noonMs }), isLocked(held));
    await holder.kill();

    const { store, damaged } = await openSqliteStore(path, { nowMs: noonMs });
    await store.close();
    assert.equal(damaged, null);
  }));

Deno.test("a store that this process holds can't be opened a second time before it is closed", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    const first = await openSqliteStore(path, { nowMs: noonMs });
    await Deno.symlink(path, `${folder}/link.db`);
    const held = `Cannot open the store ${path}: process ${Deno.pid} has held it since 2026-11-22T12:00:00.000Z`;

    await assert.rejects(openSqliteStore(path, { nowMs: noonMs + 1 }), isLocked(held));
    await assert.rejects(openSqliteStore(`${folder}/link.db`, { nowMs: noonMs + 1 }), isLocked(held));
    await first.store.close();

    const second = await openSqliteStore(path, { nowMs: noonMs + 1 });
    await second.store.close();
  }));

for (const count of [1, 10, 40]) {
  Deno.test(`a process that is killed right after record ${count} resolved has lost nothing`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/status.db`;
      await using holder = new Holder(path);
      await holder.kept(count - 1);
      const last = await holder.kill();

      const { store, damaged } = await openSqliteStore(path, { nowMs: noonMs });
      const events = (await store.load(atMost(100_000))).events.get("pend00") ?? [];
      await store.close();

      assert.equal(damaged, null);
      // The one after the last that it told of may have been kept too.
      const atLeast = Array.from({ length: last + 1 }, (_, number) => event("pend00", number));
      assert.deepEqual(events.slice(0, last + 1), atLeast);
      assert.ok(events.length <= last + 2);
    }));
}

const isRoot = Deno.uid() === 0;
const smallDisk = [
  "unshare",
  "--map-root-user",
  "--mount",
  "sh",
  "-c",
  `mount -t tmpfs -o size=600k none "$0" && exec "$@"`,
];
const smallFiles = ["sh", "-c", `trap "" XFSZ; ulimit -f 400; exec "$@"`];
// Root is refused nothing, but for one that has given up its rights.
const noRights = isRoot ? ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] : ["env"];
const canMount = await runs([...smallDisk, "/mnt", "true"]);
const canRefuse = await runs([...noRights, "true"]);

Deno.test({
  name: "a record that does not fit on the disk leaves nothing, and the next can (where a small disk can be mounted)",
  ignore: !canMount,
  fn: () =>
    withFolder(async (folder) => {
      assert.deepEqual(await play([...smallDisk, folder], "fill", `${folder}/status.db`), [
        "opened",
        "kept",
        `FAILED STORE_FAILED Cannot write the store ${folder}/status.db: database or disk is full`,
        "kept",
        "1,3 0",
      ]);
    }),
});

Deno.test("a record that the system fails to write leaves nothing, and the next can", () =>
  withFolder(async (folder) => {
    assert.deepEqual(await play([...smallFiles, "sh"], "fill", `${folder}/status.db`), [
      "opened",
      "kept",
      `FAILED STORE_FAILED Cannot write the store ${folder}/status.db: disk I/O error`,
      "kept",
      "1,3 0",
    ]);
  }));

const refusals: Record<string, [prepare: (folder: string) => void, words: RegExp]> = {
  "in a folder where nothing can be made": [
    (folder) => (Deno.removeSync(`${folder}/inner/status.db.lock`), Deno.chmodSync(`${folder}/inner`, 0o555)),
    /^Cannot lock the store \S+status\.db by \S+\.lock: Permission denied \(os error 13\): open '\S+\.lock'$/,
  ],
  "in a folder that is closed since": [
    (folder) => Deno.chmodSync(`${folder}/inner`, 0o555),
    /^Cannot lock the store \S+status\.db by \S+\.lock: Permission denied \(os error 13\)/,
  ],
  "whose file can't be written": [
    (folder) => Deno.chmodSync(`${folder}/inner/status.db`, 0o444),
    /^Cannot open the store \S+status\.db: Permission denied \(os error 13\): open '\S+status\.db'$/,
  ],
  "whose folder can't be made": [
    (folder) => (Deno.removeSync(`${folder}/inner`, { recursive: true }), Deno.chmodSync(folder, 0o555)),
    /^Cannot open the store \S+status\.db: Permission denied \(os error 13\): mkdir '\S+inner'$/,
  ],
};

for (const [what, [prepare, words]] of Object.entries(refusals)) {
  Deno.test({
    name: `a store can't be opened, and is said why: one ${what} (where root can give up its rights)`,
    ignore: !canRefuse,
    fn: () =>
      withFolder(async (folder) => {
        await fillStore(`${folder}/inner/status.db`);
        prepare(folder);

        const [said = ""] = await play(noRights, "open", `${folder}/inner/status.db`);
        allow(folder);

        assert.match(said.replace("FAILED STORE_FAILED ", ""), words);
      }),
  });
}

/** A process that holds the store at `path` and records event after event, until it is killed. */
class Holder implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #output: ReadableStreamDefaultReader<string>;
  #said = "";

  constructor(path: string) {
    const args = ["run", "--allow-all", "--quiet", script, "hold", path];
    this.#child = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Resolves when it has said that the event of that number is kept. */
  async kept(number: number): Promise<void> {
    while (!this.#said.includes(`\n${number}\n`)) assert.ok(await this.#hear(), this.#said);
  }

  /** Kills it at once. The number of the last event that it said to be kept. */
  async kill(): Promise<number> {
    this.#child.kill("SIGKILL");
    while (await this.#hear());
    await this.#child.status;
    return Number(this.#said.split("\n").at(-2));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.kill();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended already
    }
  }

  async #hear(): Promise<boolean> {
    const { done, value } = await this.#output.read();
    this.#said += value ?? "";
    return !done;
  }
}

/** What a process says that opens the store at `path`, line by line, when it is started by `command`. */
async function play(command: readonly string[], mode: "open" | "fill", path: string): Promise<string[]> {
  const [program, ...args] = [...command, Deno.execPath(), "run", "--allow-all", "--quiet", script, mode, path];
  const { stdout, stderr } = await new Deno.Command(program!, { args }).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

async function runs([program, ...args]: readonly string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(program!, { args: [...args] }).output()).success;
  } catch {
    return false; // there is no such program here
  }
}

/** So that the folder can be removed. */
function allow(folder: string): void {
  for (const each of [folder, `${folder}/inner`]) {
    if (existsSync(each)) Deno.chmodSync(each, 0o755);
  }
}

function isLocked(message: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof StoreLocked);
    assert.equal(error.message, message);
    return true;
  };
}
