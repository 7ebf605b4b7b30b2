/**
 * What readers see: everything that is known at one moment, immutable, and the same object for all of them until something
 * changes. Mail, page, API and metrics are functions of a Snapshot.
 */
import type { AlertCode, HealthEvent, Issue, SystemAlert, Verdict } from "./alerts.ts";
import { type AvailabilityRules, dryRunsOf, heldReason } from "./availability.ts";
import { type Conditions, desiredAvailability, type HealthRules } from "./health.ts";
import { statusOf } from "./history.ts";
import {
  type Experiment,
  type FeedState,
  foundInManifestMs,
  type LabState,
  lastSeen,
  lastSeenMs,
  namedIn,
  type ProbeResult,
} from "./lab.ts";
import type { ExperimentState, MonitorRun, StateChange } from "./persisted.ts";
import type { Connection, ConnectionInfo } from "./report.ts";
import type {
  BookStatus,
  BookView,
  ComponentStatus,
  FeedStatus,
  FeedView,
  ProbesView,
  Sources,
  StoreView,
} from "./system_alerts.ts";

export interface Snapshot {
  readonly atMs: number;
  /** Greater than before where anything but times and statistics has changed since; counts from 1 in each run. */
  readonly revision: number;
  readonly startedMs: number;
  readonly version: string;
  /** When the monitor ran, oldest first, this run included. */
  readonly runs: readonly MonitorRun[];
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
  readonly turns: readonly StateChange[];
  readonly firstSeenMs: number;
  readonly foundInManifestMs: number | null;
  readonly host: TopicView;
  /** Sorted by topic: all that book requires and all that relay knows. */
  readonly streams: readonly StreamView[];
}

/** All that a Snapshot is made of. */
export interface SnapshotInputs {
  readonly atMs: number;
  readonly revision: number;
  readonly version: string;
  readonly lab: LabState;
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
  turnsOf(name: string): readonly StateChange[];
  wasAvailable(name: string): boolean;
  runs(nowMs: number): readonly MonitorRun[];
}

