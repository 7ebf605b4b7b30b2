/** Do docs/metrics.md, the alert rules and the dashboard speak of the metrics that there are? */
import assert from "node:assert/strict";
import { measuredMetrics, type Metric, shownMetrics } from "../src/metrics_list.ts";

const read = (path: string) => Deno.readTextFileSync(`${import.meta.dirname}/../${path}`);
const all = Object.entries<Metric>({ ...shownMetrics, ...measuredMetrics });

Deno.test("docs/metrics.md has a row of each metric, with its kind, its labels and its help, and no other", () => {
  const rows = [...read("docs/metrics.md").matchAll(/^\| `(\w+)` +\| (\w+) +\| (.*?) +\| (.*?) +\|$/gm)];

  assert.deepEqual(
    rows.map(([, ...cells]) => cells),
    all.map(([name, { kind, labels, help }]) => [name, kind, labels.map((label) => `\`${label}\``).join(", "), help]),
  );
});
