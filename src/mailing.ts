/**
 * One try to send one letter: its message is made, and handed over in bounded time. When, and what follows from how it went,
 * is for `outbox`.
 */
import type { FrozenLetter } from "./letter_pile.ts";
import type { Delivery, PostOffice } from "./smtp.ts";
import { excerpt } from "./trouble.ts";
import type { Clock } from "./wait.ts";

/** Not taken, or not known to be. */
export type Failure = Exclude<Delivery, { kind: "taken" }>;

/** For a mail under way at the stop; it leaves half a second of three to record what became of it. */
const stopMsMax = 2_500;
/** For one whole conversation, each answer of which has a bound of its own. */
const deliveryMsMax = 600_000;

/** The whole message, by `build`, or why it can't be made: a fault of ours must not silence what comes after. */
export async function make(build: () => Promise<string>): Promise<{ kind: "made"; raw: string } | Failure> {
  try {
    return { kind: "made", raw: await build() };
  } catch (error) {
    const words = excerpt(error instanceof Error ? error.message : String(error));
    return { kind: "deferred", why: `Cannot make the mail: ${words}` };
  }
}

/** Hands `letter` over. `signal`: the program stops; what is under way then is given a little time. */
export async function deliver(
  letter: FrozenLetter,
  { post, clock }: { post: PostOffice; clock: Clock },
  signal: AbortSignal,
): Promise<Delivery> {
  const flight = new AbortController();
  const landed = new AbortController();
  const endAfter = (ms: number) => {
    clock.wait(ms, landed.signal).then(() => flight.abort(), () => {}); // it has landed: there is nothing to end
  };
  const stop = () => endAfter(stopMsMax);
  signal.addEventListener("abort", stop, { once: true });
  endAfter(deliveryMsMax);
  try {
    return await post.deliver(letter.frozen, flight.signal);
  } finally {
    signal.removeEventListener("abort", stop);
    landed.abort();
  }
}
