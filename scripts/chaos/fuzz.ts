/**
 * Mutation fuzzing of everything that reads other people's input: texts are changed at random, and those with a new outcome are
 * changed further. `deno run -A scripts/chaos/fuzz.ts [--minutes N] [--seed N] [--target NAME|all]`. The same seed makes the same
 * texts while their outcomes are the same. Stops at the first failure and prints how to repeat it.
 */
import { parseArgs } from "node:util";
import { systemClock as clock } from "../../src/clock.ts";
import { listen } from "../../src/http_server.ts";
import { createLive } from "../../src/live_updates.ts";
import { appOf, oddNames, wellLab } from "../../test/support/app.ts";
import { hostileList } from "../../test/support/hostile.ts";
import { snapshot } from "../../test/support/snapshot.ts";
import { Dice } from "../seeded.ts";
import { access, book, frames, settings, smtp, webhook } from "./fuzz_inputs.ts";

export type TargetName = keyof typeof targets;

export interface FuzzCounts {
  readonly target: string;
  readonly seed: number;
  texts: number;
  /** How many outcomes there were that differ in kind. */
  outcomes: number;
}

/** A text that broke something. */
export class FuzzFound extends Error {
  override readonly name = "FuzzFound";

  constructor(counts: FuzzCounts, text: string, cause: unknown) {
    const what = cause instanceof Error ? cause.stack ?? cause.message : String(cause);
    super(`${counts.target}, seed ${counts.seed}, text ${counts.texts}: ${JSON.stringify(text)}\n${what}`, { cause });
  }
}

// Of what led to something new; beyond it the oldest goes, but for the samples.
const corpusMax = 500;

type IsEnough = (counts: FuzzCounts) => boolean;

/** Goes on until `isEnough` says so. Throws FuzzFound. */
export async function fuzz(
  name: string,
  target: FuzzTarget,
  seed: number,
  isEnough: IsEnough,
): Promise<FuzzCounts> {
  const { samples, grammar, begin } = target;
  const dice = new Dice(seed);
  const corpus = [...samples];
  const seen = new Set<string>();
  const counts: FuzzCounts = { target: name, seed, texts: 0, outcomes: 0 };
  const run = await begin();
  let found: FuzzFound | null = null;
  try {
    while (!isEnough(counts)) {
      const text = counts.texts < samples.length
        ? samples[counts.texts]!
        : mutate(dice.pick(dice.chance(0.5) ? samples : corpus), grammar, dice);
      counts.texts++;
      const outcome = await run.run(text).catch((error) => {
        throw found = new FuzzFound(counts, text, error);
      });
      if (seen.has(outcome) || seen.size >= 100_000) continue;
      seen.add(outcome);
      counts.outcomes = seen.size;
      if (counts.texts > samples.length) corpus.push(text);
      if (corpus.length > corpusMax) corpus.splice(samples.length, 1);
    }
  } finally {
    await run.end().catch((error) => {
      throw found ?? new FuzzFound(counts, "the end", error);
    });
  }
  return counts;
}

// A target: its seed texts, their grammar, and what must hold for every text.

export interface FuzzTarget {
  /** Small, made up here, and good. */
  readonly samples: readonly string[];
  readonly grammar: Grammar;
  /** Whatever a run needs: made once, ended with it. */
  begin(): FuzzRun | Promise<FuzzRun>;
}

export interface FuzzRun {
  /**
   * What came of `text`, in words that leave out what differs from text to text: one with new words is kept, to be changed
   * further. Rejects where something that has to be true is not.
   */
  run(text: string): Promise<string>;
  end(): Promise<void>;
}

/** Throws with what was hoped for, where it is not so. */
export function hope(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`It should be so that ${what}`);
}

// Mutators: by character, by token of the grammar, and by subtree where a text is JSON.

/** What a text may hold instead of what is there. */
export interface Grammar {
  /** Words that mean something where these texts are read. */
  readonly words: readonly string[];
  readonly isJson: boolean;
}

const charsMax = 20_000;

/** One to four changes. Never throws, and is never much longer than it was. */
export function mutate(text: string, grammar: Grammar, dice: Dice): string {
  let changed = text;
  for (let left = 1 + dice.below(4); left > 0; left--) {
    const tree = grammar.isJson && dice.chance(0.7) ? mutateTree(changed, grammar, dice) : null;
    changed = (tree ?? mutateText(changed, grammar, dice)).slice(0, charsMax);
  }
  return changed;
}

/** A text of somebody who wants to do harm, or a word of the grammar. */
export function word({ words }: Grammar, dice: Dice): string {
  return dice.chance(0.5) && words.length > 0 ? dice.pick(words) : dice.pick(hostileList);
}

