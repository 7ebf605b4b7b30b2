import { alertCodes } from "./alerts.ts";
import type { ExperimentState } from "./persisted.ts";
import { type ExperimentView, type HeartbeatView, idleMsOf, type OutboxView, type Snapshot } from "./snapshot.ts";
import type { BookView, ComponentStatus, FeedView, ProbesView, StoreView } from "./system_alerts.ts";

/**
 * Which metrics there are: name, kind, labels and what each means, in the order in which they are served. One entry makes the
 * series, its HELP and its row in docs/metrics.md. Names and units by the Prometheus conventions: base units, `_total` for
 * what only grows, and the three `process_` ones as every client calls them. Where their values come from is for
 * `metrics_snapshot` and `metrics`.
 */

export type MetricKind = "gauge" | "counter" | "histogram";

export interface Metric {
  readonly kind: MetricKind;
  readonly labels: readonly string[];
  readonly help: string;
  /** Of a histogram: upper bounds, ascending. */
  readonly buckets?: readonly number[];
}

const requestBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const storeBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const lagBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const judgementBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];
const entriesBuckets = [1, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000];
const mailBuckets = [1, 2, 5, 10, 30, 60, 120, 300, 900, 3_600, 14_400, 86_400];

/** Read from the Snapshot at each scrape. What is not known has no series, rather than a number that means nothing. */
export const shownMetrics = {
  status_build_info: gauge("1, with the versions of status and Deno as labels.", "version", "deno"),
  process_start_time_seconds: gauge("When the monitor was started, in seconds since 1970."),
  process_resident_memory_bytes: gauge("Resident memory of the process, in bytes."),
  process_cpu_seconds_total: counter("Processor time that the process has used, user and system, in seconds."),

  status_experiments: gauge("Experiments that are watched, by state.", "state"),
  status_experiment_state: gauge(
    "1 for the state that the experiment is in, 0 for the others: healthy, unhealthy, starting (not judged yet in this " +
      "run), unknown (a feed that could tell is lost).",
    "experiment",
    "state",
  ),
  status_experiment_healthy: gauge(
    "Whether the experiment was healthy when it was last judged (1) or not (0). Absent until it is judged; stays while a " +
      "feed is lost, when its state is unknown.",
    "experiment",
  ),
  status_experiment_available: gauge(
    "Whether book last said that all resources of the experiment are available (1) or not (0). Absent where book lists none.",
    "experiment",
  ),
  status_experiment_wanted: gauge(
    "Whether the rule wants the experiment to be available in book (1) or not (0). Absent while that is undecided, and " +
      "where book lists none of its resources.",
    "experiment",
  ),
  status_experiment_held: gauge(
    "Whether a person took the experiment off book, so that it is left alone (1), or not (0). Absent where book lists none " +
      "of its resources.",
    "experiment",
  ),
  status_experiment_jump_ok: gauge(
    "Whether jump reports a host of the experiment (1) or not (0). Absent until that is judged.",
    "experiment",
  ),

  status_stream_ok: gauge(
    "Whether the stream is reported and sends (1) or not (0), as last judged. Absent until it is judged; stays while relay " +
      "is lost.",
    "experiment",
    "stream",
  ),
  status_stream_required: gauge("Whether book requires the stream (1) or not (0).", "experiment", "stream"),
  status_stream_idle_seconds: gauge(
    "How long ago the stream had last sent when relay made its newest report, in seconds. Absent where relay gives no " +
      "statistics, where the stream never sent or was not seen in this run, and while relay is lost.",
    "experiment",
    "stream",
  ),
  status_stream_probe_heard: gauge(
    "Whether anything was heard when the stream was last listened to (1) or not (0). Absent where it is not listened to.",
    "experiment",
    "stream",
  ),

  status_feed_up: gauge(
    "Whether the feed reports (1: its state is live or late) or not (0: connecting or lost).",
    "feed",
  ),
  status_feed_state: gauge(
    "1 for the state that the feed is in, 0 for the others: connecting, live, late, lost.",
    "feed",
    "state",
  ),
  status_feed_last_report_timestamp_seconds: gauge(
    "When the feed last reported, in seconds since 1970. Absent until it has, in this run.",
    "feed",
  ),
  status_feed_interval_seconds: gauge(
    "The interval at which the feed has been reporting, in seconds. Absent until it is known.",
    "feed",
  ),
  status_feed_token_expiry_timestamp_seconds: gauge(
    "When the token of the feed's newest connection expires, in seconds since 1970. Absent until there is one. It is " +
      "renewed after 70 % of its life.",
    "feed",
  ),
  status_feed_reports_total: counter("Reports of the feed that could be read.", "feed"),
  status_feed_entries_total: counter("Entries in those reports, those of users and of the service included.", "feed"),
  status_feed_skipped_entries_total: counter("Entries that could not be read and were left out.", "feed"),
  status_feed_bad_frames_total: counter("Frames that could not be read and were dropped.", "feed"),
  status_feed_reconnects_total: counter("Connections made to the feed again as something had gone wrong.", "feed"),
  status_feed_connects_total: counter("Connections made to the feed, the first and the renewals included.", "feed"),

  status_book_state: gauge(
    "1 for the state that book is in, 0 for the others: unread, ok, failing, lost, empty.",
    "state",
  ),
  status_book_last_success_timestamp_seconds: gauge(
    "When book last answered as it should, in seconds since 1970. Absent until it has, in this run.",
  ),
  status_book_resources: gauge("Resources in the manifest that is in use."),
  status_book_changes_waiting: gauge("Changes of availability that wait for book."),
  status_book_writes_total: counter("Changes of availability that were made, and that book was seen to hold."),

  status_mail_state: gauge(
    "1 for the state that the mail is in, 0 for the others: off, idle, waiting, failing.",
    "state",
  ),
  status_mail_last_success_timestamp_seconds: gauge(
    "When the mail server last took a mail, in seconds since 1970. Absent if it never did.",
  ),
  status_mail_waiting: gauge("Mails that are owed."),
  status_mail_oldest_timestamp_seconds: gauge(
    "Since when the oldest of the mails that are owed has been, in seconds since 1970. Absent while none is.",
  ),
  status_mail_sent_total: counter("Mails that the mail server took."),

  status_webhook_state: gauge(
    "1 for the state that the webhook is in, 0 for the others: off, idle, waiting, failing.",
    "state",
  ),
  status_webhook_last_success_timestamp_seconds: gauge(
    "When the webhook last took what it was sent, in seconds since 1970. Absent if it never did.",
  ),
  status_webhook_waiting: gauge("Messages that the webhook is owed."),
  status_webhook_oldest_timestamp_seconds: gauge(
    "Since when the oldest of them has been owed, in seconds since 1970. Absent while none is.",
  ),
  status_webhook_sent_total: counter("Messages that the webhook took."),

  status_probes_state: gauge(
    "1 for the state that listening to streams is in, 0 for the others: off, idle (relay gives statistics), probing, " +
      "failing (no stream can be listened to).",
    "state",
  ),
  status_probes_streams: gauge("Streams that are listened to in turn."),
  status_probes_total: counter(
    "How often a stream was listened to. Result: heard, silent, failed (it could not be, which says nothing of it).",
    "result",
  ),

  status_heartbeat_state: gauge(
    "1 for the state that the heartbeat is in, 0 for the others: off, waiting, ok, withheld (something is not alive), " +
      "failing.",
    "state",
  ),
  status_heartbeat_last_success_timestamp_seconds: gauge(
    "When the heartbeat was last asked for and answered, in seconds since 1970. Absent until it was, in this run.",
  ),
  status_heartbeat_sent_total: counter("How often the heartbeat was asked for and answered."),
  status_heartbeat_failures_total: counter("How often asking for the heartbeat failed."),

  status_store_state: gauge("1 for the state that the store is in, 0 for the others: ok, memory, failing.", "state"),
  status_store_last_success_timestamp_seconds: gauge(
    "When something was last written to the store, in seconds since 1970. Absent until it was, in this run.",
  ),
  status_store_changes_waiting: gauge("Changes that could not be written to the store yet."),

  status_alert_active: gauge("Whether the system alert holds (1) or not (0).", "code"),
  status_live_readers: gauge("Readers of the live events, pages included."),
  status_live_queued_bytes: gauge("What waits for readers of the live events that have not read it yet, in bytes."),
  status_live_dropped_total: counter("Readers of the live events that were given up as they did not read."),
} as const satisfies Record<string, Metric>;

