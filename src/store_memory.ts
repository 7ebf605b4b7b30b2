/**
 * The store that keeps nothing beyond the run: for a trial, for tests, and where no file can be written. It takes and
 * gives what the durable one does; one suite of tests holds for both.
 */
import type { AlertCode, HealthEvent, Notification, SystemAlert } from "./alerts.ts";
import { createMutex } from "./async.ts";
import {
  type MonitorRun,
  type Persisted,
  type PersistedExperiment,
  type PersistedManifest,
  runsMax,
  type StateChange,
  type StoreChange,
} from "./persisted.ts";
import { checked, type Store } from "./store.ts";

/** What limits the history here besides its age, since it takes memory (some 25 MB): the first recorded go first. */
export const memoryEventsMax = 50_000;
/** The same of turns (some 5 MB): the oldest go first, as if by their age. */
export const memoryTurnsMax = 50_000;

export function createMemoryStore(): Store {
  const kept: Kept = {
    experiments: new Map(),
    events: [],
    turns: [],
    runs: new Map(),
    letters: new Map(),
    alerts: new Map(),
    manifest: null,
    lastMailMs: null,
    lastWebhookMs: null,
  };
  const inTurn = createMutex();
  return {
    kind: "memory",
    load: (max) => inTurn(() => savedOf(kept, max)),
    turns: (experiment, { sinceMs, max }) =>
      inTurn(() => {
        const own = byTime(kept.turns.filter((each) => each.experiment === experiment)).map(({ turn }) => turn);
        const since = own.findLast(({ atMs }) => atMs <= sinceMs)?.atMs ?? -Infinity;
        return own.filter(({ atMs }) => atMs >= since).slice(-max);
      }),
    record: (changes) =>
      inTurn(async () => {
        for (const change of await checked(changes)) apply(change, kept);
        if (kept.events.length > memoryEventsMax) kept.events = kept.events.slice(-memoryEventsMax);
        const excess = kept.turns.length - memoryTurnsMax;
        if (excess > 0) kept.turns = turnsAfter(kept.turns, byTime(kept.turns)[excess]?.turn.atMs ?? 0);
      }),
    prune: (beforeMs) =>
      inTurn(() => {
        kept.events = kept.events.filter(({ atMs }) => atMs >= beforeMs);
        kept.turns = turnsAfter(kept.turns, beforeMs);
        const runs = newestRuns(kept, runsMax).filter(({ aliveMs }) => aliveMs >= beforeMs);
        kept.runs.clear();
        for (const run of runs) kept.runs.set(run.startedMs, run);
      }),
    close: () => Promise.resolve(),
  };
}

interface Turned {
  readonly experiment: string;
  readonly turn: StateChange;
}

/** Members of maps stand in the order in which they were first recorded, events in that of their recording. */
interface Kept {
  readonly experiments: Map<string, PersistedExperiment>;
  events: HealthEvent[];
  turns: Turned[];
  readonly runs: Map<number, MonitorRun>;
  readonly letters: Map<string, Notification>;
  readonly alerts: Map<AlertCode, SystemAlert>;
  manifest: PersistedManifest | null;
  lastMailMs: number | null;
  lastWebhookMs: number | null;
}

function apply(change: StoreChange, kept: Kept): void {
  switch (change.kind) {
    case "event":
      kept.events.push(change.event);
      return;
    case "experiment":
      kept.experiments.set(change.experiment.name, change.experiment);
      return;
    case "forgotten":
      kept.experiments.delete(change.name);
      return;
    case "turn":
      kept.turns.push(change);
      return;
    case "run":
      kept.runs.set(change.run.startedMs, change.run);
      return;
    case "clock-back":
      return moveBack(change.toMs, kept);
    case "letter":
      kept.letters.set(change.letter.id, change.letter);
      return;
    case "letter-sent":
      kept.letters.delete(change.id);
      kept[change.channel === "mail" ? "lastMailMs" : "lastWebhookMs"] = change.atMs;
      return;
    case "letter-dropped":
      kept.letters.delete(change.id);
      return;
    case "alert":
      if (change.alert.turn === "raised") kept.alerts.set(change.alert.code, change.alert);
      else kept.alerts.delete(change.alert.code);
      return;
    case "manifest":
      kept.manifest = change.manifest;
      return;
  }
}

/** All that is here was written by this run of the program. */
function moveBack(toMs: number, kept: Kept): void {
  kept.events = kept.events.map((event) => event.atMs > toMs ? { ...event, atMs: toMs } : event);
  kept.turns = kept.turns.map((each) => each.turn.atMs > toMs ? { ...each, turn: { ...each.turn, atMs: toMs } } : each);
  const runs = [...kept.runs.values()].filter(({ startedMs }) => startedMs <= toMs);
  kept.runs.clear();
  for (const run of runs) kept.runs.set(run.startedMs, { ...run, aliveMs: Math.min(run.aliveMs, toMs) });
}

/** Oldest first; those of one time as they were recorded. */
function byTime(turns: readonly Turned[]): Turned[] {
  return turns.toSorted((a, b) => a.turn.atMs - b.turn.atMs);
}

/** Without those from before `beforeMs`, but for the newest of each experiment if that was watched then. */
function turnsAfter(turns: readonly Turned[], beforeMs: number): Turned[] {
  const older = byTime(turns).filter(({ turn }) => turn.atMs < beforeMs);
  const newest = new Map(older.map((each) => [each.experiment, each]));
  return turns.filter((each) => {
    return each.turn.atMs >= beforeMs || (newest.get(each.experiment) === each && each.turn.state !== "not_watched");
  });
}

/** Of each experiment that was watched last. */
function newestTurns(kept: Kept, max: number): Persisted["stateChanges"] {
  const byExperiment = Map.groupBy(byTime(kept.turns), ({ experiment }) => experiment);
  const watched = [...byExperiment].filter(([, own]) => own.at(-1)?.turn.state !== "not_watched");
  return new Map(watched.map(([name, own]) => [name, own.slice(-max).map(({ turn }) => turn)]));
}

function newestRuns(kept: Kept, max: number): readonly MonitorRun[] {
  return [...kept.runs.values()].sort((a, b) => a.startedMs - b.startedMs).slice(-max);
}

function savedOf(kept: Kept, max: Parameters<Store["load"]>[0]): Persisted {
  const known = kept.events.filter(({ experiment }) => kept.experiments.has(experiment));
  const events = Map.groupBy(known.sort((a, b) => a.atMs - b.atMs), ({ experiment }) => experiment);
  for (const own of events.values()) own.splice(0, own.length - max.events);
  return {
    experiments: [...kept.experiments.values()],
    events,
    stateChanges: newestTurns(kept, max.stateChanges),
    runs: newestRuns(kept, max.runs),
    notifications: [...kept.letters.values()].sort((a, b) => a.createdMs - b.createdMs),
    alerts: new Map(kept.alerts),
    manifest: kept.manifest,
    lastMailMs: kept.lastMailMs,
    lastWebhookMs: kept.lastWebhookMs,
  };
}
