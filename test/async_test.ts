/** Whose turn it is, counted in turns: readers go on one at a time, and what monitors waits for none of them. */
import assert from "node:assert/strict";
import { forEachYielding, yieldForReaders, yieldToEventLoop } from "../src/async.ts";
import { composeMail } from "../src/mail_html.tsx";
import { newNotification } from "../src/notification.ts";
import { buildMessage } from "../src/smtp.ts";
import { openMemoryStore } from "../src/sqlite_file.ts";
import { wellLab } from "./support/app.ts";
import { snapshot } from "./support/snapshot.ts";
import { event, noonMs, saying } from "./support/store_samples.ts";

Deno.test("a pause lets all that is due have its turn", async () => {
  let turns = 0;
  for (let at = 0; at < 3; at++) setTimeout(() => turns++, 0);
  await yieldToEventLoop();
  assert.equal(turns, 3);
});

Deno.test("of several readers who pause one goes on at a time, and all else has its turn in between", async () => {
  const turns: string[] = [];
  const readers = ["first", "second", "third"].map((name) => yieldForReaders().then(() => turns.push(name)));
  const monitor = inTurns(3, () => turns.push("monitor"));
  await Promise.all([...readers, monitor]);

  assert.deepEqual(turns, ["monitor", "first", "monitor", "second", "monitor", "third"]);
});

const crowd = 100;
const names = Array.from({ length: 1_000 }, (_, number) => `pend${number}`);
const events = names.map((name) => event(name));
const address = { name: "", address: "status@example.org" };
const works: Record<string, () => Promise<unknown>> = {
  "what pauses in pieces": () => forEachYielding(names, spend),
  "recording": () => openMemoryStore().record(events.map(saying.event)),
  "making a mail": () => {
    const letter = newNotification({ id: "m1", channel: "mail", createdMs: noonMs }, { events, alerts: [] });
    return composeMail(letter, snapshot(wellLab().bench), { subject: "", link: "" }, noonMs);
  },
  "packing a mail up": () => {
    const long = "text ".repeat(100_000);
    const options = { from: address, to: [address], cc: [], thread: "t", domain: "example.org" };
    const message = { id: "m1", dateMs: noonMs, text: { subject: "s", text: long, html: long } };
    return buildMessage(options as unknown as Parameters<typeof buildMessage>[0], message);
  },
};
for (const [name, work] of Object.entries(works)) {
  Deno.test(`${name} goes on at once while a hundred readers pause`, async () => {
    let turns = 0;
    const readers = Array.from({ length: crowd }, () => yieldForReaders().then(() => turns++));
    await work();
    const before = turns;
    await Promise.all(readers);

    assert.ok(before < crowd, "it has waited for every one of them");
  });
}

async function inTurns(count: number, act: () => void): Promise<void> {
  for (let at = 0; at < count; at++) {
    await yieldToEventLoop();
    act();
  }
}

/** So that there are several pieces. */
function spend(): void {
  for (const endMs = performance.now() + 0.05; performance.now() < endMs;);
}
