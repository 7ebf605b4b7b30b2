/** What live readers who see the same are told: the shape of `live_json` and `live_page`, and what `live` shares out. */
import type { Snapshot } from "./snapshot.ts";

/** Whether `everyMs` have passed since `sinceMs`. A clock that was put back has made it due: all times are others now. */
export function isDue(sinceMs: number, { nowMs, everyMs }: { nowMs: number; everyMs: number }): boolean {
  return nowMs - sinceMs >= everyMs || nowMs < sinceMs;
}

/** For as long as it has readers; made with the Snapshot that its first reader sees. */
export interface Channel {
  /** What one that comes now gets first. `seen`: the revision of what it has, as `revisionText`; null for nothing. */
  first(snapshot: Snapshot, nowMs: number, seen: string | null): Uint8Array<ArrayBuffer>;
  /** What all of them are to be told since the last time; null for nothing. Called some times a second. */
  next(snapshot: Snapshot, nowMs: number): Uint8Array<ArrayBuffer> | null;
}
