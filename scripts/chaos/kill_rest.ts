/**
 * Is all at rest, and as it should be: what API and book say, held against what is so in the laboratory. What is not yet so is
 * said in words, so that whoever waits in vain can say for what.
 */
import type { ExperimentJson, HistoryJson } from "../../src/api_schema.ts";
import type { KillLab } from "./kill_lab.ts";

type Part = { readonly state: string; readonly waiting?: number };
export interface StatusSaid {
  readonly feeds: Readonly<Record<string, Part>>;
  readonly book: Part;
  readonly mail: Part;
  readonly webhook: Part;
  readonly store: Part;
}

/** A stretch of time in which the program did not run. */
export interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Whether a person took it off. */
export function isHeld({ available, reason }: { available: boolean; reason: string }): boolean {
  return !available && !/^(?:unavailable because )?status server:/.test(reason);
}

/** What is not as it will be when all is quiet. Empty at rest. */
export function unrest(status: StatusSaid, experiments: readonly ExperimentJson[], lab: KillLab): string[] {
  const { feeds, book, mail, webhook, store } = status;
  const parts: [string, Part, string][] = [
    ...Object.entries(feeds).map(([name, part]): [string, Part, string] => [name, part, "live"]),
    ["book", book, "ok"],
    ["mail", mail, "idle"],
    ["store", store, "ok"],
    ...(webhook.state === "off" ? [] : [["webhook", webhook, "idle"] as [string, Part, string]]),
  ];
  return [
    ...parts.filter(([, { state, waiting = 0 }, wanted]) => state !== wanted || waiting > 0)
      .map(([name, part]) => `${name} is ${JSON.stringify(part)}`),
    ...unlisted(experiments, lab),
    ...experiments.flatMap((each) => experimentUnrest(each, lab)),
    ...bookUnrest(lab),
  ];
}

/** What book lists or jump reports must be there, whatever the program says that it knows. */
function unlisted(experiments: readonly ExperimentJson[], { world }: KillLab): string[] {
  const hosts = [...world.lab.hosts].flatMap(([name, { connection }]) => connection === null ? [] : [name]);
  const named = new Set([...world.book.loaded().map(({ stub }) => stub), ...hosts]);
  for (const { topic_name } of experiments) named.delete(topic_name);
  return [...named].map((name) => `${name} is not among the experiments`);
}

function experimentUnrest(said: ExperimentJson, lab: KillLab): string[] {
  const { topic_name: name, stream_ok, issues, state, available, held } = said;
  const wanted = lab.issues(name, Object.keys(stream_ok));
  const own = lab.world.book.loaded().filter(({ stub }) => stub === name);
  const isAvailable = own.length > 0 && own.every((each) => each.available);
  const reasons = own.filter(isHeld).map(({ reason }) => reason.replace("unavailable because ", ""));
  const known = new Set(Object.keys(stream_ok));
  const unknown = [...lab.required(name), ...lab.reported(name)].filter((topic) => !known.has(topic));
  const differences: [boolean, string][] = [
    [unknown.length > 0, `does not know ${unknown.join(", ")}`],
    [issues.join() !== wanted.join(), `has issues [${issues.join(", ")}] where [${wanted.join(", ")}] is so`],
    [state !== (wanted.length === 0 ? "healthy" : "unhealthy"), `is ${state}`],
    [available !== isAvailable, `is said to be ${available ? "" : "un"}available, which book says it is not`],
    [held === null ? reasons.length > 0 : !reasons.includes(held), `is said to be held by ${held}, not ${reasons}`],
  ];
  return differences.filter(([differs]) => differs).map(([, words]) => `${name} ${words}`);
}

/** Book holds what the rule wants, but where a person took something off. */
function bookUnrest(lab: KillLab): string[] {
  return lab.world.book.loaded().filter((each) => !isHeld(each) && each.available !== lab.isWell(each))
    .map(({ name, available, reason }) => `${name} is ${available ? "" : "un"}available in book (${reason})`);
}

/** The experiments and streams that a monitor must know when all is quiet: those it knew before, and what is named now. */
export function forgotten(
  experiments: readonly ExperimentJson[],
  before: ReadonlyMap<string, readonly string[]>,
): string[] {
  const now = knownOf(experiments);
  return [...before].flatMap(([name, topics]) =>
    topics.filter((topic) => !now.get(name)?.includes(topic)).map((topic) =>
      `${name} is known no longer to have ${topic}`
    )
  );
}

export function knownOf(experiments: readonly ExperimentJson[]): Map<string, readonly string[]> {
  return new Map(experiments.map(({ topic_name, stream_ok }) => [topic_name, Object.keys(stream_ok)]));
}

/** What is wrong with a history: it has no gap, says nothing twice, watched nothing while dead, and ends in what is so. */
export function historyFaults(
  { topic_name, from, to, spans }: HistoryJson,
  { state, available }: ExperimentJson,
  gaps: readonly Gap[],
): string[] {
  const faults: string[] = [];
  const last = spans.at(-1);
  if (spans[0]?.from !== from || last?.to !== to) faults.push("is not of its whole window");
  if (last?.state !== state || last.available !== available) {
    faults.push(`ends as ${JSON.stringify(last)}, and it is ${state}`);
  }
  for (const [at, span] of spans.entries()) {
    const next = spans[at + 1];
    if (next && next.from !== span.to) faults.push(`has a gap at ${span.to}`);
    if (next && next.state === span.state && next.available === span.available) {
      faults.push(`says at ${next.from} what it said`);
    }
    if (Date.parse(span.from) >= Date.parse(span.to)) faults.push(`has nothing in the span at ${span.from}`);
    if (span.state === "not_watched") continue;
    const dead = gaps.find(({ fromMs, toMs }) => fromMs < Date.parse(span.to) && toMs > Date.parse(span.from));
    if (dead) faults.push(`says ${span.state} from ${span.from} on, when the program was dead`);
  }
  return faults.map((words) => `the history of ${topic_name} ${words}`);
}
