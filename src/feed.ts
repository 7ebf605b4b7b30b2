/**
 * The life of one feed: who is connected when, and which reports of it count (design, "late", "trying again", "tokens").
 * The next connection is up before the old one goes. What makes a connection is for `link`, what a quiet feed means for the
 * experiments is for the core.
 */
import { type AccessPorts, type AccessRequest, askAccess, type Grant, placeOf } from "./access.ts";
import { backoffMs, type Clock, serviceBackoff } from "./clock.ts";
import { networkErrorText, type ServiceFailure, silenceHint } from "./failure.ts";
import { lateAfterMs } from "./health.ts";
import type { Decoded, FeedName, FeedNews, Report } from "./report.ts";
import type { Socket, SocketListener, Sockets } from "./socket_pool.ts";

export interface FeedConfig extends AccessRequest {
  /** HEALTH_LAST_CHECKED. */
  readonly lastCheckedMs: number;
}

export interface FeedPorts extends AccessPorts {
  /** In [0, 1). */
  random(): number;
  readonly sockets: Sockets;
}

export interface FeedListener {
  report(report: Report): void;
  news(news: FeedNews): void;
}

/** Keeps the feed connected until `signal` is aborted, then closes its sockets and resolves. Never rejects. */
export async function watchFeed(
  source: FeedConfig,
  ports: FeedPorts,
  listener: FeedListener,
  signal: AbortSignal,
): Promise<void> {
  const watch = new FeedWatch(source, ports, listener);
  signal.addEventListener("abort", () => watch.stop(), { once: true });
  if (!signal.aborted) await watch.run();
}

// A service that has just been mended may have kept us waiting for long: that says little of its pace.
const waitedMsMax = 60_000;
// The rest of a token's life is for trying again.
const renewAtShare = 0.7;

/** A connection that was dialled; the current one has reported. Its moments are steady: nobody can put them forward or back. */
interface Connected {
  readonly link: FeedConnection;
  readonly grant: Grant;
  readonly dialledMs: number;
  reportedMs: number;
  isRetired: boolean;
}

class FeedWatch {
  readonly #source: FeedConfig;
  readonly #ports: FeedPorts;
  readonly #listener: FeedListener;
  readonly #stopped = new AbortController();
  #nap = new AbortController();
  #attempt = new AbortController();
  #current: Connected | null = null;
  /** One that is open and has not reported in time: it is kept until another is overdue too, or one reports. */
  #overdue: Connected | null = null;
  #pulse: ReportIntervals = noIntervals;
  /** How long the first report was waited for, if that was overdue: as good as an interval until one is known. */
  #waitedMs: number | null = null;
  #deliveredMs = -Infinity;
  /** How much of the run the program had missed at the last report, and until when what that held up may still come. */
  #suspendedMs = 0;
  #unevenUntilMs = -Infinity;
  #failures = 0;

  constructor(source: FeedConfig, ports: FeedPorts, listener: FeedListener) {
    this.#source = source;
    this.#ports = ports;
    this.#listener = listener;
  }

