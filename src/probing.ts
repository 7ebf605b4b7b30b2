/** How streams are listened to, made from the settings: the prober, with sockets of its own. */
import { type AccessRequest, streamClaims } from "./access.ts";
import type { Monitor } from "./monitor.ts";
import { feedRequest } from "./parts.ts";
import { probeStream } from "./probe_socket.ts";
import { serviceUrls, type Settings } from "./settings.ts";
import { SocketPool, startSocketWorker } from "./socket_pool.ts";
import { createProber, noProber, type Prober, type ProberPorts, rememberedTargets } from "./stream_probe.ts";

// Each listening is an access and a socket: a stream is not asked for more often than that, however short the limit.
const periodMsMin = 1_000;
// What is left of a token's life when the longest listening is over.
const spareMs = 60_000;

/** `monitor` is asked for only later: it is made after this. */
export function createStreamWatch(
  settings: Settings,
  monitor: () => Monitor,
  ports: Pick<ProberPorts, "clock" | "random" | "log">,
): Prober {
  const { PROBE_STREAMS: mode, HEALTH_LAST_ACTIVE: listenMs } = settings;
  const unfound = () => monitor().probed(null);
  if (mode === "off") return noProber({ ...ports, unfound });
  // A pool of its own: sockets that would not close must not cost the feeds theirs. Nothing is started before it is used.
  const sockets = new SocketPool(ports.clock, startSocketWorker, listenMs);
  const targetsOf = rememberedTargets(mode);
  const prober = createProber(Math.max(listenMs, periodMsMin), {
    ...ports,
    targets: () => targetsOf(monitor().telling),
    probe: (topic, signal) =>
      probeStream(streamRequest(topic, settings), listenMs, { clock: ports.clock, fetch, sockets }, signal),
    found: (topic, finding) => monitor().probed({ topic, finding }),
    unfound,
    changed: () => monitor().readersChanged(),
  });
  return {
    look: () => prober.look(),
    view: () => prober.view(),
    async run(signal) {
      await prober.run(signal);
      sockets.close();
    },
  };
}

function streamRequest(topic: string, settings: Settings): AccessRequest {
  const { base, access } = serviceUrls(settings).relay;
  return {
    ...feedRequest("relay", settings),
    accessUrl: new URL(encodeURIComponent(topic), access),
    claims: streamClaims(base, topic),
    tokenLifeMs: settings.HEALTH_LAST_ACTIVE + spareMs,
  };
}
