/** What the monitor records of its own past and of how experiments stood, and goes on from. */
import assert from "node:assert/strict";
import { composeMail } from "../src/mail_html.tsx";
import type { StoreChange } from "../src/persisted.ts";
import { connection } from "./support/bench.ts";
import { FakeClock } from "./support/clock.ts";
import { event, letter } from "./support/letters.ts";
import { manifest, setUp } from "./support/monitor.ts";

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
