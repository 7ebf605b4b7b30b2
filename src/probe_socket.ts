/**
 * Does anything come of a stream, listened to once: a token for its topic, access, dial, the first message (design, section
 * 8). Silence is found only on a socket that was open for all of the time; whatever went wrong before says nothing of the
 * stream. Which stream is due, and what follows, is for `prober`.
 */
import { type AccessPorts, type AccessRequest, askAccess, placeOf } from "./access.ts";
import { sleepUntil } from "./clock.ts";
import { networkErrorText, type ServiceFailure } from "./failure.ts";
import type { ProbeSocket } from "./socket_pool.ts";

export interface ProbePorts extends AccessPorts {
  readonly sockets: ProbeSocket;
}

export type Probed =
  | { readonly kind: "heard" }
  /** Nothing came while the socket was open, from `openMs` on: in steady time. */
  | { readonly kind: "silent"; readonly openMs: number }
  | { readonly kind: "failed"; readonly trouble: ServiceFailure };

// Relay keeps a code for 30 s at least. A late one is not refused: its socket is open and silent, as a dead camera's is.
const codeMsMax = 20_000;
// A relay that is well answers a close at once; one that does not must not hold up all others for long.
const goneMsMax = 1_000;

/**
 * Whether relay can be asked for `topic` such that its answer is about that stream: it reads topics from a path by letters,
 * digits, `_` and `-`, and a socket for what is left of another is open and silent, as a dead camera's is.
 */
export function canBeAskedFor(topic: string): boolean {
  return /^[\w-]+$/.test(topic);
}

/** Listens for `listenMs` at most once the socket is open. Rejects when `signal` is aborted, and with nothing else. */
export async function probeStream(
  request: AccessRequest,
  listenMs: number,
  ports: ProbePorts,
  signal: AbortSignal,
): Promise<Probed> {
  // By the time of day, as relay sees it: while the program is stopped a code grows old too.
  const askedMs = ports.clock.nowMs();
  const access = await askAccess(request, ports, signal);
  signal.throwIfAborted();
  if (access.kind === "trouble") return { kind: "failed", trouble: access.trouble };
  return await listen(access.socketUrl, { listenMs, codeUntilMs: askedMs + codeMsMax }, ports, signal);
}

/** Settles when it is known, or `signal` aborted, and the socket has been closed; it is read on until it has. */
async function listen(
  socketUrl: string,
  { listenMs, codeUntilMs }: { listenMs: number; codeUntilMs: number },
  ports: ProbePorts,
  signal: AbortSignal,
): Promise<Probed> {
  const { clock } = ports, done = new AbortController();
  const { promise, resolve, reject } = Promise.withResolvers<Probed>();
  const failed = (why: string) => resolve({ kind: "failed", trouble: troubleOf(socketUrl, why) });
  let isOpen = false;
  const socket = ports.sockets.listen(socketUrl, {
    open() {
      isOpen = true;
      if (clock.nowMs() > codeUntilMs) return failed("it took too long, so its code may be no good");
      const openMs = clock.monotonicMs();
      // Called off means that something came first.
      clock.wait(listenMs, done.signal).then(() => resolve({ kind: "silent", openMs }), () => {});
    },
    message: () => resolve({ kind: "heard" }),
    closed: (why) =>
      failed(isOpen ? `the connection ended before a message: ${networkErrorText(why)}` : networkErrorText(why)),
  });
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", stop);
    done.abort();
    socket.close();
    // Until then it counts as one of the few at a time: relay has it still.
    await sleepUntil(socket.gone, { clock, ms: goneMsMax }, new AbortController().signal);
  }
}

function troubleOf(socketUrl: string, why: string): ServiceFailure {
  const status = /^Invalid status code: (\d+)$/.exec(why)?.[1];
  const tried = `Cannot listen to relay at ${placeOf(new URL(socketUrl))}`;
  return status === undefined
    ? { kind: "unreachable", message: `${tried}: ${why}` }
    : { kind: "refused", message: `${tried}: relay answered ${status}` };
}
