/** The file of a store that is in use is deleted, or another is put in its place. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { openSqliteStore } from "../src/sqlite_file.ts";
import { type Store, StoreFailed, StoreGone } from "../src/store.ts";
import { withFolder } from "./support/folder.ts";
import { fillStore } from "./support/store_files.ts";
import { atMost, event, experiment, noonMs, saying, turn } from "./support/store_samples.ts";

const all = atMost(1_000);

const losses: Record<string, [lose: (path: string) => void, found: string[]]> = {
  "the file alone is deleted, its log stays": [(path) => Deno.removeSync(path), []],
  "the file is moved away": [(path) => Deno.renameSync(path, `${path}.bak`), ["status.db.bak"]],
  "the file and what is beside it are deleted": [
    (path) => ["", "-wal", "-shm"].forEach((part) => Deno.removeSync(path + part)),
    [],
  ],
  "the whole folder is deleted": [(path) => Deno.removeSync(path.replace(/\/[^/]*$/, ""), { recursive: true }), []],
  "another file is put in its place": [
    (path) => (Deno.writeTextFileSync(`${path}.other`, "somebody's"), Deno.renameSync(`${path}.other`, path)),
    ["status.db.found"],
  ],
};

for (const [what, [lose, found]] of Object.entries(losses)) {
  Deno.test(`${what}: the next record says so, and the one after is in a new file with all that was in the old`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/inner/status.db`;
      await fillStore(path);
      const { store } = await openSqliteStore(path, { nowMs: noonMs });
      await store.record([saying.event(event("pend00", noonMs + 1_000))]);
      lose(path);
      await store.record([saying.event(event("pend00", noonMs + 1_001))]).then(
        () => assert.fail("not told"),
        (error) => {
          assert.ok(error instanceof StoreGone);
          assert.ok(error.place.startsWith(path));
          assert.equal(error.place.includes(" is now "), found.includes("status.db.found"));
        },
      );
      await store.record([saying.event(event("pend00", noonMs + 1_001)), saying.experiment(experiment("spin31"))]);
      const before = await store.load(all);
      await store.close();

      const again = await openSqliteStore(path, { nowMs: noonMs });
      const saved = await again.store.load(all);
      await again.store.close();

      assert.equal(again.damaged, null);
      assert.deepEqual(saved, before);
      assert.equal(saved.events.get("pend00")?.length, 302);
      assert.deepEqual(saved.experiments.map(({ name }) => name), ["pend00", "spin31"]);
      const files = [...Deno.readDirSync(`${folder}/inner`)].map(({ name }) => name).sort();
      assert.deepEqual(files, ["status.db", ...found, "status.db.lock"].sort());
    }));
}

Deno.test("a store that is gone and can't be written anew goes on in the file that has no name, and is whole once it can", () =>
  withFolder(async (folder) => {
    const path = `${folder}/inner/status.db`;
    const { store } = await openSqliteStore(path, { nowMs: noonMs });
    await store.record([saying.experiment(experiment("pend00")), saying.event(event("pend00", 1))]);
    Deno.removeSync(path);
    Deno.mkdirSync(`${path}.new`); // where it is made
    Deno.writeTextFileSync(`${path}.new/x`, "");
    await failing(store, /was deleted or replaced while in use, and cannot be written anew: /);
    await failing(store, /was deleted or replaced while in use, and cannot be written anew: /);
    Deno.removeSync(`${path}.new`, { recursive: true });
    await failing(store, /has only just been written anew/);
    await store.record([saying.event(event("pend00", 2))]);
    assert.equal((await store.load(all)).events.get("pend00")?.length, 2);
    await store.close();
    assert.ok(existsSync(path));
  }));

Deno.test("after the whole folder was deleted and the store could not be written anew at once, it is when it can be", () =>
  withFolder(async (folder) => {
    const path = `${folder}/inner/status.db`;
    const { store } = await openSqliteStore(path, { nowMs: noonMs });
    await store.record([saying.experiment(experiment("pend00")), saying.event(event("pend00", 1))]);
    Deno.removeSync(`${folder}/inner`, { recursive: true });
    Deno.mkdirSync(`${path}.new/x`, { recursive: true }); // where it is made
    await failing(store, /cannot be written anew: /);
    Deno.removeSync(`${path}.new`, { recursive: true });
    await failing(store, /has only just been written anew/);
    await store.record([saying.event(event("pend00", 2))]);
    assert.equal((await store.load(all)).events.get("pend00")?.length, 2);
    await store.close();
  }));

Deno.test("what this run has told by a clock that is then put back is moved in a store that was written anew too", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    const { store } = await openSqliteStore(path, { nowMs: noonMs });
    await store.record([saying.experiment(experiment("pend00")), saying.event(event("pend00", noonMs + 5))]);
    await store.record([saying.turn("pend00", turn(noonMs + 5)), saying.run(noonMs + 4, noonMs + 5)]);
    Deno.removeSync(path);
    await failing(store, /has only just been written anew/);
    await store.record([{ kind: "clock-back", toMs: noonMs }]);
    const { events, stateChanges: turns, runs } = await store.load(all);
    assert.deepEqual(events.get("pend00")?.map(({ atMs }) => atMs), [noonMs]);
    assert.deepEqual(turns.get("pend00")?.map(({ atMs }) => atMs), [noonMs]);
    assert.deepEqual(runs, []);
    await store.close();
  }));

Deno.test("a lock that is deleted is taken again, and nobody is told", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    const { store } = await openSqliteStore(path, { nowMs: noonMs });
    Deno.removeSync(`${path}.lock`);
    await store.record([saying.event(event("pend00", 1))]);
    await store.record([saying.event(event("pend00", 2))]);
    await assert.rejects(openSqliteStore(path, { nowMs: noonMs }), /has held it since/);
    await store.close();
  }));

Deno.test("a lock that another monitor has taken meanwhile is ours again when that one has ended", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    const { store } = await openSqliteStore(path, { nowMs: noonMs });
    Deno.removeSync(`${path}.lock`);
    const other = await openSqliteStore(path, { nowMs: noonMs });
    await failing(store, /has held it since/);
    await failing(store, /has held it since/);
    await other.store.close();
    await store.record([saying.event(event("pend00", 1))]);
    await assert.rejects(openSqliteStore(path, { nowMs: noonMs }), /has held it since/);
    await store.close();
  }));

Deno.test("a store that another monitor has begun where this one's was is left to that one", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    const { store } = await openSqliteStore(path, { nowMs: noonMs });
    for (const part of ["", "-wal", "-shm", ".lock"]) Deno.removeSync(path + part);
    const other = await openSqliteStore(path, { nowMs: noonMs });
    await failing(store, /has held it since/);
    await other.store.record([saying.experiment(experiment("pend00")), saying.event(event("pend00", 1))]);
    assert.equal((await other.store.load(all)).events.get("pend00")?.length, 1);
    await store.close();
    await other.store.close();
  }));

function failing(store: Store, words: RegExp): Promise<void> {
  return assert.rejects(store.record([saying.event(event("pend00", 2))]), (error) => {
    assert.ok(error instanceof StoreFailed);
    assert.match(error.message, words);
    return true;
  });
}
