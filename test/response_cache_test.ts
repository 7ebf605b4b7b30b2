import assert from "node:assert/strict";
import type { YieldToEventLoop } from "../src/async.ts";
import {
  EncodedBody,
  keptMs,
  ListCache,
  OutgoingBudget,
  outgoingBytesMax,
  PageCache,
  pieceBytes,
  stalledMs,
  waitingMax,
} from "../src/response_cache.ts";
import type { ExperimentView, Snapshot } from "../src/snapshot.ts";
import { appOf, wellLab } from "./support/app.ts";
import { isLetGo } from "./support/let_go.ts";
import { lab } from "./support/page_lab.ts";
import { snapshot } from "./support/snapshot.ts";

const long = Array.from({ length: 100_000 }, (_, at) => `experiment ${at}`).join("\n");

Deno.test("a body is the bytes of its text, in pieces of a size that one turn can write", async () => {
  for (const text of ["", "x", "ü".repeat(pieceBytes), long]) {
    const { pieces, length } = EncodedBody.of(text);

    assert.equal(await new Blob([...pieces]).text(), text);
    assert.equal(length, new TextEncoder().encode(text).length);
    assert.ok(pieces.every((piece) => piece.length <= pieceBytes));
  }
});

Deno.test("a body is packed once for all who take it so, with the same tag, and is the same inside", async () => {
  const body = new EncodedBody(EncodedBody.of(long).pieces, 'W/"x"');
  const [packed, again] = await Promise.all([body.packed(turn), body.packed(turn)]);

  assert.equal(packed, again);
  assert.equal(packed.tag, body.tag);
  assert.ok(packed.length < body.length / 4);
  const opened = new Blob([...packed.pieces]).stream().pipeThrough(new DecompressionStream("gzip"));
  assert.equal(await new Response(opened).text(), long);
});

Deno.test("a large body is packed bit by bit, and all else has its turn in between", async () => {
  let turns = 0;
  const body = EncodedBody.of("x".repeat(40 * pieceBytes));
  await body.packed(() => (turns++, turn()));

  assert.equal(turns, 9);
});

Deno.test("a body that could not be packed is packed for the next who takes it so", async () => {
  const body = EncodedBody.of("x".repeat(5 * pieceBytes));
  await assert.rejects(body.packed(() => Promise.reject(new Error("once"))), /once/);

  assert.ok((await body.packed(turn)).length > 0);
});

function turn(): Promise<void> {
  return Promise.resolve();
}

/*  How many times a body is made, and what of it: what a second asker, or nobody, must not cost. */

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

/** Copies whose pages take `costMs` to make and say how many were begun before, with `bytes` after that. */
function setUp({ costMs = 0, bytes = 0 } = {}) {
  const bench = { nowMs: 0, revision: 1, made: 0, making: 0, pausedMs: 0 };
  const pause = async () => {
    await Promise.resolve();
    bench.nowMs += bench.pausedMs;
  };
  const aheadMs = { by: 0 };
  const snapshot = () => lab([], { revision: bench.revision });
  const copies = new PageCache({
    nowMs: () => bench.nowMs + aheadMs.by,
    monotonicMs: () => bench.nowMs,
    pause,
    snapshot,
  });
  const make = async (_: Snapshot, pause: YieldToEventLoop) => {
    assert.equal(++bench.making, 1, "one is made at a time");
    const text = `page ${++bench.made}`;
    bench.nowMs += costMs / 2;
    await pause();
    bench.nowMs += costMs / 2;
    bench.making--;
    return EncodedBody.of(text.padEnd(bytes));
  };
  const ask = (address = "/") => copies.of(address, make) ?? Promise.reject(new Error("there is no room"));
  const read = async (address?: string) => (await textOf(await ask(address))).trim();
  return { bench, ask, read, copies, aheadMs };
}

Deno.test("a page that is asked for again within a second is the same one", async () => {
  const { bench, ask, read } = setUp();
  const first = await ask();
  bench.nowMs = 1_000;
  assert.equal(await ask(), first);
  bench.nowMs = 1_001;
  assert.equal(await read(), "page 2");
});

Deno.test("all who ask for a page while it is being made get that one", async () => {
  const { bench, ask } = setUp({ costMs: 5_000 });
  const [first, second] = await Promise.all([ask(), ask()]);

  assert.equal(first, second);
  assert.equal(bench.made, 1);
});

Deno.test("a page that is being made and says less than there is to say by now is not waited for", async () => {
  const { bench, ask } = setUp();
  const first = ask();
  await Promise.resolve(); // it is begun
  bench.revision = 2;
  assert.equal(await textOf(await ask()), "page 2");
  assert.equal(await textOf(await first), "page 1");
  assert.equal(await textOf(await ask()), "page 2");
});

Deno.test("a page that could not be made is made anew for the next who asks", async () => {
  const { ask, copies } = setUp();
  const failing = copies.of("/", () => Promise.reject(new Error("no")));
  await assert.rejects(failing!, /no/);
  assert.equal(await textOf(await ask()), "page 1");
});

