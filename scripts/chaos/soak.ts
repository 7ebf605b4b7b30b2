/**
 * Does the program hold out? `deno task soak --day` plays a day of a busy laboratory in half an hour, `--hours N` as many real
 * hours; the real program as a process (from source, or the executable that PROGRAM names), watched from outside on Linux.
 * A table and JSON at `--out PATH`, rewritten every minute; exits 1 if
 * something grows or is left over, 3 if the run was too short to tell.
 */
import { parseArgs } from "node:util";
import { systemClock as clock } from "../../src/clock.ts";
import { randomOf } from "../seeded.ts";
import { print, toldToEnd } from "../simulator/process.ts";
import {
  blocks,
  figures,
  type Finding,
  findingsOf,
  leftOvers,
  percentiles,
  type Sample,
  seriesOf,
} from "./soak_figures.ts";
import { crowdIn, playDay } from "./soak_lab.ts";
import { startReceiver } from "./soak_receiver.ts";
import { SoakProgram, type SoakWorld, startSoakWorld } from "./soak_watch.ts";

const usage = `Usage: deno task soak (--day [--minutes N] | --hours N) [options]
  --day            a laboratory's day at 50 times its speed, which takes 29 minutes; --minutes N: so long of it
  --hours N        so many real hours, with trouble 8 times as often as a busy laboratory has
  --experiments N  how many there are from the start (100)
  --seed N         of the chance that says when what happens (1)
  --out PATH       where the results go: PATH.md and PATH.json (build/soak)
`;

/** How a soak is played. Lengths are milliseconds. */
export interface SoakOptions {
  readonly title: string;
  readonly speed: number;
  readonly haste: number;
  readonly lastsMs: number;
  readonly sampleEveryMs: number;
  /** How long all that has ended may take to be gone. */
  readonly quietMsMax: number;
  readonly heartbeatEvery: string;
  readonly experiments: number;
  readonly seed: number;
  readonly out: string;
  readonly env: Readonly<Record<string, string>>;
}

const reportEveryMs = 5_000;
const dayMs = 86_400_000;
const writeEveryMs = 60_000;
const settleMs = 5_000;

/** Plays it to its end, or until it is told to end, and writes what it found. */
export async function runSoak(options: SoakOptions, told: Promise<unknown>): Promise<Soak> {
  const { speed, experiments } = options;
  const soak: Soak = {
    title: options.title,
    facts: await factsOf(options),
    startedMs: clock.nowMs(),
    dayMs: dayMs / speed,
    ...{ before: null, samples: [], after: null },
    happened: {},
    end: null,
    failure: null,
  };
  const folder = await Deno.makeTempDir({ prefix: "soak" });
  try {
    await using world = await startSoakWorld({ experiments, reportEveryMs: reportEveryMs / speed });
    await using receiver = startReceiver(options.heartbeatEvery, randomOf(options.seed + 1));
    const program = await SoakProgram.start({ ...world.env, ...receiver.env, ...options.env }, folder);
    await using _ = program.process;
    await soakIt(soak, options, { world, program, told });
  } catch (error) {
    soak.failure = String(error);
  } finally {
    await Deno.remove(folder, { recursive: true });
    await writeReport(soak, options.out);
  }
  return soak;
}

interface Players {
  readonly world: SoakWorld;
  readonly program: SoakProgram;
  readonly told: Promise<unknown>;
}

