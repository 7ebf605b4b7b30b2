/** Does the soak see what grows, and only that? Its arithmetic, and the whole of it for a few seconds. */
import assert from "node:assert/strict";
import { outcomeOf, type Soak } from "../../scripts/chaos/soak.ts";
import {
  type FigureName,
  findingOf,
  leftOvers,
  lowerEnvelope,
  percentiles,
  type Point,
  type Sample,
  secondHalf,
  slopeOf,
  studentsT,
  type Verdict,
  verdictOf,
} from "../../scripts/chaos/soak_figures.ts";
import { readProc } from "../../scripts/proc.ts";

const line = (...ys: number[]): Point[] => ys.map((y, x) => ({ x: x + 1, y }));
const rounded = (value: object) =>
  Object.fromEntries(Object.entries(value).map(([name, each]) => [name, Number(each.toFixed(4))]));

Deno.test("the slope of five points, its error and its interval are those of the textbook", () => {
  // Residuals -0.4, 0.8, -1, 1.2, -0.6: their squares are 3.6, of x 10, and t is 3.182.
  assert.deepEqual(rounded(slopeOf(line(1, 3, 2, 5, 4))!), {
    slope: 0.8,
    error: 0.3464,
    low: -0.3023,
    high: 1.9023,
    points: 5,
  });
});

Deno.test("a straight line has its slope without error", () => {
  assert.deepEqual(slopeOf(line(2, 4, 6, 8)), { slope: 2, error: 0, low: 2, high: 2, points: 4 });
});

Deno.test("neighbours that are alike make the slope less sure", () => {
  // The same values in another order, and none of them goes up or down.
  const alike = slopeOf(line(1, 1, -1, -1, -1, -1, 1, 1))!;
  const unlike = slopeOf(line(1, -1, -1, 1, 1, -1, -1, 1))!;

  assert.deepEqual([alike.slope, unlike.slope], [0, 0]);
  // Their likeness to the one before is 3/8 and -1/8: what is above nothing widens the error, by the root of (1+3/8)/(1-3/8).
  assert.ok(Math.abs(alike.error / unlike.error - Math.sqrt(11 / 5)) < 1e-9);
});

const hopeless: Record<string, Point[]> = {
  "no points": [],
  "two points": line(1, 2),
  "points of one time": [{ x: 1, y: 1 }, { x: 1, y: 2 }, { x: 1, y: 3 }],
};
for (const [name, points] of Object.entries(hopeless)) {
  Deno.test(`${name} have no slope`, () => assert.equal(slopeOf(points), null));
}

Deno.test("Student's t is the table's, and goes to the normal distribution's", () => {
  assert.deepEqual([1, 3, 30].map(studentsT), [12.706, 3.182, 2.042]);
  assert.ok(Math.abs(studentsT(60) - 2.0003) < 0.001);
  assert.ok(Math.abs(studentsT(100_000) - 1.96) < 0.001);
});

Deno.test("the lower envelope is the lowest of each part of the time", () => {
  const saw = line(5, 9, 4, 8, 6, 7, 3, 9);

  assert.deepEqual(lowerEnvelope(saw, 4), [{ x: 1, y: 5 }, { x: 3, y: 4 }, { x: 5, y: 6 }, { x: 7, y: 3 }]);
});

Deno.test("the second half is of the time, not of the points", () => {
  assert.deepEqual(secondHalf([0, 1, 2, 6, 10].map((x) => ({ x, y: x }))).map(({ x }) => x), [6, 10]);
});

