/**
 * The SQLite store: a file, written so that what is recorded survives a power cut and opened by one monitor at a time; or
 * memory, for a trial, for tests and where no file can be written. Opening, transactions, the lock, damage, and what an error
 * means are here; tables, migrations and queries are in `sqlite_store`.
 */
import { basename, dirname, join, resolve } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { createMutex, forEachYielding, yieldToEventLoop } from "./async.ts";
import { logger } from "./log.ts";
import type { StoreChange } from "./persisted.ts";
import {
  createReader,
  createWriter,
  migrate,
  migrations,
  type Reader,
  versionOf,
  type Writer,
} from "./sqlite_store.ts";
import { checked, faultWords, type Store, StoreFailed, StoreGone, StoreLocked } from "./store.ts";

const log = logger("store");

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
  const place = new StorePlace(file, () => locked(file, times.nowMs));
  try {
    const { opened, damaged } = openedOrBegun(file, times.nowMs);
    place.settle();
    return { store: sqliteStore(place, opened), damaged };
  } catch (error) {
    place.release();
    throw failed(`open the store ${file}`, error, file);
  }
}

/** What limits the history in memory besides its age (some 25 MB): the first recorded events go first, the oldest changes. */
export const memoryMax = { events: 50_000, turns: 50_000 };

/** A store that keeps nothing beyond the run. */
export function openMemoryStore(): Store {
  return sqliteStore(null, prepared(new DatabaseSync(":memory:")));
}

interface Opened {
  readonly db: DatabaseSync;
  readonly reader: Reader;
  readonly writer: Writer;
}

/** `place`: null for a store in memory. */
function sqliteStore(place: StorePlace | null, opened: Opened): Store {
  let isOpen = true;
  const inTurn = createMutex();
  const name = place?.file ?? "in memory";

  /** Throws StoreGone where the file was gone and is there again, StoreFailed where it can't be. */
  async function findFile(place: StorePlace): Promise<void> {
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
      throw failed(`${tried} the store ${name}`, error);
    }
  }

  return {
    kind: place === null ? "memory" : "durable",
    load: (max) => attempt("read", () => opened.reader.read(max)),
    turns: (experiment, range) => attempt("read", () => opened.reader.turns(experiment, range)),
    record: (changes) =>
      attempt("write", async () => {
        if (place) await findFile(place);
        const { changes: valid, faults } = await checked(changes);
        for (const fault of faults) log.error(`a change cannot be stored, and is left out: ${fault}`);
        await record(valid, opened);
        if (!place) opened.writer.keepNewest(memoryMax);
      }),
    async prune(beforeMs) {
      const deleted = () => attempt("write", () => opened.writer.prune({ beforeMs, max: prunedAtOnceMax }));
      while (await deleted() === prunedAtOnceMax) await yieldToEventLoop();
    },
    close: () =>
      inTurn(() => {
        if (!isOpen) return;
        isOpen = false;
        closed(opened.db);
        place?.release();
      }),
  };
}

