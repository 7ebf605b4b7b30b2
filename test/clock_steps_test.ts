/** That nothing that is done to the clock, or to the program as a whole, looks like a service that has gone silent. */
import assert from "node:assert/strict";
import { ToldTimes } from "../src/clock.ts";
import { createHeartbeat } from "../src/heartbeat.ts";
import { agedMs } from "../src/snapshot.ts";
import { openMemoryStore } from "../src/sqlite_file.ts";
import { createRecorder } from "../src/store_writer.ts";
import { createProber, noProber } from "../src/stream_probe.ts";
import { connection } from "./support/bench.ts";
import { BookDesk } from "./support/book_desk.ts";
import { FakeClock } from "./support/clock.ts";
import { aReport, type FeedBench, feedTest } from "./support/feed_bench.ts";
import { deferred, MailDesk } from "./support/mail_desk.ts";
import { manifest, setUp } from "./support/monitor.ts";

const dayMs = 86_400_000;

const deeds: Readonly<Record<string, (bench: { clock: FeedBench["clock"] }) => void>> = {
  "the clock is put forward by a day": ({ clock }) => clock.step(dayMs),
  "the clock is put back by a day": ({ clock }) => clock.step(-dayMs),
  "the program is stopped for a day": ({ clock }) => clock.stopped(dayMs),
};

for (const [deed, done] of Object.entries(deeds)) {
  feedTest(`a feed is not late because ${deed}, and is late in time when it is silent after`, async (bench) => {
    const socket = await bench.connected(1);
    await bench.reports(socket, 3);
    done(bench);
    await bench.clock.advance(4_000);
    assert.equal(bench.asked, 1, "another access was asked for");
    socket.listener.report(aReport);
    await bench.reports(socket, 3);
    assert.equal(bench.asked, 1, "another access was asked for later");
    await bench.clock.advance(10_000);
    await bench.dialled(2);
  });

  feedTest(`a token is renewed at 70 % of its life though ${deed}`, async (bench) => {
    const socket = await bench.connected(1);
    await bench.reports(socket, 10);
    done(bench);
    await bench.reports(socket, 493);
    assert.equal(bench.asked, 1, "it was renewed before its time");
    await bench.reports(socket, 1);
    await bench.dialled(2);
  });

  Deno.test(`the manifest is read in time, and no sooner, though ${deed}`, async () => {
    await using desk = await BookDesk.read(["r-1"]);
    await desk.clock.advance(100_000);
    done(desk);
    await desk.clock.advance(799_000 - 1_000);
    assert.deepEqual(desk.book.asked, [], "it was read before its time");
    await desk.clock.advance(2_000);
    assert.deepEqual(desk.book.asked, ["LIST", "GET r-1"]);
  });
}

feedTest(
  "reports that came while the program was stopped, all read at once, say nothing of the feed's pace",
  async (bench) => {
    const socket = await bench.connected(1);
    await bench.reports(socket, 5);
    bench.clock.stopped(60_000);
    for (let burst = 0; burst < 12; burst++) {
      await bench.clock.advance(1);
      socket.listener.report(aReport);
    }
    bench.news();

    await bench.clock.advance(5_000);
    socket.listener.report(aReport);
    await bench.clock.advance(5_000);
    socket.listener.report(aReport);
    await bench.clock.advance(5_000);
    assert.equal(bench.asked, 1, "the feed was taken for a fast one that is late");
    socket.listener.report(aReport);
    assert.deepEqual(bench.news(), Array(3).fill("report, interval 5000"));
  },
);

feedTest("a feed that changes its pace after the program was stopped is believed", async (bench) => {
  const socket = await bench.connected(1);
  await bench.reports(socket, 5);
  bench.clock.stopped(60_000);
  for (let fast = 0; fast < 30; fast++) {
    await bench.clock.advance(1_000);
    socket.listener.report(aReport);
  }
  assert.equal(bench.news().at(-1), "report, interval 1000");
});

/*  What the monitor tells, and what it keeps, when the clock is set under it, or it is stopped. */

const all = { events: 100, stateChanges: 100, runs: 100 };
type Lab = ReturnType<typeof setUp>;

