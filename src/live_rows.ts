/**
 * Which rows of an open page are to be told of now: those in which something but times and statistics is another, and of the
 * others some in turn, so that what the reports tell anew stays true in all of them at a bounded cost. Reads no clock and
 * renders nothing.
 */
import { isSameExperiment, type Told, toldOf } from "./change_detector.ts";
import { viewsOf } from "./live_channel.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

/** Rows told of in one go: a laboratory that changes as a whole is told of bit by bit, as rendering holds up all else. */
export const changedRowsMax = 100;
/** Rows in which nothing has changed, told of in one go: all of a small laboratory. */
export const oldestRowsMax = 25;

interface Row {
  readonly told: Told;
  readonly sources: string;
  readonly atMs: number;
}

export class Rows {
  /** Up to this one everything has been told. */
  #revision: number;
  /** Of this one something has been told. */
  #begun: number;
  /** What was told of each; the one told longest ago first. */
  readonly #told = new Map<string, Row>();

  /** Made for somebody who has just seen all of `snapshot`. */
  constructor(snapshot: Snapshot) {
    this.#revision = this.#begun = snapshot.revision;
    for (const view of snapshot.experiments) this.#tell(view, snapshot);
  }

  get revision(): number {
    return this.#revision;
  }

  /** Whoever has not seen this one may miss what others have been told: `revision`, or more while a change is being told of. */
  get begun(): number {
    return this.#begun;
  }

  /** Experiments that are known no more, by name, and those that are other or new: to be asked again until `revision` is `now`'s. */
  changes(now: Snapshot): { readonly gone: readonly string[]; readonly changed: readonly ExperimentView[] } {
    const views = viewsOf(now);
    const gone = [...this.#told.keys()].filter((name) => !views.has(name));
    for (const name of gone) this.#told.delete(name);
    if (gone.length > 0) this.#begun = now.revision;

    const added = now.experiments.filter(({ name }) => !this.#told.has(name));
    const sources = sourcesOf(now);
    const other = [...this.#told].flatMap(([name, row]) => {
      const view = views.get(name)!;
      return row.sources === sources && isSameExperiment(row.told, view) ? [] : [view];
    });
    const all = [...added, ...other];
    const changed = all.slice(0, changedRowsMax);
    for (const view of changed) this.#tell(view, now);
    if (all.length === changed.length) this.#revision = now.revision;
    return { gone, changed };
  }

  /** Those told longest ago, as far as there is anything newer to tell. */
  oldest(now: Snapshot): readonly ExperimentView[] {
    const views = viewsOf(now);
    const known: ExperimentView[] = [];
    for (const [name, { atMs }] of this.#told) {
      if (known.length === oldestRowsMax) break;
      const view = views.get(name);
      if (atMs !== now.atMs && view) known.push(view);
    }
    for (const view of known) this.#tell(view, now);
    return known;
  }

  #tell(view: ExperimentView, now: Snapshot): void {
    this.#begun = now.revision;
    this.#told.delete(view.name); // so that it comes last
    this.#told.set(view.name, { told: toldOf(view), sources: sourcesOf(now), atMs: now.atMs });
  }
}

/** What rows show of the sources: whether what they told is still known. */
function sourcesOf({ feeds: { jump, relay }, book }: Snapshot): string {
  return [jump.state === "lost", relay.state === "lost", book.lastSuccessMs === null].join(" ");
}
