/** A relay that gives no statistics, and streams that fall silent with their connection open: played by the real program. */
import assert from "node:assert/strict";
import type { StatusJson } from "../../src/api_schema.ts";
import { Station, type StationOptions } from "../support/station.ts";

const unmeasured: StationOptions = { world: { relayGeneration: "v0.9" } };
const data = "pend00-st-data", video = "pend00-st-video";
const lastActiveMs = 2_000; // as the station sets it

Deno.test("a camera that hangs with its connection open takes its experiment off book, and its return puts it back", async () => {
  await using station = await Station.watching(unmeasured);
  const { world } = station;
  world.stream(video).stall();
  const off = await station.line(`pend00 ><   U [unhealthy ${video}]`);
  assert.match(off.text, /^There are 1 new health events \(1 issues, 0 ok\):$/m);
  assert.match(world.book.availability("r-pend00")?.reason ?? "", /status server: \S+Z unhealthy pend00-st-video$/);
  const experiment = await station.experiment("pend00");
  assert.deepEqual([experiment?.state, experiment?.available], ["unhealthy", false]);
  assert.equal(experiment?.stream_probes[video]?.heard, false);
  await station.until(
    async () => (await station.experiment("pend00"))?.stream_probes[data]?.heard,
    "the other to be heard",
  );
  const page = await fetch(`${station.url}?experiment=pend00`);
  assert.match(await page.text(), /connected but nothing heard for/);

  world.stream(video).resume();
  await station.line("pend00 ok A", 2);
  assert.match(world.book.availability("r-pend00")?.reason ?? "", /^status server: \S+Z all required streams ok$/);
  assert.equal(station.mailCount, 3);
});

Deno.test("listening that is refused says nothing of the streams: no event, one alert, and a line when it works again", async () => {
  await using station = await Station.watching(unmeasured);
  const { sessions } = station.world;
  sessions.fail({ kind: "refuse", status: 500, body: '{"code":500,"message":"token invalid"}' });
  const alert = await station.mail(/^no stream can be listened to so a silent one may go unnoticed: .+/m);
  assert.match(alert.text, /relay at \S+\/session\/pend00-st-\w+: relay answered 500 "token invalid"/);
  assert.doesNotMatch(alert.text, /new health events/);
  assert.equal((await probes(station)).state, "failing");

  // A stream that hangs now is not known to: what cannot be listened to counts as before.
  station.world.stream(video).stall();
  const asked = sessions.askings.length;
  await station.until(() => sessions.askings.length >= asked + 3, "three more tries");
  await station.reports(5);
  assert.equal((await station.experiment("pend00"))?.state, "healthy");
  assert.equal(station.mailCount, 2);

  sessions.fail(null);
  await station.mail(/^streams can be listened to again, or need not be$/m);
  await station.line(`pend00 ><   U [unhealthy ${video}]`);
  assert.equal((await probes(station)).state, "probing");
});

Deno.test("listening that is refused for a silent stream neither clears nor sets anything, and is no alert while another is heard", async () => {
  await using station = await Station.watching(unmeasured);
  const { sessions } = station.world;
  station.world.stream(video).stall();
  await station.line(`pend00 ><   U [unhealthy ${video}]`);
  const before = station.mailCount;
  for (const kind of ["drop", "hang", "refuse"] as const) {
    sessions.fail(kind === "refuse" ? { kind, status: 503, body: "busy" } : { kind }, video);
    const asked = sessions.askings.length;
    await station.until(() => sessions.askings.slice(asked).filter(({ topic }) => topic === video).length > 0, kind);
    await station.reports(10);
    assert.equal((await station.experiment("pend00"))?.state, "unhealthy");
  }
  assert.equal(station.mailCount, before);
  sessions.fail(null, video);
  station.world.stream(video).resume();
  await station.line("pend00 ok A", before);
});

