/**
 * Did every event that was recorded reach people in one mail, and nothing else? Mails as they came, what was handed over when,
 * and what the store holds, held against each other and against what was so in the laboratory.
 */
import type { KillLab } from "./kill_lab.ts";
import type { StoreContents, StoredEvent, StoredLetter } from "./kill_store.ts";
import type { ReceivedMail } from "./world_mail.ts";

/** A message as the program handed it over. */
interface Handed {
  readonly id: string;
  readonly atMs: number;
  readonly life: number;
  readonly raw: string;
  readonly letter: StoredLetter | null;
  /** The program was sent the answer that it was taken. */
  told: boolean;
}

interface Arrived {
  readonly mail: ReceivedMail;
  readonly handed: Handed;
}

/** `NAME CODE[ISSUES]`, as `mail` writes it. */
const line = /^(\S+) (?:-- A {3}|>< {3}U |ok A|ok {3}U)(?:\[(.*?)\])?(?: \(held: .*\))?$/;

export class MailAudit {
  readonly faults: string[] = [];
  /** Mails by how they were repeated: their answer was not sent, or was but not yet marked at a kill. */
  readonly repeats = { unsaid: 0, unmarked: 0 };
  readonly arrived: Arrived[] = [];
  readonly #handed: Handed[] = [];
  readonly #seen = new WeakSet<ReceivedMail>();
  /** By life that was killed, the letters that were frozen then. */
  readonly #inFlight = new Map<number, ReadonlySet<string>>();
  #recorded: StoreContents | null = null;

  /** Recorded so far. */
  get events(): number {
    return this.#recorded?.events.length ?? 0;
  }

  /** Recorded so far, for the history. */
  get turns(): number {
    return this.#recorded?.turns.length ?? 0;
  }

  /** A whole message is on its way: `letter` is what is recorded of it at that moment. */
  handed(raw: string, now: { atMs: number; life: number }, letterOf: (id: string) => StoredLetter | null): void {
    const id = /^Message-ID: <status\.([^@>]+)@/mi.exec(raw)?.[1] ?? "";
    const letter = letterOf(id);
    if (letter?.frozen?.trimEnd() !== raw.trimEnd()) {
      this.faults.push(`mail ${id} was handed over before it was recorded`);
    }
    this.#handed.push({ id, raw, letter, ...now, told: false });
  }

  /** The answer that the newest message was taken has been passed on. */
  told(): void {
    const newest = this.#handed.at(-1);
    if (newest) newest.told = true;
  }

  killed(life: number, left: StoreContents | null): void {
    const frozen = left?.letters.filter((letter) => letter.frozen !== null) ?? [];
    this.#inFlight.set(life, new Set(frozen.map(({ id }) => id)));
    if (left) this.#keeps(left);
  }

  /** All that the mail server has. */
  collect(mails: readonly ReceivedMail[]): void {
    for (const mail of mails) {
      if (this.#seen.has(mail)) continue;
      this.#seen.add(mail);
      const handed = this.#handed.findLast((each) =>
        each.atMs <= mail.atMs && each.raw.trimEnd() === mail.raw.trimEnd()
      );
      if (handed) this.#take({ mail, handed });
      else this.faults.push(`a mail came that nobody handed over: ${mail.messageId} ${mail.subject}`);
    }
  }

  /** When nothing is under way: what people know is what is recorded, and that is so in the laboratory. */
  atRest(stored: StoreContents, lab: KillLab): void {
    this.#keeps(stored);
    for (const { id } of stored.letters) this.faults.push(`mail ${id} is still owed`);
    this.#tellsEachOnce(stored.events);
    this.#alternates();
    for (const [, own] of Map.groupBy(stored.events, ({ experiment }) => experiment)) this.#followEachOther(own, lab);
    this.#reads(stored.events);
  }

