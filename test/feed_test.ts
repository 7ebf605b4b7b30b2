import assert from "node:assert/strict";
import {
  type ConnectionPorts,
  intervalOf,
  noIntervals,
  openConnection,
  type ReportIntervals,
  watchFeed,
  withGap,
} from "../src/feed.ts";
import { lateAfterMs, lostAfterMs } from "../src/health.ts";
import { ConnectionTable, noConnections } from "../src/report.ts";
import type { SocketListener } from "../src/socket_pool.ts";
import { connection } from "./support/bench.ts";
import { FakeClock } from "./support/clock.ts";
import { aReport, FeedBench, feedTest } from "./support/feed_bench.ts";
import { isLetGo } from "./support/let_go.ts";

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

/*  When a feed that is connected is connected anew, and that no report is missed or counted twice by it. */

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

const intervals: Record<string, [gapsMs: number[], want: number | null]> = {
  "is not known before there are two reports": [[], null],
  "is the gap between the first two": [[5_000], 5_000],
  "is between them where two gaps differ": [[5_000, 6_000], 5_500],
  "is not moved by one gap that an update made short": [[5_000, 5_001, 20, 5_000], 5_000],
  "is not moved by two long ones": [[5_000, 60_000, 5_000, 60_000, 5_000], 5_000],
  "forgets all but the last five gaps": [[5_000, 5_000, 5_000, 30_000, 30_000, 30_000], 30_000],
};
for (const [name, [gapsMs, want]] of Object.entries(intervals)) {
  Deno.test(`the interval of a feed ${name}`, () => {
    assert.equal(intervalOf(gapsMs.reduce<ReportIntervals>(withGap, noIntervals)), want);
  });
}

const limits: Record<string, [intervalMs: number | null, lastCheckedMs: number, want: { late: number; lost: number }]> =
  {
    "of unknown interval is late after 15 s at most": [null, 60_000, { late: 15_000, lost: 60_000 }],
    "of unknown interval is late with HEALTH_LAST_CHECKED where that is less": [null, 10_000, {
      late: 10_000,
      lost: 10_000,
    }],
    "is late after two intervals, lost after three": [5_000, 10_000, { late: 10_000, lost: 15_000 }],
    "is not lost before HEALTH_LAST_CHECKED": [5_000, 60_000, { late: 10_000, lost: 60_000 }],
    "is given a second before it is late": [200, 10_000, { late: 1_000, lost: 10_000 }],
    "may be slower than a short HEALTH_LAST_CHECKED": [60_000, 2_000, { late: 120_000, lost: 180_000 }],
  };
for (const [name, [intervalMs, lastCheckedMs, want]] of Object.entries(limits)) {
  Deno.test(`a feed ${name}`, () => {
    assert.deepEqual(
      { late: lateAfterMs(intervalMs, lastCheckedMs), lost: lostAfterMs(intervalMs, lastCheckedMs) },
      want,
    );
  });
}

Deno.test("a connection that lives on does not keep what its first report said", async () => {
  const dialled: SocketListener[] = [];
  const ports: ConnectionPorts = {
    clock: new FakeClock(),
    sockets: { dial: (_url, _dialect, listener) => (dialled.push(listener), { close() {} }) },
  };
  const plan = { name: "relay", socketUrl: "ws://relay.test/", firstReportMsMax: 10_000 } as const;
  const deaf = { report() {}, badFrame() {}, closed() {}, retire() {} };
  const link = openConnection(plan, ports, deaf, new AbortController().signal);
  const [socket = assert.fail("not dialled")] = dialled;
  const said = report(socket);

  assert.equal((await link.firstReport).kind, "reported");
  assert.equal(await isLetGo(said), true);

  link.close();
});

/** One report of one stream; what it says is held by nobody but who was told. */
function report(socket: SocketListener): WeakRef<object> {
  const connections = ConnectionTable.of([connection("pend00-st-data")]);
  socket.report({ connections, entries: 1, skipped: 0, generation: "measured" });
  return new WeakRef(connections);
}
