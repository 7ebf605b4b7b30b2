/**
 * `GET /metrics`: what the monitor has to say to Prometheus. What a Snapshot says is written anew at each scrape; what is
 * measured as it happens is kept, and written by prom-client. Which metrics there are is in `metrics_list`, what a Snapshot
 * says in `metrics_snapshot`, how that is written in `metrics_text`, where it is measured in `metrics_taps`.
 */
import process from "node:process";
import type { BookOperation, BookResult, Measures, SendFailure, StoreOperation, StoreResult } from "./measures.ts";
import { Body } from "./body.ts";
import { Counter, Histogram, Registry } from "./metrics_client.ts";
import { measuredMetrics, type Metric, shownMetrics, type ShownName } from "./metrics_list.ts";
import { type LiveFigures, type ProcessFigures, type Samples, samplesOf } from "./metrics_snapshot.ts";
import { headText, seriesText } from "./metrics_text.ts";
import type { Snapshot } from "./snapshot.ts";

export interface MetricsOptions {
  /** What the process has to show now, but for the live readers. */
  process(): Omit<ProcessFigures, "live">;
  /** How many read the live events now. */
  live(): LiveFigures;
  /** Lets all that waits have its turn: the metrics of thousands of experiments are written a part at a time. */
  pause(): Promise<void>;
}

export interface Metrics {
  readonly measures: Measures;
  /** All metrics, in Prometheus' text format (version 0.0.4): made once for all who ask meanwhile. */
  body(snapshot: Snapshot): Promise<Body>;
}

export function createMetrics(options: MetricsOptions): Metrics {
  const measured = new Measured();
  const registry = new Registry();
  for (const metric of measured.metrics) registry.registerMetric(metric);

  async function make(snapshot: Snapshot): Promise<Body> {
    const shown = new Shown();
    for (const part of samplesOf(snapshot, { ...options.process(), live: options.live() })) {
      shown.add(part);
      await options.pause();
    }
    return Body.made([...shown.texts(), await registry.metrics()], options.pause);
  }

  let making: { readonly of: Snapshot; readonly body: Promise<Body> } | null = null;
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

class Measured implements Measures {
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
    ...[this.#judgements, this.#entries, this.#bookRequests, this.#bookTimes],
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

  book({ operation, result, tookMs }: Parameters<Measures["book"]>[0]): void {
    this.#bookRequests.inc({ operation, result });
    this.#bookTimes.observe({ operation }, tookMs / 1_000);
  }

  store({ operation, result, tookMs }: Parameters<Measures["store"]>[0]): void {
    this.#storeOperations.inc({ operation, result });
    this.#storeTimes.observe({ operation }, tookMs / 1_000);
  }

  judged({ feed, entries, tookMs }: Parameters<Measures["judged"]>[0]): void {
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
