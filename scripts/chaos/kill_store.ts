/**
 * What is in the store file of the program under test: read while it runs, beside it; or, when it is dead, from a copy, as
 * the next start will find it. Knows the tables, and nothing of the program's own reading of them.
 */
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { issueText } from "../../src/alerts.ts";
import { alertSchema, issuesSchema } from "../../src/store.ts";

export interface StoredEvent {
  readonly id: number;
  readonly experiment: string;
  readonly atMs: number;
  /** In the words of the API. */
  readonly issues: readonly string[];
}

/** What a letter tells of, and the message that was made of it. */
export interface StoredLetter {
  readonly id: string;
  readonly channel: string;
  readonly frozen: string | null;
  readonly events: readonly Omit<StoredEvent, "id">[];
  readonly alerts: readonly z.infer<typeof alertSchema>[];
}

export interface StoreContents {
  /** As they were recorded. */
  readonly events: readonly StoredEvent[];
  readonly letters: readonly StoredLetter[];
  readonly turns: readonly { experiment: string; atMs: number; state: string; available: boolean }[];
  readonly runs: readonly { startedMs: number; aliveMs: number }[];
  /** Codes of the system alerts that hold. */
  readonly alerts: readonly string[];
}

/** Reads beside the program, and changes nothing. Throws where there is no such file yet. */
export function storeContents(file: string): StoreContents {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return contentsOf(db);
  } finally {
    db.close();
  }
}

/** The letter whose message this is, as it is recorded now; null where there is none. */
export function storedLetter(file: string, message: string): StoredLetter | null {
  const { letters } = storeContents(file);
  return letters.find(({ frozen }) => frozen?.trimEnd() === message.trimEnd()) ?? null;
}

/**
 * What a killed program left at `file`, after SQLite has recovered a copy of it in `folder`; null where it left no table.
 * Throws an Error that says so if it is damaged.
 */
export async function autopsy(file: string, folder: string): Promise<StoreContents | null> {
  const copy = `${folder}/autopsy.db`;
  for (const end of ["", "-wal", "-shm", "-journal"]) await Deno.remove(copy + end).catch(() => {}); // of the last one, if any
  if (!await copied(file, copy)) return null;
  for (const end of ["-wal", "-journal"]) await copied(file + end, copy + end);
  const db = new DatabaseSync(copy);
  try {
    const [found] = db.prepare("PRAGMA integrity_check").all();
    if (found?.integrity_check !== "ok") throw new Error(`the store is damaged: ${JSON.stringify(found)}`);
    const { count } = db.prepare("SELECT count(*) AS count FROM sqlite_schema WHERE name = 'runs'").get() ?? {};
    return count === 1 ? contentsOf(db) : null;
  } finally {
    db.close();
  }
}

async function copied(from: string, to: string): Promise<boolean> {
  try {
    await Deno.copyFile(from, to);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function contentsOf(db: DatabaseSync): StoreContents {
  const all = (query: string) => db.prepare(query).all();
  return {
    events: all("SELECT * FROM events ORDER BY id").map((row) => ({
      id: Number(row.id),
      experiment: String(row.experiment),
      atMs: Number(row.at_ms),
      issues: issuesSchema.parse(JSON.parse(String(row.issues))).map(issueText),
    })),
    letters: all("SELECT * FROM letters ORDER BY rowid").map(letterOf),
    turns: all("SELECT * FROM turns ORDER BY id").map((row) => ({
      experiment: String(row.experiment),
      atMs: Number(row.at_ms),
      state: String(row.state),
      available: row.available === 1,
    })),
    runs: all("SELECT * FROM runs ORDER BY started_ms").map((row) => ({
      startedMs: Number(row.started_ms),
      aliveMs: Number(row.alive_ms),
    })),
    alerts: all("SELECT code FROM alerts").map(({ code }) => String(code)),
  };
}

const bodySchema = z.object({
  events: z.array(z.object({ experiment: z.string(), atMs: z.number(), issues: issuesSchema })),
  alerts: z.array(alertSchema),
});

function letterOf(row: Record<string, unknown>): StoredLetter {
  const { events, alerts } = bodySchema.parse(JSON.parse(String(row.body)));
  return {
    id: String(row.id),
    channel: String(row.channel),
    // As `storedText` writes it.
    frozen: row.frozen === null ? null : String(JSON.parse(`"${row.frozen}"`)),
    events: events.map(({ experiment, atMs, issues }) => ({ experiment, atMs, issues: issues.map(issueText) })),
    alerts,
  };
}