/** pend00 as both feeds report it. */
function reported({ report }: Lab, sending: number | "silent" = 0): void {
  report("jump", connection("pend00"));
  report("relay", connection("pend00-st-data", sending));
}

async function watching(given: Parameters<typeof setUp>[0] = {}): Promise<Lab> {
  const lab = setUp(given);
  manifest(lab.monitor, lab.clock.nowMs());
  reported(lab);
  await lab.monitor.settled();
  return lab;
}

const told = ({ done }: Lab) => done.filter((what) => what.startsWith("owed"));

const monitorDeeds: Record<string, (clock: FakeClock) => void> = {
  "the clock is put forward by a day": (clock) => clock.step(dayMs),
  "the clock is put back by a day": (clock) => clock.step(-dayMs),
  "the program is stopped for a day": (clock) => clock.stopped(dayMs),
};

for (const [deed, act] of Object.entries(monitorDeeds)) {
  Deno.test(`${deed}: nobody is told anything, and feeds are lost in their time when they go silent after`, async () => {
    const lab = await watching();
    lab.done.length = 0;
    act(lab.clock);
    await lab.clock.advance(14_000);
    assert.deepEqual(told(lab), [], "lost after 14 s of silence, of 15");
    reported(lab);
    await lab.clock.advance(5_000);
    reported(lab);
    await lab.monitor.settled();
    assert.deepEqual(told(lab), []);

    await lab.clock.advance(15_001);
    assert.match(told(lab).join(), /jump has no fresh reports so may be down.*relay has no fresh reports/);
    await lab.end();
  });

  Deno.test(`${deed}: what nothing names is forgotten in its time, and not before`, async () => {
    const lab = setUp({ forgetMs: 3_600_000 });
    lab.report("jump", connection("pend00"));
    lab.report("relay");
    lab.report("jump");
    act(lab.clock);
    await lab.clock.advance(3_500_000);
    assert.equal(lab.monitor.snapshot().experiments.length, 1, "forgotten too soon");
    await lab.clock.advance(200_000);
    assert.equal(lab.monitor.snapshot().experiments.length, 0, "not forgotten in time");
    await lab.end();
  });

  Deno.test(`${deed}: the store has events and history in order, none later than now`, async () => {
    const lab = await watching();
    await lab.clock.advance(5_000);
    reported(lab, "silent");
    await lab.monitor.settled();
    act(lab.clock);
    await lab.clock.advance(5_000);
    reported(lab);
    await lab.monitor.settled();
    await lab.end();

    const saved = await lab.store.load(all);
    const ascending = (times: readonly number[]) => {
      assert.ok(times.length > 0);
      assert.deepEqual(times, times.toSorted((a, b) => a - b));
      assert.ok((times.at(-1) ?? Infinity) <= lab.clock.nowMs(), "later than now");
    };
    const events = saved.events.get("pend00") ?? [];
    ascending(events.map(({ atMs }) => atMs));
    ascending((saved.stateChanges.get("pend00") ?? []).map(({ atMs }) => atMs));
    ascending(saved.runs.flatMap(({ startedMs, aliveMs }) => [startedMs, aliveMs]));
    assert.deepEqual(events.map(({ healthy }) => healthy), [true, false, true]);
    assert.equal(events[1]?.lastedMs, 5_000);
    assert.equal(saved.experiments[0]?.sinceMs, lab.clock.nowMs());
  });
}

Deno.test("since when something is so goes with the clock, in the store too", async () => {
  const lab = await watching();
  await lab.clock.advance(5_000);
  lab.clock.step(-dayMs);
  reported(lab);
  await lab.end();
  assert.equal(lab.monitor.snapshot().experiments[0]?.sinceMs, lab.clock.nowMs() - 5_000);
  assert.equal((await lab.store.load(all)).experiments[0]?.sinceMs, lab.clock.nowMs() - 5_000);
});

Deno.test("what a clock that was put back moves is recorded with what has another date for it, so that no kill comes between", async () => {
  const lab = await watching();
  lab.recorded.length = 0;
  lab.clock.step(-dayMs);
  lab.monitor.snapshot();
  await lab.monitor.settled();
  assert.deepEqual(lab.recorded.map((changes) => changes.map(({ kind }) => kind)), [[
    "clock-back",
    "run",
    "experiment",
  ]]);
  await lab.end();
});

