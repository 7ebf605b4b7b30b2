/** The page and what keeps it live, of a Snapshot that a test made up: the real server on loopback, without a monitor. */
import { type Clock, systemClock } from "../../src/clock.ts";
import { createApp, listen, type Listening } from "../../src/http_server.ts";
import { createLive } from "../../src/live_updates.ts";
import { EncodedBody } from "../../src/response_cache.ts";
import type { Snapshot } from "../../src/snapshot.ts";
import type { Live } from "../../src/sse.ts";

export class PageServer implements AsyncDisposable {
  readonly url: string;
  #snapshot: Snapshot;
  readonly #live: Live;
  readonly #running: Promise<void>;
  readonly #listening: Listening;
  readonly #stop = new AbortController();

  /** `clock`: whose time the page is told. */
  constructor(snapshot: Snapshot, clock: Clock = systemClock) {
    const options = { addresses: false, storeKeepMs: 90 * 86_400_000 };
    const failed = (...what: unknown[]) => {
      throw new Error(what.map(String).join(" "));
    };
    const seen = () => this.#snapshot;
    this.#snapshot = snapshot;
    this.#live = createLive({ snapshot: seen, clock, failed }, options);
    this.#running = this.#live.run(this.#stop.signal);
    const ports = {
      snapshot: seen,
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      history: () => Promise.resolve([]),
      live: this.#live,
      metrics: () => Promise.resolve(EncodedBody.of("")),
      hanging: () => null,
      failed,
    };
    this.#listening = listen(createApp(ports, options), "127.0.0.1", 0);
    this.url = `http://127.0.0.1:${this.#listening.port}/`;
  }

  get readers(): number {
    return this.#live.readers;
  }

  /** From now on it is as in `snapshot`. */
  show(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#live.changed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    const enough = new AbortController();
    const stopped = this.#listening.stop(enough.signal);
    enough.abort(); // a browser keeps its connections
    await stopped;
  }
}
