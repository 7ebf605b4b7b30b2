/**
 * With BOOK_WRITES=off: what would be written to book, resource by resource, so that a trial beside another program shows
 * what this one would have done. Log, page and API say it. Pure.
 */
import { type AvailabilityRules, decide, reasonText, type ResourceState } from "./availability.ts";
import type { Resource } from "./book_client.ts";
import type { Lab } from "./experiment.ts";
import { wishFor } from "./health.ts";

/** The reason that would be written, by the name of the resource; empty while writes are on. */
export function trialsOf(
  resources: readonly Resource[],
  known: { lab: Lab; states: ReadonlyMap<string, ResourceState>; rules: AvailabilityRules },
  nowMs: number,
): ReadonlyMap<string, { readonly available: boolean; readonly reason: string }> {
  const { lab, states, rules } = known;
  if (rules.writes) return new Map();
  return new Map(resources.flatMap((resource) => {
    const wish = wishFor(resource, lab);
    const decision = decide(states.get(resource.name) ?? { kind: "unread" }, wish, rules);
    if (decision.kind !== "trial" || wish.kind === "undecided") return [];
    return [[resource.name, { available: decision.available, reason: reasonText(wish, nowMs) }] as const];
  }));
}