function mutateText(text: string, grammar: Grammar, dice: Dice): string {
  const [at, length] = [dice.below(text.length + 1), dice.below(Math.min(text.length, 40) + 1)];
  const [before, middle, after] = [text.slice(0, at), text.slice(at, at + length), text.slice(at + length)];
  switch (dice.below(8)) {
    case 0:
      return before + after;
    case 1:
      return before + middle + middle + after;
    case 2:
      return before + middle.repeat(dice.below(30)) + after;
    case 3:
      return before + String.fromCharCode(dice.below(dice.chance(0.5) ? 128 : 65_536)) + after.slice(1);
    case 4:
      return before + middle.split("").toReversed().join("") + after;
    case 5:
      return before; // cut off
    case 6:
      return withOtherNumber(text, dice);
    default:
      return before + word(grammar, dice) + after;
  }
}

const numbers = ["0", "-1", "1e308", "1e309", "-0", "9007199254740993", "0.1e-400", "00", "1.", "NaN", "9".repeat(400)];

function withOtherNumber(text: string, dice: Dice): string {
  const found = [...text.matchAll(/"?-?\d+(?:\.\d+)?[a-zµ]{0,2}"?/g)];
  if (found.length === 0) return text;
  const { index, 0: number } = dice.pick(found);
  return text.slice(0, index) + dice.pick(numbers) + text.slice(index + number.length);
}

/** Null where it is no JSON. */
function mutateTree(text: string, grammar: Grammar, dice: Dice): string | null {
  try {
    return JSON.stringify(mutateValue(JSON.parse(text), grammar, dice)) ?? null;
  } catch {
    return null; // no JSON, or no more: its characters are changed then
  }
}

/** Mostly goes down into one of its parts, and changes that. */
function mutateValue(value: unknown, grammar: Grammar, dice: Dice): unknown {
  if (Array.isArray(value) && value.length > 0 && dice.chance(0.8)) return mutateList(value, grammar, dice);
  if (typeof value === "object" && value !== null && !Array.isArray(value) && dice.chance(0.8)) {
    const entries = Object.entries(value);
    if (entries.length === 0) return { [word(grammar, dice)]: leaf(grammar, dice) };
    const at = dice.below(entries.length);
    const [name, part] = entries[at]!;
    const renamed = dice.chance(0.15) ? word(grammar, dice) : name;
    entries[at] = [renamed, mutateValue(part, grammar, dice)];
    if (dice.chance(0.1)) entries.splice(at, 1);
    if (dice.chance(0.1)) entries.push([word(grammar, dice), leaf(grammar, dice)]);
    return Object.fromEntries(entries);
  }
  return leaf(grammar, dice, value);
}

function mutateList(list: readonly unknown[], grammar: Grammar, dice: Dice): unknown[] {
  const at = dice.below(list.length);
  const part = list[at];
  if (dice.chance(0.1)) return list.toSpliced(at, 1);
  if (dice.chance(0.2)) return [...list, mutateValue(part, grammar, dice)];
  return list.with(at, mutateValue(part, grammar, dice));
}

function leaf(grammar: Grammar, dice: Dice, was: unknown = null): unknown {
  switch (dice.below(9)) {
    case 0:
      return null;
    case 1:
      return dice.chance(0.5);
    case 2:
      return dice.pick([0, -1, 1e308, -1e308, 5e-324, 2 ** 53, 1e21, 1.5]);
    case 3:
      return dice.pick<unknown>([[], {}, [[]], [null], { length: 1 }]);
    case 4:
      return [was, was];
    case 5:
      return { [word(grammar, dice)]: was };
    case 6:
      return typeof was === "string" ? mutateText(was, grammar, dice) : was;
    default:
      return word(grammar, dice);
  }
}

// Requests to the HTTP port: always answered, never with a fault of ours, errors in our format.

const paths = [
  "/",
  "/api/?view=wall&q=a&order=name&window=7d",
  "/api/?experiment=pend00&theme=dark",
  "/api/v1/experiments",
  "/api/v1/experiments/events/pend00",
  "/api/v1/experiments/a%2Fb%20c/history?window=90m",
  "/api/v1/status",
  "/api/v1/live?page=list",
  "/api/v1/openapi.json",
  "/api/icon.svg?trouble=3",
  "/readyz",
  "/metrics",
];
// What comes is there at once; a stream of events, and half a request, go on for longer than anybody waits here.
const answerMsMax = 400;

