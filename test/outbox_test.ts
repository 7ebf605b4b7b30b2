import assert from "node:assert/strict";
import { FakeClock } from "./support/clock.ts";
import { alert, event, letter } from "./support/letters.ts";
import { deferred, inDoubt, Kept, MailDesk, refused, taken, turnedAway } from "./support/mail_desk.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

Deno.test("a mail goes as soon as its news are recorded, frozen and recorded as such before, and done after", async () => {
  const desk = await MailDesk.open();
  await desk.news("a", "b");
  assert.deepEqual(desk.log, ["record m1 frozen", "deliver m1: a b", "sent m1", "record m1 sent"]);
  assert.deepEqual([...desk.kept.letters.keys()], []);
  assert.equal(desk.kept.lastMailMs, desk.clock.nowMs());
});

Deno.test("to owe does nothing but say what is to be recorded", async () => {
  const desk = await MailDesk.open();
  const view = desk.outbox.view();
  const changes = desk.outbox.enqueue({ events: [event("a")], alerts: [alert("relay-lost")] });
  await desk.passes(hourMs);
  const createdMs = desk.clock.nowMs() - hourMs;
  const owed = letter({ id: "m1", createdMs, events: [event("a")], alerts: [alert("relay-lost")] });
  assert.deepEqual(changes, [{ kind: "letter", letter: owed }]);
  assert.deepEqual(desk.log, []);
  assert.equal(desk.outbox.view(), view);
});

Deno.test("to owe nothing changes nothing", async () => {
  const desk = await MailDesk.open();
  assert.deepEqual(desk.outbox.enqueue({ events: [], alerts: [] }), []);
  await desk.news("a");
  assert.deepEqual(desk.got, ["m1: a"]);
});

Deno.test("news that are not recorded yet hold back the mail that they have joined", async () => {
  const desk = await MailDesk.open();
  desk.answers = [deferred];
  await desk.news("a");
  desk.owes("b");
  await desk.passes(hourMs);
  assert.deepEqual(desk.got, ["m1: a"]);
  desk.outbox.release();
  await desk.passes(0);
  assert.deepEqual(desk.got, ["m1: a", "m1: a b"]);
});

Deno.test("a mail waits for its gate, and news that come meanwhile are in it", async () => {
  const desk = await MailDesk.open();
  const gate = Promise.withResolvers<void>();
  desk.owes("a");
  desk.outbox.release(gate.promise);
  await desk.passes(1_000);
  await desk.news("b");
  assert.deepEqual(desk.got, []);
  gate.resolve();
  await desk.passes(0);
  assert.deepEqual(desk.got, ["m1: a b"]);
});

Deno.test("a gate that fails is an open one", async () => {
  const desk = await MailDesk.open();
  desk.owes("a");
  desk.outbox.release(Promise.reject(new Error("book is down")));
  await desk.passes(0);
  assert.deepEqual(desk.got, ["m1: a"]);
});

Deno.test("gates that follow one another for ever do not keep a mail waiting", async () => {
  const desk = await MailDesk.open();
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  desk.owes("a");
  desk.outbox.release(gates[0].promise);
  await desk.passes(0);
  desk.owes("b");
  desk.outbox.release(gates[1].promise);
  gates[0].resolve();
  await desk.passes(0);
  assert.deepEqual(desk.got, ["m1: a b"]);
  gates[1].resolve();
});

Deno.test("what an earlier run left is composed when a gate given before the start is open", async () => {
  const kept = new Kept();
  kept.letters.set("old", letter({ id: "old", events: [event("a")] }));
  const desk = new MailDesk({}, new FakeClock(), kept);
  const gate = Promise.withResolvers<void>();
  desk.outbox.release(gate.promise);
  await desk.run();
  assert.deepEqual(desk.got, []);
  gate.resolve();
  await desk.passes(0);
  assert.deepEqual(desk.got, ["old: a"]);
});

Deno.test("while the server is down later news join, and what arrives then is one mail", async () => {
  const desk = await MailDesk.open();
  desk.answers = [deferred, deferred, deferred, deferred];
  await desk.news("a");
  await desk.news("b");
  await desk.news("c");
  await desk.passes(5 * minuteMs);
  assert.deepEqual(desk.got, ["m1: a", "m1: a b", "m1: a b c", "m1: a b c", "m1: a b c"]);
  assert.deepEqual([...desk.kept.letters.keys()], []);
});

