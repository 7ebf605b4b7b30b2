/**
 * A wire between the program and one service of the stand-in world, on which every step is seen before it is passed on and
 * after it has been, and can be held back: so a kill can come between any two. Which steps there are is for `kill_talk`.
 */
import type { Step, Talk } from "./kill_talk.ts";
import { listenAnywhere } from "./world_port.ts";

export interface Watcher {
  /** Whether the step is passed on; if not, the connection ends. Everything on it waits for the answer. */
  before(step: Step): boolean;
  /** It was passed on, to the other side's machine at least. */
  after(step: Step): void;
}

export class Tap {
  readonly #listener = listenAnywhere();
  readonly #talk: () => Talk;
  readonly #watcher: Watcher;
  readonly #connections = new Set<Deno.Conn>();
  readonly #tasks = new Set<Promise<void>>();
  /** Where the service is. Until it is told, connections are closed at once. */
  servicePort = 0;

  constructor(talk: () => Talk, watcher: Watcher) {
    this.#talk = talk;
    this.#watcher = watcher;
    this.#task(this.#accept());
  }

  /** Where the program connects to. */
  get port(): number {
    return this.#listener.addr.port;
  }

  async stop(): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) closed(connection);
    await Promise.all(this.#tasks);
  }

  async #accept(): Promise<void> {
    for (let program; (program = await this.#listener.accept().catch(() => null)) !== null;) {
      this.#task(this.#join(program));
    }
  }

  async #join(program: Deno.Conn): Promise<void> {
    this.#connections.add(program);
    const talk = this.#talk();
    const service = this.#passes(talk.opening) ? await dialled(this.servicePort) : null;
    if (service !== null) {
      this.#connections.add(service);
      if (talk.opening) this.#watcher.after(talk.opening);
      await Promise.race([
        this.#relay(program, service, (bytes) => talk.program(bytes)),
        this.#relay(service, program, (bytes) => talk.service(bytes)),
      ]);
    }
    for (const each of [program, service]) {
      if (each === null) continue;
      closed(each);
      this.#connections.delete(each);
    }
  }

  /** Until either side ends, or a step is held back. */
  async #relay(from: Deno.Conn, to: Deno.Conn, cut: (bytes: Uint8Array) => ReturnType<Talk["program"]>): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    for (;;) {
      const count = await from.read(buffer).catch(() => null); // reset, or closed by the other direction: it has ended
      if (count === null) return;
      for (const { bytes, step } of cut(buffer.subarray(0, count))) {
        if (!this.#passes(step)) return;
        if (!await written(to, bytes)) return;
        if (step) this.#watcher.after(step);
      }
    }
  }

  #passes(step: Step | null): boolean {
    return step === null || this.#watcher.before(step);
  }

  #task(work: Promise<void>): void {
    const task = work.finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }
}

async function dialled(port: number): Promise<Deno.Conn | null> {
  if (port === 0) return null;
  return await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => null); // it is stopped: the client is told so by the end
}

async function written(to: Deno.Conn, bytes: Uint8Array): Promise<boolean> {
  try {
    for (let done = 0; done < bytes.length;) done += await to.write(bytes.subarray(done));
    return true;
  } catch {
    return false; // the other side has gone
  }
}

function closed(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // closed before: that is what was wanted
  }
}
