import assert from "node:assert/strict";
import { BookDesk, no, yes } from "./support/book_desk.ts";
import { refused, unknown, unreachable } from "./support/memory_book.ts";

Deno.test("a manifest that is loaded again sets all available, and what must not be is taken off again", async () => {
  await using desk = await BookDesk.read(["r-1", "r-2"]);
  desk.wish({ "r-1": no, "r-2": yes });
  await desk.clock.advance(1_000);

  desk.book.load("r-1", "r-2");
  await desk.clock.advance(900_000);

  assert.deepEqual(desk.book.says, ["r-1 U", "r-2 A"]);
  assert.equal(desk.book.reasons.length, 2);
});

Deno.test("a resource that is listed no longer is not asked about, and one that is new is", async () => {
  await using desk = await BookDesk.read(["r-1", "r-2"]);
  desk.wish({ "r-1": no, "r-2": no, "r-3": no });
  await desk.clock.advance(1_000);

  desk.book.load("r-2", "r-3");
  await desk.clock.advance(900_000);
  desk.clear();
  desk.wish({ "r-1": yes, "r-2": no, "r-3": no });
  await desk.clock.advance(1_000);

  assert.deepEqual(desk.book.says, ["r-2 U", "r-3 U"]);
  assert.deepEqual(desk.book.asked, []);
  assert.equal(await desk.isSettled(), true);
});

Deno.test("a book without a manifest is asked for one every 10 s, until an operator loads it", async () => {
  await using desk = await BookDesk.read([]);

  await desk.clock.advance(30_000);
  assert.deepEqual(desk.told, ["manifest 0", "answers", "manifest 0", "answers", "manifest 0", "answers"]);
  desk.book.load("r-1");
  await desk.clock.advance(10_000);

  assert.deepEqual(desk.told.slice(6), ["manifest 1", "answers", "state r-1 A", "answers"]);
});

Deno.test("a book that lists nothing any more changes nothing, and is asked every 10 s", async () => {
  await using desk = await BookDesk.read(["r-1"]);

  desk.book.restart();
  await desk.clock.advance(900_000);
  desk.clear();
  await desk.clock.advance(20_000);

  assert.deepEqual(desk.book.asked, ["LIST", "LIST"]);
});

Deno.test("a change that is answered 404 waits for the next manifest, which is asked for within 10 s", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.book.restart();

  desk.wish({ "r-1": no });
  await desk.clock.advance(5_000);
  assert.deepEqual(desk.told, ["state r-1 absent"]);
  assert.equal(await desk.isSettled(), true);
  await desk.clock.advance(60_000);
  assert.deepEqual(new Set(desk.book.asked), new Set(["GET r-1", "LIST"]));
  assert.equal(desk.book.asked.indexOf("GET r-1"), desk.book.asked.lastIndexOf("GET r-1"));
  desk.book.load("r-1");
  await desk.clock.advance(11_000);

  assert.deepEqual(desk.book.says, ["r-1 U"]);
});

Deno.test("a resource that book lists but never knows does not make the manifest read more often", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.book.onArrival = (asked) => {
    if (asked.startsWith("GET")) throw unknown();
  };

  await desk.clock.advance(900_000 * 4);

  // At 15 min, 10 s later as the first 404 could mean that the manifest is lost, and every 15 min from then.
  const once = ["manifest 1", "answers", "state r-1 absent"];
  assert.deepEqual(desk.told, [once, once, once, once].flat());
});

Deno.test("a change that book refuses for good (422) is told, and made only when its wish is another", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.book.onArrival = (asked) => {
    if (asked === "PUT r-1 U") throw refused(422);
  };

  desk.wish({ "r-1": no });
  await desk.clock.advance(1_000);
  desk.wish({ "r-1": { ...no } });
  await desk.clock.advance(1_000_000);
  assert.deepEqual(desk.told.slice(0, 3), ["state r-1 A", "answers", `trouble 0 book answered 422 "no"`]);
  assert.equal(desk.book.reasons.length, 1);
  assert.equal(desk.keeper.waiting, 0);
  assert.equal(await desk.isSettled(), true);
  desk.book.onArrival = () => {};
  desk.wish({ "r-1": { kind: "unavailable", issues: [{ code: "unhealthy", topic: "r-st-data" }] } });
  await desk.clock.advance(1_000);

  assert.deepEqual(desk.book.says, ["r-1 U"]);
});

Deno.test("a change that book refuses for good (422) is made when the manifest is another", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.book.onArrival = (asked) => {
    if (asked === "PUT r-1 U") throw refused(422);
  };
  desk.wish({ "r-1": no });
  await desk.clock.advance(1_000);

  desk.book.onArrival = () => {};
  desk.book.load("r-1", "r-2");
  await desk.clock.advance(900_000);

  assert.deepEqual(desk.book.says, ["r-1 U", "r-2 A"]);
});

Deno.test("after an outage the manifest is read again, as book may have been restarted and loaded meanwhile", async () => {
  await using desk = await BookDesk.read(["r-1", "r-2"]);
  desk.wish({ "r-1": no, "r-2": yes });
  await desk.clock.advance(20_000);
  desk.book.onArrival = () => {
    throw unreachable();
  };
  desk.wish({ "r-1": no, "r-2": no });
  await desk.clock.advance(20_000);

  desk.book.load("r-1", "r-2");
  desk.book.onArrival = () => {};
  await desk.clock.advance(15_000);

  assert.deepEqual(desk.book.says, ["r-1 U", "r-2 U"]);
});

Deno.test("a resource that is listed no longer while it is being asked about is not told of", async () => {
  await using desk = await BookDesk.read(["r-1", "r-2"]);
  const answer = Promise.withResolvers<void>();
  desk.book.onArrival = (asked) => asked === "GET r-1" ? answer.promise : undefined;
  await desk.clock.advance(910_000);
  desk.book.load("r-2");
  await desk.clock.advance(910_000);
  desk.clear();

  desk.book.load("r-1");
  answer.resolve();
  await desk.clock.advance(1_000);

  assert.deepEqual(desk.told, ["answers"]);
});
