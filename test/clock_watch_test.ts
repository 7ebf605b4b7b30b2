import assert from "node:assert/strict";
import { type ClockChange, clockChangeText, ClockWatch } from "../src/clock.ts";
import { FakeClock } from "./support/clock.ts";

const minuteMs = 60_000;
const nothing: Record<string, (clock: FakeClock) => void | Promise<void>> = {
  "nothing is done": () => {},
  "time passes": (clock) => clock.advance(3_600_000),
  "the clock is drawn forward by less than a second": (clock) => clock.step(999),
  "the clock is drawn back by less than a second": (clock) => clock.step(-999),
};
for (const [name, act] of Object.entries(nothing)) {
  Deno.test(`ClockWatch sees nothing where ${name}`, async () => {
    const clock = new FakeClock(), watch = new ClockWatch(clock);
    await act(clock);
    assert.equal(watch.look(), null);
  });
}

const moves: Record<string, [act: (clock: FakeClock) => void | Promise<void>, ClockChange, words: string]> = {
  "the clock put forward": [
    (clock) => clock.step(3_600_000),
    { steppedMs: 3_600_000, suspendedMs: 0 },
    "the clock was put forward by 1 h, or the machine slept",
  ],
  "the clock put back by a second": [
    (clock) => clock.step(-1_000),
    { steppedMs: -1_000, suspendedMs: 0 },
    "the clock was put back by 1 s",
  ],
  "the program stopped": [
    (clock) => clock.stopped(minuteMs),
    { steppedMs: 0, suspendedMs: minuteMs },
    "nothing of this program ran for 1 min: it was stopped, or hung",
  ],
  "the clock put back while the program was stopped": [
    (clock) => {
      clock.stopped(minuteMs);
      clock.step(-3_600_000);
    },
    { steppedMs: -3_600_000, suspendedMs: minuteMs },
    "nothing of this program ran for 1 min: it was stopped, or hung, and the clock was put back by 1 h",
  ],
};
for (const [name, [act, want, words]] of Object.entries(moves)) {
  Deno.test(`ClockWatch sees ${name}, once, and how long after does not matter`, async () => {
    const clock = new FakeClock(), watch = new ClockWatch(clock);
    await clock.advance(minuteMs);
    await act(clock);
    await clock.advance(minuteMs);
    const move = watch.look();
    assert.deepEqual(move, want);
    assert.equal(clockChangeText(move ?? assert.fail()), `${words} (nothing counts as older for it)`);
    assert.equal(watch.look(), null);
  });
}

Deno.test("a clock that is drawn slowly to where it should be is never said to have been put anywhere", async () => {
  const clock = new FakeClock(), watch = new ClockWatch(clock);
  for (let hours = 0; hours < 24; hours++) {
    await clock.advance(3_600_000);
    clock.step(900);
    assert.equal(watch.look(), null);
  }
});

Deno.test("a program that is stopped between two readings of the clock sees that it was stopped, and nothing else", () => {
  const clock = new FakeClock();
  const watch = new ClockWatch({
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    suspendedMs: () => clock.suspendedMs(),
    wait: () => Promise.resolve(),
  });
  let isFirst = true;
  const monotonicMs = clock.monotonicMs.bind(clock);
  clock.monotonicMs = () => {
    if (isFirst) clock.stopped(minuteMs);
    isFirst = false;
    return monotonicMs();
  };
  assert.deepEqual(watch.look(), { steppedMs: 0, suspendedMs: minuteMs });
  assert.equal(watch.look(), null);
});
