/**
 * `GET /metrics`: what the monitor has to say to Prometheus. What a Snapshot says is written anew at each scrape; what is
 * measured as it happens is kept, and written by prom-client. Which metrics there are is in `metrics_list`, what a Snapshot
 * says in `metrics_snapshot`, how that is written in `metrics_text`, where it is measured in `metrics_taps`.
 */
import process from "node:process";
import type * as client from "prom-client";
import counter from "prom-client/lib/counter.js";
import histogram from "prom-client/lib/histogram.js";
import registry from "prom-client/lib/registry.js";
import { type Book, isBookError } from "./book_client.ts";
import type { FeedListener } from "./feed.ts";
import {
  type LiveFigures,
  measuredMetrics,
  type Metric,
  type ProcessFigures,
  type Sample,
  type Samples,
  samplesOf,
  shownMetrics,
  type ShownName,
} from "./metric_definitions.ts";
import type { OutboxListener } from "./outbox.ts";
import type { FeedName } from "./report.ts";
import { EncodedBody } from "./response_cache.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Store } from "./store.ts";

export interface MetricsOptions {
  /** What the process has to show now, but for the live readers. */
  process(): Omit<ProcessFigures, "live">;
  /** How many read the live events now. */
  live(): LiveFigures;
  /** Lets all that waits have its turn: the metrics of thousands of experiments are written a part at a time. */
  pause(): Promise<void>;
}

export interface Metrics {
  readonly measures: Instrumentation;
  /** All metrics, in Prometheus' text format (version 0.0.4): made once for all who ask meanwhile. */
  body(snapshot: Snapshot): Promise<EncodedBody>;
}

export function createMetrics(options: MetricsOptions): Metrics {
  const measured = new Measured();
  const registry = new Registry();
  for (const metric of measured.metrics) registry.registerMetric(metric);

  async function make(snapshot: Snapshot): Promise<EncodedBody> {
    const shown = new Shown();
    for (const part of samplesOf(snapshot, { ...options.process(), live: options.live() })) {
      shown.add(part);
      await options.pause();
    }
    return EncodedBody.made([...shown.texts(), await registry.metrics()], options.pause);
  }

  let making: { readonly of: Snapshot; readonly body: Promise<EncodedBody> } | null = null;
  return {
    measures: measured,
    body(snapshot) {
      if (making?.of === snapshot) return making.body;
      const mine = making = { of: snapshot, body: make(snapshot).finally(() => making === mine && (making = null)) };
      return mine.body;
    },
  };
}

/** Of this process. Needs no permission. */
export function processFigures(): Omit<ProcessFigures, "live"> {
  const { user, system } = process.cpuUsage(); // microseconds
  return {
    deno: Deno.version.deno,
    residentBytes: Deno.memoryUsage().rss,
    cpuSeconds: (user + system) / 1e6,
  };
}

/** What is known of the metrics of a Snapshot, in the order of their list; of which nothing is known is not there at all. */
class Shown {
  readonly #series = new Map<ShownName, string[]>();

  add(part: Samples): void {
    for (const [name, samples] of part) {
      const text = seriesText(name, shownMetrics[name], samples);
      const texts = this.#series.get(name);
      if (texts) texts.push(text);
      else this.#series.set(name, [text]);
    }
  }

  /** With an empty line after each metric. */
  *texts(): Generator<string> {
    for (const name of Object.keys(shownMetrics) as ShownName[]) {
      const series = this.#series.get(name);
      if (!series) continue;
      yield headText(name, shownMetrics[name]);
      yield* series;
      yield "\n";
    }
  }
}

