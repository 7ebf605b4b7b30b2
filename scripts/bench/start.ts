/**
 * How long does it take from the start to the first answer, and how much memory has the program when little happens? Beside
 * a bare server that is started in the same way, in turn with it. And how large is the executable, where there is one.
 */
import type { Figure } from "./figures.ts";
import { type Build, compiled, Feeds, fromSource, Served } from "./program.ts";
import { type BenchOptions, Findings, say, sleep } from "./timing.ts";

const experiments = 10;
const reportEveryMs = 5_000;
// By then all is read and judged, and V8 has collected what the start left.
const idleMs = 10_000;

export async function benchStart({ full, binaries, folder }: BenchOptions): Promise<Figure[]> {
  const findings = new Findings("start");
  await using feeds = await Feeds.start(experiments, reportEveryMs);
  for (const build of [fromSource, ...await Promise.all(binaries.map(compiled))]) {
    await start(build, feeds, { rounds: full ? 15 : 6, folder }, findings);
    await idle(build, feeds, { rounds: full ? 5 : 2, folder }, findings);
  }
  for (const binary of binaries) {
    const [program, hello] = [await Deno.stat(binary.program), await Deno.stat(binary.hello)];
    const what = `${(await compiled(binary)).words}: the executable, above a bare server's`;
    findings.add({ what, unit: "MB", atMost: 20 }, (program.size - hello.size) / 1024 ** 2);
  }
  return findings.figures;
}

interface Course {
  readonly rounds: number;
  readonly folder: string;
}

async function start(build: Build, feeds: Feeds, { rounds, folder }: Course, findings: Findings): Promise<void> {
  const { words } = build;
  say(`start: ${words}, to the first answer`);
  for (let round = -1; round < rounds; round++) {
    const hello = await first(Served.hello(build));
    const program = await first(Served.program(build, feeds.env, folder));
    if (round < 0) continue; // what is read from the disk is in memory then, and any cache filled
    const what = `${words}: start to the first /healthz`, goal = words === fromSource.words ? {} : { atMost: 2 };
    findings.add({ what: `${what}, to a bare server`, unit: "×", ...goal }, program.tookMs / hello.tookMs);
    findings.add({ what: `${what}: CPU, to a bare server`, unit: "×" }, program.cpu / hello.cpu);
    findings.add({ what, unit: "ms" }, program.tookMs);
    findings.add({ what: `${words}: the same of a bare server`, unit: "ms" }, hello.tookMs);
  }
}

async function first(server: Served): Promise<{ tookMs: number; cpu: number }> {
  await using started = server;
  return { tookMs: await started.answers("/healthz"), cpu: await started.cpuMs() };
}

async function idle(build: Build, feeds: Feeds, { rounds, folder }: Course, findings: Findings): Promise<void> {
  const { words } = build;
  say(`start: ${words}, memory when little happens`);
  for (let round = 0; round < rounds; round++) {
    await using hello = Served.hello(build);
    await using program = Served.program(build, feeds.env, folder);
    await Promise.all([hello.answers("/"), program.answers("/readyz")]);
    await sleep(idleMs);
    const [bare, whole] = [await hello.memory(), await program.memory()];
    const what = `${words}: memory with ${experiments} experiments`;
    findings.add({ what: `${what}, to a bare server`, unit: "×", atMost: 1.7 }, whole.now / bare.now);
    findings.add({ what, unit: "MB" }, whole.now);
    findings.add({ what: `${what}, of its own`, unit: "MB" }, whole.own);
    findings.add({ what: `${words}: memory of a bare server`, unit: "MB" }, bare.now);
    findings.add({ what: `${words}: memory of a bare server, of its own`, unit: "MB" }, bare.own);
  }
}
