/**
 * Book's REST calls as plain values: which resources there are and which streams each must have, whether one is available,
 * and setting that (protocol, "Book"). Every call is one request within TIMEOUT_BOOK, its body included, with a token of its
 * own. When to call, and what to do about a failure, is for `bookkeeper`.
 */
import { type Answer, errorLengthMax, isAddressable, readAvailability, readList } from "./book_answer.ts";
import {
  type Attempt,
  BookGarbled,
  BookRefused,
  BookUnknownResource,
  BookUnreachable,
  isBookError,
} from "./book_error.ts";
import type { Clock } from "./clock.ts";
import { answerWords, networkWords, redirectWords, skewWords } from "./failure.ts";
import type { Secret } from "./setting_types.ts";
import { backdatedMs, bookClaims, signToken } from "./token.ts";

/** A bookable resource as the manifest lists it. */
export interface Resource {
  readonly name: string;
  /** The experiment's topic stub. */
  readonly stub: string;
  /** Whole topics of the streams it must have, sorted, e.g. `pend00-st-data`. */
  readonly required: readonly string[];
}

/** The manifest: sorted by name; empty where none is loaded. `skipped`: how many could not be read and were left out. */
export interface BookList {
  readonly resources: readonly Resource[];
  readonly skipped: number;
}

/** `reason` in book's words: it puts `unavailable because ` before the reason of what is unavailable. */
export interface Availability {
  readonly available: boolean;
  readonly reason: string;
}

/** Rejects with a `BookError`, or with the signal's reason when that is aborted. */
export interface Book {
  resources(signal: AbortSignal): Promise<BookList>;
  availability(name: string, signal: AbortSignal): Promise<Availability>;
  setAvailability(name: string, wanted: Availability, signal: AbortSignal): Promise<void>;
}

export interface BookSource {
  /** `SCHEME://HOST/BASEPATH`, without a slash at its end. */
  readonly base: string;
  /** As book itself is configured, to the character. */
  readonly audience: string;
  readonly secret: Secret;
  readonly timeoutMs: number;
}

export interface BookPorts {
  readonly clock: Clock;
  readonly fetch: (url: URL, init: RequestInit) => Promise<Response>;
}

export function createBook(source: BookSource, ports: BookPorts): Book {
  const listUrl = new URL(`${source.base}/api/v1/admin/resources`);
  return {
    async resources(signal) {
      const attempt = { tried: "list the resources", url: listUrl };
      return readList(await ask(source, ports, { ...attempt, method: "GET" }, signal));
    },
    async availability(name, signal) {
      const attempt = { tried: `read the availability of ${name}`, url: resourceUrl(listUrl, name) };
      return readAvailability(await ask(source, ports, { ...attempt, method: "GET", resource: name }, signal));
    },
    async setAvailability(name, wanted, signal) {
      const url = resourceUrl(listUrl, name);
      // `searchParams` would write a space as `+`: book reads that too, but a proxy might not.
      url.search = `?available=${wanted.available}&reason=${encodeURIComponent(wanted.reason)}`;
      const tried = `set ${name} ${wanted.available ? "available" : "unavailable"}`;
      await ask(source, ports, { tried, url, method: "PUT", resource: name }, signal);
    },
  };
}

interface Call extends Attempt {
  readonly method: "GET" | "PUT";
  /** The resource that it is about: a 404 says that book does not know it. */
  readonly resource?: string;
}

// Long enough for a clock that is behind book's by more than is tolerable elsewhere.
const tokenLifeMs = 120_000;
// In characters. A manifest of 20,000 resources has about 5 million.
const answerLengthMax = 64 * 1024 * 1024;

async function ask(source: BookSource, { clock, fetch }: BookPorts, call: Call, signal: AbortSignal): Promise<Answer> {
  const limit = timeLimit(source.timeoutMs, clock, signal);
  let hasAnswered = false;
  try {
    const times = { nowMs: clock.nowMs(), lifeMs: tokenLifeMs };
    const authorization = await signToken(bookClaims(source.audience), source.secret, times);
    const headers = { authorization, accept: "application/json" };
    // The token must not follow a redirect to wherever it points.
    const response = await fetch(call.url, { method: call.method, headers, redirect: "manual", signal: limit.signal });
    hasAnswered = true;
    if (!response.ok) throw await refusal(response, call, clock.nowMs());
    return { call, status: response.status, text: await readWhole(response, call) };
  } catch (error) {
    signal.throwIfAborted();
    if (isBookError(error)) throw error;
    const late = `no ${hasAnswered ? "whole " : ""}answer within ${source.timeoutMs / 1000} s`;
    throw new BookUnreachable(call, limit.signal.aborted ? late : networkWords(error), { cause: error });
  } finally {
    limit.lift();
  }
}

/** A signal that is aborted with `signal`, or after `ms` unless lifted before. */
function timeLimit(ms: number, clock: Clock, signal: AbortSignal): { readonly signal: AbortSignal; lift(): void } {
  const limited = new AbortController();
  const timer = new AbortController();
  const stop = () => limited.abort(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  clock.wait(ms, timer.signal).then(() => limited.abort(), () => {}); // lifted: the answer came first
  const lift = () => {
    timer.abort();
    signal.removeEventListener("abort", stop);
  };
  return { signal: limited.signal, lift };
}

async function refusal(response: Response, call: Call, nowMs: number): Promise<BookRefused | BookUnknownResource> {
  const { status } = response;
  const redirect = redirectWords(response, call.url);
  const words = await firstWords(response);
  if (redirect !== null) return new BookRefused(call, status, redirect);
  if (status === 404 && call.resource !== undefined) {
    return new BookUnknownResource(call, `book answered 404 ${quoted(words)}`);
  }
  const token = { backdatedMs, lifeMs: tokenLifeMs }, date = response.headers.get("date");
  const skew = skewWords("book", { words, date, nowMs, token });
  return new BookRefused(call, status, skew === null ? quoted(words) : `${quoted(words)}: ${skew}`);
}

function quoted(words: string): string {
  return words === "" ? "without a word" : `"${words}"`;
}

async function firstWords(response: Response): Promise<string> {
  let text = "";
  try {
    for await (const part of textOf(response)) {
      text += part;
      if (text.length > errorLengthMax) break;
    }
  } catch {
    // The status is known, and what came of the body has to do.
  }
  return answerWords(text);
}

async function readWhole(response: Response, call: Call): Promise<string> {
  const parts: string[] = [];
  let length = 0;
  for await (const part of textOf(response)) {
    length += part.length;
    if (length > answerLengthMax) {
      throw new BookGarbled(call, response.status, `with more than ${answerLengthMax >> 20} MB`);
    }
    parts.push(part);
  }
  return parts.join("");
}

/** The body as it comes. Whoever stops reading cancels the rest. */
async function* textOf(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) yield decoder.decode(chunk, { stream: true });
  yield decoder.decode();
}

function resourceUrl(listUrl: URL, name: string): URL {
  const tried = `ask for ${name}`;
  if (!isAddressable(name)) {
    throw new BookUnknownResource({ tried, url: listUrl }, "its name cannot be written in an address");
  }
  return new URL(`${listUrl.href}/${encodeURIComponent(name)}`);
}
