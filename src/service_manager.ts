/**
 * What systemd is told of the program (sd_notify): that it is ready, what it sees, that it stops, and, as long as nothing of
 * it hangs, that it is alive: systemd ends and restarts a service that has not said so for `WatchdogSec`. It is asked for by
 * variables of the environment and told by datagrams to a socket. Without them there is nothing to tell, and nobody.
 */
import type { Clock } from "./clock.ts";
import { thrownWords } from "./failure.ts";
import type { Logger } from "./log.ts";

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
  open(socket: string): Channel;
  /** What of the program hangs; null while all is alive. */
  hanging(): string | null;
  /** What is seen, in a line for `systemctl status`. */
  words(): string;
}

export interface Channel {
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
  const teller = new Teller(request.socket, ports);
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
class Teller {
  readonly #socket: string;
  readonly #ports: Pick<ManagerPorts, "open" | "log">;
  #channel: Channel | null = null;
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
  async #try(send: (channel: Channel) => Promise<void>): Promise<void> {
    try {
      await send(this.#channel ??= this.#ports.open(this.#socket));
      this.#isFailing = false;
    } catch (error) {
      this.#channel?.close();
      this.#channel = null;
      if (this.#isFailing) return;
      this.#isFailing = true;
      const why = thrownWords(error);
      this.#ports.log.error(`Cannot tell the service manager how the program is: ${why}`);
    }
  }
}

/** A socket of datagrams to the one at `path`. Throws where there can be none. */
export function openChannel(path: string): Channel {
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
