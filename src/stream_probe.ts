/**
 * Listens to the streams that relay does not measure, in turn, for as long as there are any: a camera that hangs with its
 * connection open is noticed by nothing else. When which is due is for `probe_plan`, how one is listened to for `probe`,
 * what it means for `health`.
 */
import { aborted, backoffMs, type Clock, serviceBackoff, ToldTimes } from "./clock.ts";
import { networkErrorText } from "./failure.ts";
import type { Conditions } from "./health.ts";
import type { LabState, ProbeResult } from "./lab.ts";
import type { Logger } from "./log.ts";
import { canBeAskedFor, type Probed } from "./probe_socket.ts";
import type { FeedStatus, ProbesView } from "./system_alerts.ts";

export interface ProberPorts {
  readonly clock: Clock;
  /** In [0, 1). */
  random(): number;
  readonly log: Logger;
  targets(): ProbeTargets;
  /** Listens once. Rejects when `signal` is aborted. */
  probe(topic: string, signal: AbortSignal): Promise<Probed>;
  found(topic: string, finding: ProbeResult): void;
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

  /** As `look` last found it. */
  view(): ProbesView {
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
      if (was.kind !== "streams" || was.reports !== now.reports) this.#reportedMs = this.#ports.clock.monotonicMs();
      if (was.kind === "streams") {
        // Between two connections to it relay may have been out of reach.
        if (was.connects !== now.connects) this.#stopAll(() => true);
        else if (was.reports !== now.reports) this.#believe(now.streams);
        if (isSame(was.streams, now.streams) && was.unaskable === now.unaskable) return;
      }
      if (now.unaskable > 0 && (was.kind !== "streams" || was.unaskable !== now.unaskable)) {
        this.#ports.log.warn(`${now.unaskable} required streams cannot be listened to: relay takes no such names`);
      }
      this.#plan.set(now.streams.keys(), this.#ports.clock.monotonicMs());
      this.#stopAll((topic, { connected }) => now.streams.get(topic) !== connected);
    } else {
      if (was.kind === now.kind) return;
      this.#stopAll(() => true);
      if (now.kind === "none") {
        this.#plan.clear(this.#ports.clock.monotonicMs());
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
    const topic = this.#plan.begin(this.#ports.clock.monotonicMs());
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
    await clock.wait(dueMs - clock.monotonicMs(), this.#nap.signal).catch(() => {}); // woken
  }

  async #listen(topic: string, connected: string, signal: AbortSignal): Promise<void> {
    const { clock, probe, random } = this.#ports;
    const how = await probe(topic, signal).then(
      (probed) => signal.aborted ? "nothing" : this.#heard(topic, connected, probed),
      (error) => signal.aborted ? "nothing" : this.#failed(`Cannot listen to ${topic}: ${networkErrorText(error)}`),
    );
    this.#running.delete(topic);
    this.#plan.end(topic, how, clock.monotonicMs(), random());
    this.#become();
    this.#nap.abort();
  }

  #heard(topic: string, connected: string, probed: Probed): ProbeEnd {
    if (probed.kind === "failed") return this.#failed(probed.trouble.message);
    const { clock } = this.#ports;
    if (probed.kind === "silent") {
      // A report that came meanwhile shows that relay was not stuck for all of it, and the next one that it still is not.
      if (this.#reportedMs <= probed.openMs) return "nothing";
      this.#silences.set(topic, { connected, openMs: probed.openMs, endMs: clock.monotonicMs() });
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
    const { clock } = this.#ports, offsetMs = clock.nowMs() - clock.monotonicMs(), silences = [...this.#silences];
    this.#silences.clear(); // before they are told of: that makes others look
    for (const [topic, { connected, openMs, endMs }] of silences) {
      if (streams.get(topic) !== connected) continue;
      this.#tell(topic, { connected, heard: false, atMs: endMs + offsetMs, sinceMs: openMs + offsetMs });
    }
  }

  #tell(topic: string, finding: ProbeResult): void {
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

/*
 * Which stream is listened to next, and when: each in turn, the one that was longest ago first, never one twice within the
 * period, never more than a few at a time, spread over the period so that there is no burst; and when nothing but failures
 * comes, ever more seldom. It is told the time, and does nothing itself: `prober` does.
 */

/** At most so many streams are listened to at a time (design, section 8). */
export const probesMax = 4;

/** `nothing`: it was called off, or could not be told apart from relay being silent. */
export type ProbeEnd = "worked" | "failed" | "nothing";

// Fewer say little: a relay that is being restarted refuses one or two.
const failuresMin = 3;
// A tenth of the period is in hand, so that timers which fire late do not make the round longer.
const paceShare = 0.9;

export class ProbePlan {
  readonly #periodMs: number;
  /** When each stream was last begun with, the longest ago first. */
  #turns = new Map<string, number>();
  /** Those that have left, for as long as they would not be due: one that comes back is not asked for sooner. */
  #left = new Map<string, number>();
  readonly #running = new Set<string>();
  #begunMs = -Infinity;
  /** Failures since the last that worked, and when the first of them was. */
  #failures = 0;
  #failedMs = 0;
  /** How often it was failed at while failing, and until when nothing is tried for that. */
  #tries = 0;
  #pausedMs = -Infinity;

  /** `periodMs`: how long each stream is left alone, at least, after it was begun with. */
  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  /** How many streams there are. */
  get size(): number {
    return this.#turns.size;
  }

  /** All that was tried for a whole round has failed: of every stream, or for two periods. */
  get isFailing(): boolean {
    return this.#tries > 0;
  }

  /** These are the streams from now on. */
  set(topics: Iterable<string>, nowMs: number): void {
    const known = new Map([...this.#left, ...this.#turns]);
    const turns = [...new Set(topics)].map((topic): [string, number] => [topic, known.get(topic) ?? -Infinity]);
    this.#turns = new Map(turns.sort(([, a], [, b]) => (a === b ? 0 : a - b)));
    const isKept = ([topic, atMs]: [string, number]) => !this.#turns.has(topic) && atMs + this.#periodMs > nowMs;
    this.#left = new Map([...known].filter(isKept));
  }

  /** There is nothing to listen to, so nothing fails. */
  clear(nowMs: number): void {
    this.set([], nowMs);
    this.#calm();
  }

  /** When one is due, as far as is known now; Infinity while it takes one that ends, or other streams. */
  get dueMs(): number {
    const next = this.#next();
    if (next === null || this.#running.size >= (this.isFailing ? 1 : probesMax)) return Infinity;
    const paceMs = Math.ceil(paceShare * this.#periodMs / this.#turns.size);
    return Math.max(this.#begunMs + paceMs, next.atMs + this.#periodMs, this.#pausedMs);
  }

  /** Begins with the stream that is due; null where none is yet. */
  begin(nowMs: number): string | null {
    const next = this.#next();
    if (next === null || this.dueMs > nowMs) return null;
    this.#turns.delete(next.topic);
    this.#turns.set(next.topic, nowMs); // to the end of the queue
    this.#running.add(next.topic);
    this.#begunMs = nowMs;
    return next.topic;
  }

  /** `random` in [0, 1). */
  end(topic: string, how: ProbeEnd, nowMs: number, random: number): void {
    this.#running.delete(topic);
    if (how === "worked") this.#calm();
    if (how === "failed") this.#fail(nowMs, random);
  }

  #calm(): void {
    this.#failures = this.#tries = 0;
    this.#pausedMs = -Infinity;
  }

  #fail(nowMs: number, random: number): void {
    if (this.#failures++ === 0) this.#failedMs = nowMs;
    const isWholeRound = this.#failures >= this.#turns.size || nowMs - this.#failedMs >= 2 * this.#periodMs;
    if (!this.isFailing && (this.#failures < failuresMin || !isWholeRound)) return;
    this.#pausedMs = nowMs + backoffMs(++this.#tries, random, serviceBackoff);
  }

  #next(): { topic: string; atMs: number } | null {
    for (const [topic, atMs] of this.#turns) if (!this.#running.has(topic)) return { topic, atMs };
    return null;
  }
}

/*
 * Which streams are to be listened to now (design, section 8): required ones that relay's newest report has, where it says
 * nothing of when they last sent. Pure. Which of them is next is for `probe_plan`, what was found for `health`.
 */

/** PROBE_STREAMS, where it is not off. */
export type ProbeMode = "auto" | "always";

export type ProbeTargets =
  /** Relay says itself when streams last sent, or none is required. */
  | { readonly kind: "none" }
  /** Relay is late or lost: what comes of a stream now, or does not, says nothing of it. */
  | { readonly kind: "away" }
  | {
    readonly kind: "streams";
    /** Topics, each with its connection. */
    readonly streams: ReadonlyMap<string, string>;
    /** How many reports relay has sent in this run, and how many connections to it they came by. */
    readonly reports: number;
    readonly connects: number;
    /** How many relay cannot be asked for by name, so that nobody listens to them. */
    readonly unaskable: number;
  };

export interface Telling {
  readonly lab: LabState;
  readonly conditions: Conditions;
  readonly relay: FeedStatus;
}

/** `probeTargets`, computed again only when its inputs have changed: it is called after every change of state. */
export function rememberedTargets(mode: ProbeMode): (telling: Telling) => ProbeTargets {
  let was: readonly unknown[] = [], targets: ProbeTargets = { kind: "away" };
  return (telling) => {
    const now = [telling.lab.relay.newest, telling.lab.resources, telling.conditions.relay, telling.relay];
    if (now.some((each, at) => each !== was[at])) targets = probeTargets(telling, mode);
    was = now;
    return targets;
  };
}

/** All that is to be listened to, by what is known now. */
export function probeTargets({ lab, conditions, relay }: Telling, mode: ProbeMode): ProbeTargets {
  const { newest } = lab.relay;
  if (newest.kind === "none" || conditions.relay !== "live") return { kind: "away" };
  if (mode === "auto" && relay.generation !== "unmeasured") return { kind: "none" };
  const required = lab.resources.flatMap((resource) => resource.required);
  if (required.length === 0) return { kind: "none" };
  const streams = new Map<string, string>();
  let unaskable = 0;
  for (const topic of required) {
    const peer = newest.connections.peer(topic);
    if (peer === undefined) continue;
    if (canBeAskedFor(topic)) streams.set(topic, peer.connected);
    else unaskable++;
  }
  const { reports, connects } = relay.counts;
  return { kind: "streams", streams, reports, connects, unaskable };
}
