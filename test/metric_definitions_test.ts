import assert from "node:assert/strict";
import dashboard from "../deploy/grafana.json" with { type: "json" };
import { measuredMetrics, type Metric, samplesOf, shownMetrics, type ShownName } from "../src/metric_definitions.ts";
import type { Idle } from "../src/report.ts";
import type { ExperimentView, Snapshot, StreamView } from "../src/snapshot.ts";
import type { FeedView } from "../src/system_alerts.ts";
import { connection } from "./support/bench.ts";
import { withFolder } from "./support/folder.ts";
import { agoMs, alert, nowMs, snapshot, view } from "./support/letters.ts";
import { promtoolTest } from "./support/metrics.ts";
import { seenBy } from "./support/seen.ts";

const figures = {
  deno: "2.9.6",
  residentBytes: 80_000_000,
  cpuSeconds: 1.5,
  live: { readers: 2, queuedBytes: 300, dropped: 4 },
};

/** `LABELS VALUE` of each series of a metric. */
function series(known: Snapshot, name: ShownName): string[] {
  const samples = [...samplesOf(known, figures)].flatMap((part) => part.get(name) ?? []);
  return samples.map(({ labels, value }) => [...labels, value].join(" "));
}

const experimentCases: Record<string, [Partial<ExperimentView>, ShownName, string[]]> = {
  "a healthy one": [{}, "status_experiment_healthy", ["pend00 1"]],
  "an unhealthy one": [{ healthy: false }, "status_experiment_healthy", ["pend00 0"]],
  "one that was never judged": [{ judged: false, healthy: false }, "status_experiment_healthy", []],
  "an available one": [{}, "status_experiment_available", ["pend00 1"]],
  "an unavailable one": [{ available: false }, "status_experiment_available", ["pend00 0"]],
  "one that book does not list": [{ resources: [], available: false }, "status_experiment_available", []],
  "one that the rule wants available": [{ wanted: true }, "status_experiment_wanted", ["pend00 1"]],
  "one that the rule wants unavailable": [{ wanted: false }, "status_experiment_wanted", ["pend00 0"]],
  "one of which nothing is decided": [{ wanted: null }, "status_experiment_wanted", []],
  "one that nobody holds": [{}, "status_experiment_held", ["pend00 0"]],
  "one that a person holds": [{ held: "being repaired" }, "status_experiment_held", ["pend00 1"]],
  "one that nobody can hold": [{ resources: [] }, "status_experiment_held", []],
  "one that jump reports": [{}, "status_experiment_jump_ok", ["pend00 1"]],
  "one that jump does not report": [host("missing"), "status_experiment_jump_ok", ["pend00 0"]],
  "one that jump has not told of yet": [host(null), "status_experiment_jump_ok", []],
};

for (const [name, [given, metric, want]] of Object.entries(experimentCases)) {
  Deno.test(`${metric} of ${name}`, () =>
    assert.deepEqual(series(snapshot([view("pend00", [], given)]), metric), want));
}

Deno.test("an experiment is in one state, and not in the others", () => {
  const known = { ...snapshot([view("pend00", [], { state: "unknown" })]) };

  assert.deepEqual(series(known, "status_experiment_state"), [
    "pend00 healthy 0",
    "pend00 unhealthy 0",
    "pend00 starting 0",
    "pend00 unknown 1",
  ]);
});

const streamCases: Record<string, [Partial<StreamView>, ShownName, string[]]> = {
  "one that is ok": [{}, "status_stream_ok", ["1"]],
  "one that is missing": [{ verdict: "missing" }, "status_stream_ok", ["0"]],
  "one that is silent": [{ verdict: "unhealthy" }, "status_stream_ok", ["0"]],
  "one that was never judged": [{ verdict: null }, "status_stream_ok", []],
  "one that book requires": [{}, "status_stream_required", ["1"]],
  "an extra one": [{ required: false }, "status_stream_required", ["0"]],
  "one that sent 1.5 s before the newest report": [{}, "status_stream_idle_seconds", ["1.5"]],
  "one that left the reports a minute ago": [{ seenMs: agoMs(1) }, "status_stream_idle_seconds", ["61.5"]],
  "one that never sent": [sent({ kind: "never" }), "status_stream_idle_seconds", []],
  "one without statistics": [seenBy(connection("x")), "status_stream_idle_seconds", []],
  "one that no report of this run had": [seenBy(null), "status_stream_idle_seconds", []],
};

for (const [name, [given, metric, want]] of Object.entries(streamCases)) {
  Deno.test(`${metric} of ${name}`, () => {
    const known = withRelay(withStream(given), { lastSuccessMs: nowMs });

    assert.deepEqual(series(known, metric), want.map((value) => `pend00 pend00-st-data ${value}`));
  });
}

