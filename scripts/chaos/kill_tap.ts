/**
 * A wire between the program and one service of the stand-in world, on which every step is seen before it is passed on and
 * after it has been, and can be held back: so a kill can come between any two. Which steps there are is for `kill_talk`.
 */
import { listenAnywhere } from "../simulator/port.ts";
import type { Piece, Step, Talk } from "./kill_talk.ts";

export interface Watcher {
  /** Whether the step is passed on; if not, the connection ends. Everything on it waits for the answer. */
  before(step: Step): boolean;
  /** It was passed on, to the other side's machine at least. */
  after(step: Step): void;
}

export class Tap {
  readonly #listener = listenAnywhere();
  readonly #talk: () => Talk;
  readonly #connections = new Set<Deno.Conn>();
  readonly #tasks = new Set<Promise<void>>();
  /** Where the service is, and who watches. Until it is told, connections are closed at once. */
  #to: { readonly servicePort: number; readonly watcher: Watcher } | null = null;

  constructor(talk: () => Talk) {
    this.#talk = talk;
    this.#task(this.#accept());
  }

  /** Where the program connects to. */
  get port(): number {
    return this.#listener.addr.port;
  }

  lead(to: { readonly servicePort: number; readonly watcher: Watcher }): void {
    this.#to = to;
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
    const to = this.#to;
    const talk = this.#talk();
    const service = to && passes(talk.opening, to.watcher) ? await dialled(to.servicePort) : null;
    if (to !== null && service !== null) {
      this.#connections.add(service);
      if (talk.opening) to.watcher.after(talk.opening);
      await Promise.race([
        relay(program, service, (bytes) => talk.program(bytes), to.watcher),
        relay(service, program, (bytes) => talk.service(bytes), to.watcher),
      ]);
    }
    for (const each of [program, service]) {
      if (each === null) continue;
      closed(each);
      this.#connections.delete(each);
    }
  }

  #task(work: Promise<void>): void {
    const task = work.finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }
}

/** Until either side ends, or a step is held back. */
async function relay(
  from: Deno.Conn,
  to: Deno.Conn,
  cut: (bytes: Uint8Array) => readonly Piece[],
  watcher: Watcher,
): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (;;) {
    const count = await from.read(buffer).catch(() => null); // reset, or closed by the other direction: it has ended
    if (count === null) return;
    for (const { bytes, step } of cut(buffer.subarray(0, count))) {
      if (!passes(step, watcher) || !await written(to, bytes)) return;
      if (step) watcher.after(step);
    }
  }
}

function passes(step: Step | null, watcher: Watcher): boolean {
  return step === null || watcher.before(step);
}

async function dialled(port: number): Promise<Deno.Conn | null> {
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
