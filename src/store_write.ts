/** What each change writes into the tables of `store_tables`. Transactions and errors are for `store_sqlite`. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { HealthEvent, Letter } from "./alert.ts";
import { type Change, runsMax, type SavedExperiment } from "./store.ts";
import { lastSentName, storedText } from "./store_tables.ts";

/** What is of this run of the program, and what of those before. */
export interface Own {
  /** What earlier runs wrote has ids up to these. */
  readonly earlier: { readonly eventId: number; readonly turnId: number };
  /** When the runs that this one wrote started. */
  readonly runs: Set<number>;
}

export interface Writer {
  readonly own: Own;
  write(change: Change): void;
  /** Deletes some of what `Store.prune` does, `max` of each kind at most; says how many of the kind that had most. */
  prune(what: { beforeMs: number; max: number }): number;
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

function write(change: Change, into: WriteStatements): void {
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

function writeExperiment(experiment: SavedExperiment, into: WriteStatements): void {
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

function writeLetter(letter: Letter, into: WriteStatements): void {
  const { id, channel, createdMs, frozen, ...body } = letter;
  const text = frozen === null ? null : storedText(frozen);
  into.letter.run(storedText(id), channel, createdMs, JSON.stringify(body), text);
}
