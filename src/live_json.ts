/**
 * What programs are told live: the API's own objects, all at first, then those in which something but times and statistics
 * is another, some hundred at a time. An experiment that is known no more is told with `forgotten`.
 */
import { type ApiOptions, statusJson } from "./api.ts";
import { keptMs } from "./api_body.ts";
import { experimentText } from "./api_experiment.ts";
import { pauseForReaders } from "./async.ts";
import { Body } from "./body.ts";
import { isSameButTurns } from "./change_detector.ts";
import { type Channel, isDue, viewsOf } from "./live_channel.ts";
import { chunkOf, jsonEventText } from "./live_event.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

// A browser's program can't see comments: this is what tells it that the connection is alive.
const statusEveryMs = 10_000;

/** Told of in one go, which holds up all else for some milliseconds: a laboratory that changes as a whole is told of bit by bit. */
export const changedMax = 200;

interface Picture {
  readonly revision: number;
  readonly atMs: number;
  readonly body: Promise<Body>;
}

export function createJsonChannel(snapshot: Snapshot, nowMs: number, options: ApiOptions): Channel {
  const changes = new Changes(snapshot);
  let told = { revision: snapshot.revision, atMs: nowMs };
  let picture: Picture | null = null;
  const status = (of: Snapshot, atMs: number) => jsonEventText("status", JSON.stringify(statusJson(of, atMs)));
  const experiment = (view: ExperimentView) => jsonEventText("experiment", experimentText(view, options));
  const saying = (name: string, view: ExperimentView | undefined) =>
    view ? experiment(view) : jsonEventText("forgotten", JSON.stringify({ topic_name: name }));

  function* whole(of: Snapshot, atMs: number) {
    yield status(of, atMs);
    for (const view of of.experiments) yield experiment(view);
  }

  return {
    first(now, atMs) {
      changes.look(now); // or who has this picture would miss what is then again as it was before
      if (picture?.revision !== now.revision || isDue(picture.atMs, { nowMs: atMs, everyMs: keptMs })) {
        const body = Body.made(whole(now, atMs), pauseForReaders);
        const mine = picture = { revision: now.revision, atMs, body };
        body.catch(() => picture === mine && (picture = null)); // who waits for it is told why
      }
      return picture.body;
    },
    next(now, atMs) {
      if (picture !== null && isDue(picture.atMs, { nowMs: atMs, everyMs: keptMs })) picture = null;
      changes.look(now);
      const names = changes.take();
      const isOther = names.length > 0 || now.revision !== told.revision;
      if (!isOther && !isDue(told.atMs, { nowMs: atMs, everyMs: statusEveryMs })) return null;
      told = { revision: now.revision, atMs };
      const views = viewsOf(now);
      return chunkOf([...names.map((name) => saying(name, views.get(name))), status(now, atMs)]);
    },
  };
}

/** Which experiments are to be told of: what all who listen have been told may be another by now. */
class Changes {
  #seen: Snapshot;
  /** By name, in the order in which they are told; one that changes again meanwhile keeps its place. */
  readonly #due = new Set<string>();

  constructor(seen: Snapshot) {
    this.#seen = seen;
  }

  look(now: Snapshot): void {
    if (now.revision === this.#seen.revision) return;
    const [before, after] = [viewsOf(this.#seen), viewsOf(now)];
    for (const name of before.keys()) if (!after.has(name)) this.#due.add(name);
    for (const view of now.experiments) {
      const known = before.get(view.name);
      // The turns, which follow what they tell of by a report, are not in what is told here.
      if (known === undefined || !isSameButTurns(known, view)) this.#due.add(view.name);
    }
    this.#seen = now;
  }

  /** The next of them. */
  take(): readonly string[] {
    const names = [...this.#due.values().take(changedMax)];
    for (const name of names) this.#due.delete(name);
    return names;
  }
}
