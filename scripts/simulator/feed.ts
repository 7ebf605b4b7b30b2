/**
 * Jump and relay, what they have in common: access codes that work once and for 30 s, sockets that report every few seconds, the
 * ways in which they fail, and the entries of a report in the dialect of each generation. Who is let in is in `access`.
 */
import type { Grant } from "./access.ts";
import { type Board, every } from "./board.ts";
import { type Certificates, type HttpFault, modeWords, spoilt, spoiltFrame } from "./fault.ts";
import { type Answer, type Asked, type Bytes, HttpServer, json } from "./http.ts";
import type { Lab, Sender, Stream } from "./lab.ts";
import { notProxied, ServerSocket, sitSilent, upgrade, withoutBase } from "./wire.ts";

/** What is jump's or relay's own. */
export interface FeedDialect {
  readonly name: "jump" | "relay";
  /** The first part of a socket's path; another is 404. */
  readonly prefix: "connect" | "session";
  /** Relay writes several documents that wait into one frame. */
  readonly glues: boolean;
  /** Answers all but sockets. `path` is without the base path; `give` makes the socket's address for a grant. */
  answer(asked: Asked, path: string, give: (grant: Grant) => string): Promise<Answer>;
  /** All that is connected at `nowMs`; `sinceMs` is when the service started. */
  entries(watchers: readonly Watcher[], sinceMs: number, nowMs: number): Entry[];
  /** What the other watchers hear when one leaves; null for nothing. */
  farewell(): string | null;
  /** Serves a socket of another topic than `stats`; without it such a socket is silent. */
  serve?(bytes: Bytes, grant: Grant, pingEveryMs: number): Promise<void>;
  /** These sockets are open from now on, and that is all. */
  silence?(): void;
}

export interface FeedTimes {
  readonly reportEveryMs: number;
  readonly pingEveryMs: number;
}

/** `mute`: sockets are open, new ones too, and nothing comes. */
export type FeedMode = { readonly kind: "up" | "mute" | "down" } | HttpFault;

const codeLifeMs = 30_000;
const codesMax = 10_000;

export class Feed {
  readonly #dialect: FeedDialect;
  readonly #basePath: string;
  readonly #times: FeedTimes;
  readonly #board: Board;
  readonly #certificates: Certificates | null;
  readonly #http: HttpServer = new HttpServer((asked) => spoilt(this.#http.fault, asked, () => this.#answer(asked)));
  readonly #codes = new Map<string, { grant: Grant; givenMs: number }>();
  readonly #watching = new Map<ServerSocket, Watcher>();
  #ticker = new AbortController();
  #ticking: Promise<void> = Promise.resolve();
  #port = 0;
  #sinceMs = 0;
  #mode: FeedMode = { kind: "down" };
  /** Requests for access that were granted, and sockets that have been dialled, since the world began. */
  readonly counts = { granted: 0, dialled: 0, reports: 0 };

  /** With `certificates` it speaks TLS. */
  constructor(
    dialect: FeedDialect,
    basePath: string,
    times: FeedTimes,
    board: Board,
    certificates: Certificates | null = null,
  ) {
    this.#certificates = certificates;
    this.#dialect = dialect;
    this.#basePath = basePath;
    this.#times = times;
    this.#board = board;
  }

  /** `127.0.0.1:PORT`. */
  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get mode(): FeedMode {
    return this.#mode;
  }

  /** Sockets that get reports now. */
  get watchers(): number {
    return this.#watching.size;
  }

