/**
 * Listens to the streams that relay does not measure, in turn, for as long as there are any: a camera that hangs with its
 * connection open is noticed by nothing else. When which is due is for `probe_plan`, how one is listened to for `probe`,
 * what it means for `health`.
 */
import { aborted, type Clock, ToldTimes } from "./clock.ts";
import { networkWords } from "./failure.ts";
import type { Logger } from "./log.ts";
import type { ProbesView } from "./part_view.ts";
import type { Probed } from "./probe.ts";
import { type ProbeEnd, ProbePlan } from "./probe_plan.ts";
import type { ProbeTargets } from "./probe_target.ts";
import type { Finding } from "./sighting.ts";

export interface ProberPorts {
  readonly clock: Clock;
  /** In [0, 1). */
  random(): number;
  readonly log: Logger;
  targets(): ProbeTargets;
  /** Listens once. Rejects when `signal` is aborted. */
  probe(topic: string, signal: AbortSignal): Promise<Probed>;
  found(topic: string, finding: Finding): void;
  /** Nothing has to be listened to, so nothing that was found holds any longer. */
  unfound(): void;
  /** The view is another. */
  changed(): void;
}

export interface Prober {
  /** Listens until `signal` is aborted, then ends what is under way. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
  /** Something may be otherwise with relay or book: called often. */
  look(): void;
  view(): ProbesView;
}

/** PROBE_STREAMS=off, since now. */
export function noProber({ clock, unfound }: Pick<ProberPorts, "clock" | "unfound">): Prober {
  const times = new ToldTimes(clock), never = { lastSuccessMs: null, lastError: null, streams: 0, ...noCounts };
  let view: ProbesView = { state: "off", sinceMs: clock.nowMs(), ...never };
  return {
    run(signal) {
      unfound(); // by an earlier run, that listened
      return aborted(signal);
    },
    look() {},
    view: () => view = times.byNow(view),
  };
}

/** `periodMs`: HEALTH_LAST_ACTIVE. */
export function createProber(periodMs: number, ports: ProberPorts): Prober {
  return new Listening(periodMs, ports);
}

const noCounts = { heard: 0, silent: 0, failed: 0 };

interface Running {
  readonly connected: string;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** A stream of which nothing came, from when to when in steady time. */
interface Silence {
  readonly connected: string;
  readonly openMs: number;
  readonly endMs: number;
}

class Listening implements Prober {
  readonly #ports: ProberPorts;
  readonly #running = new Map<string, Running>();
  /** What counts only if relay goes on reporting: it may have been relay, or the way there, that was silent. */
  readonly #silences = new Map<string, Silence>();
  /** When relay last reported, in steady time. */
  #reportedMs = -Infinity;
  readonly #plan: ProbePlan;
  #targets: ProbeTargets = { kind: "away" };
  #nap = new AbortController();
  #state: "idle" | "probing" | "failing" = "idle";
  readonly #times: ToldTimes;
  #told: Pick<ProbesView, "sinceMs" | "lastSuccessMs">;
  #counts = noCounts;
  #lastError: string | null = null;

  constructor(periodMs: number, ports: ProberPorts) {
    this.#ports = ports;
    this.#plan = new ProbePlan(periodMs);
    this.#times = new ToldTimes(ports.clock);
    this.#told = { sinceMs: ports.clock.nowMs(), lastSuccessMs: null };
  }

  view(): ProbesView {
    this.look();
    return {
      state: this.#state,
      ...this.#toldByNow(),
      lastError: this.#lastError,
      streams: this.#plan.size,
      ...this.#counts,
    };
  }

  look(): void {
    const was = this.#targets, now = this.#targets = this.#ports.targets();
    if (now === was) return;
    if (now.kind === "streams") {
      if (was.kind !== "streams" || was.reports !== now.reports) this.#reportedMs = this.#ports.clock.steadyMs();
      if (was.kind === "streams") {
        // Between two connections to it relay may have been out of reach.
        if (was.connects !== now.connects) this.#stopAll(() => true);
        else if (was.reports !== now.reports) this.#believe(now.streams);
        if (isSame(was.streams, now.streams) && was.unaskable === now.unaskable) return;
      }
      if (now.unaskable > 0 && (was.kind !== "streams" || was.unaskable !== now.unaskable)) {
        this.#ports.log.warn(`${now.unaskable} required streams cannot be listened to: relay takes no such names`);
      }
      this.#plan.set(now.streams.keys(), this.#ports.clock.steadyMs());
      this.#stopAll((topic, { connected }) => now.streams.get(topic) !== connected);
    } else {
      if (was.kind === now.kind) return;
      this.#stopAll(() => true);
      if (now.kind === "none") {
        this.#plan.clear(this.#ports.clock.steadyMs());
        this.#ports.unfound();
      }
    }
    this.#become();
    this.#nap.abort();
  }

