/**
 * The history as it happens: at which moments an experiment came to stand otherwise, and while when the monitor ran. Says
 * what is to be recorded of it, and does nothing else. What can be read from it is for `history`.
 * It never goes back: what this run has told by a clock that is then put back is moved to where that is now. What earlier
 * runs told is never rewritten: what is still to come by the clock of now is not shown, until that has come to it.
 */
import type { Experiment, Lab } from "./experiment.ts";
import type { Run, Turn } from "./history.ts";
import type { Shift } from "./shift.ts";
import { type Known, standingOf } from "./standing.ts";
import { type Change, runsMax, type Saved } from "./store.ts";

/** Turns of each experiment that are kept in memory, for the page; the store has all. */
export const turnsMax = 500;
/** Turns of all of them (some 10 MB): a great laboratory keeps fewer of each, though always enough of the newest. */
export const turnsTotalMax = 200_000;
const turnsMin = 10;

// How often it is written that the monitor is alive: after a crash, as much is taken for not watched.
const beatEveryMs = 60_000;
// A longer time without a sign of life, of a machine that slept, was not watched.
const gapMs = 3 * beatEveryMs;

export class Timeline {
  /** By experiment, oldest first; none is empty. */
  readonly #turns: Map<string, readonly Turn[]>;
  /** Those of this run; all others are of earlier ones. */
  readonly #own = new WeakSet<Turn>();
  /** What an earlier run told and is still to come by the clock of now, oldest first. */
  readonly #toCome = new Map<string, readonly Turn[]>();
  /** Of earlier runs of the program, as they were saved, oldest first. */
  readonly #earlier: readonly Run[];
  /** What this one ran before a gap, oldest first. */
  #before: readonly Run[] = [];
  #run: Run;
  /** `#earlier` and `#before`, as they are shown. */
  #past: readonly Run[];
  /** Until when this run is recorded to have lasted. */
  #beatMs = -Infinity;
  /** What is to be recorded of how the last run ended. */
  #owed: readonly Change[];
  /** What the last standings were read from. */
  #followed: Pick<Known, "states"> & { experiments: Lab["experiments"]; conditions: string } | null = null;
  #isBegun = false;
  #revision = 0;

  /** `saved`: what earlier runs left. `lab`: as it is restored from that. */
  constructor(
    saved: Pick<Saved, "turns" | "runs">,
    { startedMs, experiments }: Pick<Lab, "startedMs" | "experiments">,
  ) {
    this.#turns = new Map(saved.turns);
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
  shift({ setMs, nowMs }: Shift, experiments: Lab["experiments"]): readonly Change[] {
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
  follow(known: Known, nowMs: number): readonly Change[] {
    const before = [...this.#owed, ...this.#live(nowMs)];
    this.#owed = [];
    const turned = this.#turnedSince(known);
    // Where something is written anyway, the sign of life goes with it.
    return turned.length > 0 || this.#run.aliveMs >= this.dueMs ? [...before, ...turned, this.#beat()] : before;
  }

  /** They are no longer watched: what is to be recorded of it. */
  forget(names: readonly string[], nowMs: number): readonly Change[] {
    const turn: Turn = { atMs: Math.max(nowMs, this.#run.aliveMs), state: "not_watched", available: false };
    return names.filter((name) => this.#toCome.delete(name) || this.#turns.has(name)).map((experiment) => {
      this.#turns.delete(experiment);
      this.#revision++;
      return { kind: "turn", experiment, turn };
    });
  }

  /** That this run has lasted until now: to be recorded when it ends. */
  alive(nowMs: number): readonly Change[] {
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
  turnsOf(name: string): readonly Turn[] {
    return this.#turns.get(name) ?? [];
  }

  /** When the monitor ran, oldest first, this run included: until `nowMs`, unless it is only just waking up. */
  runs(nowMs: number): readonly Run[] {
    const { startedMs, aliveMs } = this.#run;
    return [...this.#past, { startedMs, aliveMs: nowMs - aliveMs > gapMs ? aliveMs : Math.max(aliveMs, nowMs) }];
  }

  /** The run goes on, or another begins: what is to be recorded of one that ended. */
  #live(nowMs: number): readonly Change[] {
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

  #beat(): Change {
    this.#beatMs = this.#run.aliveMs;
    return { kind: "run", run: this.#run };
  }

  #turnedSince(known: Known): readonly Change[] {
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

  #turned(experiment: Experiment, known: Known, atMs: number): readonly Change[] {
    const turns = this.turnsOf(experiment.name);
    const last = turns.at(-1);
    const { state, available } = standingOf(experiment, known, this.wasAvailable(experiment.name));
    if (last?.state === state && last.available === available) return [];
    const turn = { atMs, state, available };
    this.#own.add(turn);
    this.#turns.set(experiment.name, [...turns, turn].slice(-this.#mostOf()));
    this.#revision++;
    return [{ kind: "turn", experiment: experiment.name, turn }];
  }

  /** What this run has told of after `toMs` happened no later than that, by the clock of now. */
  #moveBack(toMs: number): readonly Change[] {
    for (const [name, turns] of this.#turns) {
      const late = turns.filter((turn) => turn.atMs > toMs && this.#own.has(turn));
      const newest = late.at(-1); // of turns at one moment the last counts
      if (newest === undefined) continue;
      const moved = { ...newest, atMs: toMs };
      this.#own.add(moved);
      this.#turns.set(name, [...turns.filter((turn) => !late.includes(turn)), moved].sort(byTime));
    }
    const until = (run: Run) => ({
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

  #set(name: string, turns: readonly Turn[]): void {
    if (turns.length > 0) this.#turns.set(name, turns.slice(-this.#mostOf()));
    else this.#turns.delete(name);
  }

  #forgetOthers(experiments: Lab["experiments"], nowMs: number): readonly Change[] {
    return this.forget([...this.#turns.keys()].filter((name) => !experiments.has(name)), nowMs);
  }

  /** Earlier runs that had begun when this one did, and have ended by then; and what this one ran before. */
  #pastRuns(): readonly Run[] {
    const { startedMs } = this.#run;
    const earlier = this.#earlier.filter((run) => run.startedMs <= startedMs)
      .map((run) => ({ ...run, aliveMs: Math.min(run.aliveMs, startedMs) }));
    return [...earlier, ...this.#before].sort((a, b) => a.startedMs - b.startedMs).slice(-runsMax);
  }
}

function byTime(a: Turn, b: Turn): number {
  return a.atMs - b.atMs;
}
