/** What differs between the outboxes of mail and webhook, and that neither has anything of the other's. */
import assert from "node:assert/strict";
import type { Delivery } from "../src/notification.ts";
import { FakeClock } from "./support/clock.ts";
import { event, letter } from "./support/letters.ts";
import { Kept, MailDesk, taken } from "./support/mail_desk.ts";

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
