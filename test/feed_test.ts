import assert from "node:assert/strict";
import { watchFeed } from "../src/feed.ts";
import { noConnections } from "../src/report.ts";
import { aReport, FeedBench, feedTest } from "./support/feed_bench.ts";

const refused = 'refused: Cannot get access to relay at relay.test/session/stats: relay answered 500 "token invalid"';
const silent = (seconds: number) =>
  `silent: Cannot get a report from relay at relay.test/stats: connected but silent for ${seconds} s, ` +
  "as old services are for good once one client stops reading: they need a restart";
const ended = "unreachable: The connection to relay at relay.test/stats ended: closed with code 1006";

feedTest("the address is dialled as it stands, and the first report makes a connection", async (bench) => {
  const socket = await bench.dialled(1);
  assert.equal(socket.url, "ws://relay.test/stats?code=1");
  socket.listener.open();
  assert.deepEqual(bench.news(), []);

  socket.listener.report(aReport);
  assert.deepEqual(bench.told, [
    { kind: "connected", tokenExpiresMs: bench.clock.nowMs() + 3_600_000 },
    { feed: "relay", atMs: bench.clock.nowMs(), ...aReport, connections: noConnections, intervalMs: null },
  ]);
});

feedTest("a report says at which interval the feed has been reporting", async (bench) => {
  const socket = await bench.connected(1);
  await bench.reports(socket, 2);
  assert.deepEqual(bench.news(), [
    "connected",
    "report, interval null",
    "report, interval 5000",
    "report, interval 5000",
  ]);
});

feedTest("a frame that can't be read is told of and costs no connection", async (bench) => {
  const socket = await bench.connected(1);
  socket.listener.badFrame("an empty frame");
  assert.deepEqual(bench.news(), ["connected", "report, interval null", "bad frame: an empty frame"]);
  assert.equal(socket.isClosed, false);
});

// Trying again

feedTest("each refusal is told, and the pauses double up to 10 s at most", async (bench) => {
  bench.answer = "refuse";
  await bench.inTrouble(1);
  for (const [at, pauseMs] of [500, 1_000, 2_000, 4_000, 5_000, 5_000].entries()) {
    await bench.clock.advance(pauseMs - 1);
    assert.equal(bench.asked, at + 1, `asked again before ${pauseMs} ms`);
    await bench.clock.advance(1);
    await bench.inTrouble(at + 2);
  }
  assert.deepEqual(bench.news(), Array(7).fill(refused));
});

feedTest("a connection that was merely accepted leaves the count of failures as it is", async (bench) => {
  bench.answer = "refuse";
  await bench.inTrouble(1);
  bench.answer = "grant";
  await bench.clock.advance(500);
  (await bench.dialled(1)).listener.open();
  await bench.clock.advance(10_000);

  assert.deepEqual(bench.news(), [refused, silent(10)]);
  await bench.clock.advance(999);
  assert.equal(bench.asked, 2);
  await bench.clock.advance(1);
  await bench.askedTimes(3);
});

feedTest("a connection that reported starts the count afresh", async (bench) => {
  bench.answer = "refuse";
  await bench.inTrouble(1);
  bench.answer = "grant";
  await bench.clock.advance(500);
  const socket = await bench.connected(1);
  socket.listener.closed("closed with code 1006");
  await bench.clock.advance(499);
  assert.equal(bench.asked, 2);
  await bench.clock.advance(1);
  await bench.connected(2);

  assert.deepEqual(bench.news(), [
    refused,
    "connected",
    "report, interval null",
    ended,
    "connected",
    "report, interval null",
  ]);
});

const failures: Record<string, [closed: string, want: string]> = {
  "an address that can't be reached": [
    "tcp connect error",
    "unreachable: Cannot connect to relay at relay.test/stats: tcp connect error",
  ],
  "a dial that takes too long": [
    "not open within 10 s",
    "unreachable: Cannot connect to relay at relay.test/stats: not open within 10 s",
  ],
  "an address that does not upgrade": [
    "Invalid status code: 404",
    "refused: Cannot connect to relay at relay.test/stats: relay answered 404",
  ],
  "words that hold the code": [
    "Invalid URL: 'ws://relay.test/stats?code=1'",
    "unreachable: Cannot connect to relay at relay.test/stats: Invalid URL: '(address)",
  ],
};
for (const [name, [closed, want]] of Object.entries(failures)) {
  feedTest(`tried again: ${name}`, async (bench) => {
    (await bench.dialled(1)).listener.closed(closed);
    await bench.clock.advance(500);
    await bench.connected(2);
    assert.deepEqual(bench.news(), [want, "connected", "report, interval null"]);
  });
}

