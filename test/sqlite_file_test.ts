import fc from "fast-check";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { openSqliteStore } from "../src/sqlite_file.ts";
import { type Store, StoreFailed, StoreGone } from "../src/store.ts";
import { withFolder } from "./support/folder.ts";
import { alterStore, fillStore } from "./support/store_files.ts";
import { atMost, event, experiment, noonMs, nothing, saying, turn } from "./support/store_samples.ts";

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

const damages: Record<string, (path: string) => void> = {
  "a text": (path) => Deno.writeTextFileSync(path, "no database at all\n".repeat(1000)),
  "a garbled header": (path) => garble(path, 0, 100),
  "a file cut in half": (path) => Deno.truncateSync(path, Deno.statSync(path).size / 2),
  "a file cut in the middle of a page": (path) => Deno.truncateSync(path, Deno.statSync(path).size - 1000),
  "a first page alone": (path) => Deno.truncateSync(path, 4096),
  "a page of garbage in the middle": (path) => garble(path, 8 * 4096, 4096),
  "an event that is no JSON": (path) => alterStore(path, "UPDATE events SET issues = '[{' WHERE id = 7"),
  "an event of no kind that is known": (path) =>
    alterStore(path, `UPDATE events SET issues = '[{"code":"x"}]' WHERE id = 7`),
  "a stream that is neither ok nor not": (path) =>
    alterStore(path, `UPDATE events SET stream_ok = '{"a":1}' WHERE id = 7`),
  "an event of an odd name": (path) => alterStore(path, `UPDATE events SET experiment = '"' WHERE id = 7`),
  "a turn to a state that is not known": (path) => alterStore(path, "UPDATE turns SET state = '?' WHERE id = 1"),
  "a turn of an odd name": (path) => alterStore(path, `UPDATE turns SET experiment = '"' WHERE id = 1`),
  "a run until a time that no date has": (path) =>
    alterStore(path, "PRAGMA ignore_check_constraints = 1; UPDATE runs SET alive_ms = 1 << 62"),
  "an experiment without streams": (path) => alterStore(path, "UPDATE experiments SET streams = 'null'"),
  "an experiment of an unknown verdict": (path) => alterStore(path, `UPDATE experiments SET host = '{"verdict":"?"}'`),
  "a letter that is no JSON": (path) => alterStore(path, "UPDATE letters SET body = ''"),
  "a letter that tells of nothing": (path) => alterStore(path, "UPDATE letters SET body = '{}'"),
  "an alert that is not known": (path) => alterStore(path, "UPDATE alerts SET code = 'x'"),
  "a manifest that is a number": (path) => alterStore(path, "UPDATE manifest SET resources = '1'"),
  "a time that no date has": (path) =>
    alterStore(path, "PRAGMA ignore_check_constraints = 1; UPDATE events SET at_ms = 1 << 62 WHERE id = 7"),
  "a table that is gone": (path) => alterStore(path, "DROP TABLE letters"),
  "a column that is gone": (path) => alterStore(path, "ALTER TABLE experiments DROP COLUMN host"),
  "a table of another making": (path) =>
    alterStore(path, "DROP TABLE meta; CREATE TABLE meta (name TEXT, at_ms INTEGER)"),
};

for (const [what, damage] of Object.entries(damages)) {
  Deno.test(`a damaged store is set aside as it was, and a new one begun: ${what}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/status.db`;
      await fillStore(path);
      damage(path);
      const bytes = await Deno.readFile(path);

      const { store, damaged } = await openSqliteStore(path, { nowMs });

      assert.equal(damaged, `${path}.damaged-20261122T203114Z`);
      assert.deepEqual(await Deno.readFile(damaged), bytes);
      assert.deepEqual(await store.load(atMost(10)), nothing);
      await store.record([saying.experiment(experiment("turn04"))]);
      await store.close();
      const again = await openSqliteStore(path, { nowMs });
      assert.equal(again.damaged, null);
      assert.deepEqual((await again.store.load(atMost(10))).experiments, [experiment("turn04")]);
      await again.store.close();
    }));
}

Deno.test("a store that is damaged again in the same second does not take the name of the first", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    for (const text of ["first", "second", "third"]) {
      await Deno.writeTextFile(path, text);
      await (await openSqliteStore(path, { nowMs })).store.close();
    }

    const aside = `${path}.damaged-20261122T203114Z`;
    assert.deepEqual(
      await Promise.all([aside, `${aside}-2`, `${aside}-3`].map((name) => Deno.readTextFile(name))),
      ["first", "second", "third"],
    );
  }));

Deno.test("a damaged store's log goes with it", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    await Deno.writeTextFile(path, "no database");
    await Deno.writeTextFile(`${path}-wal`, "no log");

    const { store, damaged } = await openSqliteStore(path, { nowMs });
    await store.close();

    assert.equal(await Deno.readTextFile(`${damaged}-wal`), "no log");
  }));

Deno.test("whichever bytes are garbled, a store opens as it is or begun anew, and works", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    await fillStore(path);
    const bytes = await Deno.readFile(path);
    // The header has bytes that say whose the file is and of which version: another word there is no damage.
    const place = fc.record({
      at: fc.integer({ min: 100, max: bytes.length - 1 }),
      byte: fc.integer({ min: 0, max: 255 }),
    });

    await fc.assert(
      fc.asyncProperty(fc.array(place, { minLength: 1, maxLength: 20 }), async (places) => {
        const garbled = bytes.slice();
        for (const { at, byte } of places) garbled[at] = byte;
        await Deno.writeFile(path, garbled);

        const { store } = await openSqliteStore(path, { nowMs });

        try {
          await store.load(atMost(100));
          await store.record([saying.experiment(experiment("turn04")), saying.event(event("turn04"))]);
          await store.prune(noonMs + 1);
          const { experiments, events } = await store.load(atMost(100));
          assert.deepEqual(experiments.find(({ name }) => name === "turn04"), experiment("turn04"));
          assert.equal(events.has("turn04"), false);
        } finally {
          await store.close();
        }
      }),
      { numRuns: 150 },
    );
  }));

function garble(path: string, at: number, length: number): void {
  const bytes = Deno.readFileSync(path);
  for (let place = at; place < at + length; place++) bytes[place] = place * 31 % 251;
  Deno.writeFileSync(path, bytes);
}

/*  The file of a store that is in use is deleted, or another is put in its place. */

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
    await goneFailing(store, /was deleted or replaced while in use, and cannot be written anew: /);
    await goneFailing(store, /was deleted or replaced while in use, and cannot be written anew: /);
    Deno.removeSync(`${path}.new`, { recursive: true });
    await goneFailing(store, /has only just been written anew/);
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
    await goneFailing(store, /cannot be written anew: /);
    Deno.removeSync(`${path}.new`, { recursive: true });
    await goneFailing(store, /has only just been written anew/);
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
    await goneFailing(store, /has only just been written anew/);
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
    await goneFailing(store, /has held it since/);
    await goneFailing(store, /has held it since/);
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
    await goneFailing(store, /has held it since/);
    await other.store.record([saying.experiment(experiment("pend00")), saying.event(event("pend00", 1))]);
    assert.equal((await other.store.load(all)).events.get("pend00")?.length, 1);
    await store.close();
    await other.store.close();
  }));

function goneFailing(store: Store, words: RegExp): Promise<void> {
  return assert.rejects(store.record([saying.event(event("pend00", 2))]), (error) => {
    assert.ok(error instanceof StoreFailed);
    assert.match(error.message, words);
    return true;
  });
}
