/**
 * What must be had before the monitor starts: the log and the store, with what an earlier run left in it. The defaults fall
 * back where they can't be written; what was asked for does not.
 */
import type { SystemAlert } from "./alerts.ts";
import type { Clock } from "./clock.ts";
import { turnsMax } from "./history.ts";
import { type Log, startLog } from "./log.ts";
import { runsMax, type Saved } from "./persisted.ts";
import type { Settings } from "./settings.ts";
import { openSqliteStore } from "./sqlite_file.ts";
import { type Store, StoreFailed } from "./store.ts";
import { createMemoryStore } from "./store_memory.ts";

export interface Opened {
  readonly log: Log;
  readonly store: Store;
  readonly saved: Saved;
  /** What is to be told of the store itself. */
  readonly alerts: readonly SystemAlert[];
  readonly warnings: readonly string[];
}

/** Throws LogFailed, StoreFailed or StoreLocked; nothing is left open then. */
export async function open(settings: Settings, clock: Clock): Promise<Opened> {
  const log = await openLog(settings, clock);
  try {
    const { store, alerts, warnings } = await openStore(settings, clock.nowMs());
    const saved = await store.load({ events: settings.HEALTH_EVENTS, turns: turnsMax, runs: runsMax });
    return { log, store, saved, alerts, warnings: [...log.warnings, ...warnings] };
  } catch (error) {
    await log.close();
    throw error;
  }
}

function openLog(settings: Settings, clock: Clock): Promise<Log> {
  return startLog({
    file: settings.LOG_FILE,
    asked: settings.given.has("LOG_FILE"),
    format: settings.LOG_FORMAT,
    level: settings.LOG_LEVEL,
    clock,
  });
}

type StoreOpened = Pick<Opened, "store" | "alerts" | "warnings">;

async function openStore({ STORE_FILE: file, given }: Settings, nowMs: number): Promise<StoreOpened> {
  if (file === "memory") return { store: createMemoryStore(), alerts: [], warnings: [] };
  try {
    const { store, damaged } = await openSqliteStore(file, { nowMs });
    const detail = `the old one is kept as ${damaged}`;
    return {
      store,
      alerts: damaged ? [{ code: "store-damaged", turn: "raised", atMs: nowMs, detail }] : [],
      warnings: [],
    };
  } catch (error) {
    if (given.has("STORE_FILE") || !(error instanceof StoreFailed)) throw error;
    const warning = `${error.message}, so nothing is kept beyond this run`;
    return { store: createMemoryStore(), alerts: [], warnings: [warning] };
  }
}
