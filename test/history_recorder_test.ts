import fc from "fast-check";
import assert from "node:assert/strict";
import type { ResourceState } from "../src/availability.ts";
import { conditionsOf } from "../src/health.ts";
import { HistoryRecorder, spansOf, turnsMax, turnsTotalMax } from "../src/history.ts";
import { initialLab } from "../src/lab.ts";
import { type MonitorRun, runsMax, type StateChange, type StoreChange } from "../src/persisted.ts";
import { shiftedLab } from "../src/shift.ts";
import { Bench, resource, startMs } from "./support/bench.ts";

const minuteMs = 60_000;

/** A bench whose judgements are followed; what is to be recorded comes out in words, times in seconds since the start. */
class Followed extends Bench {
  readonly timeline: HistoryRecorder;
  #book: ReadonlyMap<string, ResourceState> = new Map();
  readonly #owed: StoreChange[] = [];

  constructor(stubs: readonly string[], saved: { turns?: Record<string, StateChange[]>; runs?: MonitorRun[] } = {}) {
    super(stubs.map((stub) => resource(stub, ["st-data"])));
    const turns = new Map(Object.entries(saved.turns ?? {}));
    this.timeline = new HistoryRecorder({ stateChanges: turns, runs: saved.runs ?? [] }, this.lab);
  }

  bookSays(name: string, available: boolean): void {
    this.#book = new Map(this.#book).set(name, { kind: "said", available, reason: "", atMs: this.nowMs });
  }

  /** All well for these, as jump and relay report. */
  well(...names: string[]): void {
    this.jump(names);
    this.relay(Object.fromEntries(names.map((name) => [`${name}-st-data`, 0])));
  }

  /** The clock is set. */
  set(bySeconds: number): void {
    this.nowMs += bySeconds * 1_000;
    const shift = {
      byMs: bySeconds * 1_000,
      setMs: bySeconds * 1_000,
      startedMs: this.lab.startedMs,
      nowMs: this.nowMs,
    };
    this.lab = shiftedLab(this.lab, shift);
    this.#owed.push(...this.timeline.shift(shift, this.lab.experiments));
  }

