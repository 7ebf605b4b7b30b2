/**
 * The real program as a process, watching a stand-in laboratory: what the acceptance tests play on. Reports come ten times a
 * second, so that what takes minutes in a real laboratory takes seconds here.
 */
import { permissions } from "../../scripts/compile.ts";
import type { ReceivedMail } from "../../scripts/simulator/receivers.ts";
import { startWorld, type World, type WorldOptions } from "../../scripts/simulator/world.ts";
import type { ExperimentJson } from "../../src/api_schema.ts";

const root = new URL("../..", import.meta.url).pathname;

export interface StationOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly world?: WorldOptions;
  /** By experiment its streams; all are required. pend00 with st-data and st-video where not said. */
  readonly experiments?: Readonly<Record<string, readonly string[]>>;
  /** A command that starts the program, which follows as its arguments. */
  readonly by?: readonly string[];
  /** How long what is waited for may take. 30 s where not said. */
  readonly patienceMs?: number;
}

export class Station implements AsyncDisposable {
  readonly world: World;
  readonly folder: string;
  readonly #env: Record<string, string>;
  readonly #by: readonly string[];
  readonly #patienceMs: number;
  #program: Deno.ChildProcess | null = null;
  #log = "";
  #logged: Promise<void> = Promise.resolve();
  /** Where in the log this run of the program begins. */
  #started = 0;
  #port = 0;

