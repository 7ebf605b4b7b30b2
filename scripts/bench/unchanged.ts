/**
 * What a report costs in which only statistics changed. A Worker of `report`: in the program no thread reads reports of both
 * generations of relay, and V8 is slower where it has seen more kinds of objects. Import only types from here.
 */
import type { ReportDelta } from "../../src/report.ts";
import { type Dialect, entriesIn } from "./feed.ts";
import { type BenchOptions, cpuMs, cpuMsOf, type Figure, Findings, type Measured, type Unit } from "./figures.ts";
import { Core, FrameReading, framesOf, intervalMs } from "./lab.ts";

/** What it is asked; it answers with figures, once. */
export type Wish = Pick<BenchOptions, "sizes" | "full"> & { readonly dialects: readonly Dialect[] };

type Goal = Pick<Measured, "atMost" | "by">;

declare function postMessage(figures: readonly Figure[]): void;

const named: Record<Dialect, string> = { jump: "jump", relay: "relay", bare: "relay without statistics" };
// So many entries a measurement: 100 experiments have few, and a few milliseconds can't be told apart. (Fewer have fewer.)
const entriesAtOnce = (size: number) => Math.min(25_000, 250 * size);

globalThis.addEventListener("message", (event) => {
  if (!(event instanceof MessageEvent)) return;
  const wish = event.data as Wish, findings = new Findings("report");
  for (const dialect of wish.dialects) {
    unchanged(dialect, wish, findings);
    shuffled(dialect, wish, findings);
  }
  postMessage(findings.figures);
});

/** One laboratory's frames, and all that is done with them. */
class Subject {
  readonly size: number;
  readonly entries: number;
  readonly #frames: readonly string[];
  readonly #reading: FrameReading;
  readonly #core: Core;
  readonly #times: number;

  constructor(dialect: Dialect, size: number, isShuffled = false) {
    this.size = size;
    this.entries = entriesIn({ dialect, experiments: size });
    this.#frames = framesOf(dialect, size, isShuffled);
    this.#reading = new FrameReading(dialect);
    this.#core = new Core(size);
    this.#times = Math.max(this.#frames.length, Math.ceil(entriesAtOnce(size) / this.entries));
    for (const text of this.#frames) this.#judge(this.#reading.read(text)); // which names everything for the first time
  }

  /** CPU milliseconds of a report: bare parsing, reading, all from the text to the judgement; and what the loop has of it. */
  measure() {
    const reading = this.#reading;
    return {
      ...this.measureAll(),
      read: this.#costOf((text) => reading.report(reading.read(text), this.#core.nowMs)),
      ...this.#measureLoop(),
    };
  }

  measureAll() {
    return {
      parse: this.#costOf((text) => JSON.parse(text)),
      all: this.#costOf((text) => this.#unmoved(this.#reading.read(text))),
    };
  }

  #costOf(act: (text: string) => void): number {
    return cpuMsOf(this.#times, (at) => act(this.#frames[at % this.#frames.length] ?? ""));
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

  #unmoved(columns: ReportDelta): void {
    const events = this.#judge(columns);
    if (events > 0) throw new Error(`Nothing changed, and ${events} events were raised`);
  }

  #judge(columns: ReportDelta): number {
    this.#core.nowMs += intervalMs;
    return this.#core.report(this.#reading.report(columns, this.#core.nowMs));
  }
}

function unchanged(dialect: Dialect, { sizes, full }: Wish, findings: Findings): void {
  const subjects = sizes.map((size) => new Subject(dialect, size));
  for (const subject of subjects) subject.measure(); // until V8 has compiled it
  for (let round = 0; round < roundsOf(full); round++) {
    const costs = subjects.map((subject) => ({ subject, ...subject.measure() }));
    const [smallest] = costs;
    for (const { subject: { size, entries }, parse, read, all, handOver, longest } of costs) {
      const tell = (what: string, unit: Unit, value: number, goal: Goal = {}) => {
        const words = `${named[dialect]}, nothing changed: ${what}`;
        findings.add({ what: words, size, unit, ...goal }, value);
      };
      const isRelay = dialect !== "jump";
      tell(
        "reading, observing, judging, to a bare JSON.parse",
        "×",
        all / parse,
        isRelay && size === 10_000 ? { atMost: 1.5 } : {},
      );
      tell("reading alone, to a bare JSON.parse", "×", read / parse);
      tell("handing over from the Worker, to a bare JSON.parse", "×", handOver / parse);
      tell(
        "the loop's part of it (handing over, observing, judging), the longest",
        "ms",
        longest,
        size === 1_000 ? { atMost: 50, by: "max" } : {},
      );
      tell("reading, observing, judging, for each entry", "µs", all / entries * 1_000);
      if (smallest === undefined || smallest.subject.size === size) continue;
      const growth = all / entries / (smallest.all / smallest.subject.entries);
      tell(`the same for each entry, to that with ${smallest.subject.size} experiments`, "×", growth, { atMost: 1.3 });
    }
  }
}

/** What it would cost if a service had no order of its own. */
function shuffled(dialect: Dialect, { sizes, full }: Wish, findings: Findings): void {
  for (const size of sizes) {
    const subject = new Subject(dialect, size, true);
    subject.measureAll();
    for (let round = 0; round < roundsOf(full); round++) {
      const { parse, all } = subject.measureAll();
      const what = `${named[dialect]}, nothing changed, entries in any order: all that, to a bare JSON.parse`;
      findings.add({ what, size, unit: "×" }, all / parse);
    }
  }
}

function roundsOf(full: boolean): number {
  return full ? 15 : 5;
}
