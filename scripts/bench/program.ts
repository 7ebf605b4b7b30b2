/**
 * The real program as a process, the feeds that it watches, and a bare server beside them: started, asked, looked at from
 * outside, and ended. What is measured of them is for the parts of the bench.
 */
import { basename, resolve } from "node:path";
import { systemClock as clock } from "../../src/clock.ts";
import { Watched } from "../chaos/soak_watch.ts";
import { permissions } from "../compile.ts";
import { freePort, portsToTry } from "../simulator/port.ts";
import type { FeedCounts, FeedLine } from "./feed.ts";
import { sleep } from "./timing.ts";

/** How the program and the bare server are started: from their source, or as compiled executables. */
export interface Build {
  readonly words: string;
  readonly program: readonly string[];
  readonly hello: readonly string[];
}

const root = new URL("../../", import.meta.url).pathname;

export const fromSource: Build = {
  words: "source",
  program: [Deno.execPath(), "run", ...permissions, "main.ts"],
  hello: [Deno.execPath(), "run", ...permissions, "scripts/bench/hello.ts"],
};

/** Named by its file and by the Deno that is in it, which may be another than the one that runs the bench. */
export async function compiled({ program, hello }: { program: string; hello: string }): Promise<Build> {
  const { stdout } = await new Deno.Command(resolve(program), { args: ["version"] }).output();
  const deno = /Deno [\d.]+/.exec(new TextDecoder().decode(stdout))?.[0] ?? "no Deno that it tells of";
  return { words: `${basename(program)} (${deno})`, program: [resolve(program)], hello: [resolve(hello)] };
}

/** A process that serves on a port of 127.0.0.1. */
export class Served implements AsyncDisposable {
  readonly process: Watched;
  readonly port: number;
  readonly #startMs = clock.monotonicMs();
  readonly #threadMs = new Map<string, number>();

  private constructor(line: (port: number) => readonly string[], env: Readonly<Record<string, string>>) {
    this.port = freePort(portsToTry()[0] ?? 0);
    const [command = "", ...args] = line(this.port);
    const { HOME = "", PATH = "", DENO_DIR = "" } = Deno.env.toObject();
    const own = { HOME, PATH, ...(DENO_DIR === "" ? {} : { DENO_DIR }), DENO_NO_UPDATE_CHECK: "1" };
    const port = { STATUS_PORT_SERVE: String(this.port), STATUS_HOST_SERVE: "127.0.0.1" };
    this.process = new Watched(
      new Deno.Command(command, {
        ...{ args, cwd: root, clearEnv: true, env: { ...own, ...port, ...env } },
        ...{ stdin: "null", stdout: "piped", stderr: "piped" },
      }),
    );
  }

  static hello({ hello }: Build): Served {
    return new Served((port) => [...hello, String(port)], {});
  }

  /** Its files are in `folder`, which it makes anew; it sends no mail. */
  static program({ program }: Build, env: Readonly<Record<string, string>>, folder: string): Served {
    const place = `${folder}/${crypto.randomUUID()}`;
    return new Served(() => [...program, "serve"], {
      ...{ STATUS_STORE_FILE: `${place}.db`, STATUS_LOG_FILE: `${place}.log`, STATUS_HEALTH_STARTUP: "1s" },
      ...env,
    });
  }

  /** Resolves when it answers well, with how long it took since the start. */
  async answers(path: string): Promise<number> {
    while (!this.process.hasEnded) {
      const isWell = await this.get(path).then(({ ok }) => ok, () => false);
      if (isWell) return clock.monotonicMs() - this.#startMs;
      await sleep(pollMs);
    }
    throw new Error(`It ended before it answered ${path}: ${this.process.words}`);
  }

  /** Asks for it as it is, not packed, and reads all of the answer. */
  async get(path: string) {
    const startMs = clock.monotonicMs();
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, { headers: { "accept-encoding": "identity" } });
    const bytes = (await answer.arrayBuffer()).byteLength;
    return { ok: answer.ok, status: answer.status, bytes, tookMs: clock.monotonicMs() - startMs };
  }

  /**
   * CPU milliseconds that its threads have taken, to the microsecond: what /proc says of the whole process is rounded to 10 ms.
   * What a thread took that has ended is what was last seen of it, so this is to be asked now and then.
   */
  async cpuMs(): Promise<number> {
    const place = `/proc/${this.process.pid}/task`;
    await Promise.all((await Array.fromAsync(Deno.readDir(place))).map(async ({ name }) => {
      const text = await Deno.readTextFile(`${place}/${name}/schedstat`).catch(() => null); // it has ended meanwhile
      if (text !== null) this.#threadMs.set(name, Number(text.split(" ")[0]) / 1e6);
    }));
    return this.#threadMs.values().reduce((sum, each) => sum + each, 0);
  }

  /**
   * Resident memory in MB: now, and the most that it ever was. `own` is what no file is behind: the rest, most of it the
   * executable, is the page cache's, and can be given back.
   */
  async memory(): Promise<{ now: number; own: number; peak: number }> {
    const text = await Deno.readTextFile(`/proc/${this.process.pid}/status`);
    const megabytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1]) / 1024;
    return { now: megabytes("VmRSS"), own: megabytes("RssAnon"), peak: megabytes("VmHWM") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.end();
  }
}

/** Book, jump and relay for so many experiments; `everyMs` 0: reports go out when they are asked for alone. */
export class Feeds implements AsyncDisposable {
  readonly #process: Watched;
  readonly #line: FeedLine;

  private constructor(process: Watched, line: FeedLine) {
    this.#process = process;
    this.#line = line;
  }

  static async start(experiments: number, everyMs: number): Promise<Feeds> {
    const args = ["run", "--allow-all", "scripts/bench/feed.ts", String(experiments), String(everyMs)];
    const process = new Watched(
      new Deno.Command(Deno.execPath(), { args, cwd: root, stdin: "null", stdout: "piped", stderr: "piped" }),
    );
    while (!process.words.includes("\n") && !process.hasEnded) await sleep(pollMs);
    if (process.hasEnded) throw new Error(`The feeds of the bench ended: ${process.words}`);
    return new Feeds(process, JSON.parse(process.words));
  }

  get env(): FeedLine["env"] {
    return this.#line.env;
  }

  async counts(): Promise<FeedCounts> {
    return await (await fetch(`${this.#line.control}/counts`)).json();
  }

  /** One report at once; `isIll`: in it one stream has sent nothing for a while. */
  async report(feed: "jump" | "relay", isIll = false): Promise<void> {
    const answer = await fetch(`${this.#line.control}/report?feed=${feed}${isIll ? "&ill" : ""}`);
    await answer.body?.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.end();
  }
}

/** So much later nobody notices that somebody looked. */
const pollMs = 2;
