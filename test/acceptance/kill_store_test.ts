/**
 * Killed while it makes its store's tables, while it brings an older store up to date, and while it prunes: the next start
 * finds a whole store with all that was in it, and is not locked out.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Subject } from "../../scripts/chaos/kill_subject.ts";
import { startWorld, type World } from "../../scripts/simulator/world.ts";
import { openSqliteStore } from "../../src/sqlite_file.ts";
import { migrate, migrations, versionOf } from "../../src/sqlite_store.ts";

const dayMs = 86_400_000;

/** What there is before it starts, and how many events are in that. */
const stores: Readonly<Record<string, { fill: (file: string) => void; events: number }>> = {
  "makes a store": { fill: () => {}, events: 0 },
  "brings a store of version 1 up to date": {
    fill: (file) =>
      withDatabase(file, (db) => {
        migrate(db, migrations.slice(0, 1));
        addEvents(db, { count: 500, fromMs: Date.now() });
      }),
    events: 500,
  },
};

for (const [what, { fill, events }] of Object.entries(stores)) {
  Deno.test(`killed at each write while it ${what}, it loses nothing and opens it at the next start`, async () => {
    await using place = await Place.make();
    for (let nth = 1, wasWritten = true; wasWritten; nth++) {
      await place.empty();
      fill(place.file);
      wasWritten = await killedAtWrite(place, nth);
      const { store, damaged } = await openSqliteStore(place.file, { nowMs: Date.now() });
      await store.close();
      assert.equal(damaged, null);
      const found = withDatabase(place.file, (db) => ({ version: versionOf(db), events: countEvents(db) }));
      assert.deepEqual(found, { version: migrations.length, events });
      assert.ok(wasWritten || nth > 3, "it made hardly a write");
    }
  });
}

Deno.test("killed while it prunes, it goes on at the next start, and what is to be kept is kept", async () => {
  await using place = await Place.make();
  const nowMs = Date.now();
  withDatabase(place.file, (db) => {
    migrate(db);
    addEvents(db, { count: 200_000, fromMs: nowMs - 3 * dayMs });
    addEvents(db, { count: 100, fromMs: nowMs });
  });
  for (const atMost of [200_000, 160_000, 120_000]) {
    const subject = place.start();
    await place.until(() => withDatabase(place.file, countEvents, true) < atMost, "some to be pruned");
    subject.kill(Date.now());
    await subject.gone();
    assert.ok(withDatabase(place.file, countEvents, true) > 100, "it had pruned all when it was killed");
  }

  const subject = place.start();
  await place.until(() => withDatabase(place.file, countEvents, true) === 100, "all to be pruned");
  subject.kill(Date.now());
  await subject.gone();
  const { store, damaged } = await openSqliteStore(place.file, { nowMs: Date.now() });
  await store.close();
  assert.equal(damaged, null);
  assert.equal(withDatabase(place.file, (db) => countEvents(db)), 100);
});

/** Whether it was killed at its `nth` write to the store's files; false: it made fewer, and was killed when it listened. */
async function killedAtWrite(place: Place, nth: number): Promise<boolean> {
  let writes = 0;
  using watch = Deno.watchFs(place.folder);
  const subject = place.start();
  const listens = place.until(() => subject.port !== null, "the program to listen").then(() => watch.close(), () => {});
  for await (const { kind, paths } of watch) {
    const isStore = paths.some((path) => /status\.db(?:-\w+)?$/.test(path));
    if (!isStore || (kind !== "modify" && kind !== "create") || ++writes < nth) continue;
    subject.kill(Date.now());
    break;
  }
  subject.kill(Date.now());
  await subject.gone();
  await listens;
  return writes >= nth;
}

/** A folder for a store, and a world without experiments for the program to watch. */
class Place implements AsyncDisposable {
  readonly #world: World;
  readonly #started: Subject[] = [];

  private constructor(world: World, readonly folder: string) {
    this.#world = world;
  }

  static async make(): Promise<Place> {
    return new Place(await startWorld(), await Deno.makeTempDir({ prefix: "kill" }));
  }

  get file(): string {
    return `${this.folder}/status.db`;
  }

  start(): Subject {
    const env = { STATUS_STORE_FILE: this.file, STATUS_STORE_KEEP: "1d", STATUS_PORT_SERVE: "0" };
    const log = { STATUS_LOG_FILE: "stdout", STATUS_LOG_LEVEL: "info" };
    const subject = new Subject({ ...this.#world.env, ...env, ...log }, Date.now(), () => {});
    this.#started.push(subject);
    return subject;
  }

  /** Ends the wait when the program has ended. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const ended = () => this.#started.at(-1)?.ended ?? null;
    await this.#world.until(() => condition() || ended() !== null, { what, timeoutMs: 60_000 });
    const { code, signal } = ended() ?? {};
    if (code !== undefined && signal !== "SIGKILL") throw new Error(`the program ended by itself with ${code}`);
  }

  async empty(): Promise<void> {
    for await (const { name } of Deno.readDir(this.folder)) await Deno.remove(`${this.folder}/${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const subject of this.#started) {
      subject.kill(Date.now());
      await subject.gone();
    }
    await this.#world.stop();
    await Deno.remove(this.folder, { recursive: true });
  }
}

function addEvents(db: DatabaseSync, { count, fromMs }: { count: number; fromMs: number }): void {
  db.exec(`
    WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ${count})
    INSERT INTO events (experiment, at_ms, healthy, issues, jump_ok, stream_ok, lasted_ms)
      SELECT 'pend00', ${fromMs} + n, 1, '[]', 1, '{}', NULL FROM numbers`);
}

function countEvents(db: DatabaseSync): number {
  return Number(db.prepare("SELECT count(*) AS count FROM events").get()?.count);
}

function withDatabase<T>(path: string, work: (db: DatabaseSync) => T, readOnly = false): T {
  const db = new DatabaseSync(path, { readOnly });
  try {
    return work(db);
  } finally {
    db.close();
  }
}
