/** Listening in turn, on a clock that the test holds: probes take and find what the test says. */
import assert from "node:assert/strict";
import type { ProbeResult } from "../src/lab.ts";
import type { Probed } from "../src/probe_socket.ts";
import { createProber, noProber, type Prober, type ProbeTargets } from "../src/stream_probe.ts";
import { FakeClock } from "./support/clock.ts";

const data = "pend00-st-data", video = "pend00-st-video";
const periodMs = 10_000;
const refused = { kind: "failed", trouble: { kind: "refused", message: "relay answered 503" } } as const;

interface Bench {
  readonly clock: FakeClock;
  readonly prober: Prober;
  /** What was begun with and what came of it, in order. */
  readonly told: string[];
  readonly found: ProbeResult[];
  /** What a stream says; `hang`: nothing, until it is called off. */
  readonly says: Map<string, Probed["kind"] | "hang" | "broken">;
  targets: ProbeTargets;
  unaskable: number;
  /** Relay reports; with other streams, or the same. */
  report(streams?: Readonly<Record<string, string>>): void;
  /** From now on by another connection. */
  reconnect(): void;
  away(): void;
}

async function playing(play: (bench: Bench) => Promise<void>): Promise<void> {
  const clock = new FakeClock(), told: string[] = [], found: ProbeResult[] = [], says: Bench["says"] = new Map();
  let reports = 0, connects = 1;
  const bench: Bench = {
    clock,
    told,
    found,
    says,
    targets: { kind: "away" },
    unaskable: 0,
    prober: createProber(periodMs, {
      clock,
      random: () => 0.5,
      log: {
        trace() {},
        debug() {},
        info: (words) => told.push(`log ${words}`),
        warn: (words) => told.push(`warn ${words}`),
        error() {},
        always() {},
      },
      targets: () => bench.targets,
      probe: (topic, signal) => listen(topic, signal),
      found: (topic, finding) => {
        found.push(finding);
        told.push(`${topic} ${finding.heard ? "heard" : "silent"}`);
      },
      unfound: () => told.push("nothing holds"),
      changed() {},
    }),
    reconnect: () => connects++,
    report(streams) {
      const was = bench.targets.kind === "streams" ? bench.targets.streams : new Map<string, string>();
      const now = streams === undefined ? was : new Map(Object.entries(streams));
      bench.targets = { kind: "streams", streams: now, reports: ++reports, connects, unaskable: bench.unaskable };
      bench.prober.look();
    },
    away() {
      bench.targets = { kind: "away" };
      bench.prober.look();
    },
  };
  async function listen(topic: string, signal: AbortSignal): Promise<Probed> {
    told.push(`listen ${topic}`);
    const openMs = clock.monotonicMs(), kind = says.get(topic) ?? "heard";
    const tookMs = { heard: 50, silent: periodMs, failed: 100, hang: 1e9, broken: 100 }[kind];
    await clock.wait(tookMs, signal).catch((reason) => {
      told.push(`${topic} called off`);
      throw reason;
    });
    if (kind === "broken") throw new Error("no Worker");
    return kind === "heard" ? { kind } : kind === "silent" ? { kind, openMs } : refused;
  }
  const stop = new AbortController(), running = bench.prober.run(stop.signal);
  await play(bench);
  stop.abort();
  await running;
  assert.equal(clock.waiting, 0);
}

/** Time passes, and relay reports every five seconds. */
async function pass({ clock, report }: Bench, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 5_000) {
    await clock.advance(Math.min(left, 5_000));
    report();
  }
}

Deno.test("each stream is listened to in turn, and what is heard is told with its connection and when", async () => {
  await playing(async (bench) => {
    bench.report({ [data]: "noon", [video]: "one" });
    await pass(bench, 9_000);
    assert.deepEqual(bench.told, [`listen ${data}`, `${data} heard`, `listen ${video}`, `${video} heard`]);
    const [first] = bench.found;
    assert.deepEqual(first, { connected: "noon", heard: true, atMs: first?.atMs, sinceMs: first?.atMs });
    const { state, streams, heard, silent, failed } = bench.prober.view();
    assert.deepEqual([state, streams, heard, silent, failed], ["probing", 2, 2, 0, 0]);
  });
});

