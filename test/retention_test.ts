import assert from "node:assert/strict";
import { Retention } from "../src/store_writer.ts";
import { FakeClock } from "./support/clock.ts";

const hourMs = 3_600_000;
const yearMs = 365 * 24 * hourMs;

Deno.test("while nothing is done to the clock, history has come to now", async () => {
  const clock = new FakeClock(), retention = new Retention(clock, []);
  await clock.advance(hourMs);
  assert.equal(retention.nowMs(), clock.nowMs());
});

Deno.test("a clock that is a year ahead for some hours makes nothing look old", async () => {
  const clock = new FakeClock(), startMs = clock.nowMs(), retention = new Retention(clock, []);
  clock.step(yearMs);
  for (let hours = 1; hours <= 23; hours++) {
    await clock.advance(hourMs);
    assert.equal(retention.nowMs(), startMs + hours * hourMs);
  }
  clock.step(-yearMs);
  await clock.advance(hourMs);
  assert.equal(retention.nowMs(), clock.nowMs());
});

Deno.test("a clock that was put forward and stays there is believed after a day", async () => {
  const clock = new FakeClock(), retention = new Retention(clock, []);
  clock.step(yearMs);
  for (let hours = 0; hours < 24; hours++) {
    assert.ok(retention.nowMs() < clock.nowMs() - hourMs, `it was believed after ${hours} h`);
    await clock.advance(hourMs);
  }
  assert.equal(retention.nowMs(), clock.nowMs());
  await clock.advance(hourMs);
  assert.equal(retention.nowMs(), clock.nowMs());
});

Deno.test("a start with a clock that is a year ahead deletes nothing of what earlier runs wrote", async () => {
  const clock = new FakeClock(), aliveMs = clock.nowMs() - yearMs;
  const retention = new Retention(clock, [{ startedMs: 0, aliveMs }]);
  await clock.advance(hourMs);
  assert.equal(retention.nowMs(), aliveMs + hourMs);
});

Deno.test("a clock that was put back is believed at once, since nothing looks older by it", async () => {
  const clock = new FakeClock(), retention = new Retention(clock, []);
  clock.step(-yearMs);
  await clock.advance(hourMs);
  assert.equal(retention.nowMs(), clock.nowMs());
});
