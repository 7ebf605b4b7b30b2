/** Much at once, on the real program: great frames, a relay that comes back stream by stream, a great manifest of a slow book. */
import assert from "node:assert/strict";
import { residentBytes } from "../../scripts/proc.ts";
import { Station } from "../support/station.ts";

const mb = 1024 * 1024;
// What is read is much, and a busy machine takes its time.
const patienceMs = 120_000;

Deno.test("frames of 20 MB: each counts, the API answers meanwhile, no one hears of it, and the memory comes back", async () => {
  await using station = await Station.watching({ env: { STATUS_HEALTH_LAST: "10s" }, patienceMs });
  const { relay } = station.world;
  const great = crowd(25_000, 800);
  assert.ok(JSON.stringify(great).length > 20 * mb);
  const before = await residentBytes(station.pid);
  let most = 0;
  for (let count = 1; count <= 5; count++) {
    relay.glue([[...relay.entries(), ...great]]);
    await station.until(async () => (await entriesOf(station, "relay")) > 25_000 * count, "the great report to count");
    most = Math.max(most, await residentBytes(station.pid));
  }
  assert.ok(most < before + 1_000 * mb, `${Math.round(most / mb)} MB`);
  await station.until(async () => await residentBytes(station.pid) < before + 200 * mb, "the memory to come back");
  assert.equal(station.mailCount, 1);
});

Deno.test("a frame of more than 64 MB is named, and the reports after it count", async () => {
  await using station = await Station.watching({ env: { STATUS_HEALTH_LAST: "10s" } });
  station.world.relay.glue([crowd(25_000, 2_700)]);
  const tooLarge = async () =>
    /Frame too large \(more than 64 MB\)/.test((await feedOf(station, "relay")).last_error ?? "");
  await station.until(tooLarge, "the frame to be named");
  await station.until(async () => (await station.states()).relay === "live", "relay to be live");
  await station.reports(5);
  assert.equal(station.mailCount, 1);
});

Deno.test("a relay that is restarted, and 2000 streams that come back one by one: no experiment is told of, two lines are", async () => {
  const names = Array.from({ length: 1_000 }, (_, at) => `pend${String(at).padStart(3, "0")}`);
  await using station = await Station.with({
    env: { STATUS_HEALTH_LAST: "10s" },
    world: { reportEveryMs: 500 },
    experiments: Object.fromEntries(names.map((name) => [name, ["st-data", "st-video"]])),
    patienceMs,
  });
  const { world } = station;
  await station.start();
  await station.mail(/^1000 new health events/);
  await world.relay.stop();
  await station.mail(/^relay has no fresh reports so may be down/m);
  const topics = [...world.lab.streams.keys()];
  for (const topic of topics) world.stream(topic).vanish();
  await world.relay.start();
  // In half of the time that they have, HEALTH_LAST_CHECKED; what takes longer than that is missing, and told.
  for (let at = 0; at < topics.length; at += 250) {
    for (const topic of topics.slice(at, at + 250)) world.stream(topic).appear();
    const reports = world.relay.counts.reports;
    await station.until(() => world.relay.counts.reports > reports, "a report of some of them");
  }
  await station.mail(/^relay reports again$/m);
  await station.until(async () => (await countsOf(station)).healthy === 1_000, "all to be healthy");
  await station.reports(15);
  assert.equal(station.mailCount, 3);
  assert.equal(world.book.requests.filter(({ method }) => method === "PUT").length, 0);
});

Deno.test("a manifest of 2000 resources of a slow book: a change is made before all of it is read, and nothing waits", async () => {
  const names = Array.from({ length: 2_000 }, (_, at) => `pend${String(at).padStart(4, "0")}`);
  await using station = await Station.with({
    env: { STATUS_QUERY_BOOK_EVERY: "1h", STATUS_HEALTH_LAST: "10s", STATUS_TIMEOUT_BOOK: "30s" },
    world: { reportEveryMs: 1_000 },
    experiments: Object.fromEntries(names.map((name) => [name, ["st-data"]])),
    patienceMs,
  });
  const { book } = station.world;
  book.delayMs = 15; // all of it takes 8 s, at 4 at a time
  station.world.stream("pend0007-st-data").vanish();
  await station.start();
  const isOff = () => book.availability("r-pend0007")?.available === false;
  await station.until(isOff, "the change to be made");
  const read = new Set(book.requests.map(({ path }) => path)).size;
  assert.ok(read < 2_000, `${read} resources came first`);
  await station.until(async () => (await countsOf(station)).healthy === 1_999, "the others to be healthy");
  await station.until(() => new Set(book.requests.map(({ path }) => path)).size >= 1_990, "all of book to be read");
  assert.equal(book.requests.filter(({ method }) => method === "PUT").length, 1);
  assert.equal((await station.states()).book, "ok");
});

/** Users of a stream, as relay tells of them, each with such a long user agent. */
function crowd(count: number, agentChars: number): readonly unknown[] {
  return Array.from({ length: count }, (_, at) => ({
    canRead: true,
    canWrite: false,
    connected: "2026-11-22T07:00:00.123456789Z",
    expiresAt: "2027-11-22T07:00:00Z",
    remoteAddr: "192.0.2.7",
    scopes: ["read"],
    stats: { tx: { last: "Never", size: 0, fps: 0 }, rx: { last: "20ms", size: 20, fps: 1.5 } },
    topic: "pend00-st-video",
    userAgent: `${at} `.padEnd(agentChars, "x"),
  }));
}

async function feedOf(station: Station, feed: "jump" | "relay") {
  const { feeds } = await station.json<{ feeds: Record<string, { entries: number; last_error: string | null }> }>(
    "/api/v1/status",
  );
  return feeds[feed] ?? { entries: 0, last_error: null };
}

async function entriesOf(station: Station, feed: "jump" | "relay"): Promise<number> {
  return (await feedOf(station, feed)).entries;
}

async function countsOf(station: Station): Promise<Record<string, number>> {
  return (await station.json<{ counts: Record<string, number> }>("/api/v1/status")).counts;
}
