/**
 * The table of docs/metrics.md, from the list of metrics: `deno run --allow-read --allow-write scripts/metrics_table.ts`
 * writes it. Checked by test/metric_definitions_test.ts.
 */
import { measuredMetrics, type Metric, shownMetrics } from "../src/metric_definitions.ts";

const path = `${import.meta.dirname}/../docs/metrics.md`;

/** `document` with its table as it should be. */
export function withTable(document: string): string {
  const rows = Object.entries<Metric>({ ...shownMetrics, ...measuredMetrics }).map(([name, { kind, labels, help }]) =>
    `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`
  );
  const table = ["| metric | kind | labels | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
  return document.replace(/(<!-- table: .* -->\n)[\s\S]*?(\n<!-- end of table -->)/, `$1\n${table}\n$2`);
}

if (import.meta.main) Deno.writeTextFileSync(path, withTable(Deno.readTextFileSync(path)));
