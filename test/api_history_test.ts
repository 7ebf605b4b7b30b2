import assert from "node:assert/strict";
import { historyJson, historyQuery, historyTurnsMax, historyWindow } from "../src/api.ts";
import { parseDuration } from "../src/duration.ts";
import { runsMax } from "../src/persisted.ts";
import { turn } from "./support/store_samples.ts";

const nowMs = Date.UTC(2026, 10, 22, 12);
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const windows: Record<string, [text: string, wantMs: number | null]> = {
  "nothing": ["", null],
  "a day": ["24h", dayMs],
  "a week": ["7d", 7 * dayMs],
  "several units": ["1h30m", 1.5 * hourMs],
  "a part of one": ["1.5h", 1.5 * hourMs],
  "seconds": ["3600s", hourMs],
  "less than one": ["0.5h", hourMs / 2],
  "the longest": ["999.999d999.999d999.999d", 2_999.997 * dayMs],
  "no time": ["0", null],
  "backwards": ["-1h", null],
  "no unit": ["24", null],
  "longer than any setting": ["99999d", null],
  "other words": ["yesterday", null],
};
for (const [name, [text, wantMs]] of Object.entries(windows)) {
  Deno.test(`the window that is asked for: ${name}`, () => {
    const { data } = historyQuery.safeParse({ window: text });
    assert.equal(data ? parseDuration(data.window) : null, wantMs);
  });
}

Deno.test("the window ends now, and reaches no further back than history is kept", () => {
  const times = { keepMs: 30 * dayMs, nowMs };
  assert.deepEqual(historyWindow({ windowMs: dayMs, ...times }), { fromMs: nowMs - dayMs, toMs: nowMs });
  assert.deepEqual(historyWindow({ windowMs: 90 * dayMs, ...times }), { fromMs: nowMs - 30 * dayMs, toMs: nowMs });
});

const day = { fromMs: nowMs - dayMs, toMs: nowMs };
const runs = [{ startedMs: nowMs - 12 * hourMs, aliveMs: nowMs }];

Deno.test("a history is what there was in the window, with times as the rest of the API has them", () => {
  const stored = [turn(nowMs - 12 * hourMs, "healthy"), turn(nowMs - 3 * hourMs + 120, "unhealthy", false)];
  assert.deepEqual(historyJson("pend00", { stored, recent: stored, runs }, day), {
    topic_name: "pend00",
    from: "2026-11-21T12:00:00Z",
    to: "2026-11-22T12:00:00Z",
    shares: {
      watched: 0.5,
      known: 0.5,
      healthy: (9 * hourMs + 120) / dayMs,
      available: (9 * hourMs + 120) / dayMs,
    },
    spans: [
      { from: "2026-11-21T12:00:00Z", to: "2026-11-22T00:00:00Z", state: "not_watched", available: null },
      { from: "2026-11-22T00:00:00Z", to: "2026-11-22T09:00:00.120Z", state: "healthy", available: true },
      { from: "2026-11-22T09:00:00.120Z", to: "2026-11-22T12:00:00Z", state: "unhealthy", available: false },
    ],
  });
});

Deno.test("an experiment of which nothing is known was not watched", () => {
  const { shares, spans } = historyJson("pend00", { stored: [], recent: [], runs: [] }, day);
  assert.deepEqual(shares, { watched: 0, known: 0, healthy: 0, available: 0 });
  assert.deepEqual(spans.map(({ state }) => state), ["not_watched"]);
});

Deno.test("what is not in the store yet is told from what the monitor has, and no turn twice", () => {
  const [old, both, since] = [
    turn(nowMs - 9 * hourMs, "starting", false),
    turn(nowMs - 6 * hourMs, "healthy"),
    turn(nowMs - 3 * hourMs, "unhealthy"),
  ] as const;
  const { spans } = historyJson("pend00", { stored: [old, both], recent: [both, since], runs }, day);
  assert.deepEqual(spans.map(({ state }) => state), ["not_watched", "starting", "healthy", "unhealthy"]);
});

Deno.test("of more turns than are read at once it begins with the first of those: before it nothing is known", () => {
  const stored = Array.from({ length: historyTurnsMax }, (_, number) => {
    return turn(nowMs - hourMs + number, number % 2 === 0 ? "healthy" : "unhealthy");
  });
  const history = historyJson("pend00", { stored, recent: stored.slice(-500), runs }, day);
  assert.deepEqual([history.from, history.spans[0]?.from], ["2026-11-22T11:00:00Z", "2026-11-22T11:00:00Z"]);
  assert.equal(history.shares.watched, 1);
});

Deno.test("of more runs than are kept it begins with the first of those", () => {
  const many = Array.from({ length: runsMax }, (_, number) => {
    return { startedMs: nowMs - hourMs + number, aliveMs: nowMs - hourMs + number };
  });
  const history = historyJson("pend00", { stored: [], recent: [], runs: many }, day);
  assert.equal(history.from, "2026-11-22T11:00:00Z");
});
