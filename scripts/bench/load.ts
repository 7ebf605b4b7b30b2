/**
 * What does the program take of the machine while both feeds report every second, and how fast does it answer meanwhile? At
 * each size as a process, looked at from outside. Times of their own, so that none counts for another: nobody asks; somebody
 * asks for the health, then for the list; several ask for the list without a pause.
 */
import { systemClock as clock } from "../../src/clock.ts";
import { slopeOf } from "../chaos/soak_slope.ts";
import { type Figure, type Measured, quantile } from "./figures.ts";
import { compiled, Feeds, fromSource, Served } from "./program.ts";
import { type BenchOptions, Findings, say, sleep } from "./timing.ts";

const reportEveryMs = 1_000;
// The first reports are the dearest: V8 has not compiled what reads them, which at 1,000 experiments doubles the CPU.
const settleMs = 15_000;
const windows = 5;
const askWindows = 3;
const askMs = 3_000;
const healthEveryMs = 50;
const listEveryMs = 200;
const crowd = 8;
const idleSize = 10;
// Less says nothing of whether memory grows: V8 is lazy.
const slopeMsMin = 60_000;
const list = "/api/v1/experiments";

/** What the Go program takes, at the sizes at which it was measured (issue 6, another run): CPU, answers, memory. */
const go: Readonly<Record<number, { cpuMs: number; listMs: number; peakMb: number }>> = {
  100: { cpuMs: 13, listMs: 4, peakMb: 23 },
  1_000: { cpuMs: 95, listMs: 26, peakMb: 44 },
  5_000: { cpuMs: 430, listMs: 130, peakMb: 147 },
};

type Tell = (measured: Omit<Measured, "size">, ...values: readonly number[]) => void;

export async function benchLoad({ sizes, full, binaries, folder }: BenchOptions): Promise<Figure[]> {
  const findings = new Findings("load");
  const build = binaries[0] ? await compiled(binaries[0]) : fromSource;
  let idleMb = 0;
  const measuredMs = full ? 300_000 : 15_000;
  // The one at which the Go program was measured too.
  const all = Math.max(...sizes) > 5_000 ? [...new Set([...sizes, 5_000])].toSorted((a, b) => a - b) : sizes;
  for (const size of new Set([idleSize, ...all])) {
    say(`load: ${size} experiments, ${build.words}`);
    await using feeds = await Feeds.start(size, reportEveryMs);
    await using program = Served.program(build, feeds.env, folder);
    await program.answers("/readyz");
    while ((await feeds.counts()).book <= size) await sleep(100); // book is asked for each resource at the start
    await sleep(settleMs);
    const tell: Tell = (measured, ...values) =>
      findings.add({ ...measured, what: `${build.words}: ${measured.what}`, size }, ...values);
    const before = await alone(size, { program, feeds, measuredMs }, tell);
    await healthAsked(size, program, tell);
    await listAsked(size, program, tell);
    const { peak } = await program.memory();
    tell({ what: "memory at its peak, asked now and then", unit: "MB", ...beside(size, "peakMb", 1) }, peak);
    await crowded(program, tell);
    tell({ what: "memory at its peak, asked without a pause", unit: "MB" }, (await program.memory()).peak);
    if (size === idleSize) idleMb = before;
    const above = { what: `memory above that with ${idleSize}`, unit: "MB", ...aboveGoal(size) } as const;
    if (size !== idleSize) tell(above, before - idleMb);
  }
  return findings.figures;
}

function aboveGoal(size: number): Pick<Measured, "atMost"> {
  return size === 10_000 ? { atMost: 120 } : {};
}

/** The Go program's figure, and the share of it that is our goal at 1,000 and 5,000. */
function beside(size: number, which: "cpuMs" | "listMs" | "peakMb", share: number): Pick<Measured, "go" | "atMost"> {
  const theirs = go[size]?.[which];
  if (theirs === undefined) return {};
  const hasGoal = which === "peakMb" ? size === 5_000 : size >= 1_000;
  return { go: theirs, ...(hasGoal ? { atMost: theirs * share } : {}) };
}

