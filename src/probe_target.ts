/**
 * Which streams are to be listened to now (design, section 8): required ones that relay's newest report has, where it says
 * nothing of when they last sent. Pure. Which of them is next is for `probe_plan`, what was found for `health`.
 */
import type { Lab } from "./experiment.ts";
import type { Conditions } from "./health.ts";
import { canBeAskedFor } from "./probe.ts";
import type { FeedSource } from "./sources.ts";

/** PROBE_STREAMS, where it is not off. */
export type ProbeMode = "auto" | "always";

export type ProbeTargets =
  /** Relay says itself when streams last sent, or none is required. */
  | { readonly kind: "none" }
  /** Relay is late or lost: what comes of a stream now, or does not, says nothing of it. */
  | { readonly kind: "away" }
  | {
    readonly kind: "streams";
    /** Topics, each with its connection. */
    readonly streams: ReadonlyMap<string, string>;
    /** How many reports relay has sent in this run, and how many connections to it they came by. */
    readonly reports: number;
    readonly connects: number;
    /** How many relay cannot be asked for by name, so that nobody listens to them. */
    readonly unaskable: number;
  };

export interface Telling {
  readonly lab: Lab;
  readonly conditions: Conditions;
  readonly relay: FeedSource;
}

/** `probeTargets`, made anew only when what it is made of has changed: it is asked for at every turn of everything. */
export function rememberedTargets(mode: ProbeMode): (telling: Telling) => ProbeTargets {
  let was: readonly unknown[] = [], targets: ProbeTargets = { kind: "away" };
  return (telling) => {
    const now = [telling.lab.relay.newest, telling.lab.resources, telling.conditions.relay, telling.relay];
    if (now.some((each, at) => each !== was[at])) targets = probeTargets(telling, mode);
    was = now;
    return targets;
  };
}

/** All that is to be listened to, by what is known now. */
export function probeTargets({ lab, conditions, relay }: Telling, mode: ProbeMode): ProbeTargets {
  const { newest } = lab.relay;
  if (newest.kind === "none" || conditions.relay !== "live") return { kind: "away" };
  if (mode === "auto" && relay.generation !== "unmeasured") return { kind: "none" };
  const required = lab.resources.flatMap((resource) => resource.required);
  if (required.length === 0) return { kind: "none" };
  const streams = new Map<string, string>();
  let unaskable = 0;
  for (const topic of required) {
    const peer = newest.connections.peer(topic);
    if (peer === undefined) continue;
    if (canBeAskedFor(topic)) streams.set(topic, peer.connected);
    else unaskable++;
  }
  const { reports, connects } = relay.counts;
  return { kind: "streams", streams, reports, connects, unaskable };
}
