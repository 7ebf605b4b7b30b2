/**
 * How long is the way from a report to the mail that the mail server has taken, and to what is written to book? By the real
 * program as a process, with the stand-in world on loopback and 10 experiments.
 */
import { Station } from "../test/fixtures/station.ts";
import { type Figure, quantile } from "./bench_figures.ts";
import { type BenchOptions, Findings, say } from "./bench_timing.ts";

const names = Array.from({ length: 10 }, (_, at) => `pend0${at}`);
const reportEveryMs = 1_000;

export async function benchWay({ full }: BenchOptions): Promise<Figure[]> {
  const findings = new Findings("way");
  const experiments = Object.fromEntries(names.map((name) => [name, ["st-data", "st-video"]]));
  const env = { STATUS_LOG_LEVEL: "warn" };
  await using station = await Station.watching({ experiments, env, world: { reportEveryMs } });
  say("way: from a report to mail and book");
  const mailMs: number[] = [], bookMs: number[] = [];
  for (let round = 0; round < (full ? 10 : 3); round++) {
    for (const name of names) {
      const stream = station.world.stream(`${name}-st-data`);
      for (const turn of [() => stream.stall(60_000), () => stream.resume()]) {
        const took = await change(station, turn);
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
async function change(station: Station, turn: () => void): Promise<{ mailMs: number; bookMs: number }> {
  const { world } = station;
  const [mails, requests] = [station.mailCount, world.book.requests.length];
  const startMs = world.board.clock.nowMs();
  turn();
  world.relay.reportNow();
  const put = () => world.book.requests.slice(requests).find(({ method }) => method === "PUT");
  const written = await station.until(put, "what is written to book");
  const mail = await station.until(() => world.mailbox.mails[mails], "the mail");
  return { mailMs: mail.atMs - startMs, bookMs: written.atMs - startMs };
}
