/**
 * The store that keeps nothing beyond the run: for a trial, for tests, and where no file can be written. It takes and
 * gives what the durable one does; one suite of tests holds for both.
 */
import type { AlertCode, HealthEvent, Letter, SystemAlert } from "./alert.ts";
import type { Change, Saved, SavedExperiment, SavedManifest, Store } from "./store.ts";
import { checked } from "./store_values.ts";

/** What limits the history here besides its age, since it takes memory (some 25 MB): the first recorded go first. */
export const memoryEventsMax = 50_000;

export function createMemoryStore(): Store {
  const kept: Kept = {
    experiments: new Map(),
    events: [],
    letters: new Map(),
    alerts: new Map(),
    manifest: null,
    lastMailMs: null,
  };
  return {
    kind: "memory",
    load: (eventsMax) => Promise.try(() => savedOf(kept, eventsMax)),
    record: (changes) =>
      Promise.try(() => {
        for (const change of checked(changes)) apply(change, kept);
        if (kept.events.length > memoryEventsMax) kept.events = kept.events.slice(-memoryEventsMax);
      }),
    prune: (beforeMs) =>
      Promise.try(() => {
        kept.events = kept.events.filter(({ atMs }) => atMs >= beforeMs);
      }),
    close: () => Promise.resolve(),
  };
}

/** Members of maps stand in the order in which they were first recorded, events in that of their recording. */
interface Kept {
  readonly experiments: Map<string, SavedExperiment>;
  events: HealthEvent[];
  readonly letters: Map<string, Letter>;
  readonly alerts: Map<AlertCode, SystemAlert>;
  manifest: SavedManifest | null;
  lastMailMs: number | null;
}

function apply(change: Change, kept: Kept): void {
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
    case "letter":
      kept.letters.set(change.letter.id, change.letter);
      return;
    case "letter-sent":
      kept.letters.delete(change.id);
      kept.lastMailMs = change.atMs;
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

function savedOf(kept: Kept, eventsMax: number): Saved {
  const known = kept.events.filter(({ experiment }) => kept.experiments.has(experiment));
  const byExperiment = Map.groupBy(known.sort((a, b) => a.atMs - b.atMs), ({ experiment }) => experiment);
  for (const events of byExperiment.values()) events.splice(0, events.length - eventsMax);
  return {
    experiments: [...kept.experiments.values()],
    events: byExperiment,
    letters: [...kept.letters.values()].sort((a, b) => a.createdMs - b.createdMs),
    alerts: new Map(kept.alerts),
    manifest: kept.manifest,
    lastMailMs: kept.lastMailMs,
  };
}
