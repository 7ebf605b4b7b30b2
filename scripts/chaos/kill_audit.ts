/**
 * Did every event that was recorded reach people, by mail and by webhook, once; is what people know then what is recorded; and
 * was that so in the laboratory? What came is for `kill_deliveries`; here is what it said.
 */
import type { Posted } from "../simulator/hook.ts";
import type { ReceivedMail } from "../simulator/mail.ts";
import type { World } from "../simulator/world.ts";
import { Deliveries, keyOf } from "./kill_deliveries.ts";
import type { KillLab } from "./kill_lab.ts";
import type { StoreContents, StoredEvent, StoredLetter } from "./kill_store.ts";
import type { Subject } from "./kill_subject.ts";

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
      if (before && before.atMs > event.atMs) this.#faults.push(`${keyOf(event)} comes before ${keyOf(before)}`);
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