async function soakIt(soak: Soak, options: SoakOptions, { world, program, told }: Players): Promise<void> {
  const { speed, haste, lastsMs } = options;
  const over = new AbortController();
  const { signal } = over;
  await clock.wait(settleMs, signal);
  const before = soak.before = await program.sample();
  const names = Array.from({ length: options.experiments }, (_, each) => `pend${String(each).padStart(2, "0")}`);
  const random = randomOf(options.seed);
  const load = Promise.all([
    playDay({ experiments: names, post: world.post, random }, { clock, speed, haste }, signal),
    crowdIn({ clock, port: program.port, speed, random }, signal),
    each(dayMs / 24 / speed / haste, signal, () => program.rotateLog()),
    each(options.sampleEveryMs, signal, async () => void soak.samples.push(await program.sample())),
    each(writeEveryMs, signal, () => writeReport(soak, options.out)),
  ]);
  const gone = program.process.ended.then((code) => {
    throw new Error(`the program ended by itself with ${code}: ${program.process.words}`);
  });
  gone.catch(() => {}); // it is told to end after the load: only an end before that is one of itself
  try {
    await Promise.race([clock.wait(lastsMs, signal), told, load, gone]);
  } finally {
    over.abort();
  }
  const [troubles, crowd] = await Promise.race([load, gone]);
  Object.assign(soak.happened, troubles, crowd, { "the log is rotated": program.rotations });
  const { after, ...quiet } = await quietness(before, program, options.quietMsMax);
  soak.after = after;
  soak.end = { ...quiet, exit: await program.process.end() };
}

/** What is still there when nothing happens any more, as soon as that is nothing, or when its time is up. */
async function quietness(before: Sample, program: SoakProgram, quietMsMax: number) {
  const startMs = clock.monotonicMs();
  for (;;) {
    const after = await program.sample();
    const left = leftOvers(before, after);
    const quietAfterMs = clock.monotonicMs() - startMs;
    if (left.length === 0 || quietAfterMs > quietMsMax) return { after, leftOvers: left, quietAfterMs };
    await clock.wait(1_000, new AbortController().signal);
  }
}

async function each(everyMs: number, signal: AbortSignal, act: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await clock.wait(everyMs, signal).catch(() => {}); // the end of the load
    if (!signal.aborted) await act();
  }
}

async function factsOf(options: SoakOptions): Promise<Record<string, string>> {
  const git = new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"], cwd: import.meta.dirname ?? "." });
  const commit = await git.output().then(({ stdout }) => new TextDecoder().decode(stdout).trim(), () => "unknown");
  const { experiments, seed, speed, haste, env } = options;
  return {
    program: Deno.env.get("PROGRAM") ?? `from source, Deno ${Deno.version.deno}`,
    commit,
    laboratory:
      `${experiments} experiments of 2 streams and ${speed} times its speed, trouble ${haste} times as often, seed ${seed}`,
    settings: Object.entries(env).map(([name, value]) => `${name}=${value}`).join(" "),
    machine: `${navigator.hardwareConcurrency} cores, load ${
      Deno.loadavg().map((each) => each.toFixed(1)).join(" ")
    } at the start`,
  };
}

/** A day in half an hour: what takes long in a laboratory is set shorter by as much as can be. */
const dayEnv = {
  STATUS_HEALTH_LAST_CHECKED: "2s",
  STATUS_HEALTH_LAST_ACTIVE: "6s",
  STATUS_HEALTH_STARTUP: "1s",
  STATUS_HEALTH_FORGET: "20s",
  STATUS_HEALTH_EVENTS: "10",
  STATUS_HEALTH_LOG_EVERY: "72s",
  STATUS_QUERY_BOOK_EVERY: "5s",
  STATUS_TIMEOUT_BOOK: "2s",
  STATUS_RECONNECT_JUMP_EVERY: "15s",
  STATUS_RECONNECT_RELAY_EVERY: "20s",
  STATUS_EMAIL_REMIND_EVERY: "30s",
  STATUS_STORE_KEEP: "3m",
  STATUS_PROBE_STREAMS: "always",
  STATUS_LOG_LEVEL: "info",
};

/** Real hours: the defaults, but for what would not happen once in them. */
const hoursEnv = {
  STATUS_HEALTH_LAST_ACTIVE: "20s",
  STATUS_HEALTH_FORGET: "5m",
  STATUS_HEALTH_LOG_EVERY: "10m",
  STATUS_QUERY_BOOK_EVERY: "5m",
  STATUS_RECONNECT_JUMP_EVERY: "4m",
  STATUS_RECONNECT_RELAY_EVERY: "5m",
  STATUS_EMAIL_REMIND_EVERY: "30m",
  STATUS_STORE_KEEP: "15m",
  STATUS_PROBE_STREAMS: "always",
  STATUS_LOG_LEVEL: "info",
};

