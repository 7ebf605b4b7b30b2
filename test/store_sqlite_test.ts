/** What a file can suffer: damage, and what is no damage. What takes another process is in store_process_test.ts. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { StoreFailed } from "../src/store.ts";
import { openSqliteStore } from "../src/store_sqlite.ts";
import { withFolder } from "./fixtures/folder.ts";
import { event, experiment, letter, noonMs, nothing, saying } from "./store_contract.ts";

const nowMs = Date.UTC(2026, 10, 22, 20, 31, 14, 120);

const damages: Record<string, (path: string) => void> = {
  "a text": (path) => Deno.writeTextFileSync(path, "no database at all\n".repeat(1000)),
  "a garbled header": (path) => garble(path, 0, 100),
  "a file cut in half": (path) => Deno.truncateSync(path, Deno.statSync(path).size / 2),
  "a file cut in the middle of a page": (path) => Deno.truncateSync(path, Deno.statSync(path).size - 1000),
  "a first page alone": (path) => Deno.truncateSync(path, 4096),
  "a page of garbage in the middle": (path) => garble(path, 8 * 4096, 4096),
  "an event that is no JSON": (path) => alter(path, "UPDATE events SET issues = '[{' WHERE id = 7"),
  "an event of no kind that is known": (path) =>
    alter(path, `UPDATE events SET issues = '[{"code":"x"}]' WHERE id = 7`),
  "a stream that is neither ok nor not": (path) => alter(path, `UPDATE events SET stream_ok = '{"a":1}' WHERE id = 7`),
  "an event of an odd name": (path) => alter(path, `UPDATE events SET experiment = '"' WHERE id = 7`),
  "an experiment without streams": (path) => alter(path, "UPDATE experiments SET streams = 'null'"),
  "an experiment of an unknown verdict": (path) => alter(path, `UPDATE experiments SET host = '{"verdict":"?"}'`),
  "a letter that is no JSON": (path) => alter(path, "UPDATE letters SET body = ''"),
  "a letter that tells of nothing": (path) => alter(path, "UPDATE letters SET body = '{}'"),
  "an alert that is not known": (path) => alter(path, "UPDATE alerts SET code = 'x'"),
  "a manifest that is a number": (path) => alter(path, "UPDATE manifest SET resources = '1'"),
  "a time that no date has": (path) =>
    alter(path, "PRAGMA ignore_check_constraints = 1; UPDATE events SET at_ms = 1 << 62 WHERE id = 7"),
  "a table that is gone": (path) => alter(path, "DROP TABLE letters"),
  "a column that is gone": (path) => alter(path, "ALTER TABLE experiments DROP COLUMN host"),
  "a table of another making": (path) => alter(path, "DROP TABLE meta; CREATE TABLE meta (name TEXT, at_ms INTEGER)"),
};

for (const [what, damage] of Object.entries(damages)) {
  Deno.test(`a damaged store is set aside as it was, and a new one begun: ${what}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/status.db`;
      await fill(path);
      damage(path);
      const bytes = await Deno.readFile(path);

      const { store, damaged } = await openSqliteStore(path, { nowMs });

      assert.equal(damaged, `${path}.damaged-20261122T203114Z`);
      assert.deepEqual(await Deno.readFile(damaged), bytes);
      assert.deepEqual(await store.load(10), nothing);
      await store.record([saying.experiment(experiment("turn04"))]);
      await store.close();
      const again = await openSqliteStore(path, { nowMs });
      assert.equal(again.damaged, null);
      assert.deepEqual((await again.store.load(10)).experiments, [experiment("turn04")]);
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
    await fill(path);
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
          await store.load(100);
          await store.record([saying.experiment(experiment("turn04")), saying.event(event("turn04"))]);
          await store.prune(noonMs + 1);
          const { experiments, events } = await store.load(100);
          assert.deepEqual(experiments.find(({ name }) => name === "turn04"), experiment("turn04"));
          assert.equal(events.has("turn04"), false);
        } finally {
          await store.close();
        }
      }),
      { numRuns: 150 },
    );
  }));

const refusals: Record<string, [prepare: (path: string) => void, message: RegExp]> = {
  "made by a newer version": [
    (path) => alter(path, "PRAGMA user_version = 7"),
    /^Cannot open the store \S+status\.db: it was made by a newer version of status \(its tables are of version 7, the newest known here is 1\)$/,
  ],
  "that is another program's database": [
    (path) => alter(path, "PRAGMA application_id = 1"),
    /^Cannot open the store \S+status\.db: it is the database of another program$/,
  ],
  "that is another program's database, unmarked": [
    (path) => (Deno.removeSync(path), alter(path, "CREATE TABLE theirs (a)")),
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
      await fill(path);
      prepare(path);
      const before = await listing(folder);

      await assert.rejects(openSqliteStore(path, { nowMs }), failing(message));

      assert.deepEqual(await listing(folder), before);
    }));
}

Deno.test("a store that another program is writing is not damaged: it can't be opened until that is done", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    await fill(path);
    const other = new DatabaseSync(path);
    other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; DELETE FROM events");

    await assert.rejects(openSqliteStore(path, { nowMs }), failing(/^Cannot open the store \S+: database is locked$/));
    other.exec("ROLLBACK");
    other.close();

    const { store, damaged } = await openSqliteStore(path, { nowMs });
    assert.deepEqual([damaged, (await store.load(1000)).events.get("pend00")?.length], [null, 300]);
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

    assert.deepEqual((await store.load(1)).experiments, [experiment("pend00")]);
    await store.close();
  }));

Deno.test("what is asked of a store that is closed fails", () =>
  withFolder(async (folder) => {
    const { store } = await openSqliteStore(`${folder}/status.db`, { nowMs });
    await store.close();

    await assert.rejects(store.load(1), failing(/^Cannot read the store \S+: it is closed$/));
    await assert.rejects(store.record([]), failing(/^Cannot write the store \S+: it is closed$/));
    await assert.rejects(store.prune(1), failing(/^Cannot write the store \S+: it is closed$/));
  }));

Deno.test("a store makes its folder", () =>
  withFolder(async (folder) => {
    const { store } = await openSqliteStore(`${folder}/var/lib/status.db`, { nowMs });
    await store.close();

    assert.equal((await Deno.stat(`${folder}/var/lib/status.db`)).isFile, true);
  }));

/** A store of several pages with something in each table, closed. */
async function fill(path: string): Promise<void> {
  const { store } = await openSqliteStore(path, { nowMs });
  const history = Array.from({ length: 300 }, (_, number) => saying.event(event("pend00", noonMs + number)));
  await store.record([
    saying.experiment(experiment("pend00")),
    ...history,
    saying.letter(letter("a")),
    { kind: "letter-sent", id: "b", atMs: noonMs },
    { kind: "alert", alert: { code: "book-lost", turn: "raised", atMs: noonMs, detail: "" } },
    { kind: "manifest", manifest: { atMs: noonMs, resources: [] } },
  ]);
  await store.close();
}

function alter(path: string, statements: string): void {
  const db = new DatabaseSync(path);
  db.exec(statements);
  db.close();
}

function garble(path: string, at: number, length: number): void {
  const bytes = Deno.readFileSync(path);
  for (let place = at; place < at + length; place++) bytes[place] = place * 31 % 251;
  Deno.writeFileSync(path, bytes);
}

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
