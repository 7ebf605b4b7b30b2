/**
 * What is known of the laboratory: the feeds, the manifest, which streams and experiments that makes, and what was last
 * judged of them. Values that are never changed in place: `observe`, `withManifest` and `forget` give a new one that shares
 * all that stayed the same. What it means is for `health`.
 */
import type { HealthEvent, Issue, Verdict } from "./alerts.ts";
import type { Persisted, PersistedExperiment, PersistedVerdict } from "./persisted.ts";
import {
  type Connection,
  type ConnectionTable,
  type FeedName,
  noConnections,
  type Report,
  type Resource,
  splitTopic,
} from "./report.ts";

export interface LabState {
  /** When this run of the program began. */
  readonly startedMs: number;
  readonly jump: FeedState;
  readonly relay: FeedState;
  /** The manifest in use, sorted by name. */
  readonly resources: readonly Resource[];
  /** When that was last read. */
  readonly listedMs: number | null;
  readonly experiments: ReadonlyMap<string, Experiment>;
  /** By which verdicts all of these experiments were judged; null while some wait for their time. */
  readonly evaluatedBy: Record<FeedName, FeedState["verdicts"]> & Pick<LabState, "experiments"> | null;
  /** All streams that are watched, by topic. */
  readonly watched: ReadonlySet<string>;
  /** Experiments and streams beyond the limit, which are not watched. */
  readonly overLimit: ReadonlySet<string>;
  /** When there last were any; null for never in this run. */
  readonly overLimitMs: number | null;
}

export interface Experiment {
  readonly name: string;
  readonly firstSeenMs: number;
  /** When something named it last, as far as neither the manifest in use nor a report of this run tells. */
  readonly namedBeforeMs: number;
  /** When an earlier manifest than the one in use last listed it (see `foundInManifestMs`). */
  readonly listedBeforeMs: number | null;
  readonly resources: readonly Resource[];
  /** All its streams that are watched, sorted by topic. */
  readonly streams: readonly { readonly topic: string; readonly required: boolean }[];
  /** Until the start-up time has passed and relay has reported: no event and no change of availability before. */
  readonly isStarting: boolean;
  readonly judged: Judged;
  /** Oldest first. */
  readonly events: readonly HealthEvent[];
}

export type Judged =
  | { readonly kind: "never" }
  /** `sinceMs`: since when it has been healthy, or has not. */
  | { readonly kind: "judged"; readonly issues: readonly Issue[]; readonly sinceMs: number };

export function initialLab(startedMs: number): LabState {
  return {
    startedMs,
    jump: initialFeed("jump", startedMs),
    relay: initialFeed("relay", startedMs),
    resources: [],
    listedMs: null,
    experiments: new Map(),
    evaluatedBy: null,
    watched: new Set(),
    overLimit: new Set(),
    overLimitMs: null,
  };
}

/** What the rules make of a report that has just come (see `receive` in health). */
export interface Reception {
  /** Whether its feed was lost until then. */
  readonly wasLost: boolean;
  readonly streaks: FeedState["streaks"];
}

/** The laboratory after one more report of one feed. `rules` is asked once, with the probeResults that hold for the report. */
export function withReport(lab: LabState, report: Report, rules: (was: FeedState) => Reception): LabState {
  const was = lab[report.feed];
  const probeResults = probeResultsOn(report.connections, was.probeResults);
  const { wasLost, streaks } = rules({ ...was, probeResults });
  const feed: FeedState = {
    ...was,
    newest: { kind: "report", atMs: report.atMs, connections: report.connections },
    intervalMs: report.intervalMs,
    recoveredMs: wasLost ? report.atMs : was.recoveredMs,
    departed: departedAfter(was, report.connections, lab),
    streaks,
    probeResults,
  };
  const next = { ...lab, [feed.name]: feed };
  return namesAnythingNew(lab, report) ? reindex(next, report.atMs) : next;
}

