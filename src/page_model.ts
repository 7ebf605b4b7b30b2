/**
 * Which experiments need attention, which a reader asked to see, and in which order. Pure.
 *
 * In trouble, so needing attention, is an experiment
 * - that has issues, as last judged: just what a mail lists as a problem, whether or not its source is lost since;
 * - or whose required streams work, and which book still does not offer a moment later, though no person holds it: book is
 *   not to be reached, does not take the change, or nothing is written to it (BOOK_WRITES=off). Students could use it and can't.
 * One that is starting, unknown or held is not in trouble for that, nor one that book does not list for not being offered.
 */
import { type Issue, issueText } from "./alerts.ts";
import { durationWords } from "./duration.ts";
import { sanitize } from "./failure.ts";
import type { Shares } from "./history.ts";
import type { SpanState } from "./persisted.ts";
import { agedMs, type ExperimentView, idleMsOf, type Snapshot, type StreamView, type TopicView } from "./snapshot.ts";
import type { FeedView } from "./system_alerts.ts";

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
  return words.map(sanitize).join(" ").trim().toLowerCase();
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

/*
 * What a reader asked the page for, as its address has it: what is there is checked, what is not or is nonsense is the
 * default, and defaults are left out of links. Pure. What is then shown is for `page_list` and `page`.
 */

export type PageWindow = "24h" | "7d" | "30d";
export type PageShow = "all" | "trouble" | "unavailable" | "held" | "extra";
export type PageOrder = "trouble" | "name" | "since";
export type PageView = "list" | "wall";
export type PageTheme = "system" | "light" | "dark";
export type PageRows = "first" | "all";

export interface PageQuery {
  /** The name of the one experiment that is asked for; null for the list. */
  readonly experiment: string | null;
  /** What is searched for, in any case; empty for nothing. */
  readonly q: string;
  readonly show: PageShow;
  readonly order: PageOrder;
  readonly window: PageWindow;
  readonly view: PageView;
  readonly theme: PageTheme;
  /** Which of those that are asked for are listed, where there are more than `rowsMax` and a rest worth the name. */
  readonly rows: PageRows;
}

/** Experiments in the list unless all are asked for: nobody reads more, and whoever only looks in would wait for them. */
export const rowsMax = 1_000;
/** A rest of fewer is listed, too: nobody should have to ask for the last one. */
export const restMin = 100;

/** Each choice of the page; the first is the default. */
export const choices = {
  show: ["all", "trouble", "unavailable", "held", "extra"],
  order: ["trouble", "name", "since"],
  window: ["24h", "7d", "30d"],
  view: ["list", "wall"],
  theme: ["system", "light", "dark"],
  rows: ["first", "all"],
} as const satisfies { [Key in keyof PageQuery]?: readonly PageQuery[Key][] };

/** Longer words match nothing anyway; what is searched has no control characters either. */
const searchLengthMax = 200;

export function readQuery(params: URLSearchParams): PageQuery {
  return {
    experiment: params.get("experiment") || null,
    q: sanitize((params.get("q") ?? "").slice(0, searchLengthMax)),
    show: chosen("show", params),
    order: chosen("order", params),
    window: chosen("window", params),
    view: chosen("view", params),
    theme: chosen("theme", params),
    rows: chosen("rows", params),
  };
}

/** The relative address of the page that `query` asks for: `?` and what is not the default. */
export function linkTo(query: Partial<PageQuery>): string {
  const params = new URLSearchParams();
  if (query.experiment) params.set("experiment", query.experiment);
  if (query.q) params.set("q", query.q);
  for (const [key, [usual]] of Object.entries(choices) as [keyof typeof choices, readonly string[]][]) {
    const value = query[key];
    if (value !== undefined && value !== usual) params.set(key, value);
  }
  return `?${params}`;
}

export const windowMs: Readonly<Record<PageWindow, number>> = {
  "24h": 86_400_000,
  "7d": 7 * 86_400_000,
  "30d": 30 * 86_400_000,
};

