/**
 * Which system alerts have people been told of, and what is to be told of them now? The memory of `alertTurns` in `sources`,
 * which has the rule.
 */
import type { AlertCode, SystemAlert } from "./alert.ts";
import type { StoreView } from "./part_view.ts";
import { type Shift, shiftedAlert } from "./shift.ts";
import { type Alerting, alertTurns, knownAfter } from "./sources.ts";

export class Alarms {
  /** That people have been told of and that still hold. */
  #known: ReadonlyMap<AlertCode, SystemAlert>;
  /** Of this program's own start, to be told with the first judgement. */
  #owed: readonly SystemAlert[];

  constructor(known: ReadonlyMap<AlertCode, SystemAlert>, owed: readonly SystemAlert[]) {
    this.#known = known;
    this.#owed = owed;
  }

  get known(): ReadonlyMap<AlertCode, SystemAlert> {
    return this.#known;
  }

  /** What is to be told now, and is then known. */
  turns(now: Omit<Alerting, "storeError"> & { readonly store: StoreView }, nowMs: number): readonly SystemAlert[] {
    const { state, lastError } = now.store;
    const storeError = state === "failing" ? lastError ?? "" : null;
    const turns = alertTurns({ ...now, storeError }, this.#known, nowMs);
    this.#known = knownAfter(this.#known, turns);
    const owed = this.#owed;
    this.#owed = [];
    return [...owed, ...turns];
  }

  /** The clock was set. */
  shift(shift: Shift): void {
    this.#known = new Map([...this.#known].map(([code, alert]) => [code, shiftedAlert(alert, shift)]));
  }
}
