/**
 * Do two views of one experiment say the same, but for times and statistics, which every report brings anew? What is not the
 * same is told to live readers at once. Pure. Each type has its table here, so that a new member does not compile until it
 * is decided whether readers are to be told of it.
 */
import { type Issue, issueText } from "./alert.ts";
import type { Peer } from "./report.ts";
import type { SeenView, StreamView } from "./seen.ts";
import type { ExperimentView } from "./snapshot.ts";

type Same<T> = (a: T, b: T) => boolean;

/** When two of each member are the same: `ignored` for times and statistics. */
type Table<T> = { readonly [Member in keyof T]-?: Same<T[Member]> };

// The connection is the peer and the statistics; of these is told whether there are any.
type SeenPart = Omit<SeenView, "connection" | "stats"> & { readonly stats: object | null };

/** What somebody has been told. A view itself would keep all of the report that it is read from. */
export interface Told extends Omit<ExperimentView, "host" | "streams"> {
  readonly host: SeenPart;
  readonly streams: readonly (SeenPart & Pick<StreamView, "topic" | "required" | "probe">)[];
}

export function toldOf(view: ExperimentView): Told {
  const streams = view.streams.map((stream) => {
    const { topic, required, probe } = stream;
    return { topic, required, probe, ...toldPart(stream) };
  });
  return { ...view, host: toldPart(view.host), streams };
}

function toldPart({ verdict, seenMs, peer, stats }: SeenView): SeenPart {
  return { verdict, seenMs, peer, stats: stats && measured };
}

const measured = {};

/** Whether there is nothing to tell somebody who has seen `a` when it is `b`. */
export function isSameExperiment(a: Told, b: Told): boolean {
  return a === b || sameExperiment(a, b);
}

/** The same for one who is not told of its history. */
export function isSameButTurns(a: Told, b: Told): boolean {
  return a === b || sameButTurns(a, b);
}

/** Another time at which it connected is a time alone. */
export const isSamePeer = members<Peer>({
  topic: is,
  scopes: (a, b) => a.length === b.length && a.every((each) => b.includes(each)), // jump gives them in any order
  canRead: is,
  canWrite: is,
  connected: ignored,
  expiresAt: ignored,
  remoteAddr: is,
  userAgent: is,
});

const seen: Table<SeenPart> = {
  verdict: is,
  seenMs: sameAbsence,
  // Most are the same object from report to report.
  peer: (a, b) => a === b || (a !== null && b !== null && isSamePeer(a, b)),
  stats: sameAbsence, // that the service gives none is no statistic
};

const experiment: Table<Told> = {
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
  streams: list(members<Told["streams"][number]>({
    ...seen,
    topic: is,
    required: is,
    probe: (a, b) => a?.heard === b?.heard,
  })),
};

const sameExperiment = members(experiment);
const sameButTurns = members<Told>({ ...experiment, turns: ignored });

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
