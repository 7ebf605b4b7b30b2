/**
 * One thing after the other: what a store writes in pieces is to be seen whole or not at all, and of two records of one thing
 * the later asked for is the one that holds; of large pages that are made side by side all would be held at once.
 */

export type InTurn = <T>(work: () => T | Promise<T>) => Promise<T>;

/** A queue: each work begins when those asked for before it have ended, whether they failed or not. */
export function createTurns(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const done = last.then(work);
    last = done.catch(() => {}); // is for whoever asked
    return done;
  };
}
