/**
 * The loop: what the feeds and book say comes in, everything is judged at once, what changed is recorded, and only then are
 * book and people told, in the background. Nothing outside this file writes the state; readers get a Snapshot.
 * The rules are in `health` and `availability`; how things are done is for `bookkeeper` and `outbox`.
 */
import type { SystemAlert } from "./alerts.ts";
import { type AvailabilityRules, dryRunsOf, type ResourceState } from "./availability.ts";
import { type BookListener, ReportedStates } from "./book_sync.ts";
import { ChangeDetector } from "./change_detector.ts";
import { clockChangeText, ClockWatch, sleepUntil } from "./clock.ts";
import { type Effectors, type EffectPorts, EffectRunner } from "./effect_runner.ts";
import type { ServiceFailure } from "./failure.ts";
import { applyReport, type Conditions, conditionsOf, evaluate, type HealthRules, nextLimitMs } from "./health.ts";
import { HistoryRecorder } from "./history.ts";
import {
  forget,
  initialLab,
  type LabState,
  type ProbeResult,
  restoreLab,
  withManifest,
  withoutProbeResults,
  withProbeResult,
} from "./lab.ts";
import type { Logger } from "./log.ts";
import type { Persisted } from "./persisted.ts";
import type { FeedName, FeedNews, Report, Resource } from "./report.ts";
import { shiftedLab, shiftOf } from "./shift.ts";
import { type Snapshot, type SnapshotInputs, snapshotOf } from "./snapshot.ts";
import type { Telling } from "./stream_probe.ts";
import * as sources from "./system_alerts.ts";
import { shiftedSources, SystemAlertTracker } from "./system_alerts.ts";
import { turnMsMax } from "./watchdog.ts";

const forgetEveryMsMax = 60_000;

export class Monitor implements BookListener {
  readonly #options: MonitorOptions;
  readonly #ports: MonitorPorts;
  #lab: LabState;
  #conditions: Conditions;
  #sources: sources.Sources;
  readonly #said = new ReportedStates();
  readonly #alarms: SystemAlertTracker;
  readonly #consequences: EffectRunner;
  readonly #timeline: HistoryRecorder;
  readonly #revision = new ChangeDetector();
  #snapshot: Snapshot | null = null;
  readonly #trials: DryRunLog;
  #woken = Promise.withResolvers<void>();
  /** In steady time. */
  #forgotMs: number;
  readonly #clockWatch: ClockWatch;

  /** `start`: what the last run left, and what is to be told of how this one began. `hands` are made with the monitor. */
  constructor(options: MonitorOptions, ports: MonitorPorts, start: Start, hands: (monitor: Monitor) => Effectors) {
    const nowMs = ports.clock.nowMs();
    this.#options = options;
    this.#ports = ports;
    this.#forgotMs = ports.clock.monotonicMs();
    this.#clockWatch = new ClockWatch(ports.clock);
    this.#lab = restoreLab(initialLab(nowMs), start.saved);
    this.#conditions = conditionsOf(this.#lab, options.health, nowMs);
    this.#sources = sources.newSources(nowMs);
    this.#alarms = new SystemAlertTracker(start.saved.alerts, start.alerts);
    this.#timeline = new HistoryRecorder(start.saved, this.#lab);
    this.#trials = new DryRunLog(ports.log, options.availability);
    this.#consequences = new EffectRunner(ports, hands(this));
  }

  get hands(): Effectors {
    return this.#consequences.hands;
  }

