/** Nothing that is done to time makes a false event, a storm or a lost alert: the real program, by a clock in the test's hand. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { EventJson, HistoryJson } from "../../src/api_schema.ts";
import { Station, type StationOptions } from "../support/station.ts";
import { toolTest } from "../support/tool.ts";
import { findFakeTime, WallClock } from "../support/wall_clock.ts";

const hour = 3_600;
const day = 24 * hour;

const puts = ({ world }: Station) => world.book.requests.filter(({ method }) => method === "PUT").length;
const events = (station: Station) => station.json<EventJson[]>("/api/v1/experiments/events/pend00");
// A machine with much to do may itself hold reports up for a while.
const unhurried = { STATUS_HEALTH_LAST: "4s" };
const allWell = { jump: "live", relay: "live", book: "ok", mail: "idle", store: "ok" };

/** What must not become more by anything that is done to time. */
async function told(station: Station) {
  return { mails: station.mailCount, puts: puts(station), events: (await events(station)).length };
}

async function isInOrder(station: Station): Promise<void> {
  const times = (await events(station)).map(({ when }) => when);
  assert.deepEqual(times, times.toSorted());
}

Deno.test("stopped for longer than every limit and continued, it raises nothing, and tells of a fault in time", async () => {
  await using station = await Station.watching({ env: unhurried });
  const before = await told(station);
  station.signal("SIGSTOP");
  await station.reports(40); // of each: 8 s: feeds are lost after 4 s, book is asked every second and given up after 5 s
  station.signal("SIGCONT");
  await station.until(() => /the program was suspended for \d+ s/.test(station.log), "it to say that it was stopped");
  await station.reports(12);

  assert.deepEqual(await told(station), before);
  assert.deepEqual(await station.states(), allWell);
  assert.equal((await station.experiment("pend00"))?.state, "healthy");

  station.world.stream("pend00-st-video").stall();
  await station.line("pend00 ><   U [unhealthy pend00-st-video]");
});

const library = findFakeTime();

/** A program that is told `env` by a clock that is `aheadSeconds` off at its start. */
async function clocked(file: string, aheadSeconds: number, options: StationOptions = {}) {
  const clock = await WallClock.with(file);
  clock.set(aheadSeconds);
  const station = await Station.with({ ...options, env: { ...clock.env, ...options.env } });
  const both = {
    clock,
    station,
    async [Symbol.asyncDispose]() {
      await station[Symbol.asyncDispose]();
      await clock[Symbol.asyncDispose]();
    },
  };
  return both;
}

function clockTest(says: string, test: (file: string) => Promise<void>): void {
  toolTest("faketime", library, says, test);
}

// Book is asked for nothing of its own accord: it takes no token of another time.
const bookAtRest = { ...unhurried, STATUS_QUERY_BOOK_EVERY: "1h" };

clockTest("a clock that is put forward and back under it, by an hour and by a day, raises nothing", async (file) => {
  await using lab = await clocked(file, 0, { env: bookAtRest });
  const { clock, station } = lab;
  await station.start();
  await station.mail(/new health events/);
  const before = await told(station);
  for (const ahead of [hour, 0, -hour, 0, day, 0, -day, day, 0]) {
    const said = station.log.length;
    clock.set(ahead);
    await station.until(
      () => /wall clock stepped (forward|back) by/.test(station.log.slice(said)),
      `it to see that its clock is ${ahead} s ahead`,
    );
    await station.reports(5);
  }
  await station.reports(20);

  assert.deepEqual(await told(station), before);
  assert.deepEqual(await station.states(), allWell);
  await isInOrder(station);
});

const skews: [aheadSeconds: number, words: RegExp][] = [
  [hour, /book answered 500 "[^"]*token is not valid yet": this machine's clock is (1 h|59 min) ahead of book's/],
  [-day, /book answered 500 "[^"]*token is expired by [^"]+": this machine's clock is (1 d|23 h 59 min) behind book's/],
];
for (const [ahead, words] of skews) {
  const off = ahead > 0 ? "ahead" : "behind";
  clockTest(
    `with a clock that is ${off} a fault is told of in time, and why book is not, which is when the clock is right`,
    async (file) => {
      await using lab = await clocked(file, 0, { env: bookAtRest });
      const { clock, station } = lab;
      await station.start();
      await station.mail(/new health events/);

      clock.set(ahead);
      await station.reports(5);
      station.world.stream("pend00-st-video").stall();
      await station.line("pend00 -- A   [unhealthy pend00-st-video]");
      await station.mail(words);
      assert.equal(puts(station), 0);

      clock.set(0);
      await station.mail(/book answers again/);
      await station.until(() => !station.world.book.availability("r-pend00")?.available, "book to be told");
      station.world.stream("pend00-st-video").resume();
      await station.line("pend00 ok A", 2);
      await isInOrder(station);
    },
  );
}

clockTest(
  "started with a clock that is ahead, it says so, and begins by itself when the clock is right",
  async (file) => {
    await using lab = await clocked(file, hour, { env: unhurried });
    const { clock, station } = lab;
    const { said } = await station.run({}, "check");
    for (const part of ["book", "jump", "relay"]) {
      assert.match(said, new RegExp(`^FAIL  ${part} .*this machine's clock is (1 h|59 min) ahead of ${part}'s`, "m"));
    }
    await station.start();
    await station.mail(/jump has no fresh reports .*this machine's clock is (1 h|59 min) ahead of jump's/);
    await station.mail(/relay has no fresh reports .*this machine's clock is (1 h|59 min) ahead of relay's/);
    assert.equal((await station.experiment("pend00"))?.state ?? "unknown", "unknown");

    clock.set(0);
    await station.mail(/relay reports again/);
    await station.mail(/^pend00 ok /m); // what book says of it may come later
    // Book may be the last to answer, and that is told by one more mail.
    await station.until(async () => isDeepStrictEqual(await station.states(), allWell), "all to be well");
    assert.equal(puts(station), 0);
  },
);

clockTest(
  "started again with a clock that is behind, it shows what is to come when that has come, and loses nothing",
  async (file) => {
    await using lab = await clocked(file, 0, { env: unhurried });
    const { clock, station } = lab;
    const healthyFrom = async () => {
      const { spans } = await station.json<HistoryJson>("/api/v1/experiments/pend00/history?window=1d");
      return spans.filter(({ state }) => state === "healthy").map(({ from }) => from);
    };
    await station.start();
    await station.mail(/new health events/);
    await station.until(async () => (await station.experiment("pend00"))?.available, "what book says to be known");
    const [firstFrom = ""] = await healthyFrom();
    await station.end("SIGTERM");

    clock.set(-2 * hour);
    await station.start();
    // The feeds take a token that lives for a day; book's lives for two minutes.
    await station.mail(/book does not answer .*this machine's clock is (2 h|1 h 59 min) behind book's/);
    await station.until(async () => (await healthyFrom()).length > 0, "it to watch");
    assert.ok(!(await healthyFrom()).includes(firstFrom), "what is to come was shown as past");
    const mails = station.mailCount;
    clock.set(0);
    await station.mail(/book answers again/, mails);
    await station.until(
      async () => (await healthyFrom()).includes(firstFrom),
      "what the first run saw to be shown again",
    );
    await station.reports(20);

    assert.equal(station.mailCount, mails + 1);
    assert.equal((await events(station)).length, 1);
    assert.deepEqual(await station.states(), allWell);
    assert.equal(puts(station), 0);
    const all = await healthyFrom();
    assert.deepEqual(all, all.toSorted());
  },
);