/** Counted as it happens, from the start of the program. */
export const measuredMetrics = {
  status_event_loop_lag_seconds: histogram(
    "By how much the event loop was late, measured twice a second, in seconds.",
    lagBuckets,
  ),
  status_judgement_duration_seconds: histogram(
    "How long it took to take in a report, judge everything by it and hand on what follows, in seconds.",
    judgementBuckets,
    "feed",
  ),
  status_judgement_entries: histogram("Entries in the reports that were judged.", entriesBuckets, "feed"),
  status_book_requests_total: counter(
    "Requests to book: list is the manifest, read and write the availability of one resource. Result: ok, unreachable, " +
      "refused, unknown (no resource of that name), garbled (not what book says), failed (in here).",
    "operation",
    "result",
  ),
  status_book_request_duration_seconds: histogram(
    "How long requests to book took, the failed ones included, in seconds.",
    requestBuckets,
    "operation",
  ),
  status_mail_failures_total: counter(
    "Tries to send a mail that failed: deferred (not taken for now, or no conversation), refused (not taken for good), " +
      "in-doubt (handed over, and no answer came).",
    "reason",
  ),
  status_webhook_failures_total: counter(
    "Tries to tell the webhook that failed: deferred (not taken for now, or no answer at all), refused (not taken for " +
      "good), in-doubt (sent, and no answer came).",
    "reason",
  ),
  status_mail_delay_seconds: histogram(
    "From each event and system alert to when the mail server took the mail that tells of it, in seconds.",
    mailBuckets,
  ),
  status_store_operations_total: counter(
    "What the store was asked to do: record (write changes), prune (delete what is old), turns (read a history). Result: " +
      "ok or failed.",
    "operation",
    "result",
  ),
  status_store_operation_duration_seconds: histogram(
    "How long that took, the failed ones included, in seconds.",
    storeBuckets,
    "operation",
  ),
} as const satisfies Record<string, Metric>;

