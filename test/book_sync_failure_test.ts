import assert from "node:assert/strict";
import { BookDesk, names, no, yes } from "./support/book_desk.ts";
import { refused, unknown, unreachable } from "./support/memory_book.ts";

Deno.test("three failures in a row are counted, and the manifest is asked for until it is there", async () => {
  await using desk = new BookDesk(["r-1"]);
  desk.book.onArrival = () => {
    if (desk.book.asked.length <= 3) throw unreachable();
  };

  await desk.clock.advance(10_000);

  assert.deepEqual(desk.told, [
    "trouble 1 connection refused",
    "trouble 2 connection refused",
    "trouble 3 connection refused",
    "manifest 1",
    "answers",
    "state r-1 A",
    "answers",
  ]);
});

Deno.test("requests that fail together are one failure, and told as one: a moment of book's is no resource that is stuck", async () => {
  await using desk = await BookDesk.read(names(4));
  desk.book.onArrival = () => {
    throw unreachable();
  };

  desk.wish(Object.fromEntries(names(4).map((name) => [name, no])));
  await desk.clock.advance(100);

  assert.deepEqual(desk.told, ["trouble 1 connection refused"]);
});

Deno.test("while book is down it is asked one thing at a time, at a growing distance of at most 10 s", async () => {
  await using desk = await BookDesk.read(names(10));
  const askedMs: number[] = [];
  desk.book.onArrival = () => {
    askedMs.push(desk.clock.nowMs());
    throw unreachable();
  };

  desk.wish(Object.fromEntries(names(10).map((name) => [name, no])));
  await desk.clock.advance(60_000);

  const distances = askedMs.slice(4).map((ms, i) => ms - (askedMs[i + 3] ?? 0));
  assert.deepEqual(distances, [760, 1_510, 3_010, 6_010, 7_510, 7_510, 7_510, 7_510, 7_510, 7_510]);
  assert.equal(desk.keeper.waiting, 10);
});

Deno.test("what could not be changed while book was down is changed when it answers", async () => {
  await using desk = await BookDesk.read(names(10));
  desk.book.onArrival = () => {
    throw unreachable();
  };
  desk.wish(Object.fromEntries(names(10).map((name) => [name, no])));
  await desk.clock.advance(600_000);
  desk.clear();

  desk.book.onArrival = () => {};
  await desk.clock.advance(11_000);

  assert.deepEqual(desk.book.says, names(10).map((name) => `${name} U`));
  assert.equal(desk.told.filter((what) => what.startsWith("written")).length, 10);
  assert.equal(desk.told.at(-1), "answers");
});

Deno.test("a resource that alone keeps failing does not hold up the others, and is tried for ever", async () => {
  await using desk = await BookDesk.read(names(100));
  desk.book.onArrival = (asked) => {
    if (asked === "PUT r-0 U") throw refused(500);
  };

  desk.wish(Object.fromEntries(names(100).map((name) => [name, no])));
  await desk.clock.advance(5_000);
  assert.deepEqual(desk.book.says.filter((what) => what.endsWith("A")), ["r-0 A"]);
  assert.equal(desk.keeper.waiting, 1);
  await desk.clock.advance(60_000);
  const troubles = desk.told.filter((what) => what.startsWith("trouble"));
  assert.deepEqual(troubles, Array(troubles.length).fill(`trouble 1 book answered 500 "no"`));
  desk.book.onArrival = () => {};
  await desk.clock.advance(11_000);

  assert.equal(desk.keeper.waiting, 0);
  assert.equal(desk.told.at(-1), "answers");
});

Deno.test("a resource that fails when nothing else is asked is told from book by the manifest, which answers", async () => {
  await using desk = await BookDesk.read(["r-1", "r-2"]);
  desk.book.onArrival = (asked) => {
    if (asked === "PUT r-1 U") throw refused(500);
  };

  desk.wish({ "r-1": no, "r-2": yes });
  await desk.clock.advance(60_000);

  const told = desk.told.filter((what) => !what.startsWith("state"));
  const alone = `trouble 1 book answered 500 "no"`;
  assert.deepEqual(told.slice(0, 4), [alone, `trouble 2 book answered 500 "no"`, "manifest 2", "answers"]);
  assert.deepEqual(new Set(told.slice(4)), new Set([alone]));
});

