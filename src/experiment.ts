/**
 * What is known of the laboratory: the feeds, the manifest, which streams and experiments that makes, and what was last
 * judged of them. Values that are never changed in place: `observe`, `withManifest` and `forget` give a new one that shares
 * all that stayed the same. What it means is for `health`.
 */
import type { HealthEvent, Issue } from "./alert.ts";
import type { Resource } from "./book_client.ts";
import { contradicts, feedCondition, type HealthRules, isSending } from "./health.ts";
import type { ConnectionTable, FeedName, Report } from "./report.ts";
import { splitTopic } from "./report_entry.ts";
import { foundInManifestMs, indexed } from "./roster.ts";
import {
  emptyFeed,
  type Feed,
  findingsOn,
  isNamed,
  keeping,
  lastSeen,
  type Left,
  namedIn,
  withoutFindings,
} from "./sighting.ts";

export interface Lab {
  /** When this run of the program began. */
  readonly startedMs: number;
  readonly jump: Feed;
  readonly relay: Feed;
  /** The manifest in use, sorted by name. */
  readonly resources: readonly Resource[];
  /** When that was last read. */
  readonly listedMs: number | null;
  readonly experiments: ReadonlyMap<string, Experiment>;
  /** By which verdicts all of these experiments were judged; null while some wait for their time. */
  readonly settled: Record<FeedName, Feed["verdicts"]> & Pick<Lab, "experiments"> | null;
  /** All streams that are watched, by topic. */
  readonly watched: ReadonlySet<string>;
  /** Experiments and streams beyond the limit, which are not watched. */
  readonly refused: ReadonlySet<string>;
  /** When there last were any; null for never in this run. */
  readonly refusedMs: number | null;
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

export function emptyLab(startedMs: number): Lab {
  return {
    startedMs,
    jump: emptyFeed("jump", startedMs),
    relay: emptyFeed("relay", startedMs),
    resources: [],
    listedMs: null,
    experiments: new Map(),
    settled: null,
    watched: new Set(),
    refused: new Set(),
    refusedMs: null,
  };
}

/** The laboratory after one more report of one feed. */
export function observe(lab: Lab, report: Report, rules: HealthRules): Lab {
  const was = lab[report.feed];
  const wasLost = feedCondition(was, rules, report.atMs) === "lost";
  const findings = findingsOn(report.connections, was.findings);
  const feed: Feed = {
    ...was,
    newest: { kind: "report", atMs: report.atMs, connections: report.connections },
    intervalMs: report.intervalMs,
    backMs: wasLost ? report.atMs : was.backMs,
    left: leftAfter(was, report.connections, lab),
    doubts: doubtsAfter({ ...was, findings }, report.connections, rules),
    findings,
  };
  const next = { ...lab, [feed.name]: feed };
  return namesAnythingNew(lab, report) ? indexed(next, report.atMs) : next;
}

/** The laboratory with another manifest in use, as book listed it at `atMs`. */
export function withManifest(lab: Lab, resources: readonly Resource[], atMs: number): Lab {
  const sorted = resources.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  if (isSameManifest(lab.resources, sorted)) return { ...lab, listedMs: atMs };
  const before = lab.resources.flatMap(({ required }) => required);
  // What is required no longer was named by book until now.
  const left = new Map(lab.relay.left);
  for (const topic of before) {
    const was = left.get(topic);
    if (was) left.set(topic, { ...was, namedMs: atMs });
  }
  const required = new Set(sorted.flatMap((resource) => resource.required));
  const relay = withoutFindings({ ...lab.relay, left }, (topic) => required.has(topic));
  return { ...indexed({ ...lab, relay, resources: sorted }, atMs), listedMs: atMs };
}

function isSameManifest(was: readonly Resource[], now: readonly Resource[]): boolean {
  return was.length === now.length && JSON.stringify(was) === JSON.stringify(now);
}

/** Without the streams and experiments that nothing has named for `forgetMs`. `forgotten`: experiments, by name. */
export function forget(lab: Lab, forgetMs: number, nowMs: number): { lab: Lab; forgotten: readonly string[] } {
  const limitMs = nowMs - forgetMs;
  const required = new Set(lab.resources.flatMap((resource) => resource.required));
  const isStreamKept = (topic: string) => {
    const left = lab.relay.left.get(topic);
    return left === undefined || left.namedMs >= limitMs || required.has(topic);
  };
  const relay = keeping(lab.relay, isStreamKept);
  const slim = relay === lab.relay ? lab : indexed({ ...lab, relay }, nowMs);
  const forgotten = [...slim.experiments.values()]
    .filter((each) => isForgettable(slim, each) && namedMs(slim, each, nowMs) < limitMs)
    .map(({ name }) => name);
  if (forgotten.length === 0 && slim.refused.size === 0) return { lab: slim, forgotten };
  const names = new Set(forgotten);
  const experiments = new Map([...slim.experiments].filter(([name]) => !names.has(name)));
  return { lab: indexed({ ...slim, experiments }, nowMs), forgotten };
}

/** When `experiment` was last named: now while the manifest or a newest report has it. */
export function namedMs(lab: Lab, experiment: Experiment, nowMs: number): number {
  const topics = experiment.streams.map(({ topic }) => topic);
  const isNow = experiment.resources.length > 0 || isNamed(lab.jump, experiment.name) ||
    topics.some((topic) => isNamed(lab.relay, topic));
  if (isNow) return nowMs;
  const seen = [lab.jump.left.get(experiment.name), ...topics.map((topic) => lab.relay.left.get(topic))];
  return Math.max(
    experiment.namedBeforeMs,
    foundInManifestMs(lab, experiment) ?? 0,
    ...seen.map((each) => each?.namedMs ?? 0),
  );
}

function leftAfter(was: Feed, now: ConnectionTable, lab: Lab): Feed["left"] {
  if (now.hasTopicsOf(namedIn(was))) return was.left; // nobody came or went, as mostly
  const gone = [...namedIn(was).keys()].filter((topic) => !now.has(topic) && isWatched(lab, was.name, topic));
  const back = [...was.left.keys()].filter((topic) => now.has(topic));
  if (gone.length + back.length === 0) return was.left;
  const left = new Map(was.left);
  for (const topic of back) left.delete(topic);
  for (const topic of gone) left.set(topic, lastSeen(was, topic) as Left);
  return left;
}

function doubtsAfter(was: Feed, now: ConnectionTable, rules: HealthRules): Feed["doubts"] {
  const doubts = new Map<string, number>();
  // A topic that has left neither confirms nor contradicts: its count stands still.
  for (const [topic, count] of was.doubts) if (!now.has(topic)) doubts.set(topic, count);
  for (const [topic, row] of now.rows) {
    const isGood = isSending(now.quietMsAt(row), was.findings.get(topic), rules);
    if (contradicts(isGood, was.verdicts.get(topic) ?? null)) doubts.set(topic, (was.doubts.get(topic) ?? 0) + 1);
  }
  return doubts.size + was.doubts.size === 0 ? was.doubts : doubts;
}

function namesAnythingNew(lab: Lab, report: Report): boolean {
  if (report.connections.hasTopicsOf(namedIn(lab[report.feed]))) return false;
  for (const topic of report.connections.keys()) {
    if (isWatched(lab, report.feed, topic) || lab.refused.has(topic)) continue;
    if (report.feed === "jump" || splitTopic(topic)) return true;
  }
  return false;
}

function isWatched(lab: Lab, feed: FeedName, topic: string): boolean {
  return feed === "jump" ? lab.experiments.has(topic) : lab.watched.has(topic);
}

function isForgettable(lab: Lab, { name, resources, streams }: Experiment): boolean {
  return resources.length === 0 && !isNamed(lab.jump, name) && streams.length === 0;
}