Deno.test("while relay is late a stream gets no older, and while it is lost nobody knows", () => {
  const late = withRelay(withStream({ seenMs: agoMs(1) }), { state: "late", lastSuccessMs: agoMs(1) });
  const lost = withRelay(late, { state: "lost" });

  assert.deepEqual(series(late, "status_stream_idle_seconds"), ["pend00 pend00-st-data 1.5"]);
  assert.deepEqual(series(lost, "status_stream_idle_seconds"), []);
});

const feedCases: Record<FeedView["state"], number> = { connecting: 0, live: 1, late: 1, lost: 0 };
for (const [state, up] of Object.entries(feedCases)) {
  Deno.test(`a feed that is ${state} is ${up === 1 ? "up" : "not up"}, and in that state alone`, () => {
    const known = withRelay(snapshot(), { state: state as FeedView["state"] });

    assert.deepEqual(series(known, "status_feed_up"), ["jump 1", `relay ${up}`]);
    const states = series(known, "status_feed_state").filter((each) => each.startsWith("relay"));
    assert.deepEqual(states.filter((each) => each.endsWith(" 1")), [`relay ${state} 1`]);
    assert.equal(states.length, 4);
  });
}

Deno.test("a feed's counts, times and interval are its own, in seconds", () => {
  const counts = { reports: 1, entries: 2, skipped: 3, badFrames: 4, connects: 5, reconnects: 6 };
  const known = withRelay(snapshot(), { counts, intervalMs: 5_500, lastSuccessMs: 1_500, tokenExpiresMs: 2_500 });
  const relay = (name: ShownName) => series(known, name).find((each) => each.startsWith("relay"));

  assert.deepEqual(
    [
      relay("status_feed_reports_total"),
      relay("status_feed_entries_total"),
      relay("status_feed_skipped_entries_total"),
      relay("status_feed_bad_frames_total"),
      relay("status_feed_connects_total"),
      relay("status_feed_reconnects_total"),
      relay("status_feed_interval_seconds"),
      relay("status_feed_last_report_timestamp_seconds"),
      relay("status_feed_token_expiry_timestamp_seconds"),
    ],
    ["relay 1", "relay 2", "relay 3", "relay 4", "relay 5", "relay 6", "relay 5.5", "relay 1.5", "relay 2.5"],
  );
});

Deno.test("what has never been has no time: a report, a token, an interval, an answer of book, a mail, a write", () => {
  const { feeds, book, mail, store, ...rest } = snapshot();
  const never = { lastSuccessMs: null };
  const feed = { ...feeds.jump, ...never, intervalMs: null, tokenExpiresMs: null };
  const known = {
    ...rest,
    feeds: { jump: feed, relay: feed },
    book: { ...book, ...never },
    mail: { ...mail, ...never, oldestMs: null },
    store: { ...store, ...never },
  };

  const names = [...samplesOf(known, figures)].flatMap((part) => [...part.keys()]);
  assert.deepEqual(names.filter((name) => /timestamp|interval/.test(name)), []);
});

Deno.test("book, mail and store say their state, what waits and since when", () => {
  const { book, mail, store, ...rest } = snapshot();
  const known: Snapshot = {
    ...rest,
    book: { ...book, state: "failing", resources: 3, waiting: 2, writes: 7, lastSuccessMs: 1_000 },
    mail: { ...mail, state: "waiting", waiting: 4, sent: 8, oldestMs: 2_000, lastSuccessMs: 1_500 },
    store: { ...store, state: "memory", waiting: 6, lastSuccessMs: 3_000 },
  };
  const isSo = (name: ShownName) => series(known, name).filter((each) => each.endsWith(" 1"));

  assert.deepEqual(isSo("status_book_state"), ["failing 1"]);
  assert.deepEqual(isSo("status_mail_state"), ["waiting 1"]);
  assert.deepEqual(isSo("status_store_state"), ["memory 1"]);
  assert.deepEqual(series(known, "status_book_resources"), ["3"]);
  assert.deepEqual(series(known, "status_book_changes_waiting"), ["2"]);
  assert.deepEqual(series(known, "status_book_writes_total"), ["7"]);
  assert.deepEqual(series(known, "status_book_last_success_timestamp_seconds"), ["1"]);
  assert.deepEqual(series(known, "status_mail_waiting"), ["4"]);
  assert.deepEqual(series(known, "status_mail_sent_total"), ["8"]);
  assert.deepEqual(series(known, "status_mail_oldest_timestamp_seconds"), ["2"]);
  assert.deepEqual(series(known, "status_mail_last_success_timestamp_seconds"), ["1.5"]);
  assert.deepEqual(series(known, "status_store_changes_waiting"), ["6"]);
  assert.deepEqual(series(known, "status_store_last_success_timestamp_seconds"), ["3"]);
});

