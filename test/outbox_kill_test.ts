/**
 * Mail and webhook beside each other, in a process that is killed at any of its effects: before or after anything is
 * recorded, handed over, or answered. Whatever happens, each channel tells of every recorded event in one message, and repeats
 * a message only where nobody could know that it had arrived, to the letter.
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import type { Channel } from "../src/alerts.ts";
import { EffectRunner } from "../src/effect_runner.ts";
import { initialLab } from "../src/lab.ts";
import type { Delivery } from "../src/notification.ts";
import { createOutbox, type Outbox } from "../src/outbox.ts";
import type { StoreChange } from "../src/persisted.ts";
import { openMemoryStore } from "../src/sqlite_file.ts";
import type { Store } from "../src/store.ts";
import { createRecorder } from "../src/store_writer.ts";
import { FakeClock } from "./support/clock.ts";
import { event } from "./support/letters.ts";
import { deferred, inDoubt, Kept, MailDesk, refused, taken, turnedAway } from "./support/mail_desk.ts";

/** What the other side does with a message: `unsaid`: it takes it, and the answer is lost; `lost`: it does not even that. */
type Answer = "taken" | "deferred" | "unsaid" | "lost" | "hang";
type Deed =
  | { readonly kind: "news"; readonly count: number }
  | { readonly kind: "time"; readonly ms: number }
  | { readonly kind: "answer"; readonly channel: Channel; readonly answer: Answer }
  /** The process dies at its `steps`-th effect from now on. */
  | { readonly kind: "doom"; readonly steps: number; readonly when: "before" | "after" };

const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("news"), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("time"), ms: fc.constantFrom(0, 700, 5_000, 400_000) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("answer"),
      channel: fc.constantFrom("mail", "webhook"),
      answer: fc.constantFrom("taken", "deferred", "unsaid", "lost", "hang"),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("doom"),
      steps: fc.integer({ min: 1, max: 8 }),
      when: fc.constantFrom("before", "after"),
    }),
  },
);

/** What outlives every process: the store, the two that are told, and what they were. */
class World {
  readonly clock = new FakeClock();
  readonly kept = new Kept();
  readonly recorded: string[] = [];
  /** In order: `take CHANNEL TEXT`, `unsaid CHANNEL TEXT` for one that was taken without a word, and `kill`. */
  readonly log: string[] = [];
  readonly answers: Record<Channel, Answer[]> = { mail: [], webhook: [] };
  count = 0;
  #process = new Process(this);

  async does(deed: Deed): Promise<void> {
    if (deed.kind === "news") this.#process.news(Array.from({ length: deed.count }, () => `e${++this.count}`));
    if (deed.kind === "answer") this.answers[deed.channel].push(deed.answer);
    if (deed.kind === "doom") this.#process.doom(deed.steps, deed.when);
    await this.clock.advance(deed.kind === "time" ? deed.ms : 0);
    if (this.#process.isDead) await this.restart();
  }

  async restart(): Promise<void> {
    this.#process.end();
    this.log.push("kill");
    this.#process = new Process(this);
    await this.clock.advance(0);
  }

  async quiet(): Promise<void> {
    this.answers.mail = [];
    this.answers.webhook = [];
    await this.restart();
    for (let turn = 0; turn < 6; turn++) await this.clock.advance(600_000);
    this.#process.end();
  }
}

/** One run of the program, as far as telling people goes. */
class Process {
  readonly #world: World;
  readonly #stop = new AbortController();
  readonly #consequences: EffectRunner;
  #doom: { steps: number; when: "before" | "after" } | null = null;
  isDead = false;

