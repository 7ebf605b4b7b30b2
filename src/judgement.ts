/**
 * One judgement of everything that is known: which verdicts stand now, and which experiments raise an event by it; and when
 * the next judgement is due though nothing is reported. The rules themselves are in `health`. Pure.
 */
import type { HealthEvent, Issue } from "./alert.ts";
import type { Experiment, Lab } from "./experiment.ts";
import { lateAfterMs, lostAfterMs } from "./feed.ts";
import {
  type Condition,
  type Conditions,
  conditionsOf,
  type HealthRules,
  issuesOf,
  judgeEntry,
  missedFromMs,
  type Verdict,
} from "./health.ts";
import type { Feed } from "./sighting.ts";

export interface Judgement {
  readonly lab: Lab;
  readonly events: readonly HealthEvent[];
  readonly conditions: Conditions;
}

/** Judges everything at `nowMs`. Judging again without new input or time changes nothing and gives the same `lab`. */
export function judge(lab: Lab, rules: HealthRules, nowMs: number): Judgement {
  const conditions = conditionsOf(lab, rules, nowMs);
  const jump = judgeFeed(lab.jump, lab.experiments.keys(), conditions.jump, rules, nowMs);
  const relay = judgeFeed(lab.relay, lab.watched, conditions.relay, rules, nowMs);
  const judged = jump === lab.jump && relay === lab.relay ? lab : { ...lab, jump, relay };
  return isSettled(judged)
    ? { lab: judged, events: [], conditions }
    : { ...judgeExperiments(judged, rules, nowMs), conditions };
}

/** Whether all experiments were judged by these very verdicts, as after most reports, and none waits for its time. */
function isSettled({ settled, experiments, jump, relay }: Lab): boolean {
  return settled?.experiments === experiments && settled.jump === jump.verdicts && settled.relay === relay.verdicts;
}

function judgeExperiments(lab: Lab, rules: HealthRules, nowMs: number): Pick<Judgement, "lab" | "events"> {
  const events: HealthEvent[] = [];
  const changed: Experiment[] = [];
  let isAnyStarting = false;
  for (const experiment of lab.experiments.values()) {
    const next = judgeExperiment(experiment, lab, rules, nowMs);
    isAnyStarting ||= next.isStarting;
    if (next === experiment) continue;
    changed.push(next);
    const event = next.events.at(-1);
    if (event && next.events !== experiment.events) events.push(event);
  }
  const next = changed.length === 0 ? lab : { ...lab, experiments: withAll(lab.experiments, changed) };
  if (isAnyStarting) return { lab: next.settled === null ? next : { ...next, settled: null }, events };
  const settled = { experiments: next.experiments, jump: lab.jump.verdicts, relay: lab.relay.verdicts };
  return { lab: { ...next, settled }, events };
}

function withAll(experiments: Lab["experiments"], changed: readonly Experiment[]): Lab["experiments"] {
  const all = new Map(experiments);
  for (const experiment of changed) all.set(experiment.name, experiment);
  return all;
}

function judgeFeed(
  feed: Feed,
  topics: Iterable<string>,
  condition: Condition,
  rules: HealthRules,
  nowMs: number,
): Feed {
  const turned: [topic: string, verdict: Verdict][] = [];
  for (const topic of topics) {
    const verdict = judgeEntry(topic, feed, condition, rules, nowMs);
    if (verdict !== null && verdict !== feed.verdicts.get(topic)) turned.push([topic, verdict]);
  }
  if (turned.length === 0) return feed;
  const doubts = new Map(feed.doubts);
  // What spoke against the old verdict has been heard: it does not count again towards turning it back.
  for (const [topic] of turned) doubts.delete(topic);
  const verdicts = new Map(feed.verdicts);
  for (const [topic, verdict] of turned) verdicts.set(topic, verdict);
  return { ...feed, verdicts, doubts };
}

function judgeExperiment(experiment: Experiment, lab: Lab, rules: HealthRules, nowMs: number): Experiment {
  const isTooSoon = nowMs < experiment.firstSeenMs + rules.startupMs || lab.relay.newest.kind === "none";
  if (experiment.isStarting) {
    return isTooSoon ? experiment : judgeExperiment({ ...experiment, isStarting: false }, lab, rules, nowMs);
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

function isWell({ name, streams }: Experiment, lab: Lab): boolean {
  const isNoIssue = (verdict: Verdict | undefined) => verdict === undefined || verdict === "ok";
  return isNoIssue(lab.jump.verdicts.get(name)) &&
    streams.every(({ topic }) => isNoIssue(lab.relay.verdicts.get(topic)));
}

function isKnown({ name, streams }: Experiment, lab: Lab): boolean {
  return lab.jump.verdicts.has(name) && streams.every(({ topic }) => lab.relay.verdicts.has(topic));
}

function sameIssues(a: readonly Issue[], b: readonly Issue[]): boolean {
  return a.length === b.length && a.every((issue, i) => issue.code === b[i]?.code && topicOf(issue) === topicOf(b[i]));
}

function topicOf(issue: Issue | undefined): string {
  return issue && "topic" in issue ? issue.topic : "";
}

/** The first moment after `nowMs` at which a limit passes if nothing is reported; null where there is none. */
export function nextLimitMs(lab: Lab, rules: HealthRules, nowMs: number): number | null {
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
    if (feed.backMs !== null) add(feed.backMs + rules.lastCheckedMs + 1);
    for (const topic of feed.left.keys()) add(missedFromMs(topic, feed) + rules.lastCheckedMs + 1);
  }
  for (const { firstSeenMs, isStarting } of lab.experiments.values()) {
    if (isStarting) add(firstSeenMs + rules.startupMs);
  }
  return nextMs === Infinity ? null : nextMs;
}
