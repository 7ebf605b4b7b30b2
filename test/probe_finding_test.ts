/** What listening finds, and what is made of it report by report: the rules of a relay without statistics. */
import assert from "node:assert/strict";
import { initialLab, persistedExperiment, restoreLab, withManifest } from "../src/lab.ts";
import { Bench, resource, type rules, type Sending, startMs } from "./support/bench.ts";
import { nothing } from "./support/store_samples.ts";

const data = "pend00-st-data", video = "pend00-st-video";
const both: Record<string, Sending> = { [data]: "unmeasured", [video]: "unmeasured" };
const pend = () => [resource("pend00", ["st-data", "st-video"])];
const anew = "2026-11-22T20:00:04Z";

/** pend00 with two required streams that relay does not measure, judged ok. */
function healthy(changes: Partial<typeof rules> = {}): Bench {
  const bench = new Bench(pend(), changes);
  bench.jump(["pend00"]);
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
  return bench;
}

/** The same, with the video found silent and judged so. */
function silent(): Bench {
  const bench = healthy();
  bench.listened(video, false);
  bench.nowMs += 5_000;
  assert.deepEqual(bench.relay(both), [`pend00: unhealthy ${video}`]);
  return bench;
}

Deno.test("a stream that is found silent makes its experiment unhealthy by the next report, and unavailable", () => {
  const bench = healthy();

  assert.deepEqual(bench.listened(video, false), []);
  assert.deepEqual(bench.jump(["pend00"]), []);
  assert.deepEqual(bench.wishes, { "r-pend00": "A" });

  assert.deepEqual(bench.relay(both), [`pend00: unhealthy ${video}`]);
  assert.deepEqual(bench.wishes, { "r-pend00": `U unhealthy ${video}` });
  assert.deepEqual(bench.relay(both), []);
});

Deno.test("it is ok again by the report after it is heard", () => {
  const bench = silent();
  assert.deepEqual(bench.listened(video, false), []);
  assert.deepEqual(bench.relay(both), []);
  assert.deepEqual(bench.listened(video, true), []);
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
  assert.deepEqual(bench.wishes, { "r-pend00": "A" });
});

Deno.test("one that is heard and then silent in between two reports is what was found last", () => {
  const bench = healthy();
  bench.listened(video, false);
  bench.listened(video, true);
  assert.deepEqual(bench.relay(both), []);
});

Deno.test("a new connection of the stream may be well: what was found of the old one is forgotten", () => {
  const bench = silent();
  assert.deepEqual(bench.relay(both, 5_000, anew), ["pend00: ok"]);
  assert.equal(bench.lab.relay.probeResults.size, 0);
});

Deno.test("what was found of a connection that is gone by then counts for nothing", () => {
  const bench = healthy();
  bench.relay(both, 5_000, anew);
  bench.listened(video, false);
  assert.equal(bench.lab.relay.probeResults.size, 0);
  assert.deepEqual(bench.relay(both, 5_000, anew), []);
});

Deno.test("nor does what was found of a stream that is in no report", () => {
  const bench = healthy();
  bench.relay({ [data]: "unmeasured" });
  bench.listened(video, false);
  assert.equal(bench.lab.relay.probeResults.size, 0);
});

Deno.test("a silent stream that leaves the reports is missing in its time, and well when it is back", () => {
  const bench = silent();
  bench.nowMs += 5_000;
  assert.deepEqual(bench.relay({ [data]: "unmeasured" }), []);
  bench.nowMs += 5_001;
  assert.deepEqual(bench.relay({ [data]: "unmeasured" }), [`pend00: missing required ${video}`]);
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
});

Deno.test("with HEALTH_FAILURES=3 the third report after it was found silent counts, and one that is heard begins anew", () => {
  const bench = healthy({ failures: 3 });
  bench.listened(video, false);
  assert.deepEqual([bench.relay(both), bench.relay(both)], [[], []]);
  bench.listened(video, true);
  assert.deepEqual(bench.relay(both), []);
  bench.listened(video, false);
  assert.deepEqual([bench.relay(both), bench.relay(both)], [[], []]);
  assert.deepEqual(bench.relay(both), [`pend00: unhealthy ${video}`]);
});

