import assert from "node:assert/strict";
import { backoffMs, createClock, linkedAbort, serviceBackoff, sleepUntil, systemClock } from "../src/clock.ts";

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
  const attended = clock.attend(over.signal);
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

Deno.test("a loop that hangs for a second has not stopped: the time counts", async () => {
  const { clock, pass, stop } = clockByHand(), over = new AbortController();
  const attended = clock.attend(over.signal);
  const startMs = clock.monotonicMs();
  await pass(1_000);
  await stop(900);
  assert.equal(clock.monotonicMs() - startMs, 1_900);
  over.abort();
  await attended;
});

Deno.test("a wait that was due while the program was stopped has what was left of it still to go", async () => {
  const { clock, pass, stop } = clockByHand(), over = new AbortController();
  const attended = clock.attend(over.signal);
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
