import fc from "fast-check";
import assert from "node:assert/strict";
import { ProbePlan } from "../src/stream_probe.ts";

const periodMs = 10_000;
// As design has it, whatever the plan says.
const probesMax = 4;
const half = 0.5;

/** Plays the plan until `untilMs`: each stream takes as long as `takesMs` says, and ends as `how` says. */
function play(
  plan: ProbePlan,
  { fromMs = 0, untilMs, takesMs = () => 50, how = () => "worked" as const }: {
    fromMs?: number;
    untilMs: number;
    takesMs?: (topic: string) => number;
    how?: (topic: string, atMs: number) => "worked" | "failed" | "nothing";
  },
): { topic: string; atMs: number; atATime: number }[] {
  const begun: { topic: string; atMs: number; atATime: number }[] = [];
  const running = new Map<string, number>();
  let nowMs = fromMs;
  while (nowMs < untilMs) {
    for (const [topic, endMs] of running) {
      if (endMs > nowMs) continue;
      running.delete(topic);
      plan.end(topic, how(topic, nowMs), nowMs, half);
    }
    const topic = plan.begin(nowMs);
    if (topic !== null) {
      running.set(topic, nowMs + takesMs(topic));
      begun.push({ topic, atMs: nowMs, atATime: running.size });
    } else nowMs = Math.min(plan.dueMs > nowMs ? plan.dueMs : Infinity, ...running.values());
    if (nowMs === Infinity) break;
  }
  return begun;
}

const topics = (count: number) => Array.from({ length: count }, (_, at) => `pend${at}-st-data`);

function planOf(count: number): ProbePlan {
  const plan = new ProbePlan(periodMs);
  plan.set(topics(count), 0);
  return plan;
}

Deno.test("each of three streams is begun with once in ten seconds, spread over them", () => {
  const begun = play(planOf(3), { untilMs: 20_000 });
  assert.deepEqual(begun.map(({ topic, atMs }) => `${topic.slice(0, 5)} ${atMs}`), [
    "pend0 0",
    "pend1 3000",
    "pend2 6000",
    "pend0 10000",
    "pend1 13000",
    "pend2 16000",
  ]);
});

Deno.test("moments are whole milliseconds, so that none is rounded to a little less than a period", () => {
  const begun = play(planOf(7), { untilMs: 40_000, takesMs: () => 0 });
  assert.deepEqual(begun.filter(({ atMs }) => !Number.isInteger(atMs)), []);
});

Deno.test("streams that are new have their turn before those that were listened to", () => {
  const plan = planOf(2);
  play(plan, { untilMs: 9_000 });
  plan.set([...topics(2), "late-st-data"], 9_000);
  assert.equal(plan.begin(9_000), "late-st-data");
});

Deno.test("one that leaves and comes back is not begun with again any sooner", () => {
  const plan = planOf(1);
  assert.deepEqual(play(plan, { untilMs: 1_000 }).length, 1);
  plan.set([], 1_000);
  plan.set(topics(1), 2_000);
  assert.equal(plan.dueMs, 10_000);
});

Deno.test("nor is one that comes back after there was nothing to listen to", () => {
  const plan = planOf(1);
  play(plan, { untilMs: 1_000 });
  plan.clear(1_000);
  plan.set(topics(1), 2_000);
  assert.equal(plan.dueMs, 10_000);
});

Deno.test("without streams nothing is ever due", () => assert.equal(planOf(0).dueMs, Infinity));

const rounds: Record<string, [count: number, failures: number, isFailing: boolean]> = {
  "of one stream: two failures are not all": [1, 2, false],
  "of one stream: the third failure in a row is": [1, 3, true],
  "of five streams: four failures are not all": [5, 4, false],
  "of five streams: the fifth is": [5, 5, true],
  "of none": [0, 0, false],
};
for (const [name, [count, failures, isFailing]] of Object.entries(rounds)) {
  Deno.test(`whether all fails is known after a round ${name}`, () => {
    const plan = planOf(count);
    for (let at = 0; at < failures; at++) plan.end("x", "failed", at, half);
    assert.equal(plan.isFailing, isFailing);
  });
}

Deno.test("failures for two periods are a round too, however many streams there are", () => {
  const plan = planOf(300);
  for (const atMs of [0, 10_000, 19_999]) plan.end("x", "failed", atMs, half);
  assert.equal(plan.isFailing, false);
  plan.end("x", "failed", 20_000, half);
  assert.equal(plan.isFailing, true);
});

Deno.test("one that works among those that fail keeps the round from failing", () => {
  const plan = planOf(4);
  const begun = play(plan, { untilMs: 100_000, how: (topic) => topic === "pend0-st-data" ? "worked" : "failed" });
  assert.equal(plan.isFailing, false);
  assert.equal(begun.length, 40);
});