/** The laboratory with another manifest in use, as book listed it at `atMs`. */
export function withManifest(lab: LabState, resources: readonly Resource[], atMs: number): LabState {
  const sorted = resources.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  if (isSameManifest(lab.resources, sorted)) return { ...lab, listedMs: atMs };
  const before = lab.resources.flatMap(({ required }) => required);
  // What is required no longer was named by book until now.
  const departed = new Map(lab.relay.departed);
  for (const topic of before) {
    const was = departed.get(topic);
    if (was) departed.set(topic, { ...was, namedMs: atMs });
  }
  const required = new Set(sorted.flatMap((resource) => resource.required));
  const relay = withoutProbeResults({ ...lab.relay, departed }, (topic) => required.has(topic));
  return { ...reindex({ ...lab, relay, resources: sorted }, atMs), listedMs: atMs };
}

function isSameManifest(was: readonly Resource[], now: readonly Resource[]): boolean {
  return was.length === now.length && JSON.stringify(was) === JSON.stringify(now);
}

/** Without the streams and experiments that nothing has named for `forgetMs`. `forgotten`: experiments, by name. */
export function forget(
  lab: LabState,
  forgetMs: number,
  nowMs: number,
): { lab: LabState; forgotten: readonly string[] } {
  const limitMs = nowMs - forgetMs;
  const required = new Set(lab.resources.flatMap((resource) => resource.required));
  const isStreamKept = (topic: string) => {
    const departed = lab.relay.departed.get(topic);
    return departed === undefined || departed.namedMs >= limitMs || required.has(topic);
  };
  const relay = keepOnly(lab.relay, isStreamKept);
  const slim = relay === lab.relay ? lab : reindex({ ...lab, relay }, nowMs);
  const forgotten = [...slim.experiments.values()]
    .filter((each) => isForgettable(slim, each) && namedMs(slim, each, nowMs) < limitMs)
    .map(({ name }) => name);
  if (forgotten.length === 0 && slim.overLimit.size === 0) return { lab: slim, forgotten };
  const names = new Set(forgotten);
  const experiments = new Map([...slim.experiments].filter(([name]) => !names.has(name)));
  return { lab: reindex({ ...slim, experiments }, nowMs), forgotten };
}

/** When `experiment` was last named: now while the manifest or a newest report has it. */
export function namedMs(lab: LabState, experiment: Experiment, nowMs: number): number {
  const topics = experiment.streams.map(({ topic }) => topic);
  const isNow = experiment.resources.length > 0 || isNamed(lab.jump, experiment.name) ||
    topics.some((topic) => isNamed(lab.relay, topic));
  if (isNow) return nowMs;
  const seen = [lab.jump.departed.get(experiment.name), ...topics.map((topic) => lab.relay.departed.get(topic))];
  return Math.max(
    experiment.namedBeforeMs,
    foundInManifestMs(lab, experiment) ?? 0,
    ...seen.map((each) => each?.namedMs ?? 0),
  );
}

function departedAfter(was: FeedState, now: ConnectionTable, lab: LabState): FeedState["departed"] {
  if (now.hasTopicsOf(namedIn(was))) return was.departed; // nobody came or went, as mostly
  const gone = [...namedIn(was).keys()].filter((topic) => !now.has(topic) && isWatched(lab, was.name, topic));
  const back = [...was.departed.keys()].filter((topic) => now.has(topic));
  if (gone.length + back.length === 0) return was.departed;
  const departed = new Map(was.departed);
  for (const topic of back) departed.delete(topic);
  for (const topic of gone) departed.set(topic, lastSeen(was, topic) as Departed);
  return departed;
}

function namesAnythingNew(lab: LabState, report: Report): boolean {
  if (report.connections.hasTopicsOf(namedIn(lab[report.feed]))) return false;
  for (const topic of report.connections.keys()) {
    if (isWatched(lab, report.feed, topic) || lab.overLimit.has(topic)) continue;
    if (report.feed === "jump" || splitTopic(topic)) return true;
  }
  return false;
}

function isWatched(lab: LabState, feed: FeedName, topic: string): boolean {
  return feed === "jump" ? lab.experiments.has(topic) : lab.watched.has(topic);
}

function isForgettable(lab: LabState, { name, resources, streams }: Experiment): boolean {
  return resources.length === 0 && !isNamed(lab.jump, name) && streams.length === 0;
}

/*
 * Which experiments and streams there are: those of the manifest, and, up to a limit, those that the feeds name besides.
 * Pure. When this has to be asked anew is for `experiment`.
 */

