/** What differs between the outboxes of mail and webhook, and that neither has anything of the other's. */
import assert from "node:assert/strict";
import type { Notification } from "../src/alerts.ts";
import type { Delivery } from "../src/notification.ts";
import { make } from "../src/outbox.ts";
import { FakeClock } from "./support/clock.ts";
import { alert, event, letter } from "./support/letters.ts";
import { deferred, Kept, MailDesk, taken } from "./support/mail_desk.ts";

const webhook = { channel: "webhook", owesUnposted: false } as const;
const minuteMs = 60_000;
const later = (afterMs: number): Delivery => ({ kind: "deferred", why: "429", afterMs });

Deno.test("an outbox sends the letters of its own channel, and leaves those of the other", async () => {
  const desk = await MailDesk.open(webhook, new FakeClock(), ofBoth());
  await desk.news("new");
  assert.deepEqual(desk.got, ["a post: two", "m3: new"]);
  assert.deepEqual([...desk.kept.letters.keys()], ["a mail"]);
});

Deno.test("what the webhook took is no mail that was sent, and the other way round", async () => {
  const clock = new FakeClock();
  const desk = await MailDesk.open(webhook, clock);
  await desk.news("a");
  assert.deepEqual([desk.kept.lastMailMs, desk.kept.lastWebhookMs], [null, clock.nowMs()]);
  const next = await desk.killedAndStarted(webhook);
  assert.equal(next.outbox.view().lastSuccessMs, clock.nowMs());
  assert.equal((await desk.killedAndStarted()).outbox.view().lastSuccessMs, null);
});

Deno.test("without a webhook nothing is owed to one, and what an earlier run owed is dropped and told of", async () => {
  const desk = await MailDesk.open({ ...webhook, off: true }, new FakeClock(), ofBoth());
  assert.deepEqual(desk.log, ["unsent two", "record a post dropped"]);
  assert.deepEqual(desk.outbox.enqueue({ events: [event("a")], alerts: [] }), []);
  await desk.passes(60 * minuteMs);
  assert.deepEqual([...desk.kept.letters.keys()], ["a mail"]);
  assert.deepEqual([desk.outbox.view().state, desk.kept.lastWebhookMs], ["off", null]);
});

Deno.test("who asks to be left alone for a while is, whatever news there are, and then told all at once", async () => {
  const desk = await MailDesk.open(webhook);
  desk.answers = [later(30_000)];
  await desk.news("a");
  await desk.passes(10_000);
  await desk.news("b");
  await desk.passes(19_999);
  assert.deepEqual(desk.got, ["m1: a"]);
  await desk.passes(1);
  assert.deepEqual(desk.got, ["m1: a", "m1: a b"]);
});

Deno.test("who asks to be left alone for a day is tried after five minutes", async () => {
  const desk = await MailDesk.open(webhook);
  desk.answers = [later(24 * 60 * minuteMs)];
  await desk.news("a");
  await desk.passes(5 * minuteMs - 1);
  await desk.news("b");
  assert.equal(desk.got.length, 1);
  await desk.passes(1);
  assert.deepEqual(desk.got, ["m1: a", "m1: a b"]);
});

Deno.test("who asks for less than the pace is tried at the pace", async () => {
  const desk = await MailDesk.open(webhook);
  desk.answers = [later(1), later(1), later(1)];
  await desk.news("a");
  await desk.passes(499); // the first pause is half a second here
  assert.equal(desk.got.length, 1);
  await desk.passes(1);
  assert.equal(desk.got.length, 2);
});

Deno.test("a message that was taken ends what was asked for before", async () => {
  const desk = await MailDesk.open(webhook);
  desk.answers = [later(1_000), taken];
  await desk.news("a");
  await desk.passes(1_000);
  await desk.news("b");
  assert.deepEqual(desk.got, ["m1: a", "m1: a", "m2: b"]);
});

Deno.test("whatever is done to the time of day, what failed is tried again when it is due", async () => {
  for (const ms of [-3 * 60 * minuteMs, 3 * 60 * minuteMs]) {
    const desk = await MailDesk.open(webhook);
    desk.answers = [later(30_000)];
    await desk.news("a");
    desk.clock.step(ms);
    await desk.passes(29_999);
    assert.equal(desk.got.length, 1);
    await desk.passes(1);
    assert.equal(desk.got.length, 2);
  }
});