Deno.test("what was called off is neither a failure nor a success", () => {
  const plan = planOf(1);
  for (let at = 0; at < 5; at++) plan.end("x", "nothing", at, half);
  assert.equal(plan.isFailing, false);
  for (let at = 0; at < 3; at++) plan.end("x", "failed", at, half);
  plan.end("x", "nothing", 4, half);
  assert.equal(plan.isFailing, true);
});

Deno.test("while all fails one is tried at a time, ever more seldom; and as soon as one works all go on as before", () => {
  const plan = planOf(40);
  const begun = play(plan, { untilMs: 60_000, how: () => "failed" });
  const gaps = begun.slice(40).map(({ atMs }, at) => atMs - begun[39 + at]!.atMs);
  assert.deepEqual(begun.slice(40).map(({ atATime }) => atATime).filter((count) => count > 1), []);
  // Half of the doubled pause and half of that again at random, here the middle; 50 ms for the try itself.
  assert.deepEqual(gaps.slice(1, 5), [1_550, 3_050, 6_050, 7_550]);

  const after = play(plan, { fromMs: 60_000, untilMs: 80_000 });
  assert.equal(plan.isFailing, false);
  assert.ok(after.length >= 40, `${after.length} in 20 s`);
});

Deno.test("without failures there are four at a time at most, none twice in a period, and a turn for everyone", () => {
  fc.assert(fc.property(
    fc.array(fc.record({ takesMs: fc.integer({ min: 0, max: 21_000 }) }), { minLength: 1, maxLength: 60 }),
    (given) => {
      const plan = planOf(given.length),
        takes = new Map(given.map(({ takesMs }, at) => [topics(given.length)[at], takesMs]));
      const takesMs = (topic: string) => takes.get(topic) ?? 0;
      const begun = play(plan, { untilMs: 200_000, takesMs });
      assertPolite(begun);
      // A round takes the period, or as long as four at a time need for all; and each waits for one round at most.
      const totalMs = given.reduce((sum, each) => sum + each.takesMs, 0), longestMs = Math.max(...takes.values());
      const roundMs = Math.max(periodMs, totalMs / probesMax + longestMs) + longestMs + periodMs / 10;
      for (const topic of takes.keys()) {
        const atMs = begun.filter((each) => each.topic === topic).map((each) => each.atMs);
        for (const [at, each] of [...atMs, 200_000].entries()) {
          assert.ok(each - (atMs[at - 1] ?? 0) <= roundMs, `${topic} ${each}`);
        }
      }
    },
  ));
});

Deno.test("whatever fails, leaves and comes back: four at a time at most, none twice in a period", () => {
  const step = fc.record({
    streams: fc.uniqueArray(fc.constantFrom(...topics(12))),
    forMs: fc.integer({ min: 0, max: 30_000 }),
    takesMs: fc.integer({ min: 0, max: 12_000 }),
    how: fc.constantFrom("worked", "failed", "nothing"),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
    const plan = new ProbePlan(periodMs), begun = [];
    let fromMs = 0;
    for (const { streams, forMs, takesMs, how } of steps) {
      if (streams.length === 0) plan.clear(fromMs);
      else plan.set(streams, fromMs);
      begun.push(
        ...play(plan, { fromMs, untilMs: fromMs + forMs, takesMs: () => takesMs, how: () => how as "worked" }),
      );
      fromMs += forMs + 12_000; // all that runs has ended by then
      for (const topic of topics(12)) plan.end(topic, "nothing", fromMs, half);
    }
    assertPolite(begun);
  }));
});

Deno.test("however many streams there are, they are begun with one after the other and never in a burst", () => {
  fc.assert(fc.property(fc.integer({ min: 2, max: 400 }), fc.integer({ min: 0, max: 100 }), (count, takesMs) => {
    const begun = play(planOf(count), { untilMs: 30_000, takesMs: () => takesMs });
    for (const [at, { atMs }] of begun.slice(1).entries()) {
      assert.ok(atMs - begun[at]!.atMs >= 0.9 * periodMs / count - 1e-6);
    }
  }));
});

function assertPolite(begun: readonly { topic: string; atMs: number; atATime: number }[]): void {
  const last = new Map<string, number>();
  for (const { topic, atMs, atATime } of begun) {
    assert.ok(atATime <= probesMax, `${atATime} at a time`);
    assert.ok(atMs - (last.get(topic) ?? -Infinity) >= periodMs, `${topic} at ${last.get(topic)} and ${atMs}`);
    last.set(topic, atMs);
  }
}
