/** Do docs/metrics.md, the alert rules and the dashboard speak of the metrics that there are, and would they be taken? */
import assert from "node:assert/strict";
import dashboard from "../deploy/grafana.json" with { type: "json" };
import { measuredMetrics, type Metric, shownMetrics } from "../src/metric_definitions.ts";
import { withFolder } from "./support/folder.ts";
import { promtoolTest } from "./support/metrics.ts";

const read = (path: string) => Deno.readTextFileSync(`${import.meta.dirname}/../${path}`);
const all = Object.entries<Metric>({ ...shownMetrics, ...measuredMetrics });
const served = new Set(
  all.flatMap(([name, { kind }]) => kind === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]),
);
const labels = new Set(["job", "instance", "le", ...all.flatMap(([, metric]) => metric.labels)]);
const rules = read("deploy/alerts.yml");
const { panels } = dashboard;
const expressions = panels.flatMap(({ targets }) => (targets ?? []).map(({ expr }) => expr));

Deno.test("docs/metrics.md has a row of each metric, with its kind, its labels and its help, and no other", () => {
  const rows = [...read("docs/metrics.md").matchAll(/^\| `(\w+)` +\| (\w+) +\| (.*?) +\| (.*?) +\|$/gm)];

  assert.deepEqual(
    rows.map(([, ...cells]) => cells),
    all.map(([name, { kind, labels, help }]) => [name, kind, labels.map((label) => `\`${label}\``).join(", "), help]),
  );
});

Deno.test("every alert rule is made of metrics that there are, and of their labels", () => {
  const found = [...rules.matchAll(/^ +expr: (.*)$/gm)].map(([, expression = ""]) => expression);

  assert.deepEqual(found.flatMap(unknownWords), []);
  assert.equal(found.length, [...rules.matchAll(/- alert: /g)].length);
});

Deno.test("every alert rule waits, says how grave it is, and has words for people", () => {
  const parts = rules.split(/^ +- alert: /m).slice(1);

  for (const part of parts) {
    assert.match(part, /^ +for: \d+[mh]$/m, part);
    assert.match(part, /^ +severity: (?:critical|warning)$/m, part);
    assert.match(part, /^ +summary: \S/m, part);
    assert.match(part, /^ +description: \S/m, part);
  }
  const names = parts.map((part) => part.split("\n")[0]);
  assert.equal(new Set(names).size, names.length);
});

Deno.test("every alert rule is tested to fire, and not to", () => {
  const tests = read("deploy/alerts_test.yml");
  const names = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);

  for (const name of names) {
    assert.match(tests, new RegExp(`alertname: ${name}\n +exp_alerts:`), `${name} is not tested to fire`);
    assert.match(tests, new RegExp(`alertname: ${name} \\}`), `${name} is not tested not to fire`);
  }
});

Deno.test("every expression of the dashboard is made of metrics that there are, and of their labels", () => {
  assert.ok(expressions.length > 20);
  assert.deepEqual(expressions.flatMap(unknownWords), []);
});

Deno.test("the dashboard asks the data source that is chosen, and no other", () => {
  const sources = [...JSON.stringify(dashboard).matchAll(/"uid":"([^"]*)"/g)].map(([, uid]) => uid);

  assert.deepEqual([...new Set(sources)].sort(), ["${datasource}", dashboard.uid].sort());
  assert.deepEqual(dashboard.templating.list.map(({ name }) => name), ["datasource", "job", "instance", "experiment"]);
});

Deno.test("the dashboard's panels have numbers of their own, and lie side by side within its 24 columns", () => {
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + at % w} ${y + Math.floor(at / w)}`)
  );

  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  assert.equal(new Set(cells).size, cells.length);
  assert.ok(panels.every(({ gridPos: { x, w } }) => x >= 0 && x + w <= 24));
});

Deno.test("the dashboard has a colour and a word for each state of an experiment", () => {
  const timeline = panels.find(({ title }) => title === "Experiments");
  const mapped = Object.entries(timeline?.fieldConfig?.defaults.mappings[0]?.options ?? {}).map(([value, { text }]) =>
    `${value} * … "${text}"`
  );
  const asked = [...timeline?.targets?.[0]?.expr.matchAll(/(\d) \* \S+\{.*?state="(\w+)"/g) ?? []];

  assert.deepEqual(asked.map(([, value, state]) => `${value} * … "${state}"`), mapped);
  assert.deepEqual(asked.map(([, , state]) => state), ["healthy", "unhealthy", "starting", "unknown"]);
});

promtoolTest("promtool takes the alert rules, and their tests pass", async (promtool) => {
  const { success, says } = await promtool(["test", "rules", "alerts_test.yml"]);
  assert.ok(success, says);
});

promtoolTest("promtool can read every expression of the dashboard", async (promtool) => {
  const rules = expressions.map((expr, at) => ({
    record: `panel_${at}`,
    expr: expr.replaceAll("$__rate_interval", "5m"),
  }));
  await withFolder(async (folder) => {
    const path = `${folder}/dashboard.yml`;
    await Deno.writeTextFile(path, JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
    const { success, says } = await promtool(["check", "rules", path]);
    assert.ok(success, says);
  });
});

/** What an expression names that is neither served, nor a label of it, nor Prometheus' own. */
function unknownWords(expression: string): string[] {
  const words = expression.replace(/"[^"]*"|\[[^\]]*\]/g, " ").match(/[a-z_]\w*/g) ?? [];
  return words.filter((word) => !served.has(word) && !labels.has(word) && !prometheus.has(word));
}

const prometheus = new Set(
  "absent and by count histogram_quantile increase max or rate sum time topk up vector without".split(" "),
);
