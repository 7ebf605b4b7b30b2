/** What the real jump and relay were recorded saying, sent to the real program through real sockets, thirty times as fast. */
import assert from "node:assert/strict";
import { capturedFrames, testOfCaptures } from "../support/captures.ts";
import { Station } from "../support/station.ts";

const frameEveryMs = 200;

/** Gives access to anybody, and sends `frames` to whoever dials, the last again and again. */
function replay(frames: readonly string[]) {
  const sent = { count: 0 };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const url = new URL(request.url);
    if (request.method === "POST") return Response.json({ uri: `ws://${url.host}/socket?code=x` });
    const { socket, response } = Deno.upgradeWebSocket(request);
    const ticker = setInterval(() => {
      if (socket.readyState === WebSocket.OPEN) socket.send(frames[Math.min(sent.count++, frames.length - 1)] ?? "[]");
    }, frameEveryMs);
    socket.onclose = () => clearInterval(ticker);
    return response;
  });
  return { sent, host: `127.0.0.1:${server.addr.port}`, [Symbol.asyncDispose]: () => server.shutdown() };
}

interface FeedStatus {
  readonly reports: number;
  readonly skipped: number;
  readonly bad_frames: number;
  readonly generation: string;
}

const relays = { "v0.7.0": "measured", "v0.9.3": "unmeasured" } as const;
for (const [version, generation] of Object.entries(relays)) {
  testOfCaptures(`the recordings of jump v0.4.0 and relay ${version} are understood, entry by entry`, async () => {
    const frames = (file: string) => capturedFrames(file).map(({ frame }) => frame);
    const jumpFrames = frames("jump-v0.4.0.jsonl"), relayFrames = frames(`relay-${version}.jsonl`);
    await using jump = replay(jumpFrames);
    await using relay = replay(relayFrames);
    const streams = ["st-data", "st-video"];
    await using station = await Station.with({
      experiments: { pend00: streams, pend01: streams, pend02: streams, pend03: streams },
      env: {
        STATUS_HOST_JUMP: jump.host,
        STATUS_HOST_RELAY: relay.host,
        STATUS_HEALTH_LAST: "10s",
        STATUS_HEALTH_LAST_CHECKED: "600ms",
        STATUS_HEALTH_STARTUP: "0s",
      },
    });
    await station.start();
    await station.until(
      () => jump.sent.count > jumpFrames.length + 5 && relay.sent.count > relayFrames.length + 5,
      "the recordings to be played",
    );

    const { feeds } = await station.json<{ feeds: Record<"jump" | "relay", FeedStatus> }>("/api/v1/status");
    for (const feed of [feeds.jump, feeds.relay]) assert.deepEqual([feed.skipped, feed.bad_frames], [0, 0]);
    assert.equal(feeds.relay.generation, generation);
    const issues = async (name: string) =>
      (await station.json<{ issues: string[] }[]>(`/api/v1/experiments/events/${name}`)).map((event) =>
        event.issues.join(", ")
      );

    // See feed-events.jsonl for what was done to them.
    const stall = (await issues("pend01")).includes("unhealthy pend01-st-video");
    assert.equal(stall, generation === "measured", "pend01-st-video stalled, which only a measuring relay tells");
    assert.ok(
      (await issues("pend02")).includes("missing required pend02-st-data"),
      "pend02-st-data vanished for a while",
    );
    assert.ok((await issues("pend03")).includes("missing jump"), "pend03's host went for a while");
    const doubled = (await issues("pend00")).filter((each) => each === "unhealthy pend00-st-video");
    assert.deepEqual(doubled, [], "pend00-st-video had a talking connection beside the silent one");
    for (const name of ["pend00", "pend01", "pend02", "pend03"]) {
      assert.equal(
        (await issues(name)).at(-1),
        `missing jump, missing required ${name}-st-data, missing required ${name}-st-video`,
        "every experiment went",
      );
    }
  });
}
