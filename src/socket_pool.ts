/**
 * Sockets that can be let go of, whatever the server does. They live in a Worker (`socket_worker`); one that holds more than
 * a few sockets that would not close is replaced: new dials go to a new one, who has a live socket in the old one is asked to
 * renew it, and the old one is ended when it has no live socket left. When to dial is for `feed` and `prober`.
 */
import type { Clock } from "./clock.ts";
import { type Decoded, DeltaDecoder, type FeedName } from "./report.ts";
import type { Dialect, SocketEvent, SocketOrder } from "./socket_worker.ts";

export interface Sockets {
  /** Begins to connect to `url`, as it stands. The listener is told what comes of it, until `closed` or its own close. */
  dial(url: string, dialect: FeedName, listener: SocketListener): Socket;
}

export interface ProbeSocket {
  /** The same for a socket of which nothing matters but that something comes. */
  listen(url: string, ear: Ear): Listened;
}

export interface Listened extends Socket {
  /** Resolves when it has ended; when it was closed and the server takes its time, at the end of our patience. */
  readonly gone: Promise<void>;
}

export interface Socket {
  /** Nothing is told after it. Closing twice does nothing. */
  close(): void;
}

export interface SocketListener {
  open(): void;
  report(decoded: Decoded): void;
  badFrame(why: string): void;
  /** It could not be opened, or has ended: the last that is told. */
  closed(why: string): void;
  /** It works, but will be ended in a minute: renew it. */
  retire(): void;
}

export interface Ear extends Pick<SocketListener, "open" | "closed"> {
  /** The first message that holds anything, text or not, has come: told once. It is read on until the close. */
  message(): void;
}

/** All that the pool needs of a Worker. */
export interface SocketWorker {
  onmessage: ((event: MessageEvent<SocketEvent>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  postMessage(order: SocketOrder): void;
  terminate(): void;
}

/** The real one. A compiled program needs the worker's file in its `--include`. */
export function startSocketWorker(): SocketWorker {
  return new Worker(new URL("./socket_worker.ts", import.meta.url), { type: "module" });
}

const openMsMax = 10_000;
/** A server that has not answered the close frame by then is taken never to do so. */
const closeMsMax = 5_000;
/** Each costs a descriptor and little else; a new Worker costs 17 MB while both live, so not every one of them is worth it. */
const stuckMax = 8;
const retiredMsMax = 60_000;

interface PooledSocket {
  state: "opening" | "open" | "closing" | "stuck";
  readonly listener: Pick<SocketListener, "open" | "closed"> & Partial<SocketListener & Ear>;
  /** What it has said; an empty one from the close on, for a server may leave a closed socket open for as long as it likes. */
  mirror: DeltaDecoder;
  /** Ends the wait for what should happen next. */
  patience: AbortController;
  gone(): void;
}

interface Holder {
  readonly worker: SocketWorker;
  readonly sockets: Map<number, PooledSocket>;
  readonly ended: AbortController;
  isRetired: boolean;
}

export class SocketPool implements Sockets, ProbeSocket {
  readonly #clock: Clock;
  readonly #startWorker: () => SocketWorker;
  readonly #retiredMsMax: number;
  readonly #holders = new Set<Holder>();
  #current: Holder | null = null;
  #dialled = 0;

  /** `listenMs`: how long somebody may want to listen; a Worker that is replaced lives so much longer. */
  constructor(clock: Clock, startWorker: () => SocketWorker, listenMs = 0) {
    this.#clock = clock;
    this.#startWorker = startWorker;
    this.#retiredMsMax = retiredMsMax + listenMs;
  }

  dial(url: string, dialect: FeedName, listener: SocketListener): Socket {
    return this.#dial(url, dialect, listener);
  }

  listen(url: string, ear: Ear): Listened {
    return this.#dial(url, "any", ear);
  }

  #dial(url: string, dialect: Dialect, listener: PooledSocket["listener"]): Listened {
    const holder = this.#current ??= this.#start();
    const id = ++this.#dialled;
    const gone = Promise.withResolvers<void>();
    const patience = new AbortController();
    const held: PooledSocket = { state: "opening", listener, mirror: new DeltaDecoder(), patience, gone: gone.resolve };
    holder.sockets.set(id, held);
    holder.worker.postMessage({ kind: "dial", id, url, dialect });
    this.#after(openMsMax, held.patience.signal, () => {
      this.#close(holder, id);
      listener.closed(`not open within ${openMsMax / 1000} s`);
    });
    return { close: () => this.#close(holder, id), gone: gone.promise };
  }

