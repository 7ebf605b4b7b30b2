/**
 * What follows from a judgement, in this order: it is recorded, book is wished true to it, and people are told. Nothing here
 * waits for book or mail: they go on in the background, in `bookkeeper` and `outbox`.
 */
import { alertText, type HealthEvent, isSaidOnce, issueText, type SystemAlert } from "./alert.ts";
import { inPieces } from "./async.ts";
import type { Wish } from "./availability.ts";
import type { Bookkeeper } from "./bookkeeper.ts";
import type { Clock } from "./clock.ts";
import type { Lab } from "./experiment.ts";
import { wishFor } from "./health.ts";
import type { News } from "./letter.ts";
import type { Logger } from "./log.ts";
import type { Outbox } from "./outbox.ts";
import type { Recorder } from "./recorder.ts";
import { savedExperiment } from "./saved.ts";
import type { Change } from "./store.ts";

export interface ConsequencePorts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly recorder: Recorder;
}

/** The parts that act on a judgement. */
export interface Hands {
  readonly keeper: Bookkeeper;
  /** The mail's. */
  readonly outbox: Outbox;
  readonly webhook: Outbox;
}

/** How long a message waits for book to answer the changes it tells of. */
const gateMsMax = 2_000;

export class Consequences {
  readonly #ports: ConsequencePorts;
  readonly hands: Hands;
  #acted: Promise<void> = Promise.resolve();
  #said: Promise<void> = Promise.resolve();
  /** The laboratory that was last followed, and the one that book was last wished true to. */
  #followed: Lab | null = null;
  #wished: Lab | null = null;

  constructor(ports: ConsequencePorts, hands: Hands) {
    this.#ports = ports;
    this.hands = hands;
  }

  /** What an earlier run left to be told says what book holds, so it waits for that to be read: `booked`. */
  begin(booked: Promise<void>): void {
    const { outbox, webhook } = this.hands;
    const gate = this.#within(booked);
    for (const each of [outbox, webhook]) each.recorded(gate);
  }

  /** `turns`: what is to be recorded for history. */
  follow(
    judged: { lab: Lab; events: readonly HealthEvent[]; alerts: readonly SystemAlert[]; turns: readonly Change[] },
    nowMs: number,
  ): void {
    const { lab, events, alerts, turns } = judged;
    const reshaped = reshapedSince(this.#followed, lab);
    this.#followed = lab;
    this.#say(events, alerts);
    const hasNews = events.length + alerts.length > 0;
    if (!hasNews && reshaped.length + turns.length === 0 && !isWishDue(lab, this.#wished)) return;
    const changed = new Set([...events.map(({ experiment }) => experiment), ...reshaped]);
    const told: Change[] = [];
    for (const alert of alerts) if (!isSaidOnce(alert.code)) told.push({ kind: "alert", alert });
    const owing = hasNews ? this.#owe({ events, alerts }, told) : [];
    const changes = async () => {
      const happened = events.map((event) => ({ kind: "event", event } as const));
      return [...turns, ...happened, ...await experimentChanges(changed, lab, nowMs), ...told];
    };
    this.#record(changes, () => {
      this.#wish(lab);
      if (owing.length === 0) return;
      const gate = this.#gate();
      for (const each of owing) each.recorded(gate);
    });
  }

  /** The clock was set: records what has another date now. `turns`: what that is to history. */
  redated(was: Lab, lab: Lab, { turns, nowMs }: { turns: readonly Change[]; nowMs: number }): void {
    const others = [...lab.experiments.values()].filter(({ name, judged }) => {
      const before = was.experiments.get(name)?.judged;
      return judged.kind === "judged" && before?.kind === "judged" && judged.sinceMs !== before.sinceMs;
    });
    const names = others.map(({ name }) => name);
    this.#record(async () => [...turns, ...await experimentChanges(names, lab, nowMs)]);
  }

  /** Nothing has named these experiments for so long that they are known no more. `turns`: what that is to history. */
  forget(names: readonly string[], turns: readonly Change[]): void {
    for (const name of names) this.#ports.log.info(`${name}: forgotten, as nothing has named it for so long`);
    this.record([...names.map((name) => ({ kind: "forgotten", name } as const)), ...turns]);
  }

  /** Records `changes` after all that was recorded before. */
  record(changes: readonly Change[]): void {
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
    this.#said = this.#said.then(() => inPieces(lines, (say) => say()));
  }

  /** `then`: what depends on it is done when it is recorded. */
  #record(changes: () => Promise<readonly Change[]>, then: () => void = () => {}): void {
    this.#acted = this.#acted.then(async () => {
      const all = await changes();
      if (all.length > 0) await this.#ports.recorder.record(all);
      then();
    });
  }

  /** Adds to `changes` what is owed for `news`: with them, so that no kill comes between. Those that owe it. */
  #owe(news: News, changes: Change[]): readonly Outbox[] {
    const { outbox, webhook } = this.hands;
    return [outbox, webhook].filter((each) => {
      const owed = each.owe(news);
      changes.push(...owed);
      return owed.length > 0;
    });
  }

  #wish(lab: Lab): void {
    if (!isWishDue(lab, this.#wished)) return;
    this.#wished = lab;
    this.hands.keeper.wish(
      new Map(lab.resources.map((resource): [string, Wish] => [resource.name, wishFor(resource, lab)])),
    );
  }

  /** Resolves when book has answered all that is wished, or has had time enough. */
  async #gate(): Promise<void> {
    const stop = new AbortController();
    await this.#within(this.hands.keeper.settled(stop.signal).catch(() => {})); // book was slower: what it holds then is said
    stop.abort();
  }

  async #within(answered: Promise<void>): Promise<void> {
    const stop = new AbortController();
    const enough = this.#ports.clock.wait(gateMsMax, stop.signal).catch(() => {}); // book was quicker
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
function isWishDue(lab: Lab, wished: Lab | null): boolean {
  return wished === null || wished.relay.verdicts !== lab.relay.verdicts || wished.experiments !== lab.experiments;
}

/** Experiments that were judged before and whose streams are others now: what vanishes in a restart must be missed. */
function reshapedSince(before: Lab | null, lab: Lab): readonly string[] {
  if (before === null || before.experiments === lab.experiments) return [];
  return [...lab.experiments.values()]
    .filter(({ name, streams }) => before.experiments.has(name) && before.experiments.get(name)?.streams !== streams)
    .map(({ name }) => name);
}

/** Those of `names` that were judged, as they are in `lab`: in pieces, since it may be all. */
async function experimentChanges(names: Iterable<string>, lab: Lab, nowMs: number): Promise<readonly Change[]> {
  const changes: Change[] = [];
  await inPieces(names, (name) => {
    const known = lab.experiments.get(name);
    const experiment = known ? savedExperiment(known, lab, nowMs) : null;
    if (experiment) changes.push({ kind: "experiment", experiment });
  });
  return changes;
}
