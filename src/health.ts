/**
 * Is a stream working, is an experiment healthy and, if not, why; what is wished of book: the rules "ok", "healthy",
 * "issues", "late", "lost" and "thresholds" of the README. Pure. `experiment` knows what was reported; `judgement` applies
 * this to everything and says where it makes an event; what follows is for `availability` (book) and `alert` (people).
 */
import type { Issue } from "./alert.ts";
import type { Wish } from "./availability.ts";
import type { Resource } from "./book_client.ts";
import type { Experiment, Lab } from "./experiment.ts";
import { lateAfterMs, lostAfterMs } from "./feed.ts";
import type { Feed, Finding } from "./sighting.ts";

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

/** `missing`: not reported. `unhealthy`: reported, not transmitting. */
export type Verdict = "ok" | "missing" | "unhealthy";
export type Condition = "connecting" | "live" | "late" | "lost";

/**
 * A stream by its relay reports, or a host by jump's: the whole rule. All limits are inclusive. Null: not known yet.
 * A stream that the newest report has does not age, however slow the feed: the next report will tell.
 */
export function judgeEntry(
  topic: string,
  feed: Feed,
  condition: Condition,
  rules: HealthRules,
  nowMs: number,
): Verdict | null {
  const was = feed.verdicts.get(topic) ?? null;
  if (condition === "lost") return feed.name === "relay" && rules.feedLoss === "unavailable" ? "missing" : was;
  if (feed.newest.kind === "none") return was;

  const quietMs = feed.newest.connections.quietMs(topic);
  if (quietMs !== undefined) {
    const isGood = isSending(quietMs, feed.findings.get(topic), rules);
    const isDoubted = contradicts(isGood, was) &&
      (feed.doubts.get(topic) ?? 0) < (was === "ok" ? rules.failures : rules.successes);
    return isDoubted ? was : isGood ? "ok" : "unhealthy";
  }
  // While a feed is late nothing of it ages; after it was lost, every entry has its time to show up again.
  const untilMs = condition === "late" ? feed.newest.atMs : nowMs;
  return untilMs - missedFromMs(topic, feed) > rules.lastCheckedMs ? "missing" : was;
}

/** Since when it has been missed: what was never seen, always; what an earlier run saw, since this one began. */
export function missedFromMs(topic: string, { left, startedMs, backMs }: Feed): number {
  const seenMs = left.get(topic)?.seenMs;
  return Math.max(seenMs === undefined ? -Infinity : Math.max(seenMs, startedMs), backMs ?? -Infinity);
}

/**
 * Whether a report that has a connection speaks well of it; `quietMs`: how long it has sent nothing, null if not measured.
 * Being connected is enough where nothing is measured: for a jump host, and with relay from v0.8 on. Not so where listening
 * to that very connection found it silent: from then on every report that has it says bad (and counts as one that does:
 * "thresholds"), until it is heard. Having been heard is no more than being connected: statistics that say bad still count.
 */
export function isSending(quietMs: number | null, found: Finding | undefined, rules: HealthRules): boolean {
  if (found?.heard === false) return false;
  return quietMs === null || quietMs <= rules.lastActiveMs;
}

/** Whether what a report says speaks against the verdict that stood. */
export function contradicts(isGood: boolean, was: Verdict | null): boolean {
  return was !== null && (was === "ok") !== isGood;
}

/** How fresh a feed is. One that has not reported in this run is `connecting`, until it is lost. */
export function feedCondition({ newest, intervalMs, startedMs }: Feed, rules: HealthRules, nowMs: number): Condition {
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

export function conditionsOf(lab: Lab, rules: HealthRules, nowMs: number): Conditions {
  return {
    jump: feedCondition(lab.jump, rules, nowMs),
    relay: feedCondition(lab.relay, rules, nowMs),
  };
}

/** What is wrong with an experiment, in the order of the README; what is not known yet is no issue. */
export function issuesOf(experiment: Experiment, lab: Lab): readonly Issue[] {
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
export function wishFor(resource: Resource, lab: Lab): Wish {
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
