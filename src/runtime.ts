/**
 * What a part uses of the machine that it runs on, in one bundle. `app` makes the real one; a test hands in its own, and a
 * part that needs only some of it asks for a `Pick`. What is peculiar to one part (its sockets, its store) is beside it.
 */
import type { Clock } from "./clock.ts";

export interface Runtime {
  readonly clock: Clock;
  /** In [0, 1), as Math.random. */
  random(): number;
  /** Unique in this and every other run. */
  newId(): string;
  fetch(url: URL, init: RequestInit): Promise<Response>;
}
