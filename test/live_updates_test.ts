import assert from "node:assert/strict";
import { changedRowsMax, createLive, oldestRowsMax, Rows } from "../src/live_updates.ts";
import { stalledMs } from "../src/response_cache.ts";
import type { Snapshot } from "../src/snapshot.ts";
import { type Live, type LivePorts, queuedBytesMax, readersMax } from "../src/sse.ts";
import { FakeClock } from "./support/clock.ts";
import { Listener, LiveLab } from "./support/live_lab.ts";

/** A laboratory, its live streams, and the time in the test's hand. */
class Stage implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly lab: LiveLab;
  readonly live: Live;
  readonly failures: unknown[] = [];
  /** How many times the Snapshot was asked for. */
  looks = 0;
  broken = false;
  readonly #listeners: Listener[] = [];
  readonly #stop = new AbortController();
  readonly #run: Promise<void>;

  constructor(names: readonly string[] = ["pend00", "spin31"]) {
    this.lab = new LiveLab(names);
    const ports: LivePorts = {
      snapshot: () => (this.looks++, this.broken ? {} as Snapshot : this.lab.snapshot),
      clock: this.clock,
      failed: (error) => this.failures.push(error),
    };
    this.live = createLive(ports, { addresses: false });
    this.#run = this.live.run(this.#stop.signal);
  }

  async listen(query = ""): Promise<Listener> {
    const answer = this.live.answer(new URLSearchParams(query));
    const listener = new Listener(answer!.body!);
    this.#listeners.push(listener);
    await this.clock.advance(0);
    return listener;
  }

  /** A page that shows what there is now. */
  page(query: string): Promise<Listener> {
    const { startedMs, revision } = this.lab.snapshot;
    return this.listen(`${query}&revision=${startedMs}-${revision}`);
  }

  async pass(ms: number): Promise<void> {
    this.live.changed();
    await this.clock.advance(ms);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#run;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    for (const listener of this.#listeners) await listener.ended;
  }
}

Deno.test("a program is told of everything when it comes, then of what changes", async () => {
  await using stage = new Stage();
  const program = await stage.listen();
  assert.deepEqual(program.news(), ["status", "experiment pend00", "experiment spin31"]);

  stage.lab.change({ held: "repair" }, "spin31");
  await stage.pass(250);
  assert.deepEqual(program.news(), ["experiment spin31", "status"]);
  const [held] = program.events.filter(({ name }) => name === "experiment").slice(-1);
  assert.equal(JSON.parse(held!.data).held, "repair");
});

Deno.test("a program is told of an experiment that is known no more, and of a new one", async () => {
  await using stage = new Stage();
  const program = await stage.listen();
  program.news();
  stage.lab.forget("pend00");
  stage.lab.add("turn04");
  await stage.pass(250);
  assert.deepEqual(program.news(), ["forgotten pend00", "experiment turn04", "status"]);
});

Deno.test("a program that comes in the midst of a change is told when that is undone, and the others of the whole", async () => {
  await using stage = new Stage();
  const first = await stage.listen();
  first.news();
  stage.lab.change({ held: "repair" }, "spin31");
  stage.lab.changeWhole();
  stage.live.changed();
  const second = await stage.listen();
  second.news();
  stage.lab.change({ held: null }, "spin31");
  await stage.pass(250);
  const last = second.events.filter(({ name }) => name === "experiment").at(-1);
  assert.deepEqual([second.news(), JSON.parse(last!.data).held], [["experiment spin31", "status"], null]);
  stage.lab.changeWhole();
  stage.live.changed();
  await stage.listen();
  first.news();
  await stage.pass(250);
  assert.deepEqual(first.news(), ["status"]);
});

Deno.test("reports that change nothing are told of by the status alone, every 10 s", async () => {
  await using stage = new Stage();
  const program = await stage.listen();
  program.news();
  for (let second = 1; second <= 9; second++) {
    stage.lab.report();
    await stage.pass(1_000);
  }
  assert.deepEqual(program.news(), []);
  await stage.pass(1_000);
  assert.deepEqual(program.news(), ["status"]);
});

