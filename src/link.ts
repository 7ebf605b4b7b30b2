/**
 * One connection of a feed, from the dial to its first report and beyond. An open socket proves nothing: a used code, or a
 * service that has stopped, is upgraded and then silent, so only a report makes a connection. When one is due is for `feed`.
 */
import { placeOf } from "./access.ts";
import type { Clock } from "./clock.ts";
import type { Decoded } from "./columns.ts";
import type { FeedName } from "./connection.ts";
import { networkWords, silenceCure, type Trouble } from "./failure.ts";
import type { Socket, SocketListener, Sockets } from "./socket_pool.ts";

export interface LinkPlan {
  readonly name: FeedName;
  readonly socketUrl: string;
  /** How long the first report may take once the socket is open. */
  readonly firstReportMsMax: number;
}

export interface LinkPorts {
  readonly clock: Clock;
  readonly sockets: Sockets;
}

export interface LinkListener {
  /** The first one too. */
  report(decoded: Decoded): void;
  badFrame(why: string): void;
  /** It had reported, and has ended. */
  closed(trouble: Trouble): void;
  retire(): void;
}

export type FirstReport =
  /** Not what it says, for this is held as long as the connection is. */
  | { readonly kind: "reported" }
  | { readonly kind: "trouble"; readonly trouble: Trouble }
  /** Closed by us before there was one. */
  | { readonly kind: "called-off" };

export interface Link {
  /** Settles when it is known, or when there is none in time. Never rejects. */
  readonly firstReport: Promise<FirstReport>;
  /** Whether a report may still come, though it is overdue: a slow service tells the old and the new at the same time. */
  readonly isOpen: boolean;
  /** Nothing is told after it. */
  close(): void;
}

/** Dials. The link ends by itself when `signal` is aborted before there is a report. */
export function openLink(plan: LinkPlan, ports: LinkPorts, listener: LinkListener, signal: AbortSignal): Link {
  const link = new DialledLink(plan, ports, listener);
  signal.addEventListener("abort", () => link.giveUp(), { once: true });
  return link;
}

class DialledLink implements Link, SocketListener {
  readonly firstReport: Promise<FirstReport>;
  readonly #settle: (first: FirstReport) => void;
  readonly #plan: LinkPlan;
  readonly #clock: Clock;
  readonly #listener: LinkListener;
  readonly #patience = new AbortController();
  readonly #socket: Socket;
  #state: "dialling" | "waiting" | "reporting" | "ended" = "dialling";
  #badFrame: string | null = null;

  constructor(plan: LinkPlan, ports: LinkPorts, listener: LinkListener) {
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

  #fail(trouble: Trouble): void {
    this.#end({ kind: "trouble", trouble });
  }

  #end(first: FirstReport): void {
    this.#state = "ended";
    this.#patience.abort();
    this.#socket.close();
    this.#settle(first);
  }
}

function notOpened(plan: LinkPlan, why: string): Trouble {
  const status = /^Invalid status code: (\d+)$/.exec(why)?.[1];
  const tried = `Cannot connect to ${partner(plan)}`;
  return status === undefined
    ? { kind: "unreachable", message: `${tried}: ${networkWords(why)}` }
    : { kind: "refused", message: `${tried}: ${plan.name} answered ${status}` };
}

function endedEarly(plan: LinkPlan, why: string): Trouble {
  const message = `Cannot get a report from ${partner(plan)}: the connection ended before the first one: ${
    networkWords(why)
  }`;
  return { kind: "unreachable", message };
}

function ended(plan: LinkPlan, why: string): Trouble {
  return { kind: "unreachable", message: `The connection to ${partner(plan)} ended: ${networkWords(why)}` };
}

function noReport(plan: LinkPlan, badFrame: string | null): Trouble {
  const tried = `Cannot get a report from ${partner(plan)}`,
    waited = `${Math.round(plan.firstReportMsMax / 100) / 10} s`;
  if (badFrame !== null) {
    return {
      kind: "garbage",
      message: `${tried}: only frames that cannot be read in ${waited}, the last one: ${badFrame}`,
    };
  }
  return { kind: "silent", message: `${tried}: connected but silent for ${waited}, ${silenceCure}` };
}

function partner({ name, socketUrl }: LinkPlan): string {
  return `${name} at ${placeOf(new URL(socketUrl))}`;
}
