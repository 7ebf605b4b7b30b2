/**
 * What does one report cost, from the frame's text to the judgement, and up to the recorded events where something changed?
 * As a ratio to `JSON.parse` of the same frame in the same run, which nobody can do without.
 */
import type { Columns } from "../src/columns.ts";
import { type Dialect, dialects, entriesIn, frameOf } from "./bench_frames.ts";
import { Core, FrameReading, framesOf, intervalMs, openMonitor } from "./bench_lab.ts";
import { type BenchOptions, cpuMs, cpuMsOf, Findings, say, timesOf } from "./bench_timing.ts";
import type { Figure, Unit } from "./bench_figures.ts";

/** Words for the figures. */
const named: Record<Dialect, string> = { jump: "jump", relay: "relay", bare: "relay without statistics" };
// So many entries a measurement: 100 experiments have few, and a few milliseconds can't be told apart. (Fewer have fewer.)
const entriesAtOnce = (size: number) => Math.min(25_000, 250 * size);

export async function benchReport(options: BenchOptions): Promise<Figure[]> {
  const findings = new Findings("report");
  for (const dialect of dialects) unchanged(dialect, options, findings);
  for (const size of options.sizes) await changed(size, options, findings);
  return findings.figures;
}

/** One laboratory's frames, and all that is done with them. */
class Subject {
  readonly size: number;
  readonly entries: number;
  readonly #frames: readonly string[];
  readonly #reading: FrameReading;
  readonly #core: Core;
  readonly #times: number;

  constructor(dialect: Dialect, size: number) {
    this.size = size;
    this.entries = entriesIn({ dialect, experiments: size });
    this.#frames = framesOf(dialect, size);
    this.#reading = new FrameReading(dialect);
    this.#core = new Core(size);
    this.#times = Math.max(this.#frames.length, Math.ceil(entriesAtOnce(size) / this.entries));
    for (const text of this.#frames) this.#judge(this.#reading.read(text)); // which names everything for the first time
  }

  /** CPU milliseconds of a report: bare parsing, reading, all from the text to the judgement; and what the loop has of it. */
  measure() {
    const reading = this.#reading;
    const costOf = (act: (text: string) => void) =>
      cpuMsOf(this.#times, (at) => act(this.#frames[at % this.#frames.length] ?? ""));
    return {
      parse: costOf((text) => JSON.parse(text)),
      read: costOf((text) => reading.report(reading.read(text), this.#core.nowMs)),
      all: costOf((text) => this.#unmoved(reading.read(text))),
      ...this.#measureLoop(),
    };
  }

  /** What is handed over from the Worker, and how long the loop has to do with it: the mean, and the longest. */
  #measureLoop() {
    const handOver: number[] = [], loop: number[] = [];
    for (let at = 0; at < this.#times; at++) {
      const columns = this.#reading.read(this.#frames[at % this.#frames.length] ?? "");
      const startMs = cpuMs();
      const handed = this.#reading.handOver(columns);
      handOver.push(cpuMs() - startMs);
      this.#unmoved(handed);
      loop.push(cpuMs() - startMs);
    }
    const mean = handOver.reduce((sum, each) => sum + each, 0) / handOver.length;
    return { handOver: mean, longest: Math.max(...loop) };
  }

  #unmoved(columns: Columns): void {
    const events = this.#judge(columns);
    if (events > 0) throw new Error(`Nothing changed, and ${events} events were raised`);
  }

  #judge(columns: Columns): number {
    this.#core.nowMs += intervalMs;
    return this.#core.report(this.#reading.report(columns, this.#core.nowMs));
  }
}

function unchanged(dialect: Dialect, { sizes, full }: BenchOptions, findings: Findings): void {
  say(`report: ${named[dialect]}, nothing changed`);
  const subjects = sizes.map((size) => new Subject(dialect, size));
  for (const subject of subjects) subject.measure(); // until V8 has compiled it
  for (let round = 0; round < (full ? 15 : 5); round++) {
    const costs = subjects.map((subject) => ({ subject, ...subject.measure() }));
    const [smallest] = costs;
    for (const { subject: { size, entries }, parse, read, all, handOver, longest } of costs) {
      const tell = (what: string, unit: Unit, value: number, atMost?: number) => {
        const words = `${named[dialect]}, nothing changed: ${what}`;
        findings.add({ what: words, size, unit, ...(atMost === undefined ? {} : { atMost }) }, value);
      };
      const isRelay = dialect !== "jump";
      tell(
        "reading, observing, judging, to a bare JSON.parse",
        "×",
        all / parse,
        isRelay && size === 10_000 ? 1.5 : undefined,
      );
      tell("reading alone, to a bare JSON.parse", "×", read / parse);
      tell("handing over from the Worker, to a bare JSON.parse", "×", handOver / parse);
      tell(
        "the loop's part of it (handing over, observing, judging), the longest",
        "ms",
        longest,
        size === 1_000 ? 50 : undefined,
      );
      tell("reading, observing, judging, for each entry", "µs", all / entries * 1_000);
      if (smallest === undefined || smallest.subject.size === size) continue;
      const growth = all / entries / (smallest.all / smallest.subject.entries);
      tell(`the same for each entry, to that with ${smallest.subject.size} experiments`, "×", growth, 1.3);
    }
  }
}

/** By the real monitor, up to the recorded event: of so many per cent of the streams each report says otherwise. */
async function changed(size: number, { full, folder }: BenchOptions, findings: Findings): Promise<void> {
  const lab = await openMonitor(size, folder);
  const well = framesOf("relay", size);
  try {
    for (const percent of [0, 1, 100]) {
      say(`report: relay, ${percent} % of ${size * 2} streams change`);
      const bad = Math.round(size * 2 * percent / 100);
      const ill = Array.from({ length: 2 }, (_, turn) => frameOf({ dialect: "relay", experiments: size, turn, bad }));
      for (let round = -1; round < (full ? 9 : 3); round++) {
        const times = percent === 100 ? 2 : Math.min(Math.max(4, Math.round(20_000 / size)), 20);
        const spent = { parse: 0, cpu: 0, tookMs: 0 };
        for (let at = 0; at < times; at++) {
          const text = (at % 2 === 0 ? ill[at / 2 % 2] : well[at % well.length]) ?? "";
          const startCpu = cpuMs();
          JSON.parse(text);
          spent.parse += cpuMs() - startCpu;
          const { tookMs, cpu } = await timesOf(() => lab.report("relay", text));
          spent.cpu += cpu, spent.tookMs += tookMs;
          await lab.clock.advance(intervalMs);
        }
        if (round < 0) continue; // until V8 has compiled it
        const what = `relay, ${percent} % of the streams change, to the recorded event`;
        findings.add({ what: `${what}: CPU, to a bare JSON.parse`, size, unit: "×" }, spent.cpu / spent.parse);
        findings.add({ what: `${what}: time`, size, unit: "ms" }, spent.tookMs / times);
      }
    }
  } finally {
    await lab.close();
  }
}