/** Null for what can't be run. */
export function readOptions(args: readonly string[]): SoakOptions | null {
  const number = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...{ day: { type: "boolean", default: false }, minutes: number, hours: number },
        ...{ experiments: { type: "string", default: "100" }, seed: { type: "string", default: "1" } },
        out: { type: "string", default: "build/soak" },
      },
    });
    const { day, minutes = String(dayMs / 50 / 60_000), hours } = values;
    const common = { experiments: Number(values.experiments), seed: Number(values.seed), out: values.out };
    const lengthMs = day ? Number(minutes) * 60_000 : Number(hours) * 3_600_000;
    if (day === (hours !== undefined) || !(lengthMs > 0) || !(common.experiments > 0)) return null;
    const quiet = { quietMsMax: 150_000, lastsMs: lengthMs, ...common };
    return day
      ? {
        title: "A day of a laboratory",
        speed: 50,
        haste: 1,
        sampleEveryMs: 1_000,
        heartbeatEvery: "2s",
        env: dayEnv,
        ...quiet,
      }
      : {
        title: `${hours} real hours`,
        speed: 1,
        haste: 8,
        sampleEveryMs: 5_000,
        heartbeatEvery: "1m",
        env: hoursEnv,
        ...quiet,
      };
  } catch {
    return null; // an unknown option: the usage says which there are
  }
}

// The report, for people and machines.

export interface Soak {
  readonly title: string;
  /** What was run and where: a line each. */
  readonly facts: Readonly<Record<string, string>>;
  readonly startedMs: number;
  /** How long a day of the laboratory takes here. */
  readonly dayMs: number;
  /** When the program was ready, and there was no load yet. */
  before: Sample | null;
  /** While there was. */
  readonly samples: Sample[];
  /** When all was quiet again, or had had its time to be. */
  after: Sample | null;
  /** What happened, by what it was; filled when the load has ended. */
  readonly happened: Record<string, number>;
  /** Null while it runs. */
  end: {
    readonly leftOvers: readonly string[];
    readonly quietAfterMs: number;
    readonly exit: { code: number; tookMs: number };
  } | null;
  /** Why it was given up, if it was. */
  failure: string | null;
}

/** `unclear`: nothing was seen to be wrong, but the run was too short or too noisy to say that all of it is flat. */
export type Outcome = "good" | "unclear" | "bad";

// Of what is asked for at each sample: a machine that is busy may miss one or two.
const unansweredShareMax = 0.01;
const exitMsMax = 5_000;

/** Bad when something grows or is left over, when /healthz is not answered, or when the end was not as it has to be. */
export function outcomeOf({ samples, dayMs, end, failure }: Soak): Outcome {
  if (end === null || failure !== null) return "bad";
  const verdicts = findingsOf(samples, dayMs).map(({ verdict }) => verdict);
  const unanswered = samples.filter(({ healthzMs }) => healthzMs === null).length;
  const isBad = end.leftOvers.length > 0 || end.exit.code !== 0 || end.exit.tookMs > exitMsMax ||
    unanswered > unansweredShareMax * samples.length || verdicts.includes("grows");
  return isBad ? "bad" : verdicts.every((verdict) => verdict === "flat") ? "good" : "unclear";
}

/** Writes `PATH.json` and `PATH.md`, each whole or not at all. */
export async function writeReport(soak: Soak, path: string): Promise<void> {
  const { startedMs, ...rest } = soak;
  const findings = findingsOf(soak.samples, soak.dayMs);
  const json = {
    ...rest,
    started: new Date(startedMs).toISOString(),
    outcome: outcomeOf(soak),
    figures,
    findings,
  };
  for (const [kind, text] of [["json", JSON.stringify(json)], ["md", markdown(soak)]] as const) {
    await Deno.writeTextFile(`${path}.${kind}.part`, text);
    await Deno.rename(`${path}.${kind}.part`, `${path}.${kind}`);
  }
}

