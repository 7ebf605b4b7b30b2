/** Since when a part is as it is, and when it last succeeded, after the clock was set: never in the future, and as long ago as it was. */
import assert from "node:assert/strict";
import { ToldTimes } from "../src/clock.ts";
import { createHeartbeat } from "../src/heartbeat.ts";
import { createMemoryStore } from "../src/store_memory.ts";
import { createRecorder } from "../src/store_writer.ts";
import { createProber, noProber } from "../src/stream_probe.ts";
import { FakeClock } from "./support/clock.ts";
import { MailDesk } from "./support/mail_desk.ts";

const hourMs = 3_600_000;
const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, always() {} };
const quiet = { log: silent, random: () => 0, changed() {}, turned() {} };
const never = () => Promise.reject(new Error("not asked for here"));
interface View {
  readonly sinceMs: number;
}

const parts: Record<string, (clock: FakeClock) => Promise<{ view(): View }>> = {
  "the mails": async (clock) => (await MailDesk.open({}, clock)).outbox,
  "the webhook": async (clock) => (await MailDesk.open({ channel: "webhook", owesUnposted: false }, clock)).outbox,
  "the heartbeat": (clock) =>
    Promise.resolve(createHeartbeat(null, { ...quiet, clock, fetch: never, missing: () => null })),
  "the store": (clock) => Promise.resolve(createRecorder(createMemoryStore(), { ...quiet, clock })),
  "listening": (clock) =>
    Promise.resolve(
      createProber(10_000, {
        ...quiet,
        clock,
        targets: () => ({ kind: "away" }),
        probe: never,
        found() {},
        unfound() {},
      }),
    ),
  "listening that is off": (clock) => Promise.resolve(noProber({ clock, unfound() {} })),
};
for (const [name, make] of Object.entries(parts)) {
  Deno.test(`since when ${name}: it goes with a clock that is set, and not with a stop`, async () => {
    const clock = new FakeClock(), part = await make(clock), agoMs = () => clock.nowMs() - part.view().sinceMs;
    await clock.advance(5_000);
    clock.step(-hourMs);
    assert.equal(agoMs(), 5_000);
    clock.step(24 * hourMs);
    assert.equal(agoMs(), 5_000);
    clock.stopped(hourMs);
    assert.equal(agoMs(), 5_000 + hourMs);
  });
}

Deno.test("what an earlier run told of its last success stays as it was told, and what this run told goes with the clock", () => {
  const clock = new FakeClock(), nowMs = clock.nowMs(), times = new ToldTimes(clock);
  clock.step(-hourMs);
  assert.deepEqual(times.byNow({ sinceMs: nowMs, lastSuccessMs: nowMs - 1 }), {
    sinceMs: nowMs - hourMs,
    lastSuccessMs: nowMs - 1,
  });
  clock.step(-hourMs);
  assert.deepEqual(times.byNow({ sinceMs: nowMs - hourMs, lastSuccessMs: nowMs - hourMs }), {
    sinceMs: nowMs - 2 * hourMs,
    lastSuccessMs: nowMs - 2 * hourMs,
  });
  assert.deepEqual(times.byNow({ sinceMs: nowMs, lastSuccessMs: null }), { sinceMs: nowMs, lastSuccessMs: null });
});
