/** The monitor's own sources fail, and come back: played by the real program on a stand-in laboratory. */
import assert from "node:assert/strict";
import { Station } from "../support/station.ts";

for (const feed of ["jump", "relay"] as const) {
  Deno.test(`${feed} stops: one mail says so, no experiment gets an event, and its return is a line`, async () => {
    await using station = await Station.watching();
    await station.world[feed].stop();
    const lost = await station.mail(new RegExp(`^${feed} has no fresh reports so may be down: .+`, "m"));
    assert.equal(lost.subject, `system alert: ${feed} has no fresh reports so may be down`);
    assert.doesNotMatch(lost.text, /new health events/);
    assert.equal((await station.experiment("pend00"))?.state, "unknown");
    assert.equal((await station.experiment("pend00"))?.healthy, true);
    assert.equal((await station.states())[feed], "lost");

    await station.world[feed].start();
    const back = await station.mail(new RegExp(`^${feed} reports again$`, "m"));
    assert.equal(back.subject, `system alert: ${feed} reports again`);
    await station.until(
      async () => (await station.experiment("pend00"))?.state === "healthy",
      "pend00 to be healthy again",
    );
    await station.reports(25);
    assert.equal(station.mailCount, 3);
    assert.equal(station.world.book.requests.filter(({ method }) => method === "PUT").length, 0);
  });
}

Deno.test("while relay is lost what jump tells goes on being judged", async () => {
  await using station = await Station.watching();
  await station.world.relay.stop();
  await station.mail(/^relay has no fresh reports/m);
  station.world.host("pend00").pull();
  await station.line("pend00 -- A   [missing jump]");
});

Deno.test("with HEALTH_FEED_LOSS=unavailable a lost relay takes experiments off, and its return puts them back", async () => {
  await using station = await Station.watching({ env: { STATUS_HEALTH_FEED_LOSS: "unavailable" } });
  await station.world.relay.stop();
  await station.line("pend00 ><   U [missing required pend00-st-data, missing required pend00-st-video]");
  await station.world.relay.start();
  await station.line("pend00 ok A", 2);
});

Deno.test("a relay that goes silent with its sockets open, as an old one does for good, is told of as that", async () => {
  await using station = await Station.watching();
  station.world.relay.mute();
  const mail = await station.mail(/^relay has no fresh reports/m);
  assert.match(mail.text, /silent.*restart/);
});

Deno.test("feeds that are slower than the limits are watched all the same, and raise no alarm once their pace is known", async () => {
  await using station = await Station.with({ world: { reportEveryMs: 1_500 }, env: { STATUS_HEALTH_LAST: "300ms" } });
  await station.start();
  const intervals = async () => {
    const { feeds } = await station.json<{ feeds: Record<string, { interval_seconds: number | null }> }>(
      "/api/v1/status",
    );
    return Object.values(feeds).every(({ interval_seconds: seconds }) => seconds !== null && seconds > 1);
  };
  await station.until(intervals, "the pace of both feeds to be known");
  await station.until(async () => (await station.experiment("pend00"))?.state === "healthy", "pend00 to be healthy");
  await station.until(async () => (await station.states()).mail === "idle", "all mails to be sent");
  const before = station.mailCount;
  await station.reports(4);
  assert.equal(station.mailCount, before);
  station.world.stream("pend00-st-data").vanish();
  await station.line("pend00 ><   U [missing required pend00-st-data]");
});

Deno.test("a refused token is told in the service's own words", async () => {
  await using station = await Station.with({ env: { STATUS_SECRET_JUMP: "not-the-secret" } });
  await station.start();
  const mail = await station.mail(/^jump has no fresh reports/m);
  assert.match(mail.text, /^jump has no fresh reports so may be down: .*500.*signature is invalid/m);
  assert.equal((await station.experiment("pend00"))?.state, "unknown");
});

Deno.test("book stops: one mail after three failed tries, changes wait, and are made when it answers again", async () => {
  await using station = await Station.watching();
  await station.world.book.stop();
  await station.mail(/^book does not answer so availability may be out of date: .+/m);
  station.world.stream("pend00-st-data").stall();
  await station.line("pend00 -- A   [unhealthy pend00-st-data]");
  assert.equal((await station.states()).book, "lost");

  await station.world.book.start();
  await station.line("book answers again");
  await station.until(() => station.world.book.availability("r-pend00")?.available === false, "the change to be made");
  assert.equal((await station.states()).book, "ok");
});

Deno.test("nothing waits for a book that hangs: the API answers, and the mail comes within its two seconds", async () => {
  await using station = await Station.watching({ env: { STATUS_TIMEOUT_BOOK: "10s" } });
  station.world.book.hang();
  station.world.stream("pend00-st-data").stall();
  await station.line("pend00 -- A   [unhealthy pend00-st-data]");
  assert.equal((await station.experiment("pend00"))?.healthy, false);
});

Deno.test("a restarted book lists nothing: the last manifest stays in use, and what is broken is taken off when it is loaded", async () => {
  await using station = await Station.watching();
  station.world.stream("pend00-st-data").stall();
  await station.until(() => station.world.book.availability("r-pend00")?.available === false, "pend00 to be taken off");
  await station.world.book.restart();
  await station.line("book lists no resources");
  assert.deepEqual((await station.experiment("pend00"))?.stream_required, {
    "pend00-st-data": true,
    "pend00-st-video": true,
  });
  assert.equal((await station.states()).book, "empty");

  station.world.loadManifest();
  await station.until(
    () => station.world.book.availability("r-pend00")?.available === false,
    "pend00 to be taken off again",
  );
});

Deno.test("tokens are renewed without a gap: connections come and go, and no one hears of it", async () => {
  await using station = await Station.watching({
    env: { STATUS_RECONNECT_JUMP_EVERY: "2s", STATUS_RECONNECT_RELAY_EVERY: "2s" },
  });
  const { world } = station;
  const dialled = [world.jump.counts.dialled, world.relay.counts.dialled] as const;
  await station.until(
    () => world.jump.counts.dialled >= dialled[0] + 3 && world.relay.counts.dialled >= dialled[1] + 3,
    "three renewals of both",
  );
  assert.equal(station.mailCount, 1);
  const states = await station.states();
  assert.deepEqual([states.jump, states.relay], ["live", "live"]);
  assert.ok(world.relay.watchers <= 2);
});