async function writtenAnew(place: StorePlace, db: DatabaseSync): Promise<string | null> {
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

async function record(changes: readonly StoreChange[], { db, writer }: Opened): Promise<void> {
  if (changes.length === 0) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    await forEachYielding(changes, (change) => writer.write(change));
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

/*
 * When a store file counts as damaged, and what is done with one: it is renamed, never deleted, so that a person can look
 * into it. What is locked, not permitted or on a full disk is not damaged, and stays where it is.
 */

/** The file can be read, and what is in it can't be trusted. */
class StoreDamaged extends Error {
  override readonly name = "StoreDamaged";
}

/**
 * Reads all of the file. Throws if anything in it is not as SQLite left it. Takes some 3 s for 90 days of 1,000 experiments,
 * before anything else: what is found later could only be told of, since by then this run has gone on from it.
 */
export function checkIntegrity(db: DatabaseSync): void {
  // Each row is looked for in each index: with less in memory a page is read from the file for each.
  db.exec("PRAGMA cache_size = -8192");
  // quick_check takes a tenth of that, but an index that it lets pass can make every later write fail.
  const [found] = Object.values(db.prepare("PRAGMA integrity_check(1)").get() ?? {});
  db.exec("PRAGMA cache_size = -2000; PRAGMA shrink_memory");
  if (found !== "ok") throw new StoreDamaged(String(found));
}

// Whose fault is whose SQLite tells in words alone: node:sqlite does not give its codes for all errors.
const damageWords = /file is not a database|malformed|unsupported file format/;
const systemWords =
  /locked|locking protocol|out of memory|permission|readonly|interrupted|I\/O error|is full|unable to open|large file/;

/**
 * What `read` answers. What it throws is damage, unless the system does not let SQLite read: the tables are those that
 * the file's version should have, so a statement that can't be prepared or a row that can't be decoded is no other thing.
 */
export function trusting<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isOfSqlite(error) && systemWords.test(error.message)) throw error;
    throw new StoreDamaged(faultWords(error), { cause: error });
  }
}

export function isDamage(error: unknown): boolean {
  return error instanceof StoreDamaged || (isOfSqlite(error) && damageWords.test(error.message));
}

function isOfSqlite(error: unknown): error is Error {
  return error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";
}

/** Renames a damaged store file, and what SQLite keeps beside it, to a name that is free. Returns that. */
export function setAside(file: string, nowMs: number): string {
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, "");
  return moveAside(file, `${file}.damaged-${time}`);
}

/** Renames a store file, and what is beside it, to `name` or one like it that is free. Returns that. */
export function moveAside(file: string, name: string): string {
  const aside = freeName(name);
  for (const part of parts) {
    if (exists(file + part)) Deno.renameSync(file + part, aside + part);
  }
  return aside;
}

// In this order, so that the log can't be left behind for another file to take as its own.
const parts = ["-wal", "-shm", ""];

function freeName(name: string): string {
  for (let number = 1;; number++) {
    const candidate = number === 1 ? name : `${name}-${number}`;
    if (!parts.some((part) => exists(candidate + part))) return candidate;
  }
}

export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/*
 * What becomes of a store whose file was deleted, or replaced by another, while it was in use. SQLite goes on writing to the
 * file that has no name any more, and nobody would miss it before the next start. All of it can still be read there, so it is
 * written anew under its name. What somebody else has put there is renamed, never deleted.
 */

/** Which file has a name now; null where none has. */
type Identity = string | null;

/** Where a store is that is in use: the lock that is held for it, and which files its names were last known to lead to. */
export class StorePlace {
  readonly file: string;
  readonly #take: () => StoreLock;
  /** Null while it can't be had. */
  #lock: StoreLock | null;
  #lockFile: Identity;
  #store: Identity = null;
  #log: Identity = null;

  /** Throws what `take` does, which locks the store. */
  constructor(file: string, take: () => StoreLock) {
    this.file = file;
    this.#take = take;
    this.#lock = take();
    this.#lockFile = identityOf(lockFile(file));
  }

  /** The store has been opened: what has its names now are its files. */
  settle(): void {
    this.#store = identityOf(this.file);
    this.#log = identityOf(`${this.file}-wal`);
  }

