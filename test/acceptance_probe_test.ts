/** A relay that gives no statistics, and streams that fall silent with their connection open: played by the real program. */
import assert from "node:assert/strict";
import { Station, type StationOptions } from "./fixtures/station.ts";

const unmeasured: StationOptions = { world: { relayGeneration: "v0.9" } };
const video = "pend00-st-video";

Deno.test("a camera that hangs with its connection open takes its experiment off book, and its return puts it back", async () => {
  await using station = await Station.watching(unmeasured);
  station.world.stream(video).stall();
  const off = await station.line(`pend00 ><   U [unhealthy ${video}]`);
  assert.match(off.text, /^There are 1 new health events \(1 issues, 0 ok\):$/m);
  assert.match(
    station.world.book.availability("r-pend00")?.reason ?? "",
    /status server: \S+Z unhealthy pend00-st-video$/,
  );
  const experiment = await station.experiment("pend00");
  assert.deepEqual([experiment?.state, experiment?.available], ["unhealthy", false]);
  assert.equal(experiment?.stream_probes[video]?.heard, false);
  await station.until(
    async () => (await station.experiment("pend00"))?.stream_probes["pend00-st-data"]?.heard,
    "the other",
  );

  station.world.stream(video).resume();
  await station.line("pend00 ok A", 2);
  assert.match(
    station.world.book.availability("r-pend00")?.reason ?? "",
    /^status server: \S+Z all required streams ok$/,
  );
});
