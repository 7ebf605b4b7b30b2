/**
 * What a Snapshot says in numbers: the series of `shownMetrics` that are made anew at each scrape, so that what is forgotten
 * is gone from them. Pure. How they are written is for `metrics_text`.
 */
import { alertCodes } from "./alerts.ts";
import type { shownMetrics, ShownName } from "./metrics_list.ts";
import type { Sample } from "./metrics_text.ts";
import type { ExperimentState } from "./persisted.ts";
import { type ExperimentView, type HeartbeatView, idleMsOf, type OutboxView, type Snapshot } from "./snapshot.ts";
import type { BookView, FeedView, PartView, ProbesView, StoreView } from "./system_alerts.ts";

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
type StateOf<Part> = Part extends PartView<infer State> ? State : never;
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