const slope = (low: number, mid: number, high: number, points = 30) => ({ slope: mid, error: 1, low, high, points });
const verdicts: Record<string, [ReturnType<typeof slope> | null, Verdict]> = {
  "nothing to go by is unclear": [null, "unclear"],
  "few points are unclear, whatever they say": [slope(90, 100, 110, 5), "unclear"],
  "an interval below the bound is flat": [slope(-5, -1, 4), "flat"],
  "a growth that is certain and small is flat": [slope(1, 2, 4), "flat"],
  "an interval that reaches the bound is flat": [slope(1, 3, 10), "flat"],
  "one that reaches beyond it and below nothing is unclear": [slope(-1, 5, 11), "unclear"],
  "one that is above nothing, its middle within the bound, is unclear": [slope(1, 9, 17), "unclear"],
  "one above nothing, its middle above the bound, grows": [slope(1, 11, 21), "grows"],
};
for (const [name, [given, want]] of Object.entries(verdicts)) {
  Deno.test(`verdict: ${name}`, () => assert.equal(verdictOf(given, 10), want));
}

const sample = (changed: Partial<Sample> = {}): Sample => ({
  ...{ atMs: 0, residentBytes: 0, privateBytes: 0, heapBytes: 0, storeBytes: 0, walBytes: 0, logBytes: 0 },
  ...{ sockets: 8, listening: 2, pipes: 5, files: 12, otherDescriptors: 6, threads: 30, cpuSeconds: 0 },
  ...{ healthzMs: 1, counters: {}, ...changed },
});

Deno.test("a heap that V8 lets grow between collections is flat, and one whose floor rises grows", () => {
  const day = Array.from({ length: 600 }, (_, at) => ({ x: at * 1_000, y: 40 + (at * 7 % 23) + Math.sin(at) / 4 }));
  const leaking = day.map(({ x, y }) => ({ x, y: y + x / 60_000 }));

  assert.equal(findingOf("heapBytes", day, 600_000).verdict, "flat");
  const { verdict, slope } = findingOf("heapBytes", leaking, 600_000);
  assert.equal(verdict, "grows");
  assert.ok(Math.abs(slope!.slope - 10) < 1, `${slope!.slope} MB a day`);
});

Deno.test("a memory that is filled once, and stays, is flat", () => {
  const filling = Array.from({ length: 600 }, (_, at) => ({ x: at, y: 100 * (1 - Math.exp(-at / 30)) + at % 3 / 10 }));

  assert.equal(findingOf("residentBytes", filling, 600).verdict, "flat");
});

Deno.test("what is still there after the load is said, but for connections that are kept and threads that wait", () => {
  const kept = sample({ sockets: 12, threads: 34 });
  const left = sample({ sockets: 13, files: 13, listening: 3 });

  assert.deepEqual(leftOvers(sample(), kept), []);
  assert.deepEqual(leftOvers(sample(), left), [
    "sockets: 8 before, 13 after",
    "sockets that listen: 2 before, 3 after",
    "open files: 12 before, 13 after",
  ]);
});

Deno.test("percentiles are of values in any order", () => {
  const values = Array.from({ length: 100 }, (_, at) => (at * 37) % 100);

  assert.deepEqual(percentiles(values), { p50: 50, p99: 99, max: 99 });
});

/** A soak of which every figure stays as it is, but for its heap. */
function soakOf(heapBytes: (at: number) => number, changes: Partial<Soak> = {}): Soak {
  const moment = (at: number) => sample({ atMs: at * 1_000, healthzMs: 5, heapBytes: heapBytes(at) });
  return {
    title: "a test",
    facts: {},
    startedMs: 0,
    dayMs: 600_000,
    before: moment(0),
    samples: Array.from({ length: 600 }, (_, at) => moment(at)),
    after: moment(600),
    happened: {},
    end: { leftOvers: [], quietAfterMs: 0, exit: { code: 0, tookMs: 300 } },
    failure: null,
    ...changes,
  };
}