Deno.test("three hundred streams: four at a time at most, each no more often than HEALTH_LAST_ACTIVE, all in turn", async () => {
  const names = Array.from({ length: 150 }, (_, at) => `pend${String(at).padStart(3, "0")}`);
  const experiments = Object.fromEntries(names.map((name) => [name, ["st-data", "st-video"]]));
  const world: StationOptions["world"] = { relayGeneration: "v0.9", reportEveryMs: 500 };
  const patienceMs = 120_000; // for 300 sockets, which take a busy machine a while
  await using station = await Station.with({ world, experiments, patienceMs });
  await station.start();
  const { sessions } = station.world;
  const timesOf = () => Map.groupBy(sessions.askings, ({ topic }) => topic);
  await station.until(() => timesOf().size === 300, "each to be asked for");
  station.world.stream("pend149-st-video").stall();
  await station.line("pend149 ><   U [unhealthy pend149-st-video]");

  assert.ok(sessions.most <= 4, `${sessions.most} at a time`);
  const gaps = [...timesOf().values()].flatMap((asked) => asked.slice(1).map(({ atMs }, at) => atMs - asked[at]!.atMs));
  assert.ok(gaps.length > 0);
  assert.ok(Math.min(...gaps) >= lastActiveMs, `again after ${Math.min(...gaps)} ms`);
  const counts = [...timesOf().values()].map((asked) => asked.length);
  assert.ok(
    Math.max(...counts) - Math.min(...counts) <= 1,
    `between ${Math.min(...counts)} and ${Math.max(...counts)}`,
  );
  assert.deepEqual([(await probes(station)).failed, (await probes(station)).streams], [0, 300]);
});

const quiet: Record<string, [StationOptions, state: string]> = {
  "with PROBE_STREAMS=off": [{ ...unmeasured, env: { STATUS_PROBE_STREAMS: "off" } }, "off"],
  "with statistics": [{}, "idle"],
  "without required streams": [{ ...unmeasured, experiments: { pend00: [] } }, "idle"],
};
for (const [name, [options, state]] of Object.entries(quiet)) {
  Deno.test(`${name} no stream is listened to`, async () => {
    await using station = await Station.with(options);
    await station.start();
    await station.until(async () => (await station.experiment("pend00"))?.state !== "starting", "pend00 to be judged");
    await station.reports(25);
    assert.deepEqual(station.world.sessions.askings, []);
    assert.equal((await probes(station)).state, state);
  });
}

Deno.test("with PROBE_STREAMS=always streams are listened to though relay measures them", async () => {
  await using station = await Station.watching({ env: { STATUS_PROBE_STREAMS: "always" } });
  station.world.sessions.fail({ kind: "mute" }, video);
  await station.line(`pend00 ><   U [unhealthy ${video}]`);
  station.world.sessions.fail(null, video);
  await station.line("pend00 ok A", 2);
});

Deno.test("a restart while a stream is silent tells nothing new, and neither does relay's", async () => {
  await using station = await Station.watching({ ...unmeasured, env: { STATUS_HEALTH_STARTUP: "6s" } });
  station.world.stream(video).stall();
  await station.line(`pend00 ><   U [unhealthy ${video}]`);
  const before = station.mailCount;

  await station.end("SIGTERM");
  await station.start();
  await station.until(async () => (await station.experiment("pend00"))?.state === "unhealthy", "pend00 to be judged");
  await station.reports(20);
  assert.equal(station.mailCount, before);
  assert.equal(station.world.book.availability("r-pend00")?.available, false);
});

Deno.test("a relay that stops, hangs or falls mute while streams are listened to makes no stream silent", async () => {
  await using station = await Station.watching(unmeasured);
  const { relay, sessions } = station.world;
  for (const fail of ["stop", "hang", "mute"] as const) {
    const before = station.mailCount;
    await station.until(() => sessions.open > 0, "a stream to be listened to");
    await relay[fail]();
    await station.mail(/^relay has no fresh reports/m, before);
    await relay.start();
    await station.mail(/^relay reports again$/m, before);
    const asked = sessions.askings.length;
    await station.until(() => sessions.askings.length >= asked + 4, "both streams to be listened to twice");
    assert.equal(station.mailCount, before + 2);
  }
  assert.equal((await station.experiment("pend00"))?.health_events, 1);
});

Deno.test("a relay that never answers a close costs the program few sockets", async () => {
  const names = Array.from({ length: 20 }, (_, at) => `pend${at}`);
  const experiments = Object.fromEntries(names.map((name) => [name, ["st-data", "st-video"]]));
  await using station = await Station.with({ ...unmeasured, experiments });
  const { sessions } = station.world;
  sessions.fail({ kind: "deaf" });
  await station.start();
  await station.until(() => sessions.askings.length >= 48, "many to be asked for");
  // Four that are listened to, four a second that are not given up for five, and nine until their Worker is replaced.
  assert.ok(sessions.most <= 40, `${sessions.most} at a time`);
  const { failed, silent } = await probes(station);
  assert.deepEqual([failed, silent], [0, 0]);
});

async function probes(station: Station): Promise<StatusJson["probes"]> {
  return (await station.json<StatusJson>("/api/v1/status")).probes;
}
