/** What a scrape costs as the laboratory grows, counted: series, bytes and turns, not seconds. */
import assert from "node:assert/strict";
import { experimentsPerPart, samplesOf } from "../src/metric_definitions.ts";
import type { Snapshot } from "../src/snapshot.ts";
import { metrics, seriesOf } from "./support/metrics.ts";
import { lab, rig } from "./support/page_lab.ts";

const figures = { deno: "2.9.6", residentBytes: 80_000_000, cpuSeconds: 1.5 };
const live = { readers: 0, queuedBytes: 0, dropped: 0 };

/** Of experiments with two streams each and names of one length. */
const labOf = (count: number): Snapshot => lab(Array.from({ length: count }, (_, at) => rig(`rig${10_000 + at}`)));

/** Metrics that count how often they were made, and let others have their turn. */
function counted() {
  const count = { made: 0, pauses: 0 };
  const process = () => {
    count.made++;
    return figures;
  };
  const pause = () => {
    count.pauses++;
    return Promise.resolve();
  };
  return { count, metrics: metrics(0, { process, pause }) };
}

Deno.test("each experiment of two streams adds 15 series and as many bytes as the one before, however many there are", async () => {
  const { metrics } = counted();
  const texts = await Promise.all([1_000, 2_000, 3_000].map((count) => metrics.text(labOf(count))));
  const [first = 0, second = 0, third = 0] = texts.map((text) => seriesOf(text, "status_\\w+").length);
  assert.deepEqual([second - first, third - second], [15_000, 15_000]);
  const [small = 0, middle = 0, large = 0] = texts.map((text) => text.length);
  assert.equal(large - middle, middle - small);
  assert.ok((large - middle) / 1_000 < 1_000, `${(large - middle) / 1_000} bytes for an experiment`);
});

Deno.test("no part of a scrape is of more than some hundred experiments, and all have their turn after each", async () => {
  const count = 3 * experimentsPerPart + 1;
  const names = [...samplesOf(labOf(count), { ...figures, live })].map((part) =>
    part.get("status_experiment_healthy")?.length ?? 0
  );
  assert.deepEqual(names, [0, experimentsPerPart, experimentsPerPart, experimentsPerPart, 1]);

  const { metrics, count: counts } = counted();
  await metrics.text(labOf(count));
  assert.ok(counts.pauses >= names.length, `${counts.pauses} turns for all else`);
});

Deno.test("all who scrape at the same time get what is made once, and the next gets it anew", async () => {
  const { metrics, count } = counted();
  const known = labOf(3);
  const texts = await Promise.all(Array.from({ length: 50 }, () => metrics.text(known)));

  assert.equal(count.made, 1);
  assert.equal(new Set(texts).size, 1);
  await metrics.text(known);
  assert.equal(count.made, 2, "how much memory the process takes is another by now");
});
