/** With BOOK_WRITES=off: says once what would be written to a resource, and again when that is another. */
import type { Logger } from "./log.ts";
import type { trialsOf } from "./trial.ts";

export class TrialLog {
  readonly #log: Logger;
  /** What was said last: resources, and whether as available. */
  #said: ReadonlyMap<string, boolean> = new Map();

  constructor(log: Logger) {
    this.#log = log;
  }

  follow(trials: ReturnType<typeof trialsOf>): void {
    for (const [name, { available, reason }] of trials) {
      if (this.#said.get(name) === available) continue;
      this.#log.warn(`book: ${name} would be made ${available ? "available" : "unavailable"}`, { reason });
    }
    this.#said = new Map([...trials].map(([name, { available }]) => [name, available]));
  }
}
