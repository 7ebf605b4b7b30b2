/**
 * Is a stream working, is an experiment healthy and, if not, why; what is wished of book: the rules "ok", "healthy",
 * "issues", "late", "lost" and "thresholds" of the README. Pure. `experiment` knows what was reported; `judgement` applies
 * this to everything and says where it makes an event; what follows is for `availability` (book) and `alert` (people).
 */
import type { HealthEvent, Issue, Verdict } from "./alerts.ts";
import { type Experiment, type FeedState, type LabState, type ProbeResult, withReport } from "./lab.ts";
import type { ConnectionTable, Report, Resource } from "./report.ts";

export interface HealthRules {
  readonly lastActiveMs: number;
  readonly lastCheckedMs: number;
  readonly startupMs: number;
  /** Consecutive reports that must say bad before ok turns bad, and good before bad turns ok. */
  readonly failures: number;
  readonly successes: number;
  readonly feedLoss: "hold" | "unavailable";
  /** Events kept of each experiment. */
  readonly eventsMax: number;
}
export type Condition = "connecting" | "live" | "late" | "lost";

/**
 * A stream by its relay reports, or a host by jump's: the whole rule. All limits are inclusive. Null: not known yet.
 * A stream that the newest report has does not age, however slow the feed: the next report will tell.
 */
export function verdictOf(
  topic: string,
  feed: FeedState,
  condition: Condition,
  rules: HealthRules,
  nowMs: number,
): Verdict | null {
  const was = feed.verdicts.get(topic) ?? null;
  if (condition === "lost") return feed.name === "relay" && rules.feedLoss === "unavailable" ? "missing" : was;
  if (feed.newest.kind === "none") return was;

  const idleMs = feed.newest.connections.idleMs(topic);
  if (idleMs !== undefined) {
    const isGood = isSending(idleMs, feed.probeResults.get(topic), rules);
    const isDoubted = disagrees(isGood, was) &&
      (feed.streaks.get(topic) ?? 0) < (was === "ok" ? rules.failures : rules.successes);
    return isDoubted ? was : isGood ? "ok" : "unhealthy";
  }
  // While a feed is late nothing of it ages; after it was lost, every entry has its time to show up again.
  const untilMs = condition === "late" ? feed.newest.atMs : nowMs;
  return untilMs - missedFromMs(topic, feed) > rules.lastCheckedMs ? "missing" : was;
}

/** Since when it has been missed: what was never seen, always; what an earlier run saw, since this one began. */
export function missedFromMs(topic: string, { departed, startedMs, recoveredMs }: FeedState): number {
  const seenMs = departed.get(topic)?.seenMs;
  return Math.max(seenMs === undefined ? -Infinity : Math.max(seenMs, startedMs), recoveredMs ?? -Infinity);
}

/**
 * Whether a report that has a connection speaks well of it; `idleMs`: how long it has sent nothing, null if not measured.
 * Being connected is enough where nothing is measured: for a jump host, and with relay from v0.8 on. Not so where listening
 * to that very connection found it silent: from then on every report that has it says bad (and counts as one that does:
 * "thresholds"), until it is heard. Having been heard is no more than being connected: statistics that say bad still count.
 */
export function isSending(idleMs: number | null, found: ProbeResult | undefined, rules: HealthRules): boolean {
  if (found?.heard === false) return false;
  return idleMs === null || idleMs <= rules.lastActiveMs;
}

/** Whether what a report says speaks against the verdict that stood. */
function disagrees(isGood: boolean, was: Verdict | null): boolean {
  return was !== null && (was === "ok") !== isGood;
}

/** The laboratory after one more report of one feed: what it says for and against the standing verdicts is counted. */
export function applyReport(lab: LabState, report: Report, rules: HealthRules): LabState {
  return withReport(lab, report, (was) => ({
    wasLost: feedCondition(was, rules, report.atMs) === "lost",
    streaks: streaksAfter(was, report.connections, rules),
  }));
}

