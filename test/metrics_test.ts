import fc from "fast-check";
import assert from "node:assert/strict";
import { Counter, Gauge, Registry } from "prom-client";
import { type Book, BookGarbled, BookRefused, BookUnknownResource, BookUnreachable } from "../src/book_client.ts";
import { measuredMetrics, type Metric, type Sample, shownMetrics } from "../src/metric_definitions.ts";
import {
  headText,
  type Instrumentation,
  measuredBook,
  measuredFeed,
  measuredMail,
  measuredStore,
  measuredWebhook,
  processFigures,
  seriesText,
} from "../src/metrics.ts";
import type { OutboxListener } from "../src/outbox.ts";
import { noConnections, type Report } from "../src/report.ts";
import { StoreFailed } from "../src/store.ts";
import { openMemoryStore } from "../src/sqlite_file.ts";
import { agoMs, alert, contractLab, event, letter, nowMs, snapshot, view } from "./support/letters.ts";
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

/** Measures that write down what they are told, and a clock that goes on by 100 ms whenever it is looked at. */
function notebook() {
  const told: string[] = [];
  let ms = 0;
  const measures: Instrumentation = {
    book: ({ operation, result, tookMs }) => told.push(`book ${operation} ${result} ${tookMs}`),
    store: ({ operation, result, tookMs }) => told.push(`store ${operation} ${result} ${tookMs}`),
    judged: ({ feed, entries, tookMs }) => told.push(`judged ${feed} ${entries} ${tookMs}`),
    mailed: (waitedMs) => told.push(`mailed ${waitedMs.join(" ")}`),
    mailFailed: (reason) => told.push(`mail ${reason}`),
    lagged: (ms) => told.push(`lagged ${ms}`),
    webhookFailed: (reason) => told.push(`webhook ${reason}`),
  };
  return { told, measures, monotonicMs: () => ms += 100 };
}

const { signal } = new AbortController();
const attempt = { tried: "ask", url: new URL("http://book.example.org/") };

Deno.test("each request to book is told with its operation and its time, and its answer passed on", async () => {
  const notes = notebook();
  const availability = { available: true, reason: "" };
  const asked: unknown[] = [];
  const book = measuredBook({
    resources: () => Promise.resolve({ resources: [], skipped: 3 }),
    availability: (name) => (asked.push(name), Promise.resolve(availability)),
    setAvailability: (name, wanted) => (asked.push(name, wanted), Promise.resolve()),
  }, notes);

  assert.deepEqual(await book.resources(signal), { resources: [], skipped: 3 });
  assert.equal(await book.availability("r-pend00", signal), availability);
  await book.setAvailability("r-spin31", availability, signal);

  assert.deepEqual(asked, ["r-pend00", "r-spin31", availability]);
  assert.deepEqual(notes.told, ["book list ok 100", "book read ok 100", "book write ok 100"]);
});

const failures: Record<string, [Error, result: string]> = {
  "book does not answer": [new BookUnreachable(attempt, "connection refused"), "unreachable"],
  "book says no": [new BookRefused(attempt, 500, "no"), "refused"],
  "book does not know the resource": [new BookUnknownResource(attempt, "404"), "unknown"],
  "book says what can't be read": [new BookGarbled(attempt, 200, "<html>"), "garbled"],
  "something breaks in here": [new TypeError("x is not a function"), "failed"],
};

for (const [what, [error, result]] of Object.entries(failures)) {
  Deno.test(`when ${what} the request is counted as ${result}, and the error is passed on as it is`, async () => {
    const notes = notebook();

    await assert.rejects(measuredBook(failing(error), notes).resources(signal), error);

    assert.deepEqual(notes.told, [`book list ${result} 100`]);
  });
}

Deno.test("a request that the program gave up, since it stops, is not counted", async () => {
  const notes = notebook();
  const stop = AbortSignal.abort(new Error("stopped"));

  await assert.rejects(measuredBook(failing(stop.reason), notes).resources(stop), /stopped/);

  assert.deepEqual(notes.told, []);
});

