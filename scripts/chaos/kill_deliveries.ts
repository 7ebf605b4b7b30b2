/**
 * What went to one receiver, a mail server or a webhook: each message as it was handed over, which of them came, and why one
 * came again. What the messages have to tell is for `kill_audit`.
 */
import type { StoreContents, StoredEvent, StoredLetter } from "./kill_store.ts";

/** A message as the program handed it over. */
interface Handed {
  /** What tells a repeat from another message: the Message-ID, the Idempotency-Key. */
  readonly key: string;
  readonly text: string;
  readonly atMs: number;
  readonly life: number;
  /** What is recorded of it at that moment. */
  readonly letter: StoredLetter | null;
  /** The program was sent the answer that it was taken. */
  told: boolean;
}

/** A message that the receiver took. */
export interface Arrived<Message> {
  readonly atMs: number;
  readonly message: Message;
  readonly handed: Handed;
}

export class Deliveries<Message extends object> {
  readonly faults: string[] = [];
  /** Repeats: of what was taken without a word, and of what was not yet marked as taken at a kill. */
  readonly repeats = { unsaid: 0, unmarked: 0 };
  readonly arrived: Arrived<Message>[] = [];
  readonly #what: string;
  readonly #handed: Handed[] = [];
  readonly #seen = new WeakSet<Message>();
  /** By life that was killed, the messages that were frozen then. */
  readonly #inFlight = new Map<number, ReadonlySet<string>>();
  /** When the receiver said no to a message that it may have taken before: then it has it no more. */
  readonly #refusedMs = new Map<string, number>();

  /** `what`: `mail`, `webhook message`. */
  constructor(what: string) {
    this.#what = what;
  }

  /** A whole message is on its way. */
  handed(now: Omit<Handed, "told">): void {
    if (now.letter?.frozen?.trimEnd() !== now.text.trimEnd()) {
      this.#fault(now.key, "was handed over before it was recorded");
    }
    this.#handed.push({ ...now, told: false });
  }

  /** The answer that the newest message was taken has been passed on. */
  told(): void {
    const newest = this.#handed.at(-1);
    if (newest) newest.told = true;
  }

  refused(key: string, atMs: number): void {
    this.#refusedMs.set(key, atMs);
  }

  killed(life: number, left: StoreContents | null): void {
    const frozen = left?.letters.flatMap((letter) => letter.frozen === null ? [] : [letter.frozen.trimEnd()]) ?? [];
    this.#inFlight.set(life, new Set(frozen));
  }

  /** All that the receiver has taken. */
  collect(taken: readonly { atMs: number; text: string; message: Message }[]): void {
    for (const { atMs, text, message } of taken) {
      if (this.#seen.has(message)) continue;
      this.#seen.add(message);
      const handed = this.#handed.findLast((each) => each.atMs <= atMs && each.text.trimEnd() === text.trimEnd());
      if (handed) this.#take({ atMs, message, handed });
      else this.faults.push(`a ${this.#what} came that nobody handed over: ${text.slice(0, 500)}`);
    }
  }

  /** Each message once: as it came first, or came first again after the receiver had refused it. */
  first(): Arrived<Message>[] {
    const groups = Map.groupBy(this.arrived.filter((each) => !this.#isDisowned(each)), ({ handed }) => handed.key);
    return [...groups.values()].flatMap(([first]) => first ? [first] : []);
  }

  /** Every recorded event was told of in one message, and nothing else was; alerts began and ended in turn. */
  atRest(stored: StoreContents): void {
    const letters = this.first().map(({ handed }) => handed.letter);
    const told = letters.flatMap((letter) => letter?.events ?? []);
    this.#tellsEachOnce(stored.events.map(keyOf), told.map(keyOf));
    this.#tellsInOrder(told);
    const turns = letters.flatMap((letter) => letter?.alerts ?? []);
    for (const [code, own] of Map.groupBy(turns, (alert) => alert.code)) {
      const said = own.map(({ turn }) => turn);
      const isRight = said.every((turn, at) => turn === (at % 2 === 0 ? "raised" : "cleared")) && said.length % 2 === 0;
      if (!isRight) this.faults.push(`the alert ${code} was told of by ${this.#what} as ${said.slice(-6).join(", ")}`);
    }
  }

  /** What is told of an experiment last is what was last so. */
  #tellsInOrder(told: readonly Omit<StoredEvent, "id">[]): void {
    for (const [name, own] of Map.groupBy(told, ({ experiment }) => experiment)) {
      const late = own.find(({ atMs }, at) => atMs < (own[at - 1]?.atMs ?? 0));
      if (late) this.faults.push(`a ${this.#what} told of ${name} in another order: ${keyOf(late)} came late`);
    }
  }

  #tellsEachOnce(recorded: readonly string[], told: readonly string[]): void {
    const count = new Map<string, number>();
    for (const key of told) count.set(key, (count.get(key) ?? 0) + 1);
    for (const key of recorded) if (!count.has(key)) this.faults.push(`no ${this.#what} told of ${key}`);
    for (const [key, times] of count) if (times > 1) this.faults.push(`${times} ${this.#what}s told of ${key}`);
    const known = new Set(recorded);
    for (const key of told) {
      if (!known.has(key)) this.faults.push(`a ${this.#what} told of ${key}, which is not recorded`);
    }
  }

  #take(now: Arrived<Message>): void {
    const { key, life, text } = now.handed;
    const before = this.arrived.findLast((each) => each.handed.key === key);
    this.arrived.push(now);
    if (before === undefined || this.#isDisowned(before)) return;
    if (before.handed.text !== text) this.#fault(key, "came again in other words");
    const wasInFlight = this.#inFlight.get(before.handed.life)?.has(text.trimEnd());
    if (!before.handed.told) this.repeats.unsaid++;
    else if (wasInFlight && before.handed.life !== life) this.repeats.unmarked++;
    else this.#fault(key, "came again, though the program knew that it was taken");
  }

  #isDisowned({ handed, atMs }: Arrived<Message>): boolean {
    return (this.#refusedMs.get(handed.key) ?? -Infinity) > atMs;
  }

  #fault(key: string, words: string): void {
    this.faults.push(`${this.#what} ${key} ${words}`);
  }
}

export function keyOf({ experiment, atMs, issues }: Omit<StoredEvent, "id">): string {
  return `${experiment} at ${new Date(atMs).toISOString()} [${issues.join(", ")}]`;
}
