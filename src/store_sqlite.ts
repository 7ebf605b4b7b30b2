/**
 * The durable store: one SQLite file, written so that what is recorded survives a power cut, opened by one monitor at a
 * time. Here are opening, transactions and what an error means; tables, writing and reading are in the other `store_*`.
 */
import { basename, dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createTurns, inPieces, pause } from "./async.ts";
import { type Change, type Store, StoreFailed, StoreGone, StoreLocked } from "./store.ts";
import { checkIntegrity, isDamage, setAside, trusting } from "./store_damage.ts";
import { Place } from "./store_gone.ts";
import { lockFile, lockStore, type StoreLock } from "./store_lock.ts";
import { createReader, type Reader } from "./store_read.ts";
import { migrate, migrations, versionOf } from "./store_tables.ts";
import { checked, faultWords } from "./store_values.ts";
import { createWriter, type Writer } from "./store_write.ts";

// Deleting takes some 15 µs an event, during which nothing else happens.
const prunedAtOnceMax = 500;
// Others may read the file, and write it for a moment: waiting for them holds up everything.
const busyMs = 200;
// What a great change leaves of its log is given back to the disk.
const logBytesMax = 16 * 1024 * 1024;

/**
 * Opens the store at `path`, making it and its folder if need be. `damaged` is where a damaged file was moved to before
 * a new one was begun, null if it was well. Throws StoreLocked if another monitor has it, StoreFailed if it can't be
 * opened for another reason.
 */
export async function openSqliteStore(
  path: string,
  times: { nowMs: number },
): Promise<{ store: Store; damaged: string | null }> {
  const file = await located(path);
  const place = new Place(file, () => locked(file, times.nowMs));
  try {
    const { opened, damaged } = openedOrBegun(file, times.nowMs);
    place.settle();
    return { store: sqliteStore(place, opened), damaged };
  } catch (error) {
    place.release();
    throw failed(`open the store ${file}`, error, file);
  }
}

interface Opened {
  readonly db: DatabaseSync;
  readonly reader: Reader;
  readonly writer: Writer;
}

function sqliteStore(place: Place, opened: Opened): Store {
  let isOpen = true;
  const inTurn = createTurns();

  /** Throws StoreGone where the file was gone and is there again, StoreFailed where it can't be. */
  async function findFile(): Promise<void> {
    place.keepLock();
    if (!place.isStoreGone()) return;
    const found = await writtenAnew(place, opened.db);
    const anew = openedAnew(place.file, opened.writer);
    closed(opened.db);
    opened = anew;
    place.settle();
    throw new StoreGone(found === null ? place.file : `${place.file} (what was found in its place is now ${found})`);
  }

  async function attempt<T>(tried: string, work: () => T | Promise<T>): Promise<T> {
    try {
      return await inTurn(() => {
        if (!isOpen) throw new Error("it is closed");
        return work();
      });
    } catch (error) {
      throw failed(`${tried} the store ${place.file}`, error);
    }
  }

  return {
    kind: "durable",
    load: (max) => attempt("read", () => opened.reader.read(max)),
    turns: (experiment, range) => attempt("read", () => opened.reader.turns(experiment, range)),
    record: (changes) =>
      attempt("write", async () => {
        await findFile();
        await record(await checked(changes), opened);
      }),
    async prune(beforeMs) {
      const deleted = () => attempt("write", () => opened.writer.prune({ beforeMs, max: prunedAtOnceMax }));
      while (await deleted() === prunedAtOnceMax) await pause();
    },
    close: () =>
      inTurn(() => {
        if (!isOpen) return;
        isOpen = false;
        closed(opened.db);
        place.release();
      }),
  };
}

async function writtenAnew(place: Place, db: DatabaseSync): Promise<string | null> {
  try {
    return await place.writeAnew(db);
  } catch (error) {
    const gone = `Cannot write the store ${place.file}: it was deleted or replaced while in use`;
    throw new StoreFailed(`${gone}, and cannot be written anew: ${faultWords(error)}`, { cause: error });
  }
}

