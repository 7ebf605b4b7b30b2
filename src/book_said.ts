/**
 * What book says of one resource after the other, of thousands within seconds, is taken in at one go when somebody looks.
 * What it means is for `availability`.
 */
import type { ResourceState } from "./availability.ts";
import type { BookSource } from "./sources.ts";

export class BookSaid {
  readonly #news = new Map<string, ResourceState>();
  /** Of which it has said something, until that is enough. */
  readonly #named = new Set<string>();
  readonly #all = Promise.withResolvers<void>();
  #isAll = false;

  /** Resolves when book has spoken of as many resources as it lists; one that it lists no longer counts as one. */
  get all(): Promise<void> {
    return this.#all.promise;
  }

  /** Book said this of one of `resourcesCount`. */
  note(resource: string, state: ResourceState, resourcesCount: number): void {
    this.#news.set(resource, state);
    if (this.#isAll) return;
    this.#named.add(resource);
    if (this.#named.size < resourcesCount) return;
    this.#isAll = true;
    this.#named.clear();
    this.#all.resolve();
  }

  /** The source with all that was noted since; the same one where that says nothing new. */
  takenInto(source: BookSource): BookSource {
    if (this.#news.size === 0) return source;
    const { states } = source;
    const news = [...this.#news].filter(([resource, state]) => !sameState(states.get(resource), state));
    this.#news.clear();
    if (news.length === 0) return source; // most of what book says, it has said before
    return { ...source, states: new Map([...states, ...news]) };
  }
}

function sameState(was: ResourceState | undefined, now: ResourceState): boolean {
  if (was?.kind !== "said" || now.kind !== "said") return was?.kind === now.kind;
  return was.available === now.available && was.reason === now.reason;
}