  constructor(world: World) {
    this.#world = world;
    const { clock } = world;
    const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, always() {} };
    const store: Store = { ...openMemoryStore(), record: (changes) => this.#effect(() => this.#keep(changes)) };
    const recorder = createRecorder(store, { clock, random: () => 0, changed() {}, turned() {} });
    const saved = structuredClone(world.kept.saved);
    const outboxOf = (channel: Channel): Outbox =>
      createOutbox(
        { channel, everyMs: 0, remindEveryMs: 0, owesUnposted: true },
        {
          clock,
          random: () => 0,
          post: {
            // A message of the webhook has an id of its own each time it is made, a mail its letter's.
            write: ({ id, events }) => {
              const key = channel === "mail" ? id : `w${++world.count}`;
              return Promise.resolve(`${key}: ${events.map(({ experiment }) => experiment).join(" ")}`);
            },
            deliver: ({ frozen }) => this.#effect(() => this.#told(channel, frozen)),
          },
          record: (changes) => recorder.record(changes),
          newId: () => `${channel}${++world.count}`,
          problems: () => 0,
        },
        saved,
        { sent() {}, failed() {}, unsent() {}, changed() {} },
      );
    const keeper = { setDesired() {}, settled: () => Promise.resolve(), waiting: 0 };
    const hands = { keeper, outbox: outboxOf("mail"), webhook: outboxOf("webhook") };
    this.#consequences = new EffectRunner({ clock, log, recorder }, hands);
    this.#consequences.begin(Promise.resolve());
    void hands.outbox.run(this.#stop.signal);
    void hands.webhook.run(this.#stop.signal);
  }

  news(names: readonly string[]): void {
    const { clock } = this.#world;
    const events = names.map((name) => event(name, [], { atMs: clock.nowMs() }));
    this.#consequences.follow({ lab: initialLab(0), events, alerts: [], turns: [] }, clock.nowMs());
  }

  doom(steps: number, when: "before" | "after"): void {
    this.#doom ??= { steps, when };
  }

  end(): void {
    this.isDead = true;
    this.#stop.abort();
  }

  #keep(changes: readonly StoreChange[]): Promise<void> {
    this.#world.kept.apply(changes);
    for (const change of changes) if (change.kind === "event") this.#world.recorded.push(change.event.experiment);
    return Promise.resolve();
  }

  #told(channel: Channel, text: string): Promise<Delivery> {
    const answer = this.#world.answers[channel].shift() ?? "taken";
    if (answer === "taken") this.#world.log.push(`take ${channel} ${text}`);
    if (answer === "unsaid") this.#world.log.push(`unsaid ${channel} ${text}`);
    if (answer === "hang") return new Promise(() => {});
    if (answer === "taken") return Promise.resolve({ kind: "taken", answer: "", rejected: [] });
    return Promise.resolve({ kind: answer === "deferred" ? "deferred" : "in-doubt", why: answer });
  }

  /** Nothing that a dead process would do happens, and what it waits for never comes. */
  async #effect<T>(act: () => Promise<T>): Promise<T> {
    const isDoomed = this.#doom !== null && --this.#doom.steps === 0;
    if (this.isDead || (isDoomed && this.#doom?.when === "before")) return await this.#dead();
    const done = await act();
    return isDoomed ? await this.#dead() : done;
  }

  #dead(): Promise<never> {
    this.isDead = true;
    return new Promise(() => {});
  }
}

Deno.test("wherever it is killed, mail and webhook each tell of every recorded event once, but for the message in flight", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { maxLength: 30 }), async (deeds) => {
      const world = new World();
      for (const each of deeds) await world.does(each);
      await world.quiet();

      for (const channel of ["mail", "webhook"] as const) {
        const texts = world.log.filter((line) => line.includes(` ${channel} `)).map((line) =>
          line.split(` ${channel} `)[1]!
        );
        const told = [...new Set(texts)].flatMap((text) => text.split(": ")[1]?.split(" ") ?? []);
        assert.deepEqual(told.toSorted(), world.recorded.toSorted(), `${channel}: ${world.log.join("; ")}`);
        assert.equal(
          new Set(texts.map((text) => text.split(": ")[0])).size,
          new Set(texts).size,
          "a key has two texts",
        );
        for (const text of new Set(texts)) assertRepeatedInDoubtAlone(world.log, `${channel} ${text}`);
      }
      assert.deepEqual([...world.kept.letters.keys()], []);
    }),
    { numRuns: Number(Deno.env.get("RUNS") ?? 60) },
  );
});

/** Between two takings of a message the first was not answered, or the process was killed. */
function assertRepeatedInDoubtAlone(log: readonly string[], message: string): void {
  let settled = false;
  for (const line of log) {
    if (line === "kill") settled = false;
    if (line !== `take ${message}` && line !== `unsaid ${message}`) continue;
    assert.ok(!settled, `${message} was repeated though it was known to be taken: ${log.join("; ")}`);
    settled = line.startsWith("take");
  }
}

/*
 * Whatever happens in whatever order, to a mail server that takes, defers, refuses or goes silent, and to a process that is
 * killed: every news that was recorded arrives, and in one mail only.
 */

