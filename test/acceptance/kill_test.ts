/**
 * Nothing lost, nothing twice: the real program is killed at every step of an event's life, and at some hundred random moments
 * by hand (`scripts/chaos/kill_loop.ts`, of which a short run is here). After each the next start finds a whole store, pays what is
 * owed, and all agree: mails, API, history, book and the laboratory.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Settler } from "../../scripts/chaos/kill_lab.ts";
import { killLoop, type Moment, type MomentName, moments } from "../../scripts/chaos/kill_loop.ts";
import { KillStage } from "../../scripts/chaos/kill_stage.ts";
import type { Step } from "../../scripts/chaos/kill_subject.ts";

interface Left {
  readonly event: boolean;
  readonly letter: "none" | "open" | "frozen";
}

interface Row {
  /** pend02's only stream changes, and the program is killed. */
  readonly kill: (stage: KillStage, change: () => void) => Promise<void>;
  /** What the dead program has left: whether the event is recorded, and its mail owed (`frozen`: it may have been sent). */
  readonly left: Left | "all or nothing";
  /** What book has been told by then. */
  readonly puts: 0 | 1;
  /** How often its mail has come in the end, or its message to the webhook. */
  readonly copies: 1 | 2;
  /** The mail's, where not said. */
  readonly channel?: "webhook";
}

const untold = { event: false, letter: "none" } as const;
const owed = { event: true, letter: "open" } as const;
const inFlight = { event: true, letter: "frozen" } as const;

const rows: Readonly<Record<string, Row>> = {
  "after the report, which it does not see": {
    kill: (stage, change) =>
      stage.killUnseeing(() => {
        change();
        stage.world.relay.reportNow();
      }),
    left: untold,
    puts: 0,
    copies: 1,
  },
  "after the judgement, before it is recorded": {
    kill: async (stage, change) => {
      await stage.world.mailbox.stop(); // or, if this took too long, a mail would go out though the store is held
      using _held = hold(stage.storeFile);
      change();
      await killedWhen(stage, /pend02: (?:ok|unhealthy)/);
    },
    left: untold,
    puts: 0,
    copies: 1,
  },
  "after it is recorded, before a PUT arrives": { kill: at("before a PUT arrives"), left: owed, puts: 0, copies: 1 },
  "after a PUT, before its answer": { kill: at("a PUT is done, its answer not sent"), left: owed, puts: 1, copies: 1 },
  "after the answer, before it is seen": {
    kill: at("the answer to a PUT is there, unseen"),
    left: owed,
    puts: 1,
    copies: 1,
  },
  "after the answer, before book is seen to hold it": {
    kill: (stage, change) => {
      const before = putsOf(stage);
      const isLook = (step: Step) =>
        step.kind === "http-asked" && /resources\/r-pend02$/.test(step.asked.target) && putsOf(stage) > before;
      return killedAt(stage, change, { on: "step", is: isLook, how: "withheld" });
    },
    left: owed,
    puts: 1,
    copies: 1,
  },
  "as it is recorded": {
    kill: (stage, change) =>
      stage.killWriting(() => {
        change();
        stage.world.relay.reportNow();
      }, 30_000),
    left: "all or nothing",
    puts: 0,
    copies: 1,
  },
  "before SMTP": { kill: at("it connects to the mail server"), left: inFlight, puts: 1, copies: 1 },
  "after DATA, which does not arrive": {
    kill: at("a message is sent, and does not arrive"),
    left: inFlight,
    puts: 1,
    copies: 1,
  },
  "after DATA, before the 250": {
    kill: at("a message was taken, the 250 is not sent"),
    left: inFlight,
    puts: 1,
    copies: 2,
  },
  "after the 250, before it is seen": { kill: at("the 250 is there, unseen"), left: inFlight, puts: 1, copies: 2 },
  "after the 250, before it is marked": {
    kill: async (stage, change) => {
      let held: Disposable | null = null;
      stage.onStep = ({ kind }) => kind === "smtp-answer" && (held ??= hold(stage.storeFile));
      change();
      await killedWhen(stage, /mail \S+ was taken/).finally(() => held?.[Symbol.dispose]());
    },
    left: inFlight,
    puts: 1,
    copies: 2,
  },
  "after a message to the webhook, which does not arrive": {
    kill: at("a webhook message is sent, and does not arrive"),
    left: inFlight,
    puts: 1,
    copies: 1,
    channel: "webhook",
  },
  "after the webhook took a message, before its answer": {
    kill: at("a webhook message was taken, its answer not sent"),
    left: inFlight,
    puts: 1,
    copies: 2,
    channel: "webhook",
  },
  "after the webhook's answer, before it is seen": {
    kill: at("the webhook's answer is there, unseen"),
    left: inFlight,
    puts: 1,
    copies: 2,
    channel: "webhook",
  },
};

