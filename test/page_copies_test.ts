import assert from "node:assert/strict";
import type { YieldToEventLoop } from "../src/async.ts";
import { EncodedBody, PageCache, waitingMax } from "../src/response_cache.ts";
import type { Snapshot } from "../src/snapshot.ts";
import { lab } from "./support/page_lab.ts";

/** Copies whose pages take `costMs` to make and say how many were begun before, with `bytes` after that. */
function setUp({ costMs = 0, bytes = 0 } = {}) {
  const bench = { nowMs: 0, revision: 1, made: 0, making: 0, pausedMs: 0 };
  const pause = async () => {
    await Promise.resolve();
    bench.nowMs += bench.pausedMs;
  };
  const aheadMs = { by: 0 };
  const snapshot = () => lab([], { revision: bench.revision });
  const copies = new PageCache({
    nowMs: () => bench.nowMs + aheadMs.by,
    monotonicMs: () => bench.nowMs,
    pause,
    snapshot,
  });
  const make = async (_: Snapshot, pause: YieldToEventLoop) => {
    assert.equal(++bench.making, 1, "one is made at a time");
    const text = `page ${++bench.made}`;
    bench.nowMs += costMs / 2;
    await pause();
    bench.nowMs += costMs / 2;
    bench.making--;
    return EncodedBody.of(text.padEnd(bytes));
  };
  const ask = (address = "/") => copies.of(address, make) ?? Promise.reject(new Error("there is no room"));
  const read = async (address?: string) => (await textOf(await ask(address))).trim();
  return { bench, ask, read, copies, aheadMs };
}

function textOf({ pieces }: EncodedBody): Promise<string> {
  return new Blob([...pieces]).text();
}

Deno.test("a page that is asked for again within a second is the same one", async () => {
  const { bench, ask, read } = setUp();
  const first = await ask();
  bench.nowMs = 1_000;
  assert.equal(await ask(), first);
  bench.nowMs = 1_001;
  assert.equal(await read(), "page 2");
});

Deno.test("all who ask for a page while it is being made get that one", async () => {
  const { bench, ask } = setUp({ costMs: 5_000 });
  const [first, second] = await Promise.all([ask(), ask()]);

  assert.equal(first, second);
  assert.equal(bench.made, 1);
});

Deno.test("a page that is being made and says less than there is to say by now is not waited for", async () => {
  const { bench, ask } = setUp();
  const first = ask();
  await Promise.resolve(); // it is begun
  bench.revision = 2;
  assert.equal(await textOf(await ask()), "page 2");
  assert.equal(await textOf(await first), "page 1");
  assert.equal(await textOf(await ask()), "page 2");
});

Deno.test("a page that could not be made is made anew for the next who asks", async () => {
  const { ask, copies } = setUp();
  const failing = copies.of("/", () => Promise.reject(new Error("no")));
  await assert.rejects(failing!, /no/);
  assert.equal(await textOf(await ask()), "page 1");
});

Deno.test("pages are made one after the other, each of what there is when its turn comes", async () => {
  const { bench, ask } = setUp();
  const all = Array.from({ length: 10 }, (_, at) => ask(`/?q=${at}`));
  await Promise.resolve();
  bench.revision = 2;
  await Promise.all(all);
  for (let at = 1; at < 10; at++) await ask(`/?q=${at}`);
  assert.equal(bench.made, 10);
  assert.equal(await textOf(await ask("/?q=0")), "page 11");
});

Deno.test("while many wait for their pages there is no room for one more, but for those who ask for the same", async () => {
  const { ask } = setUp();
  const waiting = Array.from({ length: waitingMax }, (_, at) => ask(`/?q=${at}`));
  await assert.rejects(ask("/?q=one-more"), /no room/);
  assert.equal(await ask("/?q=31"), await waiting.at(-1));
  await Promise.all(waiting);
  await ask("/?q=one-more");
});

Deno.test("a page that says less than there is to say is made anew at once", async () => {
  const { bench, ask, read } = setUp();
  await ask();
  bench.revision = 2;
  assert.equal(await read(), "page 2");
});

Deno.test("a page that takes long to make is kept for longer", async () => {
  const { bench, ask, read } = setUp({ costMs: 200 });
  const first = await ask();
  bench.nowMs = 4_000;
  assert.equal(await ask(), first);
  bench.nowMs = 4_001;
  assert.equal(await read(), "page 2");
});

Deno.test("of 32 addresses a page is kept, those that were made last", async () => {
  const { bench, ask } = setUp();
  for (let at = 0; at < 33; at++) await ask(`/?q=${at}`);
  await ask("/?q=1");
  assert.equal(bench.made, 33);
  await ask("/?q=0");
  assert.equal(bench.made, 34);
});

Deno.test("of large pages as many are kept as have 32 MB, and the last however large", async () => {
  const { bench, ask } = setUp({ bytes: 12 * 1024 * 1024 });
  for (const address of ["/?q=1", "/?q=2", "/?q=3", "/?q=3", "/?q=2"]) await ask(address);
  assert.equal(bench.made, 3);
  await ask("/?q=1");
  assert.equal(bench.made, 4);

  const huge = setUp({ bytes: 40 * 1024 * 1024 });
  await Promise.all([await huge.ask(), await huge.ask()]);
  assert.equal(huge.bench.made, 1);
});

Deno.test("a page is packed once for all who take it so", async () => {
  const { ask } = setUp({ bytes: 2_000 });
  const page = await ask();
  const pause = () => Promise.resolve();
  assert.equal(await page.packed(pause), await page.packed(pause));
});

Deno.test("what else was done while a page was being made is none of its cost", async () => {
  const { bench, ask, read } = setUp({ costMs: 40 });
  bench.pausedMs = 1_000;
  await ask();
  assert.equal(await read(), "page 2");
});

Deno.test("no page is kept for more than ten seconds, whatever it cost", async () => {
  const { bench, ask, read } = setUp({ costMs: 5_000 });
  const first = await ask();
  bench.nowMs = 10_000;
  assert.equal(await ask(), first);
  bench.nowMs = 10_001;
  assert.equal(await read(), "page 2");
});

Deno.test("that the clock is put forward by an hour while a page is made makes it neither older nor dearer", async () => {
  const { bench, ask, read, aheadMs } = setUp();
  const first = ask();
  aheadMs.by = 3_600_000;
  const page = await first;
  bench.nowMs = 1_000;
  assert.equal(await ask(), page);
  bench.nowMs = 1_001;
  assert.equal(await read(), "page 2");
});

Deno.test("a page that was made before the clock was put back is made anew", async () => {
  const { ask, read, aheadMs } = setUp();
  await ask();
  aheadMs.by = -1;
  assert.equal(await read(), "page 2");
});
