/**
 * What open pages are told live, as pieces of HTML that take the place of others. What pieces look like is for `page`, which
 * rows are told when for `live_rows`, what is done with them for `page.js`.
 *
 * Each event has an id, `RUN-REVISION-TIME`: of a row the revision that it shows, of `top` the one up to which all has been
 * told, so that a page that comes back can say what it has; the time is the server's.
 */
import type { Piece } from "./body.ts";
import { isSameExperiment, type Told, toldOf } from "./change_detector.ts";
import { type Channel, isDue, viewsOf } from "./live_channel.ts";
import { chunkOf, eventText } from "./live_event.ts";
import { Rows } from "./live_rows.ts";
import { renderExperiment, renderRow, renderTop } from "./page.tsx";
import type { PageWindow } from "./page_query.ts";
import { rowId } from "./page_words.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

const freshEveryMs = 5_000;
// Also the sign of life that a page waits for: a browser shows it no comments.
const topEveryMs = 10_000;
// A list of a thousand problems is in it: while all changes it must not take all that a reader can be sent.
const topBytesPerMs = 32;

/** All experiments, with their history over `window`. */
export function createListChannel(snapshot: Snapshot, nowMs: number, window: PageWindow): Channel {
  const rows = new Rows(snapshot);
  const top = new Top(snapshot, nowMs);
  let freshMs = nowMs;
  return {
    first: (now, atMs, seen) => top.first({ now, atMs, told: rows.revision }, { seen, needed: rows.begun }),
    next(now, atMs) {
      const row = (name: string, html: string) => eventText(name, html, idOf(now, now.revision, atMs));
      const { gone, changed } = now.revision === rows.revision ? { gone: [], changed: [] } : rows.changes(now);
      const isFresh = isDue(freshMs, { nowMs: atMs, everyMs: freshEveryMs });
      if (isFresh) freshMs = atMs;
      const texts = [
        ...gone.map((name) => row("gone", rowId(name))),
        ...[...changed, ...(isFresh ? rows.oldest(now) : [])].map((view) => row("row", renderRow(view, now, window))),
      ];
      const moment = { now, atMs, told: rows.revision };
      if (top.isDue(moment)) texts.push(top.text(moment));
      return texts.length === 0 ? null : chunkOf(texts);
    },
  };
}

/** One experiment, known or not. */
export function createExperimentChannel(
  snapshot: Snapshot,
  nowMs: number,
  { name, window }: { readonly name: string; readonly window: PageWindow },
): Channel {
  const top = new Top(snapshot, nowMs);
  const sayingOf = (of: Snapshot, atMs: number): Saying => {
    const view = viewsOf(of).get(name);
    return { revision: of.revision, snapshotMs: of.atMs, told: view ? toldOf(view) : null, atMs };
  };
  let said = sayingOf(snapshot, nowMs);
  return {
    first: (now, atMs, seen) => {
      return top.first({ now, atMs, told: said.revision }, { seen, needed: said.revision });
    },
    next(now, atMs) {
      const view = viewsOf(now).get(name);
      const isFresh = isDue(said.atMs, { nowMs: atMs, everyMs: freshEveryMs });
      const isOther = now.atMs !== said.snapshotMs || now.revision !== said.revision;
      const texts: string[] = [];
      if (isOther && (isFresh || isNews(said.told, view))) {
        if ((said.told === null) !== (view === undefined)) texts.push(staleText(now, atMs));
        else if (view) {
          texts.push(eventText("experiment", renderExperiment(view, now, window), idOf(now, now.revision, atMs)));
        }
        said = sayingOf(now, atMs);
      }
      const moment = { now, atMs, told: said.revision };
      if (top.isDue(moment)) texts.push(top.text(moment));
      return texts.length === 0 ? null : chunkOf(texts);
    },
  };
}

/** What was last told of one experiment, and of which Snapshot: all of that would be kept with it. */
interface Saying {
  readonly revision: number;
  readonly snapshotMs: number;
  readonly told: Told | null;
  readonly atMs: number;
}

function isNews(was: Told | null, now: ExperimentView | undefined): boolean {
  return was === null || now === undefined ? (was === null) !== (now === undefined) : !isSameExperiment(was, now);
}

interface Moment {
  readonly now: Snapshot;
  readonly atMs: number;
  /** The revision up to which all has been told. */
  readonly told: number;
}

/** The event `top`, or `stale` for one who has missed something: the same piece for all who come between two reports. */
class Top {
  #sentMs: number;
  #sent: { readonly revision: number; readonly told: number; readonly bytes: number };
  #first: { readonly revision: number; readonly snapshotMs: number; readonly chunk: Piece } | null = null;

  /** For somebody who has just seen all of `snapshot`. */
  constructor({ revision }: Snapshot, nowMs: number) {
    this.#sentMs = nowMs;
    this.#sent = { revision, told: revision, bytes: 0 };
  }

  /** Of a change at once, or as soon as the last has had its time; else now and then. */
  isDue({ now, atMs, told }: Moment): boolean {
    const isOther = this.#sent.revision !== now.revision || this.#sent.told !== told;
    const everyMs = isOther ? Math.min(this.#sent.bytes / topBytesPerMs, topEveryMs) : topEveryMs;
    return isDue(this.#sentMs, { nowMs: atMs, everyMs });
  }

  text({ now, atMs, told }: Moment): string {
    this.#first = null;
    this.#sentMs = atMs;
    const html = topOf(now, atMs);
    this.#sent = { revision: now.revision, told, bytes: html.length };
    return eventText("top", html, idOf(now, told, atMs));
  }

  /** `seen`: the id that the page has; `needed`: the revision that it must have seen to miss nothing. */
  first(
    { now, atMs, told }: Moment,
    { seen, needed }: { seen: string | null; needed: number },
  ): Piece {
    const [run, revision] = seen?.split("-") ?? [];
    if (Number(run) !== now.startedMs || !(Number(revision) >= needed)) return chunkOf([staleText(now, atMs)]);
    const { revision: toldRevision, atMs: snapshotMs } = now;
    if (this.#first?.revision !== toldRevision || this.#first.snapshotMs !== snapshotMs) {
      const chunk = chunkOf([eventText("top", topOf(now, atMs), idOf(now, told, atMs))]);
      this.#first = { revision: toldRevision, snapshotMs, chunk };
    }
    return this.#first.chunk;
  }
}

/** The same for all channels that are told at one time: of each open experiment there is one. */
function topOf(now: Snapshot, atMs: number): string {
  let made = tops.get(now);
  if (made?.atMs !== atMs) tops.set(now, made = { atMs, html: renderTop(now, atMs) });
  return made.html;
}

const tops = new WeakMap<Snapshot, { readonly atMs: number; readonly html: string }>();

function staleText(now: Snapshot, atMs: number): string {
  return eventText("stale", "", idOf(now, now.revision, atMs));
}

function idOf({ startedMs }: Snapshot, revision: number, atMs: number): string {
  return `${startedMs}-${revision}-${atMs}`;
}
