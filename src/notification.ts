/**
 * What is owed to people by one channel, as values: the messages that wait, which of them go together, and when the next try
 * is due. Sending them is for `outbox`.
 */
import type { HealthEvent, Notification, SystemAlert } from "./alerts.ts";
import { backoffMs, mailBackoff } from "./clock.ts";

/*
 * When is the next try of an outbox due? At once on news; after a failure with growing delays; never more often than was
 * asked for, by us or by the other side. All times are steady milliseconds. What is tried is for `outbox`.
 */

export interface RetryOptions {
  /** The least time between two messages; 0 for none. */
  readonly everyMs: number;
  /** How often all problems are told while there are any; 0 for never. */
  readonly remindEveryMs: number;
}

export class RetrySchedule {
  readonly #options: RetryOptions;
  readonly #startedMs: number;
  #takenMs: number | null;
  #failures = 0;
  #retryMs = 0;
  /** Until then the other side asked not to be tried, whatever happens here. */
  #heldOffMs = 0;

  /** `takenMs`: when a message was last taken, by an earlier run too; null for never. */
  constructor(options: RetryOptions, times: { readonly startedMs: number; readonly takenMs: number | null }) {
    this.#options = options;
    this.#startedMs = times.startedMs;
    this.#takenMs = times.takenMs;
  }

  /** In a row, until now. */
  get failures(): number {
    return this.#failures;
  }

