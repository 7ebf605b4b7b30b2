import assert from "node:assert/strict";
import { measuredMetrics, type Metric, shownMetrics } from "../src/metric_definitions.ts";
import { processFigures } from "../src/metrics.ts";
import { alert, contractLab, snapshot, view } from "./support/letters.ts";
import { knownLab, metrics, promtoolTest, seriesOf } from "./support/metrics.ts";

const all = Object.entries<Metric>({ ...shownMetrics, ...measuredMetrics });

Deno.test("every metric is served, with its help and its kind, in the order of the list", async () => {
  const text = await metrics().text(knownLab());

  const served = [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE (\S+) (.*)$/gm)].map(([, ...words]) => words);
  assert.deepEqual(served, all.map(([name, { help, kind }]) => [name, help, name, kind]));
});

Deno.test("a metric of which nothing is known is not served at all", async () => {
  const text = await metrics().text(snapshot());

  assert.doesNotMatch(text, /status_experiment_healthy|status_mail_oldest/);
});

Deno.test("an experiment that is forgotten leaves all its series", async () => {
  const served = metrics();

  assert.match(await served.text(snapshot(contractLab)), /"pend00"/);
  assert.doesNotMatch(await served.text(snapshot()), /pend00/);
});

Deno.test("scrapes at the same time do not mix", async () => {
  const served = metrics();
  const [one, other] = await Promise.all([
    served.text(snapshot([view("pend00")])),
    served.text(snapshot([view("spin31")])),
  ]);

  assert.deepEqual(seriesOf(one, "status_experiment_healthy"), ['{experiment="pend00"} 1']);
  assert.deepEqual(seriesOf(other, "status_experiment_healthy"), ['{experiment="spin31"} 1']);
});

const hostile: Record<string, [name: string, escaped: string]> = {
  "a line break": ["pend\n00", String.raw`pend\n00`],
  "a quote": ['pend"00', String.raw`pend\"00`],
  "a backslash": ["pend\\00", String.raw`pend\\00`],
  "a backslash before a quote": ['pend\\"00', String.raw`pend\\\"00`],
  "a series of its own": ['x"} 1\nstatus_feed_up{feed="relay', String.raw`x\"} 1\nstatus_feed_up{feed=\"relay`],
  "HTML": ["<b>&amp;</b>", "<b>&amp;</b>"],
  "a name that objects have": ["__proto__", "__proto__"],
};

for (const [what, [name, escaped]] of Object.entries(hostile)) {
  Deno.test(`an experiment whose name has ${what} is one series, and no other`, async () => {
    const text = await metrics().text(snapshot([view(name)]));

    assert.deepEqual(seriesOf(text, "status_experiment_healthy"), [`{experiment="${escaped}"} 1`]);
    assert.equal(seriesOf(text, "status_feed_up").length, 2);
  });
}

Deno.test("what is measured begins at 0, so that its first increase is one", async () => {
  const text = await metrics().text(snapshot());

  assert.equal(seriesOf(text, "status_book_requests_total").length, 18);
  assert.equal(seriesOf(text, "status_store_operations_total").length, 6);
  assert.deepEqual(seriesOf(text, "status_mail_failures_total"), [
    '{reason="deferred"} 0',
    '{reason="refused"} 0',
    '{reason="in-doubt"} 0',
  ]);
  assert.deepEqual(seriesOf(text, "status_mail_delay_seconds_count"), ["0"]);
  assert.deepEqual(seriesOf(text, "status_judgement_entries_count"), ['{feed="jump"} 0', '{feed="relay"} 0']);
  assert.deepEqual(seriesOf(text, "status_judgement_duration_seconds_count"), ['{feed="jump"} 0', '{feed="relay"} 0']);
});

Deno.test("what is measured is counted, in seconds, and stays from scrape to scrape", async () => {
  const served = metrics();
  served.measures.book({ operation: "read", result: "refused", tookMs: 250 });
  served.measures.store({ operation: "record", result: "failed", tookMs: 20 });
  served.measures.judged({ feed: "relay", entries: 40, tookMs: 2 });
  served.measures.mailed([1_500, 4_500, -20]);
  served.measures.mailFailed("in-doubt");

  await served.text(snapshot());
  const text = await served.text(snapshot());

  const value = (name: string, labels: string) =>
    seriesOf(text, name).find((each) => each.startsWith(labels))?.slice(labels.length).trim();
  assert.equal(value("status_book_requests_total", '{operation="read",result="refused"}'), "1");
  assert.equal(value("status_book_request_duration_seconds_sum", '{operation="read"}'), "0.25");
  assert.equal(value("status_store_operations_total", '{operation="record",result="failed"}'), "1");
  assert.equal(value("status_store_operation_duration_seconds_sum", '{operation="record"}'), "0.02");
  assert.equal(value("status_judgement_duration_seconds_sum", '{feed="relay"}'), "0.002");
  assert.equal(value("status_judgement_entries_sum", '{feed="relay"}'), "40");
  assert.equal(value("status_mail_delay_seconds_sum", ""), "6");
  assert.equal(value("status_mail_delay_seconds_count", ""), "3");
  assert.equal(value("status_mail_failures_total", '{reason="in-doubt"}'), "1");
});

Deno.test("the process says how much memory and time it has used", () => {
  const { deno, residentBytes, cpuSeconds } = processFigures();

  assert.equal(deno, Deno.version.deno);
  assert.ok(residentBytes > 1_000_000 && residentBytes < 100_000_000_000);
  assert.ok(cpuSeconds > 0.001 && cpuSeconds < 10_000);
});

promtoolTest("promtool finds nothing wrong with the metrics, hostile names included", async (promtool) => {
  const names = Object.values(hostile).map(([name]) => view(name));
  const lab = knownLab();
  const served = metrics(3);
  served.measures.book({ operation: "list", result: "ok", tookMs: 12 });
  const text = await served.text({ ...lab, experiments: [...lab.experiments, ...names], alerts: [alert("too-many")] });

  assert.deepEqual(await promtool(["check", "metrics"], text), { success: true, says: "" });
});