/** Experiments that book does not list and streams that it does not require, together: clients make names up. */
export const extrasMax = 20_000;

/** The laboratory with its roster made anew at `nowMs`. */
export function reindex(lab: LabState, nowMs: number): LabState {
  const resources = Map.groupBy(lab.resources, ({ stub }) => stub);
  const { names, watched, extras, refused } = admitted(lab, resources);
  const experiments = new Map([...names].map((name) => {
    const own = resources.get(name) ?? [];
    const was = lab.experiments.get(name);
    const shape = { resources: own, streams: streamsOf(own, extras.get(name) ?? [], was) };
    const listedBeforeMs = was ? foundInManifestMs(lab, was) : null;
    return [name, { ...(was ?? newExperiment(name, nowMs)), listedBeforeMs, ...shape }];
  }));
  const jump = keepOnly(lab.jump, (name) => names.has(name));
  const relay = keepOnly(lab.relay, (topic) => watched.has(topic));
  const refusedMs = refused.size > 0 ? nowMs : lab.overLimitMs;
  return { ...lab, jump, relay, experiments, watched, overLimit: refused, overLimitMs: refusedMs };
}

/** When a manifest last listed it; null for one that book has not listed. */
export function foundInManifestMs({ listedMs }: LabState, { resources, listedBeforeMs }: Experiment): number | null {
  return resources.length > 0 ? listedMs : listedBeforeMs;
}

/** What is watched: first what book lists, then what was known (so that a flood cannot push it out), then what is new. */
function admitted(lab: LabState, resources: ReadonlyMap<string, readonly Resource[]>) {
  const names = new Set([...resources.keys(), ...lab.experiments.keys()]);
  const watched = new Set(lab.resources.flatMap(({ required }) => required));
  const extras = new Map<string, string[]>();
  const refused = new Set<string>();
  let count = [...names].filter((name) => !resources.has(name)).length;
  const admit = (name: string) => {
    if (names.has(name)) return true;
    if (count >= extrasMax) return refused.add(name), false;
    count++;
    return Boolean(names.add(name));
  };
  const addStream = (topic: string) => {
    const stub = splitTopic(topic)?.stub;
    if (stub === undefined || watched.has(topic)) return;
    if (!admit(stub) || count >= extrasMax) {
      refused.add(topic);
      return;
    }
    count++;
    watched.add(topic);
    const topics = extras.get(stub);
    if (topics) topics.push(topic);
    else extras.set(stub, [topic]);
  };
  for (const topic of lab.watched) if (isSeen(lab.relay, topic)) addStream(topic);
  for (const topic of [...lab.relay.departed.keys(), ...namedIn(lab.relay).keys()]) addStream(topic);
  for (const name of namedIn(lab.jump).keys()) admit(name);
  return { names, watched, extras, refused };
}

function newExperiment(name: string, nowMs: number): Omit<Experiment, "resources" | "streams"> {
  return {
    name,
    firstSeenMs: nowMs,
    namedBeforeMs: nowMs,
    listedBeforeMs: null,
    isStarting: true,
    judged: { kind: "never" },
    events: [],
  };
}

/** Sorted by topic; the very array that it was where nothing has changed. */
function streamsOf(resources: readonly Resource[], extras: readonly string[], was: Experiment | undefined) {
  const required = new Set(resources.flatMap((resource) => resource.required));
  const streams = [...required, ...extras].sort().map((topic) => ({ topic, required: required.has(topic) }));
  const isSame = was?.streams.length === streams.length &&
    streams.every(({ topic, required }, i) => topic === was.streams[i]?.topic && required === was.streams[i]?.required);
  return isSame ? was.streams : streams;
}

/*
 * One feed as far as its reports told: what the newest holds, what an earlier one had and it has not, and which verdicts
 * stand; and what listening to its streams found. Values that are never changed in place. What they mean is for `health`.
 */

/** Keys are topics: at jump an experiment's name, at relay a stream's topic. */
export interface FeedState {
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
  readonly recoveredMs: number | null;
  /** What an earlier report had and the newest has not. */
  readonly departed: ReadonlyMap<string, Departed>;
  readonly verdicts: ReadonlyMap<string, Verdict>;
  /** How many of the newest reports in a row have contradicted the standing verdict. */
  readonly streaks: ReadonlyMap<string, number>;
  /** What listening last found, of connections that the newest report has, of streams that are listened to. */
  readonly probeResults: ReadonlyMap<string, ProbeResult>;
}

