/** Does the bench reckon rightly, and does it measure what it says? Its arithmetic, and a moment of it. */
import assert from "node:assert/strict";
import { readArguments } from "../../scripts/bench/bench.ts";
import { connectionsIn, type Dialect, dialects, entriesIn, frameOf, topicOf } from "../../scripts/bench/feed.ts";
import {
  type Figure,
  figureOf,
  Findings,
  goalsText,
  keepsGoal,
  type Machine,
  machineText,
  merged,
  movesSince,
  movesText,
  quantile,
  sleep,
  tableOf,
} from "../../scripts/bench/figures.ts";
import { benchAnswers } from "../../scripts/bench/http.ts";
import { Core, FrameReading } from "../../scripts/bench/lab.ts";
import { Feeds, fromSource, Served, specifiersIn } from "../../scripts/bench/program.ts";
import { benchReport } from "../../scripts/bench/report.ts";
import { withFolder } from "../support/folder.ts";

const machine: Machine = { cpu: "made up", cores: 2, deno: "2.9.6" };
const figure = (more: Partial<Figure> = {}): Figure => ({
  ...{ part: "report", what: "reading", size: 100, unit: "×", min: 1.9, median: 2, max: 2.1, times: 5 },
  ...more,
});
const runOf = (...figures: Figure[]) => ({ machine, at: "2026-11-22T20:00:00Z", figures });

const quantiles: Record<string, [values: number[], share: number, want: number]> = {
  "of one value is that": [[7], 0.5, 7],
  "the median of three, in any order, is the middle one": [[9, 1, 4], 0.5, 4],
  "the median of four is between the middle two": [[1, 2, 4, 9], 0.5, 3],
  "none of them is below the least": [[3, 1, 2], 0, 1],
  "all of them are up to the greatest": [[3, 1, 2], 1, 3],
  "99 of 100 are below what is between the last two": [Array.from({ length: 101 }, (_, at) => at), 0.99, 99],
};
for (const [name, [values, share, want]] of Object.entries(quantiles)) {
  Deno.test(`quantile: ${name}`, () => assert.equal(quantile(values, share), want));
}

Deno.test("a figure has the least, the median and the greatest of what was measured, and how often that was", () => {
  assert.deepEqual(
    figureOf("way", { what: "to the mail", unit: "ms", size: 10, atMost: 100 }, [30, 10, 20.00004]),
    {
      ...{ part: "way", what: "to the mail", unit: "ms", size: 10, atMost: 100 },
      ...{ min: 10, median: 20, max: 30, times: 3 },
    },
  );
});

for (const [name, values] of Object.entries({ "nothing": [], "what is no number": [1, NaN], "no end": [Infinity] })) {
  Deno.test(`a figure of ${name} is refused`, () => {
    assert.throws(() => figureOf("way", { what: "to the mail", unit: "ms" }, values), TypeError);
  });
}

Deno.test("a goal is kept up to its bound, and where there is none", () => {
  const kept = [figure({ atMost: 2 }), figure({ atMost: 1.99 }), figure()].map(keepsGoal);

  assert.deepEqual(kept, [true, false, true]);
});

Deno.test("a goal that is for each value is missed where one is above it, whatever the median", () => {
  const slowest = figureOf("load", { what: "/healthz, the slowest", unit: "ms", atMost: 100, by: "max" }, [
    12,
    60,
    900,
  ]);

  assert.equal(keepsGoal(slowest), false);
  assert.equal(keepsGoal({ ...slowest, atMost: 900 }), true);
  assert.equal(
    goalsText([slowest]),
    "0 of 1 goals kept; missed:\n  load: /healthz, the slowest: 900 ms, and each ≤ 100 is the goal",
  );
  assert.match(tableOf([slowest]), /60 ms +12 +900 +3 +each ≤ 100 MISSED$/);
});

const moves: Record<string, [before: Partial<Figure>, now: Partial<Figure>, by: number | null]> = {
  "what shares some of its range has not moved": [{}, { min: 2.05, median: 2.5, max: 3 }, null],
  "what shares nothing has": [{}, { min: 2.2, median: 2.5, max: 3 }, 1.25],
  "what is less has moved too": [{}, { min: 1, median: 1, max: 1 }, 0.5],
  "what was measured once moves by a tenth unnoticed": [
    { min: 100, median: 100, max: 100 },
    { min: 110, median: 110, max: 110 },
    null,
  ],
  "and not by an eighth": [{ min: 80, median: 80, max: 80 }, { min: 90, median: 90, max: 90 }, 1.125],
  "what was of another size is another thing": [{ size: 1_000 }, { min: 9, median: 9, max: 9 }, null],
};
for (const [name, [before, now, by]] of Object.entries(moves)) {
  Deno.test(`moves: ${name}`, () => {
    const found = movesSince(runOf(figure(before)), runOf(figure(now)));

    assert.deepEqual(found.map((move) => move.by), by === null ? [] : [by]);
  });
}

