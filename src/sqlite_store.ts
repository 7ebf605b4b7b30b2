/**
 * What the rows of `store_tables` mean: all that a restart goes on from. Throws where a row holds what it should not,
 * whatever the error: what follows from that is for `store_sqlite`.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import * as z from "zod";
import type { Channel, HealthEvent, Notification } from "./alerts.ts";
import { type Persisted, type PersistedExperiment, runsMax, type StateChange, type StoreChange } from "./persisted.ts";
import {
  alertSchema,
  experimentSchema,
  issuesSchema,
  letterSchema,
  manifestSchema,
  runSchema,
  spanStateSchema,
  type Store,
  streamOkSchema,
  timeMsMax,
} from "./store.ts";

export interface Reader {
  read(max: Max): Persisted;
  turns(...asked: Parameters<Store["turns"]>): readonly StateChange[];
  /** Throws if any row can't be decoded. Of events and turns each different one is decoded once: there may be millions. */
  verify(): void;
}

type Max = Parameters<Store["load"]>[0];

/** Prepares every statement once. Throws if the file has not the tables that they need. */
export function createReader(db: DatabaseSync): Reader {
  const statements = readStatements(db);
  return {
    read: (max) => read(statements, max),
    turns: (experiment, { sinceMs, max }) => {
      const name = storedText(experiment);
      return statements.turns.all(name, name, sinceMs, max).map(turnDecoder());
    },
    verify() {
      read(statements, { events: 1, stateChanges: 1, runs: -1 });
      const eventOf = eventDecoder();
      for (const row of statements.differentEvents.all()) eventOf(row);
      for (const { experiment } of statements.turnedNames.all()) textOf(experiment);
      for (const { state } of statements.turnedStates.all()) spanStateSchema.parse(state);
    },
  };
}

type Row = Readonly<Record<string, SQLOutputValue>>;
type ReadStatements = ReturnType<typeof readStatements>;

function readStatements(db: DatabaseSync) {
  return {
    experiments: db.prepare("SELECT * FROM experiments ORDER BY rowid"),
    // By an index of (experiment, at_ms), so that it takes no longer with a long history than with a short one.
    events: db.prepare("SELECT * FROM events WHERE experiment = ? ORDER BY at_ms DESC, id DESC LIMIT ?"),
    newestTurns: db.prepare("SELECT * FROM turns WHERE experiment = ? ORDER BY at_ms DESC, id DESC LIMIT ?"),
    // From the newest turn that is not after the given time on.
    turns: db.prepare(`
      SELECT * FROM (
        SELECT * FROM turns WHERE experiment = ? AND at_ms >= coalesce(
          (SELECT max(at_ms) FROM turns WHERE experiment = ? AND at_ms <= ?), ${-timeMsMax})
        ORDER BY at_ms DESC, id DESC LIMIT ?
      ) ORDER BY at_ms, id`),
    runs: db.prepare("SELECT * FROM (SELECT * FROM runs ORDER BY started_ms DESC LIMIT ?) ORDER BY started_ms"),
    // Row after row: by an index, which SQLite would choose, it takes four times as long.
    differentEvents: db.prepare("SELECT DISTINCT experiment, issues, stream_ok FROM events NOT INDEXED"),
    turnedNames: db.prepare("SELECT DISTINCT experiment FROM turns"),
    turnedStates: db.prepare("SELECT DISTINCT state FROM turns"),
    letters: db.prepare("SELECT * FROM letters ORDER BY created_ms, rowid"),
    alerts: db.prepare("SELECT * FROM alerts ORDER BY rowid"),
    manifest: db.prepare("SELECT at_ms, resources FROM manifest"),
    lastSent: db.prepare("SELECT at_ms FROM meta WHERE name = ?"),
  };
}

