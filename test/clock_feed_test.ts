/** That nothing that is done to the clock, or to the program as a whole, looks like a service that has gone silent. */
import assert from "node:assert/strict";
import { BookDesk } from "./support/book_desk.ts";
import { aReport, type FeedBench, feedTest } from "./support/feed_bench.ts";

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
