import fc from "fast-check";
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Channel, HealthEvent, Notification, SystemAlert } from "../src/alerts.ts";
import type { PersistedExperiment, PersistedVerdict, StateChange, StoreChange } from "../src/persisted.ts";
import { openSqliteStore } from "../src/sqlite_file.ts";
import { migrate, migrations, storedText, textOf, versionOf } from "../src/sqlite_store.ts";
import { memoryMax, openMemoryStore } from "../src/sqlite_file.ts";
import { withFolder } from "./support/folder.ts";
import { storeContract, type StoreSubject } from "./support/store_contract.ts";
import { alterStore, fillStore } from "./support/store_files.ts";
import { atMost, event, experiment, letter, noonMs, saying, turn, turn as turnAt } from "./support/store_samples.ts";

storeContract("a store in memory", () => Promise.resolve(memorySubject()));
storeContract("a store in a file", sqliteSubject);

function memorySubject(): StoreSubject {
  const subject: StoreSubject = {
    store: openMemoryStore(),
    reopen: () => Promise.resolve(subject),
    end: () => Promise.resolve(),
  };
  return subject;
}

async function sqliteSubject(): Promise<StoreSubject> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/status.db`;
  let { store } = await openSqliteStore(path, { nowMs: noonMs });
  const subject: StoreSubject = {
    get store() {
      return store;
    },
    async reopen() {
      await store.close();
      ({ store } = await openSqliteStore(path, { nowMs: noonMs }));
      return subject;
    },
    async end() {
      await store.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
  return subject;
}

Deno.test("when the clock is put back, what earlier runs wrote in a file stays as it is", async () => {
  const subject = await sqliteSubject();
  const later = [saying.experiment(experiment("pend00")), saying.event(event("pend00", noonMs + 5))];
  await subject.store.record([...later, saying.turn("pend00", turnAt(noonMs + 5)), saying.run(noonMs, noonMs + 9)]);
  await subject.reopen();
  await subject.store.record([saying.event(event("pend00", noonMs + 6)), saying.turn("pend00", turnAt(noonMs + 6))]);
  await subject.store.record([saying.run(noonMs + 2, noonMs + 9), { kind: "clock-back", toMs: noonMs - 1_000 }]);

  const { events, stateChanges: turns, runs } = await subject.store.load(atMost(100));
  assert.deepEqual(events.get("pend00")?.map(({ atMs }) => atMs - noonMs), [-1_000, 5]);
  assert.deepEqual(turns.get("pend00")?.map(({ atMs }) => atMs - noonMs), [-1_000, 5]);
  assert.deepEqual(runs, [{ startedMs: noonMs, aliveMs: noonMs + 9 }]);
  await subject.end();
});

Deno.test("a store in memory lets the events go that were recorded first, beyond its limit", async () => {
  const store = openMemoryStore();
  await store.record([saying.experiment(experiment("pend00")), saying.event(event("pend00", 1))]);
  const more = Array.from({ length: memoryMax.events }, () => saying.event(event("pend00", 2)));

  await store.record(more);

  const { events } = await store.load(atMost(memoryMax.events + 1));
  assert.deepEqual([events.get("pend00")?.length, events.get("pend00")?.[0]?.atMs], [memoryMax.events, 2]);
});

Deno.test("a store in memory lets the oldest turns go beyond its limit, and still tells how each experiment stands", async () => {
  const store = openMemoryStore();
  await store.record([saying.turn("turn04", turnAt(0))]);
  const flaps = Array.from({ length: memoryMax.turns }, (_, number) => saying.turn("pend00", turnAt(number + 1)));

  await store.record(flaps);
  const later = [memoryMax.turns + 1, memoryMax.turns + 2].map((atMs) => saying.turn("pend00", turnAt(atMs)));
  await store.record(later);

  assert.deepEqual(await store.turns("turn04", { sinceMs: 0, max: 10 }), [turnAt(0)]);
  const held = await store.turns("pend00", { sinceMs: 0, max: 2 * memoryMax.turns });
  assert.deepEqual([held[0]?.atMs, held.at(-1)?.atMs], [2, memoryMax.turns + 2]);
});

// Few names, so that they meet; and times that are near each other, equal, negative or far off.
const name = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom("pend00", "turn04", "__proto__", "a'\"\\", "\u0000", "😀") },
  { weight: 1, arbitrary: fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 5 }) },
);
const timeMs = fc.oneof(
  fc.integer({ min: -2, max: 10 }),
  fc.integer({ min: noonMs, max: noonMs + 1e9 }),
  fc.constant(0.5),
);
const issue = fc.oneof(
  fc.constant({ code: "missing-jump" } as const),
  fc.record({ code: fc.constantFrom("missing-required", "missing", "unhealthy"), topic: name }),
);
const issues = fc.array(issue, { maxLength: 3 });
const healthEvent: fc.Arbitrary<HealthEvent> = fc.record({
  experiment: name,
  atMs: timeMs,
  healthy: fc.boolean(),
  issues,
  jumpOk: fc.boolean(),
  streamOk: fc.dictionary(name, fc.boolean(), { maxKeys: 3, noNullPrototype: true }),
  lastedMs: fc.option(timeMs),
});
const verdict: fc.Arbitrary<PersistedVerdict> = fc.record({
  verdict: fc.constantFrom("ok", "missing", "unhealthy"),
  seenMs: fc.option(timeMs),
});
const savedExperiment: fc.Arbitrary<PersistedExperiment> = fc.record({
  name,
  issues,
  sinceMs: timeMs,
  namedMs: timeMs,
  host: fc.option(verdict),
  streams: fc.dictionary(name, verdict, { maxKeys: 3, noNullPrototype: true }),
});
const storeTurn: fc.Arbitrary<StateChange> = fc.record({
  atMs: timeMs,
  state: fc.constantFrom<StateChange["state"][]>("healthy", "unhealthy", "starting", "unknown", "not_watched"),
  available: fc.boolean(),
});
const alert: fc.Arbitrary<SystemAlert> = fc.record({
  code: fc.constantFrom("jump-lost", "relay-lost", "book-lost", "store-damaged"),
  turn: fc.constantFrom("raised", "cleared"),
  atMs: timeMs,
  detail: name,
});
const channel = fc.constantFrom<Channel[]>("mail", "webhook");
const storeLetter: fc.Arbitrary<Notification> = fc.record({
  id: name,
  channel,
  createdMs: timeMs,
  events: fc.array(healthEvent, { maxLength: 2 }),
  alerts: fc.array(alert, { maxLength: 2 }),
  reminder: fc.boolean(),
  frozen: fc.option(name),
});
const resource = fc.record({ name, stub: name, required: fc.array(name, { maxLength: 2 }) });
const change: fc.Arbitrary<StoreChange> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("event"), event: healthEvent }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("experiment"), experiment: savedExperiment }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("forgotten"), name }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("turn"), experiment: name, turn: storeTurn }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("run"), run: fc.record({ startedMs: timeMs, aliveMs: timeMs }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("letter"), letter: storeLetter }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("letter-sent"), id: name, channel, atMs: timeMs }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("letter-dropped"), id: name }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("alert"), alert }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("manifest"),
      manifest: fc.record({ atMs: timeMs, resources: fc.array(resource, { maxLength: 2 }) }),
    }),
  },
);
type Step = { kind: "record"; changes: StoreChange[] } | { kind: "prune"; beforeMs: number } | { kind: "reopen" };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("record"), changes: fc.array(change, { maxLength: 8 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("prune"), beforeMs: timeMs }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reopen" } as const) },
);

Deno.test("a store in a file gives what a store in memory gives, whatever is recorded", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), fc.integer({ min: 1, max: 4 }), async (steps, eventsMax) => {
      const subjects = [memorySubject(), await sqliteSubject()] as const;
      try {
        for (const step of steps) await Promise.all(subjects.map((subject) => take(step, subject)));
        const [inMemory, inFile] = await Promise.all(subjects.map(({ store }) => store.load(atMost(eventsMax))));
        assert.deepEqual(inFile, inMemory);
        const range = { sinceMs: 5, max: eventsMax };
        const [heldInMemory, heldInFile] = await Promise.all(
          subjects.map(({ store }) => Promise.all(namesOf(steps).map((name) => store.turns(name, range)))),
        );
        assert.deepEqual(heldInFile, heldInMemory);
      } finally {
        await Promise.all(subjects.map((subject) => subject.end()));
      }
    }),
    { numRuns: 60 },
  );
});

function namesOf(steps: readonly Step[]): string[] {
  const changes = steps.flatMap((step) => step.kind === "record" ? step.changes : []);
  return changes.flatMap((each) => each.kind === "turn" ? [each.experiment] : []);
}

async function take(step: Step, subject: StoreSubject): Promise<void> {
  switch (step.kind) {
    case "record":
      return await subject.store.record(step.changes);
    case "prune":
      return await subject.store.prune(step.beforeMs);
    case "reopen":
      await subject.reopen();
  }
}

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
