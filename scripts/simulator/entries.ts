/**
 * How jump and relay write what is connected to them: the entries of a report, in the dialect of each generation.
 * Pure. What is true is `world_lab`'s.
 */
import type { Lab, Sender, Stream } from "./lab.ts";

/** A monitor, or another client of the topic `stats`, as a service sees it. */
export interface Watcher {
  readonly connectedMs: number;
  readonly expiresMs: number;
  readonly from: string;
  readonly userAgent: string;
  readonly scopes: readonly string[];
  readonly canRead: boolean;
  readonly canWrite: boolean;
  /** Documents it was sent, and when the last one was. */
  readonly received: { readonly count: number; readonly bytes: number; readonly lastMs: number } | null;
  /** When it last sent a command; null for never. */
  readonly spokeMs: number | null;
}

/** A relay's generation: up to v0.7 with statistics, v0.9 without. */
export type Generation = "v0.7" | "v0.9";

export type Entry = Readonly<Record<string, unknown>>;

const yearOne = "0001-01-01T00:00:00Z";
const epoch = "1970-01-01T00:00:00Z";
// Go's longest duration is how jump says that a connection never spoke.
export const neverSpoke = "2562047h47m16.854775807s";
const experimentAddress = "192.0.2.7";
const experimentAgent = "Go-http-client/1.1";
const lifetimeMs = 365 * 86_400_000;
// Streams send ten messages a second, of so many bytes.
const messageEveryMs = 100;
const messageBytes = 1_200;

/** All that is connected to jump at `nowMs`, in no steady order. */
export function jumpEntries(lab: Lab, watchers: readonly Watcher[], sinceMs: number, nowMs: number): Entry[] {
  const hosts = [...lab.hosts.values()];
  const connected = hosts.flatMap((host) =>
    host.connection === null
      ? []
      : [jumpEntry(host.name, shuffled(["host", "read", "write"]), host.connection.connectedMs)]
  );
  const users = hosts.flatMap((host) =>
    host.userMs.map((atMs) =>
      jumpEntry(`${host.name}/${crypto.randomUUID()}`, shuffled(["client", "read", "write"]), atMs)
    )
  );
  const watching = watchers.map((watcher) => ({
    ...jumpEntry("stats", watcher.scopes, watcher.connectedMs),
    expires_at: wholeSeconds(watcher.expiresMs),
    remote_address: watcher.from,
    statistcs: { last: watcher.spokeMs === null ? neverSpoke : goDuration(nowMs - watcher.spokeMs) },
    user_agent: watcher.userAgent,
  }));
  const own = {
    ...jumpEntry("stats", null, sinceMs),
    expires_at: yearOne,
    remote_address: "internal",
    user_agent: "internal",
  };
  return shuffled([own, ...watching, ...connected, ...users]);
}

function jumpEntry(topic: string, scopes: readonly string[] | null, connectedMs: number): Entry {
  return {
    can_read: true,
    can_write: true,
    connected_at: nanoseconds(connectedMs),
    expires_at: wholeSeconds(connectedMs + lifetimeMs),
    remote_address: experimentAddress,
    scopes,
    statistcs: { last: neverSpoke },
    topic,
    user_agent: experimentAgent,
  };
}

interface RelayClient {
  readonly topic: string;
  readonly scopes: readonly string[];
  readonly canWrite: boolean;
  readonly connectedMs: number;
  /** Null for the service's own, which never expires. */
  readonly expiresMs: number | null;
  readonly from: string;
  readonly userAgent: string;
  readonly tx: Traffic | null;
  readonly rx: Traffic | null;
}

interface Traffic {
  readonly last: string;
  readonly size: number;
  readonly fps: number;
}

/** All that is connected to relay at `nowMs`, in no steady order, as its reports have it. */
export function relayEntries(
  generation: Generation,
  lab: Lab,
  watchers: readonly Watcher[],
  sinceMs: number,
  nowMs: number,
): Entry[] {
  const measured = generation === "v0.7";
  const never = { last: "Never", size: 0, fps: 0 };
  return shuffled(relayClients(lab, watchers, sinceMs, nowMs)).map((client) => ({
    canRead: true,
    canWrite: client.canWrite,
    connected: measured ? nanoseconds(client.connectedMs) : wholeSeconds(client.connectedMs),
    expiresAt: expiry(client, generation),
    remoteAddr: client.from,
    scopes: client.scopes,
    ...(measured ? { stats: { tx: client.tx ?? never, rx: client.rx ?? never } } : {}),
    topic: client.topic,
    userAgent: client.userAgent,
  }));
}

