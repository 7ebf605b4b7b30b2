/**
 * How an experiment has stood over time: spans made from the moments at which something changed, and what share of the time
 * it was well. Time in which nobody watched is said to be that, and counts neither for nor against. Pure.
 * What the moments are is for `timeline`, where they are kept for `store`.
 */
import type { ResourceState } from "./availability.ts";
import { type Conditions, type HealthRules, lostAfterMs } from "./health.ts";
import type { Experiment, FeedState, LabState } from "./lab.ts";
import {
  type ExperimentState,
  type MonitorRun,
  type Persisted,
  runsMax,
  type SpanState,
  type StateChange,
  type StoreChange,
} from "./persisted.ts";
import type { Shift } from "./shift.ts";

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** All that is known of an experiment's past, oldest first. */
export interface Past {
  readonly turns: readonly StateChange[];
  readonly runs: readonly MonitorRun[];
}

/** Never empty, never overlapping; `available` is null where nobody watched. */
export interface Span extends Window {
  readonly state: SpanState;
  readonly available: boolean | null;
}

/** Parts of the whole window, 0 to 1. */
export interface Shares {
  readonly watched: number;
  /** In which it was known to be healthy or not: neither starting nor unknown. */
  readonly known: number;
  readonly healthy: number;
  readonly available: number;
}

/**
 * What of the window can be told: all of it, unless the past holds as many turns or runs as were asked for. What there was
 * before the first of them is then not known, which is not the same as not watched.
 */
export function recordedOf({ turns, runs }: Past, max: { turns: number; runs: number }, window: Window): Window {
  const turnsFromMs = turns.length < max.turns ? -Infinity : turns[0]?.atMs ?? -Infinity;
  const runsFromMs = runs.length < max.runs ? -Infinity : runs[0]?.startedMs ?? -Infinity;
  return { ...window, fromMs: Math.max(window.fromMs, Math.min(Math.max(turnsFromMs, runsFromMs), window.toMs)) };
}

/**
 * What of the window the newest turns and runs tell: from the first of each on. What was before may have been let go, or
 * not have been known yet; either way nothing is claimed of it.
 */
export function recentOf({ turns, runs }: Past, { fromMs, toMs }: Window): Window {
  const sinceMs = Math.max(turns[0]?.atMs ?? Infinity, runs[0]?.startedMs ?? Infinity);
  return { fromMs: Math.min(Math.max(fromMs, sinceMs), toMs), toMs };
}

/**
 * The window without a gap, oldest first; neighbours differ. What stands before the first turn, after the last run and
 * between two runs was not watched. Of turns at one moment the last counts.
 */
export function spansOf({ turns, runs }: Past, window: Window): readonly Span[] {
  const spans: Span[] = [];
  let atMs = window.fromMs;
  const add = (untilMs: number, state: SpanState, available: boolean | null) => {
    const toMs = Math.min(untilMs, window.toMs);
    if (toMs <= atMs) return;
    const last = spans.at(-1);
    if (last?.state === state && last.available === available) spans[spans.length - 1] = { ...last, toMs };
    else spans.push({ fromMs: atMs, toMs, state, available });
    atMs = toMs;
  };
  let next = 0; // of the turns, the first that is still to come
  for (const run of runs) {
    add(run.startedMs, "not_watched", null);
    while (atMs < Math.min(run.aliveMs, window.toMs)) {
      while ((turns[next]?.atMs ?? Infinity) <= atMs) next++;
      const { state, available } = turns[next - 1] ?? { state: "not_watched", available: null };
      const untilMs = Math.min(turns[next]?.atMs ?? Infinity, run.aliveMs);
      add(untilMs, state, state === "not_watched" ? null : available);
    }
  }
  add(window.toMs, "not_watched", null);
  return spans;
}

/** What part of the spans' time it was watched, known to be healthy or not, healthy and available; 0 of no time at all. */
export function sharesOf(spans: readonly Span[]): Shares {
  const msOf = (chosen: (span: Span) => boolean) =>
    spans.reduce((sum, span) => sum + (chosen(span) ? span.toMs - span.fromMs : 0), 0);
  const wholeMs = Math.max(msOf(() => true), 1);
  return {
    watched: msOf(({ state }) => state !== "not_watched") / wholeMs,
    known: msOf(({ state }) => state === "healthy" || state === "unhealthy") / wholeMs,
    healthy: msOf(({ state }) => state === "healthy") / wholeMs,
    available: msOf(({ available }) => available === true) / wholeMs,
  };
}

