/**
 * Do two views of one experiment say the same, but for times and statistics, which every report brings anew? What is not the
 * same is told to live readers at once. Pure. Each type has its table here, so that a new member does not compile until it
 * is decided whether readers are to be told of it.
 */
import { type Issue, issueText } from "./alert.ts";
import type { Connection } from "./connection.ts";
import type { SeenView, StreamView } from "./seen.ts";
import type { ExperimentView } from "./snapshot.ts";

type Same<T> = (a: T, b: T) => boolean;

/** When two of each member are the same: `ignored` for times and statistics. */
type Table<T> = { readonly [Member in keyof T]-?: Same<T[Member]> };

/** Whether there is nothing to tell somebody who has seen `a` when it is `b`. */
export function isSameExperiment(a: ExperimentView, b: ExperimentView): boolean {
  return a === b || sameExperiment(a, b);
}

const sameConnection = members<Connection>({
  topic: is,
  scopes: (a, b) => a.length === b.length && a.every((each) => b.includes(each)), // jump gives them in any order
  canRead: is,
  canWrite: is,
  connected: ignored,
  expiresAt: ignored,
  remoteAddr: is,
  userAgent: is,
  stats: sameAbsence, // that the service gives none is no statistic
});

const seen: Table<SeenView> = {
  verdict: is,
  seenMs: sameAbsence,
  connection: (a, b) => a === null || b === null ? a === b : sameConnection(a, b),
  peer: ignored, // both are the connection
  stats: ignored,
};

const sameExperiment = members<ExperimentView>({
  name: is,
  resources: list(is),
  state: is,
  sinceMs: is, // a time, but that of a change
  judged: is,
  healthy: is,
  issues: list<Issue>((a, b) => issueText(a) === issueText(b)),
  available: is,
  wanted: is,
  held: is,
  trial: (a, b) => withoutTimes(a) === withoutTimes(b), // its reasons carry the time at which they are made
  events: sameNewest,
  turns: sameNewest,
  firstSeenMs: ignored,
  foundInManifestMs: sameAbsence,
  host: members(seen),
  streams: list(members<StreamView>({ ...seen, topic: is, required: is, probe: (a, b) => a?.heard === b?.heard })),
});

function members<T extends object>(table: Table<T>): Same<T> {
  const names = Object.keys(table) as (keyof T)[];
  return (a, b) => names.every((name) => table[name](a[name], b[name]));
}

function list<T>(same: Same<T>): Same<readonly T[]> {
  return (a, b) => a.length === b.length && a.every((each, at) => same(each, b[at]!));
}

function is(a: unknown, b: unknown): boolean {
  return a === b;
}

function ignored(): boolean {
  return true;
}

function sameAbsence(a: unknown, b: unknown): boolean {
  return (a === null) === (b === null);
}

/** Of lists that only grow at their end, of objects that are made once. */
function sameNewest(a: readonly object[], b: readonly object[]): boolean {
  return a.length === b.length && a.at(-1) === b.at(-1);
}

function withoutTimes(text: string | null): string | null {
  return text?.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "") ?? null;
}