Deno.test("killed at any step of an event's life, it tells of it once, repeats only a mail in flight, and tells book once", async (t) => {
  await using stage = await KillStage.open({ STATUS_HEALTH_LAST: "20s" }); // so that a busy machine adds no news of its own
  const settler = new Settler(stage);
  await settler.rest();
  for (const [step, row] of Object.entries(rows)) {
    await t.step(step, async () => {
      const before = countsOf(stage);
      await row.kill(stage, () => stage.lab.flip("pend02-st-data"));
      const left = await stage.buried();
      stage.onStep = () => {};

      const told = row.channel ?? "mail";
      const letter = left?.letters.find(({ channel }) => channel === told);
      const found = { event: (left?.events.length ?? 0) > before.events, letter: stateOf(letter) };
      assert.deepEqual(found, row.left !== "all or nothing" ? row.left : found.event ? owed : untold);
      assert.equal(putsOf(stage) - before.puts, row.puts);
      await settler.rest();
      const now = countsOf(stage);
      assert.deepEqual([now.events - before.events, now.puts - before.puts], [1, 1]);
      assert.equal(now.copies[told] - before.copies[told], row.copies);
      assert.deepEqual(now.messages.map((count, at) => count - (before.messages[at] ?? 0)), [1, 1]);
    });
  }
});

const seeds = [20_261_122, crypto.getRandomValues(new Uint32Array(1))[0] ?? 0];
for (const seed of seeds) {
  Deno.test(`killed at random moments, seed ${seed}: all agree whenever it comes to rest`, async () => {
    const { mails, events } = await killLoop({ seed, rounds: 5 });
    assert.ok(mails > 0 && events > 0);
  });
}

function at(name: MomentName): Row["kill"] {
  const moment: Moment = moments[name];
  assert.equal(moment.on, "step");
  return (stage, change) => killedAt(stage, change, moment);
}

async function killedAt(stage: KillStage, change: () => void, moment: Moment & { on: "step" }): Promise<void> {
  stage.aim(moment, 0);
  change();
  await stage.until(() => stage.subject?.isKilled, "the moment to come");
}

/** Kills it as soon as its log says so, which it does before it records that. */
async function killedWhen(stage: KillStage, said: RegExp): Promise<void> {
  const from = stage.subject?.log.length ?? 0;
  await stage.until(() => said.test(stage.subject?.log.slice(from) ?? ""), `the log to say ${said}`);
  stage.kill("it waits for its store");
  await stage.subject?.gone();
}

/** Nobody else can write to it meanwhile. */
function hold(file: string): Disposable {
  const db = new DatabaseSync(file, { timeout: 5_000 });
  db.exec("BEGIN IMMEDIATE");
  return { [Symbol.dispose]: () => db.close() };
}

function stateOf(letter: { frozen: string | null } | undefined): Left["letter"] {
  if (letter === undefined) return "none";
  return letter.frozen === null ? "open" : "frozen";
}

function putsOf(stage: KillStage): number {
  return stage.book.counts.puts;
}

function countsOf(stage: KillStage) {
  const { mails, hooks, recorded: { events } } = stage.audit;
  const copies = { mail: mails.arrived.length, webhook: hooks.arrived.length };
  return { events, puts: putsOf(stage), copies, messages: [mails.first().length, hooks.first().length] };
}