  /** What was recorded stays recorded, in its order. */
  #keeps(stored: StoreContents): void {
    for (const kind of ["events", "turns"] as const) {
      const before = this.#recorded?.[kind] ?? [];
      const now = stored[kind].slice(0, before.length);
      if (JSON.stringify(before) !== JSON.stringify(now)) {
        this.faults.push(`${kind} that were recorded are there no longer`);
      }
    }
    this.#recorded = stored;
  }

  #take(now: Arrived): void {
    const { id } = now.handed;
    const before = this.arrived.findLast(({ handed }) => handed.id === id);
    this.arrived.push(now);
    if (before === undefined) return;
    if (before.mail.raw !== now.mail.raw) this.faults.push(`mail ${id} came again in other words`);
    if (!before.handed.told) this.repeats.unsaid++;
    else if (this.#inFlight.get(before.handed.life)?.has(id) && before.handed.life !== now.handed.life) {
      this.repeats.unmarked++;
    } else this.faults.push(`mail ${id} came again, though the program knew that it was taken`);
  }

  #first(): Arrived[] {
    return [...Map.groupBy(this.arrived, ({ handed }) => handed.id).values()].flatMap(([first]) =>
      first ? [first] : []
    );
  }

  #tellsEachOnce(events: readonly StoredEvent[]): void {
    const recorded = events.map(keyOf);
    const told = this.#first().flatMap(({ handed }) => handed.letter?.events.map(keyOf) ?? []);
    const count = new Map<string, number>();
    for (const key of told) count.set(key, (count.get(key) ?? 0) + 1);
    for (const key of recorded) if (!count.has(key)) this.faults.push(`no mail told of ${key}`);
    for (const [key, times] of count) if (times > 1) this.faults.push(`${times} mails told of ${key}`);
    const known = new Set(recorded);
    for (const key of told) if (!known.has(key)) this.faults.push(`a mail told of ${key}, which is not recorded`);
  }

  /** A system alert is raised, cleared, raised, …, and now cleared. */
  #alternates(): void {
    const turns = this.#first().flatMap(({ handed }) => handed.letter?.alerts ?? []);
    for (const [code, own] of Map.groupBy(turns, (alert) => alert.code)) {
      const said = own.map(({ turn }) => turn);
      const isRight = said.every((turn, at) => turn === (at % 2 === 0 ? "raised" : "cleared")) && said.length % 2 === 0;
      if (!isRight) this.faults.push(`the alert ${code} was told of as ${said.slice(-6).join(", ")}`);
    }
  }

  #followEachOther(events: readonly StoredEvent[], lab: KillLab): void {
    for (const [at, event] of events.entries()) {
      const before = events[at - 1];
      if (before && before.atMs > event.atMs) this.faults.push(`${keyOf(event)} comes before ${keyOf(before)}`);
      const was = byEntry(before), is = byEntry(event);
      if (before && JSON.stringify(before.issues) === JSON.stringify(event.issues)) {
        this.faults.push(`${keyOf(event)} says what the one before said`);
      }
      for (const entry of new Set([...was.keys(), ...is.keys()])) {
        const issue = is.get(entry) ?? null;
        if (was.get(entry) === issue || lab.wasSo(entry, issue, event.atMs)) continue;
        this.faults.push(`${keyOf(event)}, but ${entry} was never ${issue ?? "ok"} then`);
      }
    }
  }

  /** Who reads the mails, and remembers the newest line of each experiment, knows how they all are. */
  #reads(events: readonly StoredEvent[]): void {
    const known = new Map<string, string>();
    let problems = "";
    for (const { mail: { text } } of this.#first()) {
      const [news = "", all = ""] = text.split("All new and existing health issues:\n");
      for (const [name, issues] of linesOf(news)) known.set(name, issues);
      problems = linesOf(all.split("\n\n")[0] ?? "").map((each) => each.join(" ")).join("; ");
    }
    const last = new Map(events.map(({ experiment, issues }) => [experiment, issues.join(", ")]));
    for (const [name, issues] of last) {
      if (known.get(name) !== issues) {
        this.faults.push(`${name}: a reader knows "${known.get(name)}", and it is "${issues}"`);
      }
    }
    const now = [...last].filter(([, issues]) => issues !== "").sort().map((each) => each.join(" ")).join("; ");
    if (problems !== now) this.faults.push(`the newest mail lists "${problems}", and the problems are "${now}"`);
  }
}

function linesOf(text: string): [name: string, issues: string][] {
  return text.split("\n").flatMap((each) => {
    const [, name, issues = ""] = line.exec(each) ?? [];
    return name === undefined ? [] : [[name, issues]];
  });
}

function keyOf({ experiment, atMs, issues }: Omit<StoredEvent, "id">): string {
  return `${experiment} at ${new Date(atMs).toISOString()} [${issues.join(", ")}]`;
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
