/**
 * When a store file counts as damaged, and what is done with one: it is renamed, never deleted, so that a person can look
 * into it. What is locked, not permitted or on a full disk is not damaged, and stays where it is.
 */
import type { DatabaseSync } from "node:sqlite";
import { faultWords } from "./store_values.ts";

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
