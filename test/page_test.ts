import assert from "node:assert/strict";
import { isKnown, pageCss } from "../src/page.tsx";
import { iconSvg } from "../src/page_history.tsx";
import { renderRow } from "../src/page_list.tsx";
import { linkTo, readQuery } from "../src/page_model.ts";
import type { ExperimentView, Snapshot } from "../src/snapshot.ts";
import { elementsOf } from "./support/html.ts";
import { agoMs, missingJump, nowMs, unhealthy } from "./support/letters.ts";
import { connection, lab, renderPage, rig, stream } from "./support/page_lab.ts";

const views = [
  rig("pend00", [unhealthy("pend00-st-video")], { sinceMs: agoMs(4), available: false, wanted: false }),
  rig("spin31", [], { available: false, held: "new arm" }),
  rig("turn04"),
  rig("test99", [], { resources: [], available: false, wanted: null }),
];

function pageOf(address = "", snapshot: Snapshot = lab(views), prefix: "" | "api/" = "api/"): string {
  return renderPage(snapshot, readQuery(new URLSearchParams(address)), { nowMs, prefix });
}

function namesOn(html: string): string {
  return elementsOf(html).flatMap(({ attributes }) => attributes["data-name"] ?? []).join(" ");
}

const names: Record<string, string> = {
  "HTML": `<img src=x onerror="alert(1)">`,
  "the end of an attribute": `"' autofocus onfocus='alert(1)`,
  "entities": "&lt;b&gt;&quot;&#x22;",
  "256 characters": "x".repeat(256),
  "256 wide characters": "界".repeat(256),
  "turns of direction": "\u202eevil\u202c \u2066x",
  "right to left": "מעבדה-12",
  "control characters": "a\u0000b\tc\nd\u001b[31m\u0085",
  "half a character": "\ud800x",
  "a path": "../../etc",
  "the words of JavaScript": "__proto__",
  "nothing that can be seen": "\u0001",
};
// deno-lint-ignore no-control-regex -- control characters are the point
const unseen = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

for (const [what, name] of Object.entries(names)) {
  const evil = rig(name, [unhealthy(`${name}-st`)], {
    resources: [name],
    held: name,
    trial: name,
    streams: [stream(`${name}-st`, { connection: connection({ userAgent: name, scopes: [name] }) })],
    events: [{
      experiment: name,
      atMs: agoMs(4),
      healthy: false,
      issues: [unhealthy(`${name}-st`)],
      jumpOk: true,
      streamOk: {},
      lastedMs: null,
    }],
  });
  for (
    const address of ["", "?view=wall", linkTo({ experiment: name }), `?q=${encodeURIComponent(name.toWellFormed())}`]
  ) {
    Deno.test(`a name of ${what} breaks nothing: ${address.slice(0, 40)}`, () => {
      const html = pageOf(address, lab([evil, rig("pend00")]));
      const elements = elementsOf(html);

      assert.ok(elements.every(({ tag }) => tag !== "img"));
      assert.ok(
        elements.every(({ attributes }) => Object.keys(attributes).every((each) => !/^on|^autofocus/.test(each))),
      );
      assert.equal(html.replaceAll("\n", "").match(unseen), null);
      assert.ok(elements.filter(({ tag }) => tag === "a").every(({ text }) => text.trim() !== ""));
    });
  }
}

const addresses = [
  "",
  "?view=wall&theme=dark",
  "?show=trouble&order=since&window=30d&q=p",
  "?experiment=pend00",
  "?experiment=no",
];
for (const address of addresses) {
  for (const prefix of ["", "api/"] as const) {
    const html = pageOf(address, lab(views), prefix);
    const elements = elementsOf(html);

    Deno.test(`the page "${prefix}${address}" asks for nothing but its own, relative`, () => {
      for (const { tag, attributes } of elements) {
        for (const name of ["href", "src", "action", "data-live"]) {
          const url = attributes[name];
          if (url === undefined) continue;
          const asset = `${prefix}(?:page\\.css|page\\.js|icon\\.svg\\?trouble=\\d+|v1/.+)`;
          assert.match(url, new RegExp(`^(?:\\?.*|#[\\w-]+|${asset})$`), `${tag} ${name}`);
        }
      }
    });
    Deno.test(`the page "${prefix}${address}" has no script and no style of its own`, () => {
      assert.ok(elements.every(({ attributes }) => !("style" in attributes)));
      assert.ok(elements.every(({ tag, text }) => tag !== "style" && (tag !== "script" || text === "")));
    });
    Deno.test(`the page "${prefix}${address}" has each id once, and what is referred to is there`, () => {
      const ids = elements.flatMap(({ attributes }) => attributes.id ?? []);
      const links = elements.flatMap(({ attributes }) =>
        attributes.href?.startsWith("#") ? attributes.href.slice(1) : []
      );
      const others = elements.flatMap(({ attributes }) => [attributes["aria-labelledby"], attributes.for]);
      const wanted = [...links, ...others].filter((each) => each !== undefined);

      assert.equal(new Set(ids).size, ids.length);
      assert.deepEqual(wanted.filter((id) => !ids.includes(id)), []);
    });
    Deno.test(`the page "${prefix}${address}" has headings in order, and landmarks`, () => {
      const levels = elements.filter(({ tag }) => /^h\d$/.test(tag)).map(({ tag }) => Number(tag[1]));

      assert.equal(levels.filter((level) => level === 1).length, 1);
      assert.ok(levels.every((level, at) => at === 0 ? level === 1 : level <= levels[at - 1]! + 1), levels.join(" "));
      for (const landmark of ["header", "main", "footer"]) {
        assert.equal(elements.filter(({ tag }) => tag === landmark).length, 1, landmark);
      }
    });
  }
}

