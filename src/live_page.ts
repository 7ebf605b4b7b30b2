/**
 * What open pages are told live, as pieces of HTML that take the place of others. What pieces look like is for `page`, which
 * rows are told when for `live_rows`, what is done with them for `page.js`.
 *
 * Each event has an id, `RUN-REVISION-TIME`: of a row the revision that it shows, of `top` the one up to which all has been
 * told, so that a page that comes back can say what it has; the time is the server's.
 */
import type { Channel } from "./live_channel.ts";
import { chunkOf, eventText } from "./live_event.ts";
import { Rows } from "./live_rows.ts";
import { renderExperiment, renderRow, renderTop } from "./page.tsx";
import type { PageWindow } from "./page_query.ts";
import { rowId } from "./page_words.ts";
import type { Snapshot } from "./snapshot.ts";

const freshRowsEveryMs = 5_000;
// Also the sign of life that a page waits for: a browser shows it no comments.
const topEveryMs = 10_000;
const experimentEveryMs = 1_000;

/** All experiments, with their history over `window`. */
export function createListChannel(snapshot: Snapshot, nowMs: number, window: PageWindow): Channel {
  const rows = new Rows(snapshot);
  const top = new Top(nowMs);
  let freshMs = nowMs;
  return {
    first: (now, atMs, seen) => top.first({ now, atMs, told: rows.revision }, seen),
    next(now, atMs) {
      const row = (name: string, html: string) => eventText(name, html, idOf(now, now.revision, atMs));
      const isOther = now.revision !== rows.revision;
      const { gone, changed } = isOther ? rows.changes(now) : { gone: [], changed: [] };
      const isFresh = atMs - freshMs >= freshRowsEveryMs;
      if (isFresh) freshMs = atMs;
      const texts = [
        ...gone.map((name) => row("gone", rowId(name))),
        ...[...changed, ...(isFresh ? rows.oldest(now) : [])].map((view) => row("row", renderRow(view, now, window))),
      ];
      if (isOther || top.isDue(atMs)) texts.push(top.text({ now, atMs, told: rows.revision }));
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
  const top = new Top(nowMs);
  const viewOf = (of: Snapshot) => of.experiments.find((each) => each.name === name);
  let told = { of: snapshot, atMs: nowMs, isKnown: viewOf(snapshot) !== undefined };
  return {
    first: (now, atMs, seen) => top.first({ now, atMs, told: told.of.revision }, seen),
    next(now, atMs) {
      const isDue = now !== told.of && atMs - told.atMs >= experimentEveryMs;
      if (!isDue && !top.isDue(atMs)) return null;
      const view = viewOf(now);
      const texts: string[] = [];
      if (isDue) {
        if (told.isKnown !== (view !== undefined)) texts.push(staleText(now, atMs));
        else if (view) {
          texts.push(eventText("experiment", renderExperiment(view, now, window), idOf(now, now.revision, atMs)));
        }
        told = { of: now, atMs, isKnown: view !== undefined };
      }
      return chunkOf([...texts, top.text({ now, atMs, told: told.of.revision })]);
    },
  };
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
  #first: { of: Snapshot; chunk: Uint8Array<ArrayBuffer> } | null = null;

  constructor(nowMs: number) {
    this.#sentMs = nowMs;
  }

  isDue(atMs: number): boolean {
    return atMs - this.#sentMs >= topEveryMs;
  }

  text({ now, atMs, told }: Moment): string {
    this.#first = null;
    this.#sentMs = atMs;
    return eventText("top", renderTop(now, atMs), idOf(now, told, atMs));
  }

  first({ now, atMs, told }: Moment, seen: string | null): Uint8Array<ArrayBuffer> {
    const [run, revision] = seen?.split("-") ?? [];
    if (Number(run) !== now.startedMs || !(Number(revision) >= told)) return chunkOf([staleText(now, atMs)]);
    if (this.#first?.of !== now) {
      this.#first = { of: now, chunk: chunkOf([eventText("top", renderTop(now, atMs), idOf(now, told, atMs))]) };
    }
    return this.#first.chunk;
  }
}

function staleText(now: Snapshot, atMs: number): string {
  return eventText("stale", "", idOf(now, now.revision, atMs));
}

function idOf({ startedMs }: Snapshot, revision: number, atMs: number): string {
  return `${startedMs}-${revision}-${atMs}`;
}
