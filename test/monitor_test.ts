import assert from "node:assert/strict";
import type { SystemAlert } from "../src/alerts.ts";
import { composeMail } from "../src/mail_html.tsx";
import type { StoreChange } from "../src/persisted.ts";
import { StoreFailed, StoreGone } from "../src/store.ts";
import { openMemoryStore } from "../src/sqlite_file.ts";
import { connection, resource } from "./support/bench.ts";
import { FakeClock } from "./support/clock.ts";
import { event, letter } from "./support/letters.ts";
import { manifest, setUp } from "./support/monitor.ts";

Deno.test("what a judgement brings is recorded first, then wished of book, then told", async () => {
  const { clock, monitor, done, report, end } = setUp();
  await monitor.settled();
  manifest(monitor, clock.nowMs());
  report("jump", connection("pend00"));
  await monitor.settled();
  done.length = 0;

  report("relay", connection("pend00-st-data", "silent"));
  await monitor.settled();
  assert.deepEqual(done, [
    "owed pend00: unhealthy pend00-st-data",
    "recorded event experiment letter-sent",
    "wished r-pend00 U",
    "may be sent",
  ]);
  await end();
});

Deno.test("a report that changes nothing records nothing and wishes nothing", async () => {
  const { clock, monitor, done, report, end } = setUp();
  manifest(monitor, clock.nowMs());
  report("jump", connection("pend00"));
  report("relay", connection("pend00-st-data", 0));
  await monitor.settled();
  done.length = 0;
  report("relay", connection("pend00-st-data", 100));
  report("jump", connection("pend00"));
  await monitor.settled();
  assert.deepEqual(done, []);
  await end();
});

Deno.test("a stream that appears is kept, so that it is missed if it vanishes in a restart", async () => {
  const { monitor, done, report, end } = setUp();
  report("jump", connection("pend00"));
  report("relay", connection("pend00-st-data", 0));
  await monitor.settled();
  done.length = 0;
  report("relay", connection("pend00-st-data", 0), connection("pend00-st-extra", 0));
  await monitor.settled();
  assert.deepEqual(done.filter((each) => each.startsWith("recorded")), ["recorded experiment"]);
  await end();
});

Deno.test("book is wished what has been recorded, and nothing that was judged since", async () => {
  const { clock, monitor, done, report, end } = setUp();
  const both = [resource("pend00", ["st-data"]), resource("spin31", ["st-data"])];
  monitor.manifest({ resources: both, skipped: 0, atMs: clock.nowMs() });
  report("jump", connection("pend00"), connection("spin31"));
  report("relay", connection("pend00-st-data", 0), connection("spin31-st-data", 0));
  await monitor.settled();
  done.length = 0;
  report("relay", connection("pend00-st-data", "silent"), connection("spin31-st-data", 0));
  report("relay", connection("pend00-st-data", "silent"), connection("spin31-st-data", "silent"));
  await monitor.settled();
  assert.deepEqual(done.filter((each) => /^(recorded|wished)/.test(each)), [
    "recorded event experiment letter-sent",
    "wished r-pend00 U, r-spin31 A",
    "recorded event experiment letter-sent",
    "wished r-pend00 U, r-spin31 U",
  ]);
  await end();
});

Deno.test("what is forgotten is no longer kept", async () => {
  const { clock, monitor, done, report, end } = setUp();
  report("jump", connection("spin31"));
  report("relay");
  report("jump");
  await clock.advance(3_600_000 + 60_000);
  await monitor.settled();
  assert.ok(done.includes("recorded forgotten"));
  assert.deepEqual(monitor.snapshot().experiments, []);
  await end();
});

Deno.test("a mail waits for book two seconds at most", async () => {
  const { clock, monitor, done, report, end } = setUp();
  report("jump", connection("pend00"));
  report("relay", connection("pend00-st-data", 0));
  await monitor.settled();
  await clock.advance(1_999);
  assert.ok(!done.includes("gate open"));
  await clock.advance(1);
  assert.ok(done.includes("gate open"));
  await end();
});

Deno.test("and no longer than book needs", async () => {
  const { monitor, done, report, settled, end, clock } = setUp();
  report("jump", connection("pend00"));
  report("relay", connection("pend00-st-data", 0));
  await monitor.settled();
  settled.resolve();
  await clock.advance(0);
  assert.ok(done.includes("gate open"));
  await end();
});

Deno.test("what an earlier run left to be mailed waits until book has been read", async () => {
  const { clock, monitor, done, end } = setUp();
  manifest(monitor, clock.nowMs());
  await clock.advance(0);
  assert.deepEqual(done.filter((each) => each !== "recorded manifest"), [
    "may be sent",
    "wished ",
    "wished r-pend00 ?",
  ]);
  monitor.state("r-pend00", { kind: "said", available: true, reason: "", atMs: clock.nowMs() });
  await clock.advance(0);
  assert.equal(done.at(-1), "gate open");
  await end();
});

