/**
 * Who watches the monitor, made from the settings and what systemd asks: the dead man's switch and the service manager.
 * Both hear of what `Vigil` finds to hang.
 */
import type { Clock } from "./clock.ts";
import { createHeartbeat, type Heartbeat, missingOf } from "./heartbeat.ts";
import type { Logger } from "./log.ts";
import { type ManagerRequest, openChannel, runServiceManager } from "./service_manager.ts";
import type { Settings } from "./settings.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Vigil } from "./vigil.ts";

export interface WatchPorts {
  readonly clock: Clock;
  random(): number;
  readonly log: Logger;
  readonly vigil: Vigil;
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
