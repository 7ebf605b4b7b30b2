/**
 * What does relay report, whichever generation of it? A stream belongs to an experiment when its entry has the scope `expt`;
 * users who watch it share its topic (protocol, "A relay entry"). Whether it is ok is for `health`. Pure.
 */
import { figuresEach } from "./connection_table.ts";
import { goDurationMs } from "./duration.ts";
import { type EntryRule, type Fields, isFields } from "./entry.ts";
import type { Measure } from "./sheet.ts";

export const relayRule: EntryRule = {
  scope: "expt",
  measures: true,
  read({ stats }, measure) {
    if (stats === undefined || stats === null) return unmeasured(measure);
    return isFields(stats) && readStats(stats, measure);
  },
};

/** `pend00-st-video-alt` is stream `st-video-alt` (as book calls it) of experiment `pend00`; null for what is no experiment's. */
export function splitTopic(topic: string): { stub: string; stream: string } | null {
  const at = topic.lastIndexOf(mark);
  const isWhole = at > 0 && at + mark.length < topic.length;
  return isWhole ? { stub: topic.slice(0, at), stream: topic.slice(at + 1) } : null;
}

const mark = "-st-";

function unmeasured(measure: Measure): true {
  measure.numbers[0] = NaN;
  measure.txLast = measure.rxLast = "";
  return true;
}

function readStats({ tx, rx }: Fields, measure: Measure): boolean {
  const txLast = readTraffic(tx, measure.numbers, 0);
  if (txLast === null) return false;
  measure.txLast = txLast;
  // What the connection was sent says nothing of whether it works, so an odd `rx` costs nobody a stream.
  measure.rxLast = readTraffic(rx, measure.numbers, rxAt) ?? (readTraffic(undefined, measure.numbers, rxAt) as string);
  return true;
}

/** Writes the three numbers; gives the text of `last`, or null where it can't be read. What is missing is zero or never. */
function readTraffic(value: unknown, numbers: Float64Array, at: number): string | null {
  const traffic = value ?? nothing;
  if (!isFields(traffic)) return null;
  const { last = null, size, fps } = traffic;
  const idleMs = parsedIdleMs(last);
  if (idleMs === null) return null;
  numbers[at] = idleMs;
  numbers[at + 1] = numberOf(size);
  numbers[at + 2] = numberOf(fps);
  return typeof last === "number" ? `${last}ns` : last as string ?? "";
}

/** Infinity for never, and null for what can't be read. */
function parsedIdleMs(last: unknown): number | null {
  if (last === null || last === "") return Infinity;
  if (typeof last === "number") return limited(last / 1e6);
  if (typeof last !== "string" || last.length > lastCharsMax) return null;
  const ms = goDurationMs(last);
  if (ms === null) return last.toLowerCase() === "never" ? Infinity : null;
  return limited(ms);
}

function limited(ms: number): number | null {
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), idleMsMax) : null;
}

function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

const rxAt = figuresEach / 2;
const nothing: Fields = {};
// The longest that Go writes has 25.
const lastCharsMax = 64;
// The longest that Go knows is 292 years, which no calendar of ours reaches back.
const idleMsMax = 100 * 365 * 86_400_000;
