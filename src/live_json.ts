/**
 * What programs are told live: the API's own objects, all at first, then those in which something but times and statistics
 * is another. An experiment that is known no more is told with `forgotten`.
 */
import { type ApiOptions, statusJson } from "./api.ts";
import { experimentText } from "./api_experiment.ts";
import { type Channel, isDue } from "./live_channel.ts";
import { chunkOf, eventText } from "./live_event.ts";
import { isSameExperiment } from "./live_same.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

// A browser's program can't see comments: this is what tells it that the connection is alive.
const statusEveryMs = 10_000;

export function createJsonChannel(snapshot: Snapshot, nowMs: number, options: ApiOptions): Channel {
  let told = snapshot;
  let statusMs = nowMs;
  let picture: { of: Snapshot; chunk: Uint8Array<ArrayBuffer> } | null = null;
  const status = (of: Snapshot, atMs: number) => eventText("status", JSON.stringify(statusJson(of, atMs)));
  const experiment = (view: ExperimentView) => eventText("experiment", experimentText(view, options));

  return {
    first(now, atMs) {
      if (picture?.of !== now) {
        picture = { of: now, chunk: chunkOf([status(now, atMs), ...now.experiments.map(experiment)]) };
      }
      return picture.chunk;
    },
    next(now, atMs) {
      if (picture?.of !== now) picture = null;
      const isOther = now.revision !== told.revision;
      if (!isOther && !isDue(statusMs, { nowMs: atMs, everyMs: statusEveryMs })) return null;
      const { gone, changed } = isOther ? difference(told, now) : { gone: [], changed: [] };
      told = now;
      statusMs = atMs;
      const forgotten = gone.map((name) => eventText("forgotten", JSON.stringify({ topic_name: name })));
      return chunkOf([...forgotten, ...changed.map(experiment), status(now, atMs)]);
    },
  };
}

function difference(was: Snapshot, now: Snapshot) {
  const before = new Map(was.experiments.map((view) => [view.name, view]));
  const changed = now.experiments.filter((view) => {
    const known = before.get(view.name);
    before.delete(view.name);
    // The turns, which follow what they tell of by a report, are not in what is told here.
    return known === undefined || !isSameExperiment(known, { ...view, turns: known.turns });
  });
  return { changed, gone: [...before.keys()] };
}
