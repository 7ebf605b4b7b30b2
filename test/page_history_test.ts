import assert from "node:assert/strict";
import type { Span } from "../src/history.ts";
import { segmentsMaxOf, segmentsOf } from "../src/page_history.tsx";
import type { SpanState } from "../src/persisted.ts";

const minute = 60_000, day = 1_440 * minute;
const max = 120;

/** Spans one after the other: minutes and state, `U` for unavailable. */
function spans(...each: readonly [minutes: number, state: SpanState, book?: "U"][]): Span[] {
  let atMs = 0;
  return each.map(([minutes, state, book]) => {
    const fromMs = atMs;
    atMs += minutes * minute;
    return { fromMs, toMs: atMs, state, available: state === "not_watched" ? null : book !== "U" };
  });
}

/** A day of which every `everyMinutes` begin with a minute of trouble. */
function flapping(everyMinutes: number): Span[] {
  const times = Array.from({ length: Math.floor(1_440 / everyMinutes) });
  return spans(
    ...times.flatMap((): [number, SpanState, "U"?][] => [[1, "unhealthy", "U"], [everyMinutes - 1, "healthy"]]),
  );
}

Deno.test("what fits is shown to the millisecond, however short", () => {
  const all = spans([700, "healthy"], [0.1, "unhealthy"], [739.9, "healthy"]);

  assert.deepEqual(segmentsOf(all, max), all);
});

Deno.test("nothing at all is no piece", () => assert.deepEqual(segmentsOf([], max), []));

for (const everyMinutes of [2, 3, 5, 10, 20]) {
  Deno.test(`trouble every ${everyMinutes} minutes of a day: few pieces without a gap, the trouble in all of it`, () => {
    const pieces = segmentsOf(flapping(everyMinutes), max);

    assert.ok(pieces.length <= max, `${pieces.length} pieces`);
    assert.equal(pieces[0]?.fromMs, 0);
    assert.equal(pieces.at(-1)?.toMs, day);
    assert.deepEqual(pieces.slice(1).map(({ fromMs }) => fromMs), pieces.slice(0, -1).map(({ toMs }) => toMs));
    assert.ok(pieces.slice(0, -1).some(({ state, available }) => state === "unhealthy" && available === false));
    assert.ok(pieces.slice(0, -1).some(({ isLumped }) => isLumped));
  });
}

Deno.test("one short trouble among many good turns is not lost when they become fewer", () => {
  const turns = Array.from({ length: 200 }, (): [number, SpanState][] => [[3, "healthy"], [3, "starting"]]).flat();
  const all = spans(...turns, [0.5, "unhealthy", "U"], ...turns);

  const pieces = segmentsOf(all, max);

  assert.ok(pieces.length <= max);
  assert.equal(pieces.filter(({ state, available }) => state === "unhealthy" && available === false).length, 1);
});

Deno.test("how things are now is shown, however short it has been so", () => {
  const all = [...flapping(5).slice(0, -1), ...spans([0.1, "healthy"])].map((span, at, { length }) =>
    at === length - 1 ? { ...span, fromMs: day - 4 * minute, toMs: day } : span
  );

  assert.deepEqual(segmentsOf(all, max).at(-1), all.at(-1));
});

Deno.test("what is lumped together says so, and what is one span does not", () => {
  const all = spans([1_000, "healthy"], [1, "unhealthy", "U"], [1, "healthy"], [1, "unhealthy"], [437, "healthy"]);

  assert.deepEqual(segmentsOf(all, 3), [
    all[0],
    { fromMs: 1_000 * minute, toMs: 1_003 * minute, state: "unhealthy", available: false, isLumped: true },
    all[4],
  ]);
});

/** The worst of two that lie side by side is shown: what is said first is hidden by what is said next. */
const worse: [SpanState, SpanState][] = [
  ["healthy", "not_watched"],
  ["not_watched", "starting"],
  ["starting", "unknown"],
  ["unknown", "unhealthy"],
  ["not_watched", "unhealthy"],
];
for (const [less, more] of worse) {
  for (const pair of [[less, more], [more, less]] as const) {
    Deno.test(`of ${pair.join(" and ")} that are too short to be told apart, ${more} is shown`, () => {
      const all = spans([1_000, "healthy"], [1, pair[0]], [1, pair[1]], [438, "healthy"]);

      assert.deepEqual(segmentsOf(all, 3).map(({ state }) => state), ["healthy", more, "healthy"]);
    });
  }
}

const maxima: [bars: number, pieces: number][] = [[0, 120], [1, 120], [83, 120], [100, 100], [1_000, 10], [5_000, 10]];
for (const [bars, pieces] of maxima) {
  Deno.test(`of ${bars} bars each has ${pieces} pieces at most`, () => assert.equal(segmentsMaxOf(bars), pieces));
}
