import assert from "node:assert/strict";
import { goDurationMs } from "../src/duration.ts";

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
