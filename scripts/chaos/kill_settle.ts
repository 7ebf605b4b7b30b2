/**
 * Lets everything come to rest on a stage, and compares all that was told, recorded, written to book and shown with what is so.
 * What is compared is for `kill_rest` (as it is now), `kill_audit` (mails) and `kill_book_audit` (PUTs).
 */
import type { ExperimentJson, HistoryJson } from "../../src/api_schema.ts";
import { forgotten, historyFaults, knownOf, type StatusSaid, unrest } from "./kill_rest.ts";
import type { KillStage } from "./kill_stage.ts";
import { storeContents } from "./kill_store.ts";

const restMsMax = 120_000;

export class Settler {
  readonly #stage: KillStage;
  /** What the program knew of when it was last at rest. */
  #known: ReadonlyMap<string, readonly string[]> = new Map();

  constructor(stage: KillStage) {
    this.#stage = stage;
  }

  /** The services are mended and the program started, if it does not run; it pays all that it owes. Throws what is wrong. */
  async rest(): Promise<void> {
    const stage = this.#stage;
    await stage.lab.heal();
    if (!stage.isRunning) stage.start();
    await stage.listening();
    let left: string[] = [];
    const isQuiet = async () => (left = await this.#unrest()).length === 0;
    // On a busy machine a feed may be late, and that be told of. What is wrong by a report shows up in the next few.
    const staysQuiet = async () => await isQuiet() && (await stage.reports(5), await isQuiet());
    await stage.until(staysQuiet, "rest", restMsMax).catch((error) => {
      throw new Error(`it does not come to rest:\n  ${left.join("\n  ")}`, { cause: error });
    });
    await this.#compare();
  }

  /** Throws what was found wrong so far. */
  check(faults: readonly string[] = []): void {
    const all = [...faults, ...this.#stage.audit.faults, ...this.#stage.book.faults];
    if (all.length > 0) throw new Error(all.join("\n  "));
  }

  async #unrest(): Promise<string[]> {
    const stage = this.#stage;
    const [status, experiments] = await this.#said();
    return [...unrest(status, experiments, stage.lab), ...forgotten(experiments, this.#known)];
  }

  async #said(): Promise<[StatusSaid, ExperimentJson[]]> {
    const stage = this.#stage;
    return [await stage.json<StatusSaid>("/api/v1/status"), await stage.json<ExperimentJson[]>("/api/v1/experiments")];
  }

  async #compare(): Promise<void> {
    const stage = this.#stage;
    const [, experiments] = await this.#said();
    this.#known = knownOf(experiments);
    const stored = storeContents(stage.storeFile);
    stage.audit.atRest(stored, stage.lab);
    const faults = stored.alerts.map((code) => `the alert ${code} is still up`);
    for (const said of experiments) {
      const name = said.topic_name;
      const path = `/api/v1/experiments/${name}/history?window=1h`;
      faults.push(...historyFaults(await stage.json<HistoryJson>(path), said, stage.gaps));
      const events = await stage.json<{ when: string; issues: string[] }[]>(`/api/v1/experiments/events/${name}`);
      const shown = events.map(({ when, issues }) => `${new Date(when).toISOString()} ${issues}`).join("; "); // as whole ms
      const kept = stored.events.filter(({ experiment }) => experiment === name)
        .map(({ atMs, issues }) => `${new Date(atMs).toISOString()} ${issues}`).join("; ");
      // Else a change was judged and nobody told: no event was lost that could be found by comparing events.
      const told = events.at(-1)?.issues.join(", "), now = said.issues.join(", ");
      if (told !== now) faults.push(`${name} has issues [${now}], and its last event told [${told}]`);
      if (shown !== kept) faults.push(`${name}: the API has the events ${shown}\n  and the store ${kept}`);
    }
    this.check(faults);
  }
}