  /** Ends all of it at once; who still has a live socket is told that it is closed. */
  close(): void {
    for (const holder of this.#holders) this.#end(holder, "the program is stopping");
  }

  #start(): Holder {
    const worker = this.#startWorker();
    const holder: Holder = { worker, sockets: new Map(), ended: new AbortController(), isRetired: false };
    worker.onmessage = ({ data }) => this.#tell(holder, data);
    worker.onerror = (event) => {
      event.preventDefault(); // or the whole program ends
      this.#end(holder, `what held the connection broke: ${event.message}`);
    };
    this.#holders.add(holder);
    return holder;
  }

  #tell(holder: Holder, event: SocketEvent): void {
    const held = holder.sockets.get(event.id);
    if (held === undefined) return;
    if (event.kind === "closed") this.#forget(holder, event.id, held);
    if (!isLive(held)) return;
    switch (event.kind) {
      case "open":
        held.state = "open";
        held.patience.abort();
        return held.listener.open();
      case "report":
        return held.listener.report?.(held.mirror.apply(event.columns));
      case "message":
        return held.listener.message?.();
      case "bad-frame":
        return held.listener.badFrame?.(event.why);
      case "closed":
        return held.listener.closed(event.why);
    }
  }

  #forget(holder: Holder, id: number, held: PooledSocket): void {
    held.patience.abort();
    held.gone();
    holder.sockets.delete(id);
    this.#endIfDone(holder);
  }

  #close(holder: Holder, id: number): void {
    const held = holder.sockets.get(id);
    if (held === undefined || !isLive(held)) return;
    held.patience.abort();
    held.patience = new AbortController();
    held.state = "closing";
    held.mirror = new DeltaDecoder();
    holder.worker.postMessage({ kind: "close", id });
    this.#after(closeMsMax, held.patience.signal, () => {
      held.state = "stuck";
      held.gone();
      if (count(holder, (each) => each.state === "stuck") > stuckMax) this.#retire(holder);
    });
    this.#endIfDone(holder);
  }

  #retire(holder: Holder): void {
    if (holder.isRetired) return;
    holder.isRetired = true;
    this.#current = null; // the next dial starts the new one
    this.#after(
      this.#retiredMsMax,
      holder.ended.signal,
      () => this.#end(holder, "what held the connection was replaced"),
    );
    for (const held of [...holder.sockets.values()].filter(isLive)) held.listener.retire?.();
    this.#endIfDone(holder);
  }

  #endIfDone(holder: Holder): void {
    if (holder.isRetired && count(holder, isLive) === 0) this.#end(holder, "");
  }

  #end(holder: Holder, why: string): void {
    if (holder.ended.signal.aborted) return;
    const live = [...holder.sockets.values()].filter(isLive);
    holder.ended.abort();
    for (const held of holder.sockets.values()) held.patience.abort(), held.gone();
    holder.sockets.clear();
    holder.worker.onmessage = null;
    holder.worker.terminate();
    this.#holders.delete(holder);
    if (this.#current === holder) this.#current = null;
    for (const held of live) held.listener.closed(why);
  }

  #after(ms: number, signal: AbortSignal, act: () => void): void {
    // Called off means that what was waited for has happened.
    this.#clock.wait(ms, signal).then(act, () => {});
  }
}

function isLive(held: PooledSocket): boolean {
  return held.state === "opening" || held.state === "open";
}

function count(holder: Holder, is: (held: PooledSocket) => boolean): number {
  return [...holder.sockets.values()].filter(is).length;
}
