/**
 * All faults of the stand-in world, one by one and in pairs, on the real program, in lanes side by side:
 * `deno run -A scripts/chaos/fault_pairs.ts [--lanes N] [--seed N] [--from N] [--pairs N] [--singles] [--only WORDS]`. A short run
 * of the same is in the gate (`acceptance_faults_test`). Prints a line for each, and exits 1 if one was not as promised.
 */
import { parseArgs } from "node:util";
import { systemClock } from "../../src/clock.ts";
import type { Station } from "../../test/support/station.ts";
import { randomOf } from "../seeded.ts";
import { figuresOf, grown, playOne, playPair, startLane } from "./fault_play.ts";
import { nameOf, type Row, rows } from "./fault_rows.ts";

/** What is played in one go: one fault, or two. */
export type Play = readonly [Row] | readonly [Row, Row];

/** All pairs of faults of two services, in an order that `seed` decides. */
export function pairsOf(all: readonly Row[], seed: number): readonly (readonly [Row, Row])[] {
  const pairs = all.flatMap((one, at) =>
    all.slice(at + 1).filter(({ victim }) => victim !== one.victim).map((other) => [one, other] as const)
  );
  return shuffled(pairs, seed);
}

/** The same in an order that `seed` decides. */
export function shuffled<T>(items: readonly T[], seed: number): readonly T[] {
  const random = randomOf(seed);
  return items.map((item) => [random(), item] as const).sort(([one], [other]) => one - other).map(([, item]) => item);
}

/** Plays all of `plays`, in `count` lanes. What was not as promised, each in a line. A lane that broke is begun anew. */
export async function runLanes(
  plays: readonly Play[],
  count: number,
  said: (line: string) => void = () => {},
): Promise<readonly string[]> {
  const waiting = [...plays];
  const broken: string[] = [];
  const lane = async () => {
    while (waiting.length > 0) {
      await using station = await startLane();
      const before = await figuresOf(station);
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const why = await wrong(station, next);
        said(
          `${plays.length - waiting.length}/${plays.length} ${next.map(nameOf).join(" + ")}: ${why ?? "as promised"}`,
        );
        if (why === null) continue;
        broken.push(why);
        break;
      }
      const more = await grown(station, before);
      if (more !== null) broken.push(more);
    }
  };
  await Promise.all(Array.from({ length: count }, lane));
  return broken;
}

async function wrong(station: Station, [one, other]: Play): Promise<string | null> {
  try {
    await (other === undefined ? playOne(station, one) : playPair(station, [one, other]));
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      lanes: { type: "string", default: "4" },
      seed: { type: "string", default: "1" },
      from: { type: "string", default: "0" },
      pairs: { type: "string", default: "Infinity" },
      only: { type: "string", default: "" },
      singles: { type: "boolean", default: false },
    },
  });
  const singles = rows.map((row): Play => [row]);
  const plays = values.singles
    ? singles
    : pairsOf(rows, Number(values.seed)).slice(Number(values.from)).slice(0, Number(values.pairs));
  const wanted = plays.filter((play) => play.map(nameOf).join(" + ").includes(values.only));
  const startMs = systemClock.monotonicMs();
  const broken = await runLanes(wanted, Number(values.lanes), console.log);
  const minutes = Math.round((systemClock.monotonicMs() - startMs) / 6_000) / 10;
  console.log(`${wanted.length} played in ${minutes} min, seed ${values.seed}: ${broken.length} not as promised`);
  for (const why of broken) console.log(`\n${why}`);
  Deno.exit(broken.length === 0 ? 0 : 1);
}
