/**
 * What follows from an evaluation, in this order: events and what is owed for them are recorded in one transaction, book gets
 * its desired availabilities, messages are released. Nothing here waits for book or mail: `book_sync` and `outbox` work in the
 * background.
 */
import { alertText, type HealthEvent, isOneShot, issueText, type SystemAlert } from "./alerts.ts";
import { forEachYielding } from "./async.ts";
import type { BookSync } from "./book_sync.ts";
import type { Clock } from "./clock.ts";
import { type DesiredAvailability, desiredAvailability } from "./health.ts";
import { type LabState, persistedExperiment } from "./lab.ts";
import type { Logger } from "./log.ts";
import type { NotificationContent } from "./notification.ts";
import type { Outbox } from "./outbox.ts";
import type { StoreChange } from "./persisted.ts";
import type { StoreWriter } from "./store_writer.ts";

export interface EffectPorts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly recorder: StoreWriter;
}

/** The parts that act on an evaluation. */
export interface Effectors {
  readonly keeper: BookSync;
  /** The mail's. */
  readonly outbox: Outbox;
  readonly webhook: Outbox;
}

/** How long a message waits until book has answered the changes that it tells of. */
const releaseMsMax = 2_000;

export class EffectRunner {
  readonly #ports: EffectPorts;
  readonly hands: Effectors;
  #acted: Promise<void> = Promise.resolve();
  #said: Promise<void> = Promise.resolve();
  /** The laboratory last followed, and the one whose desired availabilities book_sync last got. */
  #followed: LabState | null = null;
  #desired: LabState | null = null;

  constructor(ports: EffectPorts, hands: Effectors) {
    this.#ports = ports;
    this.hands = hands;
  }

  /** What an earlier run left to be told says what book holds, so it waits for that to be read: `booked`. */
  begin(booked: Promise<void>): void {
    const { outbox, webhook } = this.hands;
    const releaseAfter = this.#within(booked);
    for (const each of [outbox, webhook]) each.release(releaseAfter);
  }

  /** `turns`: what is to be recorded for history. */
  follow(
    judged: {
      lab: LabState;
      events: readonly HealthEvent[];
      alerts: readonly SystemAlert[];
      turns: readonly StoreChange[];
    },
    nowMs: number,
  ): void {
    const { lab, events, alerts, turns } = judged;
    const reshaped = reshapedSince(this.#followed, lab);
    this.#followed = lab;
    this.#say(events, alerts);
    const hasNews = events.length + alerts.length > 0;
    if (!hasNews && reshaped.length + turns.length === 0 && !isDesireDue(lab, this.#desired)) return;
    const changed = new Set([...events.map(({ experiment }) => experiment), ...reshaped]);
    const told: StoreChange[] = [];
    for (const alert of alerts) if (!isOneShot(alert.code)) told.push({ kind: "alert", alert });
    const owing = hasNews ? this.#owe({ events, alerts }, told) : [];
    const changes = async () => {
      const happened = events.map((event) => ({ kind: "event", event } as const));
      return [...turns, ...happened, ...await experimentChanges(changed, lab, nowMs), ...told];
    };
    this.#record(changes, () => {
      this.#setDesired(lab);
      if (owing.length === 0) return;
      const releaseAfter = this.#releaseAfter();
      for (const each of owing) each.release(releaseAfter);
    });
  }

  /** The clock was set: records what has another date now. `turns`: what that is to history. */
  redated(was: LabState, lab: LabState, { turns, nowMs }: { turns: readonly StoreChange[]; nowMs: number }): void {
    const others = [...lab.experiments.values()].filter(({ name, judged }) => {
      const before = was.experiments.get(name)?.judged;
      return judged.kind === "judged" && before?.kind === "judged" && judged.sinceMs !== before.sinceMs;
    });
    const names = others.map(({ name }) => name);
    this.#record(async () => [...turns, ...await experimentChanges(names, lab, nowMs)]);
  }

  /** Nothing has named these experiments for so long that they are known no more. `turns`: what that is to history. */
  forget(names: readonly string[], turns: readonly StoreChange[]): void {
    for (const name of names) this.#ports.log.info(`${name}: forgotten (not listed or reported for HEALTH_FORGET)`);
    this.record([...names.map((name) => ({ kind: "forgotten", name } as const)), ...turns]);
  }

  /** Records `changes` after all that was recorded before. */
  record(changes: readonly StoreChange[]): void {
    this.#record(() => Promise.resolve(changes));
  }

  /** Resolves when all so far is recorded and handed on. */
  async settled(): Promise<void> {
    await Promise.all([this.#acted, this.#said]);
  }

  /** In the log, line by line: of a whole laboratory that changes there are thousands. */
  #say(events: readonly HealthEvent[], alerts: readonly SystemAlert[]): void {
    if (events.length + alerts.length === 0) return;
    const lines = [
      ...events.map((event) => () => this.#logEvent(event)),
      ...alerts.map((alert) => () => this.#ports.log[alert.turn === "raised" ? "error" : "warn"](alertText(alert))),
    ];
    this.#said = this.#said.then(() => forEachYielding(lines, (say) => say()));
  }

  /** `then`: what depends on it is done when it is recorded. */
  #record(changes: () => Promise<readonly StoreChange[]>, then: () => void = () => {}): void {
    this.#acted = this.#acted.then(async () => {
      const all = await changes();
      if (all.length > 0) await this.#ports.recorder.record(all);
      then();
    });
  }

  /** Adds to `changes` what is owed for `news`: with them, so that no kill comes between. Those that owe it. */
  #owe(news: NotificationContent, changes: StoreChange[]): readonly Outbox[] {
    const { outbox, webhook } = this.hands;
    return [outbox, webhook].filter((each) => {
      const owed = each.enqueue(news);
      changes.push(...owed);
      return owed.length > 0;
    });
  }

