/**
 * How book can fail, one class for each kind that its callers act on differently. The message is for a person: what was
 * tried and where, a colon, what came instead, in book's own words; never a query string, never a secret.
 */
import { excerpt, type Trouble } from "./failure.ts";

/** What was asked, for the message: `set r-pend00 available`, and where. */
export interface Attempt {
  readonly tried: string;
  readonly url: URL;
}

/** No answer: not there, too slow, or closed midway. What was asked may have been done all the same. */
export class BookUnreachable extends Error {
  override readonly name = "BookUnreachable";
  readonly code = "BOOK_UNREACHABLE";
  readonly retryable = true;

  constructor(attempt: Attempt, why: string, options?: ErrorOptions) {
    super(`${cannot(attempt)}: ${why}`, options);
  }
}

/** It answered, and not with a success. Asking the same again can't help after a 422; anything else may pass. */
export class BookRefused extends Error {
  override readonly name = "BookRefused";
  readonly code = "BOOK_REFUSED";
  readonly retryable: boolean;

  constructor(attempt: Attempt, readonly status: number, words: string) {
    super(`${cannot(attempt)}: book answered ${status} ${words}`);
    this.retryable = status !== 422;
  }
}

/** It does not know a resource of that name (404): only another manifest can change that. */
export class BookUnknownResource extends Error {
  override readonly name = "BookUnknownResource";
  readonly code = "BOOK_UNKNOWN_RESOURCE";
  readonly retryable = false;

  constructor(attempt: Attempt, words: string) {
    super(`${cannot(attempt)}: ${words}`);
  }
}

/** It answered with a success that can't be read: another service may be at its address. */
export class BookGarbled extends Error {
  override readonly name = "BookGarbled";
  readonly code = "BOOK_GARBLED";
  readonly retryable = true;

  constructor(attempt: Attempt, status: number, words: string) {
    super(`${cannot(attempt)}: book answered ${status} ${words}, which is not what book says`);
  }
}

/** It took a change of availability and then says otherwise. */
export class BookDidNotKeep extends Error {
  override readonly name = "BookDidNotKeep";
  readonly code = "BOOK_DID_NOT_KEEP";
  readonly retryable = true;

  constructor(resource: string, said: { readonly available: boolean; readonly reason: string }) {
    const [wanted, still] = said.available ? ["unavailable", "available"] : ["available", "unavailable"];
    super(`Cannot set ${excerpt(resource)} ${wanted}: book took it, and still says ${still} "${excerpt(said.reason)}"`);
  }
}

export type BookError = BookUnreachable | BookRefused | BookUnknownResource | BookGarbled | BookDidNotKeep;

export function isBookError(error: unknown): error is BookError {
  return error instanceof BookUnreachable || error instanceof BookRefused || error instanceof BookUnknownResource ||
    error instanceof BookGarbled || error instanceof BookDidNotKeep;
}

export function bookTrouble(error: BookError): Trouble {
  const { message } = error;
  switch (error.code) {
    case "BOOK_UNREACHABLE":
      return { kind: "unreachable", message };
    case "BOOK_GARBLED":
      return { kind: "garbage", message };
    case "BOOK_REFUSED":
    case "BOOK_UNKNOWN_RESOURCE":
    case "BOOK_DID_NOT_KEEP":
      return { kind: "refused", message };
  }
}

function cannot({ tried, url }: Attempt): string {
  return `Cannot ${excerpt(tried)} at ${url.host}${url.pathname}`;
}