  /** When what is owed is to be tried. */
  get owedDueMs(): number {
    const leastMs = this.#takenMs === null ? 0 : this.#takenMs + this.#options.everyMs;
    return Math.max(this.#retryMs, this.#heldOffMs, leastMs);
  }

  /** When all problems are to be told again, if there are any. */
  get reminderDueMs(): number {
    const { remindEveryMs } = this.#options;
    if (remindEveryMs === 0) return Infinity;
    return Math.max((this.#takenMs ?? this.#startedMs) + remindEveryMs, this.owedDueMs);
  }

  /** There is something new to tell. */
  hurry(): void {
    this.#retryMs = 0;
  }

  /** A try is under way: the next is due when it is known how this one went, unless news come meanwhile. */
  begin(): void {
    this.#retryMs = Infinity;
  }

  taken(nowMs: number): void {
    this.#takenMs = nowMs;
    this.#failures = 0;
    this.#retryMs = 0;
    this.#heldOffMs = 0;
  }

  /** `random` in [0, 1). */
  failed(failure: Failure, random: number, nowMs: number): void {
    this.#failures++;
    const delayMs = failure.kind === "refused" ? mailBackoff.maxMs : backoffMs(this.#failures, random, mailBackoff);
    this.#retryMs = Math.min(this.#retryMs, nowMs + delayMs);
    const askedMs = failure.kind === "deferred" ? failure.afterMs ?? 0 : 0;
    this.#heldOffMs = nowMs + Math.min(askedMs, mailBackoff.maxMs);
  }
}

/*
 * What is in one letter: news join it while it waits, within a bound, and letters that wait together become one. Pure.
 * When a letter is sent is for `outbox`, what it then says for `mail` and `webhook_body`.
 */

export interface NotificationContent {
  readonly events: readonly HealthEvent[];
  readonly alerts: readonly SystemAlert[];
}

/** What one letter holds: more than anyone reads, and little enough to be written to the store at each change. */
export const lettersBound = { eventsMax: 5_000, alertsMax: 500 };

export type Beginning = Pick<Notification, "id" | "channel" | "createdMs">;

export function newNotification(beginning: Beginning, news: NotificationContent): Notification {
  return joined(emptyNotification(beginning), news);
}

/** A letter of nothing but the problems of the moment. */
export function newReminder(beginning: Beginning): Notification {
  return { ...emptyNotification(beginning), reminder: true };
}

/** Whether nothing is owed for it: its news have gone over to another letter. That some were left out is to be told, too. */
export function isEmpty({ events, alerts, reminder, leftOut }: Notification): boolean {
  return events.length === 0 && alerts.length === 0 && !reminder && leftOut === undefined;
}

/** `letter` with `news` behind its own. A reminder that has news is none any more. */
export function joined(letter: Notification, news: NotificationContent): Notification {
  const hasNews = news.events.length + news.alerts.length > 0;
  const events = bounded([...letter.events, ...news.events]);
  const alerts = [...letter.alerts, ...news.alerts];
  const alertsOver = Math.max(alerts.length - lettersBound.alertsMax, 0);
  const leftOut = {
    events: (letter.leftOut?.events ?? 0) + events.leftOut,
    alerts: (letter.leftOut?.alerts ?? 0) + alertsOver,
  };
  return {
    ...letter,
    events: events.kept,
    alerts: alerts.slice(alertsOver),
    reminder: letter.reminder && !hasNews,
    ...(leftOut.events + leftOut.alerts > 0 ? { leftOut } : {}),
  };
}

/** All of `letters`, oldest first, as the first of them, and the others with nothing in them. */
export function merged(
  [first, ...others]: readonly [Notification, ...Notification[]],
): { letter: Notification; emptied: Notification[] } {
  const letter = others.reduce((all, other) => withLeftOutOf(joined(all, other), other), first);
  return { letter, emptied: others.map(emptyNotification) };
}

/** `letter` with those of its events that are `events`; the others count as left out. */
export function tellingOnly(events: readonly HealthEvent[], letter: Notification): Notification {
  const leftOut = { events: letter.events.length - events.length, alerts: 0 };
  return withLeftOutOf({ ...letter, events }, { leftOut });
}

function emptyNotification({ id, channel, createdMs }: Beginning): Notification {
  return { id, channel, createdMs, events: [], alerts: [], reminder: false, frozen: null };
}

function withLeftOutOf(letter: Notification, { leftOut }: Pick<Notification, "leftOut">): Notification {
  if (leftOut === undefined) return letter;
  const { events, alerts } = letter.leftOut ?? { events: 0, alerts: 0 };
  return { ...letter, leftOut: { events: events + leftOut.events, alerts: alerts + leftOut.alerts } };
}

/** Over the bound, events with a newer one of the same experiment go first (no mail shows them), then the oldest. */
function bounded(events: readonly HealthEvent[]): { kept: readonly HealthEvent[]; leftOut: number } {
  let over = events.length - lettersBound.eventsMax;
  if (over <= 0) return { kept: events, leftOut: 0 };
  const newest = new Map(events.map((event) => [event.experiment, event]));
  const kept = events.filter((event) => newest.get(event.experiment) === event || over-- <= 0);
  const leftOut = Math.max(kept.length - lettersBound.eventsMax, 0);
  return { kept: kept.slice(leftOut), leftOut };
}

/*
 * Which letters wait, in which order, and which of them news may join: an outbox's memory, without its clock and its other side.
 * Oldest first. A letter whose news have gone over into another stays, with nothing in it, until that one is taken: so the
 * store, where each is replaced by its id, tells of every news once, whenever the process is killed.
 */

export type SealedNotification = Notification & { readonly frozen: string };

export class OutboxQueue {
  #letters: readonly Notification[];
  /** Letters that are being made or sent: news do not join them. */
  #inHand: readonly Notification[] = [];
  /** Those that may have been taken without a word, by id: what was in flight when a process ended is of them. */
  readonly #inDoubt: Set<string>;

  constructor(restored: readonly Notification[]) {
    this.#letters = restored;
    this.#inDoubt = new Set(restored.filter(({ frozen }) => frozen !== null).map(({ id }) => id));
  }

  /** Those for which something is owed. */
  waiting(): readonly Notification[] {
    return this.#letters.filter((each) => !isEmpty(each));
  }

  /** The one that has to be repeated as it is, before all others. */
  frozen(): SealedNotification | undefined {
    return this.#letters.find((each): each is SealedNotification => each.frozen !== null);
  }

  /** Those that wait and can still be joined. */
  open(): readonly Notification[] {
    return this.waiting().filter((each) => each.frozen === null);
  }

  /** Puts `news` into the last letter if that can be joined, else into a new one: behind all that came before them. */
  add(news: NotificationContent, begin: () => Beginning): Notification {
    const last = this.#letters.at(-1);
    const canJoin = last?.frozen === null && !this.#inHand.includes(last);
    const letter = canJoin ? joined(last, news) : newNotification(begunAfter(last, begin()), news);
    this.put(letter);
    return letter;
  }

  /** Each in the place of the one of its id, or behind all. */
  put(...letters: readonly Notification[]): void {
    const kept = this.#letters.map((each) => letters.find(({ id }) => id === each.id) ?? each);
    this.#letters = [...kept, ...letters.filter(({ id }) => !this.#letters.some((each) => each.id === id))];
  }

  /** Keeps all that is here now from being joined, until `act` is done. */
  async inHand<T>(act: () => Promise<T>): Promise<T> {
    this.#inHand = this.#letters;
    try {
      return await act();
    } finally {
      this.#inHand = [];
    }
  }

  /**
   * After a try that failed: the letter thawed, so that it is made anew and news can join it. Null where it stays as it was,
   * since it was never frozen, or since the other side may have it. One that refuses this very message says that it has not;
   * should it have it all the same, other words under the same id could be taken for a repeat and thrown away: so it gets a
   * new one. Who refuses us before it comes to that, for a wrong password or being a proxy, says nothing of it.
   */
  thaw(letter: Notification, failure: Failure, newId: () => string): Notification | null {
    if (failure.kind === "in-doubt") this.#inDoubt.add(letter.id);
    const wasInDoubt = this.#inDoubt.has(letter.id);
    const isKnownMissing = failure.kind === "refused" && failure.ofMessage === true;
    if (letter.frozen === null || (wasInDoubt && !isKnownMissing)) return null;
    this.#inDoubt.delete(letter.id);
    const thawed = { ...letter, id: wasInDoubt ? newId() : letter.id, frozen: null };
    this.#letters = this.#letters.map((each) => each.id === letter.id ? thawed : each);
    return thawed;
  }

  /** Takes `letter` away, and those that have gone over into it; the ids of all. */
  done(letter: Notification): string[] {
    this.#inDoubt.delete(letter.id);
    const isDone = (each: Notification) => each.id === letter.id || isEmpty(each);
    const ids = this.#letters.filter(isDone).map(({ id }) => id);
    this.#letters = this.#letters.filter((each) => !isDone(each));
    return ids;
  }
}

/**
 * The store gives letters back by their age: one that is begun after the clock was put back is not older for that, and none
 * is as old as another, since one that is given a new id is put behind those of its age.
 */
function begunAfter(last: Notification | undefined, beginning: Beginning): Beginning {
  return { ...beginning, createdMs: Math.max(beginning.createdMs, (last?.createdMs ?? -Infinity) + 1) };
}

/** Not taken, or not known to be. */
export type Failure = Exclude<Delivery, Accepted>;

/** How far a message came. `why`: a sentence for people. */
export type Delivery =
  /** It was taken. `rejected`: the recipients it was not taken for, each with the answer about it. */
  | { readonly kind: "taken"; readonly answer: string; readonly rejected: readonly string[] }
  /** Not taken for now. `afterMs`: how long the other side asked not to be tried again, where it did. */
  | { readonly kind: "deferred"; readonly why: string; readonly afterMs?: number }
  /**
   * Not taken, and asking the same again is unlikely to help. `ofMessage`: the other side has come to this very message and
   * refused it, so it has not got it; else it, or what is before it, has not looked at it, and may have it from before.
   */
  | { readonly kind: "refused"; readonly why: string; readonly ofMessage?: true }
  /** The whole message went out, and nothing is known of it: it may have been taken. */
  | { readonly kind: "in-doubt"; readonly why: string };

export type Accepted = Extract<Delivery, { kind: "taken" }>;