  async run(signal: AbortSignal): Promise<void> {
    const stop = () => (this.#stopAll(() => true), this.#nap.abort());
    signal.addEventListener("abort", stop, { once: true });
    while (!signal.aborted) {
      this.look();
      if (!this.#begin()) await this.#rest();
    }
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  /** False where no stream is due. */
  #begin(): boolean {
    if (this.#targets.kind !== "streams") return false;
    const topic = this.#plan.begin(this.#ports.clock.steadyMs());
    const connected = topic === null ? undefined : this.#targets.streams.get(topic);
    if (topic === null || connected === undefined) return false;
    const stop = new AbortController();
    this.#running.set(topic, { connected, stop, ended: this.#listen(topic, connected, stop.signal) });
    return true;
  }

  /** Until a stream is due, one has been listened to, or there are others. */
  async #rest(): Promise<void> {
    const { clock } = this.#ports;
    this.#nap = new AbortController();
    const dueMs = this.#targets.kind === "streams" ? this.#plan.dueMs : Infinity;
    await clock.wait(dueMs - clock.steadyMs(), this.#nap.signal).catch(() => {}); // woken
  }

  async #listen(topic: string, connected: string, signal: AbortSignal): Promise<void> {
    const { clock, probe, random } = this.#ports;
    const how = await probe(topic, signal).then(
      (probed) => signal.aborted ? "nothing" : this.#heard(topic, connected, probed),
      (error) => signal.aborted ? "nothing" : this.#failed(`Cannot listen to ${topic}: ${networkWords(error)}`),
    );
    this.#running.delete(topic);
    this.#plan.end(topic, how, clock.steadyMs(), random());
    this.#become();
    this.#nap.abort();
  }

  #heard(topic: string, connected: string, probed: Probed): ProbeEnd {
    if (probed.kind === "failed") return this.#failed(probed.trouble.message);
    const { clock } = this.#ports;
    if (probed.kind === "silent") {
      // A report that came meanwhile shows that relay was not stuck for all of it, and the next one that it still is not.
      if (this.#reportedMs <= probed.openMs) return "nothing";
      this.#silences.set(topic, { connected, openMs: probed.openMs, endMs: clock.steadyMs() });
    } else {
      const atMs = clock.nowMs();
      this.#silences.delete(topic);
      this.#told = { ...this.#toldByNow(), lastSuccessMs: atMs };
      this.#tell(topic, { connected, heard: true, atMs, sinceMs: atMs });
    }
    return "worked";
  }

  /** Relay has reported since they were silent, by the connection that it had: so it was they. */
  #believe(streams: ReadonlyMap<string, string>): void {
    const { clock } = this.#ports, offsetMs = clock.nowMs() - clock.steadyMs(), silences = [...this.#silences];
    this.#silences.clear(); // before they are told of: that makes others look
    for (const [topic, { connected, openMs, endMs }] of silences) {
      if (streams.get(topic) !== connected) continue;
      this.#tell(topic, { connected, heard: false, atMs: endMs + offsetMs, sinceMs: openMs + offsetMs });
    }
  }

  #tell(topic: string, finding: Finding): void {
    const result = finding.heard ? "heard" : "silent";
    this.#counts = { ...this.#counts, [result]: this.#counts[result] + 1 };
    this.#ports.found(topic, finding);
  }

  #failed(words: string): ProbeEnd {
    this.#counts = { ...this.#counts, failed: this.#counts.failed + 1 };
    this.#lastError = words;
    this.#ports.log.info(words);
    this.#ports.changed();
    return "failed";
  }

  #become(): void {
    // While relay is away nobody knows better.
    if (this.#targets.kind === "away") return;
    const state = this.#targets.kind === "none" ? "idle" : this.#plan.isFailing ? "failing" : "probing";
    if (state === this.#state) return;
    this.#state = state;
    this.#told = { ...this.#toldByNow(), sinceMs: this.#ports.clock.nowMs() };
  }

  #toldByNow(): Pick<ProbesView, "sinceMs" | "lastSuccessMs"> {
    return this.#told = this.#times.byNow(this.#told);
  }

  #stopAll(is: (topic: string, of: { readonly connected: string }) => boolean): void {
    for (const [topic, running] of this.#running) if (is(topic, running)) running.stop.abort();
    for (const [topic, silence] of this.#silences) if (is(topic, silence)) this.#silences.delete(topic);
  }
}

function isSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([topic, connected]) => b.get(topic) === connected);
}
