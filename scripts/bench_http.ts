/**
 * What does it cost to answer what is asked for most, and how many bytes is it? Without a network, by the real monitor and
 * server: after a change, after a report in which only statistics changed, and when the same was asked for just before. And,
 * by the real program, what one change costs while many read the live events.
 */
import { createMetrics, processFigures } from "../src/metrics.ts";
import { systemClock } from "../src/wait.ts";
import { appOf } from "../test/fixtures/app.ts";
import type { Figure } from "./bench_figures.ts";
import { frameOf } from "./bench_frames.ts";
import { intervalMs, openMonitor } from "./bench_lab.ts";
import { benchReaders } from "./bench_readers.ts";
import { type BenchOptions, Findings, say, timesOf } from "./bench_timing.ts";

const paths = ["/api/v1/experiments", "/api/", "/metrics"] as const;
const gzip = { "accept-encoding": "gzip" };

export async function benchHttp(options: BenchOptions): Promise<Figure[]> {
  const findings = new Findings("http");
  for (const size of options.sizes) await answers(size, options, findings);
  await benchReaders(options, findings);
  return findings.figures;
}

async function answers(size: number, { full, folder }: BenchOptions, findings: Findings): Promise<void> {
  say(`http: answers of ${size} experiments`);
  const lab = await openMonitor(size, folder);
  const live = () => ({ readers: 0, queuedBytes: 0, dropped: 0 });
  const pause = () => systemClock.wait(0, new AbortController().signal);
  const metrics = createMetrics({ process: processFigures, live, pause });
  const snapshot = () => lab.monitor.snapshot();
  const ports = { snapshot, nowMs: () => lab.clock.nowMs(), metrics: () => metrics.body(snapshot()) };
  const app = appOf(snapshot(), ports);
  const report = async (turn: number, bad: number) => {
    await lab.clock.advance(intervalMs);
    await lab.report("relay", frameOf({ dialect: "relay", experiments: size, turn, bad }));
  };
  const ask = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await app.request(path, { headers });
    return { answer, bytes: (await answer.arrayBuffer()).byteLength };
  };
  try {
    for (let round = -1; round < (full ? 10 : 4); round++) {
      for (const path of paths) {
        const tell = (what: string, cpu: number) => {
          if (round >= 0) findings.add({ what: `GET ${path}: ${what}`, size, unit: "ms" }, cpu);
        };
        const cost = async (headers?: Record<string, string>) => (await timesOf(() => ask(path, headers))).cpu;
        await report(3 * round + 3, round % 2 === 0 ? 1 : 0);
        tell("CPU after a change", await cost());
        tell("CPU when asked again", await cost());
        await report(3 * round + 4, round % 2 === 0 ? 1 : 0);
        tell("CPU after a report without a change", await cost());
        tell("CPU as gzip, the first time", await cost(gzip));
        tell("CPU as gzip, asked again", await cost(gzip));
      }
    }
    for (const path of paths) await sizes(path, size, ask, findings);
  } finally {
    await lab.close();
  }
}

type Ask = (path: string, headers?: Record<string, string>) => Promise<{ answer: Response; bytes: number }>;

async function sizes(path: string, size: number, ask: Ask, findings: Findings): Promise<void> {
  const tell = (what: string, bytes: number) =>
    findings.add({ what: `GET ${path}: ${what}`, size, unit: "kB" }, bytes / 1024);
  const { answer, bytes } = await ask(path);
  tell("bytes", bytes);
  tell("bytes as gzip", (await ask(path, gzip)).bytes);
  const tag = answer.headers.get("etag");
  tell("bytes when the asker has it already", (await ask(path, tag === null ? {} : { "if-none-match": tag })).bytes);
}
