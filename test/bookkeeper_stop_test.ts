import assert from "node:assert/strict";
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
