/**
 * What systemd is told of the program (sd_notify): that it is ready, what it sees, that it stops, and, as long as nothing of
 * it hangs, that it is alive: systemd ends and restarts a service that has not said so for `WatchdogSec`. It is asked for by
 * variables of the environment and told by datagrams to a socket. Without them there is nothing to tell, and nobody.
 */
import type { Logger } from "./log.ts";
import { excerpt } from "./trouble.ts";
import { aborted, type Clock } from "./wait.ts";

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
  let channel: Channel | null = null;
  try {
    channel = ports.open(request.socket);
    await channel.send("READY=1");
    const everyMs = Math.min(request.watchdogMs === null ? Infinity : request.watchdogMs / 2, tellEveryMsMax);
    let said = "";
    let hung: string | null = null;
    while (!signal.aborted) {
      const hangs = hanging();
      if (hangs === null && request.watchdogMs !== null) await channel.send("WATCHDOG=1");
      if (hangs !== null && hung === null) {
        log.error(`the service manager is not told that the program is alive: ${hangs}`);
      }
      hung = hangs;
      const line = `STATUS=${hangs ?? words()}`;
      if (line !== said) await channel.send(said = line);
      await clock.wait(everyMs, signal).catch(() => {}); // the stop ends the loop
    }
    await channel.send("STOPPING=1");
  } catch (error) {
    const why = excerpt(error instanceof Error ? error.message : String(error));
    log.error(`Cannot tell the service manager how the program is: ${why}`);
    await aborted(signal);
  } finally {
    channel?.close();
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
