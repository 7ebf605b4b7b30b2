/**
 * Book's REST calls as plain values: which resources there are and which streams each must have, whether one is available,
 * and setting that (protocol, "Book"). Every call is one request within TIMEOUT_BOOK, its body included, with a token of its
 * own. When to call, and what to do about a failure, is for `bookkeeper`.
 */
import * as z from "zod";
import { backdatedMs, bookClaims, signToken } from "./access.ts";
import type { Clock } from "./clock.ts";
import { errorTextOf, networkErrorText, redirectText, sanitize, type ServiceFailure, skewWords } from "./failure.ts";
import type { Resource } from "./report.ts";
import { tooIntricate } from "./report_decoder.ts";
import { topicCharsMax } from "./report_entry.ts";
import type { Secret } from "./setting_types.ts";

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

export interface BookConfig {
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

export function createBook(source: BookConfig, ports: BookPorts): Book {
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

async function ask(source: BookConfig, { clock, fetch }: BookPorts, call: Call, signal: AbortSignal): Promise<Answer> {
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
    throw new BookUnreachable(call, limit.signal.aborted ? late : networkErrorText(error), { cause: error });
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
  const redirect = redirectText(response, call.url);
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
  return errorTextOf(text);
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

/** The body as it comes. A caller that stops reading cancels the rest. */
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

/*
 * What is in an answer of book: the manifest, or whether one resource is available. Read as far as it matters, and no further
 * than any laboratory goes: what is too much is left out and counted, as what can't be read is. How it is asked for is `book`'s.
 */

/** A success. */
export interface Answer {
  readonly call: Attempt;
  readonly status: number;
  readonly text: string;
}

/** Of an error only the first words are shown. */
export const errorLengthMax = 64 * 1024;

// Twenty times the largest laboratory that is thought of.
const resourcesMax = 20_000;
const streamsMax = 100;
const nameCharsMax = 256;
// A person's words; nobody reads more.
const reasonCharsMax = 500;

/** URLs take `.` and `..` (and `%2E`) for a way through folders, and half a surrogate pair has no escape. */
export function isAddressable(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && name.length <= nameCharsMax && name.isWellFormed();
}

/** Throws BookGarbled for what is no manifest. */
export function readList(answer: Answer): BookList {
  const list = parseJson(answer);
  if (typeof list !== "object" || list === null || Array.isArray(list)) throw garbled(answer);
  const entries = Object.entries(list);
  const resources: Resource[] = [];
  for (const [name, wire] of entries) {
    if (resources.length === resourcesMax) break;
    const resource = readResource(name, wire);
    if (resource !== null) resources.push(resource);
  }
  // Not one that can be read: that is no manifest. An empty list is one, and means that book has been restarted.
  if (entries.length > 0 && resources.length === 0) throw garbled(answer);
  resources.sort((a, b) => a.name < b.name ? -1 : 1);
  return { resources, skipped: entries.length - resources.length };
}

/** Throws BookGarbled for what says nothing of it. */
export function readAvailability(answer: Answer): Availability {
  const parsed = availabilitySchema.safeParse(parseJson(answer));
  if (!parsed.success) throw garbled(answer);
  const { available, reason } = parsed.data;
  return { available, reason: (reason ?? "").slice(0, reasonCharsMax).toWellFormed() };
}

// Half surrogates can't be written in an address or a database.
const topicPart = z.string().min(1).max(topicCharsMax).regex(/^[^\p{Cc}\p{Cs}]*$/u);
const resourceSchema = z.object({ topic_stub: topicPart, streams: z.array(topicPart).max(streamsMax).nullish() });
const availabilitySchema = z.object({ available: z.boolean(), reason: z.string().nullish() });

function readResource(name: string, wire: unknown): Resource | null {
  const parsed = resourceSchema.safeParse(wire);
  if (!parsed.success || !isAddressable(name)) return null;
  const { topic_stub: stub, streams } = parsed.data;
  const required = [...new Set(streams?.map((stream) => `${stub}-${stream}`))].sort();
  // A topic that is too long to be taken from a report would be missing for good, whatever is done about it.
  return required.every((topic) => topic.length <= topicCharsMax) ? { name, stub, required } : null;
}

function parseJson(answer: Answer): unknown {
  const why = tooIntricate(answer.text);
  if (why !== null) {
    throw new BookGarbled(answer.call, answer.status, `with a document that is not read, since ${why}`);
  }
  try {
    return JSON.parse(answer.text);
  } catch {
    throw garbled(answer);
  }
}

function garbled({ call, status, text }: Answer): BookGarbled {
  const words = errorTextOf(text.slice(0, errorLengthMax));
  return new BookGarbled(call, status, words === "" ? "without a word" : `"${words}"`);
}

/*
 * How book can fail, one class for each kind that its callers act on differently. The message is for a person: what was
 * tried and where, a colon, what came instead, in book's own words; never a query string, never a secret.
 */

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

/** It answered, and not with a success. No refusal is final: a later version or another configuration may accept it. */
export class BookRefused extends Error {
  override readonly name = "BookRefused";
  readonly code = "BOOK_REFUSED";
  readonly retryable = true;

  constructor(attempt: Attempt, readonly status: number, words: string) {
    super(`${cannot(attempt)}: book answered ${status} ${words}`);
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
    super(
      `Cannot set ${sanitize(resource)} ${wanted}: book took it, and still says ${still} "${sanitize(said.reason)}"`,
    );
  }
}

export type BookError = BookUnreachable | BookRefused | BookUnknownResource | BookGarbled | BookDidNotKeep;

export function isBookError(error: unknown): error is BookError {
  return error instanceof BookUnreachable || error instanceof BookRefused || error instanceof BookUnknownResource ||
    error instanceof BookGarbled || error instanceof BookDidNotKeep;
}

export function bookTrouble(error: BookError): ServiceFailure {
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
  return `Cannot ${sanitize(tried)} at ${url.host}${url.pathname}`;
}
