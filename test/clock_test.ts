import assert from "node:assert/strict";
import {
  backoffMs,
  type ClockChange,
  clockChangeText,
  ClockWatch,
  createClock,
  linkedAbort,
  serviceBackoff,
  sleepUntil,
  systemClock,
} from "../src/clock.ts";
import { createExperimentChannel, createJsonChannel, createListChannel } from "../src/live_updates.ts";
import type { Snapshot } from "../src/snapshot.ts";
import type { LiveChannel } from "../src/sse.ts";
import { FakeClock } from "./support/clock.ts";
import { LiveLab } from "./support/live_lab.ts";

const delays: Record<string, [failures: number, random: number, wantMs: number]> = {
  "the first retry comes within a second": [1, 0.999, 999.5],
  "and not sooner than half of one": [1, 0, 500],
  "the second waits twice as long": [2, 0, 1_000],
  "the fifth has reached the limit": [5, 0.999, 9_995],
  "the thousandth still has it": [1_000, 0, 5_000],
};
for (const [name, [failures, random, wantMs]] of Object.entries(delays)) {
  Deno.test(`backoffMs: ${name}`, () => assert.equal(backoffMs(failures, random, serviceBackoff), wantMs));
}

Deno.test("a wait that is called off rejects with the reason and leaves no timer", async () => {
  const stop = new AbortController();
  const waiting = systemClock.wait(86_400_000 * 365, stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
});

Deno.test("a wait that was called off before it began rejects at once", async () => {
  await assert.rejects(systemClock.wait(1, AbortSignal.abort(new Error("never begun"))), /never begun/);
});

Deno.test("a wait of nothing does not wait", () => systemClock.wait(0, new AbortController().signal));

/** A clock on works whose time passes by hand; `pass` lets what sleeps wake in time, `stop` does not. */
function clockByHand() {
  let risingMs = 40;
  const sleepers = new Set<{ atMs: number; wake(): void }>();
  const clock = createClock({
    wallMs: () => 0,
    risingMs: () => risingMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { atMs: risingMs + ms, wake: () => (sleepers.delete(sleeper), resolve()) };
        sleepers.add(sleeper);
        signal.addEventListener("abort", () => (sleepers.delete(sleeper), reject(signal.reason)), { once: true });
      }),
  });
  const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
  const wake = async () => {
    for (const sleeper of sleepers) if (sleeper.atMs <= risingMs) sleeper.wake();
    await settle();
  };
  const pass = async (ms: number) => {
    for (let step = 0; step < ms; step += 100) {
      risingMs += 100;
      await wake();
    }
  };
  const stop = async (ms: number) => {
    risingMs += ms;
    await wake();
  };
  return { clock, pass, stop };
}

Deno.test("the steady time goes on while the program runs, and stands still while it is stopped", async () => {
  const { clock, pass, stop } = clockByHand(), over = new AbortController();
  const attended = clock.attend(over.signal, () => {});
  const startMs = clock.monotonicMs();

  await pass(10_000);
  assert.equal(clock.monotonicMs() - startMs, 10_000);
  await stop(60_000);
  assert.ok(clock.monotonicMs() - startMs <= 10_500, "a minute of being stopped counted");
  await pass(10_000);
  assert.ok(clock.monotonicMs() - startMs <= 20_500);
  assert.ok(clock.monotonicMs() - startMs >= 20_000);

  over.abort();
  await attended;
});

Deno.test("an event loop that lags, again and again, is not suspended: the time counts, and the lag is told", async () => {
  const { clock, pass, stop } = clockByHand(), over = new AbortController();
  const lags: number[] = [];
  const attended = clock.attend(over.signal, (ms) => lags.push(ms));
  const startMs = clock.monotonicMs();
  await pass(1_000);
  for (let lag = 0; lag < 10; lag++) await stop(2_000);
  assert.equal(clock.monotonicMs() - startMs, 21_000);
  assert.deepEqual(lags, [0, 0, ...Array.from({ length: 10 }, () => 1_500)]);
  over.abort();
  await attended;
});

Deno.test("a wait that was due while the program was stopped has what was left of it still to go", async () => {
  const { clock, pass, stop } = clockByHand(), over = new AbortController();
  const attended = clock.attend(over.signal, () => {});
  let isOver = false;
  const waited = clock.wait(10_000, over.signal).then(() => isOver = true);
  await pass(4_000);
  await stop(3_600_000);
  assert.ok(!isOver, "an hour of being stopped ended a wait of 10 s");
  await pass(5_000);
  assert.ok(!isOver, "it waited for less than 10 s");
  await pass(1_000);
  await waited;
  over.abort();
  await attended;
});

Deno.test("a clock that nobody attends counts all that passes", async () => {
  const { clock, stop } = clockByHand();
  const startMs = clock.monotonicMs();
  await stop(3_600_000);
  assert.equal(clock.monotonicMs() - startMs, 3_600_000);
});

/** A signal that counts who listens to it. */
function watchedSignal() {
  const owner = new AbortController();
  const listeners = new Set<unknown>();
  const { signal } = owner;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners.add(args[1]);
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners.delete(args[1]);
    removeEventListener.apply(signal, args);
  };
  return { owner, signal, listeners };
}

Deno.test("what is aborted with a signal leaves nothing in it when it has been aborted itself", () => {
  const { signal, listeners } = watchedSignal();
  const own = linkedAbort(signal);
  assert.equal(listeners.size, 1);

  own.abort();

  assert.deepEqual([own.signal.aborted, signal.aborted, listeners.size], [true, false, 0]);
});

Deno.test("what is aborted with a signal is so with its reason, also if it was before", () => {
  const { owner, signal } = watchedSignal();
  const before = linkedAbort(signal);
  owner.abort(new Error("the program stops"));
  const after = linkedAbort(signal);

  assert.deepEqual([before, after].map((each) => each.signal.reason.message), [
    "the program stops",
    "the program stops",
  ]);
});

Deno.test("a wait that something wakes leaves nothing in the signal of the program", async () => {
  const { signal, listeners } = watchedSignal();

  await sleepUntil(Promise.resolve(), { clock: systemClock, ms: 86_400_000 }, signal);

  assert.equal(listeners.size, 0);
});

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
    "wall clock stepped forward by 1 h, or the machine was suspended",
  ],
  "the clock put back by a second": [
    (clock) => clock.step(-1_000),
    { steppedMs: -1_000, suspendedMs: 0 },
    "wall clock stepped back by 1 s",
  ],
  "the program stopped": [
    (clock) => clock.stopped(minuteMs),
    { steppedMs: 0, suspendedMs: minuteMs },
    "the program was suspended for 1 min",
  ],
  "the clock put back while the program was stopped": [
    (clock) => {
      clock.stopped(minuteMs);
      clock.step(-3_600_000);
    },
    { steppedMs: -3_600_000, suspendedMs: minuteMs },
    "the program was suspended for 1 min, and wall clock stepped back by 1 h",
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
    assert.equal(clockChangeText(move ?? assert.fail()), `${words}; ages are unaffected`);
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

/*  That live readers are told in time when the clock was put back: all times that they were shown are others now. */

const hourMs = 3_600_000;
const channels: Record<string, (snapshot: Snapshot, nowMs: number) => LiveChannel> = {
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
