/**
 * What becomes of a store whose file was deleted, or replaced by another, while it was in use. SQLite goes on writing to the
 * file that has no name any more, and nobody would miss it before the next start. All of it can still be read there, so it is
 * written anew under its name. What somebody else has put there is renamed, never deleted.
 */
import { dirname } from "node:path";
import { backup, type DatabaseSync } from "node:sqlite";
import { exists, moveAside } from "./store_damage.ts";
import { lockFile, type StoreLock } from "./store_lock.ts";

/** Which file has a name now; null where none has. */
type Identity = string | null;

/** Where a store is that is in use: the lock that is held for it, and which files its names were last known to lead to. */
export class Place {
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
