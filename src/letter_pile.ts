/**
 * Which letters wait, in which order, and which of them news may join: an outbox's memory, without its clock and its other side.
 * Oldest first. A letter whose news have gone over into another stays, with nothing in it, until that one is taken: so the
 * store, where each is replaced by its id, tells of every news once, whenever the process is killed.
 */
import type { Letter } from "./alert.ts";
import type { Failure } from "./delivery.ts";
import { type Beginning, isEmpty, joined, newLetter, type News } from "./letter.ts";

export type FrozenLetter = Letter & { readonly frozen: string };

export class LetterPile {
  #letters: readonly Letter[];
  /** Letters that are being made or sent: news do not join them. */
  #inHand: readonly Letter[] = [];
  /** Those that may have been taken without a word, by id: what was in flight when a process ended is of them. */
  readonly #inDoubt: Set<string>;

  constructor(restored: readonly Letter[]) {
    this.#letters = restored;
    this.#inDoubt = new Set(restored.filter(({ frozen }) => frozen !== null).map(({ id }) => id));
  }

  /** Those for which something is owed. */
  waiting(): readonly Letter[] {
    return this.#letters.filter((each) => !isEmpty(each));
  }

  /** The one that has to be repeated as it is, before all others. */
  frozen(): FrozenLetter | undefined {
    return this.#letters.find((each): each is FrozenLetter => each.frozen !== null);
  }

  /** Those that wait and can still be joined. */
  open(): readonly Letter[] {
    return this.waiting().filter((each) => each.frozen === null);
  }

  /** Puts `news` into the last letter if that can be joined, else into a new one: behind all that came before them. */
  add(news: News, begin: () => Beginning): Letter {
    const last = this.#letters.at(-1);
    const canJoin = last?.frozen === null && !this.#inHand.includes(last);
    const letter = canJoin ? joined(last, news) : newLetter(begunAfter(last, begin()), news);
    this.put(letter);
    return letter;
  }

  /** Each in the place of the one of its id, or behind all. */
  put(...letters: readonly Letter[]): void {
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
  thaw(letter: Letter, failure: Failure, newId: () => string): Letter | null {
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
  done(letter: Letter): string[] {
    this.#inDoubt.delete(letter.id);
    const isDone = (each: Letter) => each.id === letter.id || isEmpty(each);
    const ids = this.#letters.filter(isDone).map(({ id }) => id);
    this.#letters = this.#letters.filter((each) => !isDone(each));
    return ids;
  }
}

/**
 * The store gives letters back by their age: one that is begun after the clock was put back is not older for that, and none
 * is as old as another, since one that is given a new id is put behind those of its age.
 */
function begunAfter(last: Letter | undefined, beginning: Beginning): Beginning {
  return { ...beginning, createdMs: Math.max(beginning.createdMs, (last?.createdMs ?? -Infinity) + 1) };
}