function streaksAfter(was: FeedState, now: ConnectionTable, rules: HealthRules): FeedState["streaks"] {
  const streaks = new Map<string, number>();
  // A topic that has left neither confirms nor contradicts: its count stands still.
  for (const [topic, count] of was.streaks) if (!now.has(topic)) streaks.set(topic, count);
  for (const [topic, row] of now.rows) {
    const isGood = isSending(now.idleMsAt(row), was.probeResults.get(topic), rules);
    if (disagrees(isGood, was.verdicts.get(topic) ?? null)) streaks.set(topic, (was.streaks.get(topic) ?? 0) + 1);
  }
  return streaks.size + was.streaks.size === 0 ? was.streaks : streaks;
}

/** How fresh a feed is. One that has not reported in this run is `connecting`, until it is lost. */
export function feedCondition(
  { newest, intervalMs, startedMs }: FeedState,
  rules: HealthRules,
  nowMs: number,
): Condition {
  if (newest.kind === "none") {
    return nowMs - startedMs >= lostAfterMs(null, rules.lastCheckedMs) ? "lost" : "connecting";
  }
  const silentMs = nowMs - newest.atMs;
  if (silentMs >= lostAfterMs(intervalMs, rules.lastCheckedMs)) return "lost";
  return silentMs >= lateAfterMs(intervalMs, rules.lastCheckedMs) ? "late" : "live";
}

export interface Conditions {
  readonly jump: Condition;
  readonly relay: Condition;
}

export function conditionsOf(lab: LabState, rules: HealthRules, nowMs: number): Conditions {
  return {
    jump: feedCondition(lab.jump, rules, nowMs),
    relay: feedCondition(lab.relay, rules, nowMs),
  };
}

/** What is wrong with an experiment, in the order of the README; what is not known yet is no issue. */
export function issuesOf(experiment: Experiment, lab: LabState): readonly Issue[] {
  const of = (verdict: Verdict, isRequired?: boolean) =>
    experiment.streams.filter(({ topic, required }) =>
      lab.relay.verdicts.get(topic) === verdict && (isRequired === undefined || required === isRequired)
    );
  return [
    ...(lab.jump.verdicts.get(experiment.name) === "missing" ? [{ code: "missing-jump" } as const] : []),
    ...of("missing", true).map(({ topic }) => ({ code: "missing-required", topic }) as const),
    ...of("missing", false).map(({ topic }) => ({ code: "missing", topic }) as const),
    ...of("unhealthy").map(({ topic }) => ({ code: "unhealthy", topic }) as const),
  ];
}

/** What the rule wants of a resource: available if all its required streams are ok. Jump does not matter. */
export function desiredAvailability(resource: Resource, lab: LabState): DesiredAvailability {
  if (lab.experiments.get(resource.stub)?.isStarting ?? true) return { kind: "undecided" };
  if (resource.required.every((topic) => lab.relay.verdicts.get(topic) === "ok")) return { kind: "available" };
  const verdicts = resource.required.map((topic) => ({ topic, verdict: lab.relay.verdicts.get(topic) }));
  const bad = verdicts.filter(({ verdict }) => verdict === "missing" || verdict === "unhealthy");
  if (bad.length > 0) {
    const missing = bad.filter(({ verdict }) => verdict === "missing");
    const unhealthy = bad.filter(({ verdict }) => verdict === "unhealthy");
    return {
      kind: "unavailable",
      issues: [
        ...missing.map(({ topic }) => ({ code: "missing-required", topic }) as const),
        ...unhealthy.map(({ topic }) => ({ code: "unhealthy", topic }) as const),
      ],
    };
  }
  return { kind: "undecided" };
}

/*
 * One judgement of everything that is known: which verdicts stand now, and which experiments raise an event by it; and when
 * the next judgement is due though nothing is reported. The rules themselves are in `health`. Pure.
 */

export interface Evaluation {
  readonly lab: LabState;
  readonly events: readonly HealthEvent[];
  readonly conditions: Conditions;
}

