import assert from "node:assert/strict";
import { type Book, BookGarbled, BookRefused, BookUnknownResource, BookUnreachable } from "../src/book_client.ts";
import {
  type Instrumentation,
  measuredBook,
  measuredFeed,
  measuredMail,
  measuredStore,
  measuredWebhook,
} from "../src/metrics.ts";
import type { OutboxListener } from "../src/outbox.ts";
import { noConnections, type Report } from "../src/report.ts";
import { StoreFailed } from "../src/store.ts";
import { createMemoryStore } from "../src/store_memory.ts";
import { agoMs, alert, event, letter, nowMs } from "./support/letters.ts";

/** Measures that write down what they are told, and a clock that goes on by 100 ms whenever it is looked at. */
function notebook() {
  const told: string[] = [];
  let ms = 0;
  const measures: Instrumentation = {
    book: ({ operation, result, tookMs }) => told.push(`book ${operation} ${result} ${tookMs}`),
    store: ({ operation, result, tookMs }) => told.push(`store ${operation} ${result} ${tookMs}`),
    judged: ({ feed, entries, tookMs }) => told.push(`judged ${feed} ${entries} ${tookMs}`),
    mailed: (waitedMs) => told.push(`mailed ${waitedMs.join(" ")}`),
    mailFailed: (reason) => told.push(`mail ${reason}`),
    webhookFailed: (reason) => told.push(`webhook ${reason}`),
  };
  return { told, measures, monotonicMs: () => ms += 100 };
}

const { signal } = new AbortController();
const attempt = { tried: "ask", url: new URL("http://book.example.org/") };

Deno.test("each request to book is told with its operation and its time, and its answer passed on", async () => {
  const notes = notebook();
  const availability = { available: true, reason: "" };
  const asked: unknown[] = [];
  const book = measuredBook({
    resources: () => Promise.resolve({ resources: [], skipped: 3 }),
    availability: (name) => (asked.push(name), Promise.resolve(availability)),
    setAvailability: (name, wanted) => (asked.push(name, wanted), Promise.resolve()),
  }, notes);

  assert.deepEqual(await book.resources(signal), { resources: [], skipped: 3 });
  assert.equal(await book.availability("r-pend00", signal), availability);
  await book.setAvailability("r-spin31", availability, signal);

  assert.deepEqual(asked, ["r-pend00", "r-spin31", availability]);
  assert.deepEqual(notes.told, ["book list ok 100", "book read ok 100", "book write ok 100"]);
});

const failures: Record<string, [Error, result: string]> = {
  "book does not answer": [new BookUnreachable(attempt, "connection refused"), "unreachable"],
  "book says no": [new BookRefused(attempt, 500, "no"), "refused"],
  "book does not know the resource": [new BookUnknownResource(attempt, "404"), "unknown"],
  "book says what can't be read": [new BookGarbled(attempt, 200, "<html>"), "garbled"],
  "something breaks in here": [new TypeError("x is not a function"), "failed"],
};

for (const [what, [error, result]] of Object.entries(failures)) {
  Deno.test(`when ${what} the request is counted as ${result}, and the error is passed on as it is`, async () => {
    const notes = notebook();

    await assert.rejects(measuredBook(failing(error), notes).resources(signal), error);

    assert.deepEqual(notes.told, [`book list ${result} 100`]);
  });
}

Deno.test("a request that the program gave up, since it stops, is not counted", async () => {
  const notes = notebook();
  const stop = AbortSignal.abort(new Error("stopped"));

  await assert.rejects(measuredBook(failing(stop.reason), notes).resources(stop), /stopped/);

  assert.deepEqual(notes.told, []);
});

Deno.test("what the store does is told, and a failure passed on as it is", async () => {
  const notes = notebook();
  const full = new StoreFailed("the disk is full");
  const store = measuredStore({ ...createMemoryStore(), record: () => Promise.reject(full) }, notes);

  await assert.rejects(store.record([]), full);
  assert.deepEqual(await store.turns("pend00", { sinceMs: 0, max: 9 }), []);
  await store.prune(0);

  assert.deepEqual(notes.told, ["store record failed 100", "store turns ok 100", "store prune ok 100"]);
  assert.equal(store.kind, "memory");
});

Deno.test("a report is passed on, then how long that took and how much was in it is told", () => {
  const notes = notebook();
  const report: Report = {
    feed: "relay",
    atMs: nowMs,
    connections: noConnections,
    entries: 7,
    skipped: 0,
    generation: "measured",
    intervalMs: null,
  };
  const heard: unknown[] = [];
  const listener = { report: (each: Report) => heard.push(each), news: (each: unknown) => heard.push(each) };
  const feed = measuredFeed("relay", listener, notes);

  feed.report(report);
  feed.news({ kind: "connected", tokenExpiresMs: 1 });

  assert.deepEqual(heard, [report, { kind: "connected", tokenExpiresMs: 1 }]);
  assert.deepEqual(notes.told, ["judged relay 7 100"]);
});

Deno.test("of a mail that was taken it is told how long ago each event and alert in it was", () => {
  const notes = notebook();
  const sent: unknown[] = [];
  const listener = measuredMail({ ...deaf, sent: (...told) => sent.push(told) }, { ...notes, nowMs: () => nowMs });
  const told = letter({
    events: [event("pend00", [], { atMs: agoMs(3) }), event("spin31", [], { atMs: agoMs(1) })],
    alerts: [alert("relay-lost", { atMs: agoMs(9) }), alert("jump-lost", { atMs: agoMs(-60) })], // the clock was put back
  });

  listener.sent(told, { kind: "taken", answer: "250", rejected: [] });

  assert.deepEqual(notes.told, ["mailed 180000 60000 540000 0"]);
  assert.deepEqual(sent, [[told, { kind: "taken", answer: "250", rejected: [] }]]);
});

Deno.test("a try to send a mail that failed is told with its reason, and passed on", () => {
  const notes = notebook();
  const failed: unknown[] = [];
  const listener = measuredMail({ ...deaf, failed: (...told) => failed.push(told) }, { ...notes, nowMs: () => nowMs });
  const told = letter();

  listener.failed(told, { kind: "refused", why: "550" }, 2);

  assert.deepEqual(notes.told, ["mail refused"]);
  assert.deepEqual(failed, [[told, { kind: "refused", why: "550" }, 2]]);
});

Deno.test("a try to tell the webhook that failed is told with its reason, and passed on; what it took is none of a mail's", () => {
  const notes = notebook();
  const passed: unknown[] = [];
  const noting = (...told: unknown[]) => passed.push(told);
  const listener = measuredWebhook({ ...deaf, sent: noting, failed: noting }, notes.measures);
  const told = letter({ channel: "webhook", events: [event("pend00")] });

  listener.failed(told, { kind: "in-doubt", why: "no answer" }, 2);
  listener.sent(told, { kind: "taken", answer: "204", rejected: [] });

  assert.deepEqual(notes.told, ["webhook in-doubt"]);
  assert.deepEqual(passed, [
    [told, { kind: "in-doubt", why: "no answer" }, 2],
    [told, { kind: "taken", answer: "204", rejected: [] }],
  ]);
});

const deaf: OutboxListener = { sent() {}, failed() {}, unsent() {}, changed() {} };

function failing(error: Error): Book {
  const fail = () => Promise.reject(error);
  return { resources: fail, availability: fail, setAvailability: fail };
}