  /** All by which it is known which streams are to be listened to. */
  get telling(): Telling {
    return { lab: this.#lab, conditions: this.#conditions, relay: this.#sources.relay };
  }

  report(report: Report): void {
    this.#followClock(); // before what is dated by it
    this.#lab = applyReport(this.#lab, report, this.#options.health);
    this.#sources = { ...this.#sources, [report.feed]: sources.afterReport(this.#sources[report.feed], report) };
    this.judge();
  }

  news(feed: FeedName, news: FeedNews): void {
    this.#sources = { ...this.#sources, [feed]: sources.afterNews(this.#sources[feed], news) };
    if (news.kind === "trouble") this.#ports.log.warn(`${feed}: ${news.trouble.message}`, { kind: news.trouble.kind });
    this.readersChanged();
  }

  /** What listening to a stream found, or null where nobody listens: it counts from the next report on. */
  probed(found: { readonly topic: string; readonly finding: ProbeResult } | null): void {
    this.#followClock();
    const relay = this.#lab.relay;
    const next = found ? withProbeResult(relay, found.topic, found.finding) : withoutProbeResults(relay);
    this.#lab = { ...this.#lab, relay: next };
    this.readersChanged();
  }

  manifest(list: { resources: readonly Resource[]; skipped: number; atMs: number }): void {
    this.#followClock();
    const { resources, atMs } = list, isEmpty = resources.length === 0, hadResources = this.#lab.resources.length > 0;
    this.#setBook(sources.afterList(this.#sources.book, { isEmpty, hadResources, atMs }));
    if (list.skipped > 0) this.#ports.log.warn(`book: ${list.skipped} resources cannot be read and are left out`);
    if (resources.length > 0) this.#useManifest(resources, atMs);
    this.judge();
  }

  state(resource: string, state: ResourceState): void {
    this.#said.note(resource, state, this.#lab.resources.length);
    this.readersChanged();
  }

  written(resource: string, { available, reason }: { available: boolean; reason: string }): void {
    this.#setBook({ ...this.#sources.book, writes: this.#sources.book.writes + 1 });
    this.#ports.log.info(`book: ${resource} is now ${available ? "available" : "unavailable"}`, { reason });
    this.readersChanged();
  }

  trouble(trouble: ServiceFailure, failuresInARow: number): void {
    this.#setBook(sources.afterTrouble(this.#sources.book, trouble, failuresInARow, this.#now()));
    this.#ports.log.warn(`book: ${trouble.message}`, { kind: trouble.kind, failures: failuresInARow });
    this.judge();
  }

  answers(): void {
    const isToldOf = this.#alarms.known.has("book-lost") || this.#alarms.known.has("book-stuck");
    this.#setBook(sources.afterAnswer(this.#sources.book, this.#now()));
    isToldOf ? this.judge() : this.readersChanged();
  }

  /** Judges at every limit that passes without a report. Resolves when `signal` is aborted and all is recorded. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    this.#consequences.begin(this.#said.all);
    this.judge();
    while (!signal.aborted) {
      this.#woken = Promise.withResolvers();
      this.#ports.turned();
      const waitMs = this.#dueInMs(), dueMs = clock.monotonicMs() + waitMs;
      await sleepUntil(this.#woken.promise, { clock, ms: Math.min(waitMs, turnMsMax) }, signal);
      if (signal.aborted || (!this.#followClock() && clock.monotonicMs() < dueMs)) continue;
      if (clock.monotonicMs() >= this.#forgetDueMs()) this.#forget();
      this.judge();
    }
    this.#consequences.record(this.#timeline.alive(this.#now()));
    await this.settled();
  }

  /** Resolves when all that has been judged so far is recorded and handed on. */
  settled(): Promise<void> {
    return this.#consequences.settled();
  }

  snapshot(): Snapshot {
    if (this.#snapshot !== null) return this.#snapshot;
    this.#setBook(this.#said.takenInto(this.#sources.book));
    const { keeper, outbox, webhook } = this.#consequences.hands;
    const known = {
      atMs: this.#now(),
      version: this.#options.version,
      lab: this.#lab,
      conditions: this.#conditions,
      rules: this.#options,
      sources: this.#sources,
      timeline: this.#timeline,
      alerts: this.#alarms.known,
      waitingForBook: keeper.waiting,
      mail: outbox.view(),
      webhook: webhook.view(),
      ...this.#ports.views(),
      store: this.#ports.recorder.view(),
    };
    return this.#snapshot = snapshotOf({ ...known, revision: this.#revision.of(known) });
  }

  /** Judges everything as it is now: for what turns without a word to this, as the store does. `owed`: to be told besides. */
  judge(owed: Start["alerts"] = []): void {
    this.#setBook(this.#said.takenInto(this.#sources.book));
    const nowMs = this.#now();
    const { lab, events, conditions } = evaluate(this.#lab, this.#options.health, nowMs);
    this.#lab = lab;
    this.#conditions = conditions;
    this.#sources = sources.inConditions(this.#sources, conditions, nowMs);
    const { probes } = this.#ports.views(), store = this.#ports.recorder.view();
    const alerts = [...owed, ...this.#alarms.turns({ ...this.#sources, lab, conditions, probes, store }, nowMs)];
    this.#trials.follow(lab, this.#sources.book.states, nowMs);
    this.readersChanged();
    this.#woken.resolve();
    const known = { lab, conditions, health: this.#options.health, states: this.#sources.book.states };
    this.#consequences.follow({ lab, events, alerts, turns: this.#timeline.follow(known, nowMs) }, nowMs);
  }

  #useManifest(resources: readonly Resource[], atMs: number): void {
    const before = this.#lab.resources;
    this.#lab = withManifest(this.#lab, resources, atMs);
    if (this.#lab.resources === before) return; // as mostly, nothing is to be recorded
    this.#consequences.record([{ kind: "manifest", manifest: { atMs, resources: this.#lab.resources } }]);
  }

  /** How long it takes until something is to be done though nothing happens. */
  #dueInMs(): number {
    const nowMs = this.#now();
    const limitMs = Math.min(nextLimitMs(this.#lab, this.#options.health, nowMs) ?? Infinity, this.#timeline.dueMs);
    return Math.max(Math.min(limitMs - nowMs, this.#forgetDueMs() - this.#ports.clock.monotonicMs()), 1);
  }

  #forgetDueMs(): number {
    return this.#forgotMs + Math.min(forgetEveryMsMax, this.#options.forgetMs / 4);
  }

  #forget(): void {
    const nowMs = this.#now();
    this.#forgotMs = this.#ports.clock.monotonicMs();
    const { forgetMs } = this.#options, { goneMs } = this.#sources.book;
    if (goneMs !== null && nowMs - goneMs >= forgetMs && this.#lab.resources.length > 0) this.#useManifest([], nowMs);
    const { lab, forgotten } = forget(this.#lab, forgetMs, nowMs);
    this.#lab = lab;
    this.#consequences.forget(forgotten, this.#timeline.forget(forgotten, nowMs));
  }

  #setBook(book: sources.BookStatus): void {
    this.#sources = { ...this.#sources, book };
  }

  #now(): number {
    this.#followClock();
    return this.#ports.clock.nowMs();
  }

  /** Whether the clock was set since the last look, or nothing of the program ran for a while: nothing is older for it. */
  #followClock(): boolean {
    const move = this.#clockWatch.look();
    if (move === null) return false;
    const was = this.#lab, shift = shiftOf(move, { startedMs: was.startedMs, nowMs: this.#ports.clock.nowMs() });
    this.#lab = shiftedLab(was, shift);
    this.#sources = shiftedSources(this.#sources, shift);
    this.#alarms.shift(shift);
    this.#ports.log.warn(clockChangeText(move));
    const turns = this.#timeline.shift(shift, this.#lab.experiments);
    this.#consequences.redated(was, this.#lab, { turns, nowMs: shift.nowMs });
    this.readersChanged();
    return true;
  }

  /** Something that readers see is another, here or elsewhere: in the mails, in the store. */
  readersChanged(): void {
    this.#snapshot = null;
    this.#ports.changed();
  }
}

/*  What the monitor is made with: what it is told of the settings, what it needs of the world, and what it goes on from. */

export interface MonitorOptions {
  readonly version: string;
  readonly health: HealthRules;
  readonly availability: AvailabilityRules;
  readonly forgetMs: number;
}

export interface MonitorPorts extends EffectPorts {
  /** How the parts are that the loop does not know of. */
  readonly views: () => Pick<SnapshotInputs, "probes" | "heartbeat">;
  /** Readers would be shown something else now, if only a time: called often, so it must cost nothing. */
  changed(): void;
  /** The loop has turned, which it does every `turnMsMax` at least. */
  turned(): void;
}

export interface Start {
  readonly saved: Persisted;
  readonly alerts: readonly SystemAlert[];
}

/*  With BOOK_WRITES=off: says once what would be written to a resource, and again when that is another. */

export class DryRunLog {
  readonly #log: Logger;
  readonly #rules: AvailabilityRules;
  /** What was said last: resources, and whether as available. */
  #said: ReadonlyMap<string, boolean> = new Map();

  constructor(log: Logger, rules: AvailabilityRules) {
    this.#log = log;
    this.#rules = rules;
  }

  /** `states`: what book said of the resources. */
  follow(lab: LabState, states: ReadonlyMap<string, ResourceState>, nowMs: number): void {
    const trials = dryRunsOf(lab.resources, { lab, states, rules: this.#rules }, nowMs);
    for (const [name, { available, reason }] of trials) {
      if (this.#said.get(name) === available) continue;
      this.#log.warn(`book: ${name} would be made ${available ? "available" : "unavailable"}`, { reason });
    }
    this.#said = new Map([...trials].map(([name, { available }]) => [name, available]));
  }
}
