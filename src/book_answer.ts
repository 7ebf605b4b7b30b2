/**
 * What is in an answer of book: the manifest, or whether one resource is available. Read as far as it matters, and no further
 * than any laboratory goes: what is too much is left out and counted, as what can't be read is. How it is asked for is `book`'s.
 */
import * as z from "zod";
import type { Availability, BookList, Resource } from "./book.ts";
import { type Attempt, BookGarbled } from "./book_error.ts";
import { topicCharsMax } from "./entry.ts";
import { answerWords } from "./failure.ts";
import { tooIntricate } from "./json_shape.ts";

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
  const words = answerWords(text.slice(0, errorLengthMax));
  return new BookGarbled(call, status, words === "" ? "without a word" : `"${words}"`);
}
