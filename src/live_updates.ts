/**
 * What programs are told live: the API's own objects, all at first, then those in which something but times and statistics
 * is another, some hundred at a time. An experiment that is known no more is told with `forgotten`.
 */
import { type ApiOptions, experimentText, statusJson } from "./api.ts";
import { yieldForReaders } from "./async.ts";
import { isSameButTurns, isSameExperiment, type Shown, shownOf } from "./change_detector.ts";
import { renderExperiment } from "./page_experiment.tsx";
import { renderTop } from "./page_header.tsx";
import { renderRow } from "./page_list.tsx";
import { type PageWindow, readQuery, rowId } from "./page_model.ts";
import { EncodedBody, isDue, keptMs, type Piece } from "./response_cache.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";
import {
  chunkOf,
  eventText,
  jsonEventText,
  type Live,
  type LiveChannel,
  type LivePorts,
  Streams,
  viewsOf,
} from "./sse.ts";

// A browser's program can't see comments: this is what tells it that the connection is alive.
const statusEveryMs = 10_000;

/** Told of in one go, which holds up all else for some milliseconds: a laboratory that changes as a whole is told of bit by bit. */
export const changedMax = 200;

interface Picture {
  readonly revision: number;
  readonly atMs: number;
  readonly body: Promise<EncodedBody>;
}

export function createJsonChannel(snapshot: Snapshot, nowMs: number, options: ApiOptions): LiveChannel {
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
        const body = EncodedBody.made(whole(now, atMs), yieldForReaders);
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

/*
 * What open pages are told live, as pieces of HTML that take the place of others. What pieces look like is for `page`, which
 * rows are told when for `live_rows`, what is done with them for `page.js`.
 *
 * Each event has an id, `RUN-REVISION-TIME`: of a row the revision that it shows, of `top` the one up to which all has been
 * told, so that a page that comes back can say what it has; the time is the server's.
 */

const freshEveryMs = 5_000;
// Also the sign of life that a page waits for: a browser shows it no comments.
const topEveryMs = 10_000;
// A list of a thousand problems is in it: while all changes it must not take all that a reader can be sent.
const topBytesPerMs = 32;

/** All experiments, with their history over `window`. */
export function createListChannel(snapshot: Snapshot, nowMs: number, window: PageWindow): LiveChannel {
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
): LiveChannel {
  const top = new Top(snapshot, nowMs);
  const sayingOf = (of: Snapshot, atMs: number): Saying => {
    const view = viewsOf(of).get(name);
    return { revision: of.revision, snapshotMs: of.atMs, told: view ? shownOf(view) : null, atMs };
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
  readonly told: Shown | null;
  readonly atMs: number;
}

function isNews(was: Shown | null, now: ExperimentView | undefined): boolean {
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

/*
 * Which rows of an open page are to be told of now: those in which something but times and statistics is another, and of the
 * others some in turn, so that what the reports tell anew stays true in all of them at a bounded cost. Reads no clock and
 * renders nothing.
 */

/** Rows told of in one go: a laboratory that changes as a whole is told of bit by bit, as rendering holds up all else. */
export const changedRowsMax = 100;
/** Rows in which nothing has changed, told of in one go: all of a small laboratory. */
export const oldestRowsMax = 25;

interface Row {
  readonly told: Shown;
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
    this.#told.set(view.name, { told: shownOf(view), sources: sourcesOf(now), atMs: now.atMs });
  }
}

/** What rows show of the sources: whether what they told is still known. */
function sourcesOf({ feeds: { jump, relay }, book }: Snapshot): string {
  return [jump.state === "lost", relay.state === "lost", book.lastSuccessMs === null].join(" ");
}

/** The event streams of `GET /api/v1/live`. */
export function createLive(ports: LivePorts, options: ApiOptions): Live {
  return new Streams(ports, (params) => asked(params, options));
}

/** Which channel is asked for, and how it is made. */
function asked(params: URLSearchParams, options: ApiOptions) {
  const { window } = readQuery(params);
  const name = params.get("experiment");
  const page = params.get("page");
  if (page === "list") {
    const create = (snapshot: Snapshot, nowMs: number) => createListChannel(snapshot, nowMs, window);
    return { key: `list ${window}`, create };
  }
  if (page === "experiment" && name !== null) {
    const create = (snapshot: Snapshot, nowMs: number) => createExperimentChannel(snapshot, nowMs, { name, window });
    return { key: `experiment ${window} ${name}`, create };
  }
  return { key: "json", create: (snapshot: Snapshot, nowMs: number) => createJsonChannel(snapshot, nowMs, options) };
}