  /** With what was to be recorded of a clock that was set before. */
  follow(): string[] {
    const conditions = conditionsOf(this.lab, this.rules, this.nowMs);
    const known = { lab: this.lab, conditions, health: this.rules, states: this.#book };
    return [...this.#owed.splice(0), ...this.timeline.follow(known, this.nowMs)].map(words);
  }

  /** What is to be recorded of experiments, and of what ended. */
  turned(): string[] {
    return this.follow().filter((each) => !each.startsWith("ran"));
  }
}

const second = (atMs: number) => (atMs - startMs) / 1_000;

function words(change: StoreChange): string {
  if (change.kind === "clock-back") return `back to ${second(change.toMs)}`;
  if (change.kind === "run") return `ran ${second(change.run.startedMs)} to ${second(change.run.aliveMs)}`;
  assert.ok(change.kind === "turn");
  const { atMs, state, available } = change.turn;
  return `${change.experiment} ${second(atMs)} ${state} ${available ? "A" : "U"}`;
}

const runText = ({ startedMs, aliveMs }: MonitorRun) => `${second(startedMs)} to ${second(aliveMs)}`;
const turn = (atSecond: number, state: StateChange["state"], available = true): StateChange => {
  return { atMs: startMs + atSecond * 1_000, state, available };
};
const ran = (fromSecond: number, toSecond: number): MonitorRun => {
  return { startedMs: startMs + fromSecond * 1_000, aliveMs: startMs + toSecond * 1_000 };
};

Deno.test("what an experiment does is a turn when it comes to stand otherwise, and nothing while it does not", () => {
  const lab = new Followed(["pend00"]);
  assert.deepEqual(lab.turned(), ["pend00 0 starting U"]);
  lab.well("pend00");
  lab.bookSays("r-pend00", true);
  lab.nowMs += 1_000;
  assert.deepEqual(lab.turned(), ["pend00 1 healthy A"]);
  lab.well("pend00");
  lab.nowMs += 1_000;
  assert.deepEqual(lab.turned(), []);
  lab.relay({ "pend00-st-data": "silent" });
  assert.deepEqual(lab.turned(), ["pend00 2 unhealthy A"]);
  lab.bookSays("r-pend00", false);
  lab.nowMs += 1_000;
  assert.deepEqual(lab.turned(), ["pend00 3 unhealthy U"]);
  assert.deepEqual(lab.timeline.turnsOf("pend00"), [
    turn(0, "starting", false),
    turn(1, "healthy"),
    turn(2, "unhealthy"),
    turn(3, "unhealthy", false),
  ]);
});

Deno.test("other issues of one that is unhealthy anyway are no turn", () => {
  const lab = new Followed(["pend00"]);
  lab.jump([]);
  lab.relay({ "pend00-st-data": 0 });
  lab.follow();
  lab.relay({ "pend00-st-data": "silent" });
  assert.deepEqual(lab.turned(), []);
});

Deno.test("a feed that is lost makes all unknown, and its return makes them what they were", () => {
  const lab = new Followed(["pend00", "spin31"]);
  lab.well("pend00");
  lab.follow();
  lab.pass(20_000);
  assert.deepEqual(lab.turned(), ["pend00 20 unknown U", "spin31 20 unknown U"]);
  lab.well("pend00");
  assert.deepEqual(lab.turned(), ["pend00 20 healthy U", "spin31 20 unhealthy U"]);
});

Deno.test("a sign of life is recorded every minute, and with every turn", () => {
  const lab = new Followed(["pend00"]);
  const signs: string[] = [];
  for (let passed = 0; passed <= 180; passed += 10, lab.nowMs += 10_000) {
    if (passed === 80) lab.bookSays("r-pend00", true);
    signs.push(...lab.follow());
  }
  assert.deepEqual(signs, [
    ...["pend00 0 starting U", "ran 0 to 0"],
    ...["pend00 10 unknown U", "ran 0 to 10"],
    "ran 0 to 70",
    ...["pend00 80 unknown A", "ran 0 to 80"],
    "ran 0 to 140",
  ]);
  assert.equal(second(lab.timeline.dueMs), 200);
});

Deno.test("when it is due a sign of life is recorded, so that whoever waits for that does not wait in vain", () => {
  const lab = new Followed([]);
  lab.follow();
  lab.nowMs = lab.timeline.dueMs - 1;
  assert.deepEqual(lab.follow(), []);
  lab.nowMs = lab.timeline.dueMs;
  assert.deepEqual(lab.follow(), ["ran 0 to 60"]);
});

Deno.test("when the monitor stops, it is recorded that it ran until then", () => {
  const lab = new Followed(["pend00"]);
  lab.follow();
  assert.deepEqual(lab.timeline.alive(startMs + 7_000).map(words), ["ran 0 to 7"]);
});

Deno.test("a machine that slept did not watch meanwhile", () => {
  const lab = new Followed(["pend00"]);
  lab.well("pend00");
  lab.follow();
  lab.nowMs += 30_000;
  lab.well("pend00");
  lab.follow();
  lab.nowMs += 3 * minuteMs + 1;
  assert.deepEqual(lab.timeline.runs(lab.nowMs).map(runText), ["0 to 30"]); // it is only just waking up
  assert.deepEqual(lab.follow(), ["ran 0 to 30", "pend00 210.001 unknown U", "ran 210.001 to 210.001"]);
  lab.nowMs += 1_000;
  assert.deepEqual(lab.timeline.runs(lab.nowMs).map(runText), ["0 to 30", "210.001 to 211.001"]);
});

Deno.test("a monitor that was slow for three minutes did watch", () => {
  const lab = new Followed(["pend00"]);
  lab.follow();
  lab.nowMs += 3 * minuteMs;
  lab.follow();
  assert.deepEqual(lab.timeline.runs(lab.nowMs).map(runText), ["0 to 180"]);
});

Deno.test("while the clock is behind, what happens is put at the end of what was", () => {
  const lab = new Followed(["pend00"]);
  lab.well("pend00");
  lab.nowMs += 30_000;
  lab.well("pend00");
  lab.follow();
  lab.nowMs += 1_000;
  lab.relay({ "pend00-st-data": "silent" });
  lab.follow();
  lab.nowMs -= 20_000;
  lab.relay({ "pend00-st-data": 0 });
  assert.deepEqual(lab.turned(), ["pend00 31 healthy U"]);
  assert.deepEqual(lab.timeline.forget(["pend00"], lab.nowMs).map(words), ["pend00 31 not_watched U"]);
  assert.deepEqual(lab.timeline.runs(lab.nowMs).map(runText), ["0 to 31"]);
});

Deno.test("one that is forgotten is not watched until it is back", () => {
  const lab = new Followed(["pend00"]);
  lab.well("pend00", "spin31");
  lab.follow();
  lab.nowMs += 1_000;
  lab.well("pend00");
  lab.nowMs += 60_000;
  lab.well("pend00");
  const forgotten = lab.forget(30_000);
  assert.deepEqual(lab.timeline.forget(forgotten, lab.nowMs).map(words), ["spin31 61 not_watched U"]);
  assert.deepEqual(lab.timeline.turnsOf("spin31"), []);
  lab.follow();
  lab.nowMs += 1_000;
  lab.well("pend00", "spin31");
  assert.deepEqual(lab.turned(), ["spin31 62 healthy U"]);
});

Deno.test("one that was never heard of can't be forgotten", () => {
  assert.deepEqual(new Followed([]).timeline.forget(["pend00"], startMs), []);
});

Deno.test("after a restart it goes on: what earlier runs left is there, and how it stands holds from the start", () => {
  const lab = new Followed(["pend00"], { turns: { pend00: [turn(-90, "healthy")] }, runs: [ran(-100, -50)] });
  assert.deepEqual(lab.follow(), ["pend00 0 starting A", "ran 0 to 0"]);
  lab.nowMs += 10_000;
  assert.deepEqual(lab.timeline.runs(lab.nowMs).map(runText), ["-100 to -50", "0 to 10"]);
  assert.deepEqual(lab.timeline.turnsOf("pend00"), [turn(-90, "healthy"), turn(0, "starting")]);
});

Deno.test("until book says something after a restart, it holds what it said before", () => {
  const lab = new Followed(["pend00", "spin31"], {
    turns: { pend00: [turn(-90, "healthy", false), turn(-80, "healthy")], spin31: [turn(-90, "healthy", false)] },
  });
  lab.well("pend00", "spin31");
  assert.deepEqual(lab.turned(), []);
  assert.deepEqual(["pend00", "spin31", "turn04"].map((name) => lab.timeline.wasAvailable(name)), [true, false, false]);
  lab.bookSays("r-pend00", false);
  assert.deepEqual(lab.turned(), ["pend00 0 healthy U"]);
});

Deno.test("one that an earlier run watched and this one does not know is not watched until something names it", () => {
  const lab = new Followed([], { turns: { spin31: [turn(-9, "starting")] } });
  lab.nowMs += 5_000;
  assert.deepEqual(lab.follow(), ["spin31 0 not_watched U", "ran 0 to 5"]);
  lab.well("spin31");
  assert.deepEqual(lab.turned(), ["spin31 5 healthy U"]);
});

Deno.test("when the clock is put back, what this run told of later is moved to now, and what follows is behind it", () => {
  const lab = new Followed(["pend00"], { turns: { pend00: [turn(-9, "healthy")] }, runs: [ran(-100, -5)] });
  lab.follow();
  for (const [pass, sending] of [[10_000, 0], [90_000, "silent"], [50_000, 0]] as const) {
    lab.nowMs += pass;
    lab.jump(["pend00"]);
    lab.relay({ "pend00-st-data": sending });
    lab.follow();
  }
  lab.set(-100);
  assert.deepEqual(lab.timeline.turnsOf("pend00").map(({ atMs }) => second(atMs)), [-9, 0, 10, 50]);
  assert.deepEqual(lab.timeline.runs(lab.nowMs).map(runText), ["-100 to -5", "0 to 50"]);
  assert.deepEqual(lab.follow(), ["back to 50", "ran 0 to 50"]);
  lab.nowMs += 5_000;
  lab.relay({ "pend00-st-data": "silent" });
  assert.deepEqual(lab.follow(), ["pend00 55 unhealthy A", "ran 0 to 55"]);
});

Deno.test("a clock that was ahead at the start and is put right leaves no run and no turn in what is to come", () => {
  const lab = new Followed(["pend00"], {
    turns: { pend00: [turn(-86_400, "healthy")] },
    runs: [ran(-86_500, -86_350)],
  });
  lab.follow();
  lab.nowMs += 10_000;
  lab.well("pend00");
  lab.follow();
  lab.set(-86_300);
  assert.deepEqual(lab.timeline.runs(lab.nowMs).map(runText), ["-86500 to -86350", "-86290 to -86290"]);
  assert.deepEqual(lab.timeline.turnsOf("pend00").map(({ atMs }) => second(atMs)), [-86_400, -86_290]);
  assert.deepEqual(lab.follow(), ["back to -86290", "ran -86290 to -86290"]);
});

Deno.test("what is still to come by a clock that is behind is shown when that is put right, and nothing of it is rewritten", () => {
  const earlier = [turn(-9, "starting"), turn(3_600, "healthy")];
  const lab = new Followed(["pend00", "spin31"], {
    turns: { pend00: earlier, spin31: [turn(3_601, "unhealthy", false)], gone01: [turn(3_600, "healthy")] },
    runs: [ran(-100, -50), ran(3_590, 3_700)],
  });
  lab.nowMs += 5_000;
  lab.well("pend00", "spin31");
  lab.bookSays("r-pend00", true);
  assert.deepEqual(lab.follow(), ["pend00 0 healthy A", "spin31 0 healthy U", "ran 0 to 5"]);
  lab.set(7_200);
  assert.deepEqual(lab.timeline.runs(lab.nowMs).map(runText), ["-100 to -50", "0 to 5"], "it is only just waking up");
  assert.deepEqual(lab.follow(), [
    "gone01 7205 not_watched U",
    "ran 0 to 5",
    "spin31 7205 healthy U",
    "ran 7205 to 7205",
  ]);
  assert.deepEqual(lab.timeline.runs(lab.nowMs).map(runText), [
    "-100 to -50",
    "0 to 5",
    "3590 to 3700",
    "7205 to 7205",
  ]);
  assert.deepEqual(lab.timeline.turnsOf("pend00"), [turn(-9, "starting"), turn(0, "healthy"), turn(3_600, "healthy")]);
  assert.deepEqual(lab.timeline.turnsOf("gone01"), []);
});

Deno.test("what is shown is hidden again when the clock is put back to before it, and not moved", () => {
  const lab = new Followed(["pend00"], { turns: { pend00: [turn(-50, "healthy")] }, runs: [ran(-100, -40)] });
  lab.follow();
  lab.set(-60);
  assert.deepEqual(lab.timeline.turnsOf("pend00"), [turn(-60, "starting")]);
  lab.set(60);
  assert.deepEqual(lab.timeline.turnsOf("pend00"), [turn(-60, "starting"), turn(-50, "healthy")]);
  assert.deepEqual(lab.turned(), ["back to -60", "pend00 0 starting A"]);
});

Deno.test("while the program was stopped nothing of the history is moved", () => {
  const lab = new Followed(["pend00"]);
  lab.well("pend00");
  lab.follow();
  const turns = lab.timeline.turnsOf("pend00");
  const shift = { byMs: 60_000, setMs: 0, startedMs: startMs, nowMs: lab.nowMs += 60_000 };
  assert.deepEqual(lab.timeline.shift(shift, lab.lab.experiments), []);
  assert.equal(lab.timeline.turnsOf("pend00"), turns);
  lab.well("pend00");
  assert.deepEqual(lab.follow(), ["ran 0 to 60"]);
});

Deno.test("what an earlier run took for the past and is still to come, by a clock that was put back, is let go", () => {
  const lab = new Followed(["pend00", "spin31"], {
    turns: { pend00: [turn(-9, "starting"), turn(5, "unhealthy", false)], spin31: [turn(5, "unhealthy", false)] },
    runs: [ran(-100, 50), ran(20, 70)],
  });
  assert.deepEqual(lab.timeline.runs(startMs).map(runText), ["-100 to 0", "0 to 0"]);
  assert.deepEqual(lab.timeline.turnsOf("pend00"), [turn(-9, "starting")]);
  assert.deepEqual(lab.turned(), ["spin31 0 starting U"]);
});

Deno.test("of the turns of one experiment, and of the runs, the newest are kept", () => {
  const runs = Array.from({ length: runsMax + 5 }, (_, number) => ran(number - 5_000, number - 5_000));
  const lab = new Followed(["pend00"], { runs });
  for (let flaps = 0; flaps < turnsMax + 5; flaps++) {
    lab.bookSays("r-pend00", flaps % 2 === 0);
    lab.nowMs += 1;
    lab.follow();
  }
  assert.equal(lab.timeline.turnsOf("pend00").length, turnsMax);
  assert.equal(lab.timeline.turnsOf("pend00").at(-1)?.atMs, lab.nowMs);
  assert.equal(lab.timeline.runs(lab.nowMs).length, runsMax + 1);
});

Deno.test("a great laboratory keeps fewer turns of each experiment, and never none", () => {
  const count = 30_000;
  const turns = Object.fromEntries(Array.from({ length: count }, (_, number) => {
    return [`pend${number}`, Array.from({ length: 15 }, (_, at) => turn(at - 100, at % 2 ? "healthy" : "unhealthy"))];
  }));
  const lab = new Followed(Object.keys(turns), { turns });
  assert.equal(turnsTotalMax / count < 10, true);
  assert.deepEqual(lab.timeline.turnsOf("pend7").map(({ atMs }) => second(atMs)), [
    ...[-95, -94, -93, -92, -91, -90, -89, -88, -87, -86],
  ]);
});

Deno.test("what is found at the first judgement of a run holds from the run's start", () => {
  const lab = new Followed(["pend00"]);
  lab.nowMs += 1_500;
  assert.deepEqual(lab.turned(), ["pend00 0 starting U"]);
});

Deno.test("its revision grows with every turn and when time was missed, and with nothing else", () => {
  const lab = new Followed(["pend00"]);
  const grown = () => {
    const before = lab.timeline.revision;
    lab.follow();
    return lab.timeline.revision > before;
  };
  assert.ok(grown());
  assert.ok(!grown());
  lab.nowMs += minuteMs;
  assert.ok(grown()); // the feeds are lost
  lab.nowMs += minuteMs;
  assert.ok(!grown());
  lab.bookSays("r-pend00", true);
  assert.ok(grown());
  lab.nowMs += 4 * minuteMs;
  assert.ok(grown()); // it slept
  const before = lab.timeline.revision;
  lab.timeline.forget(["pend00"], lab.nowMs);
  assert.ok(lab.timeline.revision > before);
});

Deno.test("whatever the clock does, what is recorded is in order, and ends with how it stands now", () => {
  const steps = fc.array(
    fc.tuple(fc.constantFrom(-3_600_000, -minuteMs, -1, 0, 1, 10_000, minuteMs, 5 * minuteMs), fc.boolean()),
    { maxLength: 20 },
  );
  fc.assert(fc.property(steps, (steps) => {
    const lab = new Followed(["pend00"]);
    for (const [passed, available] of steps) {
      lab.nowMs += passed;
      lab.bookSays("r-pend00", available);
      lab.follow();
    }
    const turns = lab.timeline.turnsOf("pend00");
    assert.deepEqual(turns, turns.toSorted((a, b) => a.atMs - b.atMs));
    const toMs = (lab.timeline.runs(lab.nowMs).at(-1)?.aliveMs ?? 0) + 1;
    const spans = spansOf({ turns, runs: lab.timeline.runs(toMs) }, { fromMs: startMs - 1, toMs });
    assert.equal(spans.at(-1)?.available ?? false, steps.at(-1)?.[1] ?? false);
  }));
});

Deno.test("a timeline of nothing has nothing to tell", () => {
  const timeline = new HistoryRecorder({ stateChanges: new Map(), runs: [] }, initialLab(startMs));
  assert.deepEqual([timeline.turnsOf("pend00"), timeline.wasAvailable("pend00")], [[], false]);
});