export const windowWords: Readonly<Record<PageWindow, string>> = {
  "24h": "24 hours",
  "7d": "7 days",
  "30d": "30 days",
};

function chosen<Key extends keyof typeof choices>(key: Key, params: URLSearchParams): (typeof choices)[Key][number] {
  const values: readonly (typeof choices)[Key][number][] = choices[key];
  return values.find((value) => value === params.get(key)) ?? choices[key][0];
}

/*
 * The page's own words for what the Snapshot has in numbers and codes: ages, times, shares, and how a stream or a host is.
 * Pure. What is wrong with an experiment is said by `alert`.
 */

/** A name that is safe to show: one line, cut, never empty. */
export function nameText(name: string): string {
  return sanitize(name) || "(no name)";
}

/** The id of an experiment's row. */
export function rowId(name: string): string {
  return `e-${encodeURIComponent(name.toWellFormed())}`;
}

/** `22 Nov 2026, 20:31:14 UTC`. */
export function timeWords(atMs: number): string {
  const { day, month, year, minutes, at } = partsOf(atMs);
  return `${day} ${month} ${year}, ${minutes}:${twoDigits(at.getUTCSeconds())} UTC`;
}

/** `22 Nov, 20:31 UTC`: beside an age, which says the rest. */
export function shortTimeWords(atMs: number): string {
  const { day, month, minutes } = partsOf(atMs);
  return `${day} ${month}, ${minutes} UTC`;
}

function partsOf(atMs: number) {
  const at = new Date(atMs);
  const minutes = `${twoDigits(at.getUTCHours())}:${twoDigits(at.getUTCMinutes())}`;
  return { year: at.getUTCFullYear(), month: months[at.getUTCMonth()], day: at.getUTCDate(), minutes, at };
}

