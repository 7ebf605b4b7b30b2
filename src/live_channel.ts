/** What live readers who see the same are told: the shape of `live_json` and `live_page`, and what `live` shares out. */
import type { Body, Piece } from "./body.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

/** Whether `everyMs` have passed since `sinceMs`. A clock that was put back has made it due: all times are others now. */
export function isDue(sinceMs: number, { nowMs, everyMs }: { nowMs: number; everyMs: number }): boolean {
  return nowMs - sinceMs >= everyMs || nowMs < sinceMs;
}

/** For as long as it has readers; made with the Snapshot that its first reader sees. */
export interface Channel {
  /**
   * What one that comes now gets first, a body where that takes time to make: what all are told from now on comes after it.
   * `seen`: the revision of what it has, as `revisionText`; null for nothing.
   */
  first(snapshot: Snapshot, nowMs: number, seen: string | null): Piece | Promise<Body>;
  /** What all of them are to be told since the last time; null for nothing. Called some times a second. */
  next(snapshot: Snapshot, nowMs: number): Piece | null;
}

/** The experiments of `snapshot` by name: many channels ask each of them for one. */
export function viewsOf(snapshot: Snapshot): ReadonlyMap<string, ExperimentView> {
  let views = byName.get(snapshot);
  if (!views) byName.set(snapshot, views = new Map(snapshot.experiments.map((view) => [view.name, view])));
  return views;
}

const byName = new WeakMap<Snapshot, ReadonlyMap<string, ExperimentView>>();
