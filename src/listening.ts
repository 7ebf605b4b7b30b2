/**
 * The port that people and machines ask at, for as long as the program runs. The runtime ends a server for good when it is
 * out of descriptors for a moment (every connection takes one, and there is no limit of connections): then all of its
 * connections are closed, which gives the descriptors back to the feeds, book and mail, and it is begun anew. On Deno 2.6 that
 * is noticed only when the last of the connections has ended. What keeps clients from it is LimitNOFILE and the proxy's limits.
 */
import type { Hono } from "hono";
import { aborted, backoffMs, serviceBackoff, systemClock as clock } from "./clock.ts";
import { thrownWords } from "./failure.ts";
import { logger } from "./log.ts";

export interface Listening {
  readonly port: number;
  /** Takes no more requests, lets those under way finish until `enough` is aborted. */
  stop(enough: AbortSignal): Promise<void>;
}

/** The port is in use, or the address is none of this machine's. */
export class ListenFailed extends Error {
  override readonly name = "ListenFailed";
  readonly code = "LISTEN_FAILED";
  readonly retryable = false;
}

const listenLog = logger("server");

/** Listens on `host`:`port` (0 asks for a free one), and goes on doing so until it is stopped. Throws ListenFailed. */
export function listen(app: Hono, host: string, port: number): Listening {
  // Of the two addresses of localhost the proxies and people here mean the first.
  return new Port(app, host === "localhost" ? "127.0.0.1" : host, port);
}

interface Held {
  readonly server: Deno.HttpServer<Deno.NetAddr>;
  /** Closes all its connections at once. */
  readonly end: AbortController;
}

class Port implements Listening {
  readonly port: number;
  readonly #app: Hono;
  readonly #hostname: string;
  readonly #stop = new AbortController();
  readonly #kept: Promise<void>;
  /** Null while there is none. */
  #held: Held | null;

  constructor(app: Hono, hostname: string, port: number) {
    this.#app = app;
    this.#hostname = hostname;
    this.#held = this.#begin(port);
    this.port = this.#held.server.addr.port;
    this.#kept = this.#keep(this.#held);
  }

  async stop(enough: AbortSignal): Promise<void> {
    this.#stop.abort();
    // What hangs on is left to the end of the program: to abort a server that is being shut down throws (BadResource).
    await Promise.race([Promise.all([this.#held?.server.shutdown(), this.#kept]), aborted(enough)]);
  }

  #begin(port: number): Held {
    const end = new AbortController();
    const options = { hostname: this.#hostname, port, signal: end.signal, onListen: () => {} };
    try {
      return { server: Deno.serve(options, this.#app.fetch), end };
    } catch (cause) {
      throw new ListenFailed(`Cannot listen on ${this.#hostname}:${port}: ${thrownWords(cause)}`, { cause });
    }
  }

  async #keep(first: Held): Promise<void> {
    for (let held: Held | null = first; held !== null; held = await this.#beginAgain()) {
      this.#held = held;
      const why = await held.server.finished.then(() => "it has ended", thrownWords);
      if (this.#stop.signal.aborted) return;
      listenLog.error(`no request can be answered for now: ${why}`);
      this.#held = null;
      held.end.abort();
    }
  }

  /** Null when it is stopped before it can. */
  async #beginAgain(): Promise<Held | null> {
    for (let failures = 1; !this.#stop.signal.aborted; failures++) {
      await clock.wait(backoffMs(failures, 0, serviceBackoff), this.#stop.signal).catch(() => {}); // a stop ends it
      if (this.#stop.signal.aborted) break;
      try {
        const held = this.#begin(this.port);
        listenLog.warn("requests are answered again");
        return held;
      } catch (error) {
        listenLog.error(thrownWords(error));
      }
    }
    return null;
  }
}