Deno.test("the last resource that is read at the start, if it fails, does not make all of book count as lost", async () => {
  await using desk = new BookDesk(["r-1", "r-2"]);
  desk.book.onArrival = (asked) => {
    if (asked === "GET r-2") throw refused(500);
  };

  await desk.clock.advance(600_000);

  assert.equal(desk.told.includes("state r-1 A"), true);
  assert.equal(desk.told.some((what) => /^trouble [3-9]/.test(what)), false);
});

Deno.test("a resource that alone keeps failing is tried at growing distances, of at most 10 s", async () => {
  await using desk = await BookDesk.read(["r-1", "r-2"]);
  const askedMs: number[] = [];
  desk.book.onArrival = (asked) => {
    if (asked !== "PUT r-1 U") return;
    askedMs.push(desk.clock.nowMs());
    throw refused(500);
  };

  desk.wish({ "r-1": no, "r-2": yes });
  await desk.clock.advance(40_000);

  // Asking it takes 20 ms, and 10 ms the manifest that tells it from book.
  const distances = askedMs.slice(1).map((ms, i) => ms - (askedMs[i] ?? 0));
  assert.deepEqual(distances, [770, 1_530, 3_020, 6_020, 7_520, 7_520, 7_520]);
});

Deno.test("an outage is told to be over though one resource goes on failing", async () => {
  await using desk = await BookDesk.read(["r-1", "r-2"]);
  desk.book.onArrival = () => {
    throw unreachable();
  };
  desk.wish({ "r-1": no, "r-2": no });
  await desk.clock.advance(60_000);
  desk.clear();

  desk.book.onArrival = (asked) => {
    if (asked === "PUT r-1 U") throw refused(500);
  };
  await desk.clock.advance(60_000);

  const told = desk.told.slice(desk.told.indexOf("answers"));
  assert.equal(desk.told.includes("answers"), true);
  assert.equal(desk.told.includes("written r-2 U"), true);
  assert.equal(told.some((what) => /^trouble [3-9]/.test(what)), false);
  assert.equal(told.at(-1), `trouble 1 book answered 500 "no"`);
});

Deno.test("an outage that one answer interrupts is seen to go on within two minutes", async () => {
  await using desk = await BookDesk.read(["r-1", "r-2"]);
  desk.book.onArrival = (asked) => {
    if (asked !== "LIST") throw unreachable();
  };
  desk.wish({ "r-1": no, "r-2": no });
  await desk.clock.advance(10_000);
  assert.equal(desk.told.includes("answers"), true);
  desk.clear();

  desk.book.onArrival = () => {
    throw unreachable();
  };
  await desk.clock.advance(110_000);

  assert.equal(desk.told.includes("trouble 3 connection refused"), true);
});

Deno.test("while one resource keeps failing, nobody is told that book answers, whatever else succeeds", async () => {
  await using desk = await BookDesk.read(["r-1", "r-2"]);
  desk.book.onArrival = (asked) => {
    if (asked === "PUT r-1 U") throw refused(500);
  };
  desk.wish({ "r-1": no, "r-2": yes });
  await desk.clock.advance(60_000);
  desk.clear();

  await desk.clock.advance(900_000);

  assert.equal(desk.told.includes("answers"), false);
  assert.equal(desk.told.includes("state r-2 A"), true);
});

Deno.test("a change whose answer was lost is looked for, found, and not made again", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.book.onAnswer = (asked) => {
    if (asked.startsWith("PUT")) throw unreachable();
  };

  desk.wish({ "r-1": no });
  await desk.clock.advance(10_000);

  assert.deepEqual(desk.book.asked, ["GET r-1", "PUT r-1 U", "GET r-1"]);
  assert.deepEqual(desk.told, [
    "state r-1 A",
    "trouble 1 connection refused",
    "state r-1 U",
    "written r-1 U",
    "answers",
  ]);
});

