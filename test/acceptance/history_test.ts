/** What the past was is still known after a restart, and when nobody watched: played by the real program. */
import assert from "node:assert/strict";
import type { HistoryJson } from "../../src/api_schema.ts";
import { Station } from "../support/station.ts";

type Span = HistoryJson["spans"][number];

async function spansOf(station: Station): Promise<readonly Span[]> {
  return (await station.json<HistoryJson>("/api/v1/experiments/pend00/history?window=1h")).spans;
}

/** How it stood one after the other; what is only starting, or unknown as a busy machine connects late, is left out. */
function story(spans: readonly Span[]): string[] {
  const told = spans.filter(({ state }) => state !== "starting" && state !== "unknown").map(({ state }) => state);
  return told.filter((state, at) => state !== told[at - 1]);
}

function isAt(span: Span | undefined, state: Span["state"], available: boolean): boolean {
  return span?.state === state && span.available === available;
}

/** pend00 was well and available, a camera hangs, and book has been told. */
async function withBadCamera(): Promise<Station> {
  const station = await Station.watching();
  await station.until(async () => isAt((await spansOf(station)).at(-1), "healthy", true), "pend00 to be healthy");
  station.world.stream("pend00-st-video").stall();
  await station.until(async () => isAt((await spansOf(station)).at(-1), "unhealthy", false), "pend00 to be taken off");
  return station;
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  Deno.test(`after a restart by ${signal} the history is as it was, and the time in between was not watched`, async () => {
    await using station = await withBadCamera();
    const before = await spansOf(station);
    const endMs = Date.now();
    await station.end(signal);
    const endedMs = Date.now();
    station.world.stream("pend00-st-video").resume();
    await station.start();
    await station.until(async () => isAt((await spansOf(station)).at(-1), "healthy", true), "pend00 to be put back");

    const spans = await spansOf(station);
    assert.deepEqual(story(spans), ["not_watched", "healthy", "unhealthy", "not_watched", "healthy"]);
    const known = before.slice(1, -1);
    assert.deepEqual(spans.slice(1, 1 + known.length), known);

    const gap = spans.findLast(({ state }) => state === "not_watched");
    const [fromMs, toMs] = [Date.parse(gap?.from ?? ""), Date.parse(gap?.to ?? "")];
    assert.equal(gap?.available, null);
    assert.ok(fromMs <= endedMs && toMs >= endedMs);
    assert.ok(signal === "SIGKILL" || fromMs >= endMs);
    // Until it is judged, what book last said holds.
    assert.equal(spans.find(({ from }) => Date.parse(from) === toMs)?.available, false);
  });
}

Deno.test("the shares of a history are of the time in which it was watched", async () => {
  await using station = await withBadCamera();
  const { shares, spans, from, to } = await station.json<HistoryJson>("/api/v1/experiments/pend00/history?window=5m");
  assert.deepEqual([spans[0]?.from, spans.at(-1)?.to], [from, to]);
  assert.equal(Date.parse(to) - Date.parse(from), 300_000);
  assert.ok(shares.watched > 0 && shares.watched < 0.9);
  for (const share of [shares.healthy, shares.available]) assert.ok(share !== null && share > 0 && share < 1);
});

Deno.test("started while book is down, it says in API and mail that an experiment is as available as book last said", async () => {
  await using station = await Station.watching();
  await station.until(async () => isAt((await spansOf(station)).at(-1), "healthy", true), "pend00 to be healthy");
  await station.end("SIGKILL");
  await station.world.book.stop();
  await station.start();
  assert.equal((await station.experiment("pend00"))?.available, true);
  station.world.host("pend00").pull();
  await station.line("pend00 -- A   [missing jump]");
  const spans = await spansOf(station);
  const since = spans.slice(spans.findLastIndex(({ state }) => state === "not_watched") + 1);
  assert.ok(since.length > 0 && since.every(({ available }) => available));
});
