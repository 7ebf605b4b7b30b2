/**
 * When does a mail go, and what if it does not: mails that are owed, one at a time, until the server says 250 (design, the
 * last paragraph of "The mail"). What is owed was recorded by the caller before this acts on it, and every step is recorded
 * here, so that a killed process loses no mail, and repeats none but the one that was in flight.
 *
 * A letter that waits is joined by later news, and its text is made at each try. Just before it is handed over it is frozen:
 * if nobody can know whether it was taken, it is repeated as it is, before anything else. What a mail says is for `mail`,
 * which letters there are for `letter_pile`, one try for `mailing`, the server for `smtp`.
 */
import type { Letter } from "./alert.ts";
import { merged, newReminder, type News } from "./letter.ts";
import { type FrozenLetter, LetterPile } from "./letter_pile.ts";
import type { MailText } from "./mail.ts";
import { deliver, type Failure, make } from "./mailing.ts";
import type { Delivery, PostOffice } from "./smtp.ts";
import type { OutboxView } from "./part_view.ts";
import type { Change, Saved } from "./store.ts";
import { backoffMs, type Clock, mailBackoff } from "./wait.ts";

export interface OutboxOptions {
  /** The least time between two mails; 0 for none. */
  readonly everyMs: number;
  /** How often all problems are mailed while there are any; 0 for never. */
  readonly remindEveryMs: number;
}

export interface OutboxPorts {
  readonly clock: Clock;
  random(): number;
  /** Null where no mail is set up. */
  readonly post: PostOffice | null;
  compose(letter: Letter, nowMs: number): MailText;
  /** Resolves when it is recorded, or as far as that can be. Never rejects. */
  record(changes: readonly Change[]): Promise<void>;
  newId(): string;
  /** How many judged experiments have issues now. */
  problems(): number;
}

export interface OutboxListener {
  sent(letter: Letter, delivery: Taken): void;
  failed(letter: Letter, failure: Failure, failuresInARow: number): void;
  /** No mail is set up: this is what it would have said. */
  unsent(letter: Letter, text: MailText): void;
  /** The view is another. */
  changed(): void;
}

export type Restored = Pick<Saved, "letters" | "lastMailMs">;
export type Taken = Extract<Delivery, { kind: "taken" }>;

export interface Outbox {
  /** Puts `news` into a letter, and says what is to be recorded with them. Does nothing else. */
  owe(news: News): Change[];
  /**
   * Once for each `owe` that had changes, when they are recorded: sends as soon as `gate` is settled, which the caller
   * bounds. Once before `run`, with a gate, keeps what an earlier run left from being composed too early.
   */
  recorded(gate?: Promise<void>): void;
  view(): OutboxView;
  /** Sends what is owed until `signal` is aborted, then resolves within 3 s: a mail under way has until then to be taken. */
  run(signal: AbortSignal): Promise<void>;
}

/** `restored`: what an earlier run left in the store. */
export function createOutbox(
  options: OutboxOptions,
  ports: OutboxPorts,
  restored: Restored,
  listener: OutboxListener,
): Outbox {
  return new MailOutbox(options, ports, restored, listener);
}

class MailOutbox implements Outbox {
  readonly #options: OutboxOptions;
  readonly #ports: OutboxPorts;
  readonly #listener: OutboxListener;
  readonly #startedMs: number;
  readonly #pile: LetterPile;
  /** How many times news were put into a letter and are not recorded yet. */
  #unrecorded = 0;
  readonly #gates = new Set<Promise<void>>();
  #lastMailMs: number | null;
  #failures = 0;
  #retryMs = 0;
  #wake = () => {};
  #view: OutboxView;

  constructor(options: OutboxOptions, ports: OutboxPorts, restored: Restored, listener: OutboxListener) {
    const { letters, lastMailMs } = restored;
    this.#options = options;
    this.#ports = ports;
    this.#listener = listener;
    this.#startedMs = ports.clock.nowMs();
    this.#pile = new LetterPile(letters);
    // A clock that has been put back since must not keep mails waiting.
    this.#lastMailMs = lastMailMs === null ? null : Math.min(lastMailMs, this.#startedMs);
    const never = { lastError: null, waiting: 0, sent: 0, failed: 0, oldestMs: null };
    this.#view = this.#viewOf({ ...never, state: "idle", sinceMs: this.#startedMs, lastSuccessMs: this.#lastMailMs });
  }

