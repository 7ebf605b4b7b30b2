import assert from "node:assert/strict";
import { createListChannel } from "../src/live_updates.ts";
import { pageTexts } from "../src/page.tsx";
import { renderRow } from "../src/page_list.tsx";
import { linkTo, type PageWindow, readQuery, restMin, rowsMax } from "../src/page_model.ts";
import type { ExperimentView, Snapshot } from "../src/snapshot.ts";
import { elementsOf } from "./support/html.ts";
import { agoMs, missing, missingJump, missingRequired, nowMs, unhealthy } from "./support/letters.ts";
import { eventsIn, LiveLab } from "./support/live_lab.ts";
import { connection, lab, lost, renderPage, rig, stream } from "./support/page_lab.ts";
import { seenBy } from "./support/seen.ts";

function rowOf(view: ExperimentView, given: Partial<Snapshot> = {}, window: PageWindow = "24h") {
  return elementsOf(renderRow(view, lab([view], given), window));
}

/** The text of what has this class or tag, spaces made one. */
function textOf(elements: ReturnType<typeof rowOf>, wanted: string): string {
  const found = elements.filter(({ tag, attributes }) =>
    tag === wanted || attributes.class?.split(" ").includes(wanted)
  );
  return found.map(({ text }) => text.replace(/\s+/g, " ").trim()).join(" | ");
}

const off = { available: false, wanted: true };
const texts: Record<string, [ExperimentView, Partial<Snapshot>, Record<string, string>]> = {
  "one that works": [rig("pend00", [], { sinceMs: agoMs(4) }), {}, {
    h3: "pend00",
    standing: "healthy for 4 min since 22 Nov, 20:27 UTC",
    book: "r-pend00: available",
    jump: "jump: connected",
    streams: "pend00-st-data sent 0.3 s ago required pend00-st-video sent 0.3 s ago required",
    issues: "",
    brief: "healthy",
    shares: "healthy 95.8 %, available 95.8 %",
  }],
  "one that is watched for an hour": [
    rig("pend00", [], { turns: [{ atMs: agoMs(60), state: "healthy", available: true }] }),
    {},
    { shares: "healthy 100 %, available 100 %, known since 22 Nov, 19:31 UTC" },
  ],
  "one that was watched till the lab's machine stood still for a while": [
    rig("pend00"),
    { runs: [{ startedMs: agoMs(2_000), aliveMs: agoMs(720) }, { startedMs: agoMs(360), aliveMs: nowMs }] },
    { shares: "healthy 100 %, available 100 % of the 75 % watched" },
  ],
  "one of which much is wrong": [
    rig("pend00", [
      missingJump,
      missingRequired("pend00-st-data"),
      missing("pend00-st-log"),
      unhealthy("pend00-st-video"),
    ], {
      ...off,
      wanted: false,
      sinceMs: agoMs(125),
      host: { verdict: "missing", seenMs: agoMs(125), ...seenBy(null) },
      streams: [
        stream("pend00-st-data", { verdict: "missing", seenMs: null, connection: null }),
        stream("pend00-st-log", { verdict: "missing", seenMs: agoMs(4), required: false }),
        stream("pend00-st-video", { verdict: "unhealthy", connection: connection({ idle: { kind: "never" } }) }),
      ],
    }),
    {},
    {
      standing: "unhealthy for 2 h 5 min since 22 Nov, 18:26 UTC",
      book: "r-pend00: unavailable",
      jump: "jump: not reported for 2 h 5 min",
      streams: "pend00-st-data not reported required pend00-st-log not reported for 4 min extra " +
        "pend00-st-video never sent anything required",
      issues: "missing jumpmissing required st-datamissing st-logunhealthy st-video",
      brief: "missing jump +3",
    },
  ],
  "one that a person holds": [rig("pend00", [], { ...off, held: "new arm" }), {}, {
    book: "r-pend00: unavailable, held by a person: new arm",
    brief: "held: new arm",
  }],
  "one that book does not offer, though it works": [rig("pend00", [], off), {}, {
    book: "r-pend00: unavailable, although all required streams are ok",
    brief: "unavailable",
  }],
  "one in a trial": [
    rig("pend00", [], {
      ...off,
      trial: "r-pend00: status server: 2026-11-22T20:31:14Z all required streams ok; " +
        "r-2: status server: 2026-11-22T20:31:14Z missing required pend00-st-data",
    }),
    {},
    {
      book: "r-pend00: unavailable. A trial, so not written: " +
        "r-pend00: all required streams ok; r-2: missing required pend00-st-data",
    },
  ],
  "one with two resources": [rig("pend00", [], { resources: ["a", "b"] }), {}, { book: "a, b: available" }],
  "one that book does not list": [rig("pend00", [], { resources: [], available: false, wanted: null }), {}, {
    book: "",
    resource: "not in book",
    shares: "healthy 95.8 %",
  }],
  "one that is starting": [rig("pend00", [], { state: "starting", judged: false, turns: [] }), {}, {
    brief: "starting",
    shares: "nothing known yet",
  }],
  "one whose relay is lost": [
    rig("pend00", [missingJump], { state: "unknown", streams: [stream("pend00-st-data", { seenMs: agoMs(3) })] }),
    { feeds: { ...lab([]).feeds, relay: lost(lab([]).feeds.relay) } },
    { streams: "pend00-st-data not known for 3 min required", issues: "last: missing jump", brief: "unknown" },
  ],
};
for (const [name, [view, given, want]] of Object.entries(texts)) {
  for (const [part, text] of Object.entries(want)) {
    Deno.test(`a row: ${name}: its ${part}`, () => assert.equal(textOf(rowOf(view, given), part), text));
  }
}

