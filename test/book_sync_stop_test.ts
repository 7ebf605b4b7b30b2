import assert from "node:assert/strict";
import { ReportedStates, ResourceTable } from "../src/book_sync.ts";
import type { DesiredAvailability } from "../src/health.ts";
import { newSources } from "../src/system_alerts.ts";
import { resource, startMs } from "./support/bench.ts";
import { BookDesk, no, yes } from "./support/book_desk.ts";

const hang = () => new Promise<void>(() => {});

Deno.test("while book hangs a wish returns at once, waits, and is not settled", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  const answer = Promise.withResolvers<void>();
  desk.book.onArrival = () => answer.promise;

  desk.wish({ "r-1": no });
  await desk.clock.advance(1_000);
  assert.equal(desk.keeper.waiting, 1);
  assert.equal(await desk.isSettled(), false);
  answer.resolve();
  await desk.clock.advance(1_000);

  assert.deepEqual(desk.book.says, ["r-1 U"]);
});

Deno.test("a wish that comes while its resource is being read is not settled before it is written", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  const settled: boolean[] = [];
  desk.book.onArrival = async (asked) => {
    if (asked !== "GET r-1" || settled.length > 0) return;
    desk.wish({ "r-1": no });
    settled.push(await desk.isSettled());
  };
  await desk.clock.advance(901_000); // the manifest is read again, and each state with it
  assert.deepEqual(settled, [false]);
  assert.deepEqual(desk.book.says, ["r-1 U"]);
  assert.equal(await desk.isSettled(), true);
});

Deno.test("whoever waits for it to be settled can call that off, and is told when it is", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  const stop = new AbortController();
  desk.wish({ "r-1": no });

  const calledOff = assert.rejects(desk.keeper.settled(stop.signal), /^Error: enough$/);
  const settled = desk.keeper.settled(new AbortController().signal);
  stop.abort(new Error("enough"));
  await calledOff;
  await desk.clock.advance(1_000);

  await settled;
});

Deno.test("whoever waits for it to be settled is told of a stop", async () => {
  const desk = await BookDesk.read(["r-1"]);
  desk.wish({ "r-1": no });
  const settled = assert.rejects(desk.keeper.settled(new AbortController().signal), /^Error: stopped$/);

  await desk.stop();

  await settled;
});

Deno.test("a stop calls off what is being read at once", async () => {
  const desk = await BookDesk.read(["r-1"]);
  desk.book.onArrival = hang;
  desk.wish({ "r-1": no });
  await desk.clock.advance(5);

  await desk.stop();

  assert.deepEqual(desk.told, []);
  assert.equal(desk.clock.waiting, 0);
});

Deno.test("a stop lets a change that is on its way arrive", async () => {
  const desk = await BookDesk.read(["r-1"]);
  const answer = Promise.withResolvers<void>();
  desk.book.onArrival = (asked) => asked.startsWith("PUT") ? answer.promise : undefined;
  desk.wish({ "r-1": no });
  await desk.clock.advance(1_000);

  const stopped = desk.stop();
  await desk.clock.advance(1_999);
  answer.resolve();
  await stopped;

  assert.deepEqual(desk.book.says, ["r-1 U"]);
  assert.deepEqual(desk.book.asked, ["GET r-1", "PUT r-1 U"]);
});

Deno.test("a stop calls off a change that is not answered within 2 s", async () => {
  const desk = await BookDesk.read(["r-1"]);
  desk.book.onArrival = (asked, signal) => asked.startsWith("PUT") ? desk.clock.wait(60_000, signal) : undefined;
  desk.wish({ "r-1": no });
  await desk.clock.advance(1_000);
  let isStopped = false;

  const stopped = desk.stop().then(() => isStopped = true);
  await desk.clock.advance(1_999);
  assert.equal(isStopped, false);
  await desk.clock.advance(1);
  await stopped;

  assert.deepEqual(desk.book.says, ["r-1 A"]);
  assert.equal(desk.clock.waiting, 0);
});