Deno.test("a limit that passes without a report is judged by the timer", async () => {
  const { clock, monitor, done, report, end } = setUp();
  report("jump", connection("pend00"));
  report("relay", connection("pend00-st-data", 0));
  await clock.advance(5_000);
  report("relay");
  report("jump", connection("pend00"));
  await monitor.settled();
  done.length = 0;
  await clock.advance(5_001);
  await monitor.settled();
  assert.equal(done[0], "owed pend00: missing pend00-st-data");
  await end();
});

Deno.test("a lost feed is told once, with the cause, and its return once", async () => {
  const { clock, monitor, done, report, end } = setUp();
  report("jump");
  report("relay");
  await clock.advance(14_000);
  report("jump");
  monitor.news("relay", { kind: "trouble", trouble: { kind: "unreachable", message: "nobody there" } });
  await clock.advance(10_000);
  report("jump");
  await clock.advance(1);
  report("relay");
  await monitor.settled();
  assert.deepEqual(done.filter((each) => each.startsWith("owed")), [
    "owed relay has no fresh reports so may be down: nobody there",
    "owed relay reports again",
  ]);
  await end();
});

Deno.test("a change that book refuses again and again is told once, and its end once", async () => {
  const { clock, monitor, done, end } = setUp();
  manifest(monitor, clock.nowMs());
  for (let tries = 0; tries < 5; tries++) monitor.trouble({ kind: "refused", message: "book answered 500" }, 1);
  monitor.answers();
  monitor.answers();
  await monitor.settled();
  assert.deepEqual(done.filter((each) => each.startsWith("owed")), [
    "owed book does not take a change so availability may be out of date: book answered 500",
    "owed book takes all changes again",
  ]);
  await end();
});

Deno.test("that the store was damaged is told once, and not kept as something that holds", async () => {
  const alert: SystemAlert = { code: "store-damaged", turn: "raised", atMs: 0, detail: "kept as x" };
  const { monitor, done, end } = setUp({ alerts: [alert] });
  await monitor.settled();
  assert.deepEqual(done.slice(1, 3), [
    "owed the store was damaged and a new one has been begun: kept as x",
    "recorded letter-sent",
  ]);
  assert.deepEqual(monitor.snapshot().alerts, []);
  await end();
});

Deno.test("that the store was gone and has been written anew is told once, and not kept as something that holds", async () => {
  const store = openMemoryStore();
  let isGone = true;
  const record = (changes: readonly StoreChange[]) => {
    if (!isGone) return store.record(changes);
    isGone = false;
    return Promise.reject(new StoreGone("/s.db"));
  };
  const { clock, monitor, done, end } = setUp({ store: { ...store, record } });
  manifest(monitor, clock.nowMs());
  await clock.advance(2_000);
  await monitor.settled();
  assert.deepEqual(done.filter((each) => /owed|alert/.test(each)), [
    "owed the store was deleted or replaced and has been written anew: /s.db",
  ]);
  assert.deepEqual(monitor.snapshot().alerts, []);
  await end();
});

Deno.test("a store that fails once is told of at once, and that it does no more, though no feed reports", async () => {
  const store = openMemoryStore();
  let fails = 0;
  const record = (changes: readonly StoreChange[]) =>
    fails++ === 0 ? Promise.reject(new StoreFailed("the file is gone")) : store.record(changes);
  const { clock, monitor, done, end } = setUp({ store: { ...store, record } });
  manifest(monitor, clock.nowMs());
  await clock.advance(2_000);
  await monitor.settled();
  assert.deepEqual(done.filter((each) => each.startsWith("owed")), [
    "owed the store cannot be written so a restart may repeat or lose alerts: the file is gone",
    "owed the store can be written again",
  ]);
  await end();
});

Deno.test("the manifest is kept when it changes, and not when it is read again", async () => {
  const { clock, monitor, done, end } = setUp();
  manifest(monitor, clock.nowMs());
  manifest(monitor, clock.nowMs());
  await monitor.settled();
  assert.deepEqual(done.filter((each) => each.startsWith("recorded")), ["recorded manifest"]);
  await end();
});

Deno.test("an empty list leaves the last manifest in use, for HEALTH_FORGET", async () => {
  const { clock, monitor, done, end } = setUp();
  manifest(monitor, clock.nowMs());
  monitor.manifest({ resources: [], skipped: 0, atMs: clock.nowMs() });
  await monitor.settled();
  assert.ok(done.includes("owed book lists no resources"));
  await clock.advance(3_599_000);
  assert.deepEqual(monitor.snapshot().experiments.map(({ resources }) => resources), [["r-pend00"]]);
  await clock.advance(120_000);
  assert.deepEqual(monitor.snapshot().experiments.flatMap(({ resources }) => resources), []);
  await end();
});

Deno.test("readers get the same snapshot until something changes", async () => {
  const { monitor, report, end } = setUp();
  const before = monitor.snapshot();
  assert.equal(monitor.snapshot(), before);
  report("jump");
  assert.notEqual(monitor.snapshot(), before);
  await end();
});