Deno.test("a row tells the client by what to find, filter and order it", () => {
  const [row] = rowOf(rig("pend 00", [missingJump], { resources: ["R-1"], sinceMs: agoMs(1) }));

  assert.equal(row?.tag, "li");
  assert.equal(row?.attributes.id, "e-pend%2000");
  assert.equal(row?.attributes["data-tags"], "trouble");
  assert.equal(row?.attributes["data-rank"], "0");
  assert.equal(row?.attributes["data-name"], "pend 00");
  assert.equal(row?.attributes["data-since"], String(agoMs(1)));
  assert.equal(row?.attributes["data-says"], "pend 00: unhealthy, missing jump");
  assert.match(row?.attributes["data-search"] ?? "", /^pend 00 r-1 pend 00-st-data .* unhealthy missing jump$/);
});

Deno.test("a row is the same in a list and on a wall, and small", () => {
  const row = renderRow(rig("pend00"), lab([rig("pend00")]), "24h");

  assert.ok(elementsOf(row).length < 60, `${elementsOf(row).length} elements`);
  assert.ok(row.length < 3_000, `${row.length} characters`);
});

Deno.test("the bar is a picture with its story in words, whose pieces lie where their time is; its last one goes on", () => {
  const view = rig("pend00");
  const elements = rowOf(view);
  const bar = elements.find(({ attributes }) => attributes.class === "bar")!.attributes;
  const rects = elements.filter(({ tag }) => tag === "rect").map(({ attributes }) => attributes);
  const x = (atMs: number) => String(Math.round((atMs - Number(bar["data-origin"])) / 1_000));

  assert.equal(bar.role, "img");
  assert.equal(
    bar["aria-label"],
    "history of pend00, 24 hours: healthy 95.8 %, available 95.8 %; healthy, available since 22 Nov, 11:31 UTC",
  );
  assert.equal(bar.viewBox, `${x(nowMs - 86_400_000)} 0 86400 1`);
  assert.deepEqual(rects, [
    { class: "healthy", x: x(nowMs - 86_400_000), width: "50400" },
    { class: "unhealthy unavailable", x: x(agoMs(600)), width: "3600" },
    { class: "healthy", x: x(agoMs(540)), width: String(540 * 60 + 86_400) },
  ]);
});

Deno.test("nothing that needs a script can be reached in a row", () => {
  assert.ok(rowOf(rig("pend00")).every(({ attributes }) => !("tabindex" in attributes)));
});

Deno.test("what of the window is not known is left empty, and the words say since when it is", () => {
  const turns = [{ atMs: agoMs(60), state: "healthy", available: true }] as const;
  const elements = rowOf(rig("pend00", [], { turns }));
  const bar = elements.find(({ attributes }) => attributes.class === "bar")!.attributes;
  const rects = elements.filter(({ tag }) => tag === "rect").map(({ attributes }) => attributes);

  assert.match(bar.viewBox ?? "", / 86400 1$/);
  assert.deepEqual(rects, [
    {
      class: "healthy",
      x: String(Math.round((agoMs(60) - Number(bar["data-origin"])) / 1_000)),
      width: String(3_600 + 86_400),
    },
  ]);
  assert.match(bar["aria-label"] ?? "", /available 100 %, known since 22 Nov, 19:31 UTC; healthy, available since/);
});

Deno.test("of one of which nothing is known the bar is empty and says so", () => {
  const elements = rowOf(rig("pend00", [], { turns: [] }));

  assert.equal(elements.filter(({ tag }) => tag === "rect").length, 0);
  assert.equal(
    elements.find(({ attributes }) => attributes.class === "bar")?.attributes["aria-label"],
    "history of pend00, 24 hours: nothing known yet",
  );
});

Deno.test("bars of one run of the program have one origin, whenever their rows come", () => {
  const [first, later] = [nowMs, nowMs + 90_000].map((atMs) => {
    return rowOf(rig("pend00"), { atMs }).find(({ attributes }) => attributes.class === "bar")!;
  });

  assert.equal(first?.attributes["data-origin"], later?.attributes["data-origin"]);
  assert.equal(parseInt(later?.attributes.viewBox ?? "") - parseInt(first?.attributes.viewBox ?? ""), 90);
});

Deno.test("a trouble of a moment has a width", () => {
  const turns = [
    { atMs: agoMs(2_000), state: "healthy", available: true },
    { atMs: agoMs(60), state: "unhealthy", available: true },
    { atMs: agoMs(60) + 50, state: "healthy", available: true },
  ] as const;
  const rects = rowOf(rig("pend00", [], { turns })).filter(({ attributes }) => attributes.class === "unhealthy");

  assert.equal(rects.find(({ tag }) => tag === "rect")?.attributes.width, "1");
});

Deno.test("the bar's window is the one asked for, and its link keeps it", () => {
  const elements = rowOf(rig("pend00"), {}, "7d");

  assert.match(elements.find(({ attributes }) => attributes.class === "bar")?.attributes.viewBox ?? "", / 604800 1$/);
  assert.equal(elements.find(({ tag }) => tag === "a")?.attributes.href, "?experiment=pend00&window=7d");
});

/*  Of a large laboratory the page lists so many and no more, and what it costs does not grow with the rest. */

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