  stop(): void {
    for (const each of [this.#stopped, this.#nap, this.#attempt]) each.abort();
    this.#current?.link.close();
    this.#overdue?.link.close();
  }

  async run(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      if (this.#dueInMs() > 0) {
        this.#failures = 0;
        await this.#wait(this.#dueInMs(), this.#nap = new AbortController());
      } else {
        if (this.#failures > 0) await this.#wait(this.#pauseMs(), this.#stopped);
        if (this.#dueInMs() <= 0) await this.#replace();
      }
    }
  }

  /** When another connection is needed: the current one is gone, late, about to be ended, or its token is old. */
  #dueInMs(): number {
    if (this.#current === null || this.#current.isRetired) return 0;
    const { reportedMs, grant } = this.#current;
    const renewMs = grant.askedMs + renewAtShare * this.#source.tokenLifeMs;
    return Math.min(reportedMs + this.#lateAfterMs(), renewMs) - this.#ports.clock.monotonicMs();
  }

  async #replace(): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    const { signal } = this.#attempt = new AbortController();
    const trouble = await this.#connect(signal);
    if (trouble === null || signal.aborted) return;
    this.#failures++;
    this.#listener.news({ kind: "trouble", trouble });
  }

  /** Null when another connection has become the current one, or is not wanted any more. */
  async #connect(signal: AbortSignal): Promise<ServiceFailure | null> {
    try {
      const access = await askAccess(this.#source, this.#ports, signal);
      if (access.kind === "trouble") return access.trouble;
      signal.throwIfAborted();
      const connected = this.#dial(access, signal);
      const first = await connected.link.firstReport;
      if (first.kind === "trouble" && connected.link.isOpen) this.#keepOverdue(connected);
      return first.kind === "trouble" ? first.trouble : null;
    } catch (error) {
      // Called off; or a fault of our own, which must not end the feed.
      const message = `Cannot connect to ${this.#source.name}: ${networkErrorText(error)}`;
      return signal.aborted ? null : { kind: "unreachable", message };
    }
  }

  #dial(grant: Grant, signal: AbortSignal): Connected {
    const plan = { name: this.#source.name, socketUrl: grant.socketUrl, firstReportMsMax: this.#lateAfterMs() };
    const link = openConnection(plan, this.#ports, {
      report: (decoded) => this.#heard(connected, decoded),
      badFrame: (why) => this.#listener.news({ kind: "bad-frame", why }),
      closed: (trouble) => this.#lost(trouble),
      retire: () => this.#retire(connected),
    }, signal);
    const dialledMs = this.#ports.clock.monotonicMs();
    const connected: Connected = { link, grant, dialledMs, reportedMs: -Infinity, isRetired: false };
    return connected;
  }

  #heard(connected: Connected, decoded: Decoded): void {
    const atMs = this.#ports.clock.monotonicMs();
    const isFirst = connected !== this.#current;
    if (isFirst) this.#takeOver(connected, atMs);
    else this.#beat(atMs, atMs - connected.reportedMs);
    connected.reportedMs = atMs;
    if (this.#dueInMs() > 0) this.#callOff(); // the feed was late, and is no more
    // All connections are sent the same reports, and thresholds count them: this one has been heard from the old connection.
    const isRepeated = isFirst && atMs - this.#deliveredMs < (this.#intervalMs() ?? 0) / 2;
    if (!isRepeated) this.#deliver(decoded, atMs);
  }

  /** What came while the program was stopped is read at one go when it goes on: that says nothing of the feed's pace. */
  #beat(atMs: number, gapMs: number): void {
    const suspendedMs = this.#ports.clock.suspendedMs();
    if (suspendedMs > this.#suspendedMs) this.#unevenUntilMs = atMs + this.#lateAfterMs();
    this.#suspendedMs = suspendedMs;
    if (atMs >= this.#unevenUntilMs) this.#pulse = withGap(this.#pulse, gapMs);
  }

  #callOff(): void {
    this.#attempt.abort();
    this.#overdue?.link.close();
    this.#overdue = null;
  }

  #keepOverdue(connected: Connected): void {
    this.#overdue?.link.close();
    this.#overdue = connected;
  }

  #takeOver(connected: Connected, atMs: number): void {
    if (this.#overdue !== null) this.#waitedMs = Math.min(atMs - this.#overdue.dialledMs, waitedMsMax);
    if (this.#overdue === connected) this.#overdue = null;
    this.#current?.link.close();
    this.#current = connected;
    this.#failures = 0;
    this.#listener.news({ kind: "connected", tokenExpiresMs: connected.grant.expiresMs });
  }

  #deliver(decoded: Decoded, atMs: number): void {
    this.#deliveredMs = atMs;
    const { name } = this.#source, intervalMs = this.#intervalMs();
    this.#listener.report({ feed: name, atMs: this.#ports.clock.nowMs(), ...decoded, intervalMs });
  }

  #lost(trouble: ServiceFailure): void {
    this.#current = null;
    this.#failures = Math.max(this.#failures, 1); // a service that ends what it has just begun is not asked without a pause
    this.#listener.news({ kind: "trouble", trouble });
    this.#nap.abort();
  }

