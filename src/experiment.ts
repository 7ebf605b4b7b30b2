/**
 * What is known of the laboratory: what each feed's newest report holds, what was in an earlier one and is in it no longer,
 * which streams and experiments that makes, and what was last judged of them. Values that are never changed in place:
 * `observe`, `withManifest` and `forget` give a new one that shares all that stayed the same.
 * What it means is for `health`.
 */
import type { HealthEvent, Issue } from "./alert.ts";
import type { Resource } from "./book.ts";
import type { Connection, FeedName, Report } from "./connection.ts";
import { contradicts, feedCondition, type HealthRules, type Verdict } from "./health.ts";
import { splitTopic } from "./relay.ts";

export interface Lab {
  /** When this run of the program began. */
  readonly startedMs: number;
  readonly jump: Feed;
  readonly relay: Feed;
  /** The manifest in use, sorted by name. */
  readonly resources: readonly Resource[];
  readonly experiments: ReadonlyMap<string, Experiment>;
  /** All streams that are watched, by topic. */
  readonly watched: ReadonlySet<string>;
  /** Experiments and streams beyond the limit, which are not watched. */
  readonly overflow: number;
}

/** One feed as far as its reports told. Keys are topics: at jump an experiment's name, at relay a stream's topic. */
export interface Feed {
  readonly name: FeedName;
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

type Named = ReadonlyMap<string, Connection>;

export interface Left {
  readonly seenMs: number;
  /** Null for what an earlier run of the program saw. */
  readonly connection: Connection | null;
}

export interface Experiment {
  readonly name: string;
  readonly firstSeenMs: number;
  /** When something named it last, as far as neither the manifest in use nor a report of this run tells. */
  readonly namedBeforeMs: number;
  /** When the manifest last listed it; null for one that book does not list. */
  readonly foundInManifestMs: number | null;
  readonly resources: readonly Resource[];
  /** All its streams that are watched, sorted by topic. */
  readonly streams: readonly { readonly topic: string; readonly required: boolean }[];
  readonly judged: Judged;
  /** Oldest first. */
  readonly events: readonly HealthEvent[];
}

export type Judged =
  | { readonly kind: "never" }
  /** `sinceMs`: since when it has been healthy, or has not. `byThisRun`: only then may its availability be changed. */
  | {
    readonly kind: "judged";
    readonly issues: readonly Issue[];
    readonly sinceMs: number;
    readonly byThisRun: boolean;
  };

/** Experiments that book does not list and streams that it does not require, together: clients make names up. */
export const extrasMax = 20_000;

export function emptyLab(startedMs: number): Lab {
  return {
    startedMs,
    jump: emptyFeed("jump"),
    relay: emptyFeed("relay"),
    resources: [],
    experiments: new Map(),
    watched: new Set(),
    overflow: 0,
  };
}

/** The laboratory after one more report of one feed. */
export function observe(lab: Lab, report: Report, rules: HealthRules): Lab {
  const was = lab[report.feed];
  const wasLost = feedCondition(was, lab.startedMs, rules, report.atMs) === "lost";
  const feed: Feed = {
    ...was,
    newest: { kind: "report", atMs: report.atMs, connections: report.connections },
    intervalMs: report.intervalMs,
    backMs: wasLost ? report.atMs : was.backMs,
    left: leftAfter(was, report.connections, lab),
    doubts: doubtsAfter(was, report.connections, rules),
  };
  const next = { ...lab, [feed.name]: feed };
  return namesAnythingNew(lab, report) ? indexed(next, report.atMs) : next;
}

/** The laboratory with another manifest in use, as book listed it at `atMs`. */
export function withManifest(lab: Lab, resources: readonly Resource[], atMs: number): Lab {
  const sorted = resources.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return indexed({ ...lab, resources: sorted }, atMs, atMs);
}

/** Without the streams and experiments that nothing has named for `forgetMs`. `forgotten`: experiments, by name. */
export function forget(lab: Lab, forgetMs: number, nowMs: number): { lab: Lab; forgotten: readonly string[] } {
  const limitMs = nowMs - forgetMs;
  const required = new Set(lab.resources.flatMap((resource) => resource.required));
  const relay = without(lab.relay, (topic, { seenMs }) => seenMs < limitMs && !required.has(topic));
  const slim = relay === lab.relay ? lab : indexed({ ...lab, relay }, nowMs);
  const forgotten = [...slim.experiments.values()]
    .filter((each) => isForgettable(slim, each) && namedMs(slim, each, nowMs) < limitMs)
    .map(({ name }) => name);
  if (forgotten.length === 0) return { lab: slim, forgotten };
  const names = new Set(forgotten);
  const experiments = new Map([...slim.experiments].filter(([name]) => !names.has(name)));
  return { lab: { ...slim, experiments, jump: without(slim.jump, (name) => names.has(name)) }, forgotten };
}

/** When `experiment` was last named: now while the manifest or a newest report has it. */
export function namedMs(lab: Lab, experiment: Experiment, nowMs: number): number {
  const topics = experiment.streams.map(({ topic }) => topic);
  if (
    experiment.resources.length > 0 || has(lab.jump, experiment.name) || topics.some((each) => has(lab.relay, each))
  ) {
    return nowMs;
  }
  const seen = [lab.jump.left.get(experiment.name), ...topics.map((topic) => lab.relay.left.get(topic))];
  const { namedBeforeMs, foundInManifestMs } = experiment;
  return Math.max(namedBeforeMs, foundInManifestMs ?? 0, ...seen.map((each) => each?.seenMs ?? 0));
}

/** When a report last had `topic`, and what it said of it; null for never. */
export function lastSeen(feed: Feed, topic: string): Left | null {
  const connection = feed.newest.kind === "report" ? feed.newest.connections.get(topic) : undefined;
  if (feed.newest.kind === "report" && connection) return { seenMs: feed.newest.atMs, connection };
  return feed.left.get(topic) ?? null;
}

export function emptyFeed(name: FeedName): Feed {
  const none = new Map<string, never>();
  return { name, newest: { kind: "none" }, intervalMs: null, backMs: null, left: none, verdicts: none, doubts: none };
}

/** Which experiments and streams there are, from the manifest, the feeds, and what was known before. */
export function indexed(lab: Lab, nowMs: number, manifestMs?: number): Lab {
  const resources = Map.groupBy(lab.resources, ({ stub }) => stub);
  const required = new Set(lab.resources.flatMap((resource) => resource.required));
  const names = new Set([...resources.keys(), ...lab.experiments.keys()]);
  const extras = new Map<string, string[]>();
  const watched = new Set(required);
  let extraCount = [...names].filter((name) => !resources.has(name)).length;
  let overflow = 0;
  const admits = () => ++extraCount <= extrasMax || (overflow++, false);
  const admit = (name: string) => names.has(name) || (admits() && Boolean(names.add(name)));
  const addExtra = (topic: string) => {
    const stub = splitTopic(topic)?.stub;
    if (stub === undefined || watched.has(topic) || !admit(stub) || !admits()) return;
    watched.add(topic);
    extras.set(stub, [...(extras.get(stub) ?? []), topic]);
  };
  // What was known comes first, so that a flood of new names cannot push it out.
  for (const topic of lab.watched) if (lastSeen(lab.relay, topic)) addExtra(topic);
  for (const topic of [...lab.relay.left.keys(), ...topicsOf(lab.relay)]) addExtra(topic);
  for (const name of topicsOf(lab.jump)) admit(name);
  const experiments = new Map([...names].map((name) => {
    const own = resources.get(name) ?? [];
    return [name, { ...known(lab, name, nowMs, manifestMs, own.length > 0), ...shape(own, extras.get(name) ?? []) }];
  }));
  return { ...lab, experiments, watched, overflow };
}

function known(lab: Lab, name: string, nowMs: number, manifestMs: number | undefined, isListed: boolean) {
  const was = lab.experiments.get(name);
  return {
    name,
    firstSeenMs: was?.firstSeenMs ?? nowMs,
    namedBeforeMs: was?.namedBeforeMs ?? nowMs,
    foundInManifestMs: (isListed ? manifestMs : undefined) ?? was?.foundInManifestMs ?? null,
    judged: was?.judged ?? { kind: "never" as const },
    events: was?.events ?? [],
  };
}

function shape(resources: readonly Resource[], extras: readonly string[]): Pick<Experiment, "resources" | "streams"> {
  const required = new Set(resources.flatMap((resource) => resource.required));
  const topics = [...required, ...extras].sort();
  return { resources, streams: topics.map((topic) => ({ topic, required: required.has(topic) })) };
}

function leftAfter(was: Feed, now: Named, lab: Lab): Feed["left"] {
  const gone = [...topicsOf(was)].filter((topic) => !now.has(topic) && isWatched(lab, was.name, topic));
  const back = [...was.left.keys()].filter((topic) => now.has(topic));
  if (gone.length + back.length === 0) return was.left;
  const left = new Map(was.left);
  for (const topic of back) left.delete(topic);
  for (const topic of gone) left.set(topic, lastSeen(was, topic) as Left);
  return left;
}

function doubtsAfter(was: Feed, now: Named, rules: HealthRules): Feed["doubts"] {
  const doubts = new Map<string, number>();
  // A topic that has left neither confirms nor contradicts: its count stands still.
  for (const [topic, count] of was.doubts) if (!now.has(topic)) doubts.set(topic, count);
  for (const [topic, connection] of now) {
    if (contradicts(connection, was.verdicts.get(topic), rules)) doubts.set(topic, (was.doubts.get(topic) ?? 0) + 1);
  }
  return doubts.size + was.doubts.size === 0 ? was.doubts : doubts;
}

function namesAnythingNew(lab: Lab, report: Report): boolean {
  for (const topic of report.connections.keys()) {
    if (!isWatched(lab, report.feed, topic) && (report.feed === "jump" || splitTopic(topic))) return true;
  }
  return false;
}

function isWatched(lab: Lab, feed: FeedName, topic: string): boolean {
  return feed === "jump" ? lab.experiments.has(topic) : lab.watched.has(topic);
}

function isForgettable(lab: Lab, { name, resources, streams }: Experiment): boolean {
  return resources.length === 0 && !has(lab.jump, name) && streams.length === 0;
}

function has(feed: Feed, topic: string): boolean {
  return feed.newest.kind === "report" && feed.newest.connections.has(topic);
}

function topicsOf(feed: Feed): Iterable<string> {
  return feed.newest.kind === "report" ? feed.newest.connections.keys() : [];
}

function without(feed: Feed, isGone: (topic: string, left: Left) => boolean): Feed {
  const gone = [...feed.left].filter(([topic, left]) => isGone(topic, left)).map(([topic]) => topic);
  if (gone.length === 0) return feed;
  const left = new Map(feed.left), verdicts = new Map(feed.verdicts), doubts = new Map(feed.doubts);
  for (const topic of gone) left.delete(topic), verdicts.delete(topic), doubts.delete(topic);
  return { ...feed, left, verdicts, doubts };
}