const even = () => 30e6;
const outcomes: Record<string, [Soak, ReturnType<typeof outcomeOf>]> = {
  "what stays as it is": [soakOf(even), "good"],
  "a heap that grows": [soakOf((at) => 30e6 + at * 1e5), "bad"],
  "a heap that varies by more than could be told": [soakOf((at) => 30e6 + 3e7 * Math.sin(at * at)), "unclear"],
  "three samples": [soakOf(even, { samples: soakOf(even).samples.slice(0, 3) }), "unclear"],
  "something left over": [
    soakOf(even, { end: { leftOvers: ["sockets"], quietAfterMs: 0, exit: { code: 0, tookMs: 1 } } }),
    "bad",
  ],
  "an exit that takes 6 s": [
    soakOf(even, { end: { leftOvers: [], quietAfterMs: 0, exit: { code: 0, tookMs: 6_000 } } }),
    "bad",
  ],
  "a /healthz that nobody answers": [
    soakOf(even, { samples: soakOf(even).samples.map((each) => ({ ...each, healthzMs: null })) }),
    "bad",
  ],
  "a run that was given up": [soakOf(even, { failure: "the program ended" }), "bad"],
};
for (const [name, [soak, want]] of Object.entries(outcomes)) {
  Deno.test(`${name} is ${want}`, () => assert.equal(outcomeOf(soak), want));
}

/*  Does the soak see a program that leaks, and does it run? On Linux alone: /proc is where it looks. */

const ignore = Deno.build.os !== "linux";
const script = (path: string) => new URL(path, import.meta.url).pathname;

const steps = 60;
// So short that the two sockets which the runtime makes for itself, a moment after the start, are no growth.
const daySteps = steps / 4;
const seen = ["privateBytes", "sockets", "listening", "files"] as const satisfies readonly FigureName[];
const leaks: Record<string, [kind: string, growing: readonly FigureName[]]> = {
  "nothing grows of a program that keeps nothing": ["nothing", []],
  "an array that is never emptied is seen in the memory": ["array", ["privateBytes"]],
  "timers that are never ended are seen by what they hold": ["timers", ["privateBytes"]],
  "sockets that are never closed are seen": ["sockets", ["sockets", "listening"]],
  "files that are never closed are seen": ["files", ["files"]],
};
for (const [name, [kind, growing]] of Object.entries(leaks)) {
  Deno.test({ name, ignore, fn: async () => assert.deepEqual(await whatGrows(kind), growing) });
}

/** Of a program that leaks so, step by step. */
async function whatGrows(kind: string): Promise<FigureName[]> {
  const args = ["run", "--allow-all", script("../support/leak.ts"), kind];
  await using child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
  const input = child.stdin.getWriter();
  const output = child.stdout.getReader();
  const series = Object.fromEntries(seen.map((each) => [each, [] as { x: number; y: number }[]]));
  for (let step = 0; step < steps; step++) {
    await input.write(new TextEncoder().encode("on\n"));
    assert.equal((await output.read()).done, false, "it goes on");
    const proc = await readProc(child.pid);
    for (const each of seen) series[each]?.push({ x: step, y: proc[each] / (each === "privateBytes" ? 1e6 : 1) });
  }
  await input.close();
  while (!(await output.read()).done);
  return seen.filter((each) => findingOf(each, series[each] ?? [], daySteps).verdict === "grows");
}

Deno.test({
  name: "a few seconds of a laboratory's day are played on the program, measured, and told of",
  ignore,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "soak" });
    const args = ["run", "--allow-all", script("../../scripts/chaos/soak.ts")];
    const wish = ["--day", "--minutes", "0.12", "--experiments", "5", "--out", `${folder}/soak`];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: [...args, ...wish] }).output();
    const said = [stdout, stderr].map((each) => new TextDecoder().decode(each)).join("");
    const soak = JSON.parse(await Deno.readTextFile(`${folder}/soak.json`));
    const table = await Deno.readTextFile(`${folder}/soak.md`);
    await Deno.remove(folder, { recursive: true });

    assert.equal(soak.failure, null, said);
    assert.deepEqual([soak.end.leftOvers, soak.end.exit.code], [[], 0], said);
    assert.ok(soak.samples.length >= 2 && soak.samples.at(-1).counters.status_feed_reports_total > 20, said);
    assert.ok(soak.happened["a poll of the API"] > 0, said);
    assert.equal(said, table);
  },
});
