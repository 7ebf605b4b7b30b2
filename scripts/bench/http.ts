/**
 * What does it cost to answer what is asked for most, and how many bytes is it? Without a network, by the real monitor and
 * server: after a change, after a report in which only statistics changed, and when the same was asked for just before. And,
 * by the real program, what one change costs while many read the live events.
 */
import { yieldForReaders } from "../../src/async.ts";
import { createMetrics, processFigures } from "../../src/metrics.ts";
import { appOf } from "../../test/support/app.ts";
import type { Figure } from "./figures.ts";
import { frameOf } from "./frames.ts";
import { intervalMs, openMonitor } from "./lab.ts";
import { benchReaders } from "./readers.ts";
import { type BenchOptions, Findings, say, timesOf } from "./timing.ts";

const paths = ["/api/v1/experiments", "/api/", "/metrics"] as const;
const gzip = { "accept-encoding": "gzip" };

export async function benchHttp(options: BenchOptions): Promise<Figure[]> {
  const findings = new Findings("http");
  for (const size of options.sizes) await benchAnswers(size, options, findings);
  await benchReaders(options, findings);
  return findings.figures;
}

/** Throws where a report that is to bring a change brings none, or one that is not does. */
export async function benchAnswers(
  size: number,
  { full, folder }: Pick<BenchOptions, "full" | "folder">,
  findings: Findings,
): Promise<void> {
  say(`http: answers of ${size} experiments`);
  const lab = await openMonitor(size, folder);
  const live = () => ({ readers: 0, queuedBytes: 0, dropped: 0 });
  const metrics = createMetrics({ process: processFigures, live, pause: yieldForReaders });
  const snapshot = () => lab.monitor.snapshot();
  const ports = { snapshot, nowMs: () => lab.clock.nowMs(), metrics: () => metrics.body(snapshot()) };
  const app = appOf(snapshot(), ports);
  const report = reporting(lab, size);
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
        await report("a change");
        tell("CPU after a change", await cost());
        tell("CPU when asked again", await cost());
        await report("no change");
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

/** Both feeds report, relay other statistics each time; in every second report that is to bring a change one stream is ill. */
function reporting({ monitor, clock, report }: Awaited<ReturnType<typeof openMonitor>>, size: number) {
  let turn = 0, bad = 0;
  return async (bringing: "a change" | "no change"): Promise<void> => {
    if (bringing === "a change") bad = 1 - bad;
    const { revision } = monitor.snapshot();
    await clock.advance(intervalMs);
    await report("jump", frameOf({ dialect: "jump", experiments: size, turn: ++turn }));
    await report("relay", frameOf({ dialect: "relay", experiments: size, turn, bad }));
    const brought = monitor.snapshot().revision === revision ? "no change" : "a change";
    if (brought !== bringing) throw new Error(`A report was to bring ${bringing}, and brought ${brought}`);
  };
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