function ofBoth(): Kept {
  const kept = new Kept();
  kept.letters.set("a mail", letter({ id: "a mail", events: [event("one")] }));
  kept.letters.set("a post", letter({ id: "a post", channel: "webhook", events: [event("two")] }));
  return kept;
}

const hourMs = 3_600_000;

/** A desk that is writing the mail of `names`, until it is `done`. */
async function writingOf(...names: readonly string[]): Promise<{ desk: MailDesk; done: () => void }> {
  const desk = await MailDesk.open();
  const { promise, resolve } = Promise.withResolvers<void>();
  desk.writing = promise;
  await desk.news(...names);
  desk.writing = null;
  return { desk, done: resolve };
}

// Between that the mail is written and that it is in the hands of the server some promises are kept, one after the other.
for (let turns = 0; turns < 14; turns++) {
  Deno.test(`news that come ${turns} microtasks after a mail was written are told once, in the next`, async () => {
    const { desk, done } = await writingOf("a");

    done();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await desk.news("b");
    await desk.passes(hourMs);

    assert.deepEqual(desk.got, ["m1: a", "m2: b"]);
    assert.deepEqual([...desk.kept.letters.keys()], []);
  });
}

// Between that nothing is in a mail's way any more and that it is begun, too.
for (let turns = 0; turns < 14; turns++) {
  Deno.test(`news that come ${turns} microtasks after a mail may go are told once, however late they are recorded`, async () => {
    const desk = await MailDesk.open();
    const gate = Promise.withResolvers<void>();
    desk.owes("a");
    desk.outbox.release(gate.promise);
    await desk.passes(0);

    gate.resolve();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    const owed = desk.outbox.enqueue({ events: [event("b")], alerts: [] });
    await desk.passes(60);
    desk.kept.apply(owed);
    desk.outbox.release();
    await desk.passes(hourMs);

    assert.equal(desk.got.map((mail) => mail.replace(/^.*: /, "")).join(" "), "a b");
    assert.deepEqual([...desk.kept.letters.keys()], []);
  });
}

Deno.test("a stop while a mail is written is at once, and its text is made anew by the next run", async () => {
  const { desk, done } = await writingOf("a");
  assert.deepEqual(await desk.stop(), { stopped: true });
  done();
  await desk.passes(0);
  assert.deepEqual([desk.log, desk.kept.letters.get("m1")?.frozen], [[], null]);

  const next = new MailDesk({}, desk.clock, desk.left());
  next.owes("b");
  next.outbox.release();
  await next.run();
  assert.deepEqual(next.got, ["m1: a b"]);
});

for (let turns = 0; turns < 14; turns++) {
  Deno.test(`a stop ${turns} microtasks after a mail was written leaves it open, or taken`, async () => {
    const { desk, done } = await writingOf("a");

    done();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await desk.stop();

    assert.equal(desk.kept.letters.get("m1")?.frozen ?? null, null);
    assert.deepEqual(desk.got, desk.kept.letters.has("m1") ? [] : ["m1: a"]);
  });
}

Deno.test("a mail that is being recorded as one that goes at the stop still goes, and has its time to be taken", async () => {
  const desk = await MailDesk.open();
  const recorded = Promise.withResolvers<void>();
  desk.answers = ["hang"];
  desk.recording = recorded.promise;
  await desk.news("a");
  const state = await desk.stop();
  assert.deepEqual(desk.got, []);
  recorded.resolve();
  await desk.passes(2_499);
  assert.deepEqual([desk.got, state], [["m1: a"], { stopped: false }]);
  await desk.passes(1);
  assert.deepEqual(state, { stopped: true });
});

Deno.test("an event that can't be told holds no other up, is told of in the log, and counts as left out", async () => {
  const desk = await MailDesk.open();
  desk.untold = "b";
  desk.answers = ["hang"];
  await desk.news("a", "b", "c", "d");
  assert.deepEqual(desk.got, ["m1: a c d +1"]);
  assert.ok(desk.log.includes("failed m1 deferred 0"));

  await desk.says(taken);
  assert.equal(desk.outbox.view().state, "idle");
  assert.deepEqual([...desk.kept.letters.keys()], []);
});

Deno.test("an event that could not be told is tried again with a mail that was not taken", async () => {
  const desk = await MailDesk.open();
  desk.untold = "b";
  desk.answers = [deferred];
  await desk.news("a", "b");
  desk.untold = null;
  await desk.passes(hourMs);
  assert.deepEqual(desk.got, ["m1: a +1", "m1: a b"]);
});