  /** Locks it again where the lock's file is gone: another monitor may have begun a store here. Throws what locking does. */
  keepLock(): void {
    const path = lockFile(this.file);
    if (this.#lock !== null && !isGone(path, this.#lockFile)) return;
    // First of all: a lock on a file that has no name keeps nobody out, and one on this file would keep us out.
    this.release();
    Deno.mkdirSync(dirname(path), { recursive: true });
    this.#lock = this.#take();
    this.#lockFile = identityOf(path);
  }

  isStoreGone(): boolean {
    return isGone(this.file, this.#store);
  }

  /** As `writeAnew` below, for the store that is here. */
  writeAnew(db: DatabaseSync): Promise<string | null> {
    return writeAnew(db, { file: this.file, log: this.#log });
  }

  release(): void {
    this.#lock?.release();
    this.#lock = null;
  }
}

function identityOf(path: string): Identity {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev} ${ino}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error; // it may be there all the same: a folder that is closed to us for a while
  }
}

/** Whether `path` is known to be another file than it was. */
function isGone(path: string, was: Identity): boolean {
  try {
    return identityOf(path) !== was;
  } catch {
    return false; // nobody can tell now
  }
}

/**
 * Writes all that `db` holds to a new file called `file`. `log`: what SQLite's own log beside it was. Returns what the file
 * that had the name was renamed to, null if there was none. Rejects with what the system or SQLite says, and then nothing
 * has changed under that name.
 */
async function writeAnew(db: DatabaseSync, { file, log }: { file: string; log: Identity }): Promise<string | null> {
  const fresh = `${file}.new`;
  Deno.mkdirSync(dirname(file), { recursive: true });
  if (exists(fresh)) Deno.removeSync(fresh); // of an attempt that failed
  await backup(db, fresh); // VACUUM INTO would be simpler, but needs all permissions there are
  flush(fresh);
  // Its own log stays behind when a file is deleted by name: a new file must not find it.
  if (log !== null && identityOf(`${file}-wal`) === log) removeLog(file);
  const found = exists(file) ? moveAside(file, `${file}.found`) : null;
  removeLog(file);
  Deno.renameSync(fresh, file);
  return found;
}

function removeLog(file: string): void {
  for (const part of ["-wal", "-shm"]) if (exists(file + part)) Deno.removeSync(file + part);
}

/** What is to survive a power cut must be on the disk before it has its name. */
function flush(path: string): void {
  using file = Deno.openSync(path, { read: true, write: true });
  file.syncSync();
}

/*
 * One monitor per store: a lock that a process gives up however it ends, and that says who holds it. It is SQLite's own
 * lock on a small file beside the store (Deno 2.6 can't try to lock a file), so others can read the store itself
 * meanwhile. The file stays when the lock goes: if it were deleted, two processes could lock two files of that name.
 */

export interface StoreLock {
  release(): void;
}

export function lockFile(file: string): string {
  return `${file}.lock`;
}

/** Locks the store at `file` for this process. Throws StoreLocked if another one has it, else what SQLite throws. */
export function lockStore(file: string, nowMs: number): StoreLock {
  const db = new DatabaseSync(lockFile(file));
  try {
    take(db, `process ${Deno.pid} has held it since ${new Date(nowMs).toISOString()}`);
    return { release: () => db.close() };
  } catch (error) {
    const locked = error instanceof Error && /database is locked/.test(error.message);
    const holder = locked ? holderOf(db) : null;
    db.close();
    if (locked) throw new StoreLocked(`Cannot open the store ${file}: ${holder ?? "another process holds it"}`);
    throw error;
  }
}

/**
 * The transaction that is left open is the lock: others can read beside it, but not begin one. Who comes between it and
 * the one before, which says who we are, will find that they are too late; but they have put their name there.
 */
function take(db: DatabaseSync, holder: string): void {
  db.exec("PRAGMA busy_timeout = 1000"); // a process that is just ending may take a moment to let go
  do {
    if (db.isTransaction) db.exec("ROLLBACK");
    db.exec("BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS holder (one INTEGER PRIMARY KEY, words TEXT NOT NULL) STRICT");
    db.prepare("INSERT OR REPLACE INTO holder (one, words) VALUES (1, ?)").run(holder);
    db.exec("COMMIT; BEGIN IMMEDIATE");
  } while (holderOf(db) !== holder);
}

function holderOf(db: DatabaseSync): string | null {
  try {
    return String(db.prepare("SELECT words FROM holder").get()?.words);
  } catch {
    return null; // it is only just being made
  }
}