/** What listening to one connection of a stream found. It holds for no other connection: a new one may be well. */
export interface ProbeResult {
  /** Which it is, by when it connected, as relay wrote it. */
  readonly connected: string;
  /** False: it was listened to for HEALTH_LAST_ACTIVE, and nothing came. */
  readonly heard: boolean;
  /** When the newest listening ended. */
  readonly atMs: number;
  /** When the first listening began that found the same as all after it. */
  readonly sinceMs: number;
}

export interface Departed {
  /** When a report last had it. */
  readonly seenMs: number;
  /** When a report or the manifest last named it. */
  readonly namedMs: number;
  /** Null for what only an earlier run of the program saw. */
  readonly connection: Connection | null;
}

export function initialFeed(name: FeedName, startedMs: number): FeedState {
  const none = new Map<string, never>();
  const nothing = { departed: none, verdicts: none, streaks: none, probeResults: none };
  return { name, startedMs, newest: { kind: "none" }, intervalMs: null, recoveredMs: null, ...nothing };
}

/** When a report last had `topic`, and what it said of it; null for never. */
export function lastSeen(feed: FeedState, topic: string): Departed | null {
  if (feed.newest.kind === "none") return feed.departed.get(topic) ?? null;
  const { connections, atMs } = feed.newest, connection = connections.get(topic);
  return connection ? { seenMs: atMs, namedMs: atMs, connection } : feed.departed.get(topic) ?? null;
}

/** When a report last had `topic`; null for never. */
export function lastSeenMs(feed: FeedState, topic: string): number | null {
  if (feed.newest.kind === "report" && feed.newest.connections.has(topic)) return feed.newest.atMs;
  return feed.departed.get(topic)?.seenMs ?? null;
}

/** Whether the newest report has `topic`. */
export function isNamed(feed: FeedState, topic: string): boolean {
  return namedIn(feed).has(topic);
}

/** Whether any report that is remembered had `topic`. */
export function isSeen(feed: FeedState, topic: string): boolean {
  return isNamed(feed, topic) || feed.departed.has(topic);
}

/** What the newest report has; nothing while there was none. */
export function namedIn(feed: FeedState): ConnectionTable {
  return feed.newest.kind === "report" ? feed.newest.connections : noConnections;
}

/** The feed after listening to `topic`; as it was where its newest report has not that connection, or not any more. */
export function withProbeResult(feed: FeedState, topic: string, finding: ProbeResult): FeedState {
  if (feed.newest.kind === "none" || feed.newest.connections.peer(topic)?.connected !== finding.connected) return feed;
  const was = feed.probeResults.get(topic);
  const sinceMs = was?.heard === finding.heard ? was.sinceMs : finding.sinceMs;
  return { ...feed, probeResults: new Map(feed.probeResults).set(topic, { ...finding, sinceMs }) };
}

/** The feed with what was found of topics that `isListenedTo` holds for alone; of none where that is not said. */
export function withoutProbeResults(
  feed: FeedState,
  isListenedTo: (topic: string) => boolean = () => false,
): FeedState {
  return { ...feed, probeResults: filtered(feed.probeResults, isListenedTo) };
}

/** What of the probeResults holds for the connections of a report. */
export function probeResultsOn(
  connections: ConnectionTable,
  probeResults: FeedState["probeResults"],
): FeedState["probeResults"] {
  return filtered(probeResults, (topic, { connected }) => connections.peer(topic)?.connected === connected);
}

/** The feed with nothing kept of topics that `isKept` does not hold for; the same object where there are none. */
export function keepOnly(feed: FeedState, isKept: (topic: string) => boolean): FeedState {
  const departed = filtered(feed.departed, isKept),
    verdicts = filtered(feed.verdicts, isKept),
    streaks = filtered(feed.streaks, isKept),
    probeResults = filtered(feed.probeResults, isKept);
  const isSame = departed === feed.departed && verdicts === feed.verdicts && streaks === feed.streaks &&
    probeResults === feed.probeResults;
  return isSame ? feed : { ...feed, departed, verdicts, streaks, probeResults };
}