  owe(news: News): Change[] {
    if (news.events.length + news.alerts.length === 0) return [];
    this.#unrecorded++;
    const { newId, clock } = this.#ports;
    return [{ kind: "letter", letter: this.#pile.add(news, { newId, nowMs: clock.nowMs() }) }];
  }

  recorded(gate?: Promise<void>): void {
    this.#unrecorded = Math.max(this.#unrecorded - 1, 0);
    this.#retryMs = 0;
    if (gate) {
      this.#gates.add(gate);
      const open = () => {
        this.#gates.delete(gate);
        this.#wake();
      };
      gate.then(open, open);
    }
    this.#tell({});
    this.#wake();
  }

  view(): OutboxView {
    return this.#view;
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    while (!signal.aborted) {
      const { post, clock } = this.#ports;
      const waitMs = this.#dueMs() - clock.nowMs();
      if (waitMs > 0) await this.#sleep(waitMs);
      else if (post === null) await this.#giveUp(signal);
      else await this.#try(post, signal);
    }
  }

  /** When there is something to be done next. */
  #dueMs(): number {
    const { everyMs, remindEveryMs } = this.#options;
    const { post, problems } = this.#ports;
    const canCompose = this.#unrecorded === 0;
    if (post === null) return this.#pile.waiting().length > 0 && canCompose ? 0 : Infinity;
    const leastMs = this.#lastMailMs === null ? 0 : this.#lastMailMs + everyMs;
    if (this.#pile.frozen() || (this.#pile.open().length > 0 && canCompose)) return Math.max(this.#retryMs, leastMs);
    if (remindEveryMs === 0 || !canCompose || problems() === 0) return Infinity;
    return Math.max((this.#lastMailMs ?? this.#startedMs) + remindEveryMs, this.#retryMs, leastMs);
  }

  async #try(post: PostOffice, signal: AbortSignal): Promise<void> {
    this.#retryMs = Infinity; // until it is known how this one went, unless news come meanwhile
    const letter = this.#pile.frozen() ?? await this.#freeze(post, signal);
    if (letter === null || signal.aborted) return;
    const delivery = await deliver(letter, { post, clock: this.#ports.clock }, signal);
    if (delivery.kind === "taken") await this.#taken(letter, delivery);
    else await this.#failed(letter, delivery);
  }

  /** All that waits as one letter, frozen and recorded as such; null if there was a stop before, or it can't be made. */
  async #freeze(post: PostOffice, signal: AbortSignal): Promise<FrozenLetter | null> {
    await this.#gatesOpen(signal);
    if (signal.aborted) return null;
    this.#retryMs = Infinity; // what came until now is in this one
    const { clock, compose, record, newId } = this.#ports;
    const dateMs = clock.nowMs();
    const [first = newReminder(newId(), dateMs), ...others] = this.#pile.open();
    const { letter, emptied } = merged([first, ...others]);
    const build = () => post.build({ id: letter.id, text: compose(letter, dateMs), dateMs });
    const made = await this.#pile.inHand(() => make(build));
    if (made.kind !== "made") {
      await this.#failed(letter, made);
      return null;
    }
    const frozen = { ...letter, frozen: made.raw };
    this.#pile.put(frozen, ...emptied);
    await record([frozen, ...emptied].map((each) => ({ kind: "letter", letter: each })));
    return frozen;
  }

  /** Waits for the gates of now (for later ones too would be for ever, in a storm) and for what is being recorded. */
  async #gatesOpen(signal: AbortSignal): Promise<void> {
    const gates = [...this.#gates];
    const isShut = () => this.#unrecorded > 0 || gates.some((gate) => this.#gates.has(gate));
    while (isShut() && !signal.aborted) await this.#sleep(Infinity);
  }

  async #taken(letter: Letter, delivery: Taken): Promise<void> {
    const atMs = this.#ports.clock.nowMs();
    this.#lastMailMs = atMs;
    this.#failures = 0;
    this.#retryMs = 0;
    const done = this.#pile.done(letter);
    this.#listener.sent(letter, delivery);
    this.#tell({ sent: this.#view.sent + 1, lastSuccessMs: atMs });
    await this.#ports.record(done.map((id) => ({ kind: "letter-sent", id, atMs })));
  }

  async #failed(letter: Letter, failure: Failure): Promise<void> {
    const { clock, random, record } = this.#ports;
    this.#failures++;
    const paceMs = failure.kind === "refused" ? mailBackoff.maxMs : backoffMs(this.#failures, random(), mailBackoff);
    this.#retryMs = Math.min(this.#retryMs, clock.nowMs() + paceMs);
    this.#listener.failed(letter, failure, this.#failures);
    const thawed = this.#pile.thaw(letter, failure.kind);
    this.#tell({ failed: this.#view.failed + 1, lastError: failure.why });
    if (thawed) await record([{ kind: "letter", letter: thawed }]);
  }

  /** Without a mail server: what is owed is told to the listener, and owed no more. */
  async #giveUp(signal: AbortSignal): Promise<void> {
    await this.#gatesOpen(signal);
    const [first, ...others] = this.#pile.waiting();
    if (signal.aborted || first === undefined) return;
    const { clock, compose, record } = this.#ports;
    const atMs = clock.nowMs();
    const { letter } = merged([first, ...others]);
    const done = [first, ...others].flatMap((each) => this.#pile.done(each));
    this.#listener.unsent(letter, compose(letter, atMs));
    this.#tell({});
    await record(done.map((id) => ({ kind: "letter-sent", id, atMs })));
  }

  /** Until `ms` have passed, or something happens. */
  async #sleep(ms: number): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await this.#ports.clock.wait(ms, woken.signal).catch(() => {}); // what happened is for the caller to see
  }

  #viewOf(was: OutboxView): OutboxView {
    const waiting = this.#pile.waiting();
    const working = this.#failures > 0 ? "failing" : waiting.length > 0 ? "waiting" : "idle";
    const state = this.#ports.post === null ? "off" : working;
    const sinceMs = state === was.state ? was.sinceMs : this.#ports.clock.nowMs();
    return { ...was, state, sinceMs, waiting: waiting.length, oldestMs: waiting[0]?.createdMs ?? null };
  }

  /** `news`: what is another in the view, besides what waits. */
  #tell(news: Partial<OutboxView>): void {
    const view = this.#viewOf({ ...this.#view, ...news });
    if (JSON.stringify(view) === JSON.stringify(this.#view)) return;
    this.#view = view;
    this.#listener.changed();
  }
}