Deno.test("changes that come close together are told of in one piece", async () => {
  await using stage = new Stage();
  const program = await stage.listen();
  const before = program.pieces.length;
  stage.lab.change({ held: "repair" }, "pend00");
  await stage.pass(100);
  stage.lab.change({ held: "repair" }, "spin31");
  await stage.pass(150);
  assert.equal(program.pieces.length, before + 1);
});

Deno.test("a comment goes out every 15 s, to pages and programs", async () => {
  await using stage = new Stage();
  const all = [await stage.listen(), await stage.page("page=list")];
  const comments = () => all.map(({ text }) => text.match(/^:$/gm)?.length ?? 0);
  await stage.pass(1_000);
  const before = comments();
  await stage.pass(30_000);
  assert.deepEqual(comments(), before.map((count) => count + 2));
});

Deno.test("a page that has missed nothing gets the top, and then the rows that change", async () => {
  await using stage = new Stage();
  const page = await stage.page("page=list");
  assert.deepEqual(page.news(), ["top"]);
  stage.lab.change({ held: "repair" }, "spin31");
  await stage.pass(250);
  assert.deepEqual(page.news(), ["row e-spin31", "top"]);
  stage.lab.forget("pend00");
  await stage.pass(250);
  assert.deepEqual(page.news(), ["gone e-pend00", "top"]);
});

const missed: Record<string, (seen: { startedMs: number; revision: number }) => string> = {
  "of an earlier revision": ({ startedMs, revision }) => `${startedMs}-${revision - 1}`,
  "of another run": ({ startedMs, revision }) => `${startedMs - 1}-${revision + 5}`,
  "of no revision": () => "",
  "of a revision that is none": () => "nonsense",
};
for (const [name, seen] of Object.entries(missed)) {
  for (const query of ["page=list", "page=experiment&experiment=pend00"]) {
    Deno.test(`a page ${name} is told to fetch itself again (${query})`, async () => {
      await using stage = new Stage();
      const page = await stage.listen(`${query}&revision=${seen(stage.lab.snapshot)}`);
      assert.deepEqual(page.news(), ["stale"]);
    });
  }
}

Deno.test("a page that comes back with the id of its last top has missed nothing", async () => {
  await using stage = new Stage();
  const page = await stage.page("page=list");
  stage.lab.change({ held: "repair" }, "spin31");
  await stage.pass(250);
  const id = page.events.findLast(({ name }) => name === "top")!.id;
  assert.equal(id, `${stage.lab.snapshot.startedMs}-${stage.lab.snapshot.revision}-${stage.clock.nowMs()}`);
  const again = await stage.listen(`page=list&revision=${id}`);
  assert.deepEqual(again.news(), ["top"]);
});

Deno.test("a page that has missed only what is about to be told has missed nothing", async () => {
  await using stage = new Stage();
  await stage.page("page=list");
  const { startedMs, revision } = stage.lab.snapshot;
  stage.lab.change({ held: "repair" }, "spin31");
  stage.live.changed();
  const page = await stage.listen(`page=list&revision=${startedMs}-${revision}`);
  await stage.pass(250);
  assert.deepEqual(page.news(), ["top", "row e-spin31", "top"]);
});

Deno.test("until a large change has been told of, the top says that it has not", async () => {
  await using stage = new Stage(Array.from({ length: 150 }, (_, at) => `pend${at}`));
  const page = await stage.page("page=list");
  const { revision } = stage.lab.snapshot;
  stage.lab.change({ held: "repair" }, ...stage.lab.snapshot.experiments.map(({ name }) => name));
  const told = () => Number(page.events.findLast(({ name }) => name === "top")!.id!.split("-")[1]);
  await stage.pass(250);
  assert.equal(told(), revision);
  await stage.pass(250);
  assert.equal(told(), revision + 1);
});

Deno.test("rows in which nothing has changed are told of every 5 s where reports go on, and the top every 10 s", async () => {
  await using stage = new Stage();
  const page = await stage.page("page=list");
  page.news();
  stage.lab.report();
  await stage.pass(5_000);
  assert.deepEqual(page.news(), ["row e-pend00", "row e-spin31"]);
  await stage.pass(5_000);
  assert.deepEqual(page.news(), ["top"]);
});

