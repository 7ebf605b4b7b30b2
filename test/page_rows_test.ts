/** Of a large laboratory the page lists so many and no more, and what it costs does not grow with the rest. */
import assert from "node:assert/strict";
import { createListChannel } from "../src/live_updates.ts";
import { pageTexts } from "../src/page.tsx";
import { linkTo, readQuery, restMin, rowsMax } from "../src/page_model.ts";
import type { Snapshot } from "../src/snapshot.ts";
import { elementsOf } from "./support/html.ts";
import { missingJump, nowMs } from "./support/letters.ts";
import { eventsIn, LiveLab } from "./support/live_lab.ts";
import { lab, renderPage, rig } from "./support/page_lab.ts";

const nameAt = (at: number) => `rig${10_000 + at}`;

/** The last by name is in trouble, and no other. */
function labOf(count: number): Snapshot {
  return lab(Array.from({ length: count }, (_, at) => rig(nameAt(at), at === count - 1 ? [missingJump] : [])));
}

const textsOf = (address: string, seen: Snapshot) => [
  ...pageTexts(seen, readQuery(new URLSearchParams(address)), { nowMs, prefix: "" }),
];
const pageOf = (address: string, seen: Snapshot) =>
  renderPage(seen, readQuery(new URLSearchParams(address)), { nowMs, prefix: "" });
const rowsIn = (html: string) => html.split('<li class="row').length - 1;
const namesOn = (html: string) => [...html.matchAll(/data-name="(\w+)"/g)].map(([, name]) => name);
const restOn = (html: string) =>
  [...html.matchAll(/<p class="rest">(.*?)<\/p>/g)].map(([, rest]) => rest?.replace(" >", ">"));

const large = labOf(rowsMax + 200);

Deno.test("a laboratory that is hardly larger than the list is listed whole, and no word is said of a rest", () => {
  const html = pageOf("", labOf(rowsMax + restMin - 1));

  assert.equal(rowsIn(html), rowsMax + restMin - 1);
  assert.deepEqual(restOn(html), []);
  assert.doesNotMatch(html, /data-rows|name="rows"/);
});

Deno.test("a laboratory that is larger than the list by a hundred is not listed whole", () => {
  assert.equal(rowsIn(pageOf("", labOf(rowsMax + restMin))), rowsMax);
});

for (const view of ["list", "wall"]) {
  Deno.test(`of a larger one the ${view} has the first in the order asked for, says of how many, and leads to all`, () => {
    const html = pageOf(`view=${view}`, large);
    const link = linkTo(readQuery(new URLSearchParams(`view=${view}&rows=all`))).replace("&", "&amp;");
    const rest =
      `The first 1000 of <b data-count="all">1200</b> are listed, trouble first. <a href="${link}">List all</a>`;

    assert.equal(rowsIn(html), rowsMax);
    assert.deepEqual(namesOn(html).slice(0, 2), [nameAt(1_199), nameAt(0)]);
    assert.deepEqual(restOn(html), [rest, rest]);
    assert.match(html, /<ol id="experiments"[^>]* data-rows="1000"/);
  });
}

Deno.test("banner and choices count all, listed or not", () => {
  const html = pageOf("order=name", large);

  assert.ok(!namesOn(html).includes(nameAt(1_199)));
  assert.match(html, /1 of 1200 experiments needs attention/);
  assert.match(html, /<b data-count="all">1200<\/b>/);
});

Deno.test("what is searched for or chosen is found among all", () => {
  assert.deepEqual(namesOn(pageOf(`order=name&q=${nameAt(1_150)}`, large)), [nameAt(1_150)]);
  assert.deepEqual(namesOn(pageOf("order=name&show=trouble", large)), [nameAt(1_199)]);
});

Deno.test("a search that finds more than are listed says how many, and its link to all keeps it", () => {
  const html = pageOf("q=rig1&order=name", large);

  assert.deepEqual(restOn(html), [
    'The first 1000 of <b>1200</b> are listed, by name. <a href="?q=rig1&amp;order=name&amp;rows=all">List all</a>',
    'The first 1000 of <b>1200</b> are listed, by name. <a href="?q=rig1&amp;order=name&amp;rows=all">List all</a>',
  ]);
});

Deno.test("all are listed where all are asked for, and stay so when something else is chosen", () => {
  const html = pageOf("rows=all&order=name", large);
  const hidden = elementsOf(html).filter(({ attributes }) => attributes.type === "hidden").map(({ attributes }) =>
    `${attributes.name}=${attributes.value}`
  );

  assert.equal(rowsIn(html), 1_200);
  assert.deepEqual(hidden, ["rows=all"]);
  assert.match(html, /All <b data-count="all">1200<\/b> are listed. <a href="\?order=name">List the first 1000<\/a>/);
  assert.doesNotMatch(html, /data-rows/);
});

Deno.test("an experiment that is called like the place where the rows go does not move them", () => {
  const html = pageOf("", lab([rig("<!--rows-->"), rig("pend00")]));

  assert.equal(rowsIn(html), 2);
  assert.equal(elementsOf(html).filter(({ tag }) => tag === "main").length, 1);
});

/** How many rows are made, and how many experiments looked through, between two turns for all else. */
const partsOf = (address: string, seen: Snapshot) => {
  const texts = textsOf(address, seen).map((text) => text === "" ? "|" : "r".repeat(rowsIn(text)));
  return texts.join("").split("|").map(({ length }) => length);
};

Deno.test("no more than a hundred rows are made in one go, and no more than a thousand experiments looked through", () => {
  assert.deepEqual(partsOf("rows=all", large), [0, ...Array(12).fill(100)]);
  assert.deepEqual(partsOf("q=nothing", labOf(5_000)), [0, 0, 0, 0, 0]);
  assert.deepEqual(partsOf("", labOf(100)), [100], "a small laboratory is not kept waiting");
});

Deno.test("a page has as many rows and bytes of five thousand experiments as of two thousand", () => {
  const [small, large] = [2_000, 5_000].map((count) => pageOf("", labOf(count)));

  assert.deepEqual([small, large].map((html) => rowsIn(html!)), [rowsMax, rowsMax]);
  assert.ok(Math.abs(large!.length - small!.length) < 1_000, `${small!.length} and ${large!.length}`);
});

Deno.test("of two thousand experiments one that changes is one row to tell of, and nothing else but the top", () => {
  const changing = new LiveLab(Array.from({ length: 2_000 }, (_, at) => nameAt(at)));
  const channel = createListChannel(changing.snapshot, changing.snapshot.atMs, "24h");
  changing.change({ held: "new arm" }, nameAt(1_999));
  const told = channel.next(changing.snapshot, changing.snapshot.atMs)!;

  assert.deepEqual(eventsIn(new TextDecoder().decode(told)).map(({ name }) => name), ["row", "top"]);
  assert.ok(told.length < 12_000, `${told.length} bytes`);
});
