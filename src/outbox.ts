/**
 * When does a message go, and what if it does not: messages that are owed, one at a time, until the other side says that it
 * has them (design, the last paragraph of "The mail"; a webhook's are owed alike). What is owed was recorded by the caller
 * before this acts on it, and every step is recorded here, so that a killed process loses no message, and repeats none but
 * the one that was in flight. Mail and webhook have an outbox each: neither waits for the other.
 *
 * A letter that waits is joined by later news, and its text is made at each try. Just before it is handed over it is frozen:
 * if nobody can know whether it was taken, it is repeated as it is, before anything else. Which letters there are is for
 * `letter_pile`, one try for `delivery`, what a message says and where it goes for the `Post`.
 */
import type { Channel, HealthEvent, Notification } from "./alerts.ts";
import { aborted, type Clock, linkedAbort, ToldTimes } from "./clock.ts";
import { sanitize } from "./failure.ts";
import {
  type Accepted,
  type Beginning,
  type Delivery,
  type Failure,
  merged,
  newReminder,
  type NotificationContent,
  OutboxQueue,
  type RetryOptions,
  RetrySchedule,
  type SealedNotification,
  tellingOnly,
} from "./notification.ts";
import type { Persisted, StoreChange } from "./persisted.ts";
import type { OutboxView } from "./snapshot.ts";

export interface OutboxOptions extends RetryOptions {
  readonly channel: Channel;
  /** Without a post: whether news become letters all the same, for the listener to be told what nobody will be. */
  readonly owesUnposted: boolean;
}

export interface OutboxPorts {
  readonly clock: Clock;
  random(): number;
  /** Null where none is set up. */
  readonly post: Transport | null;
  /** Resolves when it is recorded, or as far as that can be. Never rejects. */
  record(changes: readonly StoreChange[]): Promise<void>;
  newId(): string;
  /** How many judged experiments have issues now. */
  problems(): number;
}

export interface OutboxListener {
  sent(letter: Notification, delivery: Accepted): void;
  /** `failuresInARow`: 0 where it goes all the same, without the events that can't be told. */
  failed(letter: Notification, failure: Failure, failuresInARow: number): void;
  /** No post is set up: nobody will be told of this. */
  unsent(letter: Notification, nowMs: number): void;
  /** The view is another. */
  changed(): void;
}

export type Restored = Pick<Persisted, "notifications" | "lastMailMs" | "lastWebhookMs">;

export interface Outbox {
  /** Puts `news` into a letter, and says what is to be recorded with them. Does nothing else. */
  enqueue(news: NotificationContent): StoreChange[];
  /**
   * Once for each `owe` that had changes, when they are recorded: sends as soon as `gate` is settled, which the caller
   * bounds. Once before `run`, with a gate, keeps what an earlier run left from being composed too early.
   */
  release(gate?: Promise<void>): void;
  view(): OutboxView;
  /** Sends what is owed until `signal` is aborted, then resolves within 3 s: what is under way has until then to be taken. */
  run(signal: AbortSignal): Promise<void>;
}

/** `restored`: what an earlier run left in the store, of all channels. */
export function createOutbox(
  options: OutboxOptions,
  ports: OutboxPorts,
  restored: Restored,
  listener: OutboxListener,
): Outbox {
  return new OutboxWorker(options, ports, restored, listener);
}

class OutboxWorker implements Outbox {
  readonly #options: OutboxOptions;
  readonly #ports: OutboxPorts;
  readonly #listener: OutboxListener;
  readonly #pile: OutboxQueue;
  /** How many times news were put into a letter and are not recorded yet. */
  #unrecorded = 0;
  readonly #gates = new Set<Promise<void>>();
  readonly #pace: RetrySchedule;
  #wake = () => {};
  readonly #times: ToldTimes;
  #view: OutboxView;