export type ShownName = keyof typeof shownMetrics;
export type MeasuredName = keyof typeof measuredMetrics;

function gauge<const Labels extends readonly string[]>(help: string, ...labels: Labels) {
  return { kind: "gauge", labels, help } as const;
}

function counter<const Labels extends readonly string[]>(help: string, ...labels: Labels) {
  return { kind: "counter", labels, help } as const;
}

function histogram<const Labels extends readonly string[]>(
  help: string,
  buckets: readonly number[],
  ...labels: Labels
) {
  return { kind: "histogram", labels, help, buckets } as const;
}

/*
 * What a Snapshot says in numbers: the series of `shownMetrics` that are made anew at each scrape, so that what is forgotten
 * is gone from them. Pure. How they are written is for `metrics_text`.
 */

/** Of the live events: how many readers, what waits for them, and how many were given up. */
export interface LiveFigures {
  readonly readers: number;
  readonly queuedBytes: number;
  readonly dropped: number;
}

/** What the process, and not the laboratory, has to show. */
export interface ProcessFigures {
  readonly deno: string;
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  readonly live: LiveFigures;
}

/** The series of each metric, or some of them; a metric that has none is not in it. */
export type Samples = ReadonlyMap<ShownName, readonly Sample[]>;

/** Experiments whose series are made in one go: a few milliseconds' work. */
export const experimentsPerPart = 500;

/** All series, in parts, so that whoever takes them can let others have their turn in between. */
export function* samplesOf(snapshot: Snapshot, figures: ProcessFigures): Generator<Samples> {
  const { experiments, feeds: { relay } } = snapshot;
  yield monitorSamples(snapshot, figures);
  for (let at = 0; at < experiments.length; at += experimentsPerPart) {
    const sheet = new SampleSheet();
    for (const view of experiments.slice(at, at + experimentsPerPart)) addExperiment(sheet, view, relay);
    yield sheet.samples;
  }
}