Deno.test("silence is told with relay's next report after the whole time, with when listening began and ended", async () => {
  await playing(async (bench) => {
    bench.says.set(data, "silent");
    bench.report({ [data]: "noon" });
    await pass(bench, 15_000);
    assert.deepEqual(bench.told, [`listen ${data}`, `listen ${data}`, `${data} silent`]);
    const [finding] = bench.found;
    assert.equal(finding && finding.atMs - finding.sinceMs, periodMs);
    assert.equal(bench.prober.view().silent, 1);
  });
});

Deno.test("a silent stream is listened to again and again, and told of when it is heard", async () => {
  await playing(async (bench) => {
    bench.says.set(data, "silent");
    bench.report({ [data]: "noon" });
    await pass(bench, 19_000);
    bench.says.set(data, "heard");
    await pass(bench, 20_000);
    assert.deepEqual(bench.found.map(({ heard }) => heard), [false, true, true]);
  });
});

Deno.test("silence while relay did not report either says nothing: it may be relay that was stuck", async () => {
  await playing(async (bench) => {
    bench.says.set(data, "silent");
    bench.report({ [data]: "noon" });
    await bench.clock.advance(10_000);
    bench.report();
    assert.deepEqual(bench.told.filter((each) => each.endsWith("silent")), []);
    assert.equal(bench.prober.view().silent, 0);
    await pass(bench, 15_000);
    assert.deepEqual(bench.found.map(({ heard }) => heard), [false]);
  });
});

Deno.test("silence that relay's next report does not follow says nothing: it may be relay that has gone", async () => {
  await playing(async (bench) => {
    bench.says.set(data, "silent");
    bench.report({ [data]: "noon" });
    await bench.clock.advance(1_000);
    bench.report();
    await bench.clock.advance(9_500);
    assert.deepEqual(bench.found, []);
    bench.away();
    bench.report({ [data]: "noon" });
    assert.deepEqual(bench.found, []);
  });
});

Deno.test("nor does silence, or what is under way, when relay's next report comes by another connection", async () => {
  await playing(async (bench) => {
    bench.says.set(data, "silent").set(video, "hang");
    bench.report({ [data]: "noon", [video]: "noon" });
    await pass(bench, 9_000);
    await bench.clock.advance(1_500);
    bench.reconnect();
    bench.report();
    await bench.clock.advance(0);
    assert.deepEqual(bench.found, []);
    assert.ok(bench.told.includes(`${video} called off`));
  });
});

Deno.test("what is under way when relay is late, or its connection goes, is called off and says nothing", async () => {
  await playing(async (bench) => {
    bench.says.set(data, "silent").set(video, "silent");
    bench.report({ [data]: "noon", [video]: "noon" });
    await pass(bench, 9_000);
    bench.away();
    await bench.clock.advance(60_000);
    assert.deepEqual(bench.told, [`listen ${data}`, `listen ${video}`, `${data} called off`, `${video} called off`]);
    assert.deepEqual(bench.found, []);
    bench.report({ [data]: "noon", [video]: "noon" });
    await pass(bench, 16_000);
    assert.equal(bench.found.length, 2);
  });
});

Deno.test("so is listening to a stream that leaves the reports, or is connected anew; another's goes on", async () => {
  await playing(async (bench) => {
    bench.says.set(data, "silent").set(video, "silent").set("spin31-st-data", "silent");
    bench.report({ [data]: "noon", [video]: "noon", "spin31-st-data": "noon" });
    await pass(bench, 8_000);
    bench.report({ [data]: "later", "spin31-st-data": "noon" });
    await bench.clock.advance(0);
    assert.deepEqual(bench.told.slice(3), [`${data} called off`, `${video} called off`]);
    await pass(bench, 10_000);
    assert.ok(bench.told.includes("spin31-st-data silent"));
  });
});

