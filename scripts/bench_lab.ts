/**
 * The parts of the program as the bench drives them without a process: what reads a frame, the core alone, and the real
 * monitor with a store on the disk and hands that only note.
 */
import type { Resource } from "../src/book.ts";
import type { Report } from "../src/connection.ts";
import { ConnectionTable } from "../src/connection_table.ts";
import type { Decoded } from "../src/entry.ts";
import { emptyLab, type Lab, observe, withManifest } from "../src/experiment.ts";
import { splitFrame } from "../src/frame.ts";
import { decodeJump } from "../src/jump.ts";
import { judge } from "../src/judgement.ts";
import { decodeRelay } from "../src/relay.ts";
import { openSqliteStore } from "../src/store_sqlite.ts";
import { resource, rules, startMs } from "../test/fixtures/bench.ts";
import { setUp } from "../test/fixtures/monitor.ts";
import { type Dialect, frameOf, nameOf } from "./bench_frames.ts";

/** Reports come so often. */
export const intervalMs = 1_000;

/** Frames in turn, so that nothing about one can be remembered from the last time. */
export function framesOf(dialect: Dialect, experiments: number, bad = 0): readonly string[] {
  const count = experiments > 1_000 ? 4 : 8;
  return Array.from({ length: count }, (_, turn) => frameOf({ dialect, experiments, turn, bad }));
}

/** Half of the manifest's streams are required. */
export function manifestOf(experiments: number): readonly Resource[] {
  return Array.from({ length: experiments }, (_, at) => resource(nameOf(at), ["st-data", "st-video"]));
}

/** Reads the frames of one socket. */
export class FrameReading {
  readonly #dialect: Dialect;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
  }

  /** As the Worker does it. Throws on a frame that is no report. */
  decode(text: string): Decoded {
    const frame = splitFrame(text);
    const documents = frame.kind === "documents" ? frame.documents : [];
    const decoded = this.#dialect === "jump" ? decodeJump(documents) : decodeRelay(documents);
    if (decoded === null) throw new Error(`Cannot read a frame of the bench: ${text.slice(0, 80)}`);
    return decoded;
  }

  /** As the pool and the feed make it of what the Worker hands over. */
  report(decoded: Decoded, atMs: number): Report {
    const connections = ConnectionTable.of(decoded.connections.values());
    return { feed: feedOf(this.#dialect), atMs, ...decoded, connections, intervalMs };
  }
}

export function feedOf(dialect: Dialect): Report["feed"] {
  return dialect === "jump" ? "jump" : "relay";
}

/** The core alone: reports go in, each is judged. */
export class Core {
  #lab: Lab;
  nowMs = startMs;

  constructor(experiments: number) {
    this.#lab = withManifest(emptyLab(startMs), manifestOf(experiments), startMs);
  }

  /** The events that it raises. */
  report(report: Report): number {
    const { lab, events } = judge(observe(this.#lab, report, rules), rules, this.nowMs);
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
    monitor.report(reading[feed].report(reading[feed].decode(text), clock.nowMs()));
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