/** Those that are not of one experiment. */
function monitorSamples(snapshot: Snapshot, figures: ProcessFigures): Samples {
  const sheet = new SampleSheet();
  addProcess(sheet, snapshot, figures);
  addStates(sheet, "status_experiments", experimentStates, (state) => snapshot.counts[state]);
  for (const name of ["jump", "relay"] as const) addFeed(sheet, name, snapshot.feeds[name]);
  addBook(sheet, snapshot.book);
  addOutbox(sheet, "mail", snapshot.mail);
  addOutbox(sheet, "webhook", snapshot.webhook);
  addProbes(sheet, snapshot.probes);
  addHeartbeat(sheet, snapshot.heartbeat);
  addStore(sheet, snapshot.store);
  const active = new Set(snapshot.alerts.map(({ code }) => code));
  for (const code of alertCodes) sheet.add("status_alert_active", active.has(code), code);
  return sheet.samples;
}

/** As many values as the metric has labels. */
type LabelValues<Name extends ShownName> = TextFor<(typeof shownMetrics)[Name]["labels"]>;
type TextFor<Labels extends readonly string[]> = { [At in keyof Labels]: string };

class SampleSheet {
  readonly samples = new Map<ShownName, Sample[]>();

  /** Null: not known, so there is no series. */
  add<Name extends ShownName>(name: Name, value: number | boolean | null, ...labels: LabelValues<Name>): void {
    if (value === null) return;
    const sample = { labels, value: Number(value) };
    const samples = this.samples.get(name);
    if (samples) samples.push(sample);
    else this.samples.set(name, [sample]);
  }
}

function addProcess(sheet: SampleSheet, { version, startedMs }: Snapshot, figures: ProcessFigures): void {
  sheet.add("status_build_info", 1, version, figures.deno);
  sheet.add("process_start_time_seconds", seconds(startedMs));
  sheet.add("process_resident_memory_bytes", figures.residentBytes);
  sheet.add("process_cpu_seconds_total", figures.cpuSeconds);
  sheet.add("status_live_readers", figures.live.readers);
  sheet.add("status_live_queued_bytes", figures.live.queuedBytes);
  sheet.add("status_live_dropped_total", figures.live.dropped);
}

function addExperiment(sheet: SampleSheet, view: ExperimentView, relay: FeedView): void {
  const { name, host, streams } = view;
  const isListed = view.resources.length > 0;
  for (const state of experimentStates) sheet.add("status_experiment_state", view.state === state, name, state);
  sheet.add("status_experiment_healthy", view.judged ? view.healthy : null, name);
  sheet.add("status_experiment_available", isListed ? view.available : null, name);
  sheet.add("status_experiment_wanted", view.wanted, name);
  sheet.add("status_experiment_held", isListed ? view.held !== null : null, name);
  sheet.add("status_experiment_jump_ok", host.verdict && host.verdict === "ok", name);
  for (const stream of streams) {
    sheet.add("status_stream_ok", stream.verdict && stream.verdict === "ok", name, stream.topic);
    sheet.add("status_stream_required", stream.required, name, stream.topic);
    sheet.add("status_stream_idle_seconds", seconds(idleMsOf(stream, relay)), name, stream.topic);
    sheet.add("status_stream_probe_heard", stream.probe && stream.probe.heard, name, stream.topic);
  }
}

function addFeed(sheet: SampleSheet, name: "jump" | "relay", feed: FeedView): void {
  sheet.add("status_feed_up", feed.state === "live" || feed.state === "late", name);
  for (const state of keysOf(feedStates)) sheet.add("status_feed_state", feed.state === state, name, state);
  sheet.add("status_feed_last_report_timestamp_seconds", seconds(feed.lastSuccessMs), name);
  sheet.add("status_feed_interval_seconds", seconds(feed.intervalMs), name);
  sheet.add("status_feed_token_expiry_timestamp_seconds", seconds(feed.tokenExpiresMs), name);
  sheet.add("status_feed_reports_total", feed.counts.reports, name);
  sheet.add("status_feed_entries_total", feed.counts.entries, name);
  sheet.add("status_feed_skipped_entries_total", feed.counts.skipped, name);
  sheet.add("status_feed_bad_frames_total", feed.counts.badFrames, name);
  sheet.add("status_feed_connects_total", feed.counts.connects, name);
  sheet.add("status_feed_reconnects_total", feed.counts.reconnects, name);
}

