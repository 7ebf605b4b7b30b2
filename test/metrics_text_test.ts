import fc from "fast-check";
import assert from "node:assert/strict";
import { Counter, Gauge, Registry } from "prom-client";
import type { Metric, Sample } from "../src/metric_definitions.ts";
import { headText, seriesText } from "../src/metrics.ts";

const metric: Metric = { kind: "gauge", labels: ["experiment", "stream"], help: 'Of "all":\nin C:\\status.' };
const labels = ["pend00", "pend00-st-data"];

/** What prom-client says of the same. */
function clientText(metric: Metric, samples: readonly Sample[]): Promise<string> {
  const registry = new Registry();
  const config = { name: "some", help: metric.help, labelNames: metric.labels, registers: [registry] };
  const labelled = (sample: Sample) => Object.fromEntries(metric.labels.map((name, at) => [name, sample.labels[at]!]));
  if (metric.kind === "counter") {
    const counter = new Counter(config);
    for (const sample of samples) counter.inc(labelled(sample), sample.value);
  } else {
    const gauge = new Gauge(config);
    for (const sample of samples) gauge.set(labelled(sample), sample.value);
  }
  return registry.metrics();
}

const ownText = (metric: Metric, samples: readonly Sample[]) =>
  headText("some", metric) + seriesText("some", metric, samples);

// With all that is escaped, and what JavaScript, HTML or a comma-separated list would take for something else.
const anyText = fc.string({
  unit: fc.constantFrom("a", "Z", "0", "\\", "\n", '"', "\r", "\t", "{", "}", "=", " ", "#", "é", "💡", "<", "\0"),
});
const anyValue = fc.oneof(fc.double({ noNaN: true }), fc.integer(), fc.constantFrom(0, -0, 1, Infinity, -Infinity));

Deno.test("what is written of any labels, values and help is what prom-client writes", async () => {
  const anySamples = fc.uniqueArray(fc.record({ labels: fc.tuple(anyText, anyText), value: anyValue }), {
    selector: ({ labels }) => labels.join(),
    minLength: 1,
  });
  await fc.assert(
    fc.asyncProperty(anyText, anySamples, async (help, samples) => {
      const gauge = { ...metric, help: `${help}.` };
      assert.equal(ownText(gauge, samples), await clientText(gauge, samples));
    }),
  );
});

Deno.test("a counter without labels is written as prom-client does it", async () => {
  const counter: Metric = { kind: "counter", labels: [], help: "Things." };
  for (const value of [0, 7, 1e21, 0.1 + 0.2]) {
    assert.equal(ownText(counter, [{ labels: [], value }]), await clientText(counter, [{ labels: [], value }]));
  }
});

// prometheus.io/docs/instrumenting/exposition_formats: a float as Go's ParseFloat takes it, and NaN, +Inf and -Inf.
const values: Record<string, [value: number, text: string]> = {
  "a whole one": [3, "3"],
  "a fraction": [0.25, "0.25"],
  "one too long for its digits": [1e300, "1e+300"],
  "nothing": [0, "0"],
  "no number": [NaN, "NaN"],
  "more than any": [Infinity, "+Inf"],
  "less than any": [-Infinity, "-Inf"],
};
for (const [what, [value, text]] of Object.entries(values)) {
  Deno.test(`a value that is ${what} is written ${text}`, () => {
    assert.equal(
      seriesText("some", metric, [{ labels, value }]),
      `some{experiment="pend00",stream="pend00-st-data"} ${text}\n`,
    );
  });
}

Deno.test("in a help a quote stands for itself, in a label it does not", () => {
  assert.equal(headText("some", metric), '# HELP some Of "all":\\nin C:\\\\status.\n# TYPE some gauge\n');
  assert.equal(
    seriesText("some", metric, [{ labels: ['"', "\\\n"], value: 1 }]),
    'some{experiment="\\"",stream="\\\\\\n"} 1\n',
  );
});
