/**
 * The history as it happens: at which moments an experiment came to stand otherwise, and while when the monitor ran. Says
 * what is to be recorded of it, and does nothing else. What can be read from it is for `history`.
 * It never goes back: while the clock is behind what it showed before, what happens is put at the end.
 */
import type { Experiment, Lab } from "./experiment.ts";
import type { Run, Turn } from "./history.ts";
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
  #before: readonly Run[];
  #run: Run;
  /** Until when this run is recorded to have lasted. */
  #beatMs = -Infinity;
  /** What is to be recorded of how the last run ended. */
  #owed: readonly Change[];
  /** What the last standings were read from. */
  #followed: Pick<Known, "states"> & { experiments: Lab["experiments"]; conditions: string } | null = null;
  #revision = 0;

  /** `saved`: what earlier runs left. `lab`: as it is restored from that. */
  constructor(
    saved: Pick<Saved, "turns" | "runs">,
    { startedMs, experiments }: Pick<Lab, "startedMs" | "experiments">,
  ) {
    // The clock may have been put back: what is still to come according to an earlier run is no past of this one.
    const past = [...saved.turns].map(([name, turns]) =>
      [name, turns.filter(({ atMs }) => atMs <= startedMs)] as const
    );
    const watched = past.filter(([, turns]) => turns.length > 0);
    this.#turns = new Map(watched);
    const most = this.#mostOf();
    for (const [name, turns] of watched) this.#turns.set(name, turns.slice(-most));
    this.#before = saved.runs.filter((run) => run.startedMs <= startedMs).slice(-runsMax)
      .map((run) => ({ ...run, aliveMs: Math.min(run.aliveMs, startedMs) }));
    this.#run = { startedMs, aliveMs: startedMs };
    // What was never judged is not restored: it is watched again when something names it.
    this.#owed = this.forget(watched.map(([name]) => name).filter((name) => !experiments.has(name)), startedMs);
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
    return names.filter((name) => this.#turns.delete(name)).map((experiment) => {
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
    return this.#turns.get(name)?.at(-1)?.available ?? false;
  }

  /** The newest turns of one experiment since it was last forgotten, oldest first, `turnsMax` at most. */
  turnsOf(name: string): readonly Turn[] {
    return this.#turns.get(name) ?? [];
  }

  /** When the monitor ran, oldest first, this run included: until `nowMs`, unless it is only just waking up. */
  runs(nowMs: number): readonly Run[] {
    const { startedMs, aliveMs } = this.#run;
    return [...this.#before, { startedMs, aliveMs: nowMs - aliveMs > gapMs ? aliveMs : Math.max(aliveMs, nowMs) }];
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
    const atMs = was === null ? this.#run.startedMs : this.#run.aliveMs; // the first of a run hold from its start
    return [...experiments.values()].flatMap((experiment) => this.#turned(experiment, known, atMs));
  }

  /** Turns of one experiment. */
  #mostOf(): number {
    return Math.min(Math.max(Math.floor(turnsTotalMax / Math.max(this.#turns.size, 1)), turnsMin), turnsMax);
  }

  #turned(experiment: Experiment, known: Known, atMs: number): readonly Change[] {
    const turns = this.turnsOf(experiment.name);
    const last = turns.at(-1);
    const { state, available } = standingOf(experiment, known, last?.available ?? false);
    if (last?.state === state && last.available === available) return [];
    const turn = { atMs, state, available };
    this.#turns.set(experiment.name, [...turns, turn].slice(-this.#mostOf()));
    this.#revision++;
    return [{ kind: "turn", experiment: experiment.name, turn }];
  }
}
