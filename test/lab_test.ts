import assert from "node:assert/strict";
import { extrasMax, withManifest } from "../src/lab.ts";
import { Bench, resource, startMs } from "./support/bench.ts";

const dayMs = 86_400_000;

Deno.test("an experiment that book does not list is forgotten a day after a feed last named it", () => {
  const bench = new Bench([resource("pend00", ["st-data"])]);
  bench.jump(["pend00", "spin31"]);
  bench.relay({ "spin31-st-data": 0 });
  bench.nowMs += 1_000;
  bench.jump(["pend00"]);
  bench.relay({});

  bench.nowMs = startMs + dayMs;
  assert.deepEqual(bench.forget(dayMs), []);
  bench.nowMs += 1;
  assert.deepEqual(bench.forget(dayMs), ["spin31"]);
  assert.deepEqual([...bench.lab.experiments.keys()], ["pend00"]);
});

Deno.test("a stream that is not required is forgotten a day after relay last had it, and its issue with it", () => {
  const bench = new Bench([resource("pend00", ["st-data"])]);
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": 0, "pend00-st-extra": 0 });
  bench.relay({ "pend00-st-data": 0 });
  bench.nowMs += 10_001;
  assert.deepEqual(bench.relay({ "pend00-st-data": 0 }), ["pend00: missing pend00-st-extra"]);

  bench.nowMs = startMs + dayMs + 1;
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": 0 });
  bench.forget(dayMs);
  assert.deepEqual(bench.judge(), ["pend00: ok"]);
});

Deno.test("a stream that book required until now is named by that: it is forgotten a day later, not at once", () => {
  const bench = new Bench([resource("pend00", ["st-data"])]);
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": 0 });
  bench.relay({});
  bench.nowMs += 2 * dayMs;
  bench.lab = withManifest(bench.lab, [], bench.nowMs);
  bench.forget(dayMs);
  assert.deepEqual([...bench.lab.watched], ["pend00-st-data"]);
  bench.nowMs += dayMs + 1;
  bench.forget(dayMs);
  assert.deepEqual([...bench.lab.watched], []);
});

Deno.test("an experiment that never reported is forgotten a day after it was last listed, though others are listed on", () => {
  const bench = new Bench([resource("pend00", ["st-data"]), resource("spin31", ["st-data"])]);
  bench.nowMs += 3 * dayMs;
  bench.lab = withManifest(bench.lab, bench.lab.resources, bench.nowMs);
  bench.nowMs += 60_000;
  const others = [resource("spin31", ["st-data"])];
  bench.lab = withManifest(bench.lab, others, bench.nowMs);
  assert.deepEqual(bench.forget(dayMs), []);

  bench.nowMs = startMs + 4 * dayMs;
  bench.lab = withManifest(bench.lab, others, bench.nowMs);
  assert.deepEqual(bench.forget(dayMs), []);
  bench.nowMs += 1;
  assert.deepEqual(bench.forget(dayMs), ["pend00"]);
});

Deno.test("of what is forgotten nothing is kept", () => {
  const bench = new Bench([resource("pend00", ["st-never"])]);
  bench.jump([]);
  bench.relay({ "spin31-st-data": 0 });
  bench.relay({});
  bench.lab = withManifest(bench.lab, [], bench.nowMs);
  bench.nowMs += dayMs + 60_000;
  bench.jump([]);
  bench.relay({});
  bench.nowMs += dayMs + 60_000;
  bench.forget(dayMs);
  const { experiments, watched, jump, relay } = bench.lab;
  const kept = [
    experiments,
    watched,
    ...[jump, relay].flatMap(({ departed, verdicts, streaks }) => [departed, verdicts, streaks]),
  ];
  assert.deepEqual(kept.map(({ size }) => size), [0, 0, 0, 0, 0, 0, 0, 0]);
});

Deno.test("what is beyond the limit is not looked at again in each report, and is watched when room has come", () => {
  const bench = new Bench([]);
  const flood = Object.fromEntries(Array.from({ length: 15_000 }, (_, i) => [`x${i}-st-data`, 0 as const]));
  bench.relay(flood);
  const { experiments } = bench.lab;
  bench.judge();
  bench.relay(flood);
  assert.equal(bench.lab.watched.size, extrasMax / 2);
  assert.equal([...bench.lab.experiments.keys()].join(), [...experiments.keys()].join());
  bench.relay({ "x14999-st-data": 0 });
  bench.nowMs += dayMs + 1;
  bench.relay({ "x14999-st-data": 0 });
  bench.forget(dayMs);
  assert.deepEqual([...bench.lab.watched], ["x14999-st-data"]);
  assert.equal(bench.lab.overLimit.size, 0);
});

Deno.test("what book requires is never forgotten", () => {
  const bench = new Bench([resource("pend00", ["st-data"])]);
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": 0 });
  bench.relay({});
  bench.jump([]);
  bench.nowMs += 30 * dayMs;
  assert.deepEqual(bench.forget(dayMs), []);
  assert.deepEqual([...bench.lab.watched], ["pend00-st-data"]);
});

Deno.test("what the newest report has is not forgotten, however long ago that was", () => {
  const bench = new Bench([]);
  bench.jump(["spin31"]);
  bench.nowMs += 30 * dayMs;
  assert.deepEqual(bench.forget(dayMs), []);
});

Deno.test("a flood of names is kept to the limit, what was known stays, and the rest is counted", () => {
  const bench = new Bench([resource("pend00", ["st-data"])]);
  bench.jump(["pend00", "spin31"]);
  bench.relay({ "pend00-st-data": 0, "spin31-st-data": 0 });
  const flood = Object.fromEntries(Array.from({ length: 15_000 }, (_, i) => [`x${i}-st-data`, 0 as const]));
  bench.relay({ ...flood, "pend00-st-data": 0, "spin31-st-data": 0 });

  assert.equal(bench.lab.watched.size + bench.lab.experiments.size, extrasMax + 2);
  assert.equal(bench.lab.overLimit.size, 10_002); // 5,001 experiments and their streams: of 15,000 such 9,999 fit
  assert.ok(bench.lab.watched.has("spin31-st-data"));
  assert.ok(bench.lab.experiments.has("pend00"));
});

Deno.test("a topic named like a part of every object is a name like any other", () => {
  const bench = new Bench([]);
  bench.jump(["__proto__"]);
  assert.deepEqual(bench.relay({ ["__proto__-st-data"]: "silent" }), ["__proto__: unhealthy __proto__-st-data"]);
});

Deno.test("a stream that is required no longer is an extra one while relay has it", () => {
  const bench = new Bench([resource("pend00", ["st-data", "st-video"])]);
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": 0, "pend00-st-video": "silent" });
  assert.deepEqual(bench.wishes, { "r-pend00": "U unhealthy pend00-st-video" });
});
