/**
 * The real program as a process beside its feeds and a bare server: start, memory, load at each size, and the cost of each
 * library, measured from outside.
 */
import { basename, resolve } from "node:path";
import { systemClock as clock } from "../../src/clock.ts";
import { slopeOf } from "../chaos/soak_figures.ts";
import { Watched } from "../chaos/soak_watch.ts";
import { permissions, workers } from "../compile.ts";
import { freePort } from "../simulator/wire.ts";
import type { FeedCounts, FeedLine } from "./feed.ts";
import { type BenchOptions, type Figure, Findings, type Measured, quantile, say, sleep } from "./figures.ts";

/** How the program and the bare server are started: from their source, or as compiled executables. */
export interface Build {
  readonly words: string;
  readonly program: readonly string[];
  readonly hello: readonly string[];
}

const root = new URL("../../", import.meta.url).pathname;

export const fromSource: Build = {
  words: "source",
  program: [Deno.execPath(), "run", ...permissions, "main.ts"],
  hello: [Deno.execPath(), "run", ...permissions, "scripts/bench/hello.ts"],
};

/** Named by its file and by the Deno that is in it, which may be another than the one that runs the bench. */
export async function compiled({ program, hello }: { program: string; hello: string }): Promise<Build> {
  const { stdout } = await new Deno.Command(resolve(program), { args: ["version"] }).output();
  const deno = /Deno [\d.]+/.exec(new TextDecoder().decode(stdout))?.[0] ?? "no Deno that it tells of";
  return { words: `${basename(program)} (${deno})`, program: [resolve(program)], hello: [resolve(hello)] };
}

/** A process that serves on a port of 127.0.0.1. */
export class Served implements AsyncDisposable {
  readonly process: Watched;
  readonly port: number;
  readonly #startMs = clock.monotonicMs();
  readonly #threadMs = new Map<string, number>();

  private constructor(line: (port: number) => readonly string[], env: Readonly<Record<string, string>>) {
    this.port = freePort();
    const [command = "", ...args] = line(this.port);
    const { HOME = "", PATH = "", DENO_DIR = "" } = Deno.env.toObject();
    const own = { HOME, PATH, ...(DENO_DIR === "" ? {} : { DENO_DIR }), DENO_NO_UPDATE_CHECK: "1" };
    const port = { STATUS_PORT_SERVE: String(this.port), STATUS_HOST_SERVE: "127.0.0.1" };
    this.process = new Watched(
      new Deno.Command(command, {
        ...{ args, cwd: root, clearEnv: true, env: { ...own, ...port, ...env } },
        ...{ stdin: "null", stdout: "piped", stderr: "piped" },
      }),
    );
  }

  static hello({ hello }: Build): Served {
    return new Served((port) => [...hello, String(port)], {});
  }

  /** Its files are in `folder`, which it makes anew; it sends no mail. */
  static program({ program }: Build, env: Readonly<Record<string, string>>, folder: string): Served {
    const place = `${folder}/${crypto.randomUUID()}`;
    return new Served(() => [...program, "serve"], {
      ...{ STATUS_STORE_FILE: `${place}.db`, STATUS_LOG_FILE: `${place}.log`, STATUS_HEALTH_STARTUP: "1s" },
      ...env,
    });
  }

  /** Resolves when it answers well, with how long it took since the start. */
  async answers(path: string): Promise<number> {
    while (!this.process.hasEnded) {
      const isWell = await this.get(path).then(({ ok }) => ok, () => false);
      if (isWell) return clock.monotonicMs() - this.#startMs;
      await sleep(pollMs);
    }
    throw new Error(`It ended before it answered ${path}: ${this.process.words}`);
  }

  /** Asks for it as it is, not packed, and reads all of the answer. */
  async get(path: string) {
    const startMs = clock.monotonicMs();
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, { headers: { "accept-encoding": "identity" } });
    const bytes = (await answer.arrayBuffer()).byteLength;
    return { ok: answer.ok, status: answer.status, bytes, tookMs: clock.monotonicMs() - startMs };
  }

  /**
   * CPU milliseconds that its threads have taken, to the microsecond: what /proc says of the whole process is rounded to 10 ms.
   * What a thread took that has ended is what was last seen of it, so this is to be asked now and then.
   */
  async cpuMs(): Promise<number> {
    const place = `/proc/${this.process.pid}/task`;
    await Promise.all((await Array.fromAsync(Deno.readDir(place))).map(async ({ name }) => {
      const text = await Deno.readTextFile(`${place}/${name}/schedstat`).catch(() => null); // it has ended meanwhile
      if (text !== null) this.#threadMs.set(name, Number(text.split(" ")[0]) / 1e6);
    }));
    return this.#threadMs.values().reduce((sum, each) => sum + each, 0);
  }

  /**
   * Resident memory in MB: now, and the most that it ever was. `own` is what no file is behind: the rest, most of it the
   * executable, is the page cache's, and can be given back.
   */
  async memory(): Promise<{ now: number; own: number; peak: number }> {
    const text = await Deno.readTextFile(`/proc/${this.process.pid}/status`);
    const megabytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1]) / 1024;
    return { now: megabytes("VmRSS"), own: megabytes("RssAnon"), peak: megabytes("VmHWM") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.end();
  }
}

/** Book, jump and relay for so many experiments; `everyMs` 0: reports go out when they are asked for alone. */
export class Feeds implements AsyncDisposable {
  readonly #process: Watched;
  readonly #line: FeedLine;

  private constructor(process: Watched, line: FeedLine) {
    this.#process = process;
    this.#line = line;
  }

  static async start(experiments: number, everyMs: number): Promise<Feeds> {
    const args = ["run", "--allow-all", "scripts/bench/feed.ts", String(experiments), String(everyMs)];
    const process = new Watched(
      new Deno.Command(Deno.execPath(), { args, cwd: root, stdin: "null", stdout: "piped", stderr: "piped" }),
    );
    while (!process.words.includes("\n") && !process.hasEnded) await sleep(pollMs);
    if (process.hasEnded) throw new Error(`The feeds of the bench ended: ${process.words}`);
    return new Feeds(process, JSON.parse(process.words));
  }

  get env(): FeedLine["env"] {
    return this.#line.env;
  }

  async counts(): Promise<FeedCounts> {
    return await (await fetch(`${this.#line.control}/counts`)).json();
  }

  /** One report at once; `isIll`: in it one stream has sent nothing for a while. */
  async report(feed: "jump" | "relay", isIll = false): Promise<void> {
    const answer = await fetch(`${this.#line.control}/report?feed=${feed}${isIll ? "&ill" : ""}`);
    await answer.body?.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.end();
  }
}

/** So much later nobody notices that somebody looked. */
const pollMs = 2;

// Start: time to the first answer, and idle memory, beside a bare server.

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

async function start(
  build: Build,
  feeds: Feeds,
  { rounds, folder }: Course,
  findings: Findings,
): Promise<void> {
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

async function idle(
  build: Build,
  feeds: Feeds,
  { rounds, folder }: Course,
  findings: Findings,
): Promise<void> {
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

// Load: CPU, memory and response times while both feeds report every second, at each size.

const loadReportEveryMs = 1_000;
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
    await using feeds = await Feeds.start(size, loadReportEveryMs);
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
function beside(
  size: number,
  which: "cpuMs" | "listMs" | "peakMb",
  share: number,
): Pick<Measured, "go" | "atMost"> {
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

// Libraries: time to load and memory of each, and of the Worker of the sockets.

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
