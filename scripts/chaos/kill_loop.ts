/**
 * Nothing lost, nothing twice: plays a laboratory in which anything may change, kills the program that watches it at random
 * moments, starts it again, and now and then lets all come to rest and compares what the mails told, what book holds and what
 * the API says with what was so. `deno run -A scripts/chaos/kill_loop.ts [--seed N] [--rounds N]`; PROGRAM names an executable to
 * be played with instead of the source. The same seed throws the same dice; how long things take is the machine's.
 */
import { parseArgs } from "node:util";
import { systemClock as clock } from "../../src/clock.ts";
import type { Deliveries } from "./kill_deliveries.ts";
import { Dice } from "./kill_dice.ts";
import { type Moment, type MomentName, momentNames, moments } from "./kill_moment.ts";
import { Settler } from "./kill_settle.ts";
import { KillStage } from "./kill_stage.ts";

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
