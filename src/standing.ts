/**
 * How an experiment stands now, in a word: what API, page and metrics show, and what its history is made of. Pure.
 * What is wrong with it is for `health`, what book is to be told for `availability`.
 */
import type { ResourceState } from "./availability.ts";
import type { Experiment, Lab } from "./experiment.ts";
import { lostAfterMs } from "./feed.ts";
import type { Conditions, HealthRules } from "./health.ts";
import type { Feed } from "./sighting.ts";

export type ExperimentState = "healthy" | "unhealthy" | "starting" | "unknown";

export interface Standing {
  readonly state: ExperimentState;
  readonly sinceMs: number;
  /** What book last said of all its resources together; false if it never said. */
  readonly available: boolean;
}

/** What a standing is read from. */
export interface Known {
  readonly lab: Lab;
  readonly conditions: Conditions;
  readonly health: HealthRules;
  /** What book said in this run, by resource. */
  readonly states: ReadonlyMap<string, ResourceState>;
}

/** `wasAvailable`: what book last said before this run, for as long as it has not said anything in this one. */
export function standingOf(experiment: Experiment, known: Known, wasAvailable: boolean): Standing {
  return { ...stateOf(experiment, known), available: isAvailable(experiment, known.states, wasAvailable) };
}

/** `unknown` while a feed that could tell is lost, whatever the other tells; `starting` until this run has judged it. */
function stateOf(
  { judged, isStarting, firstSeenMs }: Experiment,
  { lab, conditions, health }: Known,
): Pick<Standing, "state" | "sinceMs"> {
  const lost = ([lab.jump, lab.relay] as const).filter((feed) =>
    conditions[feed.name] === "lost" && (feed.name === "jump" || health.feedLoss === "hold")
  );
  if (lost.length > 0) {
    return { state: "unknown", sinceMs: Math.min(...lost.map((feed) => lostSinceMs(feed, health))) };
  }
  if (isStarting || judged.kind === "never") return { state: "starting", sinceMs: firstSeenMs };
  return { state: judged.issues.length === 0 ? "healthy" : "unhealthy", sinceMs: judged.sinceMs };
}

function lostSinceMs({ newest, intervalMs, startedMs }: Feed, { lastCheckedMs }: HealthRules): number {
  return newest.kind === "none"
    ? startedMs + lostAfterMs(null, lastCheckedMs)
    : newest.atMs + lostAfterMs(intervalMs, lastCheckedMs);
}

function isAvailable({ resources }: Experiment, states: Known["states"], wasAvailable: boolean): boolean {
  return resources.length > 0 && resources.every(({ name }) => {
    const state = states.get(name) ?? { kind: "unread" };
    return state.kind === "unread" ? wasAvailable : state.kind === "said" && state.available;
  });
}