Deno.test("a wish that is withdrawn during an outage does not keep it from being noticed that it is over", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.book.onArrival = () => {
    throw unreachable();
  };
  desk.wish({ "r-1": no });
  await desk.clock.advance(20_000);
  desk.wish({ "r-1": yes });
  desk.clear();

  desk.book.onArrival = () => {};
  await desk.clock.advance(11_000);

  assert.equal(desk.told[1], "answers");
  assert.deepEqual(desk.book.reasons, []);
});

Deno.test("a 404, which a proxy without its book says too, ends no outage, but a manifest does", async () => {
  await using desk = await BookDesk.read(["r-1", "r-2"]);
  desk.book.onArrival = (asked) => {
    throw asked === "GET r-2" ? unknown() : unreachable();
  };

  desk.wish({ "r-1": no, "r-2": no });
  await desk.clock.advance(2_000);
  assert.deepEqual(desk.told, ["trouble 1 connection refused", "state r-2 absent", "trouble 2 connection refused"]);
  desk.book.onArrival = () => {};
  await desk.clock.advance(11_000);

  assert.deepEqual(desk.book.says, ["r-1 U", "r-2 U"]);
});

Deno.test("a resource that failed and is then unknown to book fails no longer", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.book.onArrival = (asked) => {
    if (desk.book.asked.length <= 3) throw unreachable();
    if (asked === "GET r-1") throw unknown();
  };

  desk.wish({ "r-1": no });
  await desk.clock.advance(60_000);

  assert.deepEqual(desk.told.slice(0, 6), [
    "trouble 1 connection refused",
    "trouble 2 connection refused",
    "trouble 3 connection refused",
    "state r-1 absent",
    "manifest 1",
    "answers",
  ]);
});

Deno.test("a resource that failed and is then listed no longer fails no longer", async () => {
  await using desk = await BookDesk.read(["r-1", "r-2"]);
  desk.book.onArrival = (asked) => {
    if (asked.includes("r-1")) throw refused(500);
  };
  desk.wish({ "r-1": no });
  await desk.clock.advance(890_000);
  desk.clear();

  desk.book.load("r-2");
  await desk.clock.advance(20_000);

  assert.deepEqual(desk.told.slice(-4), ["manifest 1", "answers", "state r-2 A", "answers"]);
});

Deno.test("an outage that ends with a 404 of what was unknown before is noticed to be over", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.book.onArrival = (asked) => {
    if (asked === "GET r-1") throw unknown();
  };
  await desk.clock.advance(1_000_000);
  desk.clear();
  desk.book.onArrival = (asked) => {
    if (desk.book.asked.length > 1 && desk.book.asked.length <= 4) throw unreachable();
    if (asked === "GET r-1") throw unknown();
  };

  await desk.clock.advance(850_000);

  assert.deepEqual(desk.told, [
    "manifest 1",
    "answers",
    "trouble 1 connection refused",
    "trouble 2 connection refused",
    "trouble 3 connection refused",
    "state r-1 absent",
    "manifest 1",
    "answers",
    "state r-1 absent",
  ]);
});

Deno.test("a state that could not be read after a manifest is read when book answers", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.wish({ "r-1": no });
  await desk.clock.advance(890_000);
  desk.book.load("r-1");
  desk.book.onArrival = (asked) => {
    if (asked === "GET r-1") throw unreachable();
  };
  await desk.clock.advance(20_000);

  desk.book.onArrival = () => {};
  await desk.clock.advance(11_000);

  assert.deepEqual(desk.book.says, ["r-1 U"]);
});

Deno.test("a change whose answer was lost is not told as made if a person made it", async () => {
  await using desk = await BookDesk.read(["r-1"]);
  desk.book.onArrival = (asked) => {
    if (!asked.startsWith("PUT")) return;
    desk.book.set("r-1", { available: false, reason: "camera at the workshop" });
    throw unreachable();
  };

  desk.wish({ "r-1": no });
  await desk.clock.advance(10_000);

  assert.deepEqual(desk.told, ["state r-1 A", "trouble 1 connection refused", "state r-1 U", "answers"]);
});