/*
 * The history as it happens: at which moments an experiment came to stand otherwise, and while when the monitor ran. Says
 * what is to be recorded of it, and does nothing else. What can be read from it is for `history`.
 * It never goes back: what this run has told by a clock that is then put back is moved to where that is now. What earlier
 * runs told is never rewritten: what is still to come by the clock of now is not shown, until that has come to it.
 */

/** Turns of each experiment that are kept in memory, for the page; the store has all. */
export const turnsMax = 500;
/** Turns of all of them (some 10 MB): a great laboratory keeps fewer of each, though always enough of the newest. */
export const turnsTotalMax = 200_000;
const turnsMin = 10;

// How often it is written that the monitor is alive: after a crash, as much is taken for not watched.
const beatEveryMs = 60_000;
// A longer time without a sign of life, of a machine that slept, was not watched.
const gapMs = 3 * beatEveryMs;

export class HistoryRecorder {
  /** By experiment, oldest first; none is empty. */
  readonly #turns: Map<string, readonly StateChange[]>;
  /** Those of this run; all others are of earlier ones. */
  readonly #own = new WeakSet<StateChange>();
  /** What an earlier run told and is still to come by the clock of now, oldest first. */
  readonly #toCome = new Map<string, readonly StateChange[]>();
  /** Of earlier runs of the program, as they were saved, oldest first. */
  readonly #earlier: readonly MonitorRun[];
  /** What this one ran before a gap, oldest first. */
  #before: readonly MonitorRun[] = [];
  #run: MonitorRun;
  /** `#earlier` and `#before`, as they are shown. */
  #past: readonly MonitorRun[];
  /** Until when this run is recorded to have lasted. */
  #beatMs = -Infinity;
  /** What is to be recorded of how the last run ended. */
  #owed: readonly StoreChange[];
  /** What the last standings were read from. */
  #followed: Pick<StatusInputs, "states"> & { experiments: LabState["experiments"]; conditions: string } | null = null;
  #isBegun = false;
  #revision = 0;

