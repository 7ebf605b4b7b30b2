/**
 * What book says of one resource after the other, of thousands within seconds, is taken in at one go when somebody looks.
 * What it means is for `availability`.
 */
import type { ResourceState } from "./availability.ts";
import type { BookSource } from "./sources.ts";

export class BookSaid {
  readonly #news = new Map<string, ResourceState>();
  /** All of which it has ever said something in this run. */
  readonly #named = new Set<string>();
  readonly #all = Promise.withResolvers<void>();

  /** Resolves when book has said of every resource whether it is available. */
  get all(): Promise<void> {
    return this.#all.promise;
  }

  /** Book said this of one of `resources`. */
  note(resource: string, state: ResourceState, resources: readonly unknown[]): void {
    this.#news.set(resource, state);
    this.#named.add(resource);
    if (this.#named.size >= resources.length) this.#all.resolve();
  }

  /** The source with all that was noted since; the same one where that says nothing new. */
  takenInto(source: BookSource): BookSource {
    if (this.#news.size === 0) return source;
    const { states } = source;
    const news = [...this.#news].filter(([resource, state]) => !isSame(states.get(resource), state));
    this.#news.clear();
    if (news.length === 0) return source; // most of what book says, it has said before
    return { ...source, states: new Map([...states, ...news]) };
  }
}

function isSame(was: ResourceState | undefined, now: ResourceState): boolean {
  if (was?.kind !== "said" || now.kind !== "said") return was?.kind === now.kind;
  return was.available === now.available && was.reason === now.reason;
}
