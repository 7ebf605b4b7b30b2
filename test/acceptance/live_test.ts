/** `GET /api/v1/live` of the real program: what a laboratory's own tools hear, and that it never holds the program up. */
import assert from "node:assert/strict";
import { Station } from "../support/station.ts";

Deno.test("a tool that listens is given the picture, and then what changes alone", async () => {
  await using station = await Station.watching({ experiments: { pend00: ["st-data"], spin31: ["st-data"] } });
  for (const name of ["pend00", "spin31"]) {
    const isSettled = async () =>
      (await station.experiment(name))?.available && (await station.states()).mail === "idle";
    await station.until(isSettled, `all to be well with ${name}`);
  }
  await using tool = await Ear.at(station);
  await station.until(() => tool.events.length >= 3, "the picture");
  assert.deepEqual(tool.events.slice(0, 3).map(({ name, of }) => `${name} ${of}`), [
    "status undefined",
    "experiment pend00",
    "experiment spin31",
  ]);

  station.world.stream("spin31-st-data").stall();
  const news = () => tool.events.slice(3).filter(({ name }) => name === "experiment");
  await station.until(() => news().some(({ state }) => state === "unhealthy"), "the change");
  assert.deepEqual([...new Set(news().map(({ of }) => of))], ["spin31"]);
});

Deno.test("with 200 readers of the live events the program ends at once when it is asked to, and they with it", async () => {
  await using station = await Station.watching();
  const readers = await Promise.all(Array.from({ length: 200 }, () => Ear.at(station)));
  const { code, tookMs } = await station.end("SIGTERM");
  assert.equal(code, 0);
  assert.ok(tookMs < 5_000, `it took ${tookMs} ms`);
  await Promise.all(readers.map(({ over }) => over));
});

interface Heard {
  readonly name: string;
  /** The experiment that it is of. */
  readonly of?: string;
  readonly state?: string;
}

/** A reader of the event stream. */
class Ear implements AsyncDisposable {
  readonly events: Heard[] = [];
  readonly over: Promise<void>;
  readonly #left = new AbortController();

  private constructor(body: ReadableStream<Uint8Array>) {
    this.over = this.#listen(body).catch(() => {}); // it left, or the program did
  }

  static async at(station: Station): Promise<Ear> {
    const { body } = await fetch(`${station.url}api/v1/live`);
    return new Ear(body!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#left.abort();
    await this.over;
  }

  async #listen(body: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    const text = body.pipeThrough(new TextDecoderStream(), { signal: this.#left.signal });
    for await (const chunk of text) {
      const pieces = (rest + chunk).split("\n\n");
      rest = pieces.pop() ?? "";
      for (const piece of pieces) this.#hear(piece);
    }
  }

  #hear(piece: string): void {
    const name = /^event: (.*)$/m.exec(piece)?.[1];
    if (name === undefined) return;
    const { topic_name, state } = JSON.parse(/^data: (.*)$/m.exec(piece)?.[1] ?? "{}");
    this.events.push({ name, of: topic_name, state });
  }
}
