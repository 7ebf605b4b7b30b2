/**
 * What readers see: everything that is known at one moment, immutable, and the same object for all of them until something
 * changes. Mail, page, API and metrics are functions of a Snapshot.
 */
import type { AlertCode, HealthEvent, Issue, SystemAlert } from "./alert.ts";
import { type AvailabilityRules, heldReason } from "./availability.ts";
import type { Connection } from "./connection.ts";
import type { Experiment, Lab } from "./experiment.ts";
import { type Conditions, type HealthRules, type Verdict, wishFor } from "./health.ts";
import type { Run, Turn } from "./history.ts";
import type { BookView, FeedView, HeartbeatView, OutboxView, ProbesView, StoreView } from "./part_view.ts";
import { type Feed, type Finding, lastSeen } from "./sighting.ts";
import type { BookSource, FeedSource, Sources } from "./sources.ts";
import { type ExperimentState, standingOf } from "./standing.ts";
import { trialsOf } from "./trial.ts";

export interface Snapshot {
  readonly atMs: number;
  /** Greater than before where anything but times and statistics has changed since; counts from 1 in each run. */
  readonly revision: number;
  readonly startedMs: number;
  readonly version: string;
  /** When the monitor ran, oldest first, this run included. */
  readonly runs: readonly Run[];
  /** Sorted by name. */
  readonly experiments: readonly ExperimentView[];
  readonly counts: Readonly<Record<ExperimentState, number>>;
  readonly feeds: { readonly jump: FeedView; readonly relay: FeedView };
  readonly book: BookView;
  readonly mail: OutboxView;
  readonly webhook: OutboxView;
  readonly probes: ProbesView;
  readonly heartbeat: HeartbeatView;
  readonly store: StoreView;
  /** System alerts that hold now, oldest first. */
  readonly alerts: readonly SystemAlert[];
}

/** Until when there is a history: a clock that was put back is behind what has happened since. */
export function historyEndMs({ atMs, runs }: Snapshot): number {
  return Math.max(atMs, runs.at(-1)?.aliveMs ?? atMs);
}

export interface ExperimentView {
  readonly name: string;
  /** Its resources in book, by name; empty for one that book does not list. */
  readonly resources: readonly string[];
  readonly state: ExperimentState;
  readonly sinceMs: number;
  /** Judged in this run or an earlier one: only these are in mails. */
  readonly judged: boolean;
  /** As last judged; a state of `unknown` or `starting` leaves them as they were. */
  readonly healthy: boolean;
  readonly issues: readonly Issue[];
  /** What book last said of all its resources together, in this run or before; false if it never said. */
  readonly available: boolean;
  /** What the rule wants all its resources to be; null while that is not decided, and where book lists none. */
  readonly wanted: boolean | null;
  /** The reason of the person who took it off, without book's own words; null when nobody did. */
  readonly held: string | null;
  /** With BOOK_WRITES=off: what would be written, as `RESOURCE: REASON`; null when nothing would. */
  readonly trial: string | null;
  /** Oldest first, HEALTH_EVENTS at most. */
  readonly events: readonly HealthEvent[];
  /** When it came to stand otherwise since it is watched, oldest first: the newest, `turnsMax` at most (see `toldOf`). */
  readonly turns: readonly Turn[];
  readonly firstSeenMs: number;
  readonly foundInManifestMs: number | null;
  readonly host: SeenView;
  /** Sorted by topic: all that book requires and all that relay knows. */
  readonly streams: readonly StreamView[];
}

export interface SeenView {
  /** Null while it has never been judged. */
  readonly verdict: Verdict | null;
  readonly seenMs: number | null;
  /** From the newest report that had it, in this run. */
  readonly connection: Connection | null;
}

export interface StreamView extends SeenView {
  readonly topic: string;
  readonly required: boolean;
  readonly probe: ProbeView | null;
}

/** What listening to a stream last found, while it holds. `sinceMs`: since when it has been found so. */
export type ProbeView = Pick<Finding, "atMs" | "heard" | "sinceMs">;

/** All that a Snapshot is made of. */
export interface Known {
  readonly atMs: number;
  readonly revision: number;
  readonly version: string;
  readonly lab: Lab;
  readonly conditions: Conditions;
  readonly rules: { readonly health: HealthRules; readonly availability: AvailabilityRules };
  readonly sources: Sources;
  readonly timeline: History;
  readonly alerts: ReadonlyMap<AlertCode, SystemAlert>;
  readonly waitingForBook: number;
  readonly mail: OutboxView;
  readonly webhook: OutboxView;
  readonly probes: ProbesView;
  readonly heartbeat: HeartbeatView;
  readonly store: StoreView;
}

/** What `Timeline` has kept. */
export interface History {
  readonly revision: number;
  turnsOf(name: string): readonly Turn[];
  wasAvailable(name: string): boolean;
  runs(nowMs: number): readonly Run[];
}