Deno.test("a turn of the history is news to a page, whose bar shows it, and none to a program", async () => {
  await using stage = new Stage();
  const [page, program] = [await stage.page("page=list"), await stage.listen()];
  page.news();
  program.news();
  stage.lab.change({ turns: [{ atMs: 1, state: "healthy", available: true }] }, "pend00");
  await stage.pass(250);
  assert.deepEqual(page.news(), ["row e-pend00", "top"]);
  assert.deepEqual(program.news(), ["status"]);
});

Deno.test("one experiment's page is told of it when something changes, and else every 5 s where reports go on", async () => {
  await using stage = new Stage();
  const page = await stage.page("page=experiment&experiment=pend00");
  page.news();
  for (let at = 0; at < 36; at++) {
    stage.lab.report();
    await stage.pass(250);
  }
  assert.deepEqual(page.news(), ["experiment"]);
  stage.lab.change({ held: "repair" }, "spin31");
  await stage.pass(250);
  assert.deepEqual(page.news(), ["top"]);
  stage.lab.change({ held: "repair" }, "pend00");
  await stage.pass(250);
  assert.deepEqual(page.news(), ["experiment", "top"]);
  await stage.pass(9_000);
  assert.deepEqual(page.news(), []);
});

Deno.test("whoever comes while a large change is being told of is told to fetch the page again, and misses nothing", async () => {
  await using stage = new Stage(Array.from({ length: 300 }, (_, at) => `pend${at}`));
  await stage.page("page=list");
  const { startedMs, revision, experiments } = stage.lab.snapshot;
  stage.lab.change({ held: "repair" }, ...experiments.map(({ name }) => name));
  await stage.pass(250);
  const page = await stage.listen(`page=list&revision=${startedMs}-${revision}`);
  assert.deepEqual(page.news(), ["stale"]);
});

Deno.test("a top with a long list of problems leaves room between one and the next, and the last change is told", async () => {
  await using stage = new Stage(Array.from({ length: 600 }, (_, at) => `pend${at}`));
  const page = await stage.page("page=list");
  const issues = [{ code: "missing-jump" }] as const;
  stage.lab.change(
    { issues, healthy: false, state: "unhealthy" },
    ...stage.lab.snapshot.experiments.map(({ name }) => name),
  );
  await stage.pass(2_000);
  page.news();
  for (let at = 0; at < 20; at++) {
    stage.lab.change({ sinceMs: at }, "pend7");
    await stage.pass(250);
  }
  const tops = page.news().filter((each) => each === "top").length;
  assert.ok(tops > 0 && tops < 10, `${tops} tops`);
  await stage.pass(5_000);
  const { id } = page.events.findLast(({ name }) => name === "top")!;
  assert.equal(id!.split("-")[1], String(stage.lab.snapshot.revision));
});

Deno.test("the page of an experiment that comes or goes is told to fetch itself again", async () => {
  await using stage = new Stage();
  const page = await stage.page("page=experiment&experiment=turn04");
  page.news();
  stage.lab.add("turn04");
  await stage.pass(1_000);
  assert.deepEqual(page.news(), ["stale", "top"]);
  stage.lab.forget("turn04");
  await stage.pass(1_000);
  assert.deepEqual(page.news(), ["stale", "top"]);
});

Deno.test("all readers of a channel get the very same pieces, made once", async () => {
  await using stage = new Stage();
  for (const query of ["", "page=list&window=7d", "page=experiment&experiment=pend00"]) {
    const readers = [await stage.page(query), await stage.page(query), await stage.page(query)];
    stage.lab.change({ sinceMs: stage.clock.nowMs() }, "pend00");
    await stage.pass(11_000);
    const [first, ...others] = readers.map(({ pieces }) => pieces);
    for (const other of others) {
      assert.ok(first!.length === other.length && first!.every((each, at) => each === other[at]));
    }
  }
});

Deno.test("nothing is looked at while nobody listens, and a change costs nothing", async () => {
  await using stage = new Stage();
  for (let at = 0; at < 100; at++) {
    stage.lab.report();
    await stage.pass(1_000);
  }
  assert.equal(stage.looks, 0);
  assert.equal(stage.clock.waiting, 0);
});