  #retire(connected: Connected): void {
    connected.isRetired = true;
    this.#nap.abort();
  }

  #lateAfterMs(): number {
    return lateAfterMs(this.#intervalMs(), this.#source.lastCheckedMs);
  }

  #intervalMs(): number | null {
    return intervalOf(this.#pulse) ?? this.#waitedMs;
  }

  #pauseMs(): number {
    return backoffMs(this.#failures, this.#ports.random(), serviceBackoff);
  }

  async #wait(ms: number, until: AbortController): Promise<void> {
    try {
      await this.#ports.clock.wait(ms, until.signal);
    } catch {
      // Woken: whoever did has changed what is due.
    }
  }
}

/*
 * One connection of a feed, from the dial to its first report and beyond. An open socket proves nothing: a used code, or a
 * service that has stopped, is upgraded and then silent, so only a report makes a connection. When one is due is for `feed`.
 */

export interface ConnectionPlan {
  readonly name: FeedName;
  readonly socketUrl: string;
  /** How long the first report may take once the socket is open. */
  readonly firstReportMsMax: number;
}

export interface ConnectionPorts {
  readonly clock: Clock;
  readonly sockets: Sockets;
}

export interface ConnectionListener {
  /** The first one too. */
  report(decoded: Decoded): void;
  badFrame(why: string): void;
  /** It had reported, and has ended. */
  closed(trouble: ServiceFailure): void;
  retire(): void;
}

export type FirstReport =
  /** Not what it says, for this is held as long as the connection is. */
  | { readonly kind: "reported" }
  | { readonly kind: "trouble"; readonly trouble: ServiceFailure }
  /** Closed by us before there was one. */
  | { readonly kind: "called-off" };

export interface FeedConnection {
  /** Settles when it is known, or when there is none in time. Never rejects. */
  readonly firstReport: Promise<FirstReport>;
  /** Whether a report may still come, though it is overdue: a slow service tells the old and the new at the same time. */
  readonly isOpen: boolean;
  /** Nothing is told after it. */
  close(): void;
}

/** Dials. The link ends by itself when `signal` is aborted before there is a report. */
export function openConnection(
  plan: ConnectionPlan,
  ports: ConnectionPorts,
  listener: ConnectionListener,
  signal: AbortSignal,
): FeedConnection {
  const link = new DialledLink(plan, ports, listener);
  signal.addEventListener("abort", () => link.giveUp(), { once: true });
  return link;
}

class DialledLink implements FeedConnection, SocketListener {
  readonly firstReport: Promise<FirstReport>;
  readonly #settle: (first: FirstReport) => void;
  readonly #plan: ConnectionPlan;
  readonly #clock: Clock;
  readonly #listener: ConnectionListener;
  readonly #patience = new AbortController();
  readonly #socket: Socket;
  #state: "dialling" | "waiting" | "reporting" | "ended" = "dialling";
  #badFrame: string | null = null;