/** Nobody asks: CPU and memory. The memory at the end, as the median of the last window. */
async function alone(
  size: number,
  { program, feeds, measuredMs }: { program: Served; feeds: Feeds; measuredMs: number },
  tell: Tell,
): Promise<number> {
  const memory: { x: number; y: number }[] = [];
  let last: number[] = [];
  for (let window = 0; window < windows; window++) {
    const [startCpu, startCounts] = [await program.cpuMs(), await feeds.counts()];
    const untilMs = clock.monotonicMs() + measuredMs / windows;
    for (last = []; clock.monotonicMs() < untilMs; await sleep(500)) {
      const [{ now }] = [await program.memory(), await program.cpuMs()];
      last.push(now);
      memory.push({ x: clock.monotonicMs() / 60_000, y: now });
    }
    const [cpu, counts] = [await program.cpuMs() - startCpu, await feeds.counts()];
    const reports = counts.jump + counts.relay - startCounts.jump - startCounts.relay;
    tell(
      { what: "CPU for a pair of reports, jump's and relay's", unit: "ms", ...beside(size, "cpuMs", 0.25) },
      cpu / reports * 2,
    );
    tell({ what: "CPU for 1,000 reports", unit: "s" }, cpu / reports);
  }
  tell({ what: `memory after ${measuredMs / 1_000} s of reports`, unit: "MB" }, ...last);
  tell({ what: "memory at its peak by then", unit: "MB" }, (await program.memory()).peak);
  const slope = measuredMs < slopeMsMin ? null : slopeOf(memory);
  if (slope !== null) tell({ what: "memory, its slope", unit: "MB/min" }, slope.low, slope.slope, slope.high);
  return quantile(last, 0.5);
}

async function healthAsked(size: number, program: Served, tell: Tell): Promise<void> {
  const what = "/healthz while reports come";
  for (let window = 0; window < askWindows; window++) {
    const times = await ask(program, "/healthz", healthEveryMs);
    tell({ what: `${what}: p50`, unit: "ms" }, quantile(times, 0.5));
    tell(
      { what: `${what}: the slowest of 3 s`, unit: "ms", ...(size === 10_000 ? { atMost: 100, by: "max" } : {}) },
      Math.max(...times),
    );
  }
}

async function listAsked(size: number, program: Served, tell: Tell): Promise<void> {
  const what = `GET ${list} while reports come`;
  for (let window = 0; window < askWindows; window++) {
    const times = await ask(program, list, listEveryMs);
    tell({ what: `${what}: p50`, unit: "ms", ...beside(size, "listMs", 0.1) }, quantile(times, 0.5));
    tell({ what: `${what}: p99`, unit: "ms" }, quantile(times, 0.99));
  }
}

/** How long each answer took. The next is asked for when it is due, or when the last is there. */
async function ask(program: Served, path: string, everyMs: number): Promise<number[]> {
  const times: number[] = [];
  const untilMs = clock.monotonicMs() + askMs;
  for (let dueMs = clock.monotonicMs(); dueMs < untilMs; dueMs = Math.max(dueMs + everyMs, clock.monotonicMs())) {
    await sleep(dueMs - clock.monotonicMs());
    times.push((await program.get(path)).tookMs);
  }
  return times;
}

/** Several ask for the list without a pause, which ended the Go program by a data race: it has to live. */
async function crowded(program: Served, tell: Tell): Promise<void> {
  for (let window = 0; window < askWindows; window++) {
    const asking = Array.from({ length: crowd }, () => ask(program, list, 0));
    const [healthMs, ...times] = await Promise.all([ask(program, "/healthz", healthEveryMs), ...asking]);
    const answers = times.flat().length;
    tell({ what: `${crowd} ask for the list without a pause: answers`, unit: "/s" }, answers / askMs * 1_000);
    tell(
      { what: `${crowd} ask for the list without a pause: /healthz, the slowest`, unit: "ms" },
      Math.max(...healthMs),
    );
  }
  await program.answers("/healthz"); // or it throws that the program has ended
}
