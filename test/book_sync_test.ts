import fc from "fast-check";
import assert from "node:assert/strict";
import type { DesiredAvailability } from "../src/health.ts";
import { BookDesk, names, no, yes } from "./support/book_desk.ts";
import { refused, unknown, unreachable } from "./support/memory_book.ts";

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

Deno.test("a change that book does not accept (422) is tried again at a growing distance, 10 s at most, until it is accepted", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.book.onArrival = (asked) => {
    if (asked === "PUT r-1 U") throw refused(422);
  };

  desk.wish({ "r-1": no });
  await desk.clock.advance(100_000);
  assert.equal(desk.keeper.waiting, 1);
  assert.ok(desk.book.reasons.length >= 10, `${desk.book.reasons.length} tries in 100 s`);
  assert.ok(desk.told.includes(`trouble 1 book answered 422 "no"`));
  assert.ok(!desk.told.some((each) => each.startsWith("trouble 3")), "book answers, so it is not lost");
  desk.book.onArrival = () => {};
  await desk.clock.advance(10_000);

  assert.deepEqual([desk.book.says, desk.keeper.waiting], [["r-1 U"], 0]);
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

const three = names(3);
const wish = fc.constantFrom<DesiredAvailability>(yes, no);

/** What may happen to a book and its keeper, by whose doing. */
const happening = fc.oneof(
  fc.record({ kind: fc.constant("wish"), wishes: fc.tuple(wish, wish, wish) }),
  fc.record({ kind: fc.constant("down"), asked: fc.constantFrom("LIST", "GET", "PUT", "r-0", "") }),
  fc.record({ kind: fc.constant("answers lost"), asked: fc.constantFrom("LIST", "GET", "PUT", "r-0", "") }),
  fc.record({ kind: fc.constant("well") }),
  fc.record({ kind: fc.constant("restarted") }),
  fc.record({ kind: fc.constant("loaded") }),
);

Deno.test("whatever happens, once book is loaded and well again it comes to say what is wished", async () => {
  const steps = fc.array(fc.tuple(happening, fc.integer({ min: 0, max: 15_000 })), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(steps, fc.tuple(wish, wish, wish), async (steps, last) => {
      await using desk = new BookDesk(three);
      const wishAll = (wishes: readonly DesiredAvailability[]) =>
        desk.keeper.setDesired(new Map(three.map((name, i) => [name, wishes[i] ?? yes])));
      for (const [what, ms] of steps) {
        if ("wishes" in what) wishAll(what.wishes);
        if ("asked" in what) failAt(desk, what.asked, what.kind === "down" ? "onArrival" : "onAnswer");
        if (what.kind === "well") recover(desk);
        if (what.kind === "restarted") desk.book.restart();
        if (what.kind === "loaded") desk.book.load(...three);
        await desk.clock.advance(ms);
      }
      recover(desk);
      desk.book.load(...three);
      wishAll(last);
      await desk.clock.advance(920_000);

      assert.deepEqual(desk.book.says, three.map((name, i) => `${name} ${last[i] === no ? "U" : "A"}`));
      assert.equal(desk.keeper.waiting, 0);
      assert.ok(desk.book.mostAtOnce <= 4);
    }),
    { numRuns: 30 },
  );
});

function failAt(desk: BookDesk, part: string, when: "onArrival" | "onAnswer"): void {
  desk.book[when] = (asked) => {
    if (asked.includes(part)) throw part === "PUT" ? refused(500) : unreachable();
  };
}

function recover(desk: BookDesk): void {
  desk.book.onArrival = () => {};
  desk.book.onAnswer = () => {};
}
