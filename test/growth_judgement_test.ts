/** What a judgement costs, counted in work and not in time: what makes it more than linear is seen here. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { applyReport, evaluate } from "../src/health.ts";
import { namedIn, withManifest } from "../src/lab.ts";
import { ConnectionTable } from "../src/report.ts";
import { Bench, connection, resource, type Sending } from "./support/bench.ts";

/** Counts what it is asked. */
class CountingTable extends ConnectionTable {
  looks = 0;
  made = 0;

  override has(topic: string) {
    this.looks++;
    return super.has(topic);
  }
  override peer(topic: string) {
    this.looks++;
    return super.peer(topic);
  }
  override idleMsAt(row: number) {
    this.looks++;
    return super.idleMsAt(row);
  }
  override stats(topic: string) {
    this.made++;
    return super.stats(topic);
  }
}

function laboratory(experiments: number) {
  const names = Array.from({ length: experiments }, (_, at) => `pend${at}`);
  const bench = new Bench(names.map((name) => resource(name, ["st-data", "st-video"])));
  const streams = names.flatMap((name) => [`${name}-st-data`, `${name}-st-video`]);
  bench.jump(names);
  bench.relay(Object.fromEntries(streams.map((topic) => [topic, 0])));
  return { bench, streams };
}

/** One more relay report of the same connections, through tables that count. */
function reportOf(experiments: number, sending: (at: number) => Sending) {
  const { bench, streams } = laboratory(experiments);
  const before = bench.lab, was = namedIn(before.relay);
  const { peers, figures } = ConnectionTable.of(streams.map((topic, at) => connection(topic, sending(at))));
  const table = new CountingTable(was.rows, peers, figures);
  const report = { feed: "relay", atMs: bench.nowMs, connections: table, entries: table.size, skipped: 0 } as const;
  const seen = applyReport(before, { ...report, generation: "measured", intervalMs: 5_000 }, bench.rules);
  return { before, table, streams, after: evaluate(seen, bench.rules, bench.nowMs) };
}

for (const experiments of [10, 100, 1_000]) {
  Deno.test(`a report of ${experiments} experiments in which nothing changed is gone through twice, and makes nothing`, () => {
    const { before, after: { lab, events }, table, streams } = reportOf(experiments, () => 500);
    assert.deepEqual([table.looks, table.made], [2 * streams.length, 0]);
    assert.deepEqual(events, []);
    assert.equal(lab.experiments, before.experiments);
    assert.ok(
      before.evaluatedBy !== null && lab.evaluatedBy === before.evaluatedBy,
      "experiments are not judged again by the same verdicts",
    );
    const { departed, verdicts, streaks, probeResults } = before.relay;
    assert.deepEqual([lab.relay.departed, lab.relay.verdicts, lab.relay.streaks, lab.relay.probeResults], [
      departed,
      verdicts,
      streaks,
      probeResults,
    ]);
    assert.ok(lab.relay.verdicts === verdicts && lab.relay.departed === departed && lab.jump === before.jump);
  });

  Deno.test(`of ${experiments} experiments one that falls silent makes itself anew, and no other`, () => {
    const { before, after: { lab, events }, table } = reportOf(experiments, (at) => at === 3 ? "silent" : 500);
    assert.deepEqual(events.map(({ experiment }) => experiment), ["pend1"]);
    const others = [...lab.experiments].filter(([name, each]) => before.experiments.get(name) !== each);
    assert.deepEqual(others.map(([name]) => name), ["pend1"]);
    assert.equal(table.made, 0);
  });
}

Deno.test("a manifest that says what it said makes no experiment anew, and is seen to have been read", () => {
  const { bench } = laboratory(3);
  const { experiments } = bench.lab;
  bench.nowMs += 60_000;
  const resources = ["pend0", "pend1", "pend2"].map((name) => resource(name, ["st-data", "st-video"]));
  bench.lab = withManifest(bench.lab, resources, bench.nowMs);
  assert.equal(bench.lab.experiments, experiments);
  assert.equal(bench.lab.listedMs, bench.nowMs);
});

const topics = ["pend00-st-data", "pend00-st-video", "spin31-st-data"];
const sending = fc.constantFrom<Sending | "gone">(0, 500, 20_000, "silent", "unmeasured", "gone");
const steps = fc.array(fc.record({
  passedMs: fc.nat(15_000),
  streams: fc.tuple(sending, sending, sending),
  hosts: fc.subarray(["pend00", "spin31", "goes42"]),
  resources: fc.subarray([
    resource("pend00", ["st-data"]),
    resource("pend00", ["st-video"], "r-video"),
    resource("spin31", []),
  ]),
}));

Deno.test("it is judged alike whether it is known or not that most is as it was", () => {
  fc.assert(fc.property(steps, fc.constantFrom(0, 20_000), (all, startupMs) => {
    const [one, other] = [0, 1].map(() => new Bench([], { startupMs })) as [Bench, Bench];
    for (const { passedMs, streams, hosts, resources } of all) {
      const there = topics.flatMap((topic, at) => streams[at] === "gone" ? [] : [[topic, streams[at]] as const]);
      const told = Object.fromEntries(there) as Record<string, Sending>;
      const deeds: ((bench: Bench) => string[])[] = [
        (bench) => (bench.lab = withManifest(bench.lab, resources, bench.nowMs), bench.judge()),
        (bench) => bench.jump(hosts),
        (bench) => bench.relay(told),
        (bench) => bench.pass(passedMs),
      ];
      for (const deed of deeds) {
        other.lab = { ...other.lab, relay: withOwnRows(other.lab.relay), evaluatedBy: null };
        assert.deepEqual(deed(one), deed(other));
      }
      assert.deepEqual(one.lab.experiments, other.lab.experiments);
      assert.deepEqual(one.lab.relay.departed, other.lab.relay.departed);
      assert.deepEqual(one.lab.relay.streaks, other.lab.relay.streaks);
    }
  }));
});

Deno.test("a stream that is missing and from now on required is told so though no verdict has changed", () => {
  const bench = new Bench([resource("pend00", [])]);
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": 0 });
  bench.nowMs += 10_001;
  bench.jump(["pend00"]);
  assert.deepEqual(bench.relay({}), ["pend00: missing pend00-st-data"]);
  bench.lab = withManifest(bench.lab, [resource("pend00", ["st-data"])], bench.nowMs);
  assert.deepEqual(bench.judge(), ["pend00: missing required pend00-st-data"]);
});

Deno.test("while an experiment starts nothing is kept of what was judged before it came", () => {
  const bench = new Bench([resource("pend00", [])], { startupMs: 60_000 });
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": 0 });
  bench.nowMs += 60_000;
  bench.jump(["pend00"]);
  bench.relay({ "pend00-st-data": 0 });
  assert.notEqual(bench.lab.evaluatedBy, null);

  bench.jump(["pend00", "spin31"]);
  assert.equal(bench.lab.evaluatedBy, null);
  const { lab } = bench;
  bench.judge();
  assert.equal(bench.lab, lab);
});

/** The feed with rows that no other report shares. */
function withOwnRows(feed: Bench["lab"]["relay"]): Bench["lab"]["relay"] {
  if (feed.newest.kind === "none") return feed;
  const { peers, figures, rows } = feed.newest.connections;
  // Another order than that of any report, so that the bench does not share them.
  const connections = new ConnectionTable(new Map([...rows].reverse()), peers, figures);
  return { ...feed, newest: { ...feed.newest, connections } };
}
