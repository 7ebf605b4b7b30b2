import assert from "node:assert/strict";
import { renderRow } from "../src/page_list.tsx";
import type { PageWindow } from "../src/page_model.ts";
import type { ExperimentView, Snapshot } from "../src/snapshot.ts";
import { elementsOf } from "./support/html.ts";
import { agoMs, missing, missingJump, missingRequired, nowMs, unhealthy } from "./support/letters.ts";
import { connection, lab, lost, rig, stream } from "./support/page_lab.ts";
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
