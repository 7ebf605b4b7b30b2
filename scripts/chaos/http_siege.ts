/**
 * The cost of hostile clients: holds many connections to the port of the real program while a laboratory plays, and prints what
 * they take: `deno run -A scripts/chaos/http_siege.ts [--connections N] [--kind idle|half|slow|stuck|live|all] [--seconds N]`.
 */
import { parseArgs } from "node:util";
import { systemClock as clock } from "../../src/clock.ts";
import { Station } from "../../test/support/station.ts";
import { countDescriptors, residentBytes, tcpSockets } from "../proc.ts";

/**
 * `idle`: says nothing. `half`: half a request. `slow`: a byte of one each second. `stuck`: asks for all experiments as often as
 * it can and reads nothing. `live`: listens and reads nothing.
 */
export const kinds = ["idle", "half", "slow", "stuck", "live"] as const;
export type Kind = (typeof kinds)[number];

export interface SiegeFigures {
  readonly kind: Kind;
  /** Connections that were asked for, and those that the program holds. */
  readonly connections: number;
  readonly held: number;
  /** Resident, in bytes: before, while they are held, and when they have gone. */
  readonly memory: { readonly before: number; readonly held: number; readonly after: number };
  readonly descriptors: { readonly before: number; readonly held: number; readonly after: number };
  /** The longest that /healthz took meanwhile, in milliseconds. */
  readonly healthMsMax: number;
  /** How long it took meanwhile from a stream that falls silent to book and back, in milliseconds. */
  readonly turnMs: number;
}

const requests: Record<Kind, string> = {
  idle: "",
  half: "GET /api/v1/status HTTP/1.1\r\nHost:",
  slow: "G",
  stuck: "GET /api/v1/experiments HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100),
  live: "GET /api/v1/live HTTP/1.1\r\nHost: x\r\n\r\n",
};

/** Holds `connections` for so many seconds. The program watches a laboratory of 100 experiments. */
export async function siege(kind: Kind, connections: number, seconds: number): Promise<SiegeFigures> {
  const names = Array.from({ length: 100 }, (_, at) => `pend${String(at).padStart(2, "0")}`);
  const experiments = Object.fromEntries(names.map((name) => [name, ["st-data", "st-video"]]));
  await using station = await Station.watching({ experiments, env: { STATUS_LOG_LEVEL: "warn" } });
  const before = await figuresOf(station);
  const crowd = await hold(kind, connections, station.port);
  try {
    let healthMsMax = 0;
    for (let second = 0; second < seconds; second++) {
      healthMsMax = Math.max(healthMsMax, await healthMs(station));
      if (kind === "slow") { for (const conn of crowd) await say(conn, "x"); }
      await station.reports(10);
    }
    const turnMs = await turn(station);
    const held = { ...await figuresOf(station), connections: await heldOf(crowd, station) };
    for (const conn of crowd.splice(0)) conn.close();
    const isBack = async () => await countDescriptors(station.pid) <= before.descriptors + 10;
    await station.until(isBack, "the descriptors to be back");
    await station.reports(10);
    const after = await figuresOf(station);
    return {
      kind,
      connections,
      held: held.connections,
      memory: { before: before.memory, held: held.memory, after: after.memory },
      descriptors: { before: before.descriptors, held: held.descriptors, after: after.descriptors },
      healthMsMax,
      turnMs,
    };
  } finally {
    for (const conn of crowd) conn.close();
  }
}

async function hold(kind: Kind, connections: number, port: number): Promise<Deno.Conn[]> {
  const crowd: Deno.Conn[] = [];
  while (crowd.length < connections) {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    crowd.push(conn);
    await say(conn, requests[kind]);
  }
  return crowd;
}

async function say(conn: Deno.Conn, text: string): Promise<void> {
  if (text !== "") await conn.write(new TextEncoder().encode(text)).catch(() => {}); // the program has ended it
}

/** A stream falls silent, book hears of it, and of its return. */
async function turn(station: Station): Promise<number> {
  const { world } = station;
  const startMs = clock.monotonicMs();
  world.stream("pend00-st-data").stall();
  await station.until(() => world.book.availability("r-pend00")?.available === false, "book to hear of it");
  world.stream("pend00-st-data").resume();
  await station.until(() => world.book.availability("r-pend00")?.available === true, "book to hear of its return");
  return Math.round(clock.monotonicMs() - startMs);
}

async function healthMs({ port }: Station): Promise<number> {
  const startMs = clock.monotonicMs();
  const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
  await answer.body?.cancel();
  if (answer.status !== 200) throw new Error(`Cannot go on: /healthz answered ${answer.status}`);
  return Math.round(clock.monotonicMs() - startMs);
}

async function figuresOf({ pid }: Station): Promise<{ memory: number; descriptors: number }> {
  return { memory: await residentBytes(pid), descriptors: await countDescriptors(pid) };
}

/** How many of `crowd` the program has taken and not ended. Its descriptors don't tell: some of them are for book and mail. */
async function heldOf(crowd: readonly Deno.Conn[], { pid, port }: Station): Promise<number> {
  const ports = new Set(crowd.map(({ localAddr }) => (localAddr as Deno.NetAddr).port));
  return (await tcpSockets(pid)).filter(({ localPort, remotePort, state, inode }) =>
    localPort === port && ports.has(remotePort) && state === "open" && inode !== null
  ).length;
}

function lineOf({ kind, connections, held, memory, descriptors, healthMsMax, turnMs }: SiegeFigures): string {
  const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  const each = held > 0 ? `${((memory.held - memory.before) / held / 1_024).toFixed(1)} kB each` : "none held";
  return `${kind}: ${connections} asked for, ${held} held, memory ${megabytes(memory.before)} MB, ` +
    `${megabytes(memory.held)} MB meanwhile (${each}), ${
      megabytes(memory.after)
    } MB after; descriptors ${descriptors.before}, ` +
    `${descriptors.held}, ${descriptors.after}; /healthz ${healthMsMax} ms at most, to book and back ${turnMs} ms`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      connections: { type: "string", default: "1000" },
      kind: { type: "string", default: "all" },
      seconds: { type: "string", default: "15" },
    },
  });
  const chosen = kinds.filter((kind) => values.kind === "all" || values.kind === kind);
  if (chosen.length === 0) {
    throw new TypeError(`--kind is ${values.kind}, and must be all or one of ${kinds.join(", ")}`);
  }
  for (const kind of chosen) console.log(lineOf(await siege(kind, Number(values.connections), Number(values.seconds))));
}
