/** The made-up reports of the bench: are they what jump and relay would write, and are they read whole? */
import assert from "node:assert/strict";
import { connectionsIn, type Dialect, dialects, entriesIn, frameOf, topicOf } from "../scripts/bench/frames.ts";
import { Core, FrameReading } from "../scripts/bench/lab.ts";

// As protocol and recordings have them.
const fields: Record<Dialect, string> = {
  jump: "can_read can_write connected_at expires_at remote_address scopes statistcs topic user_agent",
  relay: "canRead canWrite connected expiresAt remoteAddr scopes stats topic userAgent",
  bare: "canRead canWrite connected expiresAt remoteAddr scopes topic userAgent",
};
for (const dialect of dialects) {
  Deno.test(`a made-up frame (${dialect}) is read whole, and names every experiment`, () => {
    const wish = { dialect, experiments: 101, turn: 0 };
    const reading = new FrameReading(dialect);

    const { connections, entries, skipped, generation } = reading.report(reading.read(frameOf(wish)), 0);

    assert.deepEqual(
      { size: connections.size, entries, skipped, generation },
      {
        ...{ size: connectionsIn(wish), entries: entriesIn(wish), skipped: 0 },
        generation: dialect === "relay" ? "measured" : "unmeasured",
      },
    );
    assert.ok(connections.has(dialect === "jump" ? "pend100" : topicOf(201)));
  });

  Deno.test(`the entries of a made-up frame (${dialect}) have the service's fields, in its order`, () => {
    const entries: object[] = JSON.parse(frameOf({ dialect, experiments: 3, turn: 0 }));

    assert.deepEqual(new Set(entries.map((entry) => Object.keys(entry).join(" "))), new Set([fields[dialect]]));
  });

  Deno.test(`two made-up frames in turn (${dialect}) name the same in another order, and a wish has one frame`, () => {
    const [one, other, same] = [1, 2, 1].map((turn) => frameOf({ dialect, experiments: 50, turn }));

    assert.equal(one, same);
    assert.notDeepEqual(topicsIn(one), topicsIn(other));
    assert.deepEqual(topicsIn(one).toSorted(), topicsIn(other).toSorted());
  });

  Deno.test(`most entries of a made-up frame (${dialect}) come after the same as in the last, unless it is shuffled`, () => {
    const kept = (isShuffled: boolean) => {
      const [one, other] = [1, 2].map((turn) => followersIn(frameOf({ dialect, experiments: 500, turn, isShuffled })));
      return one!.intersection(other!).size / one!.size;
    };

    assert.ok(kept(false) > 0.7, `${kept(false)}`);
    assert.ok(kept(true) < 0.1, `${kept(true)}`);
  });
}

function topicsIn(frame = ""): string[] {
  return (JSON.parse(frame) as { topic: string }[]).map(({ topic }) => topic);
}

/** Each topic with the one after it. */
function followersIn(frame: string): Set<string> {
  const topics = topicsIn(frame);
  return new Set(topics.slice(1).map((topic, at) => `${topics[at]} ${topic}`));
}

Deno.test("the core on the bench calls all well, and as many streams ill as were asked for", () => {
  const core = new Core(10), reading = new FrameReading("relay"), jump = new FrameReading("jump");
  const relay = (turn: number, bad: number) =>
    core.report(reading.report(reading.read(frameOf({ dialect: "relay", experiments: 10, turn, bad })), core.nowMs));
  core.report(jump.report(jump.read(frameOf({ dialect: "jump", experiments: 10, turn: 0 })), core.nowMs));

  assert.deepEqual([relay(0, 0), relay(1, 0), relay(2, 6), relay(3, 20), relay(0, 0)], [10, 0, 3, 7, 10]);
});
