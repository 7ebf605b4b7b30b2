/**
 * The audit of the kill loop: every recorded event reached people exactly once, by mail and by webhook; what people know is what
 * is recorded and was true; book was only told what it did not hold, after a read, and never against a person.
 */
import type { Happening } from "../simulator/board.ts";
import type { Book } from "../simulator/book.ts";
import type { Posted, ReceivedMail } from "../simulator/receivers.ts";
import type { World } from "../simulator/world.ts";
import type { KillLab } from "./kill_lab.ts";
import { isHeld } from "./kill_loop.ts";
import type { Step, StoreContents, StoredEvent, StoredLetter, Subject } from "./kill_subject.ts";

/** `NAME CODE[ISSUES]`, as `mail` writes it. */
const line = /^(\S+) (?:-- A {3}|>< {3}U |ok A|ok {3}U)(?:\[(.*?)\])?(?: \(held: .*\))?$/;

export class Audit {
  readonly mails = new Deliveries<ReceivedMail>("mail");
  readonly hooks = new Deliveries<Posted>("webhook message");
  readonly #faults: string[] = [];
  #recorded: StoreContents | null = null;

  get faults(): readonly string[] {
    return [...this.#faults, ...this.mails.faults, ...this.hooks.faults];
  }

  /** Recorded so far. */
  get recorded(): { events: number; turns: number } {
    return { events: this.#recorded?.events.length ?? 0, turns: this.#recorded?.turns.length ?? 0 };
  }

  /** A mail is on its way. `letterOf`: what is recorded of a message now. */
  mailed(text: string, now: { atMs: number; life: number }, letterOf: (text: string) => StoredLetter | null): void {
    this.mails.handed({
      key: /^Message-ID: <status\.([^@>]+)@/mi.exec(text)?.[1] ?? "",
      text,
      letter: letterOf(text),
      ...now,
    });
  }

  /** The same of a message to the webhook, which says its events in full. */
  posted(text: string, now: { atMs: number; life: number }, letterOf: (text: string) => StoredLetter | null): void {
    const letter = letterOf(text);
    const { id: key, events } = JSON.parse(text) as NonNullable<Posted["message"]>;
    this.hooks.handed({ key, text, letter, ...now });
    const told = events.map(({ experiment, when, issues }) => keyOf({ experiment, atMs: Date.parse(when), issues }));
    if (told.join("; ") !== letter?.events.map(keyOf).join("; ")) {
      this.#faults.push(`webhook message ${key} tells of ${told}`);
    }
  }

  /** It has ended; `left` is what it left if it was killed. */
  ended(life: number, subject: Subject, left: StoreContents | null): void {
    for (const said of subject.log.split("\n").filter((each) => each.includes('"kind":"refused"'))) {
      const { time, mail, message } = JSON.parse(said) as { time: string; mail?: string; message?: string };
      if (mail !== undefined) this.mails.refused(mail, Date.parse(time));
      if (message !== undefined) this.hooks.refused(message, Date.parse(time));
    }
    this.mails.killed(life, left);
    this.hooks.killed(life, left);
    if (left) this.#keeps(left);
  }

  /** When nothing is under way. */
  atRest(stored: StoreContents, lab: KillLab): void {
    this.#collect(lab.world);
    this.#keeps(stored);
    for (const { id } of stored.letters) this.#faults.push(`letter ${id} is still owed`);
    this.mails.atRest(stored);
    this.hooks.atRest(stored);
    for (const [, own] of Map.groupBy(stored.events, ({ experiment }) => experiment)) this.#followEachOther(own, lab);
    this.#reads(stored.events);
  }

  #collect({ mailbox, hook }: World): void {
    this.mails.collect(mailbox.mails.map((mail) => ({ atMs: mail.atMs, text: mail.raw, message: mail })));
    this.hooks.collect(hook.taken.map((post) => ({ atMs: post.atMs, text: post.body, message: post })));
    for (const { signed, key, message } of hook.posts) {
      if (!signed || key !== message?.id) {
        this.#faults.push(`webhook message ${key} is not signed, or not what its key says`);
      }
    }
  }

  /** What was recorded stays recorded, in its order. */
  #keeps(stored: StoreContents): void {
    for (const kind of ["events", "turns"] as const) {
      const before = this.#recorded?.[kind] ?? [];
      const now = stored[kind].slice(0, before.length);
      if (JSON.stringify(before) !== JSON.stringify(now)) {
        this.#faults.push(`${kind} that were recorded are not there now`);
      }
    }
    this.#recorded = stored;
  }