Deno.test("when relay gives statistics nothing is listened to any more", async () => {
  await playing(async (bench) => {
    bench.says.set(data, "hang");
    bench.report({ [data]: "noon" });
    await bench.clock.advance(1_000);
    bench.targets = { kind: "none" };
    bench.prober.look();
    await bench.clock.advance(60_000);
    assert.deepEqual(bench.told, [`listen ${data}`, "nothing holds", `${data} called off`]);
    const { state, streams } = bench.prober.view();
    assert.deepEqual([state, streams], ["idle", 0]);
  });
});

Deno.test("a failure is counted and says nothing of the stream; when a whole round fails, all are said to fail, and why", async () => {
  await playing(async (bench) => {
    for (const topic of [data, video, "spin31-st-data"]) bench.says.set(topic, "failed");
    bench.report({ [data]: "noon", [video]: "noon", "spin31-st-data": "noon" });
    await pass(bench, 6_000);
    assert.equal(bench.prober.view().state, "probing");
    await pass(bench, 1_000);
    const { state, failed, lastError } = bench.prober.view();
    assert.deepEqual([state, failed, lastError], ["failing", 3, "relay answered 503"]);
    assert.deepEqual(bench.found, []);

    bench.says.set(data, "heard");
    await pass(bench, 30_000);
    assert.equal(bench.prober.view().state, "probing");
    assert.ok(bench.found.length > 0);
  });
});

Deno.test("while relay is away it is not known whether listening would still fail", async () => {
  await playing(async (bench) => {
    bench.says.set(data, "failed");
    bench.report({ [data]: "noon" });
    await pass(bench, 30_000);
    bench.away();
    await bench.clock.advance(30_000);
    assert.equal(bench.prober.view().state, "failing");
    bench.targets = { kind: "none" };
    bench.prober.look();
    assert.equal(bench.prober.view().state, "idle");
  });
});

Deno.test("that some streams cannot be asked for is said once, and again when they are more or fewer", async () => {
  await playing(async (bench) => {
    const warned = () => bench.told.filter((each) => each.startsWith("warn "));
    bench.unaskable = 2;
    bench.report({ [data]: "noon" });
    await pass(bench, 30_000);
    assert.deepEqual(warned(), ["warn 2 required streams cannot be listened to: relay takes no such names"]);
    bench.unaskable = 1;
    await pass(bench, 10_000);
    assert.equal(warned().length, 2);
  });
});

Deno.test("a fault of our own is a failure of listening, and ends nothing", async () => {
  await playing(async (bench) => {
    bench.says.set(data, "broken");
    bench.report({ [data]: "noon" });
    await pass(bench, 20_000);
    assert.equal(bench.prober.view().lastError, `Cannot listen to ${data}: no Worker`);
    assert.ok(bench.told.includes(`log Cannot listen to ${data}: no Worker`));
    assert.ok(bench.prober.view().failed >= 2);
  });
});

Deno.test("a stop ends what is under way at once", async () => {
  const told: string[] = [];
  await playing(async (bench) => {
    bench.says.set(data, "hang");
    bench.report({ [data]: "noon" });
    await bench.clock.advance(1_000);
    told.push(...bench.told);
  });
  assert.deepEqual(told, [`listen ${data}`]);
});

Deno.test("with PROBE_STREAMS=off it is off, and runs until it is stopped", async () => {
  const stop = new AbortController();
  let hasEnded = false;
  let forgotten = 0;
  const prober = noProber({ clock: new FakeClock(1_000), unfound: () => forgotten++ });
  const running = prober.run(stop.signal).then(() => hasEnded = true);
  prober.look();
  await Promise.resolve();
  const { state, sinceMs } = prober.view();
  assert.deepEqual([state, sinceMs, hasEnded], ["off", 1_000, false]);
  assert.equal(forgotten, 1); // what an earlier run found holds no longer
  stop.abort();
  await running;
});