function read(from: ReadStatements, max: Max): Persisted {
  const alerts = from.alerts.all().map(alertOf);
  const manifest = from.manifest.get();
  const lastSentMs = (channel: Channel) => {
    const row = from.lastSent.get(lastSentName(channel));
    return row ? Number(row.at_ms) : null;
  };
  const experiments = from.experiments.all().map(experimentOf);
  return {
    experiments,
    events: newestOf(experiments.map(({ name }) => storedText(name)), from.events, max.events, eventDecoder()),
    stateChanges: watchedTurns(from, max.stateChanges),
    runs: from.runs.all(max.runs).map(runOf),
    notifications: from.letters.all().map(letterOf),
    alerts: new Map(alerts.map((alert) => [alert.code, alert])),
    manifest: manifest ? manifestSchema.parse({ atMs: manifest.at_ms, resources: json(manifest.resources) }) : null,
    lastMailMs: lastSentMs("mail"),
    lastWebhookMs: lastSentMs("webhook"),
  };
}

/** By name, oldest first. One experiment after the other: the rows of a great laboratory take hundreds of megabytes. */
function newestOf<Kept>(
  names: Iterable<string>,
  newestFirst: StatementSync,
  max: number,
  keptOf: (row: Row) => Kept,
): Map<string, readonly Kept[]> {
  const kept = new Map<string, readonly Kept[]>();
  for (const name of names) {
    const rows = newestFirst.all(name, max);
    if (rows.length > 0) kept.set(textOf(name), rows.reverse().map(keptOf));
  }
  return kept;
}

/** Of each name that was watched last: one that has never been judged is not among the experiments. */
function watchedTurns(from: ReadStatements, max: number): Persisted["stateChanges"] {
  const names = from.turnedNames.all().map(({ experiment }) => String(experiment));
  const turns = newestOf(names, from.newestTurns, max, turnDecoder());
  for (const [name, own] of turns) if (own.at(-1)?.state === "not_watched") turns.delete(name);
  return turns;
}

function experimentOf(row: Row) {
  return experimentSchema.parse({
    name: textOf(row.name),
    issues: json(row.issues),
    sinceMs: row.since_ms,
    namedMs: row.named_ms,
    host: json(row.host),
    streams: json(row.streams),
  });
}

function letterOf(row: Row) {
  return letterSchema.parse({
    ...z.looseObject({}).parse(json(row.body)),
    id: textOf(row.id),
    channel: row.channel,
    createdMs: row.created_ms,
    frozen: row.frozen === null ? null : textOf(row.frozen),
  });
}

function runOf({ started_ms, alive_ms }: Row) {
  return runSchema.parse({ startedMs: started_ms, aliveMs: alive_ms });
}

function alertOf(row: Row) {
  return alertSchema.parse({ code: row.code, turn: "raised", atMs: row.at_ms, detail: textOf(row.detail) });
}

function turnDecoder(): (row: Row) => StateChange {
  const stateOf = once((text) => spanStateSchema.parse(text));
  return ({ at_ms, state, available }) =>
    Object.freeze({ atMs: Number(at_ms), state: stateOf(state), available: available === 1 });
}

/** Events repeat each other: an equal text is decoded once, and shared. */
function eventDecoder(): (row: Row) => HealthEvent {
  const issuesOf = once((text) => issuesSchema.parse(json(text)));
  const streamOkOf = once((text) => streamOkSchema.parse(json(text)));
  const nameOf = once(textOf);
  return (row) =>
    Object.freeze({
      experiment: nameOf(row.experiment),
      atMs: Number(row.at_ms),
      healthy: row.healthy === 1,
      issues: issuesOf(row.issues),
      jumpOk: row.jump_ok === 1,
      streamOk: streamOkOf(row.stream_ok),
      lastedMs: row.lasted_ms === null ? null : Number(row.lasted_ms),
    });
}

function once<T>(decode: (text: unknown) => T): (text: unknown) => T {
  const decoded = new Map<unknown, T>();
  return (text) => {
    const known = decoded.get(text);
    if (known !== undefined) return known;
    const value = decode(text);
    decoded.set(text, value);
    return value;
  };
}

function json(text: unknown): unknown {
  return JSON.parse(String(text));
}

/*  What each change writes into the tables of `store_tables`. Transactions and errors are for `store_sqlite`. */

