/** The real program, when clients hold all the descriptors that it may have. */
import assert from "node:assert/strict";
import { countDescriptors } from "../../scripts/proc.ts";
import { Station } from "../support/station.ts";
import { findTool, toolTest } from "../support/tool.ts";

const prlimit = findTool("prlimit");

toolTest("prlimit", prlimit, "clients who take every descriptor end neither the program nor its port", async (file) => {
  await using station = await Station.watching();
  const room = 40;
  const limit = (await countDescriptors(station.pid)) + room;
  const set = [`--pid=${station.pid}`, `--nofile=${limit}:${limit}`];
  assert.equal((await new Deno.Command(file, { args: set }).output()).code, 0);

  const crowd: Deno.Conn[] = [];
  for (let at = 0; at < 2 * room; at++) {
    const client = await Deno.connect({ hostname: "127.0.0.1", port: station.port }).catch(() => null);
    if (client === null) break; // nobody listens any more
    crowd.push(client);
  }
  try {
    const isOut = () => /no request can be answered for now/.test(station.log);
    const isFull = async () => await countDescriptors(station.pid) >= limit;
    await station.until(async () => isOut() || await isFull(), "the program to have no descriptor left");
    if (Deno.env.get("PROGRAM") !== undefined) leave(crowd);
    await station.until(isOut, "the port to be out of order");
    await station.until(() => /requests are answered again/.test(station.log), "the port to be in order again");

    assert.deepEqual(await station.json("/healthz"), { status: "alive" });
    station.world.relay.drop();
    station.world.stream("pend00-st-video").stall();
    await station.line("pend00 ><   U [unhealthy pend00-st-video]", 1);
    assert.equal(station.world.book.availability("r-pend00")?.available, false);
    await station.until(async () => (await station.states()).mail === "idle", "the mail to be known as sent");
    const { store, jump, relay } = await station.states();
    assert.deepEqual({ store, jump, relay }, { store: "ok", jump: "live", relay: "live" });
  } finally {
    leave(crowd);
  }
});

/** An executable may be one of Deno 2.6, where a server that has ended is known to have when its connections are gone. */
function leave(crowd: Deno.Conn[]): void {
  for (const client of crowd.splice(0)) client.close();
}
