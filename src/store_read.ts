/**
 * What the rows of `store_tables` mean: all that a restart goes on from. Throws where a row holds what it should not,
 * whatever the error: what follows from that is for `store_sqlite`.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import * as z from "zod";
import type { Channel, HealthEvent } from "./alert.ts";
import type { Turn } from "./history.ts";
import type { Saved, Store } from "./store.ts";
import { lastSentName, storedText, textOf } from "./store_tables.ts";
import {
  alertSchema,
  experimentSchema,
  issuesSchema,
  letterSchema,
  manifestSchema,
  runSchema,
  spanStateSchema,
  streamOkSchema,
  timeMsMax,
} from "./store_values.ts";

export interface Reader {
  read(max: Max): Saved;
  turns(...asked: Parameters<Store["turns"]>): readonly Turn[];
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
      read(statements, { events: 1, turns: 1, runs: -1 });
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

function read(from: ReadStatements, max: Max): Saved {
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
    turns: watchedTurns(from, max.turns),
    runs: from.runs.all(max.runs).map(runOf),
    letters: from.letters.all().map(letterOf),
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
function watchedTurns(from: ReadStatements, max: number): Saved["turns"] {
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

function turnDecoder(): (row: Row) => Turn {
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
