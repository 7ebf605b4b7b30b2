/**
 * Metrics whose values are at hand, in Prometheus' text format: to the letter of its version 0.0.4, and to the byte what
 * prom-client makes of them (but for NaN, which that spells `Nan`). Pure. prom-client itself is for what is counted: to hand
 * it a value that is known costs it ten times as much as to write it down.
 */
import type { Metric } from "./metrics_list.ts";

/** One series; `labels`: the values of the metric's labels, in their order. */
export interface Sample {
  readonly labels: readonly string[];
  readonly value: number;
}

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
