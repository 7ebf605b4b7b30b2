/**
 * The tables of a store file, and how a file of an earlier version of status becomes one of this version. What is put
 * into them is for `store_write`, what is read from them for `store_read`.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Channel } from "./alert.ts";
import { timeMsMax } from "./store_values.ts";

/** The inside of a JSON string, since SQLite's bindings end a text at its first NUL: for all that others have named. */
export function storedText(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** What `storedText` was made of. Throws if it was not. */
export function textOf(stored: unknown): string {
  return String(JSON.parse(`"${stored}"`));
}

/** Marks a file as a store of status ("stat"): another program's database must not be taken for one. */
const applicationId = 0x73746174;

const time = (column: string) => `${column} INTEGER CHECK (${column} BETWEEN -${timeMsMax} AND ${timeMsMax})`;

/**
 * The n-th brings a file from version n-1 to n. One that has been released is never changed: add another.
 * `events` is for history too: by experiment and time for what is shown, by time for pruning.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE experiments (
    name TEXT NOT NULL PRIMARY KEY,
    issues TEXT NOT NULL,
    ${time("since_ms")} NOT NULL,
    ${time("named_ms")} NOT NULL,
    host TEXT NOT NULL,
    streams TEXT NOT NULL
  ) STRICT;
  CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    experiment TEXT NOT NULL,
    ${time("at_ms")} NOT NULL,
    healthy INTEGER NOT NULL CHECK (healthy IN (0, 1)),
    issues TEXT NOT NULL,
    jump_ok INTEGER NOT NULL CHECK (jump_ok IN (0, 1)),
    stream_ok TEXT NOT NULL,
    ${time("lasted_ms")}
  ) STRICT;
  CREATE INDEX events_by_experiment ON events (experiment, at_ms);
  CREATE INDEX events_by_time ON events (at_ms);
  CREATE TABLE letters (
    id TEXT NOT NULL PRIMARY KEY,
    ${time("created_ms")} NOT NULL,
    body TEXT NOT NULL,
    frozen TEXT
  ) STRICT;
  CREATE TABLE alerts (
    code TEXT NOT NULL PRIMARY KEY,
    ${time("at_ms")} NOT NULL,
    detail TEXT NOT NULL
  ) STRICT;
  CREATE TABLE manifest (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    ${time("at_ms")} NOT NULL,
    resources TEXT NOT NULL
  ) STRICT;
  CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    ${time("at_ms")} NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE turns (
    id INTEGER PRIMARY KEY,
    experiment TEXT NOT NULL,
    ${time("at_ms")} NOT NULL,
    state TEXT NOT NULL,
    available INTEGER NOT NULL CHECK (available IN (0, 1))
  ) STRICT;
  CREATE INDEX turns_by_experiment ON turns (experiment, at_ms);
  CREATE INDEX turns_by_time ON turns (at_ms);
  CREATE TABLE runs (
    ${time("started_ms")} NOT NULL PRIMARY KEY,
    ${time("alive_ms")} NOT NULL
  ) STRICT;
  `,
  // Before there were channels every letter was a mail.
  "ALTER TABLE letters ADD COLUMN channel TEXT NOT NULL DEFAULT 'mail'",
];

/** Under which name `meta` has when a message of `channel` was last taken. */
export function lastSentName(channel: Channel): string {
  return `last_${channel}`;
}

/** Brings the file to the version of the last step, each step whole or not at all. Throws `versionOf`'s and SQLite's errors. */
export function migrate(db: DatabaseSync, steps = migrations): void {
  for (let version = versionOf(db, steps); version < steps.length; version++) {
    db.exec("BEGIN IMMEDIATE");
    try {
      db.exec(
        `${steps[version]}; PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version + 1}; COMMIT`,
      );
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK"); // SQLite has rolled some back by itself
      throw error;
    }
  }
}

/** The file's version, 0 for a new one. Changes nothing. Throws an Error if it is not for the program of `steps` to open. */
export function versionOf(db: DatabaseSync, steps = migrations): number {
  const version = numberOf(db, "PRAGMA user_version");
  const isNew = version === 0 && numberOf(db, "SELECT count(*) FROM sqlite_schema") === 0;
  if (!isNew && numberOf(db, "PRAGMA application_id") !== applicationId) {
    throw new Error("it is the database of another program");
  }
  if (version < 0 || version > steps.length) {
    throw new Error(
      `it was made by a newer version of status (its tables are of version ${version}, the newest known here is ${steps.length})`,
    );
  }
  return version;
}

function numberOf(db: DatabaseSync, query: string): number {
  return Number(Object.values(db.prepare(query).get() ?? {})[0]);
}
