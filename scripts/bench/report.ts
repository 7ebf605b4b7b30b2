/**
 * What one report costs, from the frame's text to the verdicts and to recorded events, as a ratio to `JSON.parse` of the same
 * frame in the same run. Reports without a change are measured in `unchanged`.
 */
import { systemClock as clock } from "../../src/clock.ts";
import { Station } from "../../test/support/station.ts";
import { type Dialect, frameOf } from "./feed.ts";
import { type BenchOptions, cpuMs, type Figure, Findings, quantile, say, timesOf } from "./figures.ts";
import { framesOf, intervalMs, openMonitor } from "./lab.ts";
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
      const ill = Array.from(
        { length: 2 },
        (_, turn) => frameOf({ dialect: "relay", experiments: size, turn, bad }),
      );
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

// The way from a report to the accepted mail and to the write to book, by the real program.

const names = Array.from({ length: 10 }, (_, at) => `pend0${at}`);
const reportEveryMs = 1_000;

export async function benchWay({ full }: BenchOptions): Promise<Figure[]> {
  const findings = new Findings("way");
  const experiments = Object.fromEntries(names.map((name) => [name, ["st-data", "st-video"]]));
  using mails = await Mails.receive();
  const env = { STATUS_LOG_LEVEL: "warn", STATUS_EMAIL_PORT: String(mails.port) };
  await using station = await Station.with({ experiments, env, world: { reportEveryMs } });
  await station.start();
  await station.until(() => mails.takenMs.length > 0, "the first mail");
  say("way: from a report to mail and book");
  const mailMs: number[] = [], bookMs: number[] = [];
  for (let round = 0; round < (full ? 10 : 3); round++) {
    for (const name of names) {
      const stream = station.world.stream(`${name}-st-data`);
      for (const turn of [() => stream.stall(60_000), () => stream.resume()]) {
        const took = await change(station, mails, turn);
        mailMs.push(took.mailMs);
        bookMs.push(took.bookMs);
      }
    }
  }
  const size = names.length;
  findings.add({ what: "from a report to the mail accepted", size, unit: "ms", atMost: 100 }, ...mailMs);
  findings.add({ what: "from a report to the mail accepted: p99", size, unit: "ms" }, quantile(mailMs, 0.99));
  findings.add({ what: "from a report to what is written to book", size, unit: "ms" }, ...bookMs);
  findings.add({ what: "from a report to what is written to book: p99", size, unit: "ms" }, quantile(bookMs, 0.99));
  return findings.figures;
}

/** `turn` happens, and relay reports it at once. */
async function change(
  station: Station,
  { takenMs }: Mails,
  turn: () => void,
): Promise<{ mailMs: number; bookMs: number }> {
  const { world } = station;
  const [mails, requests] = [takenMs.length, world.book.requests.length];
  const startMs = clock.nowMs();
  turn();
  world.relay.reportNow();
  const put = () => world.book.requests.slice(requests).find(({ method }) => method === "PUT");
  const written = await station.until(put, "what is written to book");
  const mailMs = await station.until(() => takenMs[mails], "the mail");
  return { mailMs: mailMs - startMs, bookMs: written.atMs - startMs };
}

/** When each mail was taken. */
class Mails implements Disposable {
  readonly takenMs: number[] = [];
  readonly port: number;
  readonly #server: Worker;

  private constructor(server: Worker, port: number) {
    this.#server = server;
    this.port = port;
    server.onmessage = () => this.takenMs.push(clock.nowMs());
  }

  static async receive(): Promise<Mails> {
    const server = new Worker(new URL("./sink.ts", import.meta.url), { type: "module" });
    const port = await new Promise<number>((resolve) => server.onmessage = ({ data }) => resolve(data));
    return new Mails(server, port);
  }

  [Symbol.dispose](): void {
    this.#server.terminate();
  }
}