Deno.test("with HEALTH_SUCCESSES=2 the second report after it was heard counts", () => {
  const bench = healthy({ successes: 2 });
  bench.listened(video, false);
  bench.relay(both);
  bench.listened(video, true);
  assert.deepEqual(bench.relay(both), []);
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
});

Deno.test("the first report after a start does not yet say that a silent stream is well, if it is found in the start-up time", () => {
  const bench = restarted(silent());

  assert.deepEqual(bench.relay(both), []);
  bench.nowMs += 20_000;
  bench.relay(both);
  bench.listened(video, false);
  bench.nowMs += 5_000;
  assert.deepEqual(bench.relay(both), []);
  bench.jump(["pend00"]);
  bench.nowMs += 35_000;
  bench.jump(["pend00"]);
  assert.deepEqual(bench.relay(both), []);
  assert.deepEqual(bench.wishes, { "r-pend00": `U unhealthy ${video}` });
});

/** A run that goes on from what an earlier one kept of a stream that was silent, and of the manifest. */
function restarted(before: Bench, resources = pend()): Bench {
  const experiment = before.lab.experiments.get("pend00");
  const saved = experiment && persistedExperiment(experiment, before.lab, before.nowMs);
  assert.ok(saved);
  const manifest = { atMs: startMs, resources };
  const lab = restoreLab(initialLab(startMs), { ...nothing, experiments: [saved], manifest });
  const bench = new Bench([], { startupMs: 60_000 }, withManifest(lab, resources, startMs));
  bench.jump(["pend00"]);
  return bench;
}

Deno.test("a restart does not make a silent stream look well until it has been listened to again", () => {
  const bench = restarted(silent());
  for (let at = 0; at < 100; at += 5) {
    bench.nowMs += 5_000;
    bench.jump(["pend00"]);
    assert.deepEqual(bench.relay(both), []);
  }
  assert.deepEqual(bench.wishes, { "r-pend00": `U unhealthy ${video}` });
});

Deno.test("but a stream that has connected anew meanwhile may be well", () => {
  const bench = restarted(silent());
  bench.nowMs += 60_000;
  bench.jump(["pend00"]);
  assert.deepEqual(bench.relay(both, 5_000, anew), ["pend00: ok"]);
});

Deno.test("what was found of a stream that book no longer requires is forgotten, since nobody listens to it", () => {
  const bench = silent();
  bench.lab = withManifest(bench.lab, [resource("pend00", ["st-data"])], bench.nowMs);
  bench.nowMs += 5_000;
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
});

Deno.test("it is forgotten too where the program was killed between keeping that manifest and what it means", () => {
  const bench = restarted(silent(), [resource("pend00", ["st-data"])]);
  bench.nowMs += 60_000;
  bench.jump(["pend00"]);
  assert.deepEqual(bench.relay(both), ["pend00: ok"]);
});

Deno.test("listening again to what is as it was changes when, and not since when", () => {
  const bench = silent();
  const [first] = bench.lab.relay.probeResults.values();
  bench.nowMs += 20_000;
  bench.listened(video, false);
  const [second] = bench.lab.relay.probeResults.values();
  assert.deepEqual([second?.sinceMs, second?.atMs], [first?.sinceMs, bench.nowMs]);
});

Deno.test("judging does not change by being heard: the same laboratory, and no event", () => {
  const bench = healthy();
  bench.listened(video, true);
  const { verdicts } = bench.lab.relay;
  assert.deepEqual(bench.relay(both), []);
  assert.equal(bench.lab.relay.verdicts, verdicts);
});

Deno.test("of a stream that is required no more, and gone, no finding is kept", () => {
  const bench = silent();
  bench.lab = withManifest(bench.lab, [], bench.nowMs);
  bench.relay({});
  assert.equal(bench.lab.relay.probeResults.size, 0);
});
