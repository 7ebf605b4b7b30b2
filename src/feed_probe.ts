/** Does a feed work, tried once: for `status check`. Keeping it connected is for `feed`. */
import { type AccessPorts, type AccessRequest, askAccess } from "./access.ts";
import type { Decoded } from "./columns.ts";
import type { Trouble } from "./failure.ts";
import { openLink } from "./link.ts";
import type { Sockets } from "./socket_pool.ts";

export type Tried =
  | {
    readonly kind: "reported";
    readonly entries: number;
    readonly generation: Decoded["generation"];
    /** How many of the entries are an experiment's: hosts at jump, streams at relay. */
    readonly connections: number;
  }
  /** `accepted`: the token was good and there is an address, but no report came from there. */
  | { readonly kind: "trouble"; readonly trouble: Trouble; readonly accepted: boolean };

/** One access, one dial, and the first report within `waitMs` of the socket opening. Rejects when `signal` is aborted. */
export async function tryFeed(
  source: AccessRequest,
  ports: AccessPorts & { readonly sockets: Sockets },
  waitMs: number,
  signal: AbortSignal,
): Promise<Tried> {
  const access = await askAccess(source, ports, signal);
  if (access.kind === "trouble") return { ...access, accepted: false };
  signal.throwIfAborted();
  const plan = { name: source.name, socketUrl: access.socketUrl, firstReportMsMax: waitMs };
  const { promise: report, resolve } = Promise.withResolvers<Decoded>();
  const link = openLink(plan, ports, { report: resolve, badFrame() {}, closed() {}, retire() {} }, signal);
  const first = await link.firstReport;
  link.close();
  switch (first.kind) {
    case "reported": {
      const { entries, generation, connections } = await report;
      return { kind: "reported", entries, generation, connections: connections.size };
    }
    case "trouble":
      return { ...first, accepted: true };
    case "called-off":
      throw signal.reason;
  }
}