function filtered<Value>(
  map: ReadonlyMap<string, Value>,
  isKept: (topic: string, value: Value) => boolean,
): ReadonlyMap<string, Value> {
  if (map.size === 0) return map;
  const kept = [...map].filter(([topic, value]) => isKept(topic, value));
  return kept.length === map.size ? map : new Map(kept);
}

/*
 * What of the laboratory survives a restart, and how a run goes on from it: a stream that was ok has its time to show up
 * again, one that was missing stays so, and nothing is judged anew before the start-up time has passed. Pure.
 */

/** The experiment as it was judged at `nowMs`, to be kept; null for one that never was. */
export function persistedExperiment(experiment: Experiment, lab: LabState, nowMs: number): PersistedExperiment | null {
  const { name, judged, streams } = experiment;
  if (judged.kind === "never") return null;
  const saved = streams.flatMap(({ topic }) => {
    const verdict = persistedVerdict(lab.relay, topic);
    return verdict ? [[topic, verdict] as const] : [];
  });
  return {
    name,
    issues: judged.issues,
    sinceMs: judged.sinceMs,
    namedMs: namedMs(lab, experiment, nowMs),
    host: persistedVerdict(lab.jump, name),
    streams: Object.fromEntries(saved),
  };
}

/** The laboratory as an earlier run left it. */
export function restoreLab(empty: LabState, saved: Persisted): LabState {
  const nowMs = empty.startedMs;
  const hosts = saved.experiments.map(({ name, host }) => [name, host] as const);
  const streams = saved.experiments.flatMap((each) => Object.entries(each.streams));
  const resources = saved.manifest?.resources ?? [];
  // The earlier run may have been killed after it had kept a manifest and before it had kept what that made of its probeResults.
  const required = new Set(resources.flatMap((resource) => resource.required));
  const experiments = saved.experiments.map((each): [string, Experiment] => [each.name, {
    name: each.name,
    firstSeenMs: nowMs,
    namedBeforeMs: Math.min(each.namedMs, nowMs),
    listedBeforeMs: null,
    resources: [],
    streams: [],
    isStarting: true,
    judged: { kind: "judged", issues: each.issues, sinceMs: each.sinceMs },
    events: saved.events.get(each.name) ?? [],
  }]);
  const lab: LabState = {
    ...empty,
    jump: restoreFeed(empty.jump, hosts, nowMs),
    relay: withoutProbeResults(restoreFeed(empty.relay, streams, nowMs), (topic) => required.has(topic)),
    resources,
    listedMs: saved.manifest ? Math.min(saved.manifest.atMs, nowMs) : null,
    experiments: new Map(experiments),
  };
  return reindex(lab, nowMs);
}

function persistedVerdict(feed: FeedState, topic: string): PersistedVerdict | null {
  const verdict = feed.verdicts.get(topic), found = feed.probeResults.get(topic);
  if (verdict === undefined) return null;
  const seenMs = lastSeenMs(feed, topic);
  return found?.heard === false ? { verdict, seenMs, silent: found.connected } : { verdict, seenMs };
}

function restoreFeed(
  feed: FeedState,
  entries: readonly (readonly [string, PersistedVerdict | null])[],
  nowMs: number,
): FeedState {
  const departed = new Map<string, Departed>();
  const verdicts = new Map<string, Verdict>();
  const probeResults = new Map<string, ProbeResult>();
  for (const [topic, saved] of entries) {
    if (saved === null) continue;
    verdicts.set(topic, saved.verdict);
    // Else each restart would put it back on book until it is listened to again.
    if (saved.silent !== undefined) {
      probeResults.set(topic, { connected: saved.silent, heard: false, atMs: nowMs, sinceMs: nowMs });
    }
    // What was there when the last run was told of it may have been so until now. Its clock may have been ahead of this one.
    const verdict = saved.verdict, seenMs = saved.seenMs === null ? null : Math.min(saved.seenMs, nowMs);
    if (seenMs !== null) {
      departed.set(topic, { seenMs, namedMs: verdict === "missing" ? seenMs : nowMs, connection: null });
    }
  }
  return { ...feed, departed, verdicts, probeResults };
}