Deno.test("while nothing of a letter can be told it is tried again, shown as failing, and goes when it can", async () => {
  const desk = await MailDesk.open();
  desk.untold = "b";
  await desk.news("b");
  await desk.passes(hourMs);
  const { state, waiting, lastError } = desk.outbox.view();
  assert.deepEqual([state, waiting, lastError], ["failing", 1, "Cannot make the message: b has no words"]);
  assert.deepEqual(desk.got, []);

  desk.untold = null;
  await desk.passes(hourMs);
  assert.deepEqual(desk.got, ["m1: b"]);
});

Deno.test("a letter of which an earlier run left only a count is told of, after a server that is busy too", async () => {
  const before = new MailDesk();
  before.kept.letters.set("old", letter({ id: "old", leftOut: { events: 2, alerts: 0 } }));
  const desk = new MailDesk({}, before.clock, before.left());
  desk.answers = [deferred];
  await desk.run();
  await desk.passes(hourMs);
  assert.deepEqual(desk.got, ["old: +2", "old: +2"]);
});

/** What was made of a letter of these experiments, what it tells, and how often it was written. */
async function madeOf(
  given: Partial<Notification>,
  isTold: (name: string, write: number) => boolean,
  stop?: AbortSignal,
) {
  let writes = 0, told: Notification | null = null;
  const write = (each: Notification) => {
    writes++;
    told = each;
    const untold = each.events.filter(({ experiment }) => !isTold(experiment, writes));
    return untold.length > 0 ? Promise.reject(new Error("no words")) : Promise.resolve("raw");
  };
  const made = await make(letter(given), write, stop ?? new AbortController().signal);
  const { events, leftOut } = told ?? letter();
  return { made, writes, names: events.map(({ experiment }) => experiment), leftOut };
}

const manyNames = Array.from({ length: 5_000 }, (_, number) => `e${number}`);
const many = manyNames.map((name) => event(name));
const cannot = { kind: "deferred", why: "Cannot make the message: no words" };

Deno.test("one event that can't be told is found among thousands by writing them a few times", async () => {
  const { made, writes, names } = await madeOf({ events: many }, (name) => name !== "e3100");
  const fault = { ...cannot, why: "Cannot tell 1 of 5000 events: no words" };
  assert.deepEqual(made, { kind: "made", raw: "raw", fault });
  assert.deepEqual(names, manyNames.toSpliced(3_100, 1));
  assert.ok(writes <= 30, `${writes} times`);
});

Deno.test("when many of thousands can't be told, nearly all others are, in their order, and the rest is counted", async () => {
  const isTold = (name: string) => !/^e31..$/.test(name);
  const { writes, names, leftOut } = await madeOf({ events: many }, isTold);
  assert.ok(writes <= 66, `${writes} times`);
  assert.deepEqual(names, manyNames.filter((name) => isTold(name) && !["e3200", "e3201", "e3202"].includes(name)));
  assert.deepEqual(leftOut, { events: 103, alerts: 0 });
});

Deno.test("when none of thousands can be told, the work is bounded and all of them are owed still", async () => {
  const { made, writes } = await madeOf({ events: many }, () => false);
  assert.deepEqual(made, cannot);
  assert.ok(writes <= 66, `${writes} times`);
});

Deno.test("alerts are told without the events that can't be, which are counted", async () => {
  const { made, names, leftOut } = await madeOf({ events: many, alerts: [alert("relay-lost")] }, () => false);
  assert.deepEqual([made && made.kind, names, leftOut], ["made", [], { events: 5_000, alerts: 0 }]);
});

Deno.test("a fault that comes and goes leaves no event out", async () => {
  const { made, names } = await madeOf({ events: [event("a"), event("b")] }, (_, write) => write !== 1 && write !== 3);
  assert.deepEqual([made, names], [{ kind: "made", raw: "raw", fault: null }, ["a", "b"]]);
});

Deno.test("a stop ends the search for what can be told", async () => {
  const stop = new AbortController();
  const { made, writes } = await madeOf(
    { events: many },
    (_, write) => (write === 5 && stop.abort(), false),
    stop.signal,
  );
  assert.deepEqual([made, writes], [null, 5]);
});
