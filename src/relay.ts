/**
 * What does relay report, in our words, whichever generation of it? A stream belongs to an experiment when its entry has the
 * scope `expt`; users who watch it share its topic (protocol, "A relay entry"). Whether it is ok is for `health`. Pure.
 */
import type { Connection, Idle, Traffic } from "./connection.ts";
import { connectionOf, type Decoded, type Entry, isFields, readReports } from "./entry.ts";
import { goDurationMs } from "./go_duration.ts";

/**
 * The streams in the reports among `documents`, by topic; null when none of them is a report. Topics that are no
 * experiment's (`splitTopic`) are in it too. "unmeasured" where there are streams and none has statistics. Never throws.
 */
export function decodeRelay(documents: readonly unknown[]): Decoded | null {
  const reports = readReports(documents, readEntry);
  return reports === null ? null : { ...reports, generation: generationOf(reports.connections) };
}

/** `pend00-st-video-alt` is stream `st-video-alt` (as book calls it) of experiment `pend00`; null for what is no experiment's. */
export function splitTopic(topic: string): { stub: string; stream: string } | null {
  const at = topic.lastIndexOf(mark);
  const isWhole = at > 0 && at + mark.length < topic.length;
  return isWhole ? { stub: topic.slice(0, at), stream: topic.slice(at + 1) } : null;
}

const mark = "-st-";

function readEntry(entry: Entry): Connection | "other" | "unreadable" {
  if (!entry.scopes.includes("expt")) return "other";
  const stats = statsOf(entry.fields.stats);
  return stats === "unreadable" ? "unreadable" : connectionOf(entry, stats);
}

function statsOf(value: unknown): Connection["stats"] | "unreadable" {
  if (value === undefined || value === null) return null;
  if (!isFields(value)) return "unreadable";
  const tx = trafficOf(value.tx);
  const rx = trafficOf(value.rx);
  // What the connection was sent says nothing of whether it works, so an odd `rx` costs nobody a stream.
  return tx === "unreadable" ? tx : { tx, rx: rx === "unreadable" ? noTraffic : rx };
}

/** What is missing is zero or never: Go leaves such out. */
function trafficOf(value: unknown): Traffic | "unreadable" {
  if (value === undefined || value === null) return noTraffic;
  if (!isFields(value)) return "unreadable";
  const last = typeof value.last === "number" ? `${value.last}ns` : value.last ?? "";
  if (typeof last !== "string" || last.length > lastCharsMax) return "unreadable";
  const idle = idleOf(last, value.last);
  return idle === null ? "unreadable" : { last, idle, size: numberOf(value.size), fps: numberOf(value.fps) };
}

function idleOf(last: string, raw: unknown): Idle | null {
  if (last === "" || last.toLowerCase() === "never") return never;
  const ms = typeof raw === "number" ? raw / 1e6 : goDurationMs(last);
  return ms === null || !Number.isFinite(ms) ? null : { kind: "for", ms: Math.min(Math.max(0, ms), idleMsMax) };
}

function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function generationOf(connections: ReadonlyMap<string, Connection>): Decoded["generation"] {
  for (const { stats } of connections.values()) if (stats !== null) return "measured";
  return connections.size === 0 ? "measured" : "unmeasured";
}

// The longest that Go writes has 25.
const lastCharsMax = 64;
// The longest that Go knows is 292 years, which no calendar of ours reaches back.
const idleMsMax = 100 * 365 * 86_400_000;
const never: Idle = { kind: "never" };
const noTraffic: Traffic = { last: "", idle: never, size: 0, fps: 0 };
