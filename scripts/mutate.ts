/**
 * Mutation testing of the core: changes one operator, condition or branch of a module at a time and runs the unit tests that
 * import the module. A mutant that no test notices is a rule that no test holds.
 * `deno task mutate [--only MODULE] [--max N] [--seed N]`: N mutants at most, chosen at random, the same for the same seed.
 * Exits 1 if fewer than 95 % are noticed; those that change nothing anyone could see are listed in `equivalent`.
 */
import { parseArgs } from "node:util";
import { randomOf } from "./seeded.ts";
import { closingBracket, maskSource } from "./source_mask.ts";

const core = [
  ...["alerts", "report", "lab", "health", "availability", "system_alerts", "history", "change_detector", "snapshot"],
];
const noticedMin = 0.95;
const lanes = 2;
const testMsMax = 60_000;

/** By `file: mutation`, why nobody can notice it. */
const equivalent: Readonly<Record<string, string>> = {};

export interface Mutant {
  readonly line: number;
  /** What was changed, for people. */
  readonly what: string;
  readonly source: string;
}

const swaps: readonly (readonly [from: RegExp, to: string])[] = [
  [/ === /g, " !== "],
  [/ !== /g, " === "],
  [/ < /g, " <= "],
  [/ <= /g, " < "],
  [/ > /g, " >= "],
  [/ >= /g, " > "],
  [/ && /g, " || "],
  [/ \|\| /g, " && "],
  [/ \+ /g, " - "],
  [/ - /g, " + "],
  [/\bMath\.max\b/g, "Math.min"],
  [/\bMath\.min\b/g, "Math.max"],
  [/\btrue\b(?!;)/g, "false"],
  [/\bfalse\b(?!;)/g, "true"],
  [/(?<=[(\s&|])!(?=[\w(])/g, ""],
  [/\.some\(/g, ".every("],
  [/\.every\(/g, ".some("],
];

/** Every mutant of `source`. Strings, comments and types stay as they are. */
export function mutantsOf(source: string): readonly Mutant[] {
  const { code } = maskSource(source);
  return [...operatorMutants(source, code), ...conditionMutants(source, code), ...branchMutants(source, code)]
    .sort((a, b) => a.line - b.line);
}

function mutant(source: string, [from, to]: readonly [number, number], text: string): Mutant {
  const line = source.slice(0, from).split("\n").length;
  const was = source.slice(from, to).trim().replace(/\s+/g, " ");
  return {
    line,
    what: `${was} → ${text.trim() || "(nothing)"}`,
    source: source.slice(0, from) + text + source.slice(to),
  };
}

function operatorMutants(source: string, code: string): Mutant[] {
  return swaps.flatMap(([from, to]) =>
    [...code.matchAll(from)]
      .filter(({ index }) => !isType(code, index))
      .map(({ index, 0: found }) => mutant(source, [index, index + found.length], to))
  );
}

/** A line of a type says `readonly a: true` or declares; nothing of it is run. */
function isType(code: string, at: number): boolean {
  const line = code.slice(code.lastIndexOf("\n", at) + 1, code.indexOf("\n", at));
  return /^\s*(?:\||readonly |export type |type |export interface |import )/.test(line);
}

function conditionMutants(source: string, code: string): Mutant[] {
  return [...code.matchAll(/\bif \(/g)].flatMap(({ index, 0: head }) => {
    const opens = index + head.length - 1, closes = closingBracket(code, opens);
    return ["false", "true"].map((to) => mutant(source, [opens + 1, closes], to));
  });
}

/** `a ? b : c` becomes `a ? c : b`. */
function branchMutants(source: string, code: string): Mutant[] {
  return [...code.matchAll(/\s\? /g)].flatMap(({ index, 0: mark }) => {
    const from = index + mark.length,
      colon = endOf(code, from, /^\s: /),
      end = endOf(code, colon + 3, /^[;,)\]}]|^\n\s*\n|^\s: /);
    if (colon === code.length || isType(code, index)) return [];
    const [first, second] = [source.slice(from, colon), source.slice(colon + 3, end)];
    return [mutant(source, [from, end], `${second}${source.slice(colon, colon + 3)}${first}`)];
  });
}

/** Where `pattern` first matches outside any bracket that opens after `from`; the end of `code` if nowhere. */
function endOf(code: string, from: number, pattern: RegExp): number {
  for (let at = from; at < code.length; at++) {
    if (pattern.test(code.slice(at, at + 40))) return at;
    if ("([{".includes(code.charAt(at))) at = closingBracket(code, at);
  }
  return code.length;
}

/** The tests that import the module, its own first. */
function testsOf(module: string): readonly string[] {
  const files = Array.from(Deno.readDirSync("test"), ({ name }) => `test/${name}`).filter((name) =>
    /_test\.tsx?$/.test(name)
  );
  const own = files.filter((file) => file.startsWith(`test/${module}_`));
  const others = files.filter((file) =>
    !own.includes(file) && Deno.readTextFileSync(file).includes(`/src/${module}.ts"`)
  );
  return [...own, ...others];
}

/** A copy of the tree in which one file at a time is another. */
async function laneIn(folder: string) {
  for (const part of ["src", "test", "scripts", "docs", "deno.json", "deno.lock", "main.ts", "README.md"]) {
    await new Deno.Command("cp", { args: ["-r", part, `${folder}/${part}`] }).output();
  }
  return async (path: string, { source }: Mutant, tests: readonly string[]): Promise<boolean> => {
    const was = await Deno.readTextFile(path);
    await Deno.writeTextFile(`${folder}/${path}`, source);
    const args = ["test", "--allow-all", "--no-check", "--fail-fast", "--quiet", ...tests];
    const signal = AbortSignal.timeout(testMsMax);
    const command = new Deno.Command(Deno.execPath(), {
      args,
      cwd: folder,
      stdin: "null",
      stdout: "null",
      stderr: "null",
      signal,
    });
    const { success } = await command.output();
    await Deno.writeTextFile(`${folder}/${path}`, was);
    return !success;
  };
}

interface Case {
  readonly path: string;
  readonly mutant: Mutant;
  readonly tests: readonly string[];
}

async function mutate(cases: readonly Case[]): Promise<readonly Case[]> {
  const waiting = [...cases], unnoticed: Case[] = [];
  await Promise.all(Array.from({ length: lanes }, async () => {
    const folder = await Deno.makeTempDir({ prefix: "mutate" });
    const isNoticed = await laneIn(folder);
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { path, mutant, tests } = next;
      if (await isNoticed(path, mutant, tests)) continue;
      unnoticed.push(next);
      console.log(`not noticed: ${path}:${mutant.line}: ${mutant.what}`);
    }
    await Deno.remove(folder, { recursive: true });
  }));
  return unnoticed;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      max: { type: "string", default: "400" },
      seed: { type: "string", default: "1" },
    },
  });
  const random = randomOf(Number(values.seed));
  const all = core.filter((module) => values.only === undefined || module === values.only).flatMap((module) => {
    const path = `src/${module}.ts`, tests = testsOf(module);
    return mutantsOf(Deno.readTextFileSync(path)).map((mutant): Case => ({ path, mutant, tests }));
  }).filter(({ path, mutant }) => !(`${path}: ${mutant.what}` in equivalent));
  const keys = new Map(all.map((each) => [each, random()]));
  const chosen = all.toSorted((a, b) => keys.get(a)! - keys.get(b)!).slice(0, Number(values.max));
  const unnoticed = await mutate(chosen);
  const share = 1 - unnoticed.length / chosen.length;
  console.log(
    `${chosen.length} of ${all.length} mutants, ${(100 * share).toFixed(1)} % noticed, ${unnoticed.length} not`,
  );
  Deno.exit(share >= noticedMin ? 0 : 1);
}
