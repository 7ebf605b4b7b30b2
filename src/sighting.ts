/**
 * One feed as far as its reports told: what the newest holds, what an earlier one had and it has not, and which verdicts
 * stand; and what listening to its streams found. Values that are never changed in place. What they mean is for `health`.
 */
import type { Verdict } from "./health.ts";
import { type Connection, type ConnectionTable, type FeedName, noConnections } from "./report.ts";

/** Keys are topics: at jump an experiment's name, at relay a stream's topic. */
export interface Feed {
  readonly name: FeedName;
  /** When this run of the program began: what an earlier one saw has its time to show up again from then. */
  readonly startedMs: number;
  readonly newest: { readonly kind: "none" } | {
    readonly kind: "report";
    readonly atMs: number;
    readonly connections: ConnectionTable;
  };
  readonly intervalMs: number | null;
  /** When it reported again after having been lost; null while it has not been lost in this run. */
  readonly backMs: number | null;
  /** What an earlier report had and the newest has not. */
  readonly left: ReadonlyMap<string, Left>;
  readonly verdicts: ReadonlyMap<string, Verdict>;
  /** How many of the newest reports in a row have contradicted the standing verdict. */
  readonly doubts: ReadonlyMap<string, number>;
  /** What listening last found, of connections that the newest report has, of streams that are listened to. */
  readonly findings: ReadonlyMap<string, Finding>;
}

/** What listening to one connection of a stream found. It holds for no other connection: a new one may be well. */
export interface Finding {
  /** Which it is, by when it connected, as relay wrote it. */
  readonly connected: string;
  /** False: it was listened to for HEALTH_LAST_ACTIVE, and nothing came. */
  readonly heard: boolean;
  /** When the newest listening ended. */
  readonly atMs: number;
  /** When the first listening began that found the same as all after it. */
  readonly sinceMs: number;
}

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
  const nothing = { left: none, verdicts: none, doubts: none, findings: none };
  return { name, startedMs, newest: { kind: "none" }, intervalMs: null, backMs: null, ...nothing };
}

/** When a report last had `topic`, and what it said of it; null for never. */
export function lastSeen(feed: Feed, topic: string): Left | null {
  if (feed.newest.kind === "none") return feed.left.get(topic) ?? null;
  const { connections, atMs } = feed.newest, connection = connections.get(topic);
  return connection ? { seenMs: atMs, namedMs: atMs, connection } : feed.left.get(topic) ?? null;
}

/** When a report last had `topic`; null for never. */
export function lastSeenMs(feed: Feed, topic: string): number | null {
  if (feed.newest.kind === "report" && feed.newest.connections.has(topic)) return feed.newest.atMs;
  return feed.left.get(topic)?.seenMs ?? null;
}

/** Whether the newest report has `topic`. */
export function isNamed(feed: Feed, topic: string): boolean {
  return namedIn(feed).has(topic);
}

/** Whether any report that is remembered had `topic`. */
export function isSeen(feed: Feed, topic: string): boolean {
  return isNamed(feed, topic) || feed.left.has(topic);
}

/** What the newest report has; nothing while there was none. */
export function namedIn(feed: Feed): ConnectionTable {
  return feed.newest.kind === "report" ? feed.newest.connections : noConnections;
}

/** The feed after listening to `topic`; as it was where its newest report has not that connection, or not any more. */
export function withFinding(feed: Feed, topic: string, finding: Finding): Feed {
  if (feed.newest.kind === "none" || feed.newest.connections.peer(topic)?.connected !== finding.connected) return feed;
  const was = feed.findings.get(topic);
  const sinceMs = was?.heard === finding.heard ? was.sinceMs : finding.sinceMs;
  return { ...feed, findings: new Map(feed.findings).set(topic, { ...finding, sinceMs }) };
}

/** The feed with what was found of topics that `isListenedTo` holds for alone; of none where that is not said. */
export function withoutFindings(feed: Feed, isListenedTo: (topic: string) => boolean = () => false): Feed {
  return { ...feed, findings: filtered(feed.findings, isListenedTo) };
}

/** What of the findings holds for the connections of a report. */
export function findingsOn(connections: ConnectionTable, findings: Feed["findings"]): Feed["findings"] {
  return filtered(findings, (topic, { connected }) => connections.peer(topic)?.connected === connected);
}

/** The feed with nothing kept of topics that `isKept` does not hold for; the same object where there are none. */
export function keeping(feed: Feed, isKept: (topic: string) => boolean): Feed {
  const left = filtered(feed.left, isKept),
    verdicts = filtered(feed.verdicts, isKept),
    doubts = filtered(feed.doubts, isKept),
    findings = filtered(feed.findings, isKept);
  const isSame = left === feed.left && verdicts === feed.verdicts && doubts === feed.doubts &&
    findings === feed.findings;
  return isSame ? feed : { ...feed, left, verdicts, doubts, findings };
}

function filtered<Value>(
  map: ReadonlyMap<string, Value>,
  isKept: (topic: string, value: Value) => boolean,
): ReadonlyMap<string, Value> {
  if (map.size === 0) return map;
  const kept = [...map].filter(([topic, value]) => isKept(topic, value));
  return kept.length === map.size ? map : new Map(kept);
}