export function snapshotOf(known: Known): Snapshot {
  const { sources } = known;
  const experiments = [...known.lab.experiments.values()]
    .map((experiment) => experimentView(experiment, known))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const counts = { healthy: 0, unhealthy: 0, starting: 0, unknown: 0 };
  for (const { state } of experiments) counts[state]++;
  return {
    atMs: known.atMs,
    revision: known.revision,
    startedMs: known.lab.startedMs,
    version: known.version,
    runs: known.timeline.runs(known.atMs),
    experiments,
    counts,
    feeds: { jump: feedView(sources.jump, known.lab.jump), relay: feedView(sources.relay, known.lab.relay) },
    book: bookView(sources.book, known),
    mail: known.mail,
    webhook: known.webhook,
    probes: known.probes,
    heartbeat: known.heartbeat,
    store: known.store,
    alerts: [...known.alerts.values()].sort((a, b) => a.atMs - b.atMs),
  };
}

function experimentView(experiment: Experiment, known: Known): ExperimentView {
  const { lab, conditions, sources: { book }, rules: { availability, health }, timeline } = known;
  const { name, judged } = experiment;
  const resources = experiment.resources.map((resource) => resource.name).sort();
  const trials = trialsOf(experiment.resources, { lab, states: book.states, rules: availability }, known.atMs);
  const trial = [...trials].map(([resource, { reason }]) => `${resource}: ${reason}`);
  const states = resources.map((resource) => book.states.get(resource) ?? { kind: "unread" as const });
  return {
    name,
    resources,
    ...standingOf(experiment, { lab, conditions, health, states: book.states }, timeline.wasAvailable(name)),
    judged: judged.kind === "judged",
    healthy: judged.kind === "judged" && judged.issues.length === 0,
    issues: judged.kind === "judged" ? judged.issues : [],
    wanted: wantedOf(experiment, lab),
    held: states.map((state) => heldReason(state, availability)).find((reason) => reason !== null) ?? null,
    trial: trial.length > 0 ? trial.join("; ") : null,
    events: experiment.events,
    turns: timeline.turnsOf(name),
    firstSeenMs: experiment.firstSeenMs,
    foundInManifestMs: experiment.foundInManifestMs,
    host: seenView(name, lab.jump, known.sources.jump),
    streams: experiment.streams.map((stream) => ({
      ...stream,
      ...seenView(stream.topic, lab.relay, known.sources.relay),
      probe: lab.relay.findings.get(stream.topic) ?? null,
    })),
  };
}

function wantedOf({ resources }: Experiment, lab: Lab): boolean | null {
  const wishes = resources.map((resource) => wishFor(resource, lab).kind);
  if (wishes.includes("unavailable")) return false;
  return wishes.length === 0 || wishes.includes("undecided") ? null : true;
}

/**
 * How long ago it last sent, at its feed's newest report; null where that is not known. What has left the reports goes on
 * getting older, report by report. To count up to now would add an age of the report that says nothing of the stream: a
 * camera that sends all the time would seem to pause, and with its feed late all would.
 */
export function idleMsOf({ connection, seenMs }: SeenView, feed: FeedView): number | null {
  const idle = connection?.stats?.tx.idle;
  return idle?.kind !== "for" || seenMs === null || feed.state === "lost" ? null : idle.ms + agedMs(seenMs, feed);
}

/** How long before its feed's newest report it was last in one. */
export function agedMs(seenMs: number, { lastSuccessMs }: FeedView): number {
  return Math.max((lastSuccessMs ?? seenMs) - seenMs, 0);
}

function seenView(topic: string, feed: Feed, { lastReportMs }: FeedSource): SeenView {
  const seen = lastSeen(feed, topic);
  // While nothing of the program ran nothing got older (`shift`), but what is told is when it was.
  const { newest } = feed, missedMs = newest.kind === "none" || lastReportMs === null ? 0 : newest.atMs - lastReportMs;
  return {
    verdict: feed.verdicts.get(topic) ?? null,
    seenMs: seen === null ? null : seen.seenMs - missedMs,
    connection: seen?.connection ?? null,
  };
}

function feedView(source: FeedSource, { intervalMs }: Feed): FeedView {
  return {
    state: source.state,
    sinceMs: source.sinceMs,
    lastSuccessMs: source.lastReportMs,
    lastError: source.lastError,
    counts: source.counts,
    intervalMs,
    generation: source.generation,
    tokenExpiresMs: source.tokenExpiresMs,
  };
}

function bookView(source: BookSource, { lab, waitingForBook }: Known): BookView {
  return {
    state: source.state,
    sinceMs: source.sinceMs,
    lastSuccessMs: source.lastSuccessMs,
    lastError: source.trouble?.message ?? null,
    resources: lab.resources.length,
    writes: source.writes,
    waiting: waitingForBook,
  };
}
