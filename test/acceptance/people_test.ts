/** Nothing is lost and nothing is said twice, whatever stops: played by the real program on a stand-in laboratory. */
import assert from "node:assert/strict";
import { Station } from "../support/station.ts";

Deno.test("the mail server stops: what happens meanwhile arrives as one mail with all events, and the problems as they are", async () => {
  await using station = await Station.watching({ experiments: { pend00: ["st-data"], spin31: ["st-data"] } });
  await station.world.mailbox.stop();
  station.world.stream("pend00-st-data").stall();
  await station.until(() => station.world.book.availability("r-pend00")?.available === false, "pend00 to be taken off");
  station.world.host("spin31").pull();
  await station.until(async () => (await station.experiment("spin31"))?.healthy === false, "spin31 to be unhealthy");
  station.world.stream("pend00-st-data").resume();
  await station.until(() => station.world.book.availability("r-pend00")?.available === true, "pend00 to be put back");
  await station.until(async () => (await station.states()).mail === "failing", "the mail to be failing");

  await station.world.mailbox.start();
  const mail = await station.mail(/spin31/, 1);
  assert.match(
    mail.text,
    /^There are 2 new health events \(1 issues, 1 ok\):\nspin31 -- A {3}\[missing jump\]\npend00 ok A$/m,
  );
  assert.match(mail.text, /^All new and existing health issues:\nspin31 -- A {3}\[missing jump\]$/m);
  await station.reports(10);
  assert.equal(station.mailCount, 2);
});

Deno.test("killed with a mail waiting, and started again: the mail comes once, and nothing else is said or written", async () => {
  await using station = await Station.watching();
  await station.world.mailbox.stop();
  station.world.stream("pend00-st-data").stall();
  await station.until(() => station.world.book.availability("r-pend00")?.available === false, "pend00 to be taken off");
  await station.until(async () => (await station.states()).mail === "failing", "the mail to be failing");
  await station.end("SIGKILL");
  const puts = station.world.book.requests.filter(({ method }) => method === "PUT").length;

  await station.world.mailbox.start();
  await station.start();
  await station.line("pend00 ><   U [unhealthy pend00-st-data]", 1);
  await station.until(
    async () => (await station.experiment("pend00"))?.state === "unhealthy",
    "pend00 to be judged again",
  );
  await station.reports(15);
  assert.equal(station.mailCount, 2);
  assert.equal(station.world.book.requests.filter(({ method }) => method === "PUT").length, puts);
  const events = await station.json<{ healthy: boolean }[]>("/api/v1/experiments/events/pend00");
  assert.deepEqual(events.map(({ healthy }) => healthy), [true, false]);
});

Deno.test("a mail that was taken without an answer is repeated with the same Message-ID after a kill", async () => {
  await using station = await Station.watching();
  station.world.mailbox.dropAfterData();
  station.world.host("pend00").pull();
  const first = await station.mail(/missing jump/);
  await station.end("SIGKILL");
  await station.start();
  await station.until(() => station.mailCount === 3, "the mail to come again");
  assert.equal(station.world.mailbox.mails[2]?.messageId, first.messageId);
  assert.equal(station.world.mailbox.mails[2]?.text, first.text);
});

Deno.test("a mail that waited over a restart says what book holds, and reminders come while there are problems", async () => {
  await using station = await Station.watching({ env: { STATUS_EMAIL_REMIND_EVERY: "2s" } });
  await station.world.mailbox.stop();
  station.world.host("pend00").pull();
  await station.until(async () => (await station.states()).mail === "failing", "the mail to be failing");
  await station.end("SIGKILL");
  await station.world.mailbox.start();
  await station.start();
  const first = await station.mail(/There are 1 new health events/, 1);
  assert.match(first.text, /^pend00 -- A {3}\[missing jump\]$/m);
  const reminder = await station.mail(/^reminder: 1 experiments with issues$/m, 1);
  assert.match(reminder.text, /^All new and existing health issues:\npend00 -- A {3}\[missing jump\]$/m);
});

Deno.test("a restart in an unchanged world tells nobody anything", async () => {
  await using station = await Station.watching();
  await station.end("SIGTERM");
  await station.start();
  await station.until(
    async () => (await station.experiment("pend00"))?.state === "healthy",
    "pend00 to be judged again",
  );
  await station.reports(10);
  assert.equal(station.mailCount, 1);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} ends it with 0, at once, whatever hangs`, async () => {
    await using station = await Station.watching();
    station.world.book.hang();
    station.world.mailbox.hang("DATA");
    station.world.stream("pend00-st-data").stall();
    await station.until(async () => (await station.experiment("pend00"))?.healthy === false, "pend00 to be unhealthy");
    const { code, tookMs } = await station.end(signal);
    assert.equal(code, 0);
    assert.ok(tookMs < 5_000, `it took ${tookMs} ms`);
  });
}

Deno.test("a store that was asked for and is held by another monitor: exit 1, saying who holds it", async () => {
  await using station = await Station.watching();
  const { code, said } = await station.run({}, "serve");
  assert.equal(code, 1);
  assert.match(said, /status\.db.*\b\d+\b/);
});
