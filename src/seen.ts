/**
 * What readers see of one topic: the verdict, and what its newest report said. That is read from the feed when it is asked
 * for, since each report says it anew of thousands and most readers don't ask. Pure.
 */
import type { Verdict } from "./health.ts";
import type { FeedView } from "./part_view.ts";
import type { Connection, Peer } from "./report.ts";
import { type Feed, type Finding, lastSeen, lastSeenMs, namedIn } from "./sighting.ts";
import type { FeedSource } from "./sources.ts";

export interface SeenView {
  /** Null while it has never been judged. */
  readonly verdict: Verdict | null;
  readonly seenMs: number | null;
  /** From the newest report that had it, in this run: made anew for who asks. */
  readonly connection: Connection | null;
  /** Who that is: the same object from report to report while nothing but statistics changes. */
  readonly peer: Peer | null;
  readonly stats: Connection["stats"];
}

export interface StreamView extends SeenView {
  readonly topic: string;
  readonly required: boolean;
  readonly probe: ProbeView | null;
}

/** What listening to a stream last found, while it holds. `sinceMs`: since when it has been found so. */
export type ProbeView = Pick<Finding, "atMs" | "heard" | "sinceMs">;

export class Seen implements SeenView {
  readonly #topic: string;
  readonly #feed: Feed;
  readonly verdict: Verdict | null;
  readonly seenMs: number | null;

  constructor(topic: string, feed: Feed, { lastReportMs }: FeedSource) {
    this.#topic = topic;
    this.#feed = feed;
    this.verdict = feed.verdicts.get(topic) ?? null;
    const { newest } = feed, seenMs = lastSeenMs(feed, topic);
    // While nothing of the program ran nothing got older (`shift`), but what is told is when it was.
    const missedMs = newest.kind === "none" || lastReportMs === null ? 0 : newest.atMs - lastReportMs;
    this.seenMs = seenMs === null ? null : seenMs - missedMs;
  }

  get connection(): Connection | null {
    return lastSeen(this.#feed, this.#topic)?.connection ?? null;
  }

  get peer(): Peer | null {
    return namedIn(this.#feed).peer(this.#topic) ?? this.#feed.left.get(this.#topic)?.connection ?? null;
  }

  get stats(): Connection["stats"] {
    const stats = namedIn(this.#feed).stats(this.#topic);
    return stats === undefined ? this.#feed.left.get(this.#topic)?.connection?.stats ?? null : stats;
  }
}

export class SeenStream extends Seen implements StreamView {
  readonly topic: string;
  readonly required: boolean;
  readonly probe: ProbeView | null;

  constructor(topic: string, feed: Feed, source: FeedSource, required: boolean) {
    super(topic, feed, source);
    this.topic = topic;
    this.required = required;
    this.probe = feed.findings.get(topic) ?? null;
  }
}

/**
 * How long ago it last sent, at its feed's newest report; null where that is not known. What has left the reports goes on
 * getting older, report by report. To count up to now would add an age of the report that says nothing of the stream: a
 * camera that sends all the time would seem to pause, and with its feed late all would.
 */
export function idleMsOf({ stats, seenMs }: SeenView, feed: FeedView): number | null {
  const idle = stats?.tx.idle;
  return idle?.kind !== "for" || seenMs === null || feed.state === "lost" ? null : idle.ms + agedMs(seenMs, feed);
}

/** How long before its feed's newest report it was last in one. */
export function agedMs(seenMs: number, { lastSuccessMs }: FeedView): number {
  return Math.max((lastSuccessMs ?? seenMs) - seenMs, 0);
}