Deno.test("a listener that fails is a fault of the program, and ends the bookkeeper with it", async () => {
  const desk = new BookDesk(["r-1"], {}, () => {
    throw new Error("the listener is broken");
  });
  const ended = assert.rejects(desk.keeper.done, /the listener is broken/);

  await desk.clock.advance(1_000);

  await ended;
});

Deno.test("before the manifest has been read a wish is not settled, unless there is nothing to wish", async () => {
  await using desk = new BookDesk(["r-1"]);

  desk.wish({ "r-1": { kind: "undecided" } });
  assert.equal(await desk.isSettled(), true);
  desk.wish({ "r-1": yes });
  assert.equal(await desk.isSettled(), false);
  await desk.clock.advance(15);
  assert.equal(await desk.isSettled(), false);
  await desk.clock.advance(1_000);

  assert.equal(await desk.isSettled(), true);
});

Deno.test("a wish for a book that lists nothing is settled: it knows no name", async () => {
  await using desk = await BookDesk.read([]);

  desk.wish({ "r-1": no });

  assert.equal(await desk.isSettled(), true);
});

/*  Whether wishes are answered where book lists a resource no longer: nothing of it is waited for. */

function ledgerOf(wishes: Record<string, DesiredAvailability>): ResourceTable {
  const ledger = new ResourceTable({ holds: "respect", writes: true }, () => {});
  ledger.adopt([resource("pend00", [])]);
  ledger.wish(new Map(Object.entries(wishes)));
  return ledger;
}

Deno.test("a wish for a resource that leaves before book has said anything of it is not waited for", () => {
  const ledger = ledgerOf({ "r-pend00": no });
  assert.equal(ledger.isSettled, false);

  ledger.adopt([resource("spin31", [])]);
  assert.equal(ledger.isSettled, true);
});

Deno.test("nor is one for a resource that leaves while book is asked about it", () => {
  const ledger = ledgerOf({});
  const [entry = assert.fail()] = ledger.jobs();
  ledger.begin(entry);
  ledger.learn(entry, { kind: "said", available: true, reason: "", atMs: startMs });
  ledger.wish(new Map([["r-pend00", no]]));
  assert.equal(ledger.isSettled, false);

  ledger.adopt([resource("spin31", [])]);
  assert.equal(ledger.isSettled, true);
});

const said = (available: boolean) => ({ kind: "said", available, reason: "", atMs: startMs }) as const;
const { book } = newSources(startMs);

Deno.test("what book says of a thousand resources makes one new set of states when somebody looks", () => {
  const news = new ReportedStates();
  const names = Array.from({ length: 1_000 }, (_, at) => `r-${at}`);
  for (const name of names) news.note(name, said(true), names.length);
  const next = news.takenInto(book);
  assert.equal(next.states.size, 1_000);
  assert.equal(news.takenInto(next), next);
});

Deno.test("what book has said before makes nothing new", () => {
  const news = new ReportedStates();
  news.note("r-a", said(true), 1);
  const next = news.takenInto(book);
  news.note("r-a", said(true), 1);
  assert.equal(news.takenInto(next), next);
  news.note("r-a", said(false), 1);
  assert.deepEqual(news.takenInto(next).states, new Map([["r-a", said(false)]]));
});

Deno.test("what was taken in once is not taken in again", () => {
  const news = new ReportedStates();
  news.note("r-a", said(true), 1);
  news.takenInto(book);
  assert.equal(news.takenInto(book), book);
});

Deno.test("book has spoken of all when it has of as many as it lists: often of one of them is not enough", async () => {
  const news = new ReportedStates();
  let isAll = false;
  news.all.then(() => isAll = true);
  for (const available of [true, false, true]) news.note("r-a", said(available), 2);
  news.takenInto(book);
  news.note("r-a", said(false), 2);
  await Promise.resolve();
  assert.equal(isAll, false);
  news.note("r-b", said(true), 2);
  await news.all;
});