Deno.test("a definite failure thaws the letter, which is recorded", async () => {
  const desk = await MailDesk.open();
  desk.answers = [deferred];
  await desk.news("a");
  assert.deepEqual(desk.log, ["record m1 frozen", "deliver m1: a", "failed m1 deferred 1", "record m1 open"]);
  assert.equal(desk.kept.letters.get("m1")?.frozen, null);
});

Deno.test("news that come while a mail is under way make another, which goes when it was taken", async () => {
  const desk = await MailDesk.open();
  desk.answers = ["hang"];
  await desk.news("a");
  await desk.news("b");
  await desk.news("c");
  assert.deepEqual(desk.got, ["m1: a"]);
  await desk.says(taken);
  assert.deepEqual(desk.got, ["m1: a", "m2: b c"]);
});

Deno.test("news that came while a mail was under way are in it when it failed and goes again, at once", async () => {
  const desk = await MailDesk.open();
  desk.answers = ["hang"];
  await desk.news("a");
  await desk.news("b");
  await desk.says(deferred);
  assert.deepEqual(desk.got, ["m1: a", "m1: a b"]);
  assert.deepEqual(desk.log.slice(-4), [
    "record m1 frozen, m2 emptied",
    "deliver m1: a b",
    "sent m1",
    "record m1 sent, m2 sent",
  ]);
  assert.deepEqual([...desk.kept.letters.keys()], []);
});

// The newest event of an experiment is what a mail shows: in another order it would show what is no longer so.
Deno.test("news that come after a mail has failed stand behind those that came while it was under way", async () => {
  const desk = await MailDesk.open();
  const book = Promise.withResolvers<void>();
  desk.answers = ["hang"];
  await desk.news("a");
  desk.owes("b");
  desk.outbox.release(book.promise);
  await desk.says(deferred);
  await desk.news("c");
  book.resolve();
  await desk.passes(0);
  assert.deepEqual(desk.got, ["m1: a", "m1: a b c"]);
});

Deno.test("what came after the clock was put back is younger than what waits all the same, so that a restart keeps their order", async () => {
  const before = new MailDesk({}, new FakeClock(Date.UTC(2026, 10, 22, 13)));
  before.owes("a");
  const after = new MailDesk({}, new FakeClock(Date.UTC(2026, 10, 22, 12)), before.left());
  after.answers = ["hang"];
  await after.run();
  await after.news("b");
  const [first, second] = after.left().letters.values();
  assert.deepEqual([first?.events.length, second?.events.length], [1, 1]);
  assert.equal(second?.createdMs, (first?.createdMs ?? 0) + 1);
});

Deno.test("a mail that has another id since it was refused is told before what came in the same moment, after a kill too", async () => {
  const desk = await MailDesk.open();
  desk.answers = [inDoubt, refused];
  await desk.news("a");
  await desk.news("b");
  const next = await desk.killedAndStarted();
  assert.deepEqual(next.got.map((raw) => raw.split(": ")[1]), ["a b"]);
});

Deno.test("a mail in doubt is repeated as it is, and what is new follows in another", async () => {
  const desk = await MailDesk.open();
  desk.answers = [inDoubt, inDoubt];
  await desk.news("a");
  await desk.news("b");
  await desk.passes(minuteMs);
  assert.deepEqual(desk.got, ["m1: a", "m1: a", "m1: a", "m2: b"]);
});

Deno.test("a mail in doubt that is then deferred may still have been taken the first time: it stays as it is", async () => {
  const desk = await MailDesk.open();
  desk.answers = [inDoubt, deferred, deferred];
  await desk.news("a");
  await desk.news("b");
  await desk.passes(minuteMs);
  assert.deepEqual(desk.got, ["m1: a", "m1: a", "m1: a", "m1: a", "m2: b"]);
});

Deno.test("so may one that was in flight when the process was killed", async () => {
  const desk = await MailDesk.open();
  desk.answers = ["hang"];
  await desk.news("a");
  const next = new MailDesk({}, desk.clock, desk.left());
  next.answers = [deferred];
  await next.run();
  await next.news("b");
  assert.deepEqual(next.got, ["m1: a", "m1: a", "m2: b"]);
});

