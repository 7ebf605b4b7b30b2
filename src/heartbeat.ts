/**
 * The dead man's switch: an address that is requested while all is alive, so that the service behind it notices when it is
 * not any more, whatever the reason, and tells people. What has to be alive is said by the caller; that it is not, is no
 * failure of the switch.
 */
import { backoffMs, type Clock, linkedAbort, serviceBackoff, ToldTimes } from "./clock.ts";
import { networkErrorText } from "./failure.ts";
import type { Logger } from "./log.ts";
import type { FeedName } from "./report.ts";
import type { Secret } from "./setting_types.ts";
import type { HeartbeatView } from "./snapshot.ts";
import type { FeedView } from "./system_alerts.ts";

export interface HeartbeatOptions {
  /** Its path or query is a key. */
  readonly url: Secret;
  readonly everyMs: number;
}

export interface HeartbeatPorts extends AskPorts {
  random(): number;
  readonly log: Logger;
  /** What is not alive, in words, and whether that is only because the program has just begun; null while all is. */
  missing(): Missing | null;
  /** The view is another. */
  changed(): void;
}

export interface AskPorts {
  readonly clock: Clock;
  fetch(url: URL, init: RequestInit): Promise<Response>;
}

export interface Missing {
  readonly words: string;
  readonly isStarting: boolean;
}

export interface Heartbeat {
  view(): HeartbeatView;
  /** Asks while all is alive, until `signal` is aborted. Rejects with what is a fault of the program only. */
  run(signal: AbortSignal): Promise<void>;
}

export type PingOutcome = { readonly kind: "ok" } | { readonly kind: "failed"; readonly why: string };

const answerMsMax = 10_000;
/** How soon it is noticed that what was not alive is again. */
const lookMs = 1_000;

/** `options`: null where none is set. */
export function createHeartbeat(options: HeartbeatOptions | null, ports: HeartbeatPorts): Heartbeat {
  return new Switch(options, ports);
}

/** The host of the address, which is all of it that may be shown. */
export function heartbeatHost(url: Secret): string {
  return new URL(url.reveal()).host;
}

/** Asks once; redirects are followed, as such services move. Rejects with the signal's reason only. */
export async function askHeartbeat(url: Secret, { clock, fetch }: AskPorts, signal: AbortSignal): Promise<PingOutcome> {
  const limit = linkedAbort(signal);
  clock.wait(answerMsMax, limit.signal).then(
    () => limit.abort(new Error(`no answer within ${answerMsMax / 1_000} s`)),
    () => {}, // it was answered
  );
  const failed = (what: string): PingOutcome => {
    return { kind: "failed", why: `Cannot ask the dead man's switch at ${heartbeatHost(url)}: ${what}` };
  };
  try {
    const answer = await fetch(new URL(url.reveal()), { signal: limit.signal });
    // Nothing in it matters, and it may be of any size.
    await answer.body?.cancel();
    return answer.ok ? { kind: "ok" } : failed(`it answered ${answer.status}`);
  } catch (error) {
    signal.throwIfAborted();
    return failed(networkErrorText(error));
  } finally {
    limit.abort();
  }
}

/** Why it is not to be asked for. A feed that is late may only be slow; one that is lost, or never reported, is not alive. */
export function missingOf(
  feeds: Readonly<Record<FeedName, Pick<FeedView, "state" | "lastSuccessMs">>>,
  hanging: string | null,
): Missing | null {
  const { jump, relay } = feeds;
  const waiting = (["jump", "relay"] as const).filter((name) => !isAlive(feeds[name]));
  if (hanging === null && waiting.length === 0) return null;
  const words = [...(hanging === null ? [] : [hanging]), ...waiting.map((name) => `${name} is ${feeds[name].state}`)];
  const isStarting = hanging === null && [jump, relay].every((feed) => isAlive(feed) || feed.state === "connecting");
  return { words: words.join(", "), isStarting };
}

function isAlive({ state, lastSuccessMs }: Pick<FeedView, "state" | "lastSuccessMs">): boolean {
  return lastSuccessMs !== null && (state === "live" || state === "late");
}

class Switch implements Heartbeat {
  readonly #options: HeartbeatOptions | null;
  readonly #ports: HeartbeatPorts;
  readonly #times: ToldTimes;
  #view: HeartbeatView;

  constructor(options: HeartbeatOptions | null, ports: HeartbeatPorts) {
    const state = options === null ? "off" : "waiting";
    this.#options = options;
    this.#ports = ports;
    this.#times = new ToldTimes(ports.clock);
    this.#view = { state, sinceMs: ports.clock.nowMs(), lastSuccessMs: null, lastError: null, sent: 0, failed: 0 };
  }

  view(): HeartbeatView {
    return this.#view = this.#times.byNow(this.#view);
  }

  async run(signal: AbortSignal): Promise<void> {
    if (this.#options === null) return;
    const { clock } = this.#ports;
    while (!signal.aborted) {
      try {
        await clock.wait(await this.#turn(this.#options, signal), signal);
      } catch (error) {
        if (!signal.aborted) throw error; // a fault of the program, not the stop
      }
    }
  }

  /** How long to wait then. From one asking to the next it is `everyMs`; what was missed meanwhile is not made up for. */
  async #turn(options: HeartbeatOptions, signal: AbortSignal): Promise<number> {
    const { clock, random, missing } = this.#ports;
    const lacks = missing();
    if (lacks !== null) return this.#withhold(lacks), Math.min(lookMs, options.everyMs);
    const dueMs = clock.monotonicMs() + options.everyMs;
    const leftMs = () => Math.max(dueMs - clock.monotonicMs(), 0);
    const first = await askHeartbeat(options.url, this.#ports, signal);
    if (first.kind === "ok") return this.#ok(), leftMs();
    this.#failed(first.why);
    const retryMs = backoffMs(1, random(), serviceBackoff);
    // Once, soon: the switch counts the minutes. If that fails too, the next is due as ever.
    if (retryMs >= leftMs()) return leftMs();
    await clock.wait(retryMs, signal);
    if (missing() !== null) return 0;
    const second = await askHeartbeat(options.url, this.#ports, signal);
    if (second.kind === "ok") this.#ok();
    else this.#failed(second.why);
    return leftMs();
  }

  #withhold({ words, isStarting }: Missing): void {
    const { state, lastError } = this.#view;
    if (state === "waiting" && isStarting) return;
    if (state !== "withheld") this.#ports.log.warn(`the dead man's switch is not asked for any more: ${words}`);
    if (state !== "withheld" || lastError !== words) this.#become("withheld", { lastError: words });
  }

  #ok(): void {
    const { log, clock } = this.#ports;
    const { state, sent } = this.#view;
    if (state === "withheld") log.warn("the dead man's switch is asked for again");
    if (state === "failing") log.warn("the dead man's switch answers again");
    this.#become("ok", { sent: sent + 1, lastSuccessMs: clock.nowMs() });
  }

  #failed(why: string): void {
    const { state, failed } = this.#view;
    if (state !== "failing") this.#ports.log.warn(why);
    this.#become("failing", { failed: failed + 1, lastError: why });
  }

  #become(state: HeartbeatView["state"], news: Partial<HeartbeatView>): void {
    const was = this.view(), sinceMs = state === was.state ? was.sinceMs : this.#ports.clock.nowMs();
    this.#view = { ...was, state, sinceMs, ...news };
    this.#ports.changed();
  }
}
