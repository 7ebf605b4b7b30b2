/**
 * Does anything that others could say break what reads it? Texts that are changed at random, those that lead to something new
 * being changed further: `deno run -A scripts/chaos/fuzz.ts [--minutes N] [--seed N] [--target NAME|all]`. The same seed makes the
 * same texts for as long as their outcomes are the same. Stops at the first that breaks something, and says how to see it again.
 */
import { parseArgs } from "node:util";
import { systemClock as clock } from "../../src/clock.ts";
import { access, book, webhook } from "./fuzz_answers.ts";
import { frames } from "./fuzz_frames.ts";
import { http } from "./fuzz_http.ts";
import { mutate } from "./fuzz_mutate.ts";
import { settings } from "./fuzz_settings.ts";
import { smtp } from "./fuzz_smtp.ts";
import type { FuzzTarget } from "./fuzz_target.ts";
import { Dice } from "./kill_dice.ts";

export const targets = { frames, settings, book, access, smtp, http, webhook } as const satisfies Record<
  string,
  FuzzTarget
>;
export type TargetName = keyof typeof targets;
export const targetNames = Object.keys(targets) as TargetName[];

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
export async function fuzz(name: string, target: FuzzTarget, seed: number, isEnough: IsEnough): Promise<FuzzCounts> {
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
