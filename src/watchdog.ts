/**
 * Is the program itself alive: do its loops turn, does its store take what it is given, has nothing ended that must not?
 * Taps and signs are gathered at the wiring; `hanging` judges them, for `/healthz`, the dead man's switch and the service
 * manager. All is measured in steady time, so a program that was stopped and goes on has not hung. A blocked event loop
 * can't say so of itself: whoever asks gets no answer, and bounds how long it waits.
 */
import type { Clock } from "./clock.ts";
import { thrownText } from "./failure.ts";
import { createHeartbeat, type Heartbeat, missingOf } from "./heartbeat.ts";
import type { Logger } from "./log.ts";
import type { Settings } from "./settings.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Store } from "./store.ts";

/** All in steady milliseconds. */
export type LivenessSignal =
  /** A loop that turns every `turnMsMax` at least. */
  | { readonly kind: "turned"; readonly atMs: number }
  /** What is being done, and since when; null where nothing is. */
  | { readonly kind: "working"; readonly sinceMs: number | null }
  /** What must not end before the program is asked to. */
  | { readonly kind: "running"; readonly hasEnded: boolean };

/** What the program as a whole gives signs of, by its name in the words. */
export type Signs = Readonly<Record<string, LivenessSignal>>;

/** A loop that has nothing to do turns this often, to show that it could. */
export const turnMsMax = 10_000;
/** Three turns, and longer than a full disk takes to say so. */
export const stillMsMax = 30_000;

/** What hangs, and for how long, for people; null while nothing does. Something still for exactly `stillMsMax` does not yet. */
export function hanging(signs: Signs, nowMs: number): string | null {
  const words = Object.entries(signs).flatMap(([name, sign]) => hangWords(name, sign, nowMs) ?? []);
  return words.length === 0 ? null : words.join(", ");
}

function hangWords(name: string, sign: LivenessSignal, nowMs: number): string | null {
  switch (sign.kind) {
    case "running":
      return sign.hasEnded ? `${name} has ended` : null;
    case "turned":
      return isStill(sign.atMs, nowMs) ? `${name} has not turned for ${secondsSince(sign.atMs, nowMs)} s` : null;
    case "working":
      if (sign.sinceMs === null || !isStill(sign.sinceMs, nowMs)) return null;
      return `${name} has not answered for ${secondsSince(sign.sinceMs, nowMs)} s`;
  }
}

function isStill(sinceMs: number, nowMs: number): boolean {
  return nowMs - sinceMs > stillMsMax;
}

function secondsSince(sinceMs: number, nowMs: number): number {
  return Math.floor((nowMs - sinceMs) / 1_000);
}

