/**
 * What is to be done in book about one resource: the rules "book's own state", "a hold", "the reason written" and "two
 * resources on one topic stub" (each is decided alone, by its own wish). Pure.
 * What the rule wants of a resource is judged by `health`; `bookkeeper` does what is decided here.
 */
import { type Issue, issueText } from "./alerts.ts";
import { type DecidedAvailability, type DesiredAvailability, desiredAvailability } from "./health.ts";
import type { LabState } from "./lab.ts";
import type { Resource } from "./report.ts";

/** What book last said of one resource. `absent`: it did not know the name. */
export type ResourceState =
  | { readonly kind: "unread" }
  | { readonly kind: "absent" }
  | { readonly kind: "said"; readonly available: boolean; readonly reason: string; readonly atMs: number };

/** BOOK_HOLDS and BOOK_WRITES. */
export interface AvailabilityRules {
  readonly holds: "respect" | "override";
  readonly writes: boolean;
}

export type Decision =
  /** Book has to be asked before anything can be decided. */
  | { readonly kind: "read" }
  | { readonly kind: "nothing" }
  /** A person took it off, for this reason: nothing is written until a person makes it available. */
  | { readonly kind: "held"; readonly reason: string }
  | { readonly kind: "write"; readonly available: boolean }
  /** What would be written if BOOK_WRITES were on. */
  | { readonly kind: "trial"; readonly available: boolean };

/** Only a difference between what book says and what the rule wants is written. */
export function decide(state: ResourceState, wish: DesiredAvailability, rules: AvailabilityRules): Decision {
  if (state.kind === "unread") return { kind: "read" };
  if (state.kind === "absent") return { kind: "nothing" }; // the next manifest may name it again
  const reason = heldReason(state, rules);
  if (reason !== null) return { kind: "held", reason };
  if (wish.kind === "undecided") return { kind: "nothing" };
  const available = wish.kind === "available";
  if (available === state.available) return { kind: "nothing" };
  return { kind: rules.writes ? "write" : "trial", available };
}

/** Why a person took the resource off, in that person's words if there are any; null: nobody did, or it is overridden. */
export function heldReason(state: ResourceState, rules: Pick<AvailabilityRules, "holds">): string | null {
  if (rules.holds === "override" || state.kind !== "said" || state.available) return null;
  const reason = state.reason.startsWith(booksWords) ? state.reason.slice(booksWords.length) : state.reason;
  if (reason.startsWith(ourWords)) return null;
  return reason.trim() === "" ? "no reason given" : reason;
}

// Book puts its words before the reason of every resource that is unavailable; the Go program's reasons began as ours do.
const booksWords = "unavailable because ";
const ourWords = "status server:";

/** The reason to write, at most 600 characters: `status server: 2026-11-22T20:31:14Z missing required pend00-st-data`. */
export function reasonText(wish: DecidedAvailability, nowMs: number): string {
  const time = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  return `${ourWords} ${time} ${wish.kind === "available" ? "all required streams ok" : issuesText(wish.issues)}`;
}

// It travels in a URL. The longest issue (a stub and a stream of 256 characters each) fits, so one is always told.
const issuesLengthMax = 540;

function issuesText(issues: readonly Issue[]): string {
  const words = issues.filter(({ code }) => code === "missing-required" || code === "unhealthy").map(issueText);
  if (words.length === 0) return "a required stream is not ok"; // book refuses an empty reason
  let length = 0;
  const cut = words.findIndex((issue, told) => (length += issue.length + 2) > issuesLengthMax && told > 0);
  return cut < 0 ? words.join(", ") : `${words.slice(0, cut).join(", ")} and ${words.length - cut} more`;
}

/*
 * With BOOK_WRITES=off: what would be written to book, resource by resource, so that a trial beside another program shows
 * what this one would have done. Log, page and API say it. Pure.
 */

/** The reason that would be written, by the name of the resource; empty while writes are on. */
export function dryRunsOf(
  resources: readonly Resource[],
  known: { lab: LabState; states: ReadonlyMap<string, ResourceState>; rules: AvailabilityRules },
  nowMs: number,
): ReadonlyMap<string, { readonly available: boolean; readonly reason: string }> {
  const { lab, states, rules } = known;
  if (rules.writes) return new Map();
  return new Map(resources.flatMap((resource) => {
    const wish = desiredAvailability(resource, lab);
    const decision = decide(states.get(resource.name) ?? { kind: "unread" }, wish, rules);
    if (decision.kind !== "trial" || wish.kind === "undecided") return [];
    return [[resource.name, { available: decision.available, reason: reasonText(wish, nowMs) }] as const];
  }));
}