class Measured implements Instrumentation {
  readonly #lags = histogramOf("status_event_loop_lag_seconds");
  readonly #judgements = histogramOf("status_judgement_duration_seconds");
  readonly #entries = histogramOf("status_judgement_entries");
  readonly #bookRequests = counterOf("status_book_requests_total");
  readonly #bookTimes = histogramOf("status_book_request_duration_seconds");
  readonly #mailFailures = counterOf("status_mail_failures_total");
  readonly #webhookFailures = counterOf("status_webhook_failures_total");
  readonly #mailDelays = histogramOf("status_mail_delay_seconds");
  readonly #storeOperations = counterOf("status_store_operations_total");
  readonly #storeTimes = histogramOf("status_store_operation_duration_seconds");
  readonly metrics = [
    ...[this.#lags, this.#judgements, this.#entries, this.#bookRequests, this.#bookTimes],
    ...[this.#mailFailures, this.#webhookFailures, this.#mailDelays, this.#storeOperations, this.#storeTimes],
  ];

  /** Every series begins at 0: Prometheus takes no first value for an increase. */
  constructor() {
    for (const feed of ["jump", "relay"]) this.#judgements.zero({ feed }), this.#entries.zero({ feed });
    for (const operation of bookOperations) {
      this.#bookTimes.zero({ operation });
      for (const result of bookResults) this.#bookRequests.inc({ operation, result }, 0);
    }
    for (const reason of sendFailures) {
      this.#mailFailures.inc({ reason }, 0);
      this.#webhookFailures.inc({ reason }, 0);
    }
    for (const operation of storeOperations) {
      this.#storeTimes.zero({ operation });
      for (const result of storeResults) this.#storeOperations.inc({ operation, result }, 0);
    }
  }

  book({ operation, result, tookMs }: Parameters<Instrumentation["book"]>[0]): void {
    this.#bookRequests.inc({ operation, result });
    this.#bookTimes.observe({ operation }, tookMs / 1_000);
  }

  store({ operation, result, tookMs }: Parameters<Instrumentation["store"]>[0]): void {
    this.#storeOperations.inc({ operation, result });
    this.#storeTimes.observe({ operation }, tookMs / 1_000);
  }

  lagged(ms: number): void {
    this.#lags.observe(ms / 1_000);
  }

  judged({ feed, entries, tookMs }: Parameters<Instrumentation["judged"]>[0]): void {
    this.#judgements.observe({ feed }, tookMs / 1_000);
    this.#entries.observe({ feed }, entries);
  }

  mailed(waitedMs: readonly number[]): void {
    // A clock that was put back must not make it negative.
    for (const each of waitedMs) this.#mailDelays.observe(Math.max(each, 0) / 1_000);
  }

  mailFailed(reason: SendFailure): void {
    this.#mailFailures.inc({ reason });
  }

  webhookFailed(reason: SendFailure): void {
    this.#webhookFailures.inc({ reason });
  }
}

function counterOf(name: keyof typeof measuredMetrics) {
  const { help, labels }: Metric = measuredMetrics[name];
  return new Counter({ name, help, labelNames: labels, registers: [] });
}

function histogramOf(name: keyof typeof measuredMetrics) {
  const { help, labels, buckets }: Metric = measuredMetrics[name];
  return new Histogram({ name, help, labelNames: labels, buckets: [...buckets ?? []], registers: [] });
}

const bookOperations: readonly BookOperation[] = ["list", "read", "write"];
const bookResults: readonly BookResult[] = ["ok", "unreachable", "refused", "unknown", "garbled", "failed"];
const sendFailures: readonly SendFailure[] = ["deferred", "refused", "in-doubt"];
const storeOperations: readonly StoreOperation[] = ["record", "prune", "turns"];
const storeResults: readonly StoreResult[] = ["ok", "failed"];

/*
 * The three classes of prom-client that are used, each from its own file: the package's index brings cluster, push gateway and
 * HTTP client with it, which took 7 MB and 70 ms at the start, and these take 2.6 MB and 17 ms.
 */

// These files come without types: the package's are those of its index.
export const Counter: typeof client.Counter = counter;
export const Histogram: typeof client.Histogram = histogram;
export const Registry: typeof client.Registry = registry;

/** What a metric is, in the two lines that come before its series. */
export function headText(name: string, { kind, help }: Metric): string {
  return `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${kind}\n`;
}

/** A line for each. Of all that is done at a scrape most is done here: there are fifteen for an experiment of two streams. */
export function seriesText(name: string, { labels }: Metric, samples: readonly Sample[]): string {
  return samples.map((each) => `${name}${labelsText(labels, each.labels)} ${valueText(each.value)}\n`).join("");
}

function labelsText(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return "";
  let text = "";
  for (let at = 0; at < names.length; at++) {
    text += `${at === 0 ? "{" : ","}${names[at]}="${escaped(values[at] ?? "")}"`;
  }
  return `${text}}`;
}

function escaped(text: string): string {
  if (!/[\\\n"]/.test(text)) return text;
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function valueText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

/*
 * Where it is measured: each part with a tap on it, which the part knows nothing of. A tap passes everything on as it is,
 * errors included, and tells `measures` how it went. What becomes of that is for `metrics`.
 */

/** What a tap needs of the world. `monotonicMs`: milliseconds that only go forwards. */
export interface TapPorts {
  readonly measures: Instrumentation;
  monotonicMs(): number;
}

/** A request that the program itself gave up, since it stops, is none. */
export function measuredBook(book: Book, { measures, monotonicMs }: TapPorts): Book {
  async function tapped<Answer>(operation: BookOperation, signal: AbortSignal, ask: () => Promise<Answer>) {
    const startMs = monotonicMs();
    const tell = (result: BookResult) => measures.book({ operation, result, tookMs: monotonicMs() - startMs });
    try {
      const answer = await ask();
      tell("ok");
      return answer;
    } catch (error) {
      if (!signal.aborted) tell(bookResult(error));
      throw error;
    }
  }
  return {
    resources: (signal) => tapped("list", signal, () => book.resources(signal)),
    availability: (name, signal) => tapped("read", signal, () => book.availability(name, signal)),
    setAvailability: (name, wanted, signal) =>
      tapped("write", signal, () => book.setAvailability(name, wanted, signal)),
  };
}

function bookResult(error: unknown): BookResult {
  if (!isBookError(error)) return "failed";
  switch (error.code) {
    case "BOOK_UNREACHABLE":
      return "unreachable";
    case "BOOK_REFUSED":
    case "BOOK_DID_NOT_KEEP":
      return "refused";
    case "BOOK_UNKNOWN_RESOURCE":
      return "unknown";
    case "BOOK_GARBLED":
      return "garbled";
  }
}

/** What is loaded at the start and closed at the end is not measured. */
export function measuredStore(store: Store, { measures, monotonicMs }: TapPorts): Store {
  async function tapped<Result>(operation: StoreOperation, act: () => Promise<Result>) {
    const startMs = monotonicMs();
    const tell = (result: "ok" | "failed") => measures.store({ operation, result, tookMs: monotonicMs() - startMs });
    try {
      const done = await act();
      tell("ok");
      return done;
    } catch (error) {
      tell("failed");
      throw error;
    }
  }
  return {
    kind: store.kind,
    load: (max) => store.load(max),
    turns: (experiment, range) => tapped("turns", () => store.turns(experiment, range)),
    record: (changes) => tapped("record", () => store.record(changes)),
    prune: (beforeMs) => tapped("prune", () => store.prune(beforeMs)),
    close: () => store.close(),
  };
}

export function measuredFeed(
  feed: FeedName,
  listener: FeedListener,
  { measures, monotonicMs }: TapPorts,
): FeedListener {
  return {
    report(report) {
      const startMs = monotonicMs();
      listener.report(report);
      measures.judged({ feed, entries: report.entries, tookMs: monotonicMs() - startMs });
    },
    news: (news) => listener.news(news),
  };
}

export function measuredWebhook(listener: OutboxListener, measures: Instrumentation): OutboxListener {
  return {
    ...listener,
    failed(letter, failure, failuresInARow) {
      measures.webhookFailed(failure.kind);
      listener.failed(letter, failure, failuresInARow);
    },
  };
}

/** `nowMs`: the wall clock that the events were dated by. If it was put back since, they waited for no time. */
export function measuredMail(
  listener: OutboxListener,
  { measures, nowMs }: { measures: Instrumentation; nowMs(): number },
): OutboxListener {
  return {
    ...listener,
    sent(letter, delivery) {
      const atMs = nowMs();
      measures.mailed([...letter.events, ...letter.alerts].map((told) => Math.max(atMs - told.atMs, 0)));
      listener.sent(letter, delivery);
    },
    failed(letter, failure, failuresInARow) {
      measures.mailFailed(failure.kind);
      listener.failed(letter, failure, failuresInARow);
    },
  };
}

/**
 * What is measured as it happens, for whoever makes it happen or wires those who do. Leaf: what becomes of it is for
 * `metrics`. What is merely so at the moment (states, counts, ages) is not measured: metrics read it from a Snapshot.
 */

/** Is told at once, costs next to nothing, and never throws. Durations by the steady clock unless said otherwise. */
export interface Instrumentation {
  /** The event loop was late by so much, measured twice a second. */
  lagged(ms: number): void;
  /** A request to book was answered, or was not. */
  book(what: { readonly operation: BookOperation; readonly result: BookResult; readonly tookMs: number }): void;
  /** The store did what it was asked, or could not. */
  store(what: { readonly operation: StoreOperation; readonly result: StoreResult; readonly tookMs: number }): void;
  /** A report was taken in and everything judged by it. `entries`: how many the report held. */
  judged(what: { readonly feed: "jump" | "relay"; readonly entries: number; readonly tookMs: number }): void;
  /** The mail server took a mail. `waitedMs`: how long ago each thing happened that it tells of, by the wall clock. */
  mailed(waitedMs: readonly number[]): void;
  /** A try to send a mail failed. */
  mailFailed(reason: SendFailure): void;
  /** A try to tell the webhook failed. */
  webhookFailed(reason: SendFailure): void;
}

/** `list`: the manifest. `read`, `write`: the availability of one resource. */
export type BookOperation = "list" | "read" | "write";
/** `unknown`: it knows no resource of that name (404). `garbled`: what it said can't be read. */
export type BookResult = "ok" | "unreachable" | "refused" | "unknown" | "garbled" | "failed";
export type StoreOperation = "record" | "prune" | "turns";
export type StoreResult = "ok" | "failed";
/** `in-doubt`: the whole message went out and no answer came. */
export type SendFailure = "deferred" | "refused" | "in-doubt";
