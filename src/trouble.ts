/**
 * Why a service could not be used, as a value: what it was, and the sentence for a person. Leaf.
 * The sentence: what was tried, a colon, what is; the service's own words quoted; no query string, no secret.
 */

export type Trouble = {
  /**
   * `refused`: it answered, and said no. `unreachable`: no answer (not there, too slow, closed midway).
   * `silent`: connected, and nothing comes. `garbage`: what came can't be read.
   */
  readonly kind: "refused" | "unreachable" | "silent" | "garbage";
  readonly message: string;
};

/** What to do about a service that is connected and silent (protocol: jump 0.4 and relay up to 0.7). */
export const silenceCure = "as old services are for good once one client stops reading: they need a restart";

// Room for a sentence of our own around an excerpt of somebody else's words.
const sentenceCharsMax = 600;

/** Somebody else's words made safe to repeat: one line, no control characters, 200 characters at most. */
export function excerpt(words: string): string {
  return cut(words, 200);
}

/** What was thrown, so cut. */
export function thrownWords(error: unknown): string {
  return excerpt(error instanceof Error ? error.message : String(error));
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
export function answerWords(body: string): string {
  try {
    const json: unknown = JSON.parse(body);
    if (typeof json === "string") return excerpt(json);
    if (typeof json === "object" && json !== null && "message" in json && typeof json.message === "string") {
      return excerpt(json.message);
    }
    return excerpt(body);
  } catch {
    return excerpt(htmlWords(body)); // not JSON: a reverse proxy may have answered instead of the service
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
