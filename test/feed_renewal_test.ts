/** When a feed that is connected is connected anew, and that no report is missed or counted twice by it. */
import assert from "node:assert/strict";
import { aReport, FeedBench, feedTest } from "./support/feed_bench.ts";

const refused = 'refused: Cannot get access to relay at relay.test/session/stats: relay answered 500 "token invalid"';
const ended = "unreachable: The connection to relay at relay.test/stats ended: closed with code 1006";

// Late

feedTest("a late feed asks for a new access, and keeps the old connection until the new one reports", async (bench) => {
  const old = await bench.connected(1);
  await bench.reports(old, 2);
  await bench.clock.advance(9_999);
  assert.equal(bench.asked, 1, "two intervals have not passed");
  await bench.clock.advance(1);
  const next = await bench.dialled(2);
  next.listener.open();
  assert.equal(old.isClosed, false);
  bench.news();

  next.listener.report(aReport);
  assert.equal(old.isClosed, true);
  assert.deepEqual(bench.news(), ["connected", "report, interval 5000"]);
});

feedTest("a feed of unknown interval is late after HEALTH_LAST_CHECKED", async (bench) => {
  await bench.connected(1);
  await bench.clock.advance(9_999);
  assert.equal(bench.asked, 1);
  await bench.clock.advance(1);
  await bench.dialled(2);
});

feedTest("a frame that can't be read does not keep a feed from being late", async (bench) => {
  const socket = await bench.connected(1);
  await bench.clock.advance(9_000);
  socket.listener.badFrame("an empty frame");
  await bench.clock.advance(1_000);
  await bench.dialled(2);
});

feedTest("a late feed whose old connection reports again drops the attempt", async (bench) => {
  const old = await bench.connected(1);
  await bench.reports(old, 2);
  await bench.clock.advance(10_000);
  const next = await bench.dialled(2);
  next.listener.open();
  old.listener.report(aReport);

  assert.deepEqual([old.isClosed, next.isClosed], [false, true]);
  await bench.clock.advance(9_000);
  assert.equal(bench.asked, 2);
  assert.deepEqual(bench.news().slice(-2), ["report, interval 5000", "report, interval 5000"]);
});

feedTest("an attempt that is dropped while it asks for access dials nothing", async (bench) => {
  const old = await bench.connected(1);
  bench.answer = "hang";
  await bench.clock.advance(10_000);
  await bench.askedTimes(2);
  old.listener.report(aReport);
  await bench.clock.advance(9_000);

  assert.equal(bench.sockets.length, 1);
  assert.deepEqual(bench.news(), ["connected", "report, interval null", "report, interval 10000"]);
});

feedTest("the pause before the next attempt is not used where the feed is late no more", async (bench) => {
  const old = await bench.connected(1);
  bench.answer = "refuse";
  await bench.clock.advance(10_000);
  await bench.inTrouble(1);
  old.listener.report(aReport);
  await bench.clock.advance(9_000);

  assert.equal(bench.asked, 2);
});

feedTest("an attempt that is due for another reason too is not dropped", async (bench) => {
  const old = await bench.connected(1);
  await bench.clock.advance(10_000);
  const next = await bench.dialled(2);
  old.listener.retire();
  old.listener.report(aReport);
  assert.equal(next.isClosed, false);
});

feedTest("an old connection that ends while the feed is late leaves the attempt as it is", async (bench) => {
  const old = await bench.connected(1);
  await bench.clock.advance(10_000);
  const next = await bench.dialled(2);
  old.listener.closed("closed with code 1006");
  next.listener.open();
  next.listener.report(aReport);
  await bench.clock.advance(5_000);

  assert.deepEqual(bench.news(), ["connected", "report, interval null", ended, "connected", "report, interval null"]);
  assert.equal(bench.asked, 2);
});

// Renewal

const shortLived = () => {
  const bench = new FeedBench();
  return Object.assign(bench, { source: { ...bench.source, tokenLifeMs: 100_000 } });
};

feedTest(
  "a token is renewed at 70 % of its life, and the old connection goes when the new one reports",
  async (bench) => {
    const old = await bench.connected(1);
    await bench.reports(old, 13);
    assert.equal(bench.asked, 1);
    await bench.reports(old, 1);
    const next = await bench.dialled(2);
    next.listener.open();
    await bench.reports(old, 1);
    assert.equal(old.isClosed, false);

    next.listener.report(aReport);
    assert.deepEqual([old.isClosed, next.isClosed], [true, false]);
    await bench.reports(next, 10);
    assert.equal(bench.asked, 2, "the new token lives as long");
  },
  shortLived,
);

feedTest("a renewal that fails is tried again, and the old connection goes on", async (bench) => {
  const old = await bench.connected(1);
  await bench.reports(old, 13);
  bench.news();
  bench.answer = "refuse";
  await bench.clock.advance(5_000);
  await bench.inTrouble(1);
  old.listener.report(aReport);
  await bench.clock.advance(500);
  await bench.inTrouble(2);
  assert.deepEqual(bench.news(), [refused, "report, interval 5000", refused]);

  bench.answer = "grant";
  await bench.clock.advance(1_000);
  await bench.connected(2);
  assert.ok(old.isClosed);
}, shortLived);

feedTest("a connection that will be ended is replaced at once", async (bench) => {
  const old = await bench.connected(1);
  old.listener.retire();
  await bench.connected(2);
  assert.ok(old.isClosed);
});

// Handover

feedTest("the first frame of a new connection, at the old one's tick, is not a second report", async (bench) => {
  const old = await bench.connected(1);
  await bench.reports(old, 2);
  old.listener.retire();
  const next = await bench.dialled(2);
  next.listener.open();
  await bench.clock.advance(2_499);
  bench.news();

  next.listener.report(aReport);
  assert.deepEqual(bench.news(), ["connected"]);
  await bench.clock.advance(100);
  next.listener.report(aReport);
  assert.deepEqual(bench.news(), ["report, interval 5000"], "only the first");
});

feedTest("the first frame of a new connection counts half an interval after the last report", async (bench) => {
  const old = await bench.connected(1);
  await bench.reports(old, 2);
  old.listener.retire();
  const next = await bench.dialled(2);
  next.listener.open();
  await bench.clock.advance(2_500);
  bench.news();

  next.listener.report(aReport);
  assert.deepEqual(bench.news(), ["connected", "report, interval 5000"]);
});

feedTest("the first frame of a new connection counts where no interval is known", async (bench) => {
  const old = await bench.connected(1);
  old.listener.retire();
  await bench.connected(2);
  assert.deepEqual(bench.news(), ["connected", "report, interval null", "connected", "report, interval null"]);
});

feedTest("after the handover nothing of the old connection counts", async (bench) => {
  const old = await bench.connected(1);
  old.listener.retire();
  await bench.connected(2);
  bench.news();

  old.listener.report(aReport);
  old.listener.badFrame("an empty frame");
  old.listener.closed("closed with code 1006");
  old.listener.retire();
  await bench.clock.advance(5_000);

  assert.deepEqual(bench.news(), []);
  assert.equal(bench.asked, 2);
});

feedTest("the gap between two connections says nothing of the interval", async (bench) => {
  const old = await bench.connected(1);
  old.listener.closed("closed with code 1006");
  await bench.clock.advance(500);
  const next = await bench.connected(2);
  await bench.clock.advance(6_000);
  next.listener.report(aReport);
  assert.equal(bench.news().at(-1), "report, interval 6000");
});
