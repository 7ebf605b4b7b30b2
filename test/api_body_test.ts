/** How many times a body is made, and what of it: what a second asker, or nobody, must not cost. */
import assert from "node:assert/strict";
import { type EncodedBody, keptMs, ListCache } from "../src/response_cache.ts";
import type { ExperimentView, Snapshot } from "../src/snapshot.ts";
import { wellLab } from "./support/app.ts";
import { isLetGo } from "./support/let_go.ts";
import { snapshot } from "./support/snapshot.ts";

/** A laboratory of `count` experiments that counts how many of them have been written down. */
class Counted {
  written = 0;
  /** How many were written between two pauses, or before the first. */
  readonly turns: number[] = [];
  broken = false;
  readonly #view: ExperimentView;
  readonly #count: number;
  readonly #pauses: (() => void)[] = [];
  #before = 0;
  now: Snapshot = snapshot(wellLab([]).bench);
  readonly bodies: ListCache;

  constructor(count: number) {
    this.#count = count;
    this.#view = snapshot(wellLab(["pend00"]).bench).experiments[0]!;
    this.next();
    const pause = () => {
      this.turns.push(this.written - this.#before);
      this.#before = this.written;
      return new Promise<void>((resolve) => this.#pauses.push(resolve));
    };
    this.bodies = new ListCache({ snapshot: () => this.now, pause }, { addresses: false });
  }

  /** Another Snapshot so many milliseconds later, in which other things have changed than times and statistics, or have not. */
  next(laterMs = 0, change = 1): Snapshot {
    // deno-lint-ignore no-this-alias -- in the getter `this` is the experiment
    const lab = this;
    const experiments = Array.from({ length: this.#count }, (_, at) => ({
      ...this.#view,
      get name() {
        if (lab.broken) throw new Error("broken");
        lab.written++;
        return `pend${at}`;
      },
    }));
    const { atMs, revision } = this.now;
    this.now = { ...this.now, atMs: atMs + laterMs, revision: revision + change, experiments };
    return this.now;
  }

  /** Lets the making go on, to its end. */
  async finish(): Promise<void> {
    for (let quiet = 0; quiet < 5; quiet++) {
      await Promise.resolve();
      for (const resume of this.#pauses.splice(0)) [quiet] = [0, resume()];
    }
  }
}

Deno.test("one body is made of a Snapshot, however many ask for it, at once or later", async () => {
  const lab = new Counted(100);

  const [first, ...others] = await Promise.all(Array.from({ length: 50 }, () => lab.bodies.now()));
  for (const other of [...others, await lab.bodies.now()]) assert.equal(other, first);
  assert.equal(lab.written, 100);
});

Deno.test("no body is made of a Snapshot that nobody asks for, nor to tell its tag", () => {
  const lab = new Counted(100);
  const tags = Array.from({ length: 20 }, () => (lab.next(), lab.bodies.tag));

  assert.equal(new Set(tags).size, 20);
  assert.equal(lab.bodies.tag, tags.at(-1));
  assert.equal(lab.written, 0);
});

Deno.test("of each Snapshot that is asked for there is another body, with another tag", async () => {
  const lab = new Counted(10);
  const bodies: EncodedBody[] = [];
  for (let at = 0; at < 5; at++) {
    bodies.push(await lab.bodies.now());
    assert.equal(bodies.at(-1)!.tag, lab.bodies.tag);
    lab.next();
  }

  assert.equal(new Set(bodies.map(({ tag }) => tag)).size, 5);
  assert.equal(lab.written, 50);
});

const moments: Record<string, [laterMs: number, change: number, isSame: boolean]> = {
  "reports that bring other times and statistics, within a second": [keptMs - 1, 0, true],
  "the same, a second later": [keptMs, 0, false],
  "anything else that has changed": [1, 1, false],
  "a clock that was put back": [-1, 0, false],
};
for (const [name, [laterMs, change, isSame]] of Object.entries(moments)) {
  Deno.test(`after ${name} it is ${isSame ? "the same" : "another"} body and tag`, async () => {
    const lab = new Counted(10);
    const first = await lab.bodies.now();
    lab.next(laterMs, change);
    const second = await lab.bodies.now();

    assert.equal(second === first, isSame);
    assert.equal(second.tag === first.tag, isSame);
    assert.equal(second.tag, lab.bodies.tag);
  });
}

Deno.test("whoever asks all the time, while both feeds report ten times a second, has one body a second made", async () => {
  const lab = new Counted(10);
  for (let at = 0; at < 200; at++) {
    for (let asker = 0; asker < 5; asker++) await lab.bodies.now();
    lab.next(50, 0);
  }

  assert.equal(lab.written, 10 * 10);
});

Deno.test("no collection of what is not used any more throws a body away before its second is over", async () => {
  const lab = new Counted(10);
  await lab.bodies.now();
  lab.next(keptMs - 1, 0);
  assert.equal(await isLetGo(new WeakRef({})), true);
  await lab.bodies.now();

  assert.equal(lab.written, 10);
});

Deno.test("of all bodies the newest alone is held, once it is made", async () => {
  const lab = new Counted(10);
  const first = new WeakRef(await lab.bodies.now());
  lab.next();
  const second = new WeakRef(await lab.bodies.now());

  assert.equal(await isLetGo(first), true);
  assert.equal(await isLetGo(second), false);
});

Deno.test("another run of the program, or another monitor, has other tags for the same", () => {
  assert.notEqual(new Counted(1).bodies.tag, new Counted(1).bodies.tag);
});

Deno.test("while one is being made all who come get the one after it, whatever changes meanwhile", async () => {
  const lab = new Counted(3_000);
  const first = lab.bodies.now();
  const later: Promise<EncodedBody>[] = [];
  for (let at = 0; at < 20; at++) {
    lab.next();
    later.push(lab.bodies.now(), lab.bodies.now());
  }
  const newest = lab.bodies.tag;
  await lab.finish();

  const [last, ...others] = await Promise.all(later);
  for (const other of others) assert.equal(other, last);
  assert.equal(last!.tag, newest);
  assert.notEqual(await first, last);
  assert.equal(lab.written, 6_000);
});

Deno.test("what is done between two pauses does not grow with the laboratory", async () => {
  const lab = new Counted(20_000);
  const body = lab.bodies.now();
  await lab.finish();

  assert.equal(JSON.parse(await textOf(await body)).length, 20_000);
  assert.ok(Math.max(...lab.turns) < 2_000, `${Math.max(...lab.turns)} in one go`);
});

Deno.test("a body that can't be made is an error to all who wait for it, and is tried again for who asks next", async () => {
  const lab = new Counted(3);
  lab.broken = true;
  const asked = [lab.bodies.now(), lab.bodies.now()];
  for (const each of asked) await assert.rejects(each, /broken/);
  lab.broken = false;

  assert.equal(JSON.parse(await textOf(await lab.bodies.now())).length, 3);
});

Deno.test("a laboratory without experiments has an empty list", async () => {
  assert.equal(await textOf(await new Counted(0).bodies.now()), "[]");
});

function textOf({ pieces }: EncodedBody): Promise<string> {
  return new Blob([...pieces]).text();
}