/** A file that was written by this program just now, as a copy of what `before` has written to. */
function openedAnew(file: string, before: Writer): Opened {
  const db = new DatabaseSync(file);
  try {
    makeOfThisVersion(db);
    return { db, reader: createReader(db), writer: createWriter(db, before.own) };
  } catch (error) {
    closed(db);
    Deno.removeSync(file); // the next attempt makes another
    throw error;
  }
}

async function record(changes: readonly Change[], { db, writer }: Opened): Promise<void> {
  if (changes.length === 0) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    await inPieces(changes, (change) => writer.write(change));
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK"); // of some errors SQLite rolls back by itself
    throw error;
  }
}

/** The file as its links lead to it: two names of one file have one lock. */
async function located(path: string): Promise<string> {
  const asked = resolve(path);
  try {
    await Deno.mkdir(dirname(asked), { recursive: true });
    const folder = await Deno.realPath(dirname(asked));
    return await Deno.realPath(asked).catch(() => join(folder, basename(asked))); // there is none yet
  } catch (error) {
    throw failed(`open the store ${asked}`, error);
  }
}

function locked(file: string, nowMs: number): StoreLock {
  try {
    return lockStore(file, nowMs);
  } catch (error) {
    if (error instanceof StoreLocked) throw error;
    throw failed(`lock the store ${file} by ${lockFile(file)}`, error, lockFile(file));
  }
}

function openedOrBegun(file: string, nowMs: number): { opened: Opened; damaged: string | null } {
  const db = new DatabaseSync(file);
  let damaged;
  try {
    return { opened: prepared(db), damaged: null };
  } catch (error) {
    try {
      if (!isDamage(error)) throw error;
      // Before it is closed: that would write its log into it, and delete the log.
      damaged = setAside(file, nowMs);
    } finally {
      closed(db);
    }
  }
  return { opened: begun(file, damaged), damaged };
}

function begun(file: string, damaged: string): Opened {
  const db = new DatabaseSync(file);
  try {
    return prepared(db);
  } catch (error) {
    closed(db);
    // The next start will find no damage: that there was must be said now.
    throw new Error(`${faultWords(error)} (the one before was damaged and is now ${damaged})`, { cause: error });
  }
}

/** Makes the file one of this version, and reads all of it. Throws what says that it is damaged, or can't be used. */
function prepared(db: DatabaseSync): Opened {
  db.exec(`PRAGMA busy_timeout = ${busyMs}; PRAGMA temp_store = MEMORY`);
  versionOf(db); // before all else: what a newer version has made may look damaged to this one
  trusting(() => checkIntegrity(db));
  makeOfThisVersion(db);
  return trusting(() => {
    const opened = { db, reader: createReader(db), writer: createWriter(db) };
    opened.reader.verify();
    return opened;
  });
}

function makeOfThisVersion(db: DatabaseSync): void {
  db.exec(`PRAGMA busy_timeout = ${busyMs}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL`);
  // Large sorts would be done in a file in /tmp, which need not be writable: no history could be loaded then.
  db.exec(`PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = ${logBytesMax}`);
  migrate(db);
  db.exec(`PRAGMA user_version = ${migrations.length}`); // it is that: a write, to know now if none is possible
}

function closed(db: DatabaseSync): void {
  try {
    db.close();
  } catch {
    // What is recorded is on the disk already; all that can have failed is tidying up the log.
  }
}

/** `file`: the one that could not be opened. SQLite says only that it could not; the system says why. */
function failed(tried: string, error: unknown, file?: string): StoreFailed {
  if (error instanceof StoreFailed) return error;
  const words = faultWords(error);
  const refused = file !== undefined && /unable to open|readonly/.test(words) ? refusal(file) : null;
  return new StoreFailed(`Cannot ${tried}: ${refused ?? words}`, { cause: error });
}

function refusal(file: string): string | null {
  try {
    Deno.openSync(file, { read: true, write: true, create: true }).close();
    Deno.removeSync(Deno.makeTempFileSync({ dir: dirname(file), prefix: basename(file) })); // as SQLite makes its logs
    return null;
  } catch (error) {
    return faultWords(error);
  }
}
