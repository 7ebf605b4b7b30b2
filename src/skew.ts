/**
 * Is a token refused because two clocks differ, and by how much? The services judge `iat`, `nbf` and `exp` by their own
 * clocks, and their words ("token used before issued") don't say what to do. Leaf; pure.
 */
import { durationWords } from "./duration.ts";

/** What the service answered, its `Date` header, and the time here when it did. */
export interface Refusal {
  readonly words: string;
  readonly date: string | null;
  readonly nowMs: number;
}

// A header is a second coarse, and an answer takes its time; tokens are dated back by more.
const skewMsMin = 5_000;

const ofTheFuture = /used before issued|not valid yet|"(?:nbf|iat)" claim/i;
const ofThePast = /token (?:is|has) expired|"exp" claim/i;
// All that relay says of any token that it does not take.
const unsaid = /^token invalid$/i;

/** What a person can do about the refusal by `service`; null where it is not the clocks'. */
export function skewWords(service: string, { words, date, nowMs }: Refusal): string | null {
  const theirsMs = date === null ? NaN : Date.parse(date);
  const aheadMs = Math.abs(nowMs - theirsMs) >= skewMsMin ? nowMs - theirsMs : null; // null for NaN, too
  if (unsaid.test(words)) return aheadMs === null ? null : sentence(service, aheadMs > 0, aheadMs);
  if (ofTheFuture.test(words)) return sentence(service, true, aheadMs);
  return ofThePast.test(words) ? sentence(service, false, aheadMs) : null;
}

function sentence(service: string, isAhead: boolean, aheadMs: number | null): string {
  // The header may be a proxy's, whose clock is right where the service's is not.
  const by = aheadMs !== null && aheadMs > 0 === isAhead ? `${durationWords(Math.abs(aheadMs))} ` : "";
  return `this machine's clock is ${by}${
    isAhead ? "ahead of" : "behind"
  } ${service}'s, so one of them has to be set right`;
}
