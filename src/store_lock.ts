/**
 * One monitor per store: a lock that a process gives up however it ends, and that says who holds it. It is SQLite's own
 * lock on a small file beside the store (Deno 2.6 can't try to lock a file), so others can read the store itself
 * meanwhile. The file stays when the lock goes: if it were deleted, two processes could lock two files of that name.
 */
import { DatabaseSync } from "node:sqlite";
import { StoreLocked } from "./store.ts";

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
