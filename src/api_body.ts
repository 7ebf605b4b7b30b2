/**
 * `GET /api/v1/experiments`: the body of a Snapshot, made once however many ask for it, and only if somebody does. One is
 * made at a time, and bit by bit; it is let go of with its Snapshot.
 */
import type { ApiOptions } from "./api.ts";
import { experimentText } from "./api_experiment.ts";
import { Body, encoded, type Pause, type Piece, pieceBytes } from "./body.ts";
import type { Snapshot } from "./snapshot.ts";

export interface BodyPorts {
  /** The same object until something changes. */
  snapshot(): Snapshot;
  readonly pause: Pause;
}

// Between two pauses: some 5 ms' work. All of 500 experiments is done at once.
const piecesAtOnce = 4;

interface Known {
  readonly tag: string;
  body: Promise<Body> | null;
}

export class ExperimentBodies {
  readonly #ports: BodyPorts;
  readonly #options: ApiOptions;
  /** Of this run alone: after a restart, or from another monitor behind the same proxy, the same number is another body. */
  readonly #run = crypto.randomUUID().slice(0, 13);
  readonly #known = new WeakMap<Snapshot, Known>();
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

  async #make({ experiments }: Snapshot, tag: string): Promise<Body> {
    const pieces: Piece[] = [];
    let text = "[";
    for (const [at, view] of experiments.entries()) {
      text += `${at > 0 ? "," : ""}${experimentText(view, this.#options)}`;
      if (text.length < pieceBytes) continue;
      pieces.push(encoded(text));
      text = "";
      if (pieces.length % piecesAtOnce === 0) await this.#ports.pause();
    }
    return new Body([...pieces, encoded(`${text}]`)], tag);
  }

  #of(snapshot: Snapshot): Known {
    let known = this.#known.get(snapshot);
    // Weak, as another encoding has other bytes and the same tag.
    if (!known) this.#known.set(snapshot, known = { tag: `W/"${this.#run}-${++this.#count}"`, body: null });
    return known;
  }
}
