/**
 * A CPU profile and memory figures, for finding a fault of the program itself: a
 * listener of its own, on this machine's loopback address only, that is there with STATUS_PROFILE=true alone.
 *
 * A profile is of the main thread, where all is judged and answered. It does not show the Worker that holds the sockets and
 * parses what comes (`socket_worker`): V8 profiles the thread that asks. What that costs is seen with `top -H`. A function
 * that V8 had built into its caller before the profile began counts as its caller.
 */
import { type Context, Hono } from "hono";
import { Session } from "node:inspector/promises";
import v8 from "node:v8";
import { time } from "./api.ts";
import { aborted, type Clock } from "./clock.ts";
import { sanitize } from "./failure.ts";
import { errorResponse, listen, securityHeaders } from "./http_server.ts";

export interface ProfilePorts {
  readonly clock: Clock;
  /** When the program began, in steady time. */
  readonly startedMs: number;
  /** Ends the listener, and a profile that is being taken. */
  readonly signal: AbortSignal;
}

const defaultSeconds = 10;
const secondsMax = 120;
// Often enough to see what takes a few milliseconds, and costs some per cent of one core.
const sampleEveryMicroseconds = 1_000;

const contents = `The profile of status: what is it busy with, and what does it keep in memory?

/profile?seconds=${defaultSeconds}   a CPU profile of the seconds to come, ${secondsMax} at most: open it in Chrome's DevTools (Performance, Load profile)
/memory               the figures of memory, in bytes
`;

/** On 127.0.0.1 alone, whatever HOST_SERVE says; `done` when it has ended. Throws ListenFailed. */
export function startProfiling(port: number, ports: ProfilePorts): { port: number; done: Promise<void> } {
  const { signal } = ports;
  const listening = listen(createProfileApp(ports), "127.0.0.1", port);
  const never = new AbortController().signal; // the stop of the program is bounded as a whole
  return { port: listening.port, done: aborted(signal).then(() => listening.stop(never)) };
}

export function createProfileApp(ports: ProfilePorts): Hono {
  const app = new Hono();
  let isTaking = false;
  const profile = async (c: Context) => {
    const given = c.req.query("seconds");
    const seconds = readSeconds(given);
    if (seconds === null) {
      return errorResponse(c, 400, `seconds is ${given}, and must be a number from 1 to ${secondsMax}`);
    }
    if (isTaking) return errorResponse(c, 409, "a profile is being taken: one at a time");
    isTaking = true;
    const ended = () => isTaking = false;
    const startMs = ports.clock.nowMs();
    const session = await startedSession().catch((error) => (ended(), Promise.reject(error)));
    return c.body(profileOf(session, seconds * 1_000, ports, ended), 200, {
      "Content-Type": "application/json",
      "Content-Disposition": `attachment; filename="${fileName(startMs)}"`,
      "Cache-Control": "no-store",
    });
  };

  app.use(securityHeaders);
  app.use(async (c, next) => {
    if (c.req.method === "GET") return await next(); // not HEAD: nobody waits ten seconds for a head
    c.header("Allow", "GET");
    return errorResponse(c, 405, `${c.req.method} is not allowed: nothing can be changed here`);
  });
  app.get("/", (c) => c.req.query("seconds") === undefined ? c.text(contents) : profile(c));
  app.get("/profile", profile);
  app.get("/debug/pprof/profile", profile); // where the Go program had it
  app.get("/memory", (c) => c.json(memoryJson(ports)));
  app.notFound((c) => errorResponse(c, 404, `there is nothing at ${c.req.path}: / says what there is`));
  // Whoever may ask here may know: it is this machine.
  app.onError((error, c) => errorResponse(c, 500, `Cannot answer ${c.req.path}: ${sanitize(error.message)}`));
  return app;
}

/** Null for what is no number of seconds in bounds. */
function readSeconds(given: string | undefined): number | null {
  if (given === undefined || given === "") return defaultSeconds;
  const seconds = /^\d+(?:\.\d+)?$/.test(given) ? Number(given) : 0;
  return seconds >= 1 && seconds <= secondsMax ? seconds : null;
}

/** Sent once `ms` have passed, or, as far as it has come, when the program stops. A client that stops reading ends it. */
function profileOf(
  session: Session,
  ms: number,
  { clock, signal }: ProfilePorts,
  ended: () => void,
): ReadableStream<Uint8Array> {
  const left = new AbortController();
  return new ReadableStream({
    async start(controller) {
      try {
        await clock.wait(ms, AbortSignal.any([left.signal, signal])).catch(() => {});
        if (left.signal.aborted) return;
        const { profile } = await session.post("Profiler.stop");
        controller.enqueue(new TextEncoder().encode(JSON.stringify(profile)));
        controller.close();
      } finally {
        session.disconnect(); // ends a profile under way, too
        ended();
      }
    },
    // Not the request's own signal: Deno 2.9 writes to stderr that it will change, once somebody has looked at it.
    cancel: () => left.abort(),
  });
}

/** A session that takes a profile. Throws where the program may not: it needs all of `--allow-sys`. */
async function startedSession(): Promise<Session> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: sampleEveryMicroseconds });
  await session.post("Profiler.start");
  return session;
}

function fileName(startMs: number): string {
  return `status-${new Date(startMs).toISOString().slice(0, 19).replaceAll(":", "-")}Z.cpuprofile`;
}

function memoryJson({ clock, startedMs }: ProfilePorts) {
  return {
    time: time(clock.nowMs()),
    uptime_seconds: (clock.monotonicMs() - startedMs) / 1_000,
    memory: Deno.memoryUsage(), // `rss` is what is resident
    heap: v8.getHeapStatistics(),
    spaces: heapSpaces(),
  };
}

/** Null where the runtime does not tell: Deno 2.6 has no such function. */
function heapSpaces() {
  try {
    return v8.getHeapSpaceStatistics();
  } catch {
    return null; // that is the answer
  }
}
