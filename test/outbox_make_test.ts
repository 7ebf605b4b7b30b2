import assert from "node:assert/strict";
import { MailDesk } from "./fixtures/mail_desk.ts";

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

Deno.test("a stop while a mail is written is at once, and its text is made anew by the next run", async () => {
  const { desk, done } = await writingOf("a");
  assert.deepEqual(await desk.stop(), { stopped: true });
  done();
  await desk.passes(0);
  assert.deepEqual([desk.log, desk.kept.letters.get("m1")?.frozen], [[], null]);

  const next = new MailDesk({}, desk.clock, desk.left());
  next.owes("b");
  next.outbox.recorded();
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
