/**
 * The program under test as a process that can be ended between any two of its instructions: killed at once, or first
 * stopped dead so that what reaches it is never seen. From its source, or the executable that PROGRAM names.
 */
import { program } from "../../test/support/station.ts";

export class Subject {
  readonly pid: number;
  readonly startedMs: number;
  /** All that it has written to its log. */
  log = "";
  /** Null while it runs. */
  ended: { readonly code: number; readonly signal: string | null } | null = null;
  killedMs: number | null = null;
  readonly #process: Deno.ChildProcess;
  readonly #whole: Promise<void>;
  readonly #changed: () => void;

  /** `changed`: it has said something, or has ended. */
  constructor(env: Readonly<Record<string, string>>, nowMs: number, changed: () => void) {
    this.#process = program(["serve"], env).spawn();
    this.#changed = changed;
    this.pid = this.#process.pid;
    this.startedMs = nowMs;
    const { stdout, stderr, status } = this.#process;
    this.#whole = Promise.all([this.#read(stdout), this.#read(stderr)]).then(async () => {
      const { code, signal } = await status;
      this.ended = { code, signal };
      changed();
    });
  }

  /** Where it listens; null while it does not yet. */
  get port(): number | null {
    return Number(/listening on [^"]*:(\d+)/.exec(this.log)?.[1] ?? 0) || null;
  }

  get isKilled(): boolean {
    return this.killedMs !== null;
  }

  /** SIGKILL, now: when this returns it executes nothing any more of its own. */
  kill(nowMs: number): void {
    if (this.ended !== null || this.isKilled) return;
    this.killedMs = nowMs;
    this.#signal("SIGKILL");
  }

  /** SIGSTOP; when this returns it stands still, so that what is sent to it arrives and is not seen. */
  freeze(): void {
    if (this.ended !== null || this.isKilled) return;
    this.#signal("SIGSTOP");
    while (!/\) [TZX] /.test(this.#stat())); // some microseconds
  }

  /** SIGTERM: it ends in its own way. */
  ask(): void {
    if (this.ended === null) this.#signal("SIGTERM");
  }

  /** Resolves when the process is gone and all that it said was read. */
  async gone(): Promise<void> {
    await this.#whole;
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error; // it has just ended by itself
    }
  }

  #stat(): string {
    try {
      return Deno.readTextFileSync(`/proc/${this.pid}/stat`);
    } catch {
      return "(gone) X "; // its end was collected already
    }
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.log += text;
      this.#changed();
    }
  }
}
