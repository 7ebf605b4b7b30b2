import assert from "node:assert/strict";
import { backoffMs, serviceBackoff, systemClock } from "../src/wait.ts";

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