Deno.test("webhook, heartbeat and listening say their state, and what they have done", () => {
  const { webhook, heartbeat, probes, ...rest } = snapshot();
  const known: Snapshot = {
    ...rest,
    webhook: { ...webhook, state: "failing", waiting: 4, sent: 8, oldestMs: 2_000, lastSuccessMs: 1_500 },
    heartbeat: { ...heartbeat, state: "withheld", sent: 3, failed: 2, lastSuccessMs: 1_000 },
    probes: { ...probes, state: "probing", streams: 5, heard: 6, silent: 7, failed: 1 },
  };
  const isSo = (name: ShownName) => series(known, name).filter((each) => each.endsWith(" 1"));

  assert.deepEqual(isSo("status_webhook_state"), ["failing 1"]);
  assert.deepEqual(isSo("status_heartbeat_state"), ["withheld 1"]);
  assert.deepEqual(isSo("status_probes_state"), ["probing 1"]);
  assert.deepEqual(series(known, "status_webhook_waiting"), ["4"]);
  assert.deepEqual(series(known, "status_webhook_sent_total"), ["8"]);
  assert.deepEqual(series(known, "status_webhook_oldest_timestamp_seconds"), ["2"]);
  assert.deepEqual(series(known, "status_webhook_last_success_timestamp_seconds"), ["1.5"]);
  assert.deepEqual(series(known, "status_heartbeat_sent_total"), ["3"]);
  assert.deepEqual(series(known, "status_heartbeat_failures_total"), ["2"]);
  assert.deepEqual(series(known, "status_heartbeat_last_success_timestamp_seconds"), ["1"]);
  assert.deepEqual(series(known, "status_probes_streams"), ["5"]);
  assert.deepEqual(series(known, "status_probes_total"), ["heard 6", "silent 7", "failed 1"]);
});

Deno.test("a stream that is listened to says what was heard, another nothing", () => {
  const heard = (probe: StreamView["probe"]) => series(withStream({ probe }), "status_stream_probe_heard");

  assert.deepEqual(heard({ atMs: 2, heard: true, sinceMs: 1 }), ["pend00 pend00-st-data 1"]);
  assert.deepEqual(heard({ atMs: 2, heard: false, sinceMs: 1 }), ["pend00 pend00-st-data 0"]);
  assert.deepEqual(heard(null), []);
});

Deno.test("every system alert has a series, and one that holds is 1", () => {
  const alerts = series({ ...snapshot(), alerts: [alert("relay-lost")] }, "status_alert_active");

  assert.deepEqual(alerts, [
    "jump-lost 0",
    "relay-lost 1",
    "book-lost 0",
    "book-stuck 0",
    "book-empty 0",
    "store-damaged 0",
    "store-gone 0",
    "store-failing 0",
    "too-many 0",
    "probes-failing 0",
  ]);
});

Deno.test("the experiments are counted by state, and the process tells of itself", () => {
  const counts = { healthy: 5, unhealthy: 2, starting: 1, unknown: 0 };
  const known = { ...snapshot(), counts, version: "1.2.3", startedMs: 1_500 };

  assert.deepEqual(series(known, "status_experiments"), ["healthy 5", "unhealthy 2", "starting 1", "unknown 0"]);
  assert.deepEqual(series(known, "status_build_info"), ["1.2.3 2.9.6 1"]);
  assert.deepEqual(series(known, "process_start_time_seconds"), ["1.5"]);
  assert.deepEqual(series(known, "process_resident_memory_bytes"), ["80000000"]);
  assert.deepEqual(series(known, "process_cpu_seconds_total"), ["1.5"]);
  assert.deepEqual(series(known, "status_live_readers"), ["2"]);
  assert.deepEqual(series(known, "status_live_queued_bytes"), ["300"]);
  assert.deepEqual(series(known, "status_live_dropped_total"), ["4"]);
});

function host(verdict: "missing" | null): Partial<ExperimentView> {
  return { host: { verdict, seenMs: null, ...seenBy(null) } };
}

function sent(idle: Idle): Partial<StreamView> {
  const { stats, ...rest } = connection("pend00-st-data", 1_500);
  return seenBy({ ...rest, stats: stats && { ...stats, tx: { ...stats.tx, idle } } });
}

function withStream(given: Partial<StreamView>): Snapshot {
  const stream = { topic: "pend00-st-data", required: true, verdict: "ok" as const, seenMs: nowMs, probe: null };
  const whole = { ...stream, ...seenBy(connection(stream.topic, 1_500)), ...given };
  return snapshot([view("pend00", [], { streams: [whole] })]);
}

function withRelay(known: Snapshot, given: Partial<FeedView>): Snapshot {
  return { ...known, feeds: { ...known.feeds, relay: { ...known.feeds.relay, ...given } } };
}

/*  Do docs/metrics.md, the alert rules and the dashboard speak of the metrics that there are, and would they be taken? */

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
