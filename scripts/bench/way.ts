/**
 * How long is the way from a report to the mail that the mail server has taken, and to what is written to book? By the real
 * program as a process, with the stand-in world on loopback and 10 experiments; but for the mail server, since that of the
 * world (smtp-server) has everybody wait for 100 ms before it says who it is.
 */
import { systemClock as clock } from "../../src/clock.ts";
import { Station } from "../../test/support/station.ts";
import { type Figure, quantile } from "./figures.ts";
import { type BenchOptions, Findings, say } from "./timing.ts";

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