function addBook(sheet: SampleSheet, book: BookView): void {
  addStates(sheet, "status_book_state", keysOf(bookStates), (state) => book.state === state);
  sheet.add("status_book_last_success_timestamp_seconds", seconds(book.lastSuccessMs));
  sheet.add("status_book_resources", book.resources);
  sheet.add("status_book_changes_waiting", book.waiting);
  sheet.add("status_book_writes_total", book.writes);
}

function addOutbox(sheet: SampleSheet, name: "mail" | "webhook", view: OutboxView): void {
  addStates(sheet, `status_${name}_state`, keysOf(outboxStates), (state) => view.state === state);
  sheet.add(`status_${name}_last_success_timestamp_seconds`, seconds(view.lastSuccessMs));
  sheet.add(`status_${name}_waiting`, view.waiting);
  sheet.add(`status_${name}_oldest_timestamp_seconds`, seconds(view.oldestMs));
  sheet.add(`status_${name}_sent_total`, view.sent);
}

function addProbes(sheet: SampleSheet, probes: ProbesView): void {
  addStates(sheet, "status_probes_state", keysOf(probesStates), (state) => probes.state === state);
  sheet.add("status_probes_streams", probes.streams);
  for (const result of ["heard", "silent", "failed"] as const) sheet.add("status_probes_total", probes[result], result);
}

function addHeartbeat(sheet: SampleSheet, heartbeat: HeartbeatView): void {
  addStates(sheet, "status_heartbeat_state", keysOf(heartbeatStates), (state) => heartbeat.state === state);
  sheet.add("status_heartbeat_last_success_timestamp_seconds", seconds(heartbeat.lastSuccessMs));
  sheet.add("status_heartbeat_sent_total", heartbeat.sent);
  sheet.add("status_heartbeat_failures_total", heartbeat.failed);
}

function addStore(sheet: SampleSheet, store: StoreView): void {
  addStates(sheet, "status_store_state", keysOf(storeStates), (state) => store.state === state);
  sheet.add("status_store_last_success_timestamp_seconds", seconds(store.lastSuccessMs));
  sheet.add("status_store_changes_waiting", store.waiting);
}

function addStates<State extends string>(
  sheet: SampleSheet,
  name: "status_experiments" | `status_${"book" | "mail" | "webhook" | "probes" | "heartbeat" | "store"}_state`,
  states: readonly State[],
  valueOf: (state: State) => number | boolean,
): void {
  for (const state of states) sheet.add(name, valueOf(state), state);
}

function seconds(ms: number): number;
function seconds(ms: number | null): number | null;
function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1_000;
}

// A new member of a union does not compile until it is here, and so in the series.
type StateOf<Part> = Part extends ComponentStatus<infer State> ? State : never;
const experimentStates: readonly ExperimentState[] = keysOf(
  { healthy: 0, unhealthy: 0, starting: 0, unknown: 0 } satisfies Record<ExperimentState, 0>,
);
const feedStates: Record<StateOf<FeedView>, 0> = { connecting: 0, live: 0, late: 0, lost: 0 };
const bookStates: Record<StateOf<BookView>, 0> = { unread: 0, ok: 0, failing: 0, lost: 0, empty: 0 };
const outboxStates: Record<StateOf<OutboxView>, 0> = { off: 0, idle: 0, waiting: 0, failing: 0 };
const probesStates: Record<StateOf<ProbesView>, 0> = { off: 0, idle: 0, probing: 0, failing: 0 };
const heartbeatStates: Record<StateOf<HeartbeatView>, 0> = { off: 0, waiting: 0, ok: 0, withheld: 0, failing: 0 };
const storeStates: Record<StateOf<StoreView>, 0> = { ok: 0, memory: 0, failing: 0 };

function keysOf<Key extends string>(table: Readonly<Record<Key, 0>>): readonly Key[] {
  return Object.keys(table) as Key[];
}

/*
 * Metrics whose values are at hand, in Prometheus' text format: to the letter of its version 0.0.4, and to the byte what
 * prom-client makes of them (but for NaN, which that spells `Nan`). Pure. prom-client itself is for what is counted: to hand
 * it a value that is known costs it ten times as much as to write it down.
 */

/** One series; `labels`: the values of the metric's labels, in their order. */
export interface Sample {
  readonly labels: readonly string[];
  readonly value: number;
}
