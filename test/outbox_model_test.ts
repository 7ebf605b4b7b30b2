/**
 * Whatever happens in whatever order, to a mail server that takes, defers, refuses or goes silent, and to a process that is
 * killed: every news that was recorded arrives, and in one mail only.
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import type { Delivery } from "../src/notification.ts";
import { FakeClock } from "./support/clock.ts";
import { event } from "./support/letters.ts";
import { deferred, inDoubt, Kept, MailDesk, refused, taken, turnedAway } from "./support/mail_desk.ts";

type Deed =
  | { readonly kind: "news"; readonly count: number }
  /** The process is killed before it could record the news. */
  | { readonly kind: "lost news" }
  | { readonly kind: "time"; readonly ms: number }
  | { readonly kind: "kill" }
  | { readonly kind: "answer"; readonly answer: Answer };

/** What the server does with the next mail. `taken, unsaid`: it takes it, and the answer is lost. */
type Answer = "taken" | "deferred" | "refused" | "turned away" | "lost" | "taken, unsaid" | "hang" | "taken, then hang";

const deed: fc.Arbitrary<Deed> = fc.oneof(
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

const said: Record<Answer, Delivery | "hang"> = {
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
class World {
  readonly clock = new FakeClock();
  readonly recorded: string[] = [];
  /** What the server has taken, by Message-ID; a mail that it had is the same mail again. */
  readonly boxed = new Map<string, Set<string>>();
  desk: MailDesk;
  #seen = 0;
  #answers: Answer[] = [];
  #count = 0;

  constructor() {
    this.desk = new MailDesk({}, this.clock, new Kept(), () => this.#next("m"));
  }

  async does(deed: Deed): Promise<void> {
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
    fc.asyncProperty(fc.array(deed, { maxLength: 20 }), async (deeds) => {
      const world = new World();
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
