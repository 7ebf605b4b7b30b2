import assert from "node:assert/strict";
import { Copies } from "../src/page_copies.ts";

/** Copies whose pages take `costMs` to make and say how many were made before. */
function setUp(costMs = 0) {
  const copies = new Copies();
  const bench = { nowMs: 0, revision: 1, made: 0 };
  const make = () => {
    bench.nowMs += costMs;
    return `page ${++bench.made}`;
  };
  const ask = (address = "/") => copies.of(address, { revision: bench.revision }, () => bench.nowMs, make);
  return { bench, ask };
}

Deno.test("a page that is asked for again within a second is the same one", () => {
  const { bench, ask } = setUp();
  const first = ask();
  bench.nowMs = 1_000;
  assert.equal(ask(), first);
  bench.nowMs = 1_001;
  assert.equal(ask().text, "page 2");
});

Deno.test("a page that says less than there is to say is made anew at once", () => {
  const { bench, ask } = setUp();
  ask();
  bench.revision = 2;
  assert.equal(ask().text, "page 2");
});

Deno.test("a page that takes long to make is kept for longer", () => {
  const { bench, ask } = setUp(200);
  const first = ask();
  bench.nowMs = 4_000;
  assert.equal(ask(), first);
  bench.nowMs = 4_001;
  assert.equal(ask().text, "page 2");
});

Deno.test("of 32 addresses a page is kept, those that were made last", () => {
  const { bench, ask } = setUp();
  for (let at = 0; at < 33; at++) ask(`/?q=${at}`);
  ask("/?q=1");
  assert.equal(bench.made, 33);
  ask("/?q=0");
  assert.equal(bench.made, 34);
});

Deno.test("a page is packed once for all who take it so", async () => {
  const { ask } = setUp();
  const page = ask();
  assert.equal(await page.packed(), await page.packed());
  const unpacked = new Blob([await page.packed()]).stream().pipeThrough(new DecompressionStream("gzip"));
  assert.equal(await new Response(unpacked).text(), "page 1");
});

Deno.test("a page that was made before the clock was put back is made anew", () => {
  const { bench, ask } = setUp();
  bench.nowMs = 3_600_000;
  ask();
  bench.nowMs = 1_000;
  assert.equal(ask().text, "page 2");
});
