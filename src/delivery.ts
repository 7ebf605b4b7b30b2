/**
 * One try to tell one letter: its message is made, and handed over in bounded time. What a post has to be able to do for
 * that, and what can become of a message. When, and what follows from how it went, is for `outbox`.
 */
import type { HealthEvent, Letter } from "./alert.ts";
import { aborted, abortedWith, type Clock } from "./clock.ts";
import { excerpt } from "./failure.ts";
import { tellingOnly } from "./letter.ts";
import type { FrozenLetter } from "./letter_pile.ts";

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

/** `fault`: why some of the letter's events are left out of the message; null where none is. */
export type Made = { readonly kind: "made"; readonly raw: string; readonly fault: Failure | null };

/** Finds one that can't be told among as many as a letter holds, and the most of what is near a few of them. */
const searchWritesMax = 64;

type Write = (letter: Letter) => Promise<string>;

/**
 * The whole message, by `write`, or why it can't be made. That is a fault of ours, and it ends no loop: it is tried again, with
 * what comes after, and shows as a channel that fails. Where it is some events that can't be told, the others and all alerts
 * are, and the message says how many are left out; while it is not taken, they are tried again with it.
 * Null as soon as `signal` is aborted: a message that nobody has yet is made anew by the next run, as things are then.
 */
export async function make(letter: Letter, write: Write, signal: AbortSignal): Promise<Made | Failure | null> {
  const stopped = abortedWith(signal);
  const made = await Promise.race([tryToMake(letter, write, stopped.signal), aborted(stopped.signal)]);
  stopped.abort();
  return made && !signal.aborted ? made : null;
}

async function tryToMake(letter: Letter, write: Write, signal: AbortSignal): Promise<Made | Failure> {
  try {
    return { kind: "made", raw: await write(letter), fault: null };
  } catch (error) {
    const words = excerpt(error instanceof Error ? error.message : String(error));
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
