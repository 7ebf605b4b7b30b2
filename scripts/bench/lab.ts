/**
 * The parts of the program as the bench drives them: frame decoding, the core alone, the real monitor with a store on disk and
 * effectors that only take notes; and 200 live readers.
 */
import { systemClock as clock } from "../../src/clock.ts";
import { applyReport, evaluate } from "../../src/health.ts";
import { initialLab, type LabState, withManifest } from "../../src/lab.ts";
import { buffersOf, DeltaDecoder, type Report, type ReportDelta, type Resource } from "../../src/report.ts";
import { FrameReader } from "../../src/report_decoder.ts";
import { openSqliteStore } from "../../src/sqlite_file.ts";
import { resource, rules, startMs } from "../../test/support/bench.ts";
import { setUp } from "../../test/support/monitor.ts";
import { type Dialect, frameOf, nameOf } from "./feed.ts";
import { type BenchOptions, type Findings, quantile, say, sleep } from "./figures.ts";
import { Feeds, fromSource, Served } from "./program.ts";

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

// Live readers: one change with 200 readers of the live events, against the real program.

const readersMax = 200;
const reports = 8;
const everyMs = 1_000;
// A reader that has not got it by then has lost it.
const patienceMs = 10_000;

/** At the largest size up to 1,000: the first piece of all those readers is 1 MB each then. */
export async function benchReaders({ sizes, folder }: BenchOptions, findings: Findings): Promise<void> {
  const size = Math.max(...sizes.filter((each) => each <= 1_000), 10);
  say(`http: ${readersMax} readers of ${size} experiments`);
  await using feeds = await Feeds.start(size, everyMs);
  await using program = Served.program(fromSource, feeds.env, folder);
  await program.answers("/readyz");
  while ((await feeds.counts()).book <= size) await sleep(100);
  await sleep(3_000); // the start-up has passed, and all is judged
  for (const count of [0, readersMax]) {
    const readers = await Promise.all(Array.from({ length: count }, () => Reader.open(program.port)));
    try {
      await sleep(3_000);
      const without = await course(feeds, program, readers, false);
      const withChange = await course(feeds, program, readers, true);
      const what = `a change with ${count} live readers`;
      // Each report that is ill is followed by one that is well: two changes.
      const costs = withChange.cpu.map((each) => (each - quantile(without.cpu, 0.5)) / 2);
      findings.add({ what: `${what}: CPU`, size, unit: "ms" }, ...costs);
      if (count > 0) findings.add({ what: `${what}: until the last has it`, size, unit: "ms" }, ...withChange.lastMs);
    } finally {
      for (const reader of readers) await reader.leave();
    }
  }
}

/** Reports out of turn, with a change in each or none: the CPU time of each, and when the last reader had each change. */
async function course(feeds: Feeds, program: Served, readers: readonly Reader[], isIll: boolean) {
  const cpu: number[] = [], lastMs: number[] = [];
  for (let at = 0; at < reports; at++) {
    const startMs = clock.monotonicMs(), startCpu = await program.cpuMs();
    const told = readers.map((reader) => reader.nextChange());
    await feeds.report("relay", isIll);
    if (isIll) {
      const enough = new AbortController();
      const late = clock.wait(patienceMs, enough.signal).then(() =>
        Promise.reject(new Error("a reader has lost a change"))
      );
      await Promise.race([Promise.all(told), late]).finally(() => enough.abort());
      late.catch(() => {}); // they all have it
      lastMs.push(clock.monotonicMs() - startMs);
    }
    // The next is well, and all have been told of that.
    await sleep(2 * everyMs + startMs - clock.monotonicMs());
    cpu.push(await program.cpuMs() - startCpu);
  }
  return { cpu, lastMs };
}

/** Reads the live events as they come, and keeps nothing of them. */
class Reader {
  readonly #connection: Deno.TcpConn;
  #told = () => {};
  readonly #reading: Promise<void>;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    this.#reading = this.#read();
  }

  static async open(port: number): Promise<Reader> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(new TextEncoder().encode("GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
    return new Reader(connection);
  }

  /** Resolves when an experiment has changed. */
  nextChange(): Promise<void> {
    return new Promise((resolve) => this.#told = resolve);
  }

  async leave(): Promise<void> {
    this.#connection.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder(), buffer = new Uint8Array(65_536);
    for (;;) {
      const count = await this.#connection.read(buffer).catch(() => null); // it was left
      if (count === null) return;
      if (decoder.decode(buffer.subarray(0, count)).includes("event: experiment\n")) this.#told();
    }
  }
}
