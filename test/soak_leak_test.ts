/** Does the soak see a program that leaks, and does it run? On Linux alone: /proc is where it looks. */
import assert from "node:assert/strict";
import { type FigureName, findingOf } from "../scripts/chaos/soak_figures.ts";
import { readProc } from "../scripts/proc.ts";

const ignore = Deno.build.os !== "linux";
const script = (path: string) => new URL(path, import.meta.url).pathname;

const steps = 60;
// So short that the two sockets which the runtime makes for itself, a moment after the start, are no growth.
const daySteps = steps / 4;
const seen = ["privateBytes", "sockets", "listening", "files"] as const satisfies readonly FigureName[];
const leaks: Record<string, [kind: string, growing: readonly FigureName[]]> = {
  "nothing grows of a program that keeps nothing": ["nothing", []],
  "an array that is never emptied is seen in the memory": ["array", ["privateBytes"]],
  "timers that are never ended are seen by what they hold": ["timers", ["privateBytes"]],
  "sockets that are never closed are seen": ["sockets", ["sockets", "listening"]],
  "files that are never closed are seen": ["files", ["files"]],
};
for (const [name, [kind, growing]] of Object.entries(leaks)) {
  Deno.test({ name, ignore, fn: async () => assert.deepEqual(await whatGrows(kind), growing) });
}

/** Of a program that leaks so, step by step. */
async function whatGrows(kind: string): Promise<FigureName[]> {
  const args = ["run", "--allow-all", script("support/leak.ts"), kind];
  await using child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
  const input = child.stdin.getWriter();
  const output = child.stdout.getReader();
  const series = Object.fromEntries(seen.map((each) => [each, [] as { x: number; y: number }[]]));
  for (let step = 0; step < steps; step++) {
    await input.write(new TextEncoder().encode("on\n"));
    assert.equal((await output.read()).done, false, "it goes on");
    const proc = await readProc(child.pid);
    for (const each of seen) series[each]?.push({ x: step, y: proc[each] / (each === "privateBytes" ? 1e6 : 1) });
  }
  await input.close();
  while (!(await output.read()).done);
  return seen.filter((each) => findingOf(each, series[each] ?? [], daySteps).verdict === "grows");
}

Deno.test({
  name: "a few seconds of a laboratory's day are played on the program, measured, and told of",
  ignore,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "soak" });
    const args = ["run", "--allow-all", script("../scripts/chaos/soak.ts")];
    const wish = ["--day", "--minutes", "0.12", "--experiments", "5", "--out", `${folder}/soak`];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: [...args, ...wish] }).output();
    const said = [stdout, stderr].map((each) => new TextDecoder().decode(each)).join("");
    const soak = JSON.parse(await Deno.readTextFile(`${folder}/soak.json`));
    const table = await Deno.readTextFile(`${folder}/soak.md`);
    await Deno.remove(folder, { recursive: true });

    assert.equal(soak.failure, null, said);
    assert.deepEqual([soak.end.leftOvers, soak.end.exit.code], [[], 0], said);
    assert.ok(soak.samples.length >= 2 && soak.samples.at(-1).counters.status_feed_reports_total > 20, said);
    assert.ok(soak.happened["a poll of the API"] > 0, said);
    assert.equal(said, table);
  },
});
