/**
 * The page's own words for what the Snapshot has in numbers and codes: ages, times, shares, and how a stream or a host is.
 * Pure. What is wrong with an experiment is said by `alert`.
 */
import { type Issue, issueText } from "./alerts.ts";
import { durationWords } from "./duration.ts";
import { excerpt } from "./failure.ts";
import type { Shares } from "./history.ts";
import type { SpanState } from "./persisted.ts";
import { agedMs, type ExperimentView, idleMsOf, type SeenView, type Snapshot, type StreamView } from "./snapshot.ts";
import type { FeedView } from "./system_alerts.ts";

/** A name that is safe to show: one line, cut, never empty. */
export function nameText(name: string): string {
  return excerpt(name) || "(no name)";
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
export function hostWords(host: SeenView, { feeds }: Snapshot): SeenWords {
  return seenWords(host, feeds.jump);
}

/** A stream by relay's reports, and by what listening to it found. */
export function streamWords(stream: SeenView & Partial<Pick<StreamView, "probe">>, { feeds }: Snapshot): SeenWords {
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

function seenWords(seen: SeenView, feed: FeedView): SeenWords {
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
  return excerpt(issueText("topic" in issue ? { ...issue, topic: ownTopic(issue.topic, name) } : issue));
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
