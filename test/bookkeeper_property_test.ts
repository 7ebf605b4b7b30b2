import fc from "fast-check";
import assert from "node:assert/strict";
import type { DesiredAvailability } from "../src/health.ts";
import { BookDesk, names, no, yes } from "./support/book_desk.ts";
import { refused, unreachable } from "./support/memory_book.ts";

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