/** Judges everything at `nowMs`. Judging again without new input or time changes nothing and gives the same `lab`. */
export function evaluate(lab: LabState, rules: HealthRules, nowMs: number): Evaluation {
  const conditions = conditionsOf(lab, rules, nowMs);
  const jump = evaluateFeed(lab.jump, lab.experiments.keys(), conditions.jump, rules, nowMs);
  const relay = evaluateFeed(lab.relay, lab.watched, conditions.relay, rules, nowMs);
  const judged = jump === lab.jump && relay === lab.relay ? lab : { ...lab, jump, relay };
  return isSettled(judged)
    ? { lab: judged, events: [], conditions }
    : { ...evaluateExperiments(judged, rules, nowMs), conditions };
}

/** Whether all experiments were judged by these very verdicts, as after most reports, and none waits for its time. */
function isSettled({ evaluatedBy: settled, experiments, jump, relay }: LabState): boolean {
  return settled?.experiments === experiments && settled.jump === jump.verdicts && settled.relay === relay.verdicts;
}

function evaluateExperiments(lab: LabState, rules: HealthRules, nowMs: number): Pick<Evaluation, "lab" | "events"> {
  const events: HealthEvent[] = [];
  const changed: Experiment[] = [];
  let isAnyStarting = false;
  for (const experiment of lab.experiments.values()) {
    const next = evaluateExperiment(experiment, lab, rules, nowMs);
    isAnyStarting ||= next.isStarting;
    if (next === experiment) continue;
    changed.push(next);
    const event = next.events.at(-1);
    if (event && next.events !== experiment.events) events.push(event);
  }
  const next = changed.length === 0 ? lab : { ...lab, experiments: withAll(lab.experiments, changed) };
  if (isAnyStarting) return { lab: next.evaluatedBy === null ? next : { ...next, evaluatedBy: null }, events };
  const settled = { experiments: next.experiments, jump: lab.jump.verdicts, relay: lab.relay.verdicts };
  return { lab: { ...next, evaluatedBy: settled }, events };
}

function withAll(experiments: LabState["experiments"], changed: readonly Experiment[]): LabState["experiments"] {
  const all = new Map(experiments);
  for (const experiment of changed) all.set(experiment.name, experiment);
  return all;
}

function evaluateFeed(
  feed: FeedState,
  topics: Iterable<string>,
  condition: Condition,
  rules: HealthRules,
  nowMs: number,
): FeedState {
  const turned: [topic: string, verdict: Verdict][] = [];
  for (const topic of topics) {
    const verdict = verdictOf(topic, feed, condition, rules, nowMs);
    if (verdict !== null && verdict !== feed.verdicts.get(topic)) turned.push([topic, verdict]);
  }
  if (turned.length === 0) return feed;
  const streaks = new Map(feed.streaks);
  // What spoke against the old verdict has been heard: it does not count again towards turning it back.
  for (const [topic] of turned) streaks.delete(topic);
  const verdicts = new Map(feed.verdicts);
  for (const [topic, verdict] of turned) verdicts.set(topic, verdict);
  return { ...feed, verdicts, streaks };
}

function evaluateExperiment(experiment: Experiment, lab: LabState, rules: HealthRules, nowMs: number): Experiment {
  const isTooSoon = nowMs < experiment.firstSeenMs + rules.startupMs || lab.relay.newest.kind === "none";
  if (experiment.isStarting) {
    return isTooSoon ? experiment : evaluateExperiment({ ...experiment, isStarting: false }, lab, rules, nowMs);
  }
  const { judged } = experiment;
  const wasWell = judged.kind === "judged" && judged.issues.length === 0;
  if (wasWell && isWell(experiment, lab)) return experiment; // as most are at most reports: nothing is made for them
  const issues = issuesOf(experiment, lab);
  if (judged.kind === "never") {
    // Nothing bad is known, but not all is known: calling it healthy could turn out to be wrong.
    if (issues.length === 0 && !isKnown(experiment, lab)) return experiment;
  } else if (sameIssues(issues, judged.issues)) {
    return experiment;
  }
  const isFlip = judged.kind === "never" || (judged.issues.length === 0) !== (issues.length === 0);
  const event: HealthEvent = {
    experiment: experiment.name,
    atMs: nowMs,
    healthy: issues.length === 0,
    issues,
    jumpOk: lab.jump.verdicts.get(experiment.name) === "ok",
    streamOk: Object.fromEntries(
      experiment.streams.map(({ topic }) => [topic, lab.relay.verdicts.get(topic) === "ok"]),
    ),
    lastedMs: judged.kind === "never" ? null : Math.max(nowMs - judged.sinceMs, 0),
  };
  return {
    ...experiment,
    judged: { kind: "judged", issues, sinceMs: isFlip ? nowMs : judged.sinceMs },
    events: [...until(experiment.events, nowMs), event].slice(-rules.eventsMax),
  };
}

