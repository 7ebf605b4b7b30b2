import assert from "node:assert/strict";
import { BookSaid } from "../src/book_said.ts";
import { newSources } from "../src/sources.ts";
import { startMs } from "./fixtures/bench.ts";

const said = (available: boolean) => ({ kind: "said", available, reason: "", atMs: startMs }) as const;
const { book } = newSources(startMs);

Deno.test("what book says of a thousand resources makes one new set of states when somebody looks", () => {
  const news = new BookSaid();
  const names = Array.from({ length: 1_000 }, (_, at) => `r-${at}`);
  for (const name of names) news.note(name, said(true), names);
  const next = news.takenInto(book);
  assert.equal(next.states.size, 1_000);
  assert.equal(news.takenInto(next), next);
});

Deno.test("what book has said before makes nothing new", () => {
  const news = new BookSaid();
  news.note("r-a", said(true), ["r-a"]);
  const next = news.takenInto(book);
  news.note("r-a", said(true), ["r-a"]);
  assert.equal(news.takenInto(next), next);
  news.note("r-a", said(false), ["r-a"]);
  assert.deepEqual(news.takenInto(next).states, new Map([["r-a", said(false)]]));
});

Deno.test("book has spoken of all when it has spoken of each, and not of some of them often", async () => {
  const news = new BookSaid();
  const resources = ["r-a", "r-b"];
  let isAll = false;
  news.all.then(() => isAll = true);
  for (const available of [true, false, true]) news.note("r-a", said(available), resources);
  news.takenInto(book);
  news.note("r-a", said(false), resources);
  await Promise.resolve();
  assert.equal(isAll, false);
  news.note("r-b", said(true), resources);
  await news.all;
});
