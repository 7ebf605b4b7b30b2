/**
 * Yielding to the event loop during long work, and one thing after the other. What monitors (recording, mails, the webhook, the log)
 * pauses for one turn of the loop; what is made for readers (pages, lists, gzip) queues, so that a hundred of them together
 * take no more of the loop than one, and what monitors never waits in that queue.
 * Neither takes a Clock or an AbortSignal as all that waits does (`wait`): nothing here lasts longer than what is due already,
 * so there is no time for a test to hold, and none for a stop to cut short. The queue is the program's, as its loop is one.
 * Leaf: knows nothing of laboratories.
 */

export type YieldToEventLoop = () => Promise<void>;

/** Resolves when all that is due has had its turn, however many others pause. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

let lastReader = Promise.resolve();

/** For what is made for readers: one of them goes on at a time, and everything else has its turn in between. */
export function yieldForReaders(): Promise<void> {
  return lastReader = lastReader.then(yieldToEventLoop);
}

// How long a slice may block the event loop, and how many things at least are done between two looks at that. Log, store, mail, webhook and
// live events go on side by side, so that a turn of the loop has a piece of each.
const pieceMs = 4;
const pieceMin = 20;

/**
 * Does `act` with each of `items`, in their order, and pauses whenever that has taken some milliseconds: few things are done
 * at once. Rejects with what `act` throws, and does no more then. For what monitors.
 */
export async function forEachYielding<Item>(items: Iterable<Item>, act: (item: Item) => void): Promise<void> {
  let done = 0, begunMs = performance.now();
  for (const item of items) {
    if (done > 0 && done % pieceMin === 0 && performance.now() - begunMs >= pieceMs) {
      await yieldToEventLoop();
      begunMs = performance.now();
    }
    act(item);
    done++;
  }
}

/**
 * One thing after the other: what a store writes in pieces is to be seen whole or not at all, and of two records of one thing
 * the later asked for is the one that holds; of large pages that are made side by side all would be held at once.
 */

export type Mutex = <T>(work: () => T | Promise<T>) => Promise<T>;

/** A queue: each work begins when those asked for before it have ended, whether they failed or not. */
export function createMutex(): Mutex {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const done = last.then(work);
    last = done.catch(() => {}); // for the caller
    return done;
  };
}