Deno.test("the document tells the client where to listen, and up to where it shows everything", () => {
  const body = (address: string) => elementsOf(pageOf(address)).find(({ tag }) => tag === "body")?.attributes ?? {};
  const { startedMs } = lab(views);

  assert.equal(body("")["data-live"], "api/v1/live?page=list&window=24h");
  assert.equal(body("?window=7d")["data-live"], "api/v1/live?page=list&window=7d");
  assert.equal(
    body("?experiment=a%26b&window=7d")["data-live"],
    "api/v1/live?page=experiment&experiment=a%26b&window=7d",
  );
  assert.equal(body("")["data-revision"], `${startedMs}-1`);
});

Deno.test("the tab says how many are in trouble, in its title and in its icon", () => {
  const elements = elementsOf(pageOf());

  assert.equal(elements.find(({ tag }) => tag === "title")?.text, "(1) status: 1 of 4 experiments needs attention");
  assert.equal(elements.find(({ attributes }) => attributes.id === "icon")?.attributes.href, "api/icon.svg?trouble=1");
});

Deno.test("without JavaScript the page says when it was true", () => {
  const freshness = elementsOf(pageOf()).find(({ attributes }) => attributes.id === "freshness");

  assert.equal(freshness?.attributes["data-state"], "static");
  assert.equal(freshness?.text, "as of 22 Nov 2026, 20:31:14 UTC; reload for newer");
});

const lists: Record<string, [address: string, names: string]> = {
  "all, those in trouble first": ["", "pend00 spin31 test99 turn04"],
  "those that a person holds": ["show=held", "spin31"],
  "those that book does not list": ["show=extra", "test99"],
  "by name": ["order=name", "pend00 spin31 test99 turn04"],
  "those found": ["q=TURN", "turn04"],
};
for (const [what, [address, names]] of Object.entries(lists)) {
  Deno.test(`the list: ${what}`, () => assert.equal(namesOn(pageOf(address)), names));
}

Deno.test("the form has what was asked for, and how many each choice would show", () => {
  const html = pageOf("q=p%22&show=held&order=since&window=7d&view=wall&theme=dark");
  const chosen = [...html.matchAll(/<option value="(\w+)" selected/g)].map(([, value]) => value);
  const shown = /<input type="radio" name="show" value="(\w+)" checked/.exec(html)?.[1];
  const counts = elementsOf(html).flatMap(({ attributes, text }) =>
    attributes["data-count"] ? [`${attributes["data-count"]} ${text}`] : []
  );

  assert.deepEqual(chosen, ["since", "7d", "wall", "dark"]);
  assert.equal(shown, "held");
  assert.equal(elementsOf(html).find(({ attributes }) => attributes.id === "q")?.attributes.value, 'p"');
  assert.deepEqual(counts, ["all 4", "trouble 1", "unavailable 2", "held 1", "extra 1"]);
});

Deno.test("what was chosen stays on the way to an experiment and back", () => {
  const choice = "q=p&show=unavailable&order=since&window=7d&view=wall&theme=dark";
  const link = elementsOf(pageOf(choice)).find(({ tag, text }) => tag === "a" && text === "pend00")?.attributes.href;
  const rowLink = elementsOf(pageOf(choice)).filter(({ tag, text }) => tag === "a" && text === "pend00").at(-1)
    ?.attributes.href;
  const back = elementsOf(pageOf(rowLink)).find(({ text, tag }) => tag === "a" && text === "All experiments");

  assert.equal(link, "?experiment=pend00");
  assert.equal(rowLink, `?experiment=pend00&${choice}`);
  assert.equal(back?.attributes.href, `?${choice}`);
});

Deno.test("a row in the page is the row that is sent when it changes", () => {
  assert.ok(pageOf().includes(renderRow(views[0]!, lab(views), "24h")));
});