  constructor(options: OutboxOptions, ports: OutboxPorts, restored: Restored, listener: OutboxListener) {
    this.#options = options;
    this.#ports = ports;
    this.#listener = listener;
    this.#pile = new OutboxQueue(restored.notifications.filter(({ channel }) => channel === options.channel));
    this.#times = new ToldTimes(ports.clock);
    const nowMs = ports.clock.nowMs();
    const lastMs = options.channel === "mail" ? restored.lastMailMs : restored.lastWebhookMs;
    // A clock that has been put back since must not keep messages waiting.
    const lastSuccessMs = lastMs === null ? null : Math.min(lastMs, nowMs);
    const startedMs = ports.clock.monotonicMs();
    const takenMs = lastSuccessMs === null ? null : startedMs - (nowMs - lastSuccessMs);
    this.#pace = new RetrySchedule(options, { startedMs, takenMs });
    const never = { lastError: null, waiting: 0, sent: 0, failed: 0, oldestMs: null };
    this.#view = this.#viewOf({ ...never, state: "idle", sinceMs: nowMs, lastSuccessMs });
  }

  enqueue(news: NotificationContent): StoreChange[] {
    if (news.events.length + news.alerts.length === 0) return [];
    if (this.#ports.post === null && !this.#options.owesUnposted) return [];
    this.#unrecorded++;
    return [{ kind: "letter", letter: this.#pile.add(news, () => this.#beginning()) }];
  }

  release(gate?: Promise<void>): void {
    this.#unrecorded = Math.max(this.#unrecorded - 1, 0);
    this.#pace.hurry();
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
    return this.#view = this.#times.byNow(this.#view);
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    while (!signal.aborted) {
      const { post, clock } = this.#ports;
      const waitMs = this.#dueMs() - clock.monotonicMs();
      if (waitMs > 0) await this.#sleep(waitMs);
      else if (post === null) await this.#whenOpen(signal, () => this.#giveUp());
      else await this.#try(post, signal);
    }
  }

  /** When there is something to be done next. */
  #dueMs(): number {
    const { post, problems } = this.#ports;
    const canWrite = this.#unrecorded === 0;
    const isOwed = canWrite && this.#pile.waiting().length > 0;
    if (post === null) return isOwed ? 0 : Infinity;
    if (isOwed || this.#pile.frozen()) return this.#pace.owedDueMs;
    const reminderMs = this.#pace.reminderDueMs;
    return canWrite && reminderMs < Infinity && problems() > 0 ? reminderMs : Infinity;
  }

  async #try(post: Transport, signal: AbortSignal): Promise<void> {
    this.#pace.begin();
    const letter = this.#pile.frozen() ?? await this.#whenOpen(signal, () => this.#freeze(post, signal));
    if (letter === null) return;
    const delivery = await deliver(letter, { post, clock: this.#ports.clock }, signal);
    if (delivery.kind === "taken") await this.#taken(letter, delivery);
    else await this.#failed(letter, delivery);
  }

  /** All that waits as one letter, frozen and recorded as such; null if there was a stop before, or it can't be made. */
  async #freeze(post: Transport, signal: AbortSignal): Promise<SealedNotification | null> {
    this.#pace.begin(); // what came until now is in this one
    const nowMs = this.#ports.clock.nowMs();
    const [first = newReminder(this.#beginning()), ...others] = this.#pile.open();
    const { letter, emptied } = merged([first, ...others]);
    return await this.#pile.inHand(async () => {
      const made = await make(letter, (each) => post.write(each, nowMs), signal);
      if (made === null) return null;
      if (made.kind !== "made") {
        await this.#failed(letter, made);
        return null;
      }
      if (made.fault) this.#listener.failed(letter, made.fault, 0);
      const frozen = { ...letter, frozen: made.raw };
      this.#pile.put(frozen, ...emptied); // still in hand: else news of this moment join what this takes the place of
      await this.#ports.record([frozen, ...emptied].map((each) => ({ kind: "letter", letter: each })));
      return frozen;
    });
  }

  /** Null at the stop, else what `act` gives: begun in the very moment in which the gates of now are open and all is recorded. */
  async #whenOpen<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T | null> {
    const gates = [...this.#gates]; // with later ones a storm would never end
    const isShut = () => this.#unrecorded > 0 || gates.some((gate) => this.#gates.has(gate));
    while (isShut() && !signal.aborted) await this.#sleep(Infinity);
    return signal.aborted ? null : await act(); // at once, or news could come in between
  }

  async #taken(letter: Notification, delivery: Accepted): Promise<void> {
    const { clock, record } = this.#ports;
    const atMs = clock.nowMs();
    this.#pace.taken(clock.monotonicMs());
    const done = this.#pile.done(letter);
    this.#listener.sent(letter, delivery);
    this.#tell({ sent: this.#view.sent + 1, lastSuccessMs: atMs });
    await record(done.map((id) => ({ kind: "letter-sent", id, channel: this.#options.channel, atMs })));
  }

  async #failed(letter: Notification, failure: Failure): Promise<void> {
    const { clock, random, record, newId } = this.#ports;
    this.#pace.failed(failure, random(), clock.monotonicMs());
    this.#listener.failed(letter, failure, this.#pace.failures);
    const thawed = this.#pile.thaw(letter, failure, newId);
    this.#tell({ failed: this.#view.failed + 1, lastError: failure.why });
    if (thawed === null) return;
    const replaced = thawed.id === letter.id ? [] : [{ kind: "letter-dropped", id: letter.id } as const];
    await record([...replaced, { kind: "letter", letter: thawed }]);
  }

  /** Without a post: what is owed is told to the listener, and owed no more. */
  async #giveUp(): Promise<void> {
    const [first, ...others] = this.#pile.waiting();
    if (first === undefined) return;
    const { letter } = merged([first, ...others]);
    const done = [first, ...others].flatMap((each) => this.#pile.done(each));
    this.#listener.unsent(letter, this.#ports.clock.nowMs());
    this.#tell({});
    await this.#ports.record(done.map((id) => ({ kind: "letter-dropped", id })));
  }

  #beginning(): Beginning {
    return { id: this.#ports.newId(), channel: this.#options.channel, createdMs: this.#ports.clock.nowMs() };
  }

  /** Until `ms` have passed, or something happens. */
  async #sleep(ms: number): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await this.#ports.clock.wait(ms, woken.signal).catch(() => {}); // what happened is for the caller to see
  }

  #viewOf(was: OutboxView): OutboxView {
    const waiting = this.#pile.waiting();
    const working = this.#pace.failures > 0 ? "failing" : waiting.length > 0 ? "waiting" : "idle";
    const state = this.#ports.post === null ? "off" : working;
    const sinceMs = state === was.state ? was.sinceMs : this.#ports.clock.nowMs();
    return { ...was, state, sinceMs, waiting: waiting.length, oldestMs: waiting[0]?.createdMs ?? null };
  }

  /** `news`: what is another in the view, besides what waits. */
  #tell(news: Partial<OutboxView>): void {
    const was = this.view(), view = this.#viewOf({ ...was, ...news });
    if (JSON.stringify(view) === JSON.stringify(was)) return;
    this.#view = view;
    this.#listener.changed();
  }
}

/*
 * One try to tell one letter: its message is made, and handed over in bounded time. What a post has to be able to do for
 * that, and what can become of a message. When, and what follows from how it went, is for `outbox`.
 */

/** How messages get to whom they are for: by mail, or to a webhook. */
export interface Transport {
  /** The whole message that tells of `letter` as things are at `nowMs`, as it is handed over and repeated. */
  write(letter: Notification, nowMs: number): Promise<string>;
  /** Hands the message over. Never rejects; an abort ends it at once. */
  deliver(letter: SealedNotification, signal: AbortSignal): Promise<Delivery>;
}

/** For a message under way at the stop; it leaves half a second of three to record what became of it. */
const stopMsMax = 2_500;
/** For one whole conversation, each answer of which has a bound of its own. */
const deliveryMsMax = 600_000;

/** `fault`: why some of the letter's events are left out of the message; null where none is. */
export type Made = { readonly kind: "made"; readonly raw: string; readonly fault: Failure | null };

/** Finds one that can't be told among as many as a letter holds, and the most of what is near a few of them. */
const searchWritesMax = 64;

type Write = (letter: Notification) => Promise<string>;

/**
 * The whole message, by `write`, or why it can't be made. That is a fault of ours, and it ends no loop: it is tried again, with
 * what comes after, and shows as a channel that fails. Where it is some events that can't be told, the others and all alerts
 * are, and the message says how many are left out; while it is not taken, they are tried again with it.
 * Null as soon as `signal` is aborted: a message that nobody has yet is made anew by the next run, as things are then.
 */
export async function make(letter: Notification, write: Write, signal: AbortSignal): Promise<Made | Failure | null> {
  const stopped = linkedAbort(signal);
  const made = await Promise.race([tryToMake(letter, write, stopped.signal), aborted(stopped.signal)]);
  stopped.abort();
  return made && !signal.aborted ? made : null;
}

async function tryToMake(letter: Notification, write: Write, signal: AbortSignal): Promise<Made | Failure> {
  try {
    return { kind: "made", raw: await write(letter), fault: null };
  } catch (error) {
    const words = sanitize(error instanceof Error ? error.message : String(error));
    const fault = { kind: "deferred", why: `Cannot make the message: ${words}` } as const;
    const events = await writable(letter.events, (events) => write({ ...letter, events }), signal);
    if (events.length + letter.alerts.length === 0) return fault;
    const all = letter.events.length, untold = all - events.length;
    const without = untold > 0 ? { ...fault, why: `Cannot tell ${untold} of ${all} events: ${words}` } : null;
    return await write(tellingOnly(events, letter)).then(
      (raw) => ({ kind: "made", raw, fault: without }),
      () => fault, // nothing can be told now, whatever is left out
    );
  }
}

/** Those of `events` that can be written, in their order. Halved, the largest first: so few are left when no write is. */
async function writable(
  events: readonly HealthEvent[],
  write: (events: readonly HealthEvent[]) => Promise<string>,
  signal: AbortSignal,
): Promise<readonly HealthEvent[]> {
  let writesLeft = searchWritesMax;
  const isWritten = async (part: readonly HealthEvent[]) =>
    writesLeft-- > 0 && !signal.aborted && await write(part).then(() => true, () => false);
  const told = new Set<HealthEvent>();
  const parts = halves(events);
  for (const part of parts) {
    // One that is alone has a second chance: the fault may have been one of that moment.
    const isTold = await isWritten(part) || (part.length === 1 && await isWritten(part));
    if (isTold) part.forEach((event) => told.add(event));
    else if (part.length > 1 && writesLeft > 0) parts.push(...halves(part));
  }
  return events.filter((event) => told.has(event));
}

function halves<Item>(items: readonly Item[]): (readonly Item[])[] {
  const half = items.length >> 1;
  return [items.slice(0, half), items.slice(half)].filter((part) => part.length > 0);
}

/** Hands `letter` over. `signal`: the program stops; what is under way then is given a little time. */
export async function deliver(
  letter: SealedNotification,
  { post, clock }: { post: Transport; clock: Clock },
  signal: AbortSignal,
): Promise<Delivery> {
  const flight = new AbortController();
  const landed = new AbortController();
  const endAfter = (ms: number) => {
    clock.wait(ms, landed.signal).then(() => flight.abort(), () => {}); // it has landed: there is nothing to end
  };
  const stop = () => endAfter(stopMsMax);
  if (signal.aborted) stop(); // while it was recorded that it goes
  signal.addEventListener("abort", stop, { once: true });
  endAfter(deliveryMsMax);
  try {
    return await post.deliver(letter, flight.signal);
  } finally {
    signal.removeEventListener("abort", stop);
    landed.abort();
  }
}