// The server may have taken the first all the same: who then throws repeats away by their id must not throw away the news.
Deno.test("a mail in doubt that is then refused is made anew, with what is new, as another mail: nothing waits behind it for ever", async () => {
  const desk = await MailDesk.open();
  desk.answers = [inDoubt, refused];
  await desk.news("a");
  await desk.news("b");
  await desk.passes(5 * minuteMs);
  assert.deepEqual(desk.got, ["m1: a", "m1: a", "m3: a b"]);
  assert.deepEqual([...desk.kept.letters.keys()], []);
});

Deno.test("a mail in doubt whose login is then refused stays as it is, is tried every 5 min, and has what is new behind it", async () => {
  const desk = await MailDesk.open();
  desk.answers = [inDoubt, turnedAway, turnedAway];
  await desk.news("a");
  await desk.passes(6 * minuteMs);
  assert.deepEqual(desk.got, ["m1: a", "m1: a", "m1: a"]);
  await desk.news("b");
  assert.deepEqual(desk.got.slice(3), ["m1: a", "m2: b"]);
  assert.deepEqual([...desk.kept.letters.keys()], []);
});

Deno.test("so does one that was in flight when the process was killed, and is made anew once it is refused itself", async () => {
  const desk = await MailDesk.open();
  desk.answers = ["hang"];
  await desk.news("a");
  const next = new MailDesk({}, desk.clock, desk.left());
  next.answers = [turnedAway, refused];
  await next.run();
  assert.equal(next.kept.letters.get("m1")?.frozen, "m1: a");
  await next.news("b");
  await next.passes(5 * minuteMs);
  assert.deepEqual(next.got, ["m1: a", "m1: a", "m3: a b"]);
});

Deno.test("a mail whose login is refused, and that nobody can have, is made anew with what is new", async () => {
  const desk = await MailDesk.open();
  desk.answers = [turnedAway];
  await desk.news("a");
  await desk.news("b");
  assert.deepEqual(desk.got, ["m1: a", "m1: a b"]);
});

Deno.test("a mail that is refused after a kill, in flight as it was, is kept under its new id alone", async () => {
  const desk = await MailDesk.open();
  desk.answers = ["hang"];
  await desk.news("a");
  const next = new MailDesk({}, desk.clock, desk.left());
  next.answers = [refused];
  await next.run();
  assert.deepEqual([...next.kept.letters.keys()], ["m2"]);
  const last = await next.killedAndStarted();
  assert.deepEqual(last.got, ["m2: a"]);
});

Deno.test("tries come half a second to a second after the first failure, then at twice the distance, up to 5 min", async () => {
  const desk = await MailDesk.open();
  desk.answers = Array(50).fill(deferred);
  await desk.news("a");
  await desk.passes(20 * minuteMs);
  const startMs = desk.gotAtMs[0] ?? 0;
  assert.deepEqual(
    desk.gotAtMs.map((atMs) => (atMs - startMs) / 1_000),
    [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5, 127.5, 255.5, 405.5, 555.5, 705.5, 855.5, 1005.5, 1155.5],
  );
});

Deno.test("a refused mail goes again after 5 min, and at once with news", async () => {
  const desk = await MailDesk.open();
  desk.answers = [refused, refused, refused];
  await desk.news("a");
  await desk.passes(5 * minuteMs - 1);
  assert.equal(desk.got.length, 1);
  await desk.passes(1);
  assert.equal(desk.got.length, 2);
  await desk.news("b");
  assert.deepEqual(desk.got, ["m1: a", "m1: a", "m1: a b"]);
});

Deno.test("a mail that cannot be made is tried again, and silences nothing", async () => {
  const desk = await MailDesk.open();
  desk.fault = new Error("no such\nthing");
  await desk.news("a");
  assert.equal(desk.outbox.view().lastError, "Cannot make the message: no such thing");
  desk.fault = null;
  await desk.news("b");
  assert.deepEqual(desk.got, ["m1: a b"]);
});

Deno.test("a conversation that never ends is ended after 10 min", async () => {
  const desk = await MailDesk.open();
  desk.answers = ["hang"];
  await desk.news("a");
  await desk.passes(10 * minuteMs);
  assert.deepEqual(desk.log.at(-1), "failed m1 in-doubt 1");
});

