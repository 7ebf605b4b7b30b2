/**
 * The loop: what the feeds and book say comes in, everything is judged at once, what changed is recorded, and only then are
 * book and people told, in the background. Nothing outside this file writes the state; readers get a Snapshot.
 * The rules are in `health` and `availability`; how things are done is for `bookkeeper` and `outbox`.
 */
import { Alarms } from "./alarms.ts";
import type { ResourceState } from "./availability.ts";
import type { Resource } from "./book_client.ts";
import { BookSaid } from "./book_said.ts";
import type { BookListener } from "./bookkeeper.ts";
import { ClockWatch, moveText, waitUnless } from "./clock.ts";
import { Consequences, type Hands } from "./consequence.ts";
import { emptyLab, forget, type Lab, observe, withManifest } from "./experiment.ts";
import type { Trouble } from "./failure.ts";
import { type Conditions, conditionsOf } from "./health.ts";
import { judge, nextLimitMs } from "./judgement.ts";
import type { MonitorOptions, MonitorPorts, Start } from "./monitor_ports.ts";
import type { FeedName, FeedNews, Report } from "./report.ts";
import { Revision } from "./revision.ts";
import { restored } from "./saved.ts";
import { shiftedLab, shiftedSources, shiftOf } from "./shift.ts";
import { type Finding, withFinding, withoutFindings } from "./sighting.ts";
import { type Snapshot, snapshotOf } from "./snapshot.ts";
import * as sources from "./sources.ts";
import type { Telling } from "./stream_probe.ts";
import { Timeline } from "./timeline.ts";
import { TrialLog } from "./trial_log.ts";
import { turnMsMax } from "./vigil.ts";

const forgetEveryMsMax = 60_000;

export class Monitor implements BookListener {
  readonly #options: MonitorOptions;
  readonly #ports: MonitorPorts;
  #lab: Lab;
  #conditions: Conditions;
  #sources: sources.Sources;
  readonly #said = new BookSaid();
  readonly #alarms: Alarms;
  readonly #consequences: Consequences;
  readonly #timeline: Timeline;
  readonly #revision = new Revision();
  #snapshot: Snapshot | null = null;
  readonly #trials: TrialLog;
  #woken = Promise.withResolvers<void>();
  /** In steady time. */
  #forgotMs: number;
  readonly #clockWatch: ClockWatch;

  /** `start`: what the last run left, and what is to be told of how this one began. `hands` are made with the monitor. */
  constructor(options: MonitorOptions, ports: MonitorPorts, start: Start, hands: (monitor: Monitor) => Hands) {
    const nowMs = ports.clock.nowMs();
    this.#options = options;
    this.#ports = ports;
    this.#forgotMs = ports.clock.steadyMs();
    this.#clockWatch = new ClockWatch(ports.clock);
    this.#lab = restored(emptyLab(nowMs), start.saved);
    this.#conditions = conditionsOf(this.#lab, options.health, nowMs);
    this.#sources = sources.newSources(nowMs);
    this.#alarms = new Alarms(start.saved.alerts, start.alerts);
    this.#timeline = new Timeline(start.saved, this.#lab);
    this.#trials = new TrialLog(ports.log, options.availability);
    this.#consequences = new Consequences(ports, hands(this));
  }

  get hands(): Hands {
    return this.#consequences.hands;
  }

  /** All by which it is known which streams are to be listened to. */
  get telling(): Telling {
    return { lab: this.#lab, conditions: this.#conditions, relay: this.#sources.relay };
  }

  report(report: Report): void {
    this.#followClock(); // before what is dated by it
    this.#lab = observe(this.#lab, report, this.#options.health);
    this.#sources = { ...this.#sources, [report.feed]: sources.afterReport(this.#sources[report.feed], report) };
    this.judge();
  }

  news(feed: FeedName, news: FeedNews): void {
    this.#sources = { ...this.#sources, [feed]: sources.afterNews(this.#sources[feed], news) };
    if (news.kind === "trouble") this.#ports.log.warn(`${feed}: ${news.trouble.message}`, { kind: news.trouble.kind });
    this.readersChanged();
  }

  /** What listening to a stream found, or null where nobody listens: it counts from the next report on. */
  probed(found: { readonly topic: string; readonly finding: Finding } | null): void {
    this.#followClock();
    const relay = this.#lab.relay;
    const next = found ? withFinding(relay, found.topic, found.finding) : withoutFindings(relay);
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

  trouble(trouble: Trouble, failuresInARow: number): void {
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
      const waitMs = this.#dueInMs(), dueMs = clock.steadyMs() + waitMs;
      await waitUnless(this.#woken.promise, { clock, ms: Math.min(waitMs, turnMsMax) }, signal);
      if (signal.aborted || (!this.#followClock() && clock.steadyMs() < dueMs)) continue;
      if (clock.steadyMs() >= this.#forgetDueMs()) this.#forget();
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
    const { lab, events, conditions } = judge(this.#lab, this.#options.health, nowMs);
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
    return Math.max(Math.min(limitMs - nowMs, this.#forgetDueMs() - this.#ports.clock.steadyMs()), 1);
  }

  #forgetDueMs(): number {
    return this.#forgotMs + Math.min(forgetEveryMsMax, this.#options.forgetMs / 4);
  }

  #forget(): void {
    const nowMs = this.#now();
    this.#forgotMs = this.#ports.clock.steadyMs();
    const { forgetMs } = this.#options, { goneMs } = this.#sources.book;
    if (goneMs !== null && nowMs - goneMs >= forgetMs && this.#lab.resources.length > 0) this.#useManifest([], nowMs);
    const { lab, forgotten } = forget(this.#lab, forgetMs, nowMs);
    this.#lab = lab;
    this.#consequences.forget(forgotten, this.#timeline.forget(forgotten, nowMs));
  }

  #setBook(book: sources.BookSource): void {
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
    this.#ports.log.warn(moveText(move));
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
