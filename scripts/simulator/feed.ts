/**
 * What jump and relay have in common: access codes that work once and for 30 s, sockets that report every few seconds, and
 * the ways in which such a service fails. Who is let in, and what a report holds, is `world_access`'s and `world_entries`'.
 */
import { type Board, every } from "./board.ts";
import type { Entry, Watcher } from "./entries.ts";
import { type Certificates, type HttpFault, modeWords } from "./fault.ts";
import { type Answer, type Asked, type Bytes, HttpServer, json } from "./http.ts";
import { notProxied, withoutBase } from "./proxy.ts";
import { ServerSocket, sitSilent, upgrade } from "./socket.ts";
import { spoilt, spoiltFrame } from "./spoilt.ts";
import type { Grant } from "./token.ts";

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

  /** Listens, on `port` at first and then on the one it had; a service that was unwell is started anew, its sockets gone. */
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