/** What is of this run of the program, and what of those before. */
export interface Own {
  /** What earlier runs wrote has ids up to these. */
  readonly earlier: { readonly eventId: number; readonly turnId: number };
  /** When the runs that this one wrote started. */
  readonly runs: Set<number>;
}

export interface Writer {
  readonly own: Own;
  write(change: StoreChange): void;
  /** Deletes some of what `Store.prune` does, `max` of each kind at most; says how many of the kind that had most. */
  prune(what: { beforeMs: number; max: number }): number;
  /** Keeps the newest `events` events, and `turns` changes of state, as if older ones were too old to be kept. */
  keepNewest(max: { readonly events: number; readonly turns: number }): void;
}

/**
 * Prepares every statement once. Throws if the file has not the tables that they need. `own`: of the writer before, where
 * this run has written to a file that this one is a copy of.
 */
export function createWriter(db: DatabaseSync, own = newOwn(db)): Writer {
  const statements: WriteStatements = { ...writeStatements(db), own };
  return {
    own,
    write: (change) => write(change, statements),
    prune: ({ beforeMs, max }) => {
      const { oldEvents, oldTurns, oldRuns } = statements;
      return Math.max(...[oldEvents, oldTurns, oldRuns].map((old) => Number(old.run(beforeMs, max).changes)));
    },
    keepNewest({ events, turns }) {
      statements.excessEvents.run(events);
      const oldest = statements.oldestKeptTurn.get(turns - 1);
      if (oldest) statements.oldTurns.run(Number(oldest.at_ms), -1);
    },
  };
}

interface WriteStatements extends ReturnType<typeof writeStatements> {
  readonly own: Own;
}

function newOwn(db: DatabaseSync): Own {
  const newestId = (table: string) => Number(db.prepare(`SELECT max(id) AS id FROM ${table}`).get()?.id ?? 0);
  return { earlier: { eventId: newestId("events"), turnId: newestId("turns") }, runs: new Set() };
}

function writeStatements(db: DatabaseSync) {
  return {
    event: db.prepare(`INSERT INTO events (experiment, at_ms, healthy, issues, jump_ok, stream_ok, lasted_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?)`),
    experiment: replacing(db, "experiments", ["name", "issues", "since_ms", "named_ms", "host", "streams"]),
    forgotten: db.prepare("DELETE FROM experiments WHERE name = ?"),
    turn: db.prepare("INSERT INTO turns (experiment, at_ms, state, available) VALUES (?, ?, ?, ?)"),
    run: replacing(db, "runs", ["started_ms", "alive_ms"]),
    eventsBack: db.prepare("UPDATE events SET at_ms = ?1 WHERE at_ms > ?1 AND id > ?2"),
    turnsBack: db.prepare("UPDATE turns SET at_ms = ?1 WHERE at_ms > ?1 AND id > ?2"),
    runGone: db.prepare("DELETE FROM runs WHERE started_ms = ?"),
    runBack: db.prepare("UPDATE runs SET alive_ms = ?1 WHERE alive_ms > ?1 AND started_ms = ?2"),
    letter: replacing(db, "letters", ["id", "channel", "created_ms", "body", "frozen"]),
    letterGone: db.prepare("DELETE FROM letters WHERE id = ?"),
    meta: replacing(db, "meta", ["name", "at_ms"]),
    alertRaised: replacing(db, "alerts", ["code", "at_ms", "detail"]),
    alertCleared: db.prepare("DELETE FROM alerts WHERE code = ?"),
    manifest: replacing(db, "manifest", ["one", "at_ms", "resources"]),
    oldEvents: db.prepare("DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at_ms < ? LIMIT ?)"),
    // Oldest first, so that none is spared because what came after it has just been deleted.
    oldTurns: db.prepare(`
      DELETE FROM turns WHERE id IN (
        SELECT id FROM turns AS old WHERE at_ms < ?1 AND (state = 'not_watched' OR EXISTS (
          SELECT 1 FROM turns WHERE experiment = old.experiment AND at_ms < ?1 AND (at_ms, id) > (old.at_ms, old.id)
        )) ORDER BY at_ms, id LIMIT ?2)`),
    excessEvents: db.prepare("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?"),
    oldestKeptTurn: db.prepare("SELECT at_ms FROM turns ORDER BY at_ms DESC, id DESC LIMIT 1 OFFSET ?"),
    oldRuns: db.prepare(`
      DELETE FROM runs WHERE started_ms IN (
        SELECT started_ms FROM runs WHERE alive_ms < ?
          OR started_ms NOT IN (SELECT started_ms FROM runs ORDER BY started_ms DESC LIMIT ${runsMax})
        LIMIT ?)`),
  };
}