  private constructor(world: World, folder: string, { env, by = [], patienceMs = 30_000 }: StationOptions) {
    this.world = world;
    this.folder = folder;
    this.#by = by;
    this.#patienceMs = patienceMs;
    this.#env = {
      ...world.env,
      STATUS_HEALTH_LAST: "2s",
      STATUS_HEALTH_STARTUP: "1s",
      STATUS_QUERY_BOOK_EVERY: "1s",
      STATUS_PORT_SERVE: "0",
      STATUS_STORE_FILE: `${folder}/status.db`,
      STATUS_LOG_FILE: "stdout",
      STATUS_LOG_LEVEL: "trace",
      ...env,
    };
  }

  /** A laboratory whose manifest is loaded, and the program not yet started. */
  static async with(
    { world: options = {}, experiments = { pend00: ["st-data", "st-video"] }, ...how }: StationOptions = {},
  ) {
    const world = await startWorld({ reportEveryMs: 100, ...options });
    for (const [name, streams] of Object.entries(experiments)) world.addExperiment(name, { streams });
    world.loadManifest();
    return new Station(world, await Deno.makeTempDir({ prefix: "station" }), how);
  }

  /** The same, with the program started and its first mail, that all is ok, arrived. */
  static async watching(options: StationOptions = {}): Promise<Station> {
    const station = await Station.with(options);
    await station.start();
    await station.mail(/new health events/);
    return station;
  }

  /** Runs a command of the program in the same environment, and `env` besides, until it ends by itself. */
  async run(env: Readonly<Record<string, string>>, ...args: string[]): Promise<{ code: number; said: string }> {
    const { code, stdout, stderr } = await program(args, { ...this.#env, ...env }).output();
    return { code, said: [stdout, stderr].map((each) => new TextDecoder().decode(each)).join("") };
  }

  /** Resolves when the program listens, as its log says. */
  async start(): Promise<void> {
    const monitor = program(["serve"], this.#env, this.#by).spawn();
    this.#program = monitor;
    this.#started = this.#log.length;
    this.#logged = Promise.all([this.#read(monitor.stdout), this.#read(monitor.stderr)]).then(() => {});
    const file = this.#env.STATUS_LOG_FILE ?? "";
    const log = async () => file.startsWith("/") ? await Deno.readTextFile(file) : this.#log.slice(this.#started);
    await this.until(
      async () => this.#port = Number(/listening on [^"]*:(\d+)/.exec(await log())?.[1] ?? 0),
      "the program to listen",
    );
  }

  signal(signal: Deno.Signal): void {
    this.#program?.kill(signal);
  }

  /** Sends `signal` and gives the exit code and how long the end took. */
  async end(signal: Deno.Signal): Promise<{ code: number; tookMs: number }> {
    const monitor = this.#program;
    if (monitor === null) throw new Error("Cannot end the program: it does not run");
    const startMs = performance.now();
    monitor.kill(signal);
    const { code } = await monitor.status;
    this.#program = null;
    await this.#logged;
    return { code, tookMs: performance.now() - startMs };
  }

  async json<Answer = unknown>(path: string): Promise<Answer> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}${path}`);
    return await answer.json();
  }

  async experiment(name: string): Promise<ExperimentJson | undefined> {
    const all = await this.json<ExperimentJson[]>("/api/v1/experiments");
    return all.find(({ topic_name }) => topic_name === name);
  }

  /** What of the status matters to a person: the state of each part. */
  async states(): Promise<Record<string, string>> {
    const { feeds, ...parts } = await this.json<Record<string, Record<string, { state: string }>>>("/api/v1/status");
    const flat = { ...feeds, book: parts.book, mail: parts.mail, store: parts.store } as unknown as Record<
      string,
      { state: string }
    >;
    return Object.fromEntries(Object.entries(flat).map(([name, { state }]) => [name, state]));
  }

  /** The first mail after the `after`-th that has this very line. */
  line(line: string, after = 0): Promise<ReceivedMail> {
    const found = () => this.world.mailbox.mails.slice(after).find(({ text }) => text.split("\n").includes(line));
    return this.until(found, `a mail with the line ${JSON.stringify(line)}`);
  }

  /** The first mail after the `after`-th whose text or subject matches. */
  mail(pattern: RegExp, after = 0): Promise<ReceivedMail> {
    const found = () =>
      this.world.mailbox.mails.slice(after).find(({ subject, text }) => pattern.test(`${subject}\n${text}`));
    return this.until(found, `a mail with ${pattern}`);
  }

  /** Of the program, while it runs. */
  get pid(): number {
    if (this.#program === null) throw new Error("Cannot tell the program's number: it does not run");
    return this.#program.pid;
  }

  get port(): number {
    return this.#port;
  }

  /** Of the page. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  get mailCount(): number {
    return this.world.mailbox.mails.length;
  }

  /** All that the program has written to its log. */
  get log(): string {
    return this.#log;
  }

  async until<T>(condition: () => T | Promise<T>, what: string) {
    try {
      return await this.world.until(condition, { what, timeoutMs: this.#patienceMs });
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      throw new Error(`${words}\nThe program's log ends:\n${this.#log.split("\n").slice(-25).join("\n")}`, {
        cause: error,
      });
    }
  }

  /** Lets the world report `count` more times, so that what would have happened has. */
  async reports(count: number): Promise<void> {
    for (const feed of [this.world.jump, this.world.relay]) {
      const untilCount = feed.counts.reports + count;
      await this.until(() => feed.counts.reports >= untilCount, `${count} more reports`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#program !== null) await this.end("SIGKILL");
    await this.world.stop();
    await Deno.remove(this.folder, { recursive: true });
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#log += text;
    }
  }
}

/**
 * The program from its source with the permissions that are compiled into it; the executable that PROGRAM names, if any.
 * `by`: a command that starts it. Deno says nothing of what it fetches, which it does on stderr too: all that is there is
 * the program's.
 */
export function program(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  by: readonly string[] = [],
): Deno.Command {
  const binary = Deno.env.get("PROGRAM");
  const source = [Deno.execPath(), "run", "--quiet", ...permissions, "main.ts"];
  const [command, ...before] = [...by, ...(binary ? [binary] : source)];
  const { HOME = "", PATH = "" } = Deno.env.toObject();
  return new Deno.Command(command ?? "", {
    args: [...before, ...args],
    env: { HOME, PATH, DENO_NO_UPDATE_CHECK: "1", ...env },
    clearEnv: true,
    cwd: root,
    stdout: "piped",
    stderr: "piped",
  });
}