  constructor(plan: ConnectionPlan, ports: ConnectionPorts, listener: ConnectionListener) {
    ({ promise: this.firstReport, resolve: this.#settle } = Promise.withResolvers<FirstReport>());
    this.#plan = plan;
    this.#clock = ports.clock;
    this.#listener = listener;
    this.#socket = ports.sockets.dial(plan.socketUrl, plan.name, this);
  }

  close(): void {
    if (this.#state !== "ended") this.#end({ kind: "called-off" });
  }

  get isOpen(): boolean {
    return this.#state === "waiting" || this.#state === "reporting";
  }

  giveUp(): void {
    if (this.#state !== "reporting") this.close();
  }

  open(): void {
    if (this.#state !== "dialling") return;
    this.#state = "waiting";
    const tooLate = () => this.#settle({ kind: "trouble", trouble: noReport(this.#plan, this.#badFrame) });
    // Called off means that a report has come, or that nobody waits for one.
    this.#clock.wait(this.#plan.firstReportMsMax, this.#patience.signal).then(tooLate, () => {});
  }

  report(decoded: Decoded): void {
    if (this.#state === "ended") return;
    this.#state = "reporting";
    this.#patience.abort();
    this.#settle({ kind: "reported" });
    this.#listener.report(decoded);
  }

  badFrame(why: string): void {
    if (this.#state === "ended") return;
    this.#badFrame = why;
    this.#listener.badFrame(why);
  }

  closed(why: string): void {
    switch (this.#state) {
      case "dialling":
        return this.#fail(notOpened(this.#plan, why));
      case "waiting":
        return this.#fail(endedEarly(this.#plan, why));
      case "reporting":
        this.close();
        return this.#listener.closed(ended(this.#plan, why));
      case "ended":
        return;
    }
  }

  retire(): void {
    if (this.#state !== "ended") this.#listener.retire();
  }

  #fail(trouble: ServiceFailure): void {
    this.#end({ kind: "trouble", trouble });
  }

  #end(first: FirstReport): void {
    this.#state = "ended";
    this.#patience.abort();
    this.#socket.close();
    this.#settle(first);
  }
}

function notOpened(plan: ConnectionPlan, why: string): ServiceFailure {
  const status = /^Invalid status code: (\d+)$/.exec(why)?.[1];
  const tried = `Cannot connect to ${partner(plan)}`;
  return status === undefined
    ? { kind: "unreachable", message: `${tried}: ${networkErrorText(why)}` }
    : { kind: "refused", message: `${tried}: ${plan.name} answered ${status}` };
}

function endedEarly(plan: ConnectionPlan, why: string): ServiceFailure {
  const message = `Cannot get a report from ${partner(plan)}: the connection ended before the first one: ${
    networkErrorText(why)
  }`;
  return { kind: "unreachable", message };
}

function ended(plan: ConnectionPlan, why: string): ServiceFailure {
  return { kind: "unreachable", message: `The connection to ${partner(plan)} ended: ${networkErrorText(why)}` };
}

function noReport(plan: ConnectionPlan, badFrame: string | null): ServiceFailure {
  const tried = `Cannot get a report from ${partner(plan)}`,
    waited = `${Math.round(plan.firstReportMsMax / 100) / 10} s`;
  if (badFrame !== null) {
    return {
      kind: "garbage",
      message: `${tried}: only frames that cannot be read in ${waited}, the last one: ${badFrame}`,
    };
  }
  return { kind: "silent", message: `${tried}: connected but silent for ${waited}, ${silenceHint}` };
}

function partner({ name, socketUrl }: ConnectionPlan): string {
  return `${name} at ${placeOf(new URL(socketUrl))}`;
}

/**
 * At which interval does a feed report, and how long may it be quiet before it is late, and before it is lost (design,
 * "late" and "lost")? Pure. What to do about a late feed is for `feed`, about a lost one for the core.
 */

/** The newest gaps between two reports on one connection, oldest first. Gaps across connections say nothing. */
export type ReportIntervals = readonly number[];

export const noIntervals: ReportIntervals = [];

// Enough for one odd gap, or two, to change nothing; few enough to follow a service whose interval was changed.
const gapsMax = 5;

/** The pulse after another gap. */
export function withGap(pulse: ReportIntervals, gapMs: number): ReportIntervals {
  return [...pulse, gapMs].slice(-gapsMax);
}

/** The interval at which the feed has been reporting: the median of its gaps; null where none is known yet. */
export function intervalOf(pulse: ReportIntervals): number | null {
  const sorted = [...pulse].sort((a, b) => a - b);
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  const upper = sorted[Math.floor(sorted.length / 2)];
  return lower === undefined || upper === undefined ? null : (lower + upper) / 2;
}

/*  Does a feed work, tried once: for `status check`. Keeping it connected is for `feed`. */

export type Tried =
  | {
    readonly kind: "reported";
    readonly entries: number;
    readonly generation: Decoded["generation"];
    /** How many of the entries are an experiment's: hosts at jump, streams at relay. */
    readonly connections: number;
  }
  /** `accepted`: the token was good and there is an address, but no report came from there. */
  | { readonly kind: "trouble"; readonly trouble: ServiceFailure; readonly accepted: boolean };

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
  const link = openConnection(plan, ports, { report: resolve, badFrame() {}, closed() {}, retire() {} }, signal);
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