export function snapshotOf(known: SnapshotInputs): Snapshot {
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

function experimentView(experiment: Experiment, known: SnapshotInputs): ExperimentView {
  const { lab, conditions, sources, rules: { availability, health }, timeline } = known;
  const { states } = sources.book, { name, judged } = experiment;
  const resources = experiment.resources.map((resource) => resource.name).sort();
  const trials = dryRunsOf(experiment.resources, { lab, states, rules: availability }, known.atMs);
  return {
    name,
    resources,
    ...statusOf(experiment, { lab, conditions, health, states }, timeline.wasAvailable(name)),
    judged: judged.kind === "judged",
    healthy: judged.kind === "judged" && judged.issues.length === 0,
    issues: judged.kind === "judged" ? judged.issues : [],
    wanted: wantedOf(experiment, lab),
    held: heldOf(resources, states, availability),
    trial: trials.size > 0 ? [...trials].map(([resource, { reason }]) => `${resource}: ${reason}`).join("; ") : null,
    events: experiment.events,
    turns: timeline.turnsOf(name),
    firstSeenMs: experiment.firstSeenMs,
    foundInManifestMs: foundInManifestMs(lab, experiment),
    host: new Seen(name, lab.jump, sources.jump),
    streams: experiment.streams.map(({ topic, required }) => new SeenStream(topic, lab.relay, sources.relay, required)),
  };
}

function heldOf(resources: readonly string[], states: BookStatus["states"], rules: AvailabilityRules): string | null {
  const held = resources.map((resource) => heldReason(states.get(resource) ?? { kind: "unread" }, rules));
  return held.find((reason) => reason !== null) ?? null;
}

function wantedOf({ resources }: Experiment, lab: LabState): boolean | null {
  const wishes = resources.map((resource) => desiredAvailability(resource, lab).kind);
  if (wishes.includes("unavailable")) return false;
  return wishes.length === 0 || wishes.includes("undecided") ? null : true;
}

function feedView(source: FeedStatus, { intervalMs }: FeedState): FeedView {
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

function bookView(source: BookStatus, { lab, waitingForBook }: SnapshotInputs): BookView {
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

/** Of the mails, and of what the webhook is owed. */
export interface OutboxView extends ComponentStatus<"off" | "idle" | "waiting" | "failing"> {
  readonly waiting: number;
  readonly sent: number;
  readonly failed: number;
  readonly oldestMs: number | null;
}

/** `withheld`: not asked for, since something is not alive (`lastError` says what). Counts are of this run. */
export interface HeartbeatView extends ComponentStatus<"off" | "waiting" | "ok" | "withheld" | "failing"> {
  readonly sent: number;
  readonly failed: number;
}

/*
 * What readers see of one topic: the verdict, and what its newest report said. That is read from the feed when it is asked
 * for, since each report says it anew of thousands and most readers don't ask. Pure.
 */

export interface TopicView {
  /** Null while it has never been judged. */
  readonly verdict: Verdict | null;
  readonly seenMs: number | null;
  /** From the newest report that had it, in this run: made anew for who asks. */
  readonly connection: Connection | null;
  /** Who that is: the same object from report to report while nothing but statistics changes. */
  readonly peer: ConnectionInfo | null;
  readonly stats: Connection["stats"];
}

export interface StreamView extends TopicView {
  readonly topic: string;
  readonly required: boolean;
  readonly probe: ProbeView | null;
}

/** What listening to a stream last found, while it holds. `sinceMs`: since when it has been found so. */
export type ProbeView = Pick<ProbeResult, "atMs" | "heard" | "sinceMs">;

export class Seen implements TopicView {
  readonly #topic: string;
  readonly #feed: FeedState;
  readonly verdict: Verdict | null;
  readonly seenMs: number | null;

  constructor(topic: string, feed: FeedState, { lastReportMs }: FeedStatus) {
    this.#topic = topic;
    this.#feed = feed;
    this.verdict = feed.verdicts.get(topic) ?? null;
    const { newest } = feed, seenMs = lastSeenMs(feed, topic);
    // While nothing of the program ran nothing got older (`shift`), but what is told is when it was.
    const suspendedMs = newest.kind === "none" || lastReportMs === null ? 0 : newest.atMs - lastReportMs;
    this.seenMs = seenMs === null ? null : seenMs - suspendedMs;
  }

  get connection(): Connection | null {
    return lastSeen(this.#feed, this.#topic)?.connection ?? null;
  }

  get peer(): ConnectionInfo | null {
    return namedIn(this.#feed).peer(this.#topic) ?? this.#feed.departed.get(this.#topic)?.connection ?? null;
  }

  get stats(): Connection["stats"] {
    const stats = namedIn(this.#feed).stats(this.#topic);
    return stats === undefined ? this.#feed.departed.get(this.#topic)?.connection?.stats ?? null : stats;
  }
}

export class SeenStream extends Seen implements StreamView {
  readonly topic: string;
  readonly required: boolean;
  readonly probe: ProbeView | null;

  constructor(topic: string, feed: FeedState, source: FeedStatus, required: boolean) {
    super(topic, feed, source);
    this.topic = topic;
    this.required = required;
    this.probe = feed.probeResults.get(topic) ?? null;
  }
}

/**
 * How long ago it last sent, at its feed's newest report; null where that is not known. What has left the reports goes on
 * getting older, report by report. To count up to now would add an age of the report that says nothing of the stream: a
 * camera that sends all the time would seem to pause, and with its feed late all would.
 */
export function idleMsOf({ stats, seenMs }: TopicView, feed: FeedView): number | null {
  const idle = stats?.tx.idle;
  return idle?.kind !== "for" || seenMs === null || feed.state === "lost" ? null : idle.ms + agedMs(seenMs, feed);
}

/** How long before its feed's newest report it was last in one. */
export function agedMs(seenMs: number, { lastSuccessMs }: FeedView): number {
  return Math.max((lastSuccessMs ?? seenMs) - seenMs, 0);
}