feedTest("tried again: a connection that ends before its first report", async (bench) => {
  const socket = await bench.dialled(1);
  socket.listener.open();
  socket.listener.closed("closed with code 1006");
  await bench.clock.advance(500);
  await bench.connected(2);
  assert.equal(
    bench.news()[0],
    "unreachable: Cannot get a report from relay at relay.test/stats: the connection ended before the first one: " +
      "closed with code 1006",
  );
});

feedTest("tried again: a connection from which only frames come that can't be read", async (bench) => {
  const socket = await bench.dialled(1);
  socket.listener.open();
  socket.listener.badFrame("an empty frame");
  await bench.clock.advance(10_500);
  await bench.connected(2);
  assert.deepEqual(bench.news().slice(0, 2), [
    "bad frame: an empty frame",
    "garbage: Cannot get a report from relay at relay.test/stats: only frames that cannot be read in 10 s, " +
    "the last one: an empty frame",
  ]);
  assert.ok(socket.isClosed);
});

feedTest(
  "a connection that is overdue is kept beside the next, and is as good as that when it reports",
  async (bench) => {
    const first = await bench.dialled(1);
    first.listener.open();
    await bench.clock.advance(10_500);
    const second = await bench.dialled(2);
    second.listener.open();
    assert.ok(!first.isClosed);

    first.listener.report(aReport);
    assert.deepEqual(bench.news().slice(1), ["connected", "report, interval 10500"]);
    assert.ok(!first.isClosed);
    assert.ok(second.isClosed);
  },
);

feedTest(
  "how long an overdue first report was waited for stands for the interval, until one is known",
  async (bench) => {
    const socket = await bench.dialled(1);
    socket.listener.open();
    await bench.clock.advance(30_000);
    socket.listener.report(aReport);
    await bench.clock.advance(30_000);
    socket.listener.report(aReport);
    await bench.clock.advance(20_000);
    socket.listener.report(aReport);
    const reports = bench.news().filter((each) => each.startsWith("report"));
    assert.deepEqual(reports, ["report, interval 30000", "report, interval 30000", "report, interval 25000"]);
  },
);

feedTest("of connections that are overdue the newest is kept, so there are two at most", async (bench) => {
  for (const count of [1, 2, 3]) {
    (await bench.dialled(count)).listener.open();
    await bench.clock.advance(12_500);
  }
  assert.deepEqual(bench.sockets.slice(0, 3).map(({ isClosed }) => isClosed), [true, true, false]);
});

feedTest("tried again: a service that does not answer", async (bench) => {
  bench.answer = "hang";
  await bench.askedTimes(1);
  await bench.clock.advance(10_000);
  await bench.inTrouble(1);
  await bench.clock.advance(500);
  await bench.askedTimes(2);
  assert.deepEqual(bench.news(), [
    "unreachable: Cannot get access to relay at relay.test/session/stats: no answer within 10 s",
  ]);
});

feedTest("tried again: a pool that has no sockets to give", async (bench) => {
  await bench.inTrouble(1);
  await bench.clock.advance(500);
  await bench.inTrouble(2);
  assert.equal(bench.news()[0], "unreachable: Cannot connect to relay: no threads left");
}, () => {
  const bench = new FeedBench();
  const dial = () => {
    throw new Error("no threads left");
  };
  return Object.assign(bench, { ports: { ...bench.ports, sockets: { dial } } });
});

// Stopping: `feedTest` looks at what is left

feedTest("a feed can be stopped while it asks", async (bench) => {
  bench.answer = "hang";
  await bench.askedTimes(1);
});
feedTest("a feed can be stopped while it dials", async (bench) => void await bench.dialled(1));
feedTest("a feed can be stopped while it waits for the first report", async (bench) => {
  (await bench.dialled(1)).listener.open();
});
feedTest("a feed can be stopped in the pause before it tries again", async (bench) => {
  bench.answer = "refuse";
  await bench.inTrouble(1);
});
feedTest("a feed can be stopped while a new connection is on its way", async (bench) => {
  (await bench.connected(1)).listener.retire();
  await bench.dialled(2);
});

Deno.test("a feed that is stopped before it begins does nothing", async () => {
  const bench = new FeedBench();
  await watchFeed(bench.source, bench.ports, bench.listener, AbortSignal.abort());
  assert.equal(bench.asked, 0);
});

Deno.test("nothing is told once a feed has been stopped", async () => {
  const bench = new FeedBench(), stop = new AbortController();
  const watched = watchFeed(bench.source, bench.ports, bench.listener, stop.signal);
  const socket = await bench.connected(1);
  bench.news();
  stop.abort();
  await watched;
  socket.listener.report(aReport);
  socket.listener.closed("closed with code 1006");
  assert.deepEqual(bench.news(), []);
});
