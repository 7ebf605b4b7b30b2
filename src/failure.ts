import { durationWords } from "./duration.ts";

/**
 * Why a service could not be used, as a value: what it was, and the sentence for a person. Leaf.
 * The sentence: what was tried, a colon, what is; the service's own words quoted; no query string, no secret.
 */

export type ServiceFailure = {
  /**
   * `refused`: it answered, and said no. `unreachable`: no answer (not there, too slow, closed midway).
   * `silent`: connected, and nothing comes. `garbage`: what came can't be read.
   */
  readonly kind: "refused" | "unreachable" | "silent" | "garbage";
  readonly message: string;
};

/** What to do about a service that is connected and silent (protocol: jump 0.4 and relay up to 0.7). */
export const silenceHint = "as old services are for good once one client stops reading: they need a restart";

// Room for a sentence of our own around an excerpt of somebody else's words.
const sentenceCharsMax = 600;

/** Somebody else's words made safe to repeat: one line, no control characters, 200 characters at most. */
export function sanitize(words: string): string {
  return cut(words, 200);
}

/** What was thrown, so cut. */
export function thrownText(error: unknown): string {
  return sanitize(error instanceof Error ? error.message : String(error));
}

/** The same for a whole cause, a sentence of our own with such words in it: 600 characters at most. */
export function sentence(words: string): string {
  return cut(words, sentenceCharsMax);
}

function cut(words: string, charsMax: number): string {
  // deno-lint-ignore no-control-regex -- control characters are the point
  const line = words.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+/g, " ").trim();
  // Half a character, there before or left by the cut, is none in UTF-8.
  return (line.length <= charsMax ? line : `${line.slice(0, charsMax - 1)}…`).toWellFormed();
}

/**
 * What a service meant by the body of an error: the `message` of `{code, message}`, a bare JSON string, or the text
 * itself (a proxy's HTML without its tags).
 */
export function errorTextOf(body: string): string {
  try {
    const json: unknown = JSON.parse(body);
    if (typeof json === "string") return sanitize(json);
    if (typeof json === "object" && json !== null && "message" in json && typeof json.message === "string") {
      return sanitize(json.message);
    }
    return sanitize(body);
  } catch {
    return sanitize(htmlWords(body)); // not JSON: a reverse proxy may have answered instead of the service
  }
}

// Of which the first 200 are shown. Looking for the end of what has none takes the square of its length.
const htmlCharsMax = 16_384;

function htmlWords(body: string): string {
  return body
    .slice(0, htmlCharsMax)
    .replace(/<(style|script)\b[\s\S]*?<\/\1>|<[^<>]*>/gi, " ")
    .replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (_, name: string) => entities[name] ?? " ")
    .replace(/\s+/g, " ");
}

const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };

/*
 * Why a connection failed, as one line for a person: the innermost cause in the runtime's words, without the address (whose
 * query string can hold a code), and what to set where it is a certificate; and where a redirect points to. Leaf; works on
 * errors of fetch in Deno 2.6 to 2.9.
 */

/** Of an error that `fetch`, or reading its body, rejected with: `tcp connect error: Connection refused (os error 111)`. */
export function networkErrorText(error: unknown): string {
  const words = innermostMessage(error)
    // An address holds no space, so what is before the last of these is the runtime's own wrapping of it.
    .replace(/^.* client error \(\w+\): /s, "")
    .replace(/\w+:\/\/\S+/g, "(address)");
  return words.includes("UnknownIssuer") ? `${sanitize(words)}${trustHint}` : sanitize(words);
}

/** That an answer is a redirect, and to whose address; null where it is none, or names no place. No token of ours follows one. */
export function redirectText({ status, headers }: Response, asked: URL): string | null {
  const location = headers.get("location") ?? ""; // read against `asked`, an empty one would be `asked` itself
  if (status < 300 || status > 399 || location === "" || !URL.canParse(location, asked)) return null;
  return `and points to ${sanitize(new URL(location, asked).host)}, which is not followed`;
}

const trustHint = " (to trust its issuer set DENO_TLS_CA_STORE=mozilla,system or DENO_CERT to its PEM file)";

function innermostMessage(error: unknown): string {
  let inner = error;
  for (let depth = 0; depth < 10 && inner instanceof Error && inner.cause instanceof Error; depth++) {
    inner = inner.cause;
  }
  return inner instanceof Error ? inner.message : String(inner);
}

/*
 * Is a token refused because two clocks differ, and by how much? The services judge `iat`, `nbf` and `exp` by their own
 * clocks, and their words ("token used before issued") don't say what to do. Leaf; pure.
 */

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