Deno.test("a burst of reports is looked at four times a second at most", async () => {
  await using stage = new Stage();
  await stage.listen();
  const before = stage.looks;
  for (let at = 0; at < 100; at++) {
    stage.lab.report();
    await stage.pass(10);
  }
  assert.ok(stage.looks - before <= 4);
});

Deno.test("a reader that leaves is gone at once, and with the last one all work ends", async () => {
  await using stage = new Stage();
  const readers = [await stage.listen(), await stage.page("page=list")];
  assert.equal(stage.live.readers, 2);
  await readers[0]!.leave();
  assert.equal(stage.live.readers, 1);
  await readers[1]!.leave();
  assert.equal(stage.live.readers, 0);
  await stage.pass(1_000);
  assert.equal(stage.clock.waiting, 0);
});

Deno.test("beyond the limit a reader is refused, until another has left", async () => {
  await using stage = new Stage();
  const readers: Listener[] = [];
  for (let at = 0; at < readersMax; at++) readers.push(await stage.listen(at % 2 === 0 ? "" : "page=list"));
  assert.equal(stage.live.answer(new URLSearchParams()), null);
  await readers[0]!.leave();
  assert.notEqual(await stage.listen(), null);
});

Deno.test("a reader that does not read is given up when too much waits for it, and the others go on", async () => {
  await using stage = new Stage(Array.from({ length: 90 }, (_, at) => `pend${at}`));
  const names = stage.lab.snapshot.experiments.map(({ name }) => name);
  const stuck = stage.live.answer(new URLSearchParams())!.body!;
  const listener = await stage.listen();
  for (let at = 0; stage.live.dropped === 0; at++) {
    assert.ok(at < 100, "it is given up");
    stage.lab.change({ held: `repair ${at}` }, ...names);
    await stage.pass(250);
    assert.ok(stage.live.queuedBytes <= queuedBytesMax + 500_000);
  }
  assert.equal(stage.live.readers, 1);
  assert.equal(stage.live.queuedBytes, 0);

  listener.news();
  stage.lab.change({ held: null }, "pend7");
  await stage.pass(250);
  assert.deepEqual(listener.news(), ["experiment pend7", "status"]);
  await stuck.cancel();
});

Deno.test("while too much is on its way to others a newcomer's stream ends, unless they have taken nothing for ten seconds", async () => {
  await using stage = new Stage();
  const come = async () => {
    stage.lab.change({ held: `${stage.lab.snapshot.revision}`.padEnd(30 * 1024 * 1024) }, "pend00");
    stage.live.changed();
    const reader = stage.live.answer(new URLSearchParams())!.body!.getReader();
    return { reader, begins: !(await reader.read()).done };
  };
  const [first, second, third] = [await come(), await come(), await come()];
  assert.deepEqual([first, second, third].map(({ begins }) => begins), [true, true, false]);
  assert.deepEqual([stage.live.readers, stage.live.dropped], [2, 1]);

  stage.live.changed();
  await stage.clock.advance(stalledMs);
  const fourth = await come();
  assert.equal(fourth.begins, true);
  assert.deepEqual([stage.live.readers, stage.live.dropped], [1, 3]);
  assert.equal((await first.reader.read()).done, true);
  await fourth.reader.cancel();
});

Deno.test("what goes wrong while something is made is told, its readers are let go, and others go on", async () => {
  await using stage = new Stage();
  const program = await stage.listen();
  stage.broken = true;
  await stage.pass(10_000);
  assert.equal(stage.failures.length, 1);
  await program.ended;
  assert.equal(stage.live.readers, 0);

  stage.broken = false;
  stage.live.changed();
  const again = await stage.listen();
  assert.equal(again.news().length, 3);
});

Deno.test("a stop ends all streams at once, and lets nobody in", async () => {
  await using stage = new Stage();
  const readers = [await stage.listen(), await stage.page("page=list")];
  await stage.stop();
  await Promise.all(readers.map(({ ended }) => ended));
  assert.equal(stage.live.readers, 0);
  assert.equal(stage.live.answer(new URLSearchParams()), null);
});

Deno.test("a stream says what it is, is never stored, and is not held back by nginx", async () => {
  await using stage = new Stage();
  const answer = stage.live.answer(new URLSearchParams())!;
  assert.deepEqual(Object.fromEntries(answer.headers), {
    "cache-control": "no-store",
    "content-type": "text/event-stream",
    "x-accel-buffering": "no",
  });
  await answer.body!.cancel();
});