Deno.test("pages are made one after the other, each of what there is when its turn comes", async () => {
  const { bench, ask } = setUp();
  const all = Array.from({ length: 10 }, (_, at) => ask(`/?q=${at}`));
  await Promise.resolve();
  bench.revision = 2;
  await Promise.all(all);
  for (let at = 1; at < 10; at++) await ask(`/?q=${at}`);
  assert.equal(bench.made, 10);
  assert.equal(await textOf(await ask("/?q=0")), "page 11");
});

Deno.test("while many wait for their pages there is no room for one more, but for those who ask for the same", async () => {
  const { ask } = setUp();
  const waiting = Array.from({ length: waitingMax }, (_, at) => ask(`/?q=${at}`));
  await assert.rejects(ask("/?q=one-more"), /no room/);
  assert.equal(await ask("/?q=31"), await waiting.at(-1));
  await Promise.all(waiting);
  await ask("/?q=one-more");
});

Deno.test("a page that says less than there is to say is made anew at once", async () => {
  const { bench, ask, read } = setUp();
  await ask();
  bench.revision = 2;
  assert.equal(await read(), "page 2");
});

Deno.test("a page that takes long to make is kept for longer", async () => {
  const { bench, ask, read } = setUp({ costMs: 200 });
  const first = await ask();
  bench.nowMs = 4_000;
  assert.equal(await ask(), first);
  bench.nowMs = 4_001;
  assert.equal(await read(), "page 2");
});

Deno.test("of 32 addresses a page is kept, those that were made last", async () => {
  const { bench, ask } = setUp();
  for (let at = 0; at < 33; at++) await ask(`/?q=${at}`);
  await ask("/?q=1");
  assert.equal(bench.made, 33);
  await ask("/?q=0");
  assert.equal(bench.made, 34);
});

Deno.test("of large pages as many are kept as have 32 MB, and the last however large", async () => {
  const { bench, ask } = setUp({ bytes: 12 * 1024 * 1024 });
  for (const address of ["/?q=1", "/?q=2", "/?q=3", "/?q=3", "/?q=2"]) await ask(address);
  assert.equal(bench.made, 3);
  await ask("/?q=1");
  assert.equal(bench.made, 4);

  const huge = setUp({ bytes: 40 * 1024 * 1024 });
  await Promise.all([await huge.ask(), await huge.ask()]);
  assert.equal(huge.bench.made, 1);
});

Deno.test("a page is packed once for all who take it so", async () => {
  const { ask } = setUp({ bytes: 2_000 });
  const page = await ask();
  const pause = () => Promise.resolve();
  assert.equal(await page.packed(pause), await page.packed(pause));
});

Deno.test("what else was done while a page was being made is none of its cost", async () => {
  const { bench, ask, read } = setUp({ costMs: 40 });
  bench.pausedMs = 1_000;
  await ask();
  assert.equal(await read(), "page 2");
});

Deno.test("no page is kept for more than ten seconds, whatever it cost", async () => {
  const { bench, ask, read } = setUp({ costMs: 5_000 });
  const first = await ask();
  bench.nowMs = 10_000;
  assert.equal(await ask(), first);
  bench.nowMs = 10_001;
  assert.equal(await read(), "page 2");
});

Deno.test("that the clock is put forward by an hour while a page is made makes it neither older nor dearer", async () => {
  const { bench, ask, read, aheadMs } = setUp();
  const first = ask();
  aheadMs.by = 3_600_000;
  const page = await first;
  bench.nowMs = 1_000;
  assert.equal(await ask(), page);
  bench.nowMs = 1_001;
  assert.equal(await read(), "page 2");
});

Deno.test("a page that was made before the clock was put back is made anew", async () => {
  const { ask, read, aheadMs } = setUp();
  await ask();
  aheadMs.by = -1;
  assert.equal(await read(), "page 2");
});

/*  What is held for those who take a body: the same pieces for all, no more than a limit, and whoever reads gets the whole. */

const half = outgoingBytesMax / 2;

/** A body of so many bytes, that takes none of them. */
function body(bytes: number): EncodedBody {
  return new EncodedBody([{ length: bytes } as Uint8Array<ArrayBuffer>]);
}

function outgoingSetUp() {
  const bench = { nowMs: 0, cut: [] as number[], full: 0, ended: [] as string[] };
  const outgoing = new OutgoingBudget({
    monotonicMs: () => bench.nowMs,
    cut: (readers) => bench.cut.push(readers),
    full: () => bench.full++,
  });
  const take = (name: string, what: EncodedBody) => outgoing.take(what, () => bench.ended.push(name));
  return { bench, outgoing, take };
}

Deno.test("a thousand who take one body hold it once, and read the very same pieces", async () => {
  const [{ outgoing }, shared] = [outgoingSetUp(), EncodedBody.of("x".repeat(3 * pieceBytes))];
  const readers = Array.from({ length: 1_000 }, () => outgoing.stream(shared)!.getReader());
  const firsts = await Promise.all(readers.map((reader) => reader.read()));

  assert.equal(outgoing.bytes, shared.length);
  for (const { value } of firsts) assert.equal(value, shared.pieces[0]);
  await Promise.all(readers.map((reader) => reader.cancel()));
  assert.equal(outgoing.bytes, 0);
});