  #followEachOther(events: readonly StoredEvent[], lab: KillLab): void {
    for (const [at, event] of events.entries()) {
      const before = events[at - 1];
      if (before && before.atMs > event.atMs) {
        this.#faults.push(`${keyOf(event)} comes before ${keyOf(before)}`);
      }
      if (before && JSON.stringify(before.issues) === JSON.stringify(event.issues)) {
        this.#faults.push(`${keyOf(event)} says what the one before said`);
      }
      const was = byEntry(before), is = byEntry(event);
      for (const entry of new Set([...was.keys(), ...is.keys()])) {
        const issue = is.get(entry) ?? null;
        if (was.get(entry) === issue || lab.wasSo(entry, issue, event.atMs)) continue;
        this.#faults.push(`${keyOf(event)}, but ${entry} was never ${issue ?? "ok"} then`);
      }
    }
  }

  /** Who reads the mails, and remembers the newest line of each experiment, knows how they all are. */
  #reads(events: readonly StoredEvent[]): void {
    const known = new Map<string, string>();
    let problems = "";
    for (const { message: { text } } of this.mails.first()) {
      const [news = "", all = ""] = text.split("All new and existing health issues:\n");
      for (const [name, issues] of linesOf(news)) known.set(name, issues);
      problems = linesOf(all.split("\n\n")[0] ?? "").map((each) => each.join(" ")).join("; ");
    }
    const last = new Map(events.map(({ experiment, issues }) => [experiment, issues.join(", ")]));
    for (const [name, issues] of last) {
      if (known.get(name) !== issues) {
        this.#faults.push(`${name}: a reader knows "${known.get(name)}", and it is "${issues}"`);
      }
    }
    const now = [...last].filter(([, issues]) => issues !== "").sort().map((each) => each.join(" ")).join("; ");
    if (problems !== now) this.#faults.push(`the newest mail lists "${problems}", and the problems are "${now}"`);
  }
}

function linesOf(text: string): [name: string, issues: string][] {
  return text.split("\n").flatMap((each) => {
    const [, name, issues = ""] = line.exec(each) ?? [];
    return name === undefined ? [] : [[name, issues]];
  });
}

/** What was wrong with what; required or not is book's word, not the stream's. */
function byEntry(event: StoredEvent | undefined): Map<string, string> {
  return new Map(
    event?.issues.map((issue) => {
      const [kind = "", ...rest] = issue.replace("missing required ", "missing ").split(" ");
      return [rest[0] === "jump" ? `host ${event.experiment}` : `stream ${rest.join(" ")}`, kind];
    }),
  );
}

// PUTs, each compared with the last read and with what book held when it came.

interface Read {
  readonly life: number;
  readonly available: boolean;
  readonly reason: string;
}

export class BookAudit {
  readonly faults: string[] = [];
  readonly counts = { puts: 0, raced: 0 };
  readonly #book: Book;
  readonly #reads = new Map<string, Read>();
  #held = new Map<string, { available: boolean; reason: string }>();

  constructor(book: Book) {
    this.#book = book;
    this.#look();
  }

  /** The program has been answered. */
  answered(step: Step, life: number): void {
    if (step.kind !== "http-answered" || step.asked.method !== "GET" || step.status !== 200) return;
    const name = /\/resources\/([^/?]+)$/.exec(step.asked.target)?.[1];
    if (name !== undefined) this.#reads.set(decodeURIComponent(name), { life, ...JSON.parse(step.body) });
  }

  happened({ part, text }: Happening, life: number): void {
    if (part !== "book") return;
    const [, name, word, reason] = /^book is told to make (\S+) (available|unavailable): (.*)$/.exec(text) ?? [];
    if (name !== undefined) this.#told(name, { available: word === "available", reason: reason ?? "" }, life);
    this.#look();
  }

  #told(name: string, wanted: { available: boolean; reason: string }, life: number): void {
    this.counts.puts++;
    const fault = (words: string) => void this.faults.push(`${name} was made ${JSON.stringify(wanted)}, ${words}`);
    const read = this.#reads.get(name);
    const held = this.#held.get(name);
    if (read === undefined || read.life !== life) return fault("and this run of the program had not asked about it");
    if (isHeld(read)) fault("though the program had read that a person took it off");
    if (read.available === wanted.available) fault("which the program had read that it was");
    if (!wanted.reason.startsWith("status server: ")) fault("for no reason of its own");
    if (held?.available !== read.available || held.reason !== read.reason) this.counts.raced++; // somebody came between
    this.#reads.delete(name);
  }

  #look(): void {
    this.#held = new Map(this.#book.loaded().map(({ name, available, reason }) => [name, { available, reason }]));
  }
}

// Deliveries to one receiver: each message as handed over, which of them arrived, and why one was repeated.

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

  /** The last message about an experiment says its last state. */
  #tellsInOrder(told: readonly Omit<StoredEvent, "id">[]): void {
    for (const [name, own] of Map.groupBy(told, ({ experiment }) => experiment)) {
      const late = own.find(({ atMs }, at) => atMs < (own[at - 1]?.atMs ?? 0));
      if (late) {
        this.faults.push(`a ${this.#what} told of ${name} in another order: ${keyOf(late)} came late`);
      }
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
