import assert from "node:assert/strict";
import { changedRowsMax, oldestRowsMax, Rows } from "../src/live_updates.ts";
import { LiveLab } from "./support/live_lab.ts";

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