export const http: FuzzTarget = {
  samples: [
    ...paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: lab\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n`),
    "HEAD /api/ HTTP/1.0\r\n\r\n",
    "POST /api/v1/status HTTP/1.1\r\nHost: lab\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: lab\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: lab\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "GET /api/page.css HTTP/1.1\r\nHost: lab\r\nIf-None-Match: *\r\nRange: bytes=0-9\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
  ],
  grammar: {
    words: [
      ..."GET HEAD POST TRACE CONNECT OPTIONS PRI * HTTP/1.0 HTTP/1.1 HTTP/2.0 // /./ /../ %2e%2e %00 %ff %25 \\ ? & = # ; ..;/"
        .split(" "),
      ...oddNames.map(encodeURIComponent),
      ..."Host: Content-Length: Transfer-Encoding: chunked Connection: close Expect: 100-continue Range: bytes=0-"
        .split(" "),
      ..."Accept-Encoding: gzip;q=0 If-None-Match: window= experiment= revision= Accept: Last-Event-ID: Cookie:".split(
        " ",
      ),
      "\r\n",
      "\r\n\r\n",
      "\n",
    ],
    isJson: false,
  },
  begin() {
    const lab = snapshot(wellLab(oddNames).bench);
    const stop = new AbortController();
    const faults: string[] = [];
    const failed = (error: unknown) => void faults.push(String(error));
    const live = createLive({ snapshot: () => lab, clock, failed }, { addresses: false });
    const run = live.run(stop.signal);
    const app = appOf(lab, { live, failed: (method, path, error) => failed(`${method} ${path}: ${error}`) });
    const listening = listen(app, "127.0.0.1", 0);
    return {
      async run(text) {
        const answer = await answerTo(text, listening.port);
        hope(faults.length === 0, `nothing goes wrong inside: ${faults.join()}`);
        return answers(answer);
      },
      async end() {
        stop.abort();
        await run;
        await listening.stop(AbortSignal.timeout(2_000));
      },
    };
  },
};

async function answerTo(text: string, port: number): Promise<string> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  let answer = "";
  const reading = (async () => {
    const bytes = new Uint8Array(65_536);
    const decoder = new TextDecoder("latin1");
    for (let count = await conn.read(bytes); count !== null; count = await conn.read(bytes)) {
      answer += decoder.decode(bytes.subarray(0, count));
    }
  })().catch(() => {}); // reset, or given up below
  const limit = new AbortController();
  try {
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0) & 255);
    for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
    await conn.closeWrite(); // or a connection that is kept would have to be waited for
    await Promise.race([reading, clock.wait(answerMsMax, limit.signal)]);
  } catch {
    // It was refused before all of it was sent.
  } finally {
    limit.abort();
    conn.close();
    await reading;
  }
  return answer;
}

/** The statuses of all that was answered. Bodies are looked at where they are errors of ours. */
function answers(text: string): string {
  const statuses = [...text.matchAll(/^HTTP\/1\.[01] (\d{3})[^\n]*\r\n/gm)].map(([, status = ""]) => status);
  for (const status of statuses) {
    hope(Number(status) < 500 || status === "503", `a client must not be able to cause a ${status}`);
  }
  for (const [, status, body = ""] of text.matchAll(errors)) {
    const { code, message } = JSON.parse(body);
    hope(
      code === status && typeof message === "string" && message.length < 300,
      `an error has our form: ${body}`,
    );
  }
  const types = [...text.matchAll(/^content-(?:type|encoding): ([^\r;]*)/gim)].map(([, type]) => type);
  return `${statuses.slice(0, 3).join()} ${types.slice(0, 3).join()}`;
}

// Not of HEAD, and not packed.
const errors =
  /^HTTP\/1\.[01] (4\d\d|503)[^\r]*\r\n(?:[^\r\n]+\r\n)*\r\n(\{"code":"[^"]*","message":"(?:[^"\\]|\\.)*"\})/gim;

export const targets = { frames, settings, book, access, smtp, http, webhook } as const satisfies Record<
  string,
  FuzzTarget
>;

export const targetNames = Object.keys(targets) as TargetName[];

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "1" },
      seed: { type: "string", default: String(crypto.getRandomValues(new Uint32Array(1))[0]) },
      target: { type: "string", default: "all" },
    },
  });
  const names = targetNames.filter((name) => values.target === "all" || values.target === name);
  if (names.length === 0) {
    throw new TypeError(`--target is ${values.target}, and must be all or one of ${targetNames.join(", ")}`);
  }
  const eachMs = Number(values.minutes) * 60_000 / names.length;
  for (const name of names) {
    const startMs = clock.monotonicMs();
    const { texts, outcomes, seed } = await fuzz(
      name,
      targets[name],
      Number(values.seed),
      () => clock.monotonicMs() - startMs >= eachMs,
    );
    const seconds = Math.round((clock.monotonicMs() - startMs) / 1_000);
    console.log(`${name}: ${texts} texts in ${seconds} s, ${outcomes} kinds of outcome, nothing broken (seed ${seed})`);
  }
}
