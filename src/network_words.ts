/**
 * Why a connection failed, as one line for a person: the innermost cause in the runtime's words, without the address (whose
 * query string can hold a code), and what to set where it is a certificate; and where a redirect points to. Leaf; works on
 * errors of fetch in Deno 2.6 to 2.9.
 */
import { excerpt } from "./trouble.ts";

/** Of an error that `fetch`, or reading its body, rejected with: `tcp connect error: Connection refused (os error 111)`. */
export function networkWords(error: unknown): string {
  const words = innermostMessage(error)
    // An address holds no space, so what is before the last of these is the runtime's own wrapping of it.
    .replace(/^.* client error \(\w+\): /s, "")
    .replace(/\w+:\/\/\S+/g, "(address)");
  return words.includes("UnknownIssuer") ? `${excerpt(words)}${trustHint}` : excerpt(words);
}

/** That an answer is a redirect, and to whose address; null where it is none, or names no place. No token of ours follows one. */
export function redirectWords({ status, headers }: Response, asked: URL): string | null {
  const location = headers.get("location") ?? ""; // read against `asked`, an empty one would be `asked` itself
  if (status < 300 || status > 399 || location === "" || !URL.canParse(location, asked)) return null;
  return `and points to ${excerpt(new URL(location, asked).host)}, which is not followed`;
}

const trustHint = " (to trust its issuer set DENO_TLS_CA_STORE=mozilla,system or DENO_CERT to its PEM file)";

function innermostMessage(error: unknown): string {
  let inner = error;
  for (let depth = 0; depth < 10 && inner instanceof Error && inner.cause instanceof Error; depth++) {
    inner = inner.cause;
  }
  return inner instanceof Error ? inner.message : String(inner);
}