  #setDesired(lab: LabState): void {
    if (!isDesireDue(lab, this.#desired)) return;
    this.#desired = lab;
    this.hands.keeper.setDesired(
      new Map(
        lab.resources.map((
          resource,
        ): [string, DesiredAvailability] => [resource.name, desiredAvailability(resource, lab)]),
      ),
    );
  }

  /** Resolves when book has answered all that is desired, or has had time enough. */
  async #releaseAfter(): Promise<void> {
    const stop = new AbortController();
    await this.#within(this.hands.keeper.settled(stop.signal).catch(() => {})); // book was slower: what it holds then is said
    stop.abort();
  }

  async #within(answered: Promise<void>): Promise<void> {
    const stop = new AbortController();
    const enough = this.#ports.clock.wait(releaseMsMax, stop.signal).catch(() => {}); // book was quicker
    await Promise.race([answered, enough]);
    stop.abort();
  }

  #logEvent({ experiment, healthy, issues }: HealthEvent): void {
    const words = issues.map(issueText);
    if (healthy) this.#ports.log.info(`${experiment}: ok`);
    else this.#ports.log.warn(`${experiment}: ${words.join(", ")}`, { issues: words });
  }
}

/** Wishes come from verdicts and from the manifest alone: most reports change neither. */
function isDesireDue(lab: LabState, desired: LabState | null): boolean {
  return desired === null || desired.relay.verdicts !== lab.relay.verdicts || desired.experiments !== lab.experiments;
}

/** Experiments that were judged before and whose streams are others now: what vanishes in a restart must be missed. */
function reshapedSince(before: LabState | null, lab: LabState): readonly string[] {
  if (before === null || before.experiments === lab.experiments) return [];
  return [...lab.experiments.values()]
    .filter(({ name, streams }) => before.experiments.has(name) && before.experiments.get(name)?.streams !== streams)
    .map(({ name }) => name);
}

/** Those of `names` that were judged, as they are in `lab`: in pieces, since it may be all. */
async function experimentChanges(
  names: Iterable<string>,
  lab: LabState,
  nowMs: number,
): Promise<readonly StoreChange[]> {
  const changes: StoreChange[] = [];
  await forEachYielding(names, (name) => {
    const known = lab.experiments.get(name);
    const experiment = known ? persistedExperiment(known, lab, nowMs) : null;
    if (experiment) changes.push({ kind: "experiment", experiment });
  });
  return changes;
}
