/**
 * The parts of the program as the bench drives them without a process: what reads a frame, the core alone, and the real
 * monitor with a store on the disk and hands that only note.
 */
import { applyReport, evaluate } from "../../src/health.ts";
import { initialLab, type LabState, withManifest } from "../../src/lab.ts";
import { buffersOf, DeltaDecoder, type Report, type ReportDelta, type Resource } from "../../src/report.ts";
import { FrameReader } from "../../src/report_decoder.ts";
import { openSqliteStore } from "../../src/sqlite_file.ts";
import { resource, rules, startMs } from "../../test/support/bench.ts";
import { setUp } from "../../test/support/monitor.ts";
import { type Dialect, frameOf, nameOf } from "./frames.ts";

/** Reports come so often. */
export const intervalMs = 1_000;

/** Frames in turn, so that nothing about one can be remembered from the last time. */
export function framesOf(dialect: Dialect, experiments: number, isShuffled = false): readonly string[] {
  const count = experiments > 1_000 ? 4 : 8;
  return Array.from({ length: count }, (_, turn) => frameOf({ dialect, experiments, turn, isShuffled }));
}

/** All streams are required. */
export function manifestOf(experiments: number): readonly Resource[] {
  return Array.from({ length: experiments }, (_, at) => resource(nameOf(at), ["st-data", "st-video"]));
}

/** What becomes of the frames of one socket, on both sides of the Worker. */
export class FrameReading {
  readonly #dialect: Dialect;
  readonly #reader: FrameReader;
  readonly #mirror = new DeltaDecoder();

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
    this.#reader = new FrameReader(feedOf(dialect));
  }

  /** As the Worker does it. Throws on a frame that is no report. */
  read(text: string): ReportDelta {
    const read = this.#reader.read(text);
    if (read.kind !== "report") throw new Error(`Cannot read a frame of the bench: ${text.slice(0, 80)}`);
    return read.columns;
  }

  /** As they come out of the Worker. */
  handOver(columns: ReportDelta): ReportDelta {
    return structuredClone(columns, { transfer: buffersOf(columns) });
  }

  /** As the pool and the feed make it of them. */
  report(columns: ReportDelta, atMs: number): Report {
    return { feed: feedOf(this.#dialect), atMs, ...this.#mirror.apply(columns), intervalMs };
  }
}

export function feedOf(dialect: Dialect): Report["feed"] {
  return dialect === "jump" ? "jump" : "relay";
}

/** The core alone: reports go in, each is judged. */
export class Core {
  #lab: LabState;
  nowMs = startMs;

  constructor(experiments: number) {
    this.#lab = withManifest(initialLab(startMs), manifestOf(experiments), startMs);
  }

  /** The events that it raises. */
  report(report: Report): number {
    const { lab, events } = evaluate(applyReport(this.#lab, report, rules), rules, this.nowMs);
    this.#lab = lab;
    return events.length;
  }
}

/** The monitor of a laboratory in which all is well and judged, with a store in `folder`. End it by `close`. */
export async function openMonitor(experiments: number, folder: string) {
  const { store } = await openSqliteStore(`${folder}/${crypto.randomUUID()}.db`, { nowMs: startMs });
  const bench = setUp({ store });
  const { monitor, clock } = bench;
  monitor.manifest({ resources: manifestOf(experiments), skipped: 0, atMs: clock.nowMs() });
  const reading = { jump: new FrameReading("jump"), relay: new FrameReading("relay") };
  /** Resolves when all that follows is recorded. What was noted is let go of. */
  const report = async (feed: "jump" | "relay", text: string) => {
    monitor.report(reading[feed].report(reading[feed].read(text), clock.nowMs()));
    await monitor.settled();
    bench.done.length = bench.recorded.length = 0;
  };
  for (const feed of ["jump", "relay"] as const) {
    await report(feed, frameOf({ dialect: feed, experiments, turn: 0 }));
  }
  for (let at = 0; at < experiments; at++) {
    const state = { kind: "said", available: true, reason: "", atMs: clock.nowMs() } as const;
    monitor.state(`r-${nameOf(at)}`, state);
  }
  const close = async () => {
    await bench.end();
    await store.close();
  };
  return { monitor, clock, report, close, store };
}
