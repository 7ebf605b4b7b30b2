/**
 * What does the program cost, and has that moved? `deno task bench` takes some ten minutes, `report` two of them; the results
 * are a table on stdout.
 *
 *     deno task bench [--only PART]… [--sizes 100,1000,10000] [--full] [--json FILE] [--commit]
 *                     [--binary PROGRAM --hello HELLO]…
 *
 * PART: `report` (one report, from the frame to the judgement, to a bare JSON.parse), `http` (the answers that are asked for
 * most), `way` (from a report to the mail and to book), `start` (start and idle memory), `load` (as a process, at each size,
 * with reports every second), `store`, `burst` (all experiments change at once), `libraries`. `--full`: five minutes of reports
 * for each size, and more rounds.
 * `--commit`: docs/performance.json is rewritten; there parts that were not measured stay with when they were, if that was on
 * the same machine with the same Deno. What has moved since the kept figures is told.
 * `--binary`: a compiled program to be measured beside the source, and the same of a bare server to measure it by, made by
 * `deno compile --output HELLO scripts/bench/hello.ts` with the same options. `load` then measures the first of them.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import {
  type BenchOptions,
  type Figure,
  goalsText,
  leftOf,
  machineText,
  merged,
  movesSince,
  movesText,
  type Part,
  type Run,
  tableOf,
} from "./figures.ts";
import { benchBurst, benchHttp, benchStore } from "./http.ts";
import { benchLibraries, benchLoad, benchStart } from "./program.ts";
import { benchReport, benchWay } from "./report.ts";

const parts: Readonly<Record<string, Part>> = {
  report: benchReport,
  http: benchHttp,
  way: benchWay,
  start: benchStart,
  load: benchLoad,
  store: benchStore,
  burst: benchBurst,
  libraries: benchLibraries,
};

const keptFile = new URL("../../docs/performance.json", import.meta.url);

interface Asked extends Omit<BenchOptions, "folder"> {
  readonly only: readonly string[];
  readonly json: string | null;
  readonly commit: boolean;
}

/** Throws a TypeError for what is not an option, or no value of one. */
export function readArguments(args: readonly string[]): Asked {
  const text = { type: "string" } as const, several = { ...text, multiple: true } as const;
  const flag = { type: "boolean", default: false } as const;
  const options = { only: several, sizes: text, full: flag, json: text, commit: flag, binary: several, hello: several };
  const { values } = parseArgs({ args: [...args], options });
  const { only = Object.keys(parts), binary = [], hello = [], sizes = "100,1000,10000" } = values;
  const unknown = only.filter((each) => !(each in parts));
  if (unknown.length > 0) throw new TypeError(`There is no part ${unknown.join()}: ${Object.keys(parts).join(", ")}`);
  if (binary.length !== hello.length) throw new TypeError("Each --binary needs its --hello, to be measured by");
  const numbers = sizes.split(",").map(Number);
  if (!numbers.every((each) => Number.isInteger(each) && each >= 10)) {
    throw new TypeError(`These are no sizes of 10 or more: ${sizes}`);
  }
  const binaries = binary.map((program, at) => ({ program, hello: hello[at] ?? "" }));
  return { only, sizes: numbers, full: values.full, json: values.json ?? null, commit: values.commit, binaries };
}

async function bench(asked: Asked): Promise<void> {
  const kept = await keptRun();
  // Or minutes are measured in vain.
  if (asked.commit && kept !== null) leftOf(kept, machine(), new Set(asked.only));
  const folder = await Deno.makeTempDir({ prefix: "status-bench-" });
  const figures: Figure[] = [];
  const run: Run = { machine: machine(), at: Temporal.Now.instant().toString({ smallestUnit: "second" }), figures };
  try {
    console.log(machineText(run.machine));
    for (const name of asked.only) {
      const found = await parts[name]?.({ ...asked, folder }) ?? [];
      figures.push(...found);
      console.log(`\n${name}\n${tableOf(found)}`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  console.log(`\n${goalsText(figures)}`);
  if (kept !== null) console.log(movesText(movesSince(kept, run)));
  if (asked.json !== null) await write(asked.json, run);
  if (asked.commit) await write(keptFile, kept === null ? run : merged(kept, run));
}

function machine(): Run["machine"] {
  const all = cpus();
  return { cpu: all[0]?.model ?? "an unknown processor", cores: all.length, deno: Deno.version.deno };
}

/** Null where none has been kept. */
async function keptRun(): Promise<Run | null> {
  try {
    return JSON.parse(await Deno.readTextFile(keptFile)) as Run;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** A line for each figure, so that a difference of two runs can be read. */
async function write(file: string | URL, { figures, ...run }: Run): Promise<void> {
  const lines = figures.map((each) => `    ${JSON.stringify(each)}`).join(",\n");
  const head = JSON.stringify(run, null, 2).slice(0, -2);
  await Deno.writeTextFile(file, `${head},\n  "figures": [\n${lines}\n  ]\n}\n`);
}

if (import.meta.main) await bench(readArguments(Deno.args));
