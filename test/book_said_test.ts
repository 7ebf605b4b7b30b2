import assert from "node:assert/strict";
import { ReportedStates } from "../src/book_sync.ts";
import { newSources } from "../src/system_alerts.ts";
import { startMs } from "./support/bench.ts";

const said = (available: boolean) => ({ kind: "said", available, reason: "", atMs: startMs }) as const;
const { book } = newSources(startMs);

Deno.test("what book says of a thousand resources makes one new set of states when somebody looks", () => {
  const news = new ReportedStates();
  const names = Array.from({ length: 1_000 }, (_, at) => `r-${at}`);
  for (const name of names) news.note(name, said(true), names.length);
  const next = news.takenInto(book);
  assert.equal(next.states.size, 1_000);
  assert.equal(news.takenInto(next), next);
});

Deno.test("what book has said before makes nothing new", () => {
  const news = new ReportedStates();
  news.note("r-a", said(true), 1);
  const next = news.takenInto(book);
  news.note("r-a", said(true), 1);
  assert.equal(news.takenInto(next), next);
  news.note("r-a", said(false), 1);
  assert.deepEqual(news.takenInto(next).states, new Map([["r-a", said(false)]]));
});

Deno.test("what was taken in once is not taken in again", () => {
  const news = new ReportedStates();
  news.note("r-a", said(true), 1);
  news.takenInto(book);
  assert.equal(news.takenInto(book), book);
});

Deno.test("book has spoken of all when it has of as many as it lists: often of one of them is not enough", async () => {
  const news = new ReportedStates();
  let isAll = false;
  news.all.then(() => isAll = true);
  for (const available of [true, false, true]) news.note("r-a", said(available), 2);
  news.takenInto(book);
  news.note("r-a", said(false), 2);
  await Promise.resolve();
  assert.equal(isAll, false);
  news.note("r-b", said(true), 2);
  await news.all;
});
