/**
 * The life of one feed: who is connected when, and which reports of it count (design, "late", "trying again", "tokens").
 * The next connection is up before the old one goes. What makes a connection is for `link`, what a quiet feed means for the
 * experiments is for the core.
 */
import { type AccessPorts, type AccessRequest, askAccess, type Grant } from "./access.ts";
import { backoffMs, serviceBackoff } from "./clock.ts";
import type { Decoded } from "./columns.ts";
import type { FeedNews, Report } from "./connection.ts";
import { networkWords, type Trouble } from "./failure.ts";
import { type Link, openLink } from "./link.ts";
import { intervalOf, lateAfterMs, noPulse, type Pulse, withGap } from "./pulse.ts";
import type { Sockets } from "./socket_pool.ts";

export interface FeedSource extends AccessRequest {
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
  source: FeedSource,
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
  readonly link: Link;
  readonly grant: Grant;
  readonly dialledMs: number;
  reportedMs: number;
  isRetired: boolean;
}

class FeedWatch {
  readonly #source: FeedSource;
  readonly #ports: FeedPorts;
  readonly #listener: FeedListener;
  readonly #stopped = new AbortController();
  #nap = new AbortController();
  #attempt = new AbortController();
  #current: Connected | null = null;
  /** One that is open and has not reported in time: it is kept until another is overdue too, or one reports. */
  #overdue: Connected | null = null;
  #pulse: Pulse = noPulse;
  /** How long the first report was waited for, if that was overdue: as good as an interval until one is known. */
  #waitedMs: number | null = null;
  #deliveredMs = -Infinity;
  /** How much of the run the program had missed at the last report, and until when what that held up may still come. */
  #missedMs = 0;
  #unevenUntilMs = -Infinity;
  #failures = 0;

  constructor(source: FeedSource, ports: FeedPorts, listener: FeedListener) {
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
    return Math.min(reportedMs + this.#lateAfterMs(), renewMs) - this.#ports.clock.steadyMs();
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
  async #connect(signal: AbortSignal): Promise<Trouble | null> {
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
      const message = `Cannot connect to ${this.#source.name}: ${networkWords(error)}`;
      return signal.aborted ? null : { kind: "unreachable", message };
    }
  }

  #dial(grant: Grant, signal: AbortSignal): Connected {
    const plan = { name: this.#source.name, socketUrl: grant.socketUrl, firstReportMsMax: this.#lateAfterMs() };
    const link = openLink(plan, this.#ports, {
      report: (decoded) => this.#heard(connected, decoded),
      badFrame: (why) => this.#listener.news({ kind: "bad-frame", why }),
      closed: (trouble) => this.#lost(trouble),
      retire: () => this.#retire(connected),
    }, signal);
    const dialledMs = this.#ports.clock.steadyMs();
    const connected: Connected = { link, grant, dialledMs, reportedMs: -Infinity, isRetired: false };
    return connected;
  }

  #heard(connected: Connected, decoded: Decoded): void {
    const atMs = this.#ports.clock.steadyMs();
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
    const missedMs = this.#ports.clock.missedMs();
    if (missedMs > this.#missedMs) this.#unevenUntilMs = atMs + this.#lateAfterMs();
    this.#missedMs = missedMs;
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

  #lost(trouble: Trouble): void {
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
