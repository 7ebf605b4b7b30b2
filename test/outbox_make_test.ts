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