Deno.test("one experiment has its own page, with its JSON; another is said not to be", () => {
  const known = pageOf("experiment=pend00&window=7d"), unknown = pageOf("experiment=%3Cno%3E");
  const links = elementsOf(known).flatMap(({ attributes }) => attributes.href ?? []);

  assert.ok(links.includes("api/v1/experiments/events/pend00"));
  assert.ok(links.includes("api/v1/experiments/pend00/history?window=7d"));
  assert.ok(elementsOf(unknown).some(({ tag, text }) => tag === "h2" && text === "There is no experiment <no>"));
  assert.ok(isKnown(lab(views), readQuery(new URLSearchParams("experiment=pend00"))));
  assert.ok(isKnown(lab(views), readQuery(new URLSearchParams())));
  assert.ok(!isKnown(lab(views), readQuery(new URLSearchParams("experiment=%3Cno%3E"))));
});

for (const name of [".", ".."]) {
  Deno.test(`an experiment called "${name}" has a page without links to its JSON, which no browser could follow`, () => {
    const html = pageOf(linkTo({ experiment: name }), lab([rig(name)]));

    assert.ok(elementsOf(html).some(({ attributes }) => attributes.id === "experiment"));
    assert.deepEqual(elementsOf(html).filter(({ attributes }) => attributes.href?.includes("v1/experiments/")), []);
  });
}

Deno.test("the icon is an SVG document with a tick, or the number in trouble", () => {
  const texts = [0, 7, 42, 1_234, -1, NaN].map((trouble) =>
    elementsOf(iconSvg(trouble)).find(({ tag }) => tag === "text")?.text ?? "a tick"
  );

  assert.deepEqual(texts, ["a tick", "7", "42", "99+", "a tick", "a tick"]);
});

Deno.test("the stylesheet asks for nothing from anywhere, and has all that the page refers to", () => {
  assert.doesNotMatch(pageCss, /@import|url\(|@font-face/);
  for (const wanted of ["prefers-reduced-motion", "forced-colors", "@media print", ":focus-visible", "light-dark("]) {
    assert.ok(pageCss.includes(wanted), wanted);
  }
});

/*  The page of a thousand experiments is small, whatever their past. */

/** Each has stood otherwise so many times in the window, at times that no other has. */
function large(count: number, { turns: turnCount, minutes }: { turns: number; minutes: number }): ExperimentView[] {
  let chance = 1;
  const next = () => (chance = (chance * 48_271) % 2_147_483_647) / 2_147_483_647;
  return Array.from({ length: count }, (_, at) => {
    const name = `rig${String(at).padStart(4, "0")}`;
    const agos = Array.from({ length: turnCount }, () => next() * minutes).sort((a, b) => b - a);
    const turns = agos.map((ago, turn) => {
      const state = turn % 2 === 0 ? "healthy" as const : "unhealthy" as const;
      return { atMs: agoMs(ago), state, available: state === "healthy" };
    });
    const idle = { kind: "for", ms: Math.floor(next() * 9_000) } as const;
    return rig(name, at % 20 === 0 ? [missingJump] : [], {
      sinceMs: agoMs(Math.floor(next() * 10_000)),
      turns,
      streams: [stream(`${name}-st-data`, { connection: connection({ idle }) }), stream(`${name}-st-video`)],
    });
  });
}

const day = 1_440, month = 30 * day;
const sizes: Record<string, [address: string, turns: number, minutes: number, runs: number]> = {
  "a day of few troubles": ["", 5, day, 1],
  "a month of many": ["window=30d", 100, month, 1],
  "a month of many, and of a hundred restarts": ["window=30d", 100, month, 100],
  "a month of all that is kept": ["window=30d", 200, month, 100],
};
for (const [what, [address, turns, minutes, runCount]] of Object.entries(sizes)) {
  Deno.test(`the first paint of 1000 experiments is below 300 kB, compressed: ${what}`, async () => {
    const runs = Array.from({ length: runCount }, (_, at) => {
      const agoMinutes = (runCount - at) * minutes / runCount;
      return {
        startedMs: agoMs(agoMinutes),
        aliveMs: at === runCount - 1 ? nowMs : agoMs(agoMinutes - minutes / runCount + 7),
      };
    });
    const seen = lab(large(1_000, { turns, minutes }), { runs });
    const html = renderPage(seen, readQuery(new URLSearchParams(address)), { nowMs, prefix: "api/" });
    const compressed = await new Response(new Blob([html]).stream().pipeThrough(new CompressionStream("gzip"))).bytes();

    assert.equal(html.split('<li class="row').length - 1, 1_000);
    assert.ok(compressed.length < 300_000, `${compressed.length} bytes`);
  });
}