type ModelDeed =
  | { readonly kind: "news"; readonly count: number }
  /** The process is killed before it could record the news. */
  | { readonly kind: "lost news" }
  | { readonly kind: "time"; readonly ms: number }
  | { readonly kind: "kill" }
  | { readonly kind: "answer"; readonly answer: ModelAnswer };

/** What the server does with the next mail. `taken, unsaid`: it takes it, and the answer is lost. */
type ModelAnswer =
  | "taken"
  | "deferred"
  | "refused"
  | "turned away"
  | "lost"
  | "taken, unsaid"
  | "hang"
  | "taken, then hang";

const modelDeed: fc.Arbitrary<ModelDeed> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("news"), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "lost news" }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("time"), ms: fc.constantFrom(0, 700, 5_000, 400_000) }) },
  { weight: 2, arbitrary: fc.constant({ kind: "kill" }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("answer"),
      answer: fc.constantFrom(
        "taken",
        "deferred",
        "refused",
        "turned away",
        "lost",
        "taken, unsaid",
        "hang",
        "taken, then hang",
      ),
    }),
  },
);

const said: Record<ModelAnswer, Delivery | "hang"> = {
  "taken": taken,
  "deferred": deferred,
  "refused": refused,
  "turned away": turnedAway,
  "lost": inDoubt,
  "taken, unsaid": inDoubt,
  "hang": "hang",
  "taken, then hang": "hang",
};

/** A mail server, the processes that come and go, and all news that were recorded. */
class ModelWorld {
  readonly clock = new FakeClock();
  readonly recorded: string[] = [];
  /** What the server has taken, by Message-ID; a mail that it had is the same mail again. */
  readonly boxed = new Map<string, Set<string>>();
  desk: MailDesk;
  #seen = 0;
  #answers: ModelAnswer[] = [];
  #count = 0;

  constructor() {
    this.desk = new MailDesk({}, this.clock, new Kept(), () => this.#next("m"));
  }

  async does(deed: ModelDeed): Promise<void> {
    switch (deed.kind) {
      case "news": {
        const names = Array.from({ length: deed.count }, () => this.#next("e"));
        this.recorded.push(...names);
        await this.desk.news(...names);
        break;
      }
      case "lost news":
        this.desk.outbox.enqueue({ events: [event(this.#next("never"))], alerts: [] });
        await this.restart();
        break;
      case "time":
        await this.desk.passes(deed.ms);
        break;
      case "kill":
        await this.restart();
        break;
      case "answer":
        this.#answers.push(deed.answer);
        this.desk.answers.push(said[deed.answer]);
    }
    this.#box();
  }

  async restart(): Promise<void> {
    this.#box();
    const left = this.desk.left();
    await this.desk.stop();
    this.desk = new MailDesk({}, this.clock, left, () => this.#next("m"));
    this.#seen = 0;
    this.desk.answers = this.#answers.map((answer) => said[answer]);
    await this.desk.run();
  }

  /** What the server was handed since: each goes with the next answer. */
  #box(): void {
    for (const raw of this.desk.got.slice(this.#seen)) {
      const answer = this.#answers.shift() ?? "taken";
      const id = raw.slice(0, raw.indexOf(":"));
      if (answer === "refused") this.boxed.delete(id); // whatever it did before, it says that it has no such mail
      if (!answer.startsWith("taken")) continue;
      this.boxed.set(id, (this.boxed.get(id) ?? new Set()).add(raw));
    }
    this.#seen = this.desk.got.length;
  }

  #next(letter: string): string {
    return `${letter}${++this.#count}`;
  }
}

Deno.test("whatever happens, every recorded news arrives, in one mail only, and in its order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(modelDeed, { maxLength: 20 }), async (deeds) => {
      const world = new ModelWorld();
      await world.desk.run();
      for (const each of deeds) await world.does(each);
      await world.restart();
      for (let turn = 0; turn < 30 && world.desk.kept.letters.size > 0; turn++) {
        await world.does({ kind: "time", ms: 600_000 });
      }
      await world.does({ kind: "time", ms: 600_000 });
      const mails = [...world.boxed.values()];
      assert.ok(mails.every((texts) => texts.size === 1), "a mail that was taken was repeated in other words");
      const arrived = mails.flatMap(([...texts]) => texts.flatMap((text) => text.split(": ")[1]?.split(" ") ?? []));
      assert.deepEqual(arrived, world.recorded);
      assert.deepEqual([...world.desk.kept.letters.keys()], []);
      await world.desk.stop();
    }),
    { numRuns: 100 },
  );
});
