import fc from "fast-check";
import assert from "node:assert/strict";
import { durationWords, formatDuration, goDurationMs, parseDuration } from "../src/duration.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const read: Record<string, number> = {
  "500ms": 500,
  "10s": 10 * second,
  "15m": 15 * minute,
  "1h30m": 90 * minute,
  "1.5h": 90 * minute,
  ".5s": 500,
  "5.s": 5 * second,
  "1d": day,
  "2w": 14 * day,
  "1w2d3h4m5s6ms": 9 * day + 3 * hour + 4 * minute + 5 * second + 6,
  "30m1h": 90 * minute,
  "1.001s": 1_001,
  "250us": 0.25,
  "250µs": 0.25,
  "250μs": 0.25,
  "1500ns": 0.0015,
  "0": 0,
  "0s": 0,
  "3650d": 3650 * day,
};
for (const [text, wantMs] of Object.entries(read)) {
  Deno.test(`parseDuration: ${text} is ${wantMs} ms`, () => assert.equal(parseDuration(text), wantMs));
}

const unread: Record<string, string> = {
  "nothing at all": "",
  "a number without a unit": "10",
  "a unit without a number": "s",
  "a point alone": ".s",
  "a negative one": "-5s",
  "an explicit plus": "+5s",
  "words": "ten seconds",
  "a unit that is none": "5y",
  "a unit in capitals": "5S",
  "a space inside": "1h 30m",
  "a space before": " 1h",
  "a comma for the point": "1,5h",
  "an exponent": "1e3s",
  "something after the unit": "5s!",
  "a second number without a unit": "1h30",
  "more than ten years": "3650d1ms",
  "more than any number holds": `${"9".repeat(400)}h`,
};
for (const [name, text] of Object.entries(unread)) {
  Deno.test(`parseDuration: ${name} is no duration`, () => assert.equal(parseDuration(text), null));
}

const written: Record<string, number> = {
  "0s": 0,
  "500ms": 500,
  "10s": 10 * second,
  "1m30s": 90 * second,
  "15m": 15 * minute,
  "1h30m": 90 * minute,
  "1d": day,
  "90d": 90 * day,
  "1d12h": 36 * hour,
  "1s250us": 1_000.25,
  "1ns": 0.000001,
};
for (const [text, ms] of Object.entries(written)) {
  Deno.test(`formatDuration: ${ms} ms is ${text}`, () => assert.equal(formatDuration(ms), text));
}

Deno.test("what formatDuration writes, parseDuration reads as the same duration", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3650 * day }), (ms) => assert.equal(parseDuration(formatDuration(ms)), ms)),
  );
});

const words: Record<string, [ms: number, want: string]> = {
  "nothing": [0, "0 s"],
  "seconds": [3_400, "3 s"],
  "just under a minute": [59_400, "59 s"],
  "a minute": [60_000, "1 min"],
  "minutes": [4 * 60_000 + 59_000, "4 min"],
  "a whole hour": [3_600_000, "1 h"],
  "hours and minutes": [125 * 60_000, "2 h 5 min"],
  "a whole day": [86_400_000, "1 d"],
  "days and hours": [76 * 3_600_000 + 59 * 60_000, "3 d 4 h"],
};
for (const [name, [ms, want]] of Object.entries(words)) {
  Deno.test(`durationWords: ${name}`, () => assert.equal(durationWords(ms), want));
}

const cases: Record<string, number | null> = {
  "35.5ms": 35.5,
  "738.086684ms": 738.086684,
  "6.000609771s": 6_000.609771,
  "1h2m3.456s": 3_723_456,
  "2562047h47m16.854775807s": 9_223_372_036_854.775807,
  "1m0s": 60_000,
  "250ns": 0.00025,
  "250us": 0.25,
  "250\u00b5s": 0.25,
  "250\u03bcs": 0.25,
  "0s": 0,
  "0": 0,
  "-0": 0,
  "1.s": 1_000,
  ".5s": 500,
  "-1.5s": -1_500,
  "+1.5s": 1_500,
  "": null,
  "-": null,
  ".s": null,
  "1": null,
  "s": null,
  "1.2.3s": null,
  "1d": null,
  "1 s": null,
  " 1s": null,
  "1s ": null,
  "--1s": null,
  "1h-2m": null,
  "Never": null,
  "1e3s": null,
  "1constructor": null,
};
for (const [text, want] of Object.entries(cases)) {
  Deno.test(`goDurationMs: "${text}" is ${want === null ? "no duration" : `${want} ms`}`, () => {
    const gotMs = goDurationMs(text);
    assert.ok(want === null || gotMs === null ? gotMs === want : Math.abs(gotMs - want) < 1e-6, `got ${gotMs}`);
  });
}
