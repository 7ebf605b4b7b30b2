/**
 * One feed as far as its reports told: what the newest holds, what an earlier one had and it has not, and which verdicts
 * stand. Values that are never changed in place. What they mean is for `health`.
 */
import type { Connection, FeedName } from "./connection.ts";
import type { Verdict } from "./health.ts";

/** Keys are topics: at jump an experiment's name, at relay a stream's topic. */
export interface Feed {
  readonly name: FeedName;
  /** When this run of the program began: what an earlier one saw has its time to show up again from then. */
  readonly startedMs: number;
  readonly newest: { readonly kind: "none" } | {
    readonly kind: "report";
    readonly atMs: number;
    readonly connections: Named;
  };
  readonly intervalMs: number | null;
  /** When it reported again after having been lost; null while it has not been lost in this run. */
  readonly backMs: number | null;
  /** What an earlier report had and the newest has not. */
  readonly left: ReadonlyMap<string, Left>;
  readonly verdicts: ReadonlyMap<string, Verdict>;
  /** How many of the newest reports in a row have contradicted the standing verdict. */
  readonly doubts: ReadonlyMap<string, number>;
}

export type Named = ReadonlyMap<string, Connection>;

export interface Left {
  /** When a report last had it. */
  readonly seenMs: number;
  /** When a report or the manifest last named it. */
  readonly namedMs: number;
  /** Null for what only an earlier run of the program saw. */
  readonly connection: Connection | null;
}

export function emptyFeed(name: FeedName, startedMs: number): Feed {
  const none = new Map<string, never>();
  const nothing = { left: none, verdicts: none, doubts: none };
  return { name, startedMs, newest: { kind: "none" }, intervalMs: null, backMs: null, ...nothing };
}

/** When a report last had `topic`, and what it said of it; null for never. */
export function lastSeen(feed: Feed, topic: string): Left | null {
  const connection = feed.newest.kind === "report" ? feed.newest.connections.get(topic) : undefined;
  if (feed.newest.kind !== "report" || !connection) return feed.left.get(topic) ?? null;
  return { seenMs: feed.newest.atMs, namedMs: feed.newest.atMs, connection };
}

/** Whether the newest report has `topic`. */
export function isNamed(feed: Feed, topic: string): boolean {
  return feed.newest.kind === "report" && feed.newest.connections.has(topic);
}

/** The topics of the newest report. */
export function topicsOf(feed: Feed): Iterable<string> {
  return feed.newest.kind === "report" ? feed.newest.connections.keys() : [];
}

/** The feed with nothing kept of topics that `isKept` does not hold for; the same object where there are none. */
export function keeping(feed: Feed, isKept: (topic: string) => boolean): Feed {
  const left = filtered(feed.left, isKept),
    verdicts = filtered(feed.verdicts, isKept),
    doubts = filtered(feed.doubts, isKept);
  if (left === feed.left && verdicts === feed.verdicts && doubts === feed.doubts) return feed;
  return { ...feed, left, verdicts, doubts };
}

function filtered<Value>(
  map: ReadonlyMap<string, Value>,
  isKept: (topic: string) => boolean,
): ReadonlyMap<string, Value> {
  const kept = [...map].filter(([topic]) => isKept(topic));
  return kept.length === map.size ? map : new Map(kept);
}
