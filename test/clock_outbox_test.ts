/** That mails go in their time when the clock is set, or the program is stopped: none is kept waiting, none goes before. */
import assert from "node:assert/strict";
import { deferred, MailDesk } from "./support/mail_desk.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const deeds: Record<string, (desk: MailDesk) => void> = {
  "the clock is put forward by a day": ({ clock }) => clock.step(dayMs),
  "the clock is put back by a day": ({ clock }) => clock.step(-dayMs),
  "the program is stopped for a day": ({ clock }) => clock.stopped(dayMs),
};

for (const [deed, act] of Object.entries(deeds)) {
  Deno.test(`${deed}: EMAIL_EVERY is kept to the hour`, async () => {
    const desk = await MailDesk.open({ everyMs: hourMs });
    await desk.news("a");
    act(desk);
    await desk.news("b");
    await desk.passes(hourMs - 1_000);
    assert.equal(desk.got.length, 1, "it went before its time");
    await desk.passes(1_000);
    assert.equal(desk.got.length, 2, "it was kept waiting");
    await desk.stop();
  });

  Deno.test(`${deed}: a reminder goes when it is due`, async () => {
    const desk = await MailDesk.open({ remindEveryMs: hourMs, problems: 1 });
    await desk.news("a");
    await desk.passes(1_000);
    act(desk);
    await desk.passes(hourMs - 2_000);
    assert.equal(desk.got.length, 1, "it went before its time");
    await desk.passes(1_000);
    assert.equal(desk.got.length, 2, "it was kept waiting");
    await desk.stop();
  });

  Deno.test(`${deed}: a mail that was not taken is tried again in its time`, async () => {
    const desk = await MailDesk.open();
    desk.answers = [deferred, deferred, deferred];
    await desk.news("a"); // tried again after 0.5, 1 and 2 s
    await desk.passes(1_500);
    act(desk);
    assert.equal(desk.got.length, 3);
    await desk.passes(1_999);
    assert.equal(desk.got.length, 3, "it went before its time");
    await desk.passes(1);
    assert.equal(desk.got.length, 4, "it was kept waiting");
    await desk.stop();
  });
}