/** What an earlier run told by a clock that has been put back since happened no later than what happens now. */
function until(events: Experiment["events"], nowMs: number): Experiment["events"] {
  const isLate = ({ atMs }: HealthEvent) => atMs > nowMs;
  return events.some(isLate) ? events.map((event) => isLate(event) ? { ...event, atMs: nowMs } : event) : events;
}

function isWell({ name, streams }: Experiment, lab: LabState): boolean {
  const isNoIssue = (verdict: Verdict | undefined) => verdict === undefined || verdict === "ok";
  return isNoIssue(lab.jump.verdicts.get(name)) &&
    streams.every(({ topic }) => isNoIssue(lab.relay.verdicts.get(topic)));
}

function isKnown({ name, streams }: Experiment, lab: LabState): boolean {
  return lab.jump.verdicts.has(name) && streams.every(({ topic }) => lab.relay.verdicts.has(topic));
}

function sameIssues(a: readonly Issue[], b: readonly Issue[]): boolean {
  return a.length === b.length && a.every((issue, i) => issue.code === b[i]?.code && topicOf(issue) === topicOf(b[i]));
}

function topicOf(issue: Issue | undefined): string {
  return issue && "topic" in issue ? issue.topic : "";
}

/** The first moment after `nowMs` at which a limit passes if nothing is reported; null where there is none. */
export function nextLimitMs(lab: LabState, rules: HealthRules, nowMs: number): number | null {
  let nextMs = Infinity;
  const add = (atMs: number) => {
    if (atMs > nowMs && atMs < nextMs) nextMs = atMs;
  };
  const conditions = conditionsOf(lab, rules, nowMs);
  for (const feed of [lab.jump, lab.relay]) {
    if (feed.newest.kind === "none") add(feed.startedMs + lostAfterMs(null, rules.lastCheckedMs));
    else {
      add(feed.newest.atMs + lateAfterMs(feed.intervalMs, rules.lastCheckedMs));
      add(feed.newest.atMs + lostAfterMs(feed.intervalMs, rules.lastCheckedMs));
    }
    if (conditions[feed.name] !== "live") continue;
    if (feed.recoveredMs !== null) add(feed.recoveredMs + rules.lastCheckedMs + 1);
    for (const topic of feed.departed.keys()) add(missedFromMs(topic, feed) + rules.lastCheckedMs + 1);
  }
  for (const { firstSeenMs, isStarting } of lab.experiments.values()) {
    if (isStarting) add(firstSeenMs + rules.startupMs);
  }
  return nextMs === Infinity ? null : nextMs;
}

/** What the rule wants of one resource. `undecided`: not judged yet, or not known, so book is left as it is. */
export type DesiredAvailability =
  | { readonly kind: "undecided" }
  | { readonly kind: "available" }
  /** `issues`: of the streams that this resource requires. */
  | { readonly kind: "unavailable"; readonly issues: readonly Issue[] };

export type DecidedAvailability = Exclude<DesiredAvailability, { kind: "undecided" }>;

/** A feed that has been quiet for this long is late. `lastCheckedMs` is HEALTH_LAST_CHECKED. */
export function lateAfterMs(intervalMs: number | null, lastCheckedMs: number): number {
  return intervalMs === null ? Math.min(15_000, lastCheckedMs) : Math.max(1_000, 2 * intervalMs);
}

/** A feed that has been quiet for this long is lost. `lastCheckedMs` is HEALTH_LAST_CHECKED. */
export function lostAfterMs(intervalMs: number | null, lastCheckedMs: number): number {
  return Math.max(lastCheckedMs, 3 * (intervalMs ?? 0));
}