  /** `saved`: what earlier runs left. `lab`: as it is restored from that. */
  constructor(
    saved: Pick<Persisted, "stateChanges" | "runs">,
    { startedMs, experiments }: Pick<LabState, "startedMs" | "experiments">,
  ) {
    this.#turns = new Map(saved.stateChanges);
    this.#hide(startedMs);
    const most = this.#mostOf();
    for (const [name, turns] of this.#turns) this.#turns.set(name, turns.slice(-most));
    this.#earlier = saved.runs;
    this.#run = { startedMs, aliveMs: startedMs };
    this.#past = this.#pastRuns();
    // What was never judged is not restored: it is watched again when something names it.
    this.#owed = this.#forgetOthers(experiments, startedMs);
  }

  /** The clock was set, or nothing ran for a while: what is to be recorded of that, with what else has another date now. */
  shift({ setMs, nowMs }: Shift, experiments: LabState["experiments"]): readonly StoreChange[] {
    if (setMs === 0) return [];
    const moved = nowMs < this.#run.aliveMs ? this.#moveBack(nowMs) : [];
    this.#hide(nowMs);
    this.#show(nowMs);
    this.#past = this.#pastRuns();
    this.#followed = null; // how an experiment stands now may be a turn, given what is shown of it
    this.#revision++;
    const owed = this.#owed;
    this.#owed = [];
    return [...owed, ...moved, ...this.#forgetOthers(experiments, nowMs)];
  }

  /** How each experiment stands now, and that the monitor is alive: what is to be recorded of it, mostly nothing. */
  follow(known: StatusInputs, nowMs: number): readonly StoreChange[] {
    const before = [...this.#owed, ...this.#live(nowMs)];
    this.#owed = [];
    const turned = this.#turnedSince(known);
    // Where something is written anyway, the sign of life goes with it.
    return turned.length > 0 || this.#run.aliveMs >= this.dueMs ? [...before, ...turned, this.#beat()] : before;
  }

  /** They are no longer watched: what is to be recorded of it. */
  forget(names: readonly string[], nowMs: number): readonly StoreChange[] {
    const turn: StateChange = { atMs: Math.max(nowMs, this.#run.aliveMs), state: "not_watched", available: false };
    return names.filter((name) => this.#toCome.delete(name) || this.#turns.has(name)).map((experiment) => {
      this.#turns.delete(experiment);
      this.#revision++;
      return { kind: "turn", experiment, turn };
    });
  }

  /** That this run has lasted until now: to be recorded when it ends. */
  alive(nowMs: number): readonly StoreChange[] {
    return [...this.#live(nowMs), this.#beat()];
  }

  /** When a sign of life is to be recorded next: `follow` has to be called then, though nothing has happened. */
  get dueMs(): number {
    return this.#beatMs + beatEveryMs;
  }

  /** Greater than before if a turn was taken or time was missed since. */
  get revision(): number {
    return this.#revision;
  }

  /** Whether book last said that it is available, in this run or before; false if it never said. */
  wasAvailable(name: string): boolean {
    return (this.#turns.get(name) ?? this.#toCome.get(name))?.at(-1)?.available ?? false;
  }

  /** The newest turns of one experiment since it was last forgotten, oldest first, `turnsMax` at most. */
  turnsOf(name: string): readonly StateChange[] {
    return this.#turns.get(name) ?? [];
  }

  /** When the monitor ran, oldest first, this run included: until `nowMs`, unless it is only just waking up. */
  runs(nowMs: number): readonly MonitorRun[] {
    const { startedMs, aliveMs } = this.#run;
    return [...this.#past, { startedMs, aliveMs: nowMs - aliveMs > gapMs ? aliveMs : Math.max(aliveMs, nowMs) }];
  }

  /** The run goes on, or another begins: what is to be recorded of one that ended. */
  #live(nowMs: number): readonly StoreChange[] {
    const was = this.#run;
    if (nowMs - was.aliveMs <= gapMs) {
      this.#run = { ...was, aliveMs: Math.max(was.aliveMs, nowMs) };
      return [];
    }
    this.#before = [...this.#before, was].slice(-runsMax);
    this.#run = { startedMs: nowMs, aliveMs: nowMs };
    this.#past = this.#pastRuns();
    this.#revision++;
    return [{ kind: "run", run: was }];
  }

  #beat(): StoreChange {
    this.#beatMs = this.#run.aliveMs;
    return { kind: "run", run: this.#run };
  }

  #turnedSince(known: StatusInputs): readonly StoreChange[] {
    const { lab: { experiments }, states } = known;
    const conditions = `${known.conditions.jump} ${known.conditions.relay}`;
    const was = this.#followed;
    // Nothing else bears on a standing, and these are other values only when something is otherwise.
    if (was?.experiments === experiments && was.states === states && was.conditions === conditions) return [];
    this.#followed = { experiments, states, conditions };
    const atMs = this.#isBegun ? this.#run.aliveMs : this.#run.startedMs; // the first of a run hold from its start
    this.#isBegun = true;
    return [...experiments.values()].flatMap((experiment) => this.#turned(experiment, known, atMs));
  }

  /** Turns of one experiment. */
  #mostOf(): number {
    return Math.min(Math.max(Math.floor(turnsTotalMax / Math.max(this.#turns.size, 1)), turnsMin), turnsMax);
  }

  #turned(experiment: Experiment, known: StatusInputs, atMs: number): readonly StoreChange[] {
    const turns = this.turnsOf(experiment.name);
    const last = turns.at(-1);
    const { state, available } = statusOf(experiment, known, this.wasAvailable(experiment.name));
    if (last?.state === state && last.available === available) return [];
    const turn = { atMs, state, available };
    this.#own.add(turn);
    this.#turns.set(experiment.name, [...turns, turn].slice(-this.#mostOf()));
    this.#revision++;
    return [{ kind: "turn", experiment: experiment.name, turn }];
  }

  /** What this run has told of after `toMs` happened no later than that, by the clock of now. */
  #moveBack(toMs: number): readonly StoreChange[] {
    for (const [name, turns] of this.#turns) {
      const late = turns.filter((turn) => turn.atMs > toMs && this.#own.has(turn));
      const newest = late.at(-1); // of turns at one moment the last counts
      if (newest === undefined) continue;
      const moved = { ...newest, atMs: toMs };
      this.#own.add(moved);
      this.#turns.set(name, [...turns.filter((turn) => !late.includes(turn)), moved].sort(byTime));
    }
    const until = (run: MonitorRun) => ({
      startedMs: Math.min(run.startedMs, toMs),
      aliveMs: Math.min(run.aliveMs, toMs),
    });
    this.#before = this.#before.filter(({ startedMs }) => startedMs < toMs).map(until);
    this.#run = until(this.#run);
    return [{ kind: "clock-back", toMs }, this.#beat()]; // the store lets go of a run that began later
  }

  /** What earlier runs told and is still to come at `nowMs`. */
  #hide(nowMs: number): void {
    for (const [name, turns] of this.#turns) {
      const toCome = turns.filter((turn) => turn.atMs > nowMs);
      if (toCome.length === 0) continue;
      this.#toCome.set(name, [...toCome, ...this.#toCome.get(name) ?? []]);
      this.#set(name, turns.filter((turn) => turn.atMs <= nowMs));
    }
  }

  /** What was still to come, and has come to be at `nowMs`. */
  #show(nowMs: number): void {
    for (const [name, turns] of this.#toCome) {
      const come = turns.filter((turn) => turn.atMs <= nowMs);
      if (come.length === 0) continue;
      const rest = turns.filter((turn) => turn.atMs > nowMs);
      if (rest.length > 0) this.#toCome.set(name, rest);
      else this.#toCome.delete(name);
      this.#set(name, [...this.turnsOf(name), ...come].sort(byTime));
    }
  }

  #set(name: string, turns: readonly StateChange[]): void {
    if (turns.length > 0) this.#turns.set(name, turns.slice(-this.#mostOf()));
    else this.#turns.delete(name);
  }

  #forgetOthers(experiments: LabState["experiments"], nowMs: number): readonly StoreChange[] {
    return this.forget([...this.#turns.keys()].filter((name) => !experiments.has(name)), nowMs);
  }

  /** Earlier runs that had begun when this one did, and have ended by then; and what this one ran before. */
  #pastRuns(): readonly MonitorRun[] {
    const { startedMs } = this.#run;
    const earlier = this.#earlier.filter((run) => run.startedMs <= startedMs)
      .map((run) => ({ ...run, aliveMs: Math.min(run.aliveMs, startedMs) }));
    return [...earlier, ...this.#before].sort((a, b) => a.startedMs - b.startedMs).slice(-runsMax);
  }
}

function byTime(a: StateChange, b: StateChange): number {
  return a.atMs - b.atMs;
}

export interface Standing {
  readonly state: ExperimentState;
  readonly sinceMs: number;
  /** What book last said of all its resources together; false if it never said. */
  readonly available: boolean;
}

/** What a standing is read from. */
export interface StatusInputs {
  readonly lab: LabState;
  readonly conditions: Conditions;
  readonly health: HealthRules;
  /** What book said in this run, by resource. */
  readonly states: ReadonlyMap<string, ResourceState>;
}

/** `wasAvailable`: what book last said before this run, for as long as it has not said anything in this one. */
export function statusOf(experiment: Experiment, known: StatusInputs, wasAvailable: boolean): Standing {
  return { ...stateOf(experiment, known), available: isAvailable(experiment, known.states, wasAvailable) };
}

/** `unknown` while a feed that could tell is lost, whatever the other tells; `starting` until this run has judged it. */
function stateOf(
  { judged, isStarting, firstSeenMs }: Experiment,
  { lab, conditions, health }: StatusInputs,
): Pick<Standing, "state" | "sinceMs"> {
  const lost = ([lab.jump, lab.relay] as const).filter((feed) =>
    conditions[feed.name] === "lost" && (feed.name === "jump" || health.feedLoss === "hold")
  );
  if (lost.length > 0) {
    return { state: "unknown", sinceMs: Math.min(...lost.map((feed) => lostSinceMs(feed, health))) };
  }
  if (isStarting || judged.kind === "never") return { state: "starting", sinceMs: firstSeenMs };
  return { state: judged.issues.length === 0 ? "healthy" : "unhealthy", sinceMs: judged.sinceMs };
}

function lostSinceMs({ newest, intervalMs, startedMs }: FeedState, { lastCheckedMs }: HealthRules): number {
  return newest.kind === "none"
    ? startedMs + lostAfterMs(null, lastCheckedMs)
    : newest.atMs + lostAfterMs(intervalMs, lastCheckedMs);
}

function isAvailable({ resources }: Experiment, states: StatusInputs["states"], wasAvailable: boolean): boolean {
  return resources.length > 0 && resources.every(({ name }) => {
    const state = states.get(name) ?? { kind: "unread" };
    return state.kind === "unread" ? wasAvailable : state.kind === "said" && state.available;
  });
}
