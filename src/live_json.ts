/**
 * What programs are told live: the API's own objects, all at first, then those in which something but times and statistics
 * is another. An experiment that is known no more is told with `forgotten`.
 */
import { type ApiOptions, statusJson } from "./api.ts";
import { keptMs } from "./api_body.ts";
import { experimentText } from "./api_experiment.ts";
import { Body } from "./body.ts";
import { type Channel, isDue, viewsOf } from "./live_channel.ts";
import { chunkOf, jsonEventText } from "./live_event.ts";
import { isSameButTurns } from "./live_same.ts";
import { pauseForReaders } from "./pause.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

// A browser's program can't see comments: this is what tells it that the connection is alive.
const statusEveryMs = 10_000;

interface Picture {
  readonly revision: number;
  readonly atMs: number;
  readonly body: Promise<Body>;
}

export function createJsonChannel(snapshot: Snapshot, nowMs: number, options: ApiOptions): Channel {
  let told = snapshot;
  let statusMs = nowMs;
  let picture: Picture | null = null;
  const status = (of: Snapshot, atMs: number) => jsonEventText("status", JSON.stringify(statusJson(of, atMs)));
  const experiment = (view: ExperimentView) => jsonEventText("experiment", experimentText(view, options));

  function* whole(of: Snapshot, atMs: number) {
    yield status(of, atMs);
    for (const view of of.experiments) yield experiment(view);
  }

  return {
    first(now, atMs) {
      if (picture?.revision !== now.revision || isDue(picture.atMs, { nowMs: atMs, everyMs: keptMs })) {
        const body = Body.made(whole(now, atMs), pauseForReaders);
        const mine = picture = { revision: now.revision, atMs, body };
        body.catch(() => picture === mine && (picture = null)); // who waits for it is told why
      }
      return picture.body;
    },
    next(now, atMs) {
      if (picture !== null && isDue(picture.atMs, { nowMs: atMs, everyMs: keptMs })) picture = null;
      const isOther = now.revision !== told.revision;
      if (!isOther && !isDue(statusMs, { nowMs: atMs, everyMs: statusEveryMs })) return null;
      const { gone, changed } = isOther ? difference(told, now) : { gone: [], changed: [] };
      told = now;
      statusMs = atMs;
      const forgotten = gone.map((name) => jsonEventText("forgotten", JSON.stringify({ topic_name: name })));
      return chunkOf([...forgotten, ...changed.map(experiment), status(now, atMs)]);
    },
  };
}

function difference(was: Snapshot, now: Snapshot) {
  const [before, after] = [viewsOf(was), viewsOf(now)];
  const changed = now.experiments.filter((view) => {
    const known = before.get(view.name);
    // The turns, which follow what they tell of by a report, are not in what is told here.
    return known === undefined || !isSameButTurns(known, view);
  });
  return { changed, gone: [...before.keys()].filter((name) => !after.has(name)) };
}