/** Watches what the wiring gives it. */
export class Liveness {
  readonly #clock: Clock;
  readonly #signs = new Map<string, () => LivenessSignal>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What hangs now, in words; null while all is alive. */
  hanging(): string | null {
    const signs = Object.fromEntries([...this.#signs].map(([name, sign]) => [name, sign()]));
    return hanging(signs, this.#clock.monotonicMs());
  }

  /** A loop that begins now: it calls what this gives each time that it turns. */
  loop(name: string): () => void {
    let atMs = this.#clock.monotonicMs();
    this.#signs.set(name, () => ({ kind: "turned", atMs }));
    return () => atMs = this.#clock.monotonicMs();
  }

  /** `run`, of which it is seen when it ends before `signal` is aborted. */
  async running(name: string, run: Promise<void>, signal: AbortSignal): Promise<void> {
    let hasEnded = false;
    this.#signs.set(name, () => ({ kind: "running", hasEnded }));
    await run;
    hasEnded = !signal.aborted;
  }

  /** The store, of which it is seen when it does not come back from a record. There is one at a time: see `recorder`. */
  store(store: Store): Store {
    let sinceMs: number | null = null;
    this.#signs.set("the store", () => ({ kind: "working", sinceMs }));
    return {
      kind: store.kind,
      load: (max) => store.load(max),
      turns: (experiment, range) => store.turns(experiment, range),
      record: async (changes) => {
        sinceMs = this.#clock.monotonicMs();
        await store.record(changes).finally(() => sinceMs = null);
      },
      prune: (beforeMs) => store.prune(beforeMs),
      close: () => store.close(),
    };
  }
}

/*
 * What systemd is told of the program (sd_notify): that it is ready, what it sees, that it stops, and, as long as nothing of
 * it hangs, that it is alive: systemd ends and restarts a service that has not said so for `WatchdogSec`. It is asked for by
 * variables of the environment and told by datagrams to a socket. Without them there is nothing to tell, and nobody.
 */

/** What the service manager asks of this process. */
export interface ManagerRequest {
  /** The path of a socket; of an abstract one, after a zero. */
  readonly socket: string;
  /** How long it may say nothing; null where nobody watches. */
  readonly watchdogMs: number | null;
}

/** The variables that are read. */
export const managerVariables = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"] as const;

export interface ManagerPorts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Opens what `send`s to the socket. Throws where that can't be had. */
  open(socket: string): NotifyChannel;
  /** What of the program hangs; null while all is alive. */
  hanging(): string | null;
  /** What is seen, in a line for `systemctl status`. */
  words(): string;
}

export interface NotifyChannel {
  send(text: string): Promise<void>;
  close(): void;
}

/** How often the line may change, and how often is looked whether something hangs. */
const tellEveryMsMax = 10_000;

/** What `env` asks of the process `pid`; null where no service manager does. */
export function managerRequest(
  env: Readonly<Record<string, string | undefined>>,
  pid: number,
): ManagerRequest | null {
  const { NOTIFY_SOCKET: socket = "", WATCHDOG_PID: watched = "", WATCHDOG_USEC: microseconds = "" } = env;
  if (!/^[/@]./.test(socket)) return null; // vsock:… is for virtual machines
  const isWatched = watched === "" || watched === String(pid);
  const watchdogMs = Number(microseconds) / 1_000;
  return {
    socket: socket.replace(/^@/, "\0"),
    watchdogMs: isWatched && watchdogMs > 0 ? watchdogMs : null,
  };
}

/** Tells the service manager until `signal` is aborted, and then that the program stops. Never rejects. */
export async function runServiceManager(
  request: ManagerRequest | null,
  ports: ManagerPorts,
  signal: AbortSignal,
): Promise<void> {
  if (request === null) return;
  const { clock, log, hanging, words } = ports;
  const teller = new NotifySocket(request.socket, ports);
  const everyMs = Math.min(request.watchdogMs === null ? Infinity : request.watchdogMs / 2, tellEveryMsMax);
  let hung: string | null = null;
  while (!signal.aborted) {
    await teller.ready();
    const hangs = hanging();
    if (hangs !== null && hung === null) {
      log.error(`the service manager is not told that the program is alive: ${hangs}`);
    }
    hung = hangs;
    await teller.tell({ isAlive: hangs === null && request.watchdogMs !== null, words: hangs ?? words() });
    await clock.wait(everyMs, signal).catch(() => {}); // the stop ends the loop
  }
  await teller.stop();
}

/** What the manager knows, and the way to it: what one turn could not tell, the next does. */
class NotifySocket {
  readonly #socket: string;
  readonly #ports: Pick<ManagerPorts, "open" | "log">;
  #channel: NotifyChannel | null = null;
  #isReady = false;
  #words = "";
  #isFailing = false;

  constructor(socket: string, ports: Pick<ManagerPorts, "open" | "log">) {
    this.#socket = socket;
    this.#ports = ports;
  }

  async ready(): Promise<void> {
    if (this.#isReady) return;
    await this.#try(async (channel) => {
      await channel.send("READY=1");
      this.#isReady = true;
    });
  }

  /** `isAlive`: what the watchdog wants to hear. `words` are told only where they are others than before. */
  async tell({ isAlive, words }: { isAlive: boolean; words: string }): Promise<void> {
    if (!this.#isReady) return; // it comes first
    await this.#try(async (channel) => {
      if (isAlive) await channel.send("WATCHDOG=1");
      if (words !== this.#words) await channel.send(`STATUS=${words}`);
      this.#words = words;
    });
  }

  async stop(): Promise<void> {
    await this.#try((channel) => channel.send("STOPPING=1"));
    this.#channel?.close();
  }

  /** A run of failures is logged once. After one the next try has a channel of its own. */
  async #try(send: (channel: NotifyChannel) => Promise<void>): Promise<void> {
    try {
      await send(this.#channel ??= this.#ports.open(this.#socket));
      this.#isFailing = false;
    } catch (error) {
      this.#channel?.close();
      this.#channel = null;
      if (this.#isFailing) return;
      this.#isFailing = true;
      const why = thrownText(error);
      this.#ports.log.error(`Cannot tell the service manager how the program is: ${why}`);
    }
  }
}

/** A socket of datagrams to the one at `path`. Throws where there can be none. */
export function openChannel(path: string): NotifyChannel {
  const socket = ownSocket();
  return {
    async send(text) {
      await socket.send(new TextEncoder().encode(text), { transport: "unixpacket", path });
    },
    close: () => socket.close(),
  };
}

/**
 * One to send from. It has to have an address, which nobody needs: an abstract one leaves no file behind. Deno 2.6 has none
 * of those; there it is a file that is gone again as soon as the socket is open.
 */
function ownSocket(): Deno.DatagramConn {
  try {
    return Deno.listenDatagram({ transport: "unixpacket", path: `\0status-${crypto.randomUUID()}` });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const folder = Deno.makeTempDirSync({ prefix: "status-" });
    try {
      return Deno.listenDatagram({ transport: "unixpacket", path: `${folder}/socket` });
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  }
}

/*
 * Who watches the monitor, made from the settings and what systemd asks: the dead man's switch and the service manager.
 * Both hear of what `Vigil` finds to hang.
 */

export interface WatchPorts {
  readonly clock: Clock;
  random(): number;
  readonly log: Logger;
  readonly vigil: Liveness;
  snapshot(): Snapshot;
  /** The heartbeat is shown otherwise now. */
  changed(): void;
}

export interface Watch {
  readonly heartbeat: Heartbeat;
  run(signal: AbortSignal): Promise<void>;
}

export function createWatch(settings: Settings, request: ManagerRequest | null, ports: WatchPorts): Watch {
  const { vigil, snapshot } = ports;
  const { HEARTBEAT_URL: url, HEARTBEAT_EVERY: everyMs } = settings;
  const missing = () => missingOf(snapshot().feeds, vigil.hanging());
  const heartbeat = createHeartbeat(url && { url, everyMs }, { ...ports, fetch, missing });
  const hanging = () => vigil.hanging();
  const told = { ...ports, open: openChannel, hanging, words: () => countWords(snapshot()) };
  return {
    heartbeat,
    async run(signal) {
      await Promise.all([heartbeat.run(signal), runServiceManager(request, told, signal)]);
    },
  };
}

/** `12 healthy, 1 unhealthy; jump live, relay late, book ok, mail idle`: no more than `systemctl status` has room for. */
export function countWords({ counts, feeds, book, mail }: Snapshot): string {
  const some = Object.entries(counts).filter(([, count]) => count > 0).map(([state, count]) => `${count} ${state}`);
  const parts = Object.entries({ ...feeds, book, mail }).map(([name, { state }]) => `${name} ${state}`);
  return `${some.join(", ") || "no experiments"}; ${parts.join(", ")}`;
}
