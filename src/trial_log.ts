/** With BOOK_WRITES=off: says once what would be written to a resource, and again when that is another. */
import type { AvailabilityRules, ResourceState } from "./availability.ts";
import type { Lab } from "./experiment.ts";
import type { Logger } from "./log.ts";
import { trialsOf } from "./trial.ts";

export class TrialLog {
  readonly #log: Logger;
  readonly #rules: AvailabilityRules;
  /** What was said last: resources, and whether as available. */
  #said: ReadonlyMap<string, boolean> = new Map();

  constructor(log: Logger, rules: AvailabilityRules) {
    this.#log = log;
    this.#rules = rules;
  }

  /** `states`: what book said of the resources. */
  follow(lab: Lab, states: ReadonlyMap<string, ResourceState>, nowMs: number): void {
    const trials = trialsOf(lab.resources, { lab, states, rules: this.#rules }, nowMs);
    for (const [name, { available, reason }] of trials) {
      if (this.#said.get(name) === available) continue;
      this.#log.warn(`book: ${name} would be made ${available ? "available" : "unavailable"}`, { reason });
    }
    this.#said = new Map([...trials].map(([name, { available }]) => [name, available]));
  }
}
