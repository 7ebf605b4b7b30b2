/**
 * Why does a store do one thing after the other? What is written in pieces is to be seen whole or not at all, and to be undone
 * alone; and of two records of one thing the later asked for is the one that holds, however much the earlier has to write.
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
