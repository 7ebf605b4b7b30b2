/** What a soak found, for people and for machines. What is measured, and what it means, is for `soak_figures`. */
import { blocks, figures, type Finding, findingsOf, percentiles, type Sample, seriesOf } from "./soak_figures.ts";

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
  const json = { ...rest, started: new Date(startedMs).toISOString(), outcome: outcomeOf(soak), figures, findings };
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