const names = (count: number) => Array.from({ length: count }, (_, at) => `pend${String(at).padStart(4, "0")}`);
const named = (views: readonly { name: string }[]) => views.map(({ name }) => name);

Deno.test("a row in which something has changed is told of once, and no other", () => {
  const lab = new LiveLab(["a", "b", "c"]);
  const rows = new Rows(lab.snapshot);
  lab.change({ held: "repair" }, "b");
  assert.deepEqual(named(rows.changes(lab.snapshot).changed), ["b"]);
  assert.equal(rows.revision, lab.snapshot.revision);
  assert.deepEqual(named(rows.changes(lab.snapshot).changed), []);
});

Deno.test("a row that changed and changed back before it was told of is not told of", () => {
  const lab = new LiveLab(["a"]);
  const rows = new Rows(lab.snapshot);
  lab.change({ held: "repair" }, "a");
  lab.change({ held: null }, "a");
  assert.deepEqual(rows.changes(lab.snapshot), { gone: [], changed: [] });
});

Deno.test("experiments that come and go are told of", () => {
  const lab = new LiveLab(["a", "b"]);
  const rows = new Rows(lab.snapshot);
  lab.forget("a");
  lab.add("c");
  const { gone, changed } = rows.changes(lab.snapshot);
  assert.deepEqual([gone, named(changed)], [["a"], ["c"]]);
});

Deno.test("all rows are told of when a feed is lost, as it is what they know of that goes", () => {
  const lab = new LiveLab(["a", "b"]);
  const rows = new Rows(lab.snapshot);
  const { feeds } = lab.snapshot;
  lab.changeWhole({ feeds: { ...feeds, jump: { ...feeds.jump, state: "lost" } } });
  assert.deepEqual(named(rows.changes(lab.snapshot).changed), ["a", "b"]);
});

Deno.test("a large laboratory that changes as a whole is told of bit by bit, and none of it is lost", () => {
  const all = names(2 * changedRowsMax + 1);
  const lab = new LiveLab(all);
  const rows = new Rows(lab.snapshot);
  const { revision } = lab.snapshot;
  lab.change({ state: "unknown" }, ...all);

  const first = named(rows.changes(lab.snapshot).changed);
  assert.equal(first.length, changedRowsMax);
  assert.equal(rows.revision, revision);

  const rest = [...named(rows.changes(lab.snapshot).changed), ...named(rows.changes(lab.snapshot).changed)];
  assert.equal(rows.revision, lab.snapshot.revision);
  assert.deepEqual([...first, ...rest], all);
});

Deno.test("rows that go on changing do not keep the others from being told of", () => {
  const all = names(2 * changedRowsMax);
  const lab = new LiveLab(all);
  const rows = new Rows(lab.snapshot);
  const told = new Set<string>();
  for (const state of ["unknown", "healthy", "unknown", "healthy"] as const) {
    lab.change({ state, sinceMs: lab.snapshot.atMs }, ...all);
    for (const { name } of rows.changes(lab.snapshot).changed) told.add(name);
  }
  assert.equal(told.size, all.length);
});

Deno.test("rows without a change take turns, those told of longest ago first", () => {
  const all = names(2 * oldestRowsMax + 1);
  const lab = new LiveLab(all);
  const rows = new Rows(lab.snapshot);
  const turns = [1, 2, 3].map(() => {
    lab.report();
    return named(rows.oldest(lab.snapshot));
  });
  assert.deepEqual(turns[0], all.slice(0, oldestRowsMax));
  assert.deepEqual(turns[1], all.slice(oldestRowsMax, 2 * oldestRowsMax));
  assert.equal(turns[2]![0], all.at(-1));
});

Deno.test("no row is told of again where there is nothing newer to tell", () => {
  const lab = new LiveLab(["a"]);
  const rows = new Rows(lab.snapshot);
  assert.deepEqual(rows.oldest(lab.snapshot), []);
  lab.report();
  assert.deepEqual(named(rows.oldest(lab.snapshot)), ["a"]);
  assert.deepEqual(rows.oldest(lab.snapshot), []);
});
