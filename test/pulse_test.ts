import assert from "node:assert/strict";
import { intervalOf, noIntervals, type ReportIntervals, withGap } from "../src/feed.ts";
import { lateAfterMs, lostAfterMs } from "../src/health.ts";

const intervals: Record<string, [gapsMs: number[], want: number | null]> = {
  "is not known before there are two reports": [[], null],
  "is the gap between the first two": [[5_000], 5_000],
  "is between them where two gaps differ": [[5_000, 6_000], 5_500],
  "is not moved by one gap that an update made short": [[5_000, 5_001, 20, 5_000], 5_000],
  "is not moved by two long ones": [[5_000, 60_000, 5_000, 60_000, 5_000], 5_000],
  "forgets all but the last five gaps": [[5_000, 5_000, 5_000, 30_000, 30_000, 30_000], 30_000],
};
for (const [name, [gapsMs, want]] of Object.entries(intervals)) {
  Deno.test(`the interval of a feed ${name}`, () => {
    assert.equal(intervalOf(gapsMs.reduce<ReportIntervals>(withGap, noIntervals)), want);
  });
}

const limits: Record<string, [intervalMs: number | null, lastCheckedMs: number, want: { late: number; lost: number }]> =
  {
    "of unknown interval is late after 15 s at most": [null, 60_000, { late: 15_000, lost: 60_000 }],
    "of unknown interval is late with HEALTH_LAST_CHECKED where that is less": [null, 10_000, {
      late: 10_000,
      lost: 10_000,
    }],
    "is late after two intervals, lost after three": [5_000, 10_000, { late: 10_000, lost: 15_000 }],
    "is not lost before HEALTH_LAST_CHECKED": [5_000, 60_000, { late: 10_000, lost: 60_000 }],
    "is given a second before it is late": [200, 10_000, { late: 1_000, lost: 10_000 }],
    "may be slower than a short HEALTH_LAST_CHECKED": [60_000, 2_000, { late: 120_000, lost: 180_000 }],
  };
for (const [name, [intervalMs, lastCheckedMs, want]] of Object.entries(limits)) {
  Deno.test(`a feed ${name}`, () => {
    assert.deepEqual(
      { late: lateAfterMs(intervalMs, lastCheckedMs), lost: lostAfterMs(intervalMs, lastCheckedMs) },
      want,
    );
  });
}