Deno.test("between two mails EMAIL_EVERY passes at least, and what happens meanwhile joins the next", async () => {
  const desk = await MailDesk.open({ everyMs: hourMs });
  await desk.news("a");
  await desk.news("b");
  await desk.passes(30 * minuteMs);
  await desk.news("c");
  await desk.passes(30 * minuteMs - 1);
  assert.deepEqual(desk.got, ["m1: a"]);
  await desk.passes(1);
  assert.deepEqual(desk.got, ["m1: a", "m2: b c"]);
});

Deno.test("EMAIL_EVERY counts over a restart", async () => {
  const desk = await MailDesk.open({ everyMs: hourMs });
  await desk.news("a");
  await desk.news("b");
  const next = await desk.killedAndStarted({ everyMs: hourMs });
  await next.passes(hourMs - 1);
  assert.deepEqual(next.got, []);
  await next.passes(1);
  assert.equal(next.got.length, 1);
});

Deno.test("a last mail in the future, as when the clock was put back, keeps none waiting beyond EMAIL_EVERY", async () => {
  const kept = new Kept();
  const clock = new FakeClock();
  kept.lastMailMs = clock.nowMs() + 1_000 * hourMs;
  const desk = await MailDesk.open({ everyMs: hourMs }, clock, kept);
  await desk.news("a");
  await desk.passes(hourMs);
  assert.deepEqual(desk.got, ["m1: a"]);
});

Deno.test("a reminder goes when EMAIL_REMIND_EVERY has passed since the last mail, while there are problems", async () => {
  const desk = await MailDesk.open({ remindEveryMs: hourMs, problems: 1 });
  await desk.passes(30 * minuteMs);
  await desk.news("a");
  await desk.passes(hourMs - 1);
  assert.deepEqual(desk.got, ["m1: a"]);
  await desk.passes(1);
  await desk.passes(hourMs);
  assert.deepEqual(desk.got, ["m1: a", "m2: reminder", "m3: reminder"]);
});

Deno.test("without problems there is no reminder, and with the first of them there is again", async () => {
  const desk = await MailDesk.open({ remindEveryMs: hourMs });
  await desk.passes(3 * hourMs);
  desk.problems = 1;
  await desk.news("a");
  desk.problems = 0;
  await desk.passes(3 * hourMs);
  assert.deepEqual(desk.got, ["m1: a"]);
});

Deno.test("a reminder that fails waits like any mail, and is none any more when news join it", async () => {
  const desk = await MailDesk.open({ remindEveryMs: hourMs, problems: 1 });
  desk.answers = [refused];
  await desk.passes(hourMs);
  await desk.passes(minuteMs);
  assert.deepEqual(desk.got, ["m1: reminder"]);
  await desk.news("a");
  assert.deepEqual(desk.got, ["m1: reminder", "m1: a"]);
});

Deno.test("a reminder counts from the last mail of an earlier run", async () => {
  const desk = await MailDesk.open({ remindEveryMs: hourMs, problems: 1 });
  await desk.news("a");
  await desk.passes(30 * minuteMs);
  const next = await desk.killedAndStarted({ remindEveryMs: hourMs, problems: 1 });
  await next.passes(30 * minuteMs);
  assert.deepEqual(next.got, ["m1: reminder"]);
});

Deno.test("without a mail server what is owed is told of, done with, and no reminder follows", async () => {
  const desk = await MailDesk.open({ off: true, remindEveryMs: hourMs, problems: 1 });
  await desk.news("a", "b");
  await desk.passes(3 * hourMs);
  assert.deepEqual(desk.log, ["unsent a b", "record m1 dropped"]);
  assert.equal(desk.outbox.view().state, "off");
});

Deno.test("without a mail server what an earlier run left is told of too, whatever its state", async () => {
  const kept = new Kept();
  kept.letters.set("old", letter({ id: "old", events: [event("a")], frozen: "old: a" }));
  kept.letters.set("new", letter({ id: "new", events: [event("b")] }));
  const desk = await MailDesk.open({ off: true }, new FakeClock(), kept);
  assert.deepEqual(desk.log, ["unsent a b", "record old dropped, new dropped"]);
});

