/**
 * Is a token refused because two clocks differ, and by how much? The services judge `iat`, `nbf` and `exp` by their own
 * clocks, and their words ("token used before issued") don't say what to do. Leaf; pure.
 */
import { durationWords } from "./duration.ts";

/** What the service answered, its `Date` header, the time here when it did, and when the token it was of is valid. */
export interface Refusal {
  readonly words: string;
  readonly date: string | null;
  readonly nowMs: number;
  /** From `backdatedMs` before it was signed until `lifeMs` after: clocks that differ by less are no reason to refuse it. */
  readonly token: { readonly backdatedMs: number; readonly lifeMs: number };
}

const ofTheFuture = /used before issued|not valid yet|"(?:nbf|iat)" claim/i;
const ofThePast = /token (?:is|has) expired|"exp" claim/i;
// All that relay says of any token that it does not take.
const unsaid = /^token invalid$/i;

/** What a person can do about the refusal by `service`; null where it is not the clocks'. */
export function skewWords(service: string, refusal: Refusal): string | null {
  const { words } = refusal, aheadMs = aheadMsOf(refusal);
  if (unsaid.test(words)) {
    return aheadMs === null ? null : `${skewSentence(service, aheadMs > 0, aheadMs)}, or the secret is wrong`;
  }
  if (ofTheFuture.test(words)) return skewSentence(service, true, aheadMs);
  return ofThePast.test(words) ? skewSentence(service, false, aheadMs) : null;
}

/** By how much the clock here is ahead, or behind where it is negative; null where a token is valid by both, or nobody knows. */
function aheadMsOf({ date, nowMs, token }: Refusal): number | null {
  const aheadMs = date === null ? NaN : nowMs - Date.parse(date);
  return aheadMs > token.backdatedMs || -aheadMs > token.lifeMs ? aheadMs : null; // null for NaN, too
}

function skewSentence(service: string, isAhead: boolean, aheadMs: number | null): string {
  // The header may be a proxy's, whose clock is right where the service's is not.
  const by = aheadMs !== null && aheadMs > 0 === isAhead ? `${durationWords(Math.abs(aheadMs))} ` : "";
  return `this machine's clock is ${by}${
    isAhead ? "ahead of" : "behind"
  } ${service}'s, so one of them has to be set right`;
}
