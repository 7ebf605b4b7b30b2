/**
 * The life of one feed: who is connected when, and which reports of it count (design, "late", "trying again", "tokens").
 * The next connection is up before the old one goes. What makes a connection is for `link`, what a quiet feed means for the
 * experiments is for the core.
 */
import { type AccessPorts, type AccessRequest, askAccess, type Grant } from "./access.ts";
import type { FeedNews, Report } from "./connection.ts";
import type { Decoded } from "./entry.ts";
import { type Link, openLink } from "./link.ts";
import { networkWords } from "./network_words.ts";
import { intervalOf, lateAfterMs, noPulse, type Pulse, withGap } from "./pulse.ts";
import type { Sockets } from "./socket_pool.ts";
import type { Trouble } from "./trouble.ts";
import { backoffMs, serviceBackoff } from "./wait.ts";

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

// The rest of a token's life is for trying again.
const renewAtShare = 0.7;

/** A connection that was dialled; the current one has reported. */
interface Connected {
  readonly link: Link;
  readonly grant: Grant;
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
  #pulse: Pulse = noPulse;
  #deliveredMs = -Infinity;
  #failures = 0;

  constructor(source: FeedSource, ports: FeedPorts, listener: FeedListener) {
    this.#source = source;
    this.#ports = ports;
    this.#listener = listener;
  }

  stop(): void {
    for (const each of [this.#stopped, this.#nap, this.#attempt]) each.abort();
    this.#current?.link.close();
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
    const renewMs = grant.signedMs + renewAtShare * this.#source.tokenLifeMs;
    return Math.min(reportedMs + this.#lateAfterMs(), renewMs) - this.#ports.clock.nowMs();
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
      const first = await this.#dial(access, signal).link.firstReport;
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
    const connected: Connected = { link, grant, reportedMs: -Infinity, isRetired: false };
    return connected;
  }

  #heard(connected: Connected, decoded: Decoded): void {
    const atMs = this.#ports.clock.nowMs();
    const isFirst = connected !== this.#current;
    if (isFirst) this.#takeOver(connected);
    else this.#pulse = withGap(this.#pulse, atMs - connected.reportedMs);
    connected.reportedMs = atMs;
    if (this.#dueInMs() > 0) this.#attempt.abort(); // the feed was late, and is no more
    // All connections are sent the same reports, and thresholds count them: this one has been heard from the old connection.
    const isRepeated = isFirst && atMs - this.#deliveredMs < (intervalOf(this.#pulse) ?? 0) / 2;
    if (!isRepeated) this.#deliver(decoded, atMs);
  }

  #takeOver(connected: Connected): void {
    this.#current?.link.close();
    this.#current = connected;
    this.#failures = 0;
    this.#listener.news({ kind: "connected", tokenExpiresMs: connected.grant.expiresMs });
  }

  #deliver(decoded: Decoded, atMs: number): void {
    this.#deliveredMs = atMs;
    this.#listener.report({ feed: this.#source.name, atMs, ...decoded, intervalMs: intervalOf(this.#pulse) });
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
    return lateAfterMs(intervalOf(this.#pulse), this.#source.lastCheckedMs);
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