/** Inserts a row, or replaces the one whose first column is the same, which keeps its place in the order of rows. */
function replacing(db: DatabaseSync, table: string, columns: readonly [string, ...string[]]): StatementSync {
  const [key, ...others] = columns;
  return db.prepare(`
    INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})
    ON CONFLICT (${key}) DO UPDATE SET ${others.map((each) => `${each} = excluded.${each}`).join(", ")}`);
}

function write(change: StoreChange, into: WriteStatements): void {
  switch (change.kind) {
    case "event":
      return writeEvent(change.event, into);
    case "experiment":
      return writeExperiment(change.experiment, into);
    case "forgotten":
      into.forgotten.run(storedText(change.name));
      return;
    case "turn": {
      const { atMs, state, available } = change.turn;
      into.turn.run(storedText(change.experiment), atMs, state, Number(available));
      return;
    }
    case "run":
      into.run.run(change.run.startedMs, change.run.aliveMs);
      into.own.runs.add(change.run.startedMs);
      return;
    case "clock-back":
      return moveBack(change.toMs, into);
    case "letter":
      return writeLetter(change.letter, into);
    case "letter-sent":
      into.letterGone.run(storedText(change.id));
      into.meta.run(lastSentName(change.channel), change.atMs);
      return;
    case "letter-dropped":
      into.letterGone.run(storedText(change.id));
      return;
    case "alert": {
      const { code, turn, atMs, detail } = change.alert;
      if (turn === "raised") into.alertRaised.run(code, atMs, storedText(detail));
      else into.alertCleared.run(code);
      return;
    }
    case "manifest":
      into.manifest.run(1, change.manifest.atMs, JSON.stringify(change.manifest.resources));
      return;
  }
}

/** What this run wrote of after `toMs`; what earlier ones wrote was true by their clock. */
function moveBack(toMs: number, into: WriteStatements): void {
  into.eventsBack.run(toMs, into.own.earlier.eventId);
  into.turnsBack.run(toMs, into.own.earlier.turnId);
  for (const startedMs of into.own.runs) {
    if (startedMs > toMs) into.runGone.run(startedMs);
    else into.runBack.run(toMs, startedMs);
  }
}

function writeEvent(event: HealthEvent, into: WriteStatements): void {
  const { experiment, atMs, healthy, issues, jumpOk, streamOk, lastedMs } = event;
  into.event.run(
    storedText(experiment),
    atMs,
    Number(healthy),
    JSON.stringify(issues),
    Number(jumpOk),
    JSON.stringify(streamOk),
    lastedMs,
  );
}

function writeExperiment(experiment: PersistedExperiment, into: WriteStatements): void {
  const { name, issues, sinceMs, namedMs, host, streams } = experiment;
  into.experiment.run(
    storedText(name),
    JSON.stringify(issues),
    sinceMs,
    namedMs,
    JSON.stringify(host),
    JSON.stringify(streams),
  );
}

function writeLetter(letter: Notification, into: WriteStatements): void {
  const { id, channel, createdMs, frozen, ...body } = letter;
  const text = frozen === null ? null : storedText(frozen);
  into.letter.run(storedText(id), channel, createdMs, JSON.stringify(body), text);
}

/*
 * The tables of a store file, and how a file of an earlier version of status becomes one of this version. What is put
 * into them is for `store_write`, what is read from them for `store_read`.
 */

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