Deno.test("what listening found right after the clock was set has the time at which it was found", async () => {
  const lab = await watching();
  lab.clock.step(dayMs / 24);
  const atMs = lab.clock.nowMs(), { connected } = connection("pend00-st-data");
  lab.monitor.probed({
    topic: "pend00-st-data",
    finding: { connected, heard: false, atMs, sinceMs: atMs - 10_000 },
  });
  const probe = lab.monitor.snapshot().experiments[0]?.streams[0]?.probe;
  assert.deepEqual([probe?.atMs, probe?.sinceMs], [atMs, atMs - 10_000]);
  await lab.end();
});

Deno.test("after it was stopped for a day, what was last heard of all is told with the time at which it was", async () => {
  const lab = await watching();
  const saidMs = lab.clock.nowMs();
  await lab.clock.advance(2_000);
  lab.report("relay"); // its stream has left
  lab.clock.stopped(dayMs);
  await lab.clock.advance(1_000);
  const { feeds, book, experiments: [pend00] } = lab.monitor.snapshot();
  assert.deepEqual([feeds.jump.lastSuccessMs, feeds.relay.lastSuccessMs], [saidMs, saidMs + 2_000]);
  assert.deepEqual([book.lastSuccessMs, pend00?.foundInManifestMs], [saidMs, saidMs]);
  const stream = pend00?.streams[0] ?? assert.fail();
  assert.deepEqual([pend00?.host.seenMs, stream.seenMs], [saidMs, saidMs]);
  assert.equal(agedMs(saidMs, feeds.relay), 2_000, "it is no longer gone than it was");
  await lab.end();
});

Deno.test("after a restart with a clock that was put back by a day, what has vanished meanwhile is missed in time", async () => {
  const first = await watching();
  await first.clock.advance(5_000);
  reported(first);
  await first.end();

  const clock = new FakeClock(first.clock.nowMs() - dayMs);
  const lab = setUp({ saved: await first.store.load(all), store: first.store, clock });
  for (let reports = 0; reports < 4; reports++) {
    lab.report("jump", connection("pend00"));
    lab.report("relay");
    await clock.advance(5_000);
  }
  await lab.monitor.settled();
  assert.deepEqual(told(lab), ["owed pend00: missing required pend00-st-data"]);
  const [experiment] = lab.monitor.snapshot().experiments;
  const lasted = experiment?.events.at(-1)?.lastedMs;
  assert.equal(lasted, 0, "it had lasted for less than no time");
  const times = experiment?.events.map(({ atMs }) => atMs) ?? [];
  assert.deepEqual(times, times.toSorted((a, b) => a - b));
  await lab.end();
});

Deno.test("after a restart with a clock that is far ahead, nothing is missed that is there", async () => {
  const first = await watching();
  await first.end();
  const clock = new FakeClock(first.clock.nowMs() + 365 * dayMs);
  const lab = setUp({ saved: await first.store.load(all), store: first.store, clock });
  reported(lab);
  await clock.advance(5_000);
  reported(lab);
  clock.step(-365 * dayMs);
  await clock.advance(5_000);
  reported(lab);
  await lab.monitor.settled();
  assert.deepEqual(told(lab), []);
  await lab.end();
});

/*  That mails go in their time when the clock is set, or the program is stopped: none is kept waiting, none goes before. */

const hourMs = 3_600_000;
const outboxDayMs = 24 * hourMs;
const outboxDeeds: Record<string, (desk: MailDesk) => void> = {
  "the clock is put forward by a day": ({ clock }) => clock.step(outboxDayMs),
  "the clock is put back by a day": ({ clock }) => clock.step(-outboxDayMs),
  "the program is stopped for a day": ({ clock }) => clock.stopped(outboxDayMs),
};

