import fc from "fast-check";
import assert from "node:assert/strict";
import { openSqliteStore } from "../src/sqlite_file.ts";
import { withFolder } from "./support/folder.ts";
import { alterStore, fillStore } from "./support/store_files.ts";
import { atMost, event, experiment, noonMs, nothing, saying } from "./support/store_samples.ts";

const nowMs = Date.UTC(2026, 10, 22, 20, 31, 14, 120);

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
