import assert from "node:assert/strict";
import {
  countsOf,
  isShown,
  ordered,
  type PageOrder,
  type PageQuery,
  rankOf,
  readQuery,
  searchText,
  tagsOf,
} from "../src/page_model.ts";
import type { ExperimentView } from "../src/snapshot.ts";
import { agoMs, missingJump, nowMs, unhealthy } from "./support/letters.ts";
import { lab, rig } from "./support/page_lab.ts";

const off = { available: false };
const extra = { resources: [], available: false, wanted: null };

/** The rule of page_list.ts: what is in trouble, and what else is told of it. */
const kinds: Record<string, [ExperimentView, tags: string, rank: number]> = {
  "one that works": [rig("a"), "", 2],
  "one with issues": [rig("a", [missingJump]), "trouble", 0],
  "one with issues that is unavailable": [rig("a", [unhealthy("a-st-data")], off), "trouble unavailable", 0],
  "one that works and book does not offer": [rig("a", [], off), "trouble unavailable", 0],
  "one that works and a person holds": [rig("a", [], { ...off, held: "new arm" }), "unavailable held", 2],
  "one with issues that a person holds": [
    rig("a", [missingJump], { ...off, held: "new arm" }),
    "trouble unavailable held",
    0,
  ],
  "one that works, of which book is only just being told": [
    rig("a", [], { ...off, turns: [{ atMs: nowMs - 4_999, state: "healthy", available: false }] }),
    "unavailable",
    2,
  ],
  "one that works, of which book has been told long enough": [
    rig("a", [], { ...off, turns: [{ atMs: nowMs - 5_000, state: "healthy", available: false }] }),
    "trouble unavailable",
    0,
  ],
  "one of which the rule does not know yet": [
    rig("a", [], { ...off, wanted: null, state: "unknown" }),
    "unavailable",
    1,
  ],
  "one that is starting": [rig("a", [], { state: "starting", judged: false, wanted: null }), "", 1],
  "one that is starting, of which no mail tells yet": [
    rig("a", [missingJump], { state: "starting", judged: false, wanted: null }),
    "",
    1,
  ],
  "one that is unknown and was well": [rig("a", [], { state: "unknown" }), "", 1],
  "one that is unknown and had issues": [rig("a", [missingJump], { state: "unknown" }), "trouble", 0],
  "one that book does not list": [rig("a", [], extra), "extra", 2],
  "one with issues that book does not list": [rig("a", [missingJump], extra), "trouble extra", 0],
};
for (const [name, [view, tags, rank]] of Object.entries(kinds)) {
  Deno.test(`what needs attention: ${name}`, () => {
    assert.equal(tagsOf(view, lab([view])).join(" "), tags);
    assert.equal(rankOf(view, lab([view])), rank);
  });
}

Deno.test("before book has answered once, what it does not offer is no trouble", () => {
  const view = rig("a", [], off);
  const { book, atMs } = lab([view]);

  assert.deepEqual(tagsOf(view, { book: { ...book, lastSuccessMs: null }, atMs }), ["unavailable"]);
});

Deno.test("every choice says how many it has", () => {
  const views = Object.values(kinds).map(([view]) => view);

  assert.deepEqual(countsOf(lab(views)), { all: 15, trouble: 7, unavailable: 7, held: 2, extra: 2 });
});

const views = [
  rig("spin31", [], { sinceMs: agoMs(5) }),
  rig("pend01", [], { sinceMs: agoMs(90) }),
  rig("turn04", [missingJump], { sinceMs: agoMs(60) }),
  rig("pend00", [unhealthy("pend00-st-video")], { sinceMs: agoMs(70) }),
  rig("gyro07", [], { state: "starting", judged: false, sinceMs: agoMs(5) }),
];
const orders: Record<PageOrder, string> = {
  trouble: "pend00 turn04 gyro07 pend01 spin31",
  name: "gyro07 pend00 pend01 spin31 turn04",
  since: "gyro07 spin31 turn04 pend00 pend01",
};
for (const [order, want] of Object.entries(orders)) {
  Deno.test(`the order "${order}"`, () => {
    assert.equal(ordered(lab(views), order as PageOrder).map(({ name }) => name).join(" "), want);
  });
}

const searches: Record<string, [address: string, found: string]> = {
  "nothing asked for finds all": ["", "spin31 pend01 turn04 pend00 gyro07"],
  "part of a name, in any case": ["q=PEND", "pend01 pend00"],
  "what is wrong": ["q=missing jump", "turn04"],
  "a stream": ["q=spin31-st-v", "spin31"],
  "a resource": ["q=r-gyro", "gyro07"],
  "a state": ["q=starting", "gyro07"],
  "what there is not": ["q=nothing", ""],
  "a filter": ["show=trouble", "turn04 pend00"],
  "a filter and a search": ["show=trouble&q=pend", "pend00"],
};
for (const [name, [address, found]] of Object.entries(searches)) {
  Deno.test(`what is shown: ${name}`, () => {
    const query: PageQuery = readQuery(new URLSearchParams(address));

    const shown = views.filter((view) => isShown(view, lab(views), query));

    assert.equal(shown.map(({ name }) => name).join(" "), found);
  });
}

Deno.test("why a person holds it can be searched for", () => {
  assert.match(searchText(rig("a", [], { held: "New ARM" })), /held new arm$/);
});