for (const [deed, act] of Object.entries(outboxDeeds)) {
  Deno.test(`${deed}: EMAIL_EVERY is kept to the hour`, async () => {
    const desk = await MailDesk.open({ everyMs: hourMs });
    await desk.news("a");
    act(desk);
    await desk.news("b");
    await desk.passes(hourMs - 1_000);
    assert.equal(desk.got.length, 1, "it went before its time");
    await desk.passes(1_000);
    assert.equal(desk.got.length, 2, "it was kept waiting");
    await desk.stop();
  });

  Deno.test(`${deed}: a reminder goes when it is due`, async () => {
    const desk = await MailDesk.open({ remindEveryMs: hourMs, problems: 1 });
    await desk.news("a");
    await desk.passes(1_000);
    act(desk);
    await desk.passes(hourMs - 2_000);
    assert.equal(desk.got.length, 1, "it went before its time");
    await desk.passes(1_000);
    assert.equal(desk.got.length, 2, "it was kept waiting");
    await desk.stop();
  });

  Deno.test(`${deed}: a mail that was not taken is tried again in its time`, async () => {
    const desk = await MailDesk.open();
    desk.answers = [deferred, deferred, deferred];
    await desk.news("a"); // tried again after 0.5, 1 and 2 s
    await desk.passes(1_500);
    act(desk);
    assert.equal(desk.got.length, 3);
    await desk.passes(1_999);
    assert.equal(desk.got.length, 3, "it went before its time");
    await desk.passes(1);
    assert.equal(desk.got.length, 4, "it was kept waiting");
    await desk.stop();
  });
}

/*  Since when a part is as it is, and when it last succeeded, after the clock was set: never in the future, and as long ago as it was. */

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, always() {} };
const quiet = { log: silent, random: () => 0, changed() {}, turned() {} };
const never = () => Promise.reject(new Error("not asked for here"));
interface View {
  readonly sinceMs: number;
}

const parts: Record<string, (clock: FakeClock) => Promise<{ view(): View }>> = {
  "the mails": async (clock) => (await MailDesk.open({}, clock)).outbox,
  "the webhook": async (clock) => (await MailDesk.open({ channel: "webhook", owesUnposted: false }, clock)).outbox,
  "the heartbeat": (clock) =>
    Promise.resolve(createHeartbeat(null, { ...quiet, clock, fetch: never, missing: () => null })),
  "the store": (clock) => Promise.resolve(createRecorder(openMemoryStore(), { ...quiet, clock })),
  "listening": (clock) =>
    Promise.resolve(
      createProber(10_000, {
        ...quiet,
        clock,
        targets: () => ({ kind: "away" }),
        probe: never,
        found() {},
        unfound() {},
      }),
    ),
  "listening that is off": (clock) => Promise.resolve(noProber({ clock, unfound() {} })),
};
for (const [name, make] of Object.entries(parts)) {
  Deno.test(`since when ${name}: it goes with a clock that is set, and not with a stop`, async () => {
    const clock = new FakeClock(), part = await make(clock), agoMs = () => clock.nowMs() - part.view().sinceMs;
    await clock.advance(5_000);
    clock.step(-hourMs);
    assert.equal(agoMs(), 5_000);
    clock.step(24 * hourMs);
    assert.equal(agoMs(), 5_000);
    clock.stopped(hourMs);
    assert.equal(agoMs(), 5_000 + hourMs);
  });
}

Deno.test("what an earlier run told of its last success stays as it was told, and what this run told goes with the clock", () => {
  const clock = new FakeClock(), nowMs = clock.nowMs(), times = new ToldTimes(clock);
  clock.step(-hourMs);
  assert.deepEqual(times.byNow({ sinceMs: nowMs, lastSuccessMs: nowMs - 1 }), {
    sinceMs: nowMs - hourMs,
    lastSuccessMs: nowMs - 1,
  });
  clock.step(-hourMs);
  assert.deepEqual(times.byNow({ sinceMs: nowMs - hourMs, lastSuccessMs: nowMs - hourMs }), {
    sinceMs: nowMs - 2 * hourMs,
    lastSuccessMs: nowMs - 2 * hourMs,
  });
  assert.deepEqual(times.byNow({ sinceMs: nowMs, lastSuccessMs: null }), { sinceMs: nowMs, lastSuccessMs: null });
});