Deno.test("what the store does is told, and a failure passed on as it is", async () => {
  const notes = notebook();
  const full = new StoreFailed("the disk is full");
  const store = measuredStore({ ...openMemoryStore(), record: () => Promise.reject(full) }, notes);

  await assert.rejects(store.record([]), full);
  assert.deepEqual(await store.turns("pend00", { sinceMs: 0, max: 9 }), []);
  await store.prune(0);

  assert.deepEqual(notes.told, ["store record failed 100", "store turns ok 100", "store prune ok 100"]);
  assert.equal(store.kind, "memory");
});

Deno.test("a report is passed on, then how long that took and how much was in it is told", () => {
  const notes = notebook();
  const report: Report = {
    feed: "relay",
    atMs: nowMs,
    connections: noConnections,
    entries: 7,
    skipped: 0,
    generation: "measured",
    intervalMs: null,
  };
  const heard: unknown[] = [];
  const listener = { report: (each: Report) => heard.push(each), news: (each: unknown) => heard.push(each) };
  const feed = measuredFeed("relay", listener, notes);

  feed.report(report);
  feed.news({ kind: "connected", tokenExpiresMs: 1 });

  assert.deepEqual(heard, [report, { kind: "connected", tokenExpiresMs: 1 }]);
  assert.deepEqual(notes.told, ["judged relay 7 100"]);
});

Deno.test("of a mail that was taken it is told how long ago each event and alert in it was", () => {
  const notes = notebook();
  const sent: unknown[] = [];
  const listener = measuredMail({ ...deaf, sent: (...told) => sent.push(told) }, { ...notes, nowMs: () => nowMs });
  const told = letter({
    events: [event("pend00", [], { atMs: agoMs(3) }), event("spin31", [], { atMs: agoMs(1) })],
    alerts: [alert("relay-lost", { atMs: agoMs(9) }), alert("jump-lost", { atMs: agoMs(-60) })], // the clock was put back
  });

  listener.sent(told, { kind: "taken", answer: "250", rejected: [] });

  assert.deepEqual(notes.told, ["mailed 180000 60000 540000 0"]);
  assert.deepEqual(sent, [[told, { kind: "taken", answer: "250", rejected: [] }]]);
});

Deno.test("a try to send a mail that failed is told with its reason, and passed on", () => {
  const notes = notebook();
  const failed: unknown[] = [];
  const listener = measuredMail({ ...deaf, failed: (...told) => failed.push(told) }, { ...notes, nowMs: () => nowMs });
  const told = letter();

  listener.failed(told, { kind: "refused", why: "550" }, 2);

  assert.deepEqual(notes.told, ["mail refused"]);
  assert.deepEqual(failed, [[told, { kind: "refused", why: "550" }, 2]]);
});

Deno.test("a try to tell the webhook that failed is told with its reason, and passed on; what it took is none of a mail's", () => {
  const notes = notebook();
  const passed: unknown[] = [];
  const noting = (...told: unknown[]) => passed.push(told);
  const listener = measuredWebhook({ ...deaf, sent: noting, failed: noting }, notes.measures);
  const told = letter({ channel: "webhook", events: [event("pend00")] });

  listener.failed(told, { kind: "in-doubt", why: "no answer" }, 2);
  listener.sent(told, { kind: "taken", answer: "204", rejected: [] });

  assert.deepEqual(notes.told, ["webhook in-doubt"]);
  assert.deepEqual(passed, [
    [told, { kind: "in-doubt", why: "no answer" }, 2],
    [told, { kind: "taken", answer: "204", rejected: [] }],
  ]);
});

const deaf: OutboxListener = { sent() {}, failed() {}, unsent() {}, changed() {} };

function failing(error: Error): Book {
  const fail = () => Promise.reject(error);
  return { resources: fail, availability: fail, setAvailability: fail };
}

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
