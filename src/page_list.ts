/**
 * Which experiments need attention, which a reader asked to see, and in which order. Pure.
 *
 * In trouble, so needing attention, is an experiment
 * - that has issues, as last judged: just what a mail lists as a problem, whether or not its source is lost since;
 * - or whose required streams work, and which book still does not offer a moment later, though no person holds it: book is
 *   not to be reached, does not take the change, or nothing is written to it (BOOK_WRITES=off). Students could use it and can't.
 * One that is starting, unknown or held is not in trouble for that, nor one that book does not list for not being offered.
 */
import { issueText } from "./alerts.ts";
import { excerpt } from "./failure.ts";
import type { PageOrder, PageQuery, PageShow } from "./page_query.ts";
import { nameText } from "./page_words.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

export type Tag = Exclude<PageShow, "all">;

// To make it available takes a few requests: until they are answered nothing is wrong.
const settlingMs = 5_000;

/** `extra`: book does not list it. `unavailable`: book lists it, and does not offer it. */
export function tagsOf(view: ExperimentView, snapshot: Pick<Snapshot, "book" | "atMs">): readonly Tag[] {
  const tags: Tag[] = [];
  if (isInTrouble(view, snapshot)) tags.push("trouble");
  if (isUnavailable(view)) tags.push("unavailable");
  if (view.held !== null) tags.push("held");
  if (isExtra(view)) tags.push("extra");
  return tags;
}

/** Asked of all experiments, several times for a page. */
export function isInTrouble(view: ExperimentView, snapshot: Pick<Snapshot, "book" | "atMs">): boolean {
  return hasIssues(view) || isStranded(view, snapshot);
}

function isStranded(view: ExperimentView, { book, atMs }: Pick<Snapshot, "book" | "atMs">): boolean {
  if (!isUnavailable(view) || view.wanted !== true || view.held !== null) return false;
  const hasSaid = book.lastSuccessMs !== null; // before, "not available" only means that book has not been asked
  return hasSaid && atMs - (view.turns.at(-1)?.atMs ?? view.sinceMs) >= settlingMs;
}

function isUnavailable(view: ExperimentView): boolean {
  return !isExtra(view) && !view.available;
}

function isExtra({ resources }: ExperimentView): boolean {
  return resources.length === 0;
}

/** How many experiments each choice of `show` has. */
export function countsOf(snapshot: Snapshot): Readonly<Record<PageShow, number>> {
  const counts = { all: 0, trouble: 0, unavailable: 0, held: 0, extra: 0 };
  for (const view of snapshot.experiments) {
    counts.all++;
    for (const tag of tagsOf(view, snapshot)) counts[tag]++;
  }
  return counts;
}

/** 0 in trouble, 1 not known to be well, 2 well: the order "trouble", and after it the name. */
export function rankOf(view: ExperimentView, snapshot: Pick<Snapshot, "book" | "atMs">): number {
  if (isInTrouble(view, snapshot)) return 0;
  return view.state === "healthy" ? 2 : 1;
}

/** What `q` is looked for in, in lower case: names, state, what is wrong. */
export function searchText(view: ExperimentView): string {
  const words = [
    view.name,
    ...view.resources,
    ...view.streams.map(({ topic }) => topic),
    view.state,
    ...view.issues.map(issueText),
    view.held === null ? "" : `held ${view.held}`,
  ];
  return words.map(excerpt).join(" ").trim().toLowerCase();
}

export function isShown(view: ExperimentView, snapshot: Snapshot, { q, show }: PageQuery): boolean {
  if (show !== "all" && !tagsOf(view, snapshot).includes(show)) return false;
  return q === "" || searchText(view).includes(q.toLowerCase());
}

/** The experiments in the order asked for; `since`: the newest change first. */
export function ordered(
  snapshot: Pick<Snapshot, "experiments" | "book" | "atMs">,
  order: PageOrder,
): readonly ExperimentView[] {
  const ranked = snapshot.experiments.map((view) => ({
    view,
    name: nameText(view.name),
    rank: rankOf(view, snapshot),
  }));
  const byName = (a: typeof ranked[number], b: typeof ranked[number]) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  const orders: Record<PageOrder, (a: typeof ranked[number], b: typeof ranked[number]) => number> = {
    trouble: (a, b) => a.rank - b.rank || byName(a, b),
    name: byName,
    since: (a, b) => b.view.sinceMs - a.view.sinceMs || byName(a, b),
  };
  return ranked.sort(orders[order]).map(({ view }) => view);
}

function hasIssues({ judged, issues }: ExperimentView): boolean {
  return judged && issues.length > 0;
}