Deno.test("nothing is held for one who has read all, though the end is not asked for", async () => {
  const [{ outgoing }, large] = [outgoingSetUp(), EncodedBody.of("x".repeat(2 * pieceBytes))];
  const reader = outgoing.stream(large)!.getReader();
  await reader.read();
  assert.equal(outgoing.bytes, large.length);
  await reader.read();

  assert.equal(outgoing.bytes, 0);
  assert.equal((await reader.read()).done, true);
});

Deno.test("where there is no room the newcomer gets none, those who read go on, and it is told once", () => {
  const { bench, outgoing, take } = outgoingSetUp();
  const oldest = body(half);
  take("a", oldest);
  take("b", body(half));

  assert.equal(take("c", body(1)), null);
  assert.equal(take("d", body(1)), null);
  assert.notEqual(take("e", oldest), null, "what is on its way already takes no room");
  assert.deepEqual(bench, { nowMs: 0, cut: [], full: 1, ended: [] });
  assert.equal(outgoing.bytes, outgoingBytesMax);
});

Deno.test("that there is no room is told again when there has been some", () => {
  const { bench, take } = outgoingSetUp();
  const first = take("a", body(2 * half));
  take("b", body(1));
  first?.leave();
  take("c", body(2 * half));
  take("d", body(1));

  assert.equal(bench.full, 2);
});

const stalls: Record<string, [nowMs: number, ended: readonly string[]]> = {
  "who has taken no piece for ten seconds makes room": [stalledMs, ["still"]],
  "a moment before nobody does": [stalledMs - 1, []],
};
for (const [says, [nowMs, ended]] of Object.entries(stalls)) {
  Deno.test(`of those who read slowly ${says}`, () => {
    const { bench, take } = outgoingSetUp();
    take("still", body(half));
    const slow = take("slow", body(half));
    bench.nowMs = nowMs - 1;
    slow?.next();
    bench.nowMs = nowMs;

    assert.equal(take("new", body(half)) !== null, ended.length > 0);
    assert.deepEqual(bench.ended, ended);
    assert.deepEqual(bench.cut, ended.map(() => 1));
  });
}

Deno.test("who has taken nothing for long is left in peace while there is room", () => {
  const { bench, take } = outgoingSetUp();
  take("still", body(half));
  bench.nowMs = 100 * stalledMs;

  assert.notEqual(take("new", body(half)), null);
  assert.deepEqual(bench.ended, []);
});

Deno.test("of sixty who read slowly and come one after another, each of another body, those who get in get all of it", async () => {
  const { bench, outgoing } = outgoingSetUp();
  const pieces = 60, begun: ReadableStreamDefaultReader[] = [];
  for (let second = 0; second < 60; second++) {
    bench.nowMs += 1_000;
    const stream = outgoing.stream(new EncodedBody(Array.from({ length: pieces }, () => new Uint8Array(pieceBytes))));
    if (stream !== null) begun.push(stream.getReader());
    for (const reader of begun) await reader.read();
  }
  const rests = await Promise.all(begun.slice(0, 4).map(lengthOf));

  assert.deepEqual(bench.cut, []);
  assert.deepEqual(rests, [0, 1, 2, 3].map((second) => second * pieceBytes));
});

Deno.test("a body larger than all that may be held is sent where nothing else is on its way", () => {
  const { take } = outgoingSetUp();
  assert.notEqual(take("large", body(4 * half)), null);
  assert.equal(take("small", body(1)), null);
});

Deno.test("whoever left is not ended later, and leaving twice is leaving once", () => {
  const { bench, outgoing, take } = outgoingSetUp();
  const left = take("left", body(half));
  left?.leave();
  left?.leave();
  assert.equal(left?.next(), undefined);
  take("other", body(2 * half));
  bench.nowMs = stalledMs;
  take("last", body(1));

  assert.deepEqual(bench.ended, ["other"]);
  assert.equal(outgoing.bytes, 1);
});

Deno.test("who is cut off sees that it is not the whole, and nothing is printed of it", async () => {
  const args = ["run", "-A", "--no-check", `${import.meta.dirname}/support/cut_process.ts`];
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));

  assert.equal(out, "200, and the slow one saw a part\n");
  assert.doesNotMatch(err!, /Error|\bat file:/);
});

Deno.test("who finds no room is told to come again, and HEAD takes none", async () => {
  const bodies = [0, 1, 2].map(() => EncodedBody.of("x".repeat(40 * 1024 * 1024)));
  const app = appOf(snapshot(wellLab().bench), { metrics: () => Promise.resolve(bodies.shift()!) });
  const head = await app.request("/metrics", { method: "HEAD" });
  const first = await app.request("/metrics");
  const second = await app.request("/metrics");

  assert.deepEqual([head.status, first.status, second.status], [200, 200, 503]);
  assert.equal(second.headers.get("retry-after"), "15");
  assert.deepEqual(await second.json(), { code: "503", message: "too much is on its way to others already" });
  await first.body?.cancel();
});

async function lengthOf(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<number> {
  let length = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) length += next.value.length;
  return length;
}
