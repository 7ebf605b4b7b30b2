/** That live readers are told in time when the clock was put back: all times that they were shown are others now. */
import assert from "node:assert/strict";
import { createExperimentChannel, createJsonChannel, createListChannel } from "../src/live_updates.ts";
import type { Snapshot } from "../src/snapshot.ts";
import type { Channel } from "../src/sse.ts";
import { LiveLab } from "./support/live_lab.ts";

const hourMs = 3_600_000;
const channels: Record<string, (snapshot: Snapshot, nowMs: number) => Channel> = {
  "a program": (snapshot, nowMs) => createJsonChannel(snapshot, nowMs, { addresses: false }),
  "the list": (snapshot, nowMs) => createListChannel(snapshot, nowMs, "24h"),
  "one experiment's page": (snapshot, nowMs) => {
    return createExperimentChannel(snapshot, nowMs, { name: "pend00", window: "24h" });
  },
};

for (const [who, create] of Object.entries(channels)) {
  Deno.test(`${who} is told the time anew when the clock was put back, and not again before it is due`, () => {
    const { snapshot } = new LiveLab(["pend00"]);
    const channel = create(snapshot, snapshot.atMs);
    assert.equal(channel.next(snapshot, snapshot.atMs + 1_000), null);
    assert.notEqual(channel.next(snapshot, snapshot.atMs - hourMs), null);
    assert.equal(channel.next(snapshot, snapshot.atMs - hourMs + 1_000), null);
  });
}
