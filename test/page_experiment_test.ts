import assert from "node:assert/strict";
import { renderExperiment } from "../src/page_experiment.tsx";
import type { ExperimentView } from "../src/snapshot.ts";
import { elementsOf } from "./support/html.ts";
import { agoMs, event, missingJump, missingRequired, unhealthy } from "./support/letters.ts";
import { connection, lab, rig, stream } from "./support/page_lab.ts";

function elements(view: ExperimentView) {
  return elementsOf(renderExperiment(view, lab([view]), "24h"));
}

/** The texts of a table's cells, row by row. */
function tableOf(view: ExperimentView, name: string): string[] {
  const html = renderExperiment(view, lab([view]), "24h");
  const table = new RegExp(`<table class="${name}">.*?</table>`, "s").exec(html)?.[0] ?? "<p></p>";
  const rows = [...table.matchAll(/<tr>.*?<\/tr>/gs)].slice(1);
  return rows.map(([row]) =>
    elementsOf(row).filter(({ tag }) => tag === "td" || tag === "th").map(({ text }) =>
      text.replace(/\s+/g, " ").trim()
    ).join(" | ")
  );
}

Deno.test("events come newest first, each with how long that state lasted", () => {
  const view = rig("pend00", [missingJump], {
    events: [
      event("pend00", [], { atMs: agoMs(600) }),
      event("pend00", [missingRequired("pend00-st-data"), unhealthy("pend00-st-video")], { atMs: agoMs(120) }),
      event("pend00", [], { atMs: agoMs(115) }),
      event("pend00", [missingJump], { atMs: agoMs(4) }),
    ],
  });

  assert.deepEqual(tableOf(view, "events"), [
    "missing jump | 22 Nov 2026, 20:27:14 UTC | 4 min so far",
    "ok | 22 Nov 2026, 18:36:14 UTC | 1 h 51 min",
    "missing required pend00-st-data, unhealthy pend00-st-video | 22 Nov 2026, 18:31:14 UTC | 5 min",
    "ok | 22 Nov 2026, 10:31:14 UTC | 8 h",
  ]);
});

Deno.test("one without events says so", () => {
  assert.ok(elements(rig("pend00")).some(({ tag, text }) => tag === "p" && text === "None yet."));
});

Deno.test("the last report of jump and of each stream is told, and no network address", () => {
  const view = rig("pend00", [], {
    streams: [
      stream("pend00-st-data"),
      stream("pend00-st-log", { required: false, connection: null, seenMs: null, verdict: "missing" }),
      stream("pend00-st-video", {
        connection: connection({ stats: null, userAgent: "", connected: "0001-01-01T00:00:00Z" }),
      }),
      stream("pend00-st-wide", {
        connection: connection({ stats: null }),
        probe: { atMs: agoMs(2), heard: true, sinceMs: agoMs(60) },
      }),
    ],
  });

  assert.deepEqual(tableOf(view, "reports"), [
    "jump | connected | login | 22 Nov 2026, 20:31:14 UTC | 22 Nov 2026, 08:00:00 UTC | not said | not said | " +
    "read, write, expt | Go-http-client/1.1",
    "pend00-st-data | sent 0.3 s ago | required | 22 Nov 2026, 20:31:14 UTC | 22 Nov 2026, 08:00:00 UTC | 300ms | " +
    "1204 B × 24.9/s | read, write, expt | Go-http-client/1.1",
    "pend00-st-log | not reported | extra | never | nothing known in this run",
    "pend00-st-video | connected; relay gives no statistics | required | 22 Nov 2026, 20:31:14 UTC | not said | not said | " +
    "not said | read, write, expt | not said",
    "pend00-st-wide | connected, and heard | required | 22 Nov 2026, 20:31:14 UTC | 22 Nov 2026, 08:00:00 UTC | " +
    "heard 22 Nov 2026, 20:29:14 UTC | not said | read, write, expt | Go-http-client/1.1",
  ]);
  assert.doesNotMatch(renderExperiment(view, lab([view]), "24h"), /192\.0\.2\.77/);
});

Deno.test("the history is told span by span, newest first", () => {
  assert.deepEqual(tableOf(rig("pend00"), "spans"), [
    "healthy | available | 22 Nov 2026, 11:31:14 UTC | 9 h",
    "unhealthy | unavailable | 22 Nov 2026, 10:31:14 UTC | 1 h",
    "healthy | available | 21 Nov 2026, 20:31:14 UTC | 14 h",
  ]);
});

Deno.test("of a long history the newest spans are told, and that there are more", () => {
  const turns = Array.from({ length: 200 }, (_, at) => {
    return {
      atMs: agoMs(1_000 - at),
      state: at % 2 === 0 ? "healthy" as const : "unhealthy" as const,
      available: true,
    };
  });
  const view = rig("pend00", [], { turns });

  const table = tableOf(view, "spans");
  assert.equal(table.length, 50);
  assert.match(table[0] ?? "", /^unhealthy \| available \| 22 Nov 2026, 07:10:14 UTC \| 13 h 21 min$/);
  assert.match(table[49] ?? "", /^healthy \| available \| 22 Nov 2026, 06:21:14 UTC \| 1 min$/);
  assert.ok(
    elements(view).some(({ tag, text }) =>
      tag === "caption" && text ===
        "The newest 50 of 200 spans of the last 24 hours; known since 22 Nov, 03:51 UTC"
    ),
  );
});

Deno.test("since when it is watched is that of this run, and says so: a restart does not make it new", () => {
  const first = elements(rig("pend00")).find(({ attributes }) => attributes.class === "first");

  assert.equal(
    first?.text.replace(/\s+/g, " ").trim(),
    "watched in this run since 22 Nov 2026, 10:31:14 UTC, last listed by book 22 Nov 2026, 20:21:14 UTC",
  );
});

Deno.test("the client is told what to say of a change", () => {
  const [article] = elements(rig("pend00", [missingJump]));

  assert.equal(article?.attributes.id, "experiment");
  assert.equal(article?.attributes["data-says"], "pend00: unhealthy, missing jump");
});