Deno.test("of two machines only ratios are compared", () => {
  const slower = { min: 9, median: 9, max: 9 };
  const before = runOf(figure(), figure({ what: "starting", unit: "ms" }));
  const now = {
    ...runOf(figure(slower), figure({ what: "starting", unit: "ms", ...slower })),
    machine: { ...machine, cores: 8 },
  };

  assert.deepEqual(movesSince(before, now).map(({ figure }) => figure.what), ["reading"]);
});

Deno.test("a part that was left out keeps the figures that it had, with when they were measured", () => {
  const [way, old, fresh] = [figure({ part: "way" }), figure(), figure({ median: 1.95 })];
  const next = { ...runOf(fresh), at: "2026-11-23T20:00:00Z" };
  const last = { ...runOf(figure({ part: "store" })), at: "2026-11-24T20:00:00Z" };
  const both = merged(runOf(way, old, figure({ what: "gone" })), next);

  assert.deepEqual(both, { ...next, figures: [{ ...way, at: "2026-11-22T20:00:00Z" }, fresh] });
  assert.deepEqual(merged(both, last).figures.map(({ at }) => at), ["2026-11-22T20:00:00Z", next.at, undefined]);
});

const elsewhere: Record<string, Partial<Machine>> = {
  "another processor": { cpu: "another" },
  "fewer cores": { cores: 1 },
  "another Deno": { deno: "2.6.8" },
};
for (const [name, other] of Object.entries(elsewhere)) {
  Deno.test(`what was measured with ${name} is not kept as if it were of this run`, () => {
    const before = { ...runOf(figure({ part: "way" }), figure()), machine: { ...machine, ...other } };

    assert.throws(() => merged(before, runOf(figure())), /^TypeError: Cannot keep way beside this run/);
    assert.deepEqual(merged(before, runOf(figure(), figure({ part: "way" }))).machine, machine);
  });
}

Deno.test("the table shows what was measured, the goal and the Go program's figure", () => {
  const figures = [
    figure({ atMost: 1.5 }),
    figure({ what: "CPU", size: 10_000, unit: "ms", min: 100.4, median: 120, max: 1234.5, go: 480, atMost: 120 }),
    figure({ what: "the file", size: null, unit: "MB", times: 1 }),
  ];

  assert.equal(
    tableOf(figures),
    [
      "what      experiments  median  min   max  times          goal   Go program",
      "reading           100     × 2  1.9   2.1      5  ≤ 1.5 MISSED",
      "CPU            10,000  120 ms  100  1235      5    ≤ 120 kept  480: × 0.25",
      "the file                 2 MB  1.9   2.1      1",
    ].join("\n"),
  );
});

Deno.test("what is missed and what has moved is said in a line each", () => {
  const now = figure({ min: 3.9, median: 4, max: 4.1, atMost: 1.5 });

  assert.equal(
    goalsText([now, figure({ atMost: 2 }), figure()]),
    "1 of 2 goals kept; missed:\n  report: reading (100): × 4, and ≤ 1.5 is the goal",
  );
  assert.equal(
    movesText(movesSince(runOf(figure()), runOf(now))),
    "Moved beyond the spread since the kept figures:\n  report: reading (100): × 2 → × 4 (× 2)",
  );
  assert.match(movesText([]), /^Nothing has moved/);
  assert.match(machineText(machine), /^made up, 2 cores, Deno 2\.9\.6\./);
});

Deno.test("a moment of the bench measures reports of each dialect, and up to the event", async () => {
  await withFolder(async (folder) => {
    const figures = await benchReport({ sizes: [10], full: false, binaries: [], folder });

    const whats = figures.map(({ what }) => what.replace(/[,:].*/, ""));
    assert.deepEqual(new Set(whats), new Set(["jump", "relay", "relay without statistics"]));
    assert.ok(figures.every(({ size, min }) => size === 10 && min > 0));
    assert.equal(figures.filter(({ what }) => what.includes("to the recorded event")).length, 6);
  });
});

Deno.test("a moment of the bench asks for each answer after a change that there was", async () => {
  await withFolder(async (folder) => {
    const findings = new Findings("http");
    await benchAnswers(10, { full: false, folder }, findings); // which throws where nothing has changed

    const changed = findings.figures.filter(({ what }) => what.endsWith("CPU after a change"));
    assert.deepEqual(changed.map(({ what, times }) => [what.split(":")[0], times]), [
      ["GET /api/v1/experiments", 4],
      ["GET /api/", 4],
      ["GET /metrics", 4],
    ]);
  });
});

Deno.test("the real program on the feeds of the bench finds all its experiments well", async () => {
  await withFolder(async (folder) => {
    await using feeds = await Feeds.start(10, 200);
    await using program = Served.program(fromSource, feeds.env, folder);
    await program.answers("/readyz");
    const healthy = async () => {
      const answer = await fetch(`http://127.0.0.1:${program.port}/api/v1/status`);
      return (await answer.json() as { counts: { healthy: number } }).counts.healthy;
    };

    while (await healthy() < 10 && !program.process.hasEnded) await sleep(20);

    assert.equal(await healthy(), 10);
    assert.ok(await program.cpuMs() > 0);
    const { now, own, peak } = await program.memory();
    assert.ok(0 < own && own < now && now <= peak, `${own} MB of its own, ${now} MB, ${peak} MB at its peak`);
  });
});

