/**
 * What readers see: everything that is known at one moment, immutable, and the same object for all of them until something
 * changes. Mail, page, API and metrics are functions of a Snapshot.
 */
import type { AlertCode, HealthEvent, Issue, SystemAlert } from "./alert.ts";
import { type AvailabilityRules, heldReason } from "./availability.ts";
import type { Experiment, Lab } from "./experiment.ts";
import { type Conditions, type HealthRules, wishFor } from "./health.ts";
import type { Run, Turn } from "./history.ts";
import type { BookView, FeedView, HeartbeatView, OutboxView, ProbesView, StoreView } from "./part_view.ts";
import { foundInManifestMs } from "./roster.ts";
import { Seen, SeenStream, type SeenView, type StreamView } from "./seen.ts";
import type { Feed } from "./sighting.ts";
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
  const { lab, conditions, sources, rules: { availability, health }, timeline } = known;
  const { states } = sources.book, { name, judged } = experiment;
  const resources = experiment.resources.map((resource) => resource.name).sort();
  const trials = trialsOf(experiment.resources, { lab, states, rules: availability }, known.atMs);
  return {
    name,
    resources,
    ...standingOf(experiment, { lab, conditions, health, states }, timeline.wasAvailable(name)),
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

function heldOf(resources: readonly string[], states: BookSource["states"], rules: AvailabilityRules): string | null {
  const held = resources.map((resource) => heldReason(states.get(resource) ?? { kind: "unread" }, rules));
  return held.find((reason) => reason !== null) ?? null;
}

function wantedOf({ resources }: Experiment, lab: Lab): boolean | null {
  const wishes = resources.map((resource) => wishFor(resource, lab).kind);
  if (wishes.includes("unavailable")) return false;
  return wishes.length === 0 || wishes.includes("undecided") ? null : true;
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
