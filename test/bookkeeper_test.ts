import assert from "node:assert/strict";
import { BookDesk, names, no, yes } from "./support/book_desk.ts";

Deno.test("at the start the manifest is read, then what book says of each resource", async () => {
  await using desk = new BookDesk(["r-1", "r-2"]);

  await desk.clock.advance(100);

  assert.deepEqual(desk.told, ["manifest 2", "answers", "state r-1 A", "answers", "state r-2 A", "answers"]);
  assert.deepEqual(desk.book.asked, ["LIST", "GET r-1", "GET r-2"]);
});

Deno.test("the manifest is read again every QUERY_BOOK_EVERY, and each state with it", async () => {
  await using desk = await BookDesk.read(["r-1"]);

  await desk.clock.advance(899_000);
  assert.deepEqual(desk.book.asked, []);
  await desk.clock.advance(1_000);

  assert.deepEqual(desk.book.asked, ["LIST", "GET r-1"]);
});

Deno.test("what book says already is not written again, as after a restart of the monitor", async () => {
  await using desk = new BookDesk(["r-1", "r-2"]);
  desk.book.set("r-2", {
    available: false,
    reason: "status server: 2026-11-22T20:31:14Z missing required r-2-st-data",
  });
  desk.wish({ "r-1": yes, "r-2": no });

  await desk.clock.advance(1_000);

  assert.deepEqual(desk.book.asked, ["LIST", "GET r-1", "GET r-2"]);
  assert.equal(await desk.isSettled(), true);
});

Deno.test("a difference is written, and seen to hold, once", async () => {
  await using desk = await BookDesk.read(["r-1", "r-2"]);

  desk.wish({ "r-1": no, "r-2": yes });
  assert.equal(desk.keeper.waiting, 1);
  assert.equal(await desk.isSettled(), false);
  await desk.clock.advance(60_000);

  assert.deepEqual(desk.book.asked, ["GET r-1", "PUT r-1 U", "GET r-1"]);
  assert.deepEqual(desk.book.reasons, ["status server: 2026-11-22T20:30:01Z missing required r-st-data"]);
  assert.deepEqual(desk.told, ["state r-1 A", "state r-1 U", "written r-1 U", "answers"]);
  assert.equal(desk.keeper.waiting, 0);
  assert.equal(await desk.isSettled(), true);
});

Deno.test("what was taken off is put back when it is wished again", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.wish({ "r-1": no });
  await desk.clock.advance(1_000);

  desk.wish({ "r-1": yes });
  await desk.clock.advance(1_000);

  assert.deepEqual(desk.book.says, ["r-1 A"]);
  assert.match(desk.book.reasons[1] ?? "", /^status server: .* all required streams ok$/);
});

Deno.test("wishing the same again asks book nothing", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.wish({ "r-1": no });
  await desk.clock.advance(1_000);
  desk.clear();

  desk.wish({ "r-1": { kind: "unavailable", issues: [{ code: "missing-required", topic: "r-st-data" }] } });
  await desk.clock.advance(1_000);

  assert.deepEqual(desk.book.asked, []);
});

Deno.test("a wish that changes while it is being granted is granted afterwards", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.wish({ "r-1": no });
  await desk.clock.advance(15);

  desk.wish({ "r-1": yes });
  assert.equal(await desk.isSettled(), false);
  await desk.clock.advance(1_000);

  assert.deepEqual(desk.told.filter((what) => what.startsWith("written")), ["written r-1 U", "written r-1 A"]);
  assert.deepEqual(desk.book.says, ["r-1 A"]);
});

Deno.test("a wish that changes before the PUT is granted without a PUT that nobody wants", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.wish({ "r-1": no });
  await desk.clock.advance(5);

  desk.wish({ "r-1": yes });
  await desk.clock.advance(1_000);

  assert.deepEqual(desk.book.asked, ["GET r-1"]);
});