Deno.test("the view goes from idle to waiting to failing and back, and says since when", async () => {
  const desk = await MailDesk.open();
  const startMs = desk.clock.nowMs();
  const idle = { lastSuccessMs: null, lastError: null, waiting: 0, sent: 0, failed: 0, oldestMs: null };
  assert.deepEqual(desk.outbox.view(), { state: "idle", sinceMs: startMs, ...idle });
  desk.answers = ["hang"];
  await desk.passes(1_000);
  await desk.news("a");
  const waiting = { ...idle, waiting: 1, oldestMs: startMs + 1_000 };
  assert.deepEqual(desk.outbox.view(), { state: "waiting", sinceMs: startMs + 1_000, ...waiting });
  await desk.passes(1_000);
  await desk.says(deferred);
  const failing = { ...waiting, failed: 1, lastError: "450 later" };
  assert.deepEqual(desk.outbox.view(), { state: "failing", sinceMs: startMs + 2_000, ...failing });
  await desk.passes(1_000);
  const { sinceMs, lastSuccessMs, ...after } = desk.outbox.view();
  assert.deepEqual(after, { state: "idle", lastError: "450 later", waiting: 0, sent: 1, failed: 1, oldestMs: null });
  assert.equal(sinceMs, lastSuccessMs);
});

Deno.test("the view is the same object until something changes, and then the listener is told", async () => {
  const desk = await MailDesk.open();
  const view = desk.outbox.view();
  await desk.passes(hourMs);
  assert.equal(desk.outbox.view(), view);
  assert.equal(desk.views, 0);
  await desk.news("a");
  assert.notEqual(desk.outbox.view(), view);
  assert.equal(desk.views, 2);
});

Deno.test("a stop with nothing under way is at once, with something waiting too", async () => {
  const desk = await MailDesk.open();
  desk.answers = [deferred];
  await desk.news("a");
  assert.deepEqual(await desk.stop(), { stopped: true });
  assert.equal(desk.kept.letters.get("m1")?.frozen, null);
});

Deno.test("a stop that waits for a gate does not wait for it", async () => {
  const desk = await MailDesk.open();
  desk.owes("a");
  desk.outbox.release(new Promise(() => {}));
  await desk.passes(0);
  assert.deepEqual(await desk.stop(), { stopped: true });
  assert.deepEqual(desk.got, []);
});

Deno.test("a mail under way at the stop has time to be taken", async () => {
  const desk = await MailDesk.open();
  desk.answers = ["hang"];
  await desk.news("a");
  const state = await desk.stop();
  await desk.passes(2_000);
  assert.deepEqual(state, { stopped: false });
  await desk.says(taken);
  assert.deepEqual(state, { stopped: true });
  assert.deepEqual(desk.log.at(-1), "record m1 sent");
});

Deno.test("if it is not taken in time it stays frozen, and is repeated as it is after the restart", async () => {
  const desk = await MailDesk.open();
  desk.answers = ["hang"];
  await desk.news("a");
  const state = await desk.stop();
  await desk.passes(2_999);
  assert.deepEqual(state, { stopped: true });
  assert.equal(desk.kept.letters.get("m1")?.frozen, "m1: a");
  const next = await desk.killedAndStarted();
  assert.deepEqual(next.got, ["m1: a"]);
});

Deno.test("a mail that was in flight when the process was killed is repeated as it is, once", async () => {
  const desk = await MailDesk.open();
  desk.answers = ["hang"];
  await desk.news("a");
  await desk.news("b");
  const next = await desk.killedAndStarted();
  await next.passes(hourMs);
  assert.deepEqual(next.got, ["m1: a", "m2: b"]);
});

Deno.test("mails that waited when the process was killed go at once after the restart", async () => {
  const desk = await MailDesk.open();
  desk.answers = Array(100).fill(deferred);
  await desk.news("a");
  await desk.passes(hourMs);
  const next = await desk.killedAndStarted();
  assert.deepEqual(next.got, ["m1: a"]);
  await next.passes(hourMs);
  assert.deepEqual(next.got, ["m1: a"]);
});

Deno.test("a kill while news of two letters go as one repeats neither alone", async () => {
  const desk = await MailDesk.open();
  desk.answers = ["hang", "hang"];
  await desk.news("a");
  await desk.news("b");
  await desk.says(deferred);
  assert.deepEqual(desk.got, ["m1: a", "m1: a b"]);
  const next = await desk.killedAndStarted();
  await next.passes(hourMs);
  assert.deepEqual(next.got, ["m1: a b"]);
  assert.deepEqual([...next.kept.letters.keys()], []);
});