/** The same as `GET /status` has it: snake case, and what is false or zero left out. */
export function relayStatus(
  generation: Generation,
  lab: Lab,
  watchers: readonly Watcher[],
  sinceMs: number,
  nowMs: number,
): Entry[] {
  return shuffled(relayClients(lab, watchers, sinceMs, nowMs)).map((client) => ({
    can_read: true,
    ...(client.canWrite ? { can_write: true } : {}),
    ...(generation === "v0.7"
      ? { connected: nanoseconds(client.connectedMs) }
      : { connected_at: wholeSeconds(client.connectedMs) }),
    expires_at: expiry(client, generation),
    remote_addr: client.from,
    scopes: client.scopes,
    ...(generation === "v0.7" ? { stats: { rx: statusTraffic(client.rx), tx: statusTraffic(client.tx) } } : {}),
    topic: client.topic,
    user_agent: client.userAgent,
  }));
}

function statusTraffic(traffic: Traffic | null): Partial<Traffic> {
  return traffic === null ? { last: "Never" } : { fps: traffic.fps, last: traffic.last, size: traffic.size };
}

function expiry(client: RelayClient, generation: Generation): string {
  if (client.expiresMs !== null) return wholeSeconds(client.expiresMs);
  return generation === "v0.7" ? yearOne : epoch;
}

function relayClients(lab: Lab, watchers: readonly Watcher[], sinceMs: number, nowMs: number): RelayClient[] {
  const streams = [...lab.streams.values()].flatMap((stream) => streamClients(stream, nowMs));
  const watching = watchers.map((watcher): RelayClient => ({
    ...watcher,
    topic: "stats",
    tx: null,
    rx: watcher.received === null ? null : {
      last: goDuration(nowMs - watcher.received.lastMs),
      size: watcher.received.bytes / watcher.received.count,
      fps: 0.2,
    },
  }));
  const own: RelayClient = {
    ...{ topic: "stats", scopes: ["read", "stats", "write"], canWrite: true, connectedMs: sinceMs, expiresMs: null },
    ...{ from: "internal", userAgent: "crossbar", tx: null, rx: null },
  };
  return [own, ...watching, ...streams];
}

/** The experiment's own connections on a stream's topic, and its users'. */
function streamClients({ topic, senders, userMs }: Stream, nowMs: number): RelayClient[] {
  const common = { topic, from: experimentAddress, userAgent: experimentAgent, tx: null, rx: null };
  const sending = senders.map((sender): RelayClient => ({
    ...common,
    scopes: ["read", "write", "expt"],
    canWrite: true,
    connectedMs: sender.connectedMs,
    expiresMs: sender.connectedMs + lifetimeMs,
    tx: sent(sender, nowMs),
  }));
  const users = userMs.map((connectedMs, at): RelayClient => {
    const canWrite = at % 2 === 1; // some users talk to the experiment, as to steer it
    const traffic = { last: goDuration(20), size: 20, fps: 1.5 };
    const scopes = canWrite ? ["read", "write"] : ["read"];
    const expiresMs = connectedMs + 3_600_000;
    const userAgent = `Mozilla/5.0 (visitor ${connectedMs})`; // clients say what they like, and seldom the same
    return { ...common, userAgent, scopes, canWrite, connectedMs, expiresMs, [canWrite ? "tx" : "rx"]: traffic };
  });
  return [...sending, ...users];
}

/** `size` and `fps` are means since it connected, so a stalled stream keeps them. */
function sent(sender: Sender, nowMs: number): Traffic | null {
  const traffic = { size: messageBytes, fps: 9.9987 };
  switch (sender.speech.kind) {
    case "never":
      return null;
    case "silent":
      return { last: goDuration(nowMs - sender.speech.sinceMs), ...traffic };
    case "talking":
      return { last: goDuration((nowMs - sender.connectedMs) % messageEveryMs), ...traffic };
  }
}

/** A duration as Go writes it, e.g. `738.0867ms`, `6.0000867s`, `1h2m3.5s`; some fraction of a millisecond is added. */
export function goDuration(ms: number): string {
  const exactMs = Math.max(0, ms) + 0.0867;
  if (exactMs < 1) return `${trimmed(exactMs * 1000, 3)}µs`;
  if (exactMs < 1000) return `${trimmed(exactMs, 6)}ms`;
  const minutes = Math.floor(exactMs / 60_000);
  const seconds = `${trimmed((exactMs % 60_000) / 1000, 9)}s`;
  if (minutes === 0) return seconds;
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}

function trimmed(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}

function nanoseconds(atMs: number): string {
  return new Date(atMs).toISOString().replace("Z", "466058Z");
}

/** As the services write a time that has no fraction. */
export function wholeSeconds(atMs: number): string {
  return new Date(atMs).toISOString().replace(/\.\d+Z/, "Z");
}

function shuffled<T>(items: readonly T[]): T[] {
  const mixed = [...items];
  for (let last = mixed.length - 1; last > 0; last--) {
    const pick = Math.floor(Math.random() * (last + 1));
    [mixed[last], mixed[pick]] = [mixed[pick] as T, mixed[last] as T];
  }
  return mixed;
}
