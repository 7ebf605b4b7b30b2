import assert from "node:assert/strict";
import type { Snapshot } from "../src/snapshot.ts";
import { Bench, resource, rules, startMs } from "./support/bench.ts";
import { snapshot } from "./support/snapshot.ts";

function pend(changes: Partial<typeof rules> = {}, more: Parameters<typeof resource>[] = []): Bench {
  return new Bench([resource("pend00", ["st-data"]), ...more.map((each) => resource(...each))], changes);
}

const first = ({ experiments: [view] }: Snapshot) => view;

Deno.test("an experiment starts, is healthy, and is unhealthy, each since then", () => {
  const bench = pend({ startupMs: 1_000 });
  const seen = [first(snapshot(bench))];
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": 0 });
  bench.pass(1_000);
  seen.push(first(snapshot(bench)));
  bench.pass(1_000);
  bench.relay({ "pend00-st-data": "silent" });
  seen.push(first(snapshot(bench)));

  assert.deepEqual(seen.map((view) => [view?.state, view?.sinceMs]), [
    ["starting", startMs],
    ["healthy", startMs + 1_000],
    ["unhealthy", startMs + 2_000],
  ]);
  assert.deepEqual(seen.map((view) => view?.judged), [false, true, true]);
});

Deno.test("while a feed is lost every experiment is unknown, its health stays as it was, and it is counted so", () => {
  const bench = pend();
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": "silent" });
  bench.pass(20_000);
  const { counts, experiments: [view] } = snapshot(bench);
  assert.deepEqual(counts, { healthy: 0, unhealthy: 0, starting: 0, unknown: 1 });
  assert.deepEqual([view?.state, view?.sinceMs, view?.healthy], ["unknown", startMs + 15_000, false]);
  assert.deepEqual(view?.issues, [{ code: "unhealthy", topic: "pend00-st-data" }]);
});

Deno.test("with HEALTH_FEED_LOSS=unavailable a lost relay makes experiments unhealthy, not unknown", () => {
  const bench = pend({ feedLoss: "unavailable" });
  bench.relay({ "pend00-st-data": 0 });
  for (let passed = 0; passed < 20_000; passed += 5_000) bench.jump(["pend00"]), bench.pass(5_000);
  assert.equal(first(snapshot(bench))?.state, "unhealthy");
});

Deno.test("an experiment is available if book said so of all its resources, and held if a person took one off", () => {
  const bench = pend({}, [["pend00", ["st-data"], "r-other"]]);
  const views = [
    snapshot(bench),
    snapshot(bench, { "r-pend00": { available: true } }),
    snapshot(bench, { "r-pend00": { available: true }, "r-other": { available: true } }),
    snapshot(bench, {
      "r-pend00": { available: true },
      "r-other": { available: false, reason: "unavailable because being repaired" },
    }),
  ].map(first);
  assert.deepEqual(views.map((view) => view?.available), [false, false, true, false]);
  assert.deepEqual(views.map((view) => view?.held), [null, null, null, "being repaired"]);
  assert.deepEqual(views[0]?.resources, ["r-other", "r-pend00"]);
});

Deno.test("what is wanted is what the rule wants of all its resources, and nothing while that is undecided", () => {
  const both: Parameters<typeof resource>[] = [["pend00", ["st-data", "st-video"], "r-other"]];
  const wantedOf = (bench: Bench) => first(snapshot(bench))?.wanted;
  const bench = pend({}, both);
  const wanted = [wantedOf(bench)];
  bench.relay({ "pend00-st-data": 0, "pend00-st-video": 0 });
  wanted.push(wantedOf(bench));
  bench.relay({ "pend00-st-data": 0, "pend00-st-video": "silent" });
  wanted.push(wantedOf(bench));
  const extra = new Bench([]);
  extra.relay({ "pend00-st-data": 0 });

  assert.deepEqual(wanted, [null, true, false]);
  assert.equal(wantedOf(extra), null);
});

Deno.test("with BOOK_WRITES=off it shows what would be written", () => {
  const bench = pend();
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": "silent" });
  const trial = { rules: { health: rules, availability: { holds: "respect", writes: false } } } as const;
  assert.equal(
    first(snapshot(bench, { "r-pend00": { available: true } }, trial))?.trial,
    "r-pend00: status server: 2026-11-22T20:00:00Z unhealthy pend00-st-data",
  );
  assert.equal(
    first(snapshot(bench, { "r-pend00": { available: false, reason: "status server: x" } }, trial))?.trial,
    null,
  );
  assert.equal(first(snapshot(bench, { "r-pend00": { available: true } }))?.trial, null);
});

Deno.test("experiments are sorted by name, their streams by topic, required or not", () => {
  const bench = pend();
  bench.relay({ "pend00-st-z": 0, "pend00-st-a": 0, "alpha-st-data": 0 });
  const { experiments } = snapshot(bench);
  assert.deepEqual(experiments.map(({ name }) => name), ["alpha", "pend00"]);
  assert.deepEqual(experiments[1]?.streams.map(({ topic, required }) => [topic, required]), [
    ["pend00-st-a", false],
    ["pend00-st-data", true],
    ["pend00-st-z", false],
  ]);
});
