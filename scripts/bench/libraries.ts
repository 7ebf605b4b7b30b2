/**
 * What does each library that the program uses cost, in time to load and in memory? And the Worker of the sockets? Each is
 * loaded by a process that does nothing else, in turn with one that loads nothing. When the program loads which is its own
 * affair: this says what it would save.
 */
import { workers } from "../compile.ts";
import type { Figure } from "./figures.ts";
import { type BenchOptions, Findings, say } from "./timing.ts";

const root = new URL("../../", import.meta.url).pathname;

export async function benchLibraries({ full }: BenchOptions): Promise<Figure[]> {
  const findings = new Findings("libraries");
  const libraries = specifiersIn(await sources());
  const all = [...libraries.values()].flat();
  const subjects: [string, readonly string[]][] = [...libraries, ["all of them", all], ["the Worker", workers]];
  say(`libraries: ${[...libraries.keys()].join(" ")}`);
  for (let round = -1; round < (full ? 10 : 3); round++) {
    const bare = await load([]);
    for (const [name, specifiers] of subjects) {
      const { tookMs, bytes } = await load(specifiers);
      if (round < 0) continue; // until it is all in the cache
      findings.add({ what: `${name}: time to load`, unit: "ms" }, tookMs - bare.tookMs);
      findings.add({ what: `${name}: memory, above a process without`, unit: "MB" }, (bytes - bare.bytes) / 1024 ** 2);
    }
    if (round >= 0) findings.add({ what: "a process without any: memory", unit: "MB" }, bare.bytes / 1024 ** 2);
  }
  return findings.figures;
}

/** By library, what of it the sources import; of the runtime's own modules each for itself. Types are no cost. */
export function specifiersIn(texts: readonly string[]): Map<string, readonly string[]> {
  const found = texts.flatMap((text) => [
    ...text.matchAll(/^(?:import|export) (?!type\b)[^;"]*?from "([^."][^"]*)"/gm),
    ...text.matchAll(/\bimport\("([^."][^"]*)"\)/g),
  ]);
  const specifiers = [...new Set(found.map(([, specifier = ""]) => specifier))].toSorted();
  return Map.groupBy(
    specifiers,
    (each) => each.startsWith("node:") ? each : /^(?:@[^/]+\/)?[^/]+/.exec(each)?.[0] ?? each,
  );
}

async function sources(): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(`${root}src`), ({ name }) => `src/${name}`);
  const code = names.filter((name) => /\.tsx?$/.test(name));
  return await Promise.all(["main.ts", ...code].map((name) => Deno.readTextFile(`${root}${name}`)));
}

async function load(specifiers: readonly string[]): Promise<{ tookMs: number; bytes: number }> {
  const args = ["run", "--allow-all", "scripts/bench/loading.ts", ...specifiers];
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: root }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (code !== 0) throw new Error(`Cannot load ${specifiers.join(" ")}: ${text(stderr)}`);
  return JSON.parse(text(stdout));
}