function twoDigits(number: number): string {
  return number < 10 ? `0${number}` : String(number);
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** An instant as a service wrote it; year 1 (jump) and 1970 (relay) stand for never: null. */
export function serviceTimeMs(text: string): number | null {
  const ms = Date.parse(text);
  return Number.isNaN(ms) || ms <= 0 ? null : ms;
}

/** A duration; below 10 s to the tenth, as that is what tells a lively stream: `0.3 s`, `12 s`, `4 min`. */
export function ageWords(ms: number): string {
  return ms < 9_950 ? `${(Math.max(ms, 0) / 1_000).toFixed(1)} s` : durationWords(ms);
}

/** A part of 1, never rounded to all or to nothing: `100 %` is every millisecond, `under 0.1 %` is not none. */
export function shareWords(share: number): string {
  if (share > 0 && share < 0.001) return "under 0.1 %";
  return `${Math.floor(share * 1_000 + 1e-9) / 10} %`;
}

/**
 * `healthy 98.2 %, available 99.9 %`: shares of the time in which that was known. Where this was not all of it, how much it
 * was: `healthy 98.2 %, available 99.9 % of the 60 % watched`, `healthy 98.2 % of the 5 % known, available 100 %`.
 */
export function sharesText({ watched, known, healthy, available }: Shares, isInBook: boolean): string {
  if (watched === 0) return "not watched";
  const ofWatched = watched < 1 ? ` of the ${shareWords(watched)} watched` : "";
  const isAllKnown = known > 0 && watched - known < startingMax;
  const ofKnown = isAllKnown ? (isInBook ? "" : ofWatched) : ` of the ${shareWords(known)} known`;
  const health = known === 0 ? "health not known" : `healthy ${shareWords(healthy / known)}${ofKnown}`;
  return isInBook ? `${health}, available ${shareWords(available / watched)}${ofWatched}` : health;
}

/** Every run begins with a moment in which nothing is known yet: so little of the time is not worth telling. */
const startingMax = 0.001;

export const stateWords: Readonly<Record<SpanState, string>> = {
  healthy: "healthy",
  unhealthy: "unhealthy",
  starting: "starting",
  unknown: "unknown",
  not_watched: "not watched",
};

/** How a stream or a host is, as a shape and in words. */
export interface SeenWords {
  readonly mark: "healthy" | "unhealthy" | "unknown";
  readonly words: string;
  /** Since when, where the words end in `for`, and the time goes on. */
  readonly sinceMs: number | null;
}

/** A host by jump's reports. */
export function hostWords(host: TopicView, { feeds }: Snapshot): SeenWords {
  return seenWords(host, feeds.jump);
}

/** A stream by relay's reports, and by what listening to it found. */
export function streamWords(stream: TopicView & Partial<Pick<StreamView, "probe">>, { feeds }: Snapshot): SeenWords {
  const said = seenWords(stream, feeds.relay), { probe = null } = stream;
  const isThere = said.mark !== "unknown" && stream.verdict !== "missing";
  if (probe !== null && !probe.heard && isThere) {
    const { sinceMs, atMs } = probe;
    return {
      mark: said.mark,
      ...lasting(`${connected} but nothing heard for`, { sinceMs, agedMs: atMs - sinceMs }, feeds.relay),
    };
  }
  if (said.words !== connected) return said;
  return { ...said, words: probe === null ? `${connected}; relay gives no statistics` : `${connected}, and heard` };
}

const connected = "connected";

function seenWords(seen: TopicView, feed: FeedView): SeenWords {
  const { verdict, seenMs, connection } = seen;
  if (feed.state === "lost") {
    return { mark: "unknown", words: seenMs === null ? "not known" : "not known for", sinceMs: seenMs };
  }
  const mark = verdict === null ? "unknown" : verdict === "ok" ? "healthy" : "unhealthy";
  if (connection === null || seenMs === null || verdict === "missing") {
    // An earlier run's verdict stands until this one knows better.
    if (verdict !== "missing") return { mark: "unknown", words: "not known yet", sinceMs: null };
    if (seenMs === null) return { mark, words: "not reported", sinceMs: null };
    return { mark, ...lasting("not reported for", { sinceMs: seenMs, agedMs: agedMs(seenMs, feed) }, feed) };
  }
  if (connection.stats === null) return { mark, words: connected, sinceMs: null };
  const idleMs = idleMsOf(seen, feed);
  if (idleMs === null) return { mark, words: "never sent anything", sinceMs: null };
  if (verdict !== "unhealthy") return { mark, words: `sent ${ageWords(idleMs)} ago`, sinceMs: null };
  return { mark, ...lasting("silent for", { sinceMs: seenMs - idleMs + agedMs(seenMs, feed), agedMs: idleMs }, feed) };
}

/** A time that goes on, but for that of a feed that is late: nothing of it ages. */
function lasting(words: string, { sinceMs, agedMs }: { sinceMs: number; agedMs: number }, { state }: FeedView) {
  return state === "late" ? { words: `${words} ${durationWords(agedMs)}`, sinceMs: null } : { words, sinceMs };
}

/** An issue within its experiment's own row: the stream without the experiment's name. */
export function ownIssueText(issue: Issue, name: string): string {
  return sanitize(issueText("topic" in issue ? { ...issue, topic: ownTopic(issue.topic, name) } : issue));
}

/** `st-data` of `pend00-st-data`, for `pend00`. */
export function ownTopic(topic: string, name: string): string {
  return topic.startsWith(`${name}-`) && topic.length > name.length + 1 ? topic.slice(name.length + 1) : topic;
}

/** All that a change of an experiment is worth saying: `pend00: unhealthy, missing jump`. */
export function changeText(view: ExperimentView): string {
  const issues = view.issues.map((issue) => ownIssueText(issue, view.name));
  return `${nameText(view.name)}: ${[stateWords[view.state], ...issues].join(", ")}`;
}

/** `1 experiment`, `14 experiments`, `3 entries`. */
export function counted(count: number, thing: string, things = `${thing}s`): string {
  return `${count} ${count === 1 ? thing : things}`;
}