  /** Listens, on `port` at first and then on the one it had; a faulty service is restarted, without its sockets. */
  async start(port = this.#port): Promise<void> {
    if (this.#mode.kind === "up") return;
    await this.#end();
    this.#port = this.#http.listen(port, this.#certificates?.good);
    this.#sinceMs = this.#board.clock.nowMs();
    this.#ticker = new AbortController();
    this.#ticking = every(this.#times.reportEveryMs, this.#board.clock, this.#ticker.signal, () => this.#report());
    this.#become({ kind: "up" });
  }

  /** The program is gone: sockets end without a close frame, connections are refused. */
  async stop(): Promise<void> {
    await this.#end();
    this.#become({ kind: "down" });
  }

  /** As old services are for good when one client stops reading: everything is open and accepted, and nothing is said. */
  mute(): void {
    this.#become({ kind: "mute" });
    this.#silence();
  }

  /** Connections are accepted and no request is answered; open sockets are silent. */
  hang(): void {
    void this.fail({ kind: "hang" }); // at once: only a certificate takes time
  }

  /** As after a restart with other settings: the sockets are gone, and every request is refused in these words. */
  refuse(status: number, body: string): void {
    void this.fail({ kind: "refuse", status, body });
  }

  /** Has `fault` from now on, until `start`. Open sockets go, unless it is theirs: a hanging, a slow one, bad frames. */
  async fail(fault: HttpFault): Promise<void> {
    this.#become(fault);
    this.#http.fault = fault;
    if (fault.kind === "hang") this.#silence();
    else if (fault.kind !== "slow" && fault.kind !== "frames") this.drop();
    if (fault.kind !== "certificate") return;
    await this.#http.stop();
    this.#http.listen(this.#port, this.#certificates?.[fault.which]);
  }

  /** Ends every connection, without a close frame, and goes on. */
  drop(): void {
    this.#http.drop();
  }

  /** A report to every watcher, out of turn. */
  reportNow(): void {
    this.#report();
  }

  /** What is connected now, as a report would have it. */
  entries(): Entry[] {
    return this.#dialect.entries([...this.#watching.values()], this.#sinceMs, this.#board.clock.nowMs());
  }

  /** One frame to every watcher with all `documents` in it and nothing between them; a string goes as it is. */
  glue(documents: readonly unknown[] = [this.entries(), this.entries()]): void {
    const text = documents.map((each) => typeof each === "string" ? each : JSON.stringify(each)).join("");
    for (const socket of this.#watching.keys()) socket.send(text);
  }

  async #end(): Promise<void> {
    this.#mode = { kind: "down" };
    this.#ticker.abort();
    await Promise.all([this.#ticking, this.#http.stop()]);
    this.#http.fault = null;
    this.#codes.clear();
  }

  #become(mode: FeedMode): void {
    this.#mode = mode;
    this.#board.happened(this.#dialect.name, `${this.#dialect.name} ${modeWords(mode)}`);
  }

  #silence(): void {
    for (const socket of this.#watching.keys()) socket.silence();
    this.#watching.clear();
    this.#dialect.silence?.();
  }

  #report(): void {
    if (this.#mode.kind === "mute" || this.#watching.size === 0) return;
    const text = JSON.stringify(this.entries());
    const lastMs = this.#board.clock.nowMs();
    const spoilt = this.#mode.kind === "frames" ? spoiltFrame(this.#mode.what, text) : null;
    for (const [socket, watcher] of this.#watching) {
      if (spoilt === null) socket.send(text);
      else socket.spoil(spoilt);
      const { count, bytes } = watcher.received ?? { count: 0, bytes: 0 };
      this.#watching.set(socket, { ...watcher, received: { count: count + 1, bytes: bytes + text.length, lastMs } });
    }
    this.counts.reports++;
  }

  async #answer(asked: Asked): Promise<Answer> {
    if (asked.headers.has("upgrade")) return await this.#dial(asked);
    const path = withoutBase(asked.path, this.#basePath);
    if (path === null) return notProxied;
    return await this.#dialect.answer(asked, path, (grant) => this.#give(grant));
  }

  #give(grant: Grant): string {
    const code = crypto.randomUUID();
    this.#codes.set(code, { grant, givenMs: this.#board.clock.nowMs() });
    const [oldest] = this.#codes.keys();
    if (this.#codes.size > codesMax && oldest !== undefined) this.#codes.delete(oldest);
    this.counts.granted++;
    return `${this.#certificates === null ? "ws" : "wss"}://${this.host}/${grant.prefix}/${grant.topic}?code=${code}`;
  }

  #dial(asked: Asked): Promise<Answer> | Answer {
    const [, prefix, ...topic] = asked.path.split("/");
    if (prefix !== this.#dialect.prefix) return json(404, "404 page not found\n", { "content-type": "text/plain" });
    const grant = this.#redeem(asked.query.get("code") ?? "", topic.join("/"));
    this.counts.dialled++;
    // A bad, used or late code is not refused: the socket is open, and that is all.
    if (grant === null || this.#mode.kind === "mute") return upgrade(asked, sitSilent);
    const { serve = sitSilent } = this.#dialect;
    const isFeed = grant.topic === "stats";
    return upgrade(
      asked,
      (bytes) => isFeed ? this.#watch(bytes, grant, asked) : serve(bytes, grant, this.#times.pingEveryMs),
    );
  }

  #redeem(code: string, topic: string): Grant | null {
    const given = this.#codes.get(code);
    this.#codes.delete(code);
    const late = given === undefined || this.#board.clock.nowMs() - given.givenMs > codeLifeMs;
    return late || given.grant.topic !== topic || !given.grant.canRead ? null : given.grant;
  }

  async #watch(bytes: Bytes, grant: Grant, asked: Asked): Promise<void> {
    const { clock } = this.#board;
    const habits = { glues: this.#dialect.glues, pingEveryMs: this.#times.pingEveryMs, expiresMs: grant.expiresMs };
    const socket: ServerSocket = new ServerSocket(bytes, habits, clock, (text) => this.#hear(socket, text));
    const userAgent = asked.headers.get("user-agent") ?? "";
    const connectedMs = clock.nowMs();
    this.#watching.set(socket, { ...grant, connectedMs, from: asked.from, userAgent, received: null, spokeMs: null });
    this.#board.happened(this.#dialect.name, `${this.#dialect.name} has a watcher`);
    await socket.run();
    this.#watching.delete(socket);
    const farewell = this.#dialect.farewell();
    if (farewell !== null) { for (const other of this.#watching.keys()) other.send(farewell); }
    this.#board.happened(this.#dialect.name, `${this.#dialect.name} has lost a watcher`);
  }

  /** What one client says on the topic, the others hear; `{"cmd":"update"}` brings a report at once. */
  #hear(speaker: ServerSocket, text: string): void {
    const watcher = this.#watching.get(speaker);
    if (watcher === undefined || !watcher.canWrite) return;
    this.#watching.set(speaker, { ...watcher, spokeMs: this.#board.clock.nowMs() });
    for (const other of this.#watching.keys()) if (other !== speaker) other.send(text);
    if (text === '{"cmd":"update"}') this.#report();
  }
}

// Report entries, in each dialect. Pure.

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
export function jumpEntries(
  lab: Lab,
  watchers: readonly Watcher[],
  sinceMs: number,
  nowMs: number,
): Entry[] {
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
