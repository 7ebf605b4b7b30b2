/**
 * The processes of a soak (simulator and program, separate so that neither counts for the other) and the program's figures at
 * one moment. What they mean is in `soak_figures`.
 */
import { systemClock as clock } from "../../src/clock.ts";
import { program } from "../../test/support/station.ts";
import { readProc } from "../proc.ts";
import { freePort } from "../simulator/wire.ts";
import type { Sample } from "./soak_figures.ts";
import type { Verb } from "./soak_lab.ts";

const wordsMax = 4_000;
const startMsMax = 30_000;
const pollMs = 50;
const verbMsMax = 30_000;
// A monitor that is told to end does so within 5 s.
const endMsMax = 8_000;

/** A process whose last words are kept, and nothing else of what it says. */
export class Watched implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<unknown>;
  /** Its exit code, when it ends. */
  readonly ended: Promise<number>;
  words = "";
  hasEnded = false;

  constructor(command: Deno.Command) {
    this.#child = command.spawn();
    this.ended = this.#child.status.then(({ code }) => {
      this.hasEnded = true;
      return code;
    });
    this.#read = Promise.all([this.#keep(this.#child.stdout), this.#keep(this.#child.stderr)]);
  }

  get pid(): number {
    return this.#child.pid;
  }

  signal(name: Deno.Signal): void {
    this.#child.kill(name);
  }

  /** Told to end, and killed if it does not: the exit code, and how long it took. */
  async end(): Promise<{ code: number; tookMs: number }> {
    const late = new AbortController();
    const startMs = clock.nowMs();
    const signal = (name: Deno.Signal) => {
      try {
        this.#child.kill(name);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it has ended: that is what was wanted
      }
    };
    signal("SIGTERM");
    clock.wait(endMsMax, late.signal).then(() => signal("SIGKILL"), () => {/* it ended in time */});
    const code = await this.ended;
    late.abort();
    await this.#read;
    return { code, tookMs: clock.nowMs() - startMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  async #keep(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.words = (this.words + text).slice(-wordsMax);
    }
  }
}

export interface SoakWorld extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  post(...verb: Verb): Promise<void>;
}

/** The stand-in world with so many experiments: pend00, pend01, … */
export async function startSoakWorld(options: { experiments: number; reportEveryMs: number }): Promise<SoakWorld> {
  const numbers = ["--experiments", String(options.experiments), "--report-every-ms", String(options.reportEveryMs)];
  const file = new URL("../simulator/world.ts", import.meta.url).pathname;
  const args = ["run", "--allow-all", file, "--json", ...numbers];
  const world = new Watched(
    new Deno.Command(Deno.execPath(), { args, stdin: "null", stdout: "piped", stderr: "piped" }),
  );
  const line = await until(() => /^\{.*\}$/m.exec(world.words)?.[0], world, "the world to be there");
  const { control, env } = JSON.parse(line);
  return {
    env,
    async post(path, given = {}) {
      const address = `${control}/control/${path.split("/").map(encodeURIComponent).join("/")}`;
      const signal = AbortSignal.timeout(verbMsMax);
      const answer = await fetch(address, { method: "POST", body: JSON.stringify(given), signal });
      const said = await answer.text();
      if (!answer.ok) throw new Error(`Cannot do ${path} in the world: ${said}`);
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

/** The program on that world, ready: book is read and both feeds report. Its files are in `folder`. */
export class SoakProgram {
  readonly process: Watched;
  readonly port: number;
  readonly #folder: string;
  readonly #profilePort: number;
  readonly #startMs: number;
  rotations = 0;

  private constructor(env: Readonly<Record<string, string>>, folder: string) {
    this.#folder = folder;
    [this.port, this.#profilePort] = [freePort(), freePort()];
    this.#startMs = clock.nowMs();
    this.process = new Watched(program(["serve"], {
      ...{ STATUS_HOST_SERVE: "127.0.0.1", STATUS_PORT_SERVE: String(this.port) },
      ...{ STATUS_PROFILE: "true", STATUS_PORT_PROFILE: String(this.#profilePort) },
      ...{ STATUS_STORE_FILE: `${folder}/status.db`, STATUS_LOG_FILE: `${folder}/status.log`, ...env },
    }));
  }

  static async start(env: Readonly<Record<string, string>>, folder: string): Promise<SoakProgram> {
    const started = new SoakProgram(env, folder);
    const isReady = () =>
      fetch(`http://127.0.0.1:${started.port}/readyz`).then(async (answer) => {
        await answer.body?.cancel();
        return answer.ok;
      });
    await until(isReady, started.process, "the program to be ready");
    return started;
  }

  /** As logrotate does it once an hour; one old log is kept. */
  async rotateLog(): Promise<void> {
    await Deno.rename(`${this.#folder}/status.log`, `${this.#folder}/status.log.1`);
    this.process.signal("SIGHUP");
    this.rotations++;
  }

  /** Throws when the program has ended. */
  async sample(): Promise<Sample> {
    const answers = await Promise.all([
      readProc(this.process.pid),
      timed(() => this.#text(this.port, "/healthz")),
      this.#text(this.#profilePort, "/memory").then((text) => JSON.parse(text).memory.heapUsed as number).catch(none),
      this.#text(this.port, "/metrics").catch(none),
      ...["status.db", "status.db-wal", "status.log"].map((name) => sizeOf(`${this.#folder}/${name}`)),
    ]);
    const [proc, healthzMs, heapBytes, metrics, storeBytes = 0, walBytes = 0, logBytes = 0] = answers;
    const counters = countersOf(metrics ?? "");
    return {
      atMs: clock.nowMs() - this.#startMs,
      ...proc,
      heapBytes,
      storeBytes,
      walBytes,
      logBytes,
      healthzMs,
      counters,
    };
  }

  async #text(port: number, path: string): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5_000) });
    return await answer.text();
  }
}

const none = () => null;

/** Null where it does not answer. */
async function timed(ask: () => Promise<unknown>): Promise<number | null> {
  const startMs = clock.monotonicMs();
  return await ask().then(() => clock.monotonicMs() - startMs, none);
}

/** Counters of /metrics by name; series of one name are added up. */
const counted = [
  ...["status_feed_reports_total", "status_feed_reconnects_total", "status_feed_connects_total"],
  ...["status_book_writes_total", "status_book_requests_total", "status_mail_sent_total", "status_mail_failures_total"],
  ...["status_store_operations_total", "status_experiments", "status_live_readers", "status_live_dropped_total"],
  ...["status_webhook_sent_total", "status_probes_total", "status_heartbeat_sent_total"],
];

/** Of what `/metrics` said. */
export function countersOf(text: string): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [, name = "", value] of text.matchAll(/^(\w+)(?:\{.*\})? (\S+)$/gm)) {
    if (counted.includes(name)) sums[name] = (sums[name] ?? 0) + Number(value);
  }
  return sums;
}

/** 0 if there is no such series. */
async function sizeOf(path: string): Promise<number> {
  return await Deno.stat(path).then(({ size }) => size, () => 0);
}

async function until<T>(condition: () => T | Promise<T>, of: Watched, what: string): Promise<NonNullable<T>> {
  const deadlineMs = clock.monotonicMs() + startMsMax;
  while (clock.monotonicMs() < deadlineMs && !of.hasEnded) {
    const value = await Promise.resolve().then(condition).catch(none); // not there yet
    if (value) return value;
    await clock.wait(pollMs, new AbortController().signal);
  }
  const words = of.words;
  await of.end();
  throw new Error(`Waited in vain for ${what}, which said: ${words}`);
}
