/** The rules of the README, played by the real program on a stand-in laboratory. */
import assert from "node:assert/strict";
import { Station } from "../support/station.ts";

Deno.test("a healthy experiment is told of once, when the start-up time has passed, and left available", async () => {
  await using station = await Station.with();
  await station.start();
  const mail = await station.line("pend00 ok A");

  // The program cannot have heard of pend00 before it came to book, or to a feed.
  const { book, board } = station.world;
  const isFirstFeed = ({ text }: { text: string }) => text.endsWith("has a watcher");
  const namedFrom = [book.requests[0], board.happenings.find(isFirstFeed)].map((each) => each?.atMs ?? NaN);
  assert.ok(mail.atMs - Math.min(...namedFrom) >= 1_000, "told before the start-up time had passed");
  assert.match(mail.subject, /^1 new health events$/);
  assert.match(mail.text, /^There are 1 new health events \(0 issues, 1 ok\):$/m);
  assert.match(mail.text, /^All new and existing health issues:\nnone$/m);
  await station.reports(5);
  assert.equal(station.mailCount, 1);
  assert.equal(station.world.book.requests.filter(({ method }) => method === "PUT").length, 0);
  assert.equal((await station.experiment("pend00"))?.state, "healthy");
});

Deno.test("a jump that is pulled is mailed about and changes no availability, and so is its return", async () => {
  await using station = await Station.watching();
  station.world.host("pend00").pull();
  await station.line("pend00 -- A   [missing jump]");
  station.world.host("pend00").plug();
  await station.line("pend00 ok A", 2);
  assert.equal(station.world.book.availability("r-pend00")?.reason.startsWith("Loaded at"), true);
});

Deno.test("a required stream that stalls takes its experiment off book, and its return puts it back", async () => {
  await using station = await Station.watching();
  const stream = station.world.stream("pend00-st-video");
  stream.stall();
  const off = await station.line("pend00 ><   U [unhealthy pend00-st-video]");
  assert.match(off.text, /^There are 1 new health events \(1 issues, 0 ok\):$/m);
  assert.match(
    station.world.book.availability("r-pend00")?.reason ?? "",
    /^unavailable because status server: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ unhealthy pend00-st-video$/,
  );
  assert.equal((await station.experiment("pend00"))?.available, false);

  stream.resume();
  await station.line("pend00 ok A", 2);
  assert.match(
    station.world.book.availability("r-pend00")?.reason ?? "",
    /^status server: \S+Z all required streams ok$/,
  );
});

Deno.test("a lone stream that vanishes while its siblings go on is missed, and the experiment taken off", async () => {
  await using station = await Station.watching();
  station.world.stream("pend00-st-data").vanish();
  await station.line("pend00 ><   U [missing required pend00-st-data]");
  assert.equal(station.world.book.availability("r-pend00")?.available, false);
  station.world.stream("pend00-st-data").appear();
  await station.line("pend00 ok A", 2);
  assert.equal(station.world.book.availability("r-pend00")?.available, true);
});

Deno.test("with both gone the mail says both, in order", async () => {
  await using station = await Station.watching();
  station.world.host("pend00").pull();
  station.world.stream("pend00-st-data").vanish();
  station.world.stream("pend00-st-video").vanish();
  await station.line("pend00 ><   U [missing jump, missing required pend00-st-data, missing required pend00-st-video]");
});

Deno.test("users on a topic make no stream present, and the liveliest of two connections counts", async () => {
  await using station = await Station.watching();
  station.world.stream("pend00-st-video").stall();
  station.world.stream("pend00-st-video").double();
  station.world.stream("pend00-st-data").vanish();
  station.world.stream("pend00-st-data").users(3);
  await station.line("pend00 ><   U [missing required pend00-st-data]");
});

Deno.test("a relay without statistics is believed when it says that a stream is connected, and when it is gone", async () => {
  await using station = await Station.watching({ world: { relayGeneration: "v0.9" } });
  station.world.stream("pend00-st-video").stall();
  await station.reports(5);
  assert.equal(station.mailCount, 1);
  station.world.stream("pend00-st-video").vanish();
  await station.line("pend00 ><   U [missing required pend00-st-video]");
});

Deno.test("an experiment that book does not list is mailed about, and nothing is written", async () => {
  await using station = await Station.with();
  station.world.addExperiment("spin31", { resource: null });
  await station.start();
  await station.line("spin31 ok   U");
  station.world.stream("spin31-st-data").stall();
  await station.line("spin31 ><   U [unhealthy spin31-st-data]");
  assert.equal(station.world.book.requests.filter(({ method }) => method === "PUT").length, 0);
});

Deno.test("an experiment that a person took off stays off, and is shown as held with the reason", async () => {
  await using station = await Station.watching();
  station.world.book.takeOff("r-pend00", "being repaired");
  await station.until(
    async () => (await station.experiment("pend00"))?.held === "being repaired",
    "the hold to be seen",
  );
  station.world.host("pend00").pull();
  await station.line("pend00 ><   U [missing jump] (held: being repaired)");
  await station.reports(15);
  assert.equal(station.world.book.availability("r-pend00")?.reason, "unavailable because being repaired");
});

Deno.test("a manifest that is loaded anew makes all available, and what is broken is taken off again", async () => {
  await using station = await Station.watching();
  station.world.stream("pend00-st-data").stall();
  await station.until(() => !station.world.book.availability("r-pend00")?.available, "pend00 to be taken off");
  station.world.loadManifest();
  await station.until(() => !station.world.book.availability("r-pend00")?.available, "pend00 to be taken off again");
});

Deno.test("with BOOK_WRITES=off nothing is written, and it says what would be", async () => {
  await using station = await Station.watching({ env: { STATUS_BOOK_WRITES: "off" } });
  station.world.stream("pend00-st-data").stall();
  await station.line("pend00 -- A   [unhealthy pend00-st-data]");
  await station.until(() => /r-pend00 would be made unavailable/.test(station.log), "the log to say so");
  assert.match(
    (await station.experiment("pend00"))?.trial ?? "",
    /^r-pend00: status server: \S+Z unhealthy pend00-st-data$/,
  );
  assert.equal(station.world.book.requests.filter(({ method }) => method === "PUT").length, 0);
});
