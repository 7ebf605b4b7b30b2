/**
 * Whether anything visible has changed, times and statistics apart, which every report brings. Readers who are told of changes ask this
 * first, so that a laboratory in which nothing happens costs them nothing. What has changed is for them to find.
 */
import { type Issue, issueText } from "./alerts.ts";
import type { Experiment, FeedState, LabState } from "./lab.ts";
import { type ConnectionInfo, type ConnectionTable, noConnections } from "./report.ts";
import type { ExperimentView, SnapshotInputs, StreamView, TopicView } from "./snapshot.ts";

/** Who is connected. The table itself would keep what they sent. */
type Peers = Pick<ConnectionTable, "rows" | "peers">;

const noPeers: Peers = noConnections;

export class ChangeDetector {
  #number = 0;
  #experiments: LabState["experiments"] = new Map();
  #probeResults: FeedState["probeResults"] = new Map();
  #peers: Readonly<Record<"jump" | "relay", Peers>> = { jump: noPeers, relay: noPeers };
  #substance: readonly unknown[] = [];

  /** That of `known`: one more than the last if anything has changed since. */
  of(known: Omit<SnapshotInputs, "revision">): number {
    const { experiments, jump, relay, relay: { probeResults } } = known.lab;
    const peers = { jump: peersOf(jump), relay: peersOf(relay) };
    const substance = substanceOf(known);
    const isSame = sameExperiments(this.#experiments, experiments) && sameFindings(this.#probeResults, probeResults) &&
      samePeers(this.#peers.jump, peers.jump) && samePeers(this.#peers.relay, peers.relay) &&
      substance.length === this.#substance.length && substance.every((each, at) => each === this.#substance[at]);
    if (!isSame) this.#number++;
    this.#experiments = experiments;
    this.#probeResults = probeResults;
    this.#peers = peers;
    this.#substance = substance;
    return this.#number;
  }
}

/** Values, and objects that are made anew only when something in them changes. */
function substanceOf(
  { lab, conditions, sources, timeline, alerts, waitingForBook, mail, webhook, probes, heartbeat, store }: Omit<
    SnapshotInputs,
    "revision"
  >,
) {
  const { jump, relay, book } = sources;
  return [
    ...[lab.jump.verdicts, lab.relay.verdicts, conditions.jump, conditions.relay, timeline.revision, alerts],
    ...[jump.state, jump.lastError, jump.generation, relay.state, relay.lastError, relay.generation],
    ...[book.state, book.states, book.trouble?.message, book.writes, waitingForBook],
    ...[mail, webhook].flatMap((view) => [view.state, view.lastError, view.waiting, view.sent, view.failed]),
    ...[probes.state, probes.lastError, probes.streams, heartbeat.state, heartbeat.lastError],
    ...[store.state, store.lastError, store.waiting],
  ];
}

/** Listening again to what is as it was gives it another time, and nothing more. */
function sameFindings(was: FeedState["probeResults"], now: FeedState["probeResults"]): boolean {
  return was === now ||
    (was.size === now.size && [...now].every(([topic, { heard }]) => was.get(topic)?.heard === heard));
}

function peersOf({ newest }: FeedState): Peers {
  return newest.kind === "none" ? noPeers : { rows: newest.connections.rows, peers: newest.connections.peers };
}

/** They are the same objects until one of them is another. Who is gone is told of by what that means for the experiment. */
function samePeers(was: Peers, now: Peers): boolean {
  if (was.peers === now.peers && was.rows === now.rows) return true;
  return [...now.rows].every(([topic, row]) => {
    const [before, peer] = [was.peers[was.rows.get(topic) ?? -1], now.peers[row]!];
    return before === peer || (before !== undefined && isSamePeer(before, peer));
  });
}

/** Another manifest, or a report that names what none has named, makes all of them anew (`roster`), most as they were. */
function sameExperiments(was: LabState["experiments"], now: LabState["experiments"]): boolean {
  if (was === now) return true;
  return was.size === now.size && [...now.values()].every((each) => isSame(was.get(each.name), each));
}

function isSame(was: Experiment | undefined, now: Experiment): boolean {
  return was !== undefined && was.isStarting === now.isStarting && was.judged === now.judged &&
    was.events === now.events && was.streams === now.streams && was.firstSeenMs === now.firstSeenMs &&
    was.resources.length === now.resources.length &&
    was.resources.every(({ name }, at) => name === now.resources[at]?.name);
}

/*
 * Whether two views of one experiment say the same, times and statistics apart. What is not the
 * same is told to live readers at once. Pure. Each type has its table here, so that a new member does not compile until it
 * is decided whether readers are to be told of it.
 */

type Same<T> = (a: T, b: T) => boolean;

/** When two of each member are the same: `ignored` for times and statistics. */
type Table<T> = { readonly [Member in keyof T]-?: Same<T[Member]> };

// The connection is the peer and the statistics; of these is told whether there are any.
type SeenPart = Omit<TopicView, "connection" | "stats"> & { readonly stats: object | null };

/** What somebody has been told. A view itself would keep all of the report that it is read from. */
export interface Shown extends Omit<ExperimentView, "host" | "streams"> {
  readonly host: SeenPart;
  readonly streams: readonly (SeenPart & Pick<StreamView, "topic" | "required" | "probe">)[];
}

export function shownOf(view: ExperimentView): Shown {
  const streams = view.streams.map((stream) => {
    const { topic, required, probe } = stream;
    return { topic, required, probe, ...toldPart(stream) };
  });
  return { ...view, host: toldPart(view.host), streams };
}

function toldPart({ verdict, seenMs, peer, stats }: TopicView): SeenPart {
  return { verdict, seenMs, peer, stats: stats && measured };
}

const measured = {};

/** Whether there is nothing to tell somebody who has seen `a` when it is `b`. */
export function isSameExperiment(a: Shown, b: Shown): boolean {
  return a === b || sameExperiment(a, b);
}

/** The same for one who is not told of its history. */
export function isSameButTurns(a: Shown, b: Shown): boolean {
  return a === b || sameButTurns(a, b);
}

/** Another time at which it connected is a time alone. */
export const isSamePeer = members<ConnectionInfo>({
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

const experiment: Table<Shown> = {
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
  streams: list(members<Shown["streams"][number]>({
    ...seen,
    topic: is,
    required: is,
    probe: (a, b) => a?.heard === b?.heard,
  })),
};

const sameExperiment = members(experiment);
const sameButTurns = members<Shown>({ ...experiment, turns: ignored });

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
