/**
 * What does one report cost, from the frame's text to the judgement, and up to the recorded events where something changed?
 * As a ratio to `JSON.parse` of the same frame in the same run, which nobody can do without. Reports without a change are
 * for `bench_unchanged`.
 */
import type { Figure } from "./figures.ts";
import { type Dialect, frameOf } from "./frames.ts";
import { framesOf, intervalMs, openMonitor } from "./lab.ts";
import { type BenchOptions, cpuMs, Findings, say, timesOf } from "./timing.ts";
import type { Wish } from "./unchanged.ts";

/** What the program reads in one run. */
const together: readonly (readonly Dialect[])[] = [["jump", "relay"], ["bare"]];

export async function benchReport(options: BenchOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const dialects of together) {
    say(`report: ${dialects.join(" and ")}, nothing changed`);
    figures.push(...await unchanged({ dialects, sizes: options.sizes, full: options.full }));
  }
  const findings = new Findings("report");
  for (const size of options.sizes) await changed(size, options, findings);
  return [...figures, ...findings.figures];
}

async function unchanged(wish: Wish): Promise<readonly Figure[]> {
  const worker = new Worker(new URL("./unchanged.ts", import.meta.url), { type: "module" });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault(); // or the whole bench ends without a word of where
        reject(new Error(event.message));
      };
      worker.postMessage(wish);
    });
  } finally {
    worker.terminate();
  }
}

/** By the real monitor, up to the recorded event: of so many per cent of the streams each report says otherwise. */
async function changed(size: number, { full, folder }: BenchOptions, findings: Findings): Promise<void> {
  const lab = await openMonitor(size, folder);
  const well = framesOf("relay", size), jump = frameOf({ dialect: "jump", experiments: size, turn: 0 });
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
          await lab.report("jump", jump); // or it is lost, and no experiment is judged by it
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
