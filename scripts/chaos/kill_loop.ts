/**
 * Nothing lost, nothing twice: changes a laboratory at random, kills the monitor at random moments, restarts it, and now and
 * then waits for quiet and compares mails, book and API with what was true.
 * `deno run -A scripts/chaos/kill_loop.ts [--seed N] [--rounds N]`; PROGRAM names an executable to test instead of the source.
 * The same seed makes the same choices; timing is the machine's.
 */
import { parseArgs } from "node:util";
import type { ExperimentJson, HistoryJson } from "../../src/api_schema.ts";
import { systemClock as clock } from "../../src/clock.ts";
import { Dice } from "../seeded.ts";
import type { Deliveries } from "./kill_audit.ts";
import { type KillLab, Settler } from "./kill_lab.ts";
import { KillStage } from "./kill_stage.ts";
import type { Step } from "./kill_subject.ts";

type Repeats = Deliveries<object>["repeats"];

export interface KillCounts {
  readonly seed: number;
  rounds: number;
  rests: number;
  /** By moment: how often it came, and how often it did not and the program was killed all the same. */
  readonly kills: Record<string, { came: number; late: number }>;
  mails: number;
  mailRepeats: Repeats;
  /** To the webhook. */
  posts: number;
  postRepeats: Repeats;
  puts: number;
  raced: number;
  events: number;
  turns: number;
}

// What a moment hangs on may never come about.
const patienceMs = 5_000;
const pauseMsMax = 25;
const never = new AbortController().signal;

/** Plays so many rounds. Throws an Error that says what was wrong, in which round, and what had happened. */
export async function killLoop(
  { seed, rounds, told = () => {} }: { seed: number; rounds: number; told?: (counts: KillCounts) => void },
): Promise<KillCounts> {
  await using stage = await KillStage.open();
  const loop = new KillLoop(stage, seed);
  try {
    await loop.rest(); // all is known from here on
    for (let round = 1; round <= rounds; round++) {
      await loop.round();
      if (round === rounds || loop.dice.chance(0.3)) await loop.rest();
      told(loop.counts);
    }
    return loop.counts;
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new Error(`seed ${seed}, round ${loop.counts.rounds}: ${words}\n${loop.story()}`, { cause: error });
  }
}

class KillLoop {
  readonly dice: Dice;
  readonly counts: KillCounts;
  readonly #stage: KillStage;
  readonly #settler: Settler;

  constructor(stage: KillStage, seed: number) {
    this.#stage = stage;
    this.#settler = new Settler(stage);
    this.dice = new Dice(seed);
    const kills = Object.fromEntries(momentNames.map((name) => [name, { came: 0, late: 0 }]));
    const none = { rounds: 0, rests: 0, mails: 0, posts: 0, puts: 0, raced: 0, events: 0, turns: 0 };
    const repeats = { unsaid: 0, unmarked: 0 };
    this.counts = { seed, ...none, mailRepeats: repeats, postRepeats: repeats, kills };
  }

  /** One life of the program, and its end. */
  async round(): Promise<void> {
    const { dice } = this;
    const stage = this.#stage;
    this.counts.rounds++;
    const name = dice.pick(momentNames);
    stage.tell(`--- round ${this.counts.rounds}: ${name}`);
    for (let left = dice.below(3); left > 0; left--) await stage.lab.change(dice);
    if (dice.chance(0.6)) await stage.lab.heal();
    stage.start();
    await this.#until(name);
    const isLate = !stage.subject?.isKilled;
    if (isLate) stage.kill(`${name} did not come`);
    const count = this.counts.kills[name];
    if (count) isLate ? count.late++ : count.came++;
    await stage.buried();
    this.#check();
  }

  /** Lets it come to rest, and ends it there in one way or the other. */
  async rest(): Promise<void> {
    const stage = this.#stage;
    stage.tell("--- rest");
    await this.#settler.rest();
    this.counts.rests++;
    if (this.dice.chance(0.3)) return await this.#askedToEnd();
    stage.kill("at rest");
    await stage.buried();
    this.#check();
  }

  /** Resolves when it has been killed, or the moment has not come. */
  async #until(name: MomentName): Promise<void> {
    const moment: Moment = moments[name];
    const { dice } = this;
    const stage = this.#stage;
    if (moment.on === "opening") {
      await clock.wait(dice.next() * moment.withinMs, never);
      return stage.kill(name);
    }
    await stage.listening();
    if (moment.on === "step") stage.aim(moment, Math.floor(dice.next() * pauseMsMax));
    for (let left = dice.below(4); left > 0 && !stage.subject?.isKilled; left--) {
      await stage.lab.change(dice);
      await clock.wait(dice.next() * 600, never);
    }
    if (moment.on === "time") {
      await clock.wait(dice.next() * moment.withinMs, never);
      return stage.kill(name);
    }
    const { jump, relay } = stage.world;
    await this.#patiently(() => jump.watchers > 0 && relay.watchers > 0);
    if (moment.on === "report") return await this.#atReport(moment.how);
    if (moment.on === "commit") return await stage.killWriting(() => stage.lab.stir(dice), patienceMs);
    stage.lab.stir(dice);
    await this.#patiently(() => stage.subject?.isKilled);
  }

  async #atReport(how: "unseen" | "seen"): Promise<void> {
    const stage = this.#stage;
    const { jump, relay } = stage.world;
    const report = () => {
      stage.lab.stir(this.dice);
      relay.reportNow();
      jump.reportNow();
    };
    if (how === "unseen") return await stage.killUnseeing(report);
    report();
    await clock.wait(this.dice.next() * pauseMsMax, never);
    stage.kill("a report has come");
  }

  async #patiently(condition: () => unknown): Promise<void> {
    await this.#stage.until(condition, "a moment", patienceMs).catch(() => {}); // it may never come
  }

  #check(): void {
    this.#settler.check();
    const { audit: { mails, hooks, recorded }, book: { counts: { puts, raced } } } = this.#stage;
    const came = { mails: mails.arrived.length, posts: hooks.arrived.length };
    Object.assign(this.counts, {
      ...came,
      mailRepeats: mails.repeats,
      postRepeats: hooks.repeats,
      puts,
      raced,
      ...recorded,
    });
  }

  async #askedToEnd(): Promise<void> {
    const { subject, audit, life } = this.#stage;
    subject?.ask();
    await subject?.gone();
    if (subject) audit.ended(life, subject, null);
    if (subject?.ended?.code !== 0) throw new Error(`asked to end, it ended with ${JSON.stringify(subject?.ended)}`);
  }

  /** What had happened, and what the program said of it. */
  story(): string {
    const { trace, subject } = this.#stage;
    const log = subject?.log.split("\n").slice(-40) ?? [];
    return [...trace.slice(-120), "The program's log ends:", ...log].join("\n");
  }
}

