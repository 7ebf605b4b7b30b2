/**
 * One try to tell one letter: its message is made, and handed over in bounded time. What a post has to be able to do for
 * that, and what can become of a message. When, and what follows from how it went, is for `outbox`.
 */
import type { HealthEvent, Letter } from "./alert.ts";
import type { FrozenLetter } from "./letter_pile.ts";
import { excerpt } from "./trouble.ts";
import { aborted, abortedWith, type Clock } from "./wait.ts";

/** How messages get to whom they are for: by mail, or to a webhook. */
export interface Post {
  /** The whole message that tells of `letter` as things are at `nowMs`, as it is handed over and repeated. */
  write(letter: Letter, nowMs: number): Promise<string>;
  /** Hands the message over. Never rejects; an abort ends it at once. */
  deliver(letter: FrozenLetter, signal: AbortSignal): Promise<Delivery>;
}

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

export type Taken = Extract<Delivery, { kind: "taken" }>;
/** Not taken, or not known to be. */
export type Failure = Exclude<Delivery, Taken>;

/** For a message under way at the stop; it leaves half a second of three to record what became of it. */
const stopMsMax = 2_500;
/** For one whole conversation, each answer of which has a bound of its own. */
const deliveryMsMax = 600_000;

/** `fault`: why some of its events are left out of it; null where none is. */
export type Made = {
  readonly kind: "made";
  readonly letter: Letter;
  readonly raw: string;
  readonly fault: Failure | null;
};

/**
 * The whole message, by `write`, or why it can't be made. That is a fault of ours, and it ends no loop: it is tried again, with
 * what comes after, and shows as a channel that fails. Where it is one event that can't be told, the others are, all the same.
 * Null as soon as `signal` is aborted: a message that nobody has yet is made anew by the next run, as things are then.
 */
export async function make(letter: Letter, write: Write, signal: AbortSignal): Promise<Made | Failure | null> {
  const stopped = abortedWith(signal);
  const made = await Promise.race([tryToMake(letter, write), aborted(stopped.signal)]);
  stopped.abort();
  return made && !signal.aborted ? made : null;
}

type Write = (letter: Letter) => Promise<string>;

async function tryToMake(letter: Letter, write: Write): Promise<Made | Failure> {
  try {
    return { kind: "made", letter, raw: await write(letter), fault: null };
  } catch (error) {
    const words = excerpt(error instanceof Error ? error.message : String(error));
    const fault = { kind: "deferred", why: `Cannot make the message: ${words}` } as const;
    return await makeWithout(letter, write, fault).catch(() => fault); // nothing can be told now, whatever is left out
  }
}

async function makeWithout(letter: Letter, write: Write, fault: Failure): Promise<Made> {
  await write({ ...letter, events: [] });
  const events = await writable(letter.events, (events) => write({ ...letter, events }));
  const { leftOut = { events: 0, alerts: 0 } } = letter;
  const more = letter.events.length - events.length;
  const rest = { ...letter, events, leftOut: { ...leftOut, events: leftOut.events + more } };
  return { kind: "made", letter: rest, raw: await write(rest), fault };
}

/** Those of `events` that can be written: halved until what can't be is alone, so that few are written often. */
async function writable(
  events: readonly HealthEvent[],
  write: (events: readonly HealthEvent[]) => Promise<string>,
): Promise<readonly HealthEvent[]> {
  const isWritable = await write(events).then(() => true, () => false);
  if (isWritable) return events;
  const half = events.length >> 1;
  if (half === 0) return [];
  return [...await writable(events.slice(0, half), write), ...await writable(events.slice(half), write)];
}

/** Hands `letter` over. `signal`: the program stops; what is under way then is given a little time. */
export async function deliver(
  letter: FrozenLetter,
  { post, clock }: { post: Post; clock: Clock },
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