/*  What the monitor records of its own past and of how experiments stood, and goes on from. */

const startMs = new FakeClock().nowMs();
const all = { events: 100, stateChanges: 100, runs: 100 };

const said = (available: boolean) => ({ kind: "said", available, reason: "status server:", atMs: startMs }) as const;

/** Until when the monitor is known to have run, in seconds since its start, as it was recorded one after the other. */
function signsOfLife(recorded: readonly (readonly StoreChange[])[]): number[] {
  return recorded.flat().flatMap((each) => each.kind === "run" ? [(each.run.aliveMs - startMs) / 1_000] : []);
}

Deno.test("that an experiment came to stand otherwise is recorded with its event, or not at all", async () => {
  const { clock, monitor, recorded, report, end } = setUp();
  manifest(monitor, clock.nowMs());
  report("jump", connection("pend00"));
  await monitor.settled();
  recorded.length = 0;
  report("relay", connection("pend00-st-data", "silent"));
  await monitor.settled();
  assert.deepEqual(recorded.map((changes) => changes.map(({ kind }) => kind)), [
    ["turn", "run", "event", "experiment", "letter-sent"],
  ]);
  await end();
});

for (const forgetMs of [2_000, 100_000, 3_600_000, 365 * 86_400_000]) {
  Deno.test(`though both feeds are lost a sign of life is recorded every minute, with HEALTH_FORGET=${forgetMs / 1_000}s`, async () => {
    const { clock, recorded, end } = setUp({ forgetMs });
    await clock.advance(10 * 60_000);
    assert.deepEqual(signsOfLife(recorded), [0, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600]);
    await end();
  });
}

Deno.test("when it is stopped it is recorded until when it ran", async () => {
  const { clock, recorded, end, store } = setUp();
  await clock.advance(7_000);
  await end();
  assert.deepEqual(signsOfLife(recorded), [0, 7]);
  assert.deepEqual((await store.load(all)).runs, [{ startedMs: startMs, aliveMs: startMs + 7_000 }]);
});

Deno.test("an experiment that is forgotten is no longer watched, and that is recorded with it", async () => {
  const { clock, monitor, recorded, report, end, store } = setUp();
  report("jump", connection("spin31"));
  report("relay");
  report("jump");
  await clock.advance(3_600_000 + 60_000);
  await monitor.settled();
  const forgetting = recorded.find((changes) => changes.some(({ kind }) => kind === "forgotten"));
  assert.deepEqual(forgetting?.map(({ kind }) => kind), ["forgotten", "turn"]);
  const turns = await store.turns("spin31", { sinceMs: 0, max: 100 });
  assert.equal(turns.at(-1)?.state, "not_watched");
  await end();
});

Deno.test("after a restart an experiment is as available as book last said, until book says it again", async () => {
  const first = setUp();
  manifest(first.monitor, startMs);
  first.report("jump", connection("pend00"));
  first.monitor.state("r-pend00", said(true));
  first.report("relay", connection("pend00-st-data", 0));
  await first.end();

  const saved = await first.store.load(all);
  const { monitor, report, end } = setUp({ saved, store: first.store, clock: first.clock });
  const view = () => monitor.snapshot().experiments[0];
  const style = { subject: "", link: "" };
  const mail = async () =>
    (await composeMail(letter({ events: [event("pend00")] }), monitor.snapshot(), style, startMs)).text;

  assert.deepEqual([view()?.resources, view()?.available], [["r-pend00"], true]);
  assert.match(await mail(), /^pend00 ok A$/m);
  report("relay", connection("pend00-st-data", 0));
  assert.equal(view()?.available, true);
  monitor.state("r-pend00", said(false));
  assert.equal(view()?.available, false);
  assert.match(await mail(), /^pend00 ok {3}U$/m);
  report("relay", connection("pend00-st-data", 0));
  await end();
  assert.deepEqual((await first.store.load(all)).stateChanges.get("pend00")?.map(({ available }) => available), [
    false,
    true,
    true, // starting
    true,
    false,
  ]);
});

Deno.test("what book says of a resource is in the history with the next report, and readers are told of both", async () => {
  const { monitor, report, end } = setUp();
  manifest(monitor, startMs);
  report("jump", connection("pend00"));
  report("relay", connection("pend00-st-data", 0));
  const seen = () => [monitor.snapshot().revision, monitor.snapshot().experiments[0]?.turns.at(-1)?.available];
  const [before] = seen();
  monitor.state("r-pend00", said(true));
  const [heard, availableThen] = seen();
  report("relay", connection("pend00-st-data", 0));
  const [turned, availableNow] = seen();
  report("relay", connection("pend00-st-data", 0));
  assert.deepEqual([availableThen, availableNow], [false, true]);
  assert.ok(Number(before) < Number(heard) && Number(heard) < Number(turned));
  assert.deepEqual(seen(), [turned, true]);
  await end();
});
