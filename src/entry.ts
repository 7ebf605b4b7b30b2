/**
 * What the reports of jump and relay have in common: documents hold entries, entries have a topic, scopes and the like,
 * in camel case or snake case. Which entries are an experiment's is for `jump` and `relay`. Pure. Read by hand, since a
 * report can hold 25,000 entries; strict in what matters (topic, scopes), deaf to what doesn't.
 */
import type { Connection, Report } from "./connection.ts";

/** One frame in our words. Only connections of experiments are in it, by topic. */
export interface Decoded {
  readonly connections: Map<string, Connection>;
  readonly entries: number;
  readonly skipped: number;
  readonly generation: Report["generation"];
}

export type Fields = Readonly<Record<string, unknown>>;

/** An entry that can be read; `fields` is all of it. */
export interface Entry {
  readonly topic: string;
  readonly scopes: readonly string[];
  readonly fields: Fields;
}

/** What an entry is: an experiment's connection, somebody else's, or nothing that can be read. */
export type EntryReader = (entry: Entry) => Connection | "other" | "unreadable";

// Ten times the largest laboratory that is thought of. What is beyond is counted as skipped.
const connectionsMax = 50_000;
export const topicCharsMax = 256;
// User agents and chains of proxies are for people to read; nobody reads more.
const textCharsMax = 500;
// The services know a dozen; what decides is looked for among all that an entry has.
const scopesMax = 20;
const scopeCharsMax = 100;

/**
 * The connections of all reports among `documents`: the liveliest on a topic within a report, the last report's where
 * several have it. Null when none of them is a report. Arrays are reports and `null` is an empty one; other documents are
 * what another client of the topic said.
 */
export function readReports(documents: readonly unknown[], read: EntryReader): Omit<Decoded, "generation"> | null {
  const reports = documents.filter((each) => each === null || Array.isArray(each)).map((each): unknown[] => each ?? []);
  const [first, ...rest] = reports.map((report) => readReport(report, read));
  return first === undefined ? null : rest.reduce(merge, first);
}

/** A connection from an entry, all but its statistics. What is missing is false or empty: Go leaves such out. */
export function connectionOf({ topic, scopes, fields }: Entry, stats: Connection["stats"]): Connection {
  return {
    topic,
    scopes: keptScopes(scopes),
    canRead: (fields.canRead ?? fields.can_read) === true,
    canWrite: (fields.canWrite ?? fields.can_write) === true,
    connected: textOf(fields.connected ?? fields.connected_at ?? fields.connectedAt),
    expiresAt: textOf(fields.expiresAt ?? fields.expires_at),
    remoteAddr: textOf(fields.remoteAddr ?? fields.remote_addr ?? fields.remote_address ?? fields.remoteAddress),
    userAgent: textOf(fields.userAgent ?? fields.user_agent),
    stats,
  };
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

type Reports = Omit<Decoded, "generation">;

function readReport(report: readonly unknown[], read: EntryReader): Reports {
  const connections = new Map<string, Connection>();
  let skipped = 0;
  for (const value of report) {
    const entry = entryOf(value);
    const connection = entry === null ? "unreadable" : read(entry);
    if (connection === "other") continue;
    if (connection === "unreadable" || !keep(connections, connection)) skipped++;
  }
  return { connections, entries: report.length, skipped };
}

/** False when there is no room for another topic. */
function keep(connections: Map<string, Connection>, connection: Connection): boolean {
  const rival = connections.get(connection.topic);
  if (rival === undefined && connections.size >= connectionsMax) return false;
  if (rival === undefined || isLivelier(connection, rival)) connections.set(connection.topic, connection);
  return true;
}

function merge(before: Reports, last: Reports): Reports {
  let skipped = before.skipped + last.skipped;
  for (const [topic, connection] of last.connections) {
    if (before.connections.has(topic) || before.connections.size < connectionsMax) {
      before.connections.set(topic, connection);
    } else skipped++;
  }
  return { connections: before.connections, entries: before.entries + last.entries, skipped };
}

/** Of two that are equally lively the newer one, so that the order of a report, which is not steady, decides nothing. */
function isLivelier(one: Connection, other: Connection): boolean {
  const [oneMs, otherMs] = [quietMs(one), quietMs(other)];
  return oneMs < otherMs || (oneMs === otherMs && one.connected > other.connected);
}

/** For comparing: measured ones by how long they have sent nothing, then unmeasured ones, then those that never sent. */
function quietMs({ stats }: Connection): number {
  if (stats === null) return Number.MAX_VALUE;
  return stats.tx.idle.kind === "never" ? Infinity : stats.tx.idle.ms;
}

function entryOf(value: unknown): Entry | null {
  if (!isFields(value)) return null;
  const topic = value.topic;
  const scopes = value.scopes ?? noScopes;
  return isTopic(topic) && isTexts(scopes) ? { topic, scopes, fields: value } : null;
}

function isTopic(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= topicCharsMax && !unprintable.test(value);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function textOf(value: unknown): string {
  return typeof value === "string" ? cut(value, textCharsMax) : "";
}

function keptScopes(scopes: readonly string[]): readonly string[] {
  const fits = scopes.length <= scopesMax && scopes.every((scope) => scope.length <= scopeCharsMax);
  return fits
    ? scopes.map((scope) => scope.toWellFormed())
    : scopes.slice(0, scopesMax).map((scope) => cut(scope, scopeCharsMax));
}

/** Without half a character, which many who read JSON don't take. */
function cut(text: string, charsMax: number): string {
  return text.slice(0, charsMax).toWellFormed();
}

const noScopes: readonly string[] = [];
// Control characters, what turns the direction of writing, halves of a character, separators of lines.
const unprintable = /[\p{Cc}\p{Bidi_Control}\p{Cs}\u2028\u2029]/u;