export function markdown(soak: Soak): string {
  const { samples, dayMs, startedMs, happened, end, failure } = soak;
  const [first, last] = [samples[0], samples.at(-1)];
  const latency = percentiles(samples.flatMap(({ healthzMs }) => healthzMs ?? []));
  const unanswered = samples.filter(({ healthzMs }) => healthzMs === null).length;
  const ranMs = (last?.atMs ?? 0) - (first?.atMs ?? 0);
  return [
    `# ${soak.title}`,
    "",
    ...Object.entries(soak.facts).map(([name, value]) => `- ${name}: ${value}`),
    `- began ${new Date(startedMs).toISOString()}, ran ${minutes(ranMs)} under load (${
      (ranMs / dayMs).toFixed(2)
    } days of ` +
    `the laboratory), ${samples.length} samples`,
    `- ${stateOf(soak)}`,
    ...(failure === null ? [] : [`- given up: ${failure}`]),
    "",
    "| | before the load | most | at its end | when quiet | slope of the second half, per day of the laboratory | allowed | verdict |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ...findingsOf(samples, dayMs).map((finding) => row(finding, soak)),
    "",
    `Slope: least squares over the lowest point of each of ${blocks} parts of the second half, ± its standard error, and the 95 % interval.`,
    "",
    `/healthz: median ${ms(latency.p50)}, 99 % ${ms(latency.p99)}, most ${ms(latency.max)}, unanswered ${unanswered}.`,
    "",
    ...(end === null ? [] : [
      `After the load: quiet after ${seconds(end.quietAfterMs)}; left over: ${
        end.leftOvers.join("; ") || "nothing"
      }. ` +
      `Told to end, it exited with ${end.exit.code} after ${end.exit.tookMs} ms.`,
      "",
    ]),
    "| of /metrics | before the load | at its end |",
    "| --- | ---: | ---: |",
    ...Object.entries(last?.counters ?? {}).map(([name, value]) =>
      `| ${name} | ${soak.before?.counters[name] ?? ""} | ${value} |`
    ),
    "",
    ...Object.entries(happened).map(([what, times]) => `- ${what}: ${times}`),
    "",
  ].join("\n");
}

function stateOf(soak: Soak): string {
  if (soak.end === null && soak.failure === null) return "it is still running";
  const words: Record<Outcome, string> = {
    good: "nothing grows, nothing is left over",
    unclear: "nothing was seen to grow, and nothing is left over; what varies too much to be called flat is said below",
    bad: "NOT good: see below",
  };
  return words[outcomeOf(soak)];
}

function row({ name, last, max, slope, verdict }: Finding, { before, after }: Soak): string {
  const { words, unit, perDay } = figures[name];
  const value = (number: number | undefined) => number?.toFixed(unit === "" ? 0 : 1) ?? "";
  const [start, quiet] = [before, after].map((each) => each === null ? undefined : seriesOf([each], name)[0]?.y);
  const sure = slope === null
    ? ""
    : `${signed(slope.slope)} ± ${slope.error.toPrecision(2)} (${signed(slope.low)} to ${signed(slope.high)})`;
  const title = unit === "" ? words : `${words}, ${unit}`;
  return `| ${title} | ${value(start)} | ${value(max)} | ${value(last)} | ${
    value(quiet)
  } | ${sure} | ${perDay} | ${verdict} |`;
}

function signed(value: number): string {
  const text = Math.abs(value) < 0.005 ? "0" : value.toPrecision(3);
  return value > 0.005 ? `+${text}` : text;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function seconds(valueMs: number): string {
  return `${(valueMs / 1_000).toFixed(0)} s`;
}

function minutes(valueMs: number): string {
  return `${(valueMs / 60_000).toFixed(1)} min`;
}

if (import.meta.main) {
  const options = readOptions(Deno.args);
  if (options === null) {
    print(Deno.stderr, usage);
    Deno.exit(2);
  }
  const soak = await runSoak(options, toldToEnd());
  print(Deno.stdout, markdown(soak));
  Deno.exit({ good: 0, bad: 1, unclear: 3 }[outcomeOf(soak)]);
}
