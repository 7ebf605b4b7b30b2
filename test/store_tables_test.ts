import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { openSqliteStore } from "../src/sqlite_file.ts";
import { migrate, migrations, storedText, textOf, versionOf } from "../src/sqlite_store.ts";
import { withFolder } from "./support/folder.ts";
import { alterStore, fillStore } from "./support/store_files.ts";
import { atMost, event, experiment, letter, noonMs, saying, turn } from "./support/store_samples.ts";

for (const version of [...migrations.keys(), migrations.length]) {
  Deno.test(`a store file of version ${version} is opened and made one of version ${migrations.length}`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/status.db`;
      withDatabase(path, (db) => migrate(db, migrations.slice(0, version)));

      const { store, damaged } = await openSqliteStore(path, { nowMs: noonMs });

      await store.record([saying.experiment(experiment("pend00")), saying.event(event("pend00"))]);
      await store.close();
      assert.equal(damaged, null);
      assert.equal(withDatabase(path, (db) => versionOf(db)), migrations.length);
    }));
}

Deno.test("a store file of version 1 keeps everything, and has a history from then on", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    await fillStore(path);
    const { store: before } = await openSqliteStore(path, { nowMs: noonMs });
    const { stateChanges: _turns, runs: _runs, ...kept } = await before.load(atMost(1_000));
    await before.close();
    alterStore(
      path,
      "ALTER TABLE letters DROP COLUMN channel; DROP TABLE turns; DROP TABLE runs; PRAGMA user_version = 1",
    );

    const { store, damaged } = await openSqliteStore(path, { nowMs: noonMs });

    assert.equal(damaged, null);
    assert.deepEqual(await store.load(atMost(1_000)), { ...kept, stateChanges: new Map(), runs: [] });
    assert.equal(kept.events.get("pend00")?.length, 300);
    await store.record([saying.turn("pend00", turn(noonMs)), saying.run(noonMs, noonMs)]);
    await store.close();
    const { store: again } = await openSqliteStore(path, { nowMs: noonMs });
    assert.deepEqual(await again.load(atMost(1_000)), {
      ...kept,
      stateChanges: new Map([["pend00", [turn(noonMs)]]]),
      runs: [{ startedMs: noonMs, aliveMs: noonMs }],
    });
    await again.close();
  }));

Deno.test("a store that version 2 left opens with its letters as mails, the one in flight as it was, and can owe the webhook", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    const dump = await Deno.readTextFile(new URL("./support/store_v2.sql", import.meta.url));
    withDatabase(path, (db) => db.exec(dump));

    const { store, damaged } = await openSqliteStore(path, { nowMs: noonMs });

    assert.equal(damaged, null);
    const saved = await store.load(atMost(10));
    assert.deepEqual(saved.notifications, [
      letter("in flight", { createdMs: noonMs - 1, frozen: "Subject: x\r\n\r\nBody\r\n" }),
      letter("waiting"),
      letter("reminder", { events: [], alerts: [], reminder: true, createdMs: noonMs + 1 }),
      letter("full", { createdMs: noonMs + 2, leftOut: { events: 7, alerts: 0 } }),
    ]);
    assert.deepEqual(saved.notifications.map(({ channel }) => channel), ["mail", "mail", "mail", "mail"]);
    assert.deepEqual([saved.lastMailMs, saved.lastWebhookMs], [noonMs - 60_000, null]);
    assert.deepEqual(saved.events, new Map([["pend00", [event("pend00")]]]));
    await store.record([saying.letter(letter("post", { channel: "webhook", createdMs: noonMs + 3 }))]);
    await store.close();
    const { store: again } = await openSqliteStore(path, { nowMs: noonMs });
    assert.equal((await again.load(atMost(10))).notifications.at(-1)?.channel, "webhook");
    await again.close();
  }));

const noted = [
  ...migrations,
  "ALTER TABLE events ADD COLUMN note TEXT NOT NULL DEFAULT 'none'",
  "CREATE TABLE later (a)",
];

Deno.test("a later version's migrations keep what is in a store", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    await fillStore(path);

    withDatabase(path, (db) => migrate(db, noted));

    withDatabase(path, (db) => {
      assert.equal(versionOf(db, noted), migrations.length + 2);
      assert.deepEqual({ ...db.prepare("SELECT count(*) AS events, min(note) AS note FROM events").get() }, {
        events: 300,
        note: "none",
      });
    });
  }));

Deno.test("a migration that fails leaves the file at the version before it", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    await fillStore(path);

    withDatabase(path, (db) => {
      const failing = [...noted, "CREATE TABLE half (a); DROP TABLE not_there"];
      assert.throws(() => migrate(db, failing), /no such table: not_there/);
      assert.equal(versionOf(db, noted), noted.length);
      assert.deepEqual(db.prepare("SELECT name FROM sqlite_schema WHERE name IN ('half', 'later')").all().length, 1);
      migrate(db, noted);
    });
  }));

Deno.test("any text comes back from its stored form, and most are stored as they are", () => {
  const texts: Record<string, string> = { pend00: "pend00", 'a"\\\u0000\ud83d😀': 'a\\"\\\\\\u0000\\ud83d😀' };
  for (const [text, stored] of Object.entries(texts)) {
    assert.deepEqual([storedText(text), textOf(stored)], [stored, text]);
  }
});

function withDatabase<T>(path: string, use: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(path);
  try {
    return use(db);
  } finally {
    db.close();
  }
}
