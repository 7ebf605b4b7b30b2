import assert from "node:assert/strict";
import { type QueuedRequest, RequestQueue } from "../src/book_queue.ts";

/** With this random number the first delays are 750, 1,500, 3,000, 6,000 and 7,500 ms. */
const newTurns = () => new RequestQueue<string>(() => 0.5);

function take(turns: RequestQueue<string>, jobs: string, nowMs: number): QueuedRequest<string> {
  const turn = turns.take(jobs, nowMs);
  assert.ok(turn, `nobody of ${jobs} has a turn at ${nowMs}`);
  return turn;
}

Deno.test("four jobs at a time have a turn, in the order given", () => {
  const turns = newTurns();
  const taken = ["abcde", "bcde", "cde", "de"].map((jobs) => take(turns, jobs, 0));

  assert.equal(turns.take("e", 0), null);
  const [first] = taken;
  assert.ok(first);
  turns.succeeded(first);

  assert.equal(take(turns, "e", 0).job, "e");
});

Deno.test("after a failure nobody has a turn for a while, then one at a time until something succeeds", () => {
  const turns = newTurns();
  turns.failed(take(turns, "a", 0), 0);

  assert.equal(turns.take("bc", 749), null);
  assert.equal(turns.nextMs(0), 750);
  const turn = take(turns, "bc", 750);
  assert.equal(turns.take("c", 750), null);
  turns.succeeded(turn);

  assert.deepEqual(["cd", "d"].map((jobs) => take(turns, jobs, 750).job), ["c", "d"]);
});

Deno.test("while all fail, who has not failed comes first, then who failed longest ago", () => {
  const turns = newTurns();
  const order = [0, 10_000, 20_000, 30_000, 40_000, 50_000].map((nowMs) => {
    const turn = take(turns, "abc", nowMs);
    turns.failed(turn, nowMs);
    return turn.job;
  });

  assert.equal(order.join(""), "abcabc");
});

Deno.test("a success of a request that was on its way when another failed ends the pause", () => {
  const turns = newTurns();
  const [a, b] = [take(turns, "a", 0), take(turns, "b", 0)];

  turns.failed(a, 0);
  turns.succeeded(b);

  assert.equal(take(turns, "c", 0).job, "c");
  assert.equal(turns.failuresInARow, 0);
  assert.equal(turns.isFailing, true);
});

/** `a` fails, and then `b` succeeds. */
function turnsWithOneThatFailsAlone(): RequestQueue<string> {
  const turns = newTurns();
  turns.failed(take(turns, "a", 0), 0);
  turns.succeeded(take(turns, "b", 750));
  return turns;
}

Deno.test("who fails while others succeed waits alone, twice as long each time", () => {
  const turns = turnsWithOneThatFailsAlone();
  const waitsMs = [1_000, 10_000, 20_000, 30_000, 40_000].map((nowMs) => {
    turns.failed(take(turns, "a", nowMs), nowMs);
    return turns.nextMs(nowMs) - nowMs;
  });

  assert.deepEqual(waitsMs, [1_500, 3_000, 6_000, 7_500, 7_500]);
});

Deno.test("who fails while others succeed makes nobody else wait, and is no failure of everything", () => {
  const turns = turnsWithOneThatFailsAlone();
  turns.failed(take(turns, "a", 1_000), 1_000);

  assert.equal(turns.failuresInARow, 0);
  assert.equal(turns.take("a", 2_499), null);
  assert.deepEqual(["abcde", "acde", "ade", "ae"].map((jobs) => take(turns, jobs, 1_000).job), ["b", "c", "d", "e"]);
});

Deno.test("who fails alone goes on doubling whatever else succeeds meanwhile", () => {
  const turns = turnsWithOneThatFailsAlone();
  turns.failed(take(turns, "a", 1_000), 1_000);
  turns.succeeded(take(turns, "b", 1_100));

  assert.equal(turns.nextMs(1_100), 2_500);
});

Deno.test("who alone has failed several times when something else succeeds waits as long as that makes", () => {
  const turns = newTurns();
  for (const nowMs of [0, 1_000, 3_000]) turns.failed(take(turns, "a", nowMs), nowMs);
  turns.succeeded(take(turns, "b", 6_000));

  turns.failed(take(turns, "a", 6_000), 6_000);

  assert.equal(turns.nextMs(6_000), 12_000);
});

Deno.test("who failed with others, for book's sake, starts with the shortest wait", () => {
  const turns = newTurns();
  for (const nowMs of [0, 10_000, 20_000, 30_000]) turns.failed(take(turns, "ab", nowMs), nowMs);
  turns.succeeded(take(turns, "c", 40_000));

  assert.equal(take(turns, "a", 40_000).job, "a");
  const turn = take(turns, "b", 40_000);
  turns.failed(turn, 40_000);

  assert.equal(turns.nextMs(40_000), 41_500);
});

Deno.test("who fails alone waits with the others, and counts, when everything fails", () => {
  const turns = turnsWithOneThatFailsAlone();
  turns.failed(take(turns, "c", 1_000), 1_000);
  turns.failed(take(turns, "a", 2_000), 2_000);

  assert.equal(turns.failuresInARow, 2);
  assert.equal(turns.take("abcde", 3_499), null);
  assert.equal(turns.nextMs(2_000), 3_500);
});

Deno.test("who succeeds after failing is as good as new", () => {
  const turns = newTurns();
  turns.failed(take(turns, "a", 0), 0);
  turns.succeeded(take(turns, "a", 750));

  turns.failed(take(turns, "a", 750), 750);

  assert.equal(turns.nextMs(750), 1_500);
  assert.equal(turns.failuresInARow, 1);
});

Deno.test("a turn that says nothing of book ends no pause, but makes room for the next", () => {
  const turns = newTurns();
  turns.failed(take(turns, "a", 0), 0);

  turns.dropped(take(turns, "b", 750));

  assert.equal(turns.failuresInARow, 1);
  assert.equal(take(turns, "c", 750).job, "c");
});

Deno.test("with nothing failing there is nothing to wait for", () => {
  assert.equal(newTurns().nextMs(0), Infinity);
});