// Moments of a kill: each step of an event that can be seen from outside, and what happens to that step.

/**
 * `withheld`: the other side never gets it. `unseen`: it reaches the program's machine, and the program, stopped before,
 * never looks at it. `seen`: the program gets it, and has a random while.
 */
export type How = "withheld" | "unseen" | "seen";

export type Moment =
  /** A step on a wire. */
  | { readonly on: "step"; readonly is: (step: Step) => boolean; readonly how: How }
  /** A report of jump or relay that tells of a change. */
  | { readonly on: "report"; readonly how: "unseen" | "seen" }
  /** The store's write-ahead log is written to. */
  | { readonly on: "commit" }
  /** So long after it was started at most; it may not listen yet. */
  | { readonly on: "opening"; readonly withinMs: number }
  /** So long after it listens at most, whatever it does. */
  | { readonly on: "time"; readonly withinMs: number };

const isPut = (step: Step, kind: "http-asked" | "http-answered") => step.kind === kind && step.asked.method === "PUT";
const isPost = (step: Step, kind: "http-asked" | "http-answered") =>
  step.kind === kind && step.asked.method === "POST" && (step.kind === "http-asked" || step.status < 300);
const isGet = (step: Step) =>
  step.kind === "http-answered" && step.asked.method === "GET" && /\/resources\/./.test(step.asked.target);
const isTaken = (step: Step) => step.kind === "smtp-answer" && step.taken;

export const moments = {
  "while it opens its store": { on: "opening", withinMs: 700 },
  "at any time": { on: "time", withinMs: 4_000 },
  "a report is there, unseen": { on: "report", how: "unseen" },
  "a report has come": { on: "report", how: "seen" },
  "the store is being written": { on: "commit" },
  "it connects to the mail server": { on: "step", is: ({ kind }) => kind === "smtp-connected", how: "withheld" },
  "a message is sent, and does not arrive": { on: "step", is: ({ kind }) => kind === "smtp-message", how: "withheld" },
  "a message is sent, and may arrive": { on: "step", is: ({ kind }) => kind === "smtp-message", how: "seen" },
  "a message was taken, the 250 is not sent": { on: "step", is: isTaken, how: "withheld" },
  "the 250 is there, unseen": { on: "step", is: isTaken, how: "unseen" },
  "the 250 has come": { on: "step", is: isTaken, how: "seen" },
  "it has read what book holds": { on: "step", is: isGet, how: "seen" },
  "before a PUT arrives": { on: "step", is: (step) => isPut(step, "http-asked"), how: "withheld" },
  "a PUT is done, its answer not sent": { on: "step", is: (step) => isPut(step, "http-answered"), how: "withheld" },
  "the answer to a PUT is there, unseen": { on: "step", is: (step) => isPut(step, "http-answered"), how: "unseen" },
  "the answer to a PUT has come": { on: "step", is: (step) => isPut(step, "http-answered"), how: "seen" },
  "a webhook message is sent, and does not arrive": {
    on: "step",
    is: (step) => isPost(step, "http-asked"),
    how: "withheld",
  },
  "a webhook message was taken, its answer not sent": {
    on: "step",
    is: (step) => isPost(step, "http-answered"),
    how: "withheld",
  },
  "the webhook's answer is there, unseen": { on: "step", is: (step) => isPost(step, "http-answered"), how: "unseen" },
  "the webhook's answer has come": { on: "step", is: (step) => isPost(step, "http-answered"), how: "seen" },
} as const satisfies Record<string, Moment>;

export type MomentName = keyof typeof moments;

export const momentNames = Object.keys(moments) as MomentName[];

// Quiet: API and book agree with the laboratory. What does not agree yet is returned in words.

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

/** What is wrong with a history: it has no gap, says nothing twice, watched nothing while dead, and ends in the present state. */
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

if (import.meta.main) {
  const { values } = parseArgs({ options: { seed: { type: "string" }, rounds: { type: "string", default: "100" } } });
  const seed = Number(values.seed ?? crypto.getRandomValues(new Uint32Array(1))[0]);
  const startMs = clock.nowMs();
  try {
    const told = ({ rounds, mails, puts, events }: KillCounts) => {
      if (rounds % 10 === 0) {
        console.log(`seed ${seed}: round ${rounds}, ${mails} mails, ${puts} PUTs, ${events} events`);
      }
    };
    const counts = await killLoop({ seed, rounds: Number(values.rounds), told });
    console.log(JSON.stringify({ ...counts, minutes: Math.round((clock.nowMs() - startMs) / 6_000) / 10 }, null, 1));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