Deno.test("a library is what the sources import of it, but for types", () => {
  const text = `import { Hono } from "hono";
import type { Context } from "hono/context";
import {
  a,
} from "hono/compress";
import { z } from "@hono/zod-openapi";
import process from "node:process";
import { b } from "./own.ts";
export { c } from "prom-client/lib/counter.js";
const late = await import("nodemailer/lib/smtp-connection");`;

  assert.deepEqual(Object.fromEntries(specifiersIn([text, text])), {
    "@hono/zod-openapi": ["@hono/zod-openapi"],
    "hono": ["hono", "hono/compress"],
    "node:process": ["node:process"],
    "nodemailer": ["nodemailer/lib/smtp-connection"],
    "prom-client": ["prom-client/lib/counter.js"],
  });
});

const refused: Record<string, string[]> = {
  "a part that is none": ["--only", "reports"],
  "a size that is none": ["--sizes", "100,many"],
  "a size that is too small to have half of it": ["--sizes", "1"],
  "an executable without its bare server": ["--binary", "build/status"],
  "an option that is none": ["--fast"],
};
for (const [name, args] of Object.entries(refused)) {
  Deno.test(`the bench refuses ${name}`, () => assert.throws(() => readArguments(args), TypeError));
}

Deno.test("the bench does everything at all sizes unless it is told", () => {
  assert.deepEqual(readArguments([]).sizes, [100, 1_000, 10_000]);
  assert.deepEqual(readArguments(["--only", "way", "--only", "http", "--sizes", "50"]), {
    ...{ only: ["way", "http"], sizes: [50], full: false, json: null, commit: false, binaries: [] },
  });
});

/*  The made-up reports of the bench: are they what jump and relay would write, and are they read whole? */

// As protocol and recordings have them.
const fields: Record<Dialect, string> = {
  jump: "can_read can_write connected_at expires_at remote_address scopes statistcs topic user_agent",
  relay: "canRead canWrite connected expiresAt remoteAddr scopes stats topic userAgent",
  bare: "canRead canWrite connected expiresAt remoteAddr scopes topic userAgent",
};
for (const dialect of dialects) {
  Deno.test(`a made-up frame (${dialect}) is read whole, and names every experiment`, () => {
    const wish = { dialect, experiments: 101, turn: 0 };
    const reading = new FrameReading(dialect);

    const { connections, entries, skipped, generation } = reading.report(reading.read(frameOf(wish)), 0);

    assert.deepEqual(
      { size: connections.size, entries, skipped, generation },
      {
        ...{ size: connectionsIn(wish), entries: entriesIn(wish), skipped: 0 },
        generation: dialect === "relay" ? "measured" : "unmeasured",
      },
    );
    assert.ok(connections.has(dialect === "jump" ? "pend100" : topicOf(201)));
  });

  Deno.test(`the entries of a made-up frame (${dialect}) have the service's fields, in its order`, () => {
    const entries: object[] = JSON.parse(frameOf({ dialect, experiments: 3, turn: 0 }));

    assert.deepEqual(new Set(entries.map((entry) => Object.keys(entry).join(" "))), new Set([fields[dialect]]));
  });

  Deno.test(`two made-up frames in turn (${dialect}) name the same in another order, and a wish has one frame`, () => {
    const [one, other, same] = [1, 2, 1].map((turn) => frameOf({ dialect, experiments: 50, turn }));

    assert.equal(one, same);
    assert.notDeepEqual(topicsIn(one), topicsIn(other));
    assert.deepEqual(topicsIn(one).toSorted(), topicsIn(other).toSorted());
  });

  Deno.test(`most entries of a made-up frame (${dialect}) come after the same as in the last, unless it is shuffled`, () => {
    const kept = (isShuffled: boolean) => {
      const [one, other] = [1, 2].map((turn) => followersIn(frameOf({ dialect, experiments: 500, turn, isShuffled })));
      return one!.intersection(other!).size / one!.size;
    };

    assert.ok(kept(false) > 0.7, `${kept(false)}`);
    assert.ok(kept(true) < 0.1, `${kept(true)}`);
  });
}

function topicsIn(frame = ""): string[] {
  return (JSON.parse(frame) as { topic: string }[]).map(({ topic }) => topic);
}

/** Each topic with the one after it. */
function followersIn(frame: string): Set<string> {
  const topics = topicsIn(frame);
  return new Set(topics.slice(1).map((topic, at) => `${topics[at]} ${topic}`));
}

Deno.test("the core on the bench calls all well, and as many streams ill as were asked for", () => {
  const core = new Core(10), reading = new FrameReading("relay"), jump = new FrameReading("jump");
  const relay = (turn: number, bad: number) =>
    core.report(
      reading.report(reading.read(frameOf({ dialect: "relay", experiments: 10, turn, bad })), core.nowMs),
    );
  core.report(jump.report(jump.read(frameOf({ dialect: "jump", experiments: 10, turn: 0 })), core.nowMs));

  assert.deepEqual([relay(0, 0), relay(1, 0), relay(2, 6), relay(3, 20), relay(0, 0)], [10, 0, 3, 7, 10]);
});