Deno.test("with writes off nothing is ever put, and nothing waits", async () => {
  await using desk = await BookDesk.read(["r-1"], { writes: false });

  desk.wish({ "r-1": no });

  assert.equal(desk.keeper.waiting, 0);
  assert.equal(await desk.isSettled(), true);
  await desk.clock.advance(1_800_000);
  assert.deepEqual(desk.book.asked, ["LIST", "GET r-1", "LIST", "GET r-1"]);
});

Deno.test("a person's hold is left alone until that person makes it available", async () => {
  await using desk = new BookDesk(["r-1"]);
  desk.book.set("r-1", { available: false, reason: "camera at the workshop" });
  desk.wish({ "r-1": yes });
  await desk.clock.advance(900_000);
  assert.equal(await desk.isSettled(), true);
  assert.deepEqual(desk.book.reasons, []);

  desk.book.set("r-1", { available: true, reason: "camera is back" });
  desk.wish({ "r-1": no });
  await desk.clock.advance(900_000);

  assert.deepEqual(desk.book.says, ["r-1 U"]);
});

Deno.test("BOOK_HOLDS=override puts back what a person took off", async () => {
  await using desk = new BookDesk(["r-1"], { holds: "override" });
  desk.book.set("r-1", { available: false, reason: "camera at the workshop" });

  desk.wish({ "r-1": yes });
  await desk.clock.advance(1_000);

  assert.deepEqual(desk.book.says, ["r-1 A"]);
});

Deno.test("a person who takes it off since book was last read is respected", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.book.set("r-1", { available: false, reason: "camera at the workshop" });

  desk.wish({ "r-1": no });
  await desk.clock.advance(1_000);

  assert.deepEqual(desk.book.asked, ["GET r-1"]);
  assert.equal(await desk.isSettled(), true);
});

Deno.test("a person who takes it off just after the PUT is respected, as a change that did not hold", async () => {
  await using desk = new BookDesk(["r-1"]);
  desk.book.set("r-1", { available: false, reason: "status server: x" });
  desk.book.onAnswer = (asked) => {
    if (asked.startsWith("PUT")) desk.book.set("r-1", { available: false, reason: "camera at the workshop" });
  };

  desk.wish({ "r-1": yes });
  await desk.clock.advance(60_000);

  assert.deepEqual(desk.book.reasons.length, 1);
  assert.ok(
    desk.told.includes(
      `trouble 1 book took it, and still says unavailable "unavailable because camera at the workshop"`,
    ),
  );
  assert.equal(desk.told.at(-1), "answers");
});

Deno.test("a change that does not hold is made again, at a growing distance", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.book.onAnswer = (asked) => {
    if (asked.startsWith("PUT") && desk.book.reasons.length < 3) {
      desk.book.set("r-1", { available: true, reason: "no" });
    }
  };

  desk.wish({ "r-1": no });
  await desk.clock.advance(10_000);

  assert.deepEqual(desk.told.filter((what) => !what.startsWith("state")), [
    `trouble 1 book took it, and still says available "no"`,
    `trouble 2 book took it, and still says available "no"`,
    "manifest 1",
    "answers",
    "written r-1 U",
    "answers",
  ]);
});

Deno.test("changes are made before states are read", async () => {
  await using desk = await BookDesk.read(names(100));
  await desk.clock.advance(899_200);
  assert.equal(desk.book.asked.length > 1, true);
  desk.clear();

  desk.wish({ "r-99": no });
  await desk.clock.advance(40);

  assert.deepEqual(desk.told.includes("written r-99 U"), true);
});

Deno.test("a thousand resources are read and written with never more than 4 requests at a time", async () => {
  await using desk = new BookDesk(names(1_000));
  desk.book.latencyMs = 0;
  desk.wish(Object.fromEntries(names(1_000).map((name) => [name, no])));

  await desk.clock.advance(10);

  assert.equal(desk.book.mostAtOnce, 4);
  assert.equal(desk.keeper.waiting, 0);
  assert.equal(desk.book.says.every((what) => what.endsWith("U")), true);
});
