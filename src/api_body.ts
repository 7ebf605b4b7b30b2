/**
 * `GET /api/v1/experiments`: its body, made once however many ask for it, and only if somebody does. One is made at a time,
 * and bit by bit. Every report brings other times and statistics, and is no reason to write all of it anew for each who asks:
 * of these a body is a second old at most, all else in it is what is so now.
 */
import type { ApiOptions } from "./api.ts";
import { experimentText } from "./api_experiment.ts";
import type { Pause } from "./async.ts";
import { Body } from "./body.ts";
import { isDue } from "./live_channel.ts";
import type { Snapshot } from "./snapshot.ts";

export interface BodyPorts {
  /** The same object until something changes. */
  snapshot(): Snapshot;
  readonly pause: Pause;
}

/** For so long a body is good while nothing has changed but times and statistics (`revision`). */
export const keptMs = 1_000;

/** A body, made or not. */
interface Known {
  readonly atMs: number;
  readonly revision: number;
  readonly tag: string;
  body: Promise<Body> | null;
}

export class ExperimentBodies {
  readonly #ports: BodyPorts;
  readonly #options: ApiOptions;
  /** Of this run alone: after a restart, or from another monitor behind the same proxy, the same number is another body. */
  readonly #run = crypto.randomUUID().slice(0, 13);
  /** The newest. It stays until one is asked for that it is not good for: a few MB of a large laboratory. */
  #last: Known | null = null;
  #count = 0;
  /** The last that was begun; null when it is made. */
  #making: Promise<unknown> | null = null;
  /** For those who came while one of an earlier Snapshot was being made. */
  #next: Promise<Body> | null = null;

  constructor(ports: BodyPorts, options: ApiOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** That of the body of now, which need not be made for it. */
  get tag(): string {
    return this.#of(this.#ports.snapshot()).tag;
  }

  /** The body of now, or of a later moment. */
  now(): Promise<Body> {
    const snapshot = this.#ports.snapshot();
    const known = this.#of(snapshot);
    if (known.body !== null) return known.body;
    if (this.#making === null) return this.#begin(snapshot, known);
    return this.#next ??= this.#making.then(() => {
      this.#next = null;
      return this.now();
    });
  }

  #begin(snapshot: Snapshot, known: Known): Promise<Body> {
    const body = known.body = this.#make(snapshot, known.tag);
    const done = () => {
      this.#making = null;
    };
    this.#making = body.then(done, () => {
      known.body = null;
      done();
    });
    return body;
  }

  #make({ experiments }: Snapshot, tag: string): Promise<Body> {
    const options = this.#options;
    function* texts() {
      yield "[";
      for (const [at, view] of experiments.entries()) yield `${at > 0 ? "," : ""}${experimentText(view, options)}`;
      yield "]";
    }
    return Body.made(texts(), this.#ports.pause, tag);
  }

  #of(snapshot: Snapshot): Known {
    if (this.#last !== null && isGood(this.#last, snapshot)) return this.#last;
    const { atMs, revision } = snapshot;
    // Weak, as another encoding has other bytes and the same tag.
    return this.#last = { atMs, revision, tag: `W/"${this.#run}-${++this.#count}"`, body: null };
  }
}

/** Whether it says of `now` all but newer times and statistics. */
function isGood({ atMs, revision }: Known, now: Snapshot): boolean {
  return revision === now.revision && !isDue(atMs, { nowMs: now.atMs, everyMs: keptMs });
}
