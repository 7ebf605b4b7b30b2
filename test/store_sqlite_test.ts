import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { openSqliteStore } from "../src/sqlite_file.ts";
import { StoreFailed } from "../src/store.ts";
import { withFolder } from "./support/folder.ts";
import { alterStore, fillStore } from "./support/store_files.ts";
import { atMost, experiment, saying } from "./support/store_samples.ts";

const nowMs = Date.UTC(2026, 10, 22, 20, 31, 14, 120);

const refusals: Record<string, [prepare: (path: string) => void, message: RegExp]> = {
  "made by a newer version": [
    (path) => alterStore(path, "PRAGMA user_version = 7"),
    /^Cannot open the store \S+status\.db: it was made by a newer version of status \(its tables are of version 7, the newest known here is 3\)$/,
  ],
  "that is another program's database": [
    (path) => alterStore(path, "PRAGMA application_id = 1"),
    /^Cannot open the store \S+status\.db: it is the database of another program$/,
  ],
  "that is another program's database, unmarked": [
    (path) => (Deno.removeSync(path), alterStore(path, "CREATE TABLE theirs (a)")),
    /^Cannot open the store \S+status\.db: it is the database of another program$/,
  ],
  "that is a folder": [
    (path) => (Deno.removeSync(path), Deno.mkdirSync(path)),
    /^Cannot open the store \S+status\.db: Is a directory \(os error 21\)/,
  ],
  "in what is no folder": [
    (
      path,
    ) => (Deno.removeSync(path.slice(0, path.lastIndexOf("/")), { recursive: true }),
      Deno.writeTextFileSync(path.slice(0, path.lastIndexOf("/")), "")),
    /^Cannot open the store \S+status\.db: (?:File exists|Not a directory)/,
  ],
  "whose lock is no lock": [
    (path) => Deno.writeTextFileSync(`${path}.lock`, "no lock\n".repeat(1000)),
    /^Cannot lock the store \S+status\.db by \S+status\.db\.lock: file is not a database$/,
  ],
};

for (const [what, [prepare, message]] of Object.entries(refusals)) {
  Deno.test(`a store can't be opened and stays as it is: one ${what}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/inner/status.db`;
      await fillStore(path);
      prepare(path);
      const before = await listing(folder);

      await assert.rejects(openSqliteStore(path, { nowMs }), failing(message));

      assert.deepEqual(await listing(folder), before);
    }));
}

Deno.test("a store that another program is writing is not damaged: it can't be opened until that is done", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    await fillStore(path);
    const other = new DatabaseSync(path);
    other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; DELETE FROM events");

    await assert.rejects(openSqliteStore(path, { nowMs }), failing(/^Cannot open the store \S+: database is locked$/));
    other.exec("ROLLBACK");
    other.close();

    const { store, damaged } = await openSqliteStore(path, { nowMs });
    assert.deepEqual([damaged, (await store.load(atMost(1000))).events.get("pend00")?.length], [null, 300]);
    await store.close();
  }));

Deno.test("a record that meets another program's transaction fails, and can be tried again", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    const { store } = await openSqliteStore(path, { nowMs });
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    const changes = [saying.experiment(experiment("pend00"))];

    await assert.rejects(store.record(changes), failing(/^Cannot write the store \S+: database is locked$/));
    other.exec("ROLLBACK");
    other.close();
    await store.record(changes);

    assert.deepEqual((await store.load(atMost(1))).experiments, [experiment("pend00")]);
    await store.close();
  }));

Deno.test("what is asked of a store that is closed fails", () =>
  withFolder(async (folder) => {
    const { store } = await openSqliteStore(`${folder}/status.db`, { nowMs });
    await store.close();

    await assert.rejects(store.load(atMost(1)), failing(/^Cannot read the store \S+: it is closed$/));
    const turns = store.turns("pend00", { sinceMs: 0, max: 1 });
    await assert.rejects(turns, failing(/^Cannot read the store \S+: it is closed$/));
    await assert.rejects(store.record([]), failing(/^Cannot write the store \S+: it is closed$/));
    await assert.rejects(store.prune(1), failing(/^Cannot write the store \S+: it is closed$/));
  }));

Deno.test("a store makes its folder", () =>
  withFolder(async (folder) => {
    const { store } = await openSqliteStore(`${folder}/var/lib/status.db`, { nowMs });
    await store.close();

    assert.equal((await Deno.stat(`${folder}/var/lib/status.db`)).isFile, true);
  }));

function failing(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof StoreFailed);
    assert.match(error.message, message);
    return true;
  };
}

/** Each file's name and text, but for the lock's. */
async function listing(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name, isFile } of Deno.readDir(folder)) {
    if (isFile && !name.endsWith(".lock")) files[name] = await Deno.readTextFile(`${folder}/${name}`);
    else if (!isFile) Object.assign(files, await listing(`${folder}/${name}`), { [name]: "a folder" });
  }
  return files;
}
