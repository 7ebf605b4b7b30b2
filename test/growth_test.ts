/**
 * What a whole laboratory that changes at once costs, counted in work and not in time: whatever is done for each of its
 * experiments is done a few times, and none of it grows with how many others there are. And nobody waits until all is done.
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import type { DatabaseSync } from "node:sqlite";
import type { HealthEvent, Notification } from "../src/alerts.ts";
import { forEachYielding } from "../src/async.ts";
import type { ResourceState } from "../src/availability.ts";
import { ResourceTable } from "../src/book_sync.ts";
import { isSameExperiment, shownOf } from "../src/change_detector.ts";
import { applyReport, type DesiredAvailability, evaluate } from "../src/health.ts";
import { namedIn, withManifest } from "../src/lab.ts";
import {
  changedMax,
  createExperimentChannel,
  createJsonChannel,
  createListChannel,
  Rows,
} from "../src/live_updates.ts";
import { experimentsPerPart, samplesOf } from "../src/metric_definitions.ts";
import { newNotification } from "../src/notification.ts";
import type { StoreChange } from "../src/persisted.ts";
import { type ConnectionInfo, ConnectionTable } from "../src/report.ts";
import { EncodedBody } from "../src/response_cache.ts";
import type { ExperimentView, Snapshot } from "../src/snapshot.ts";
import { openSqliteStore } from "../src/sqlite_file.ts";
import { createWriter } from "../src/sqlite_store.ts";
import { checked } from "../src/store.ts";
import { openMemoryStore } from "../src/sqlite_file.ts";
import { wellLab } from "./support/app.ts";
import { Bench, connection, resource, type Sending } from "./support/bench.ts";
import { withFolder } from "./support/folder.ts";
import { eventsIn, LiveLab, textOf } from "./support/live_lab.ts";
import { MailDesk } from "./support/mail_desk.ts";
import { metrics, seriesOf } from "./support/metrics.ts";
import { setUp } from "./support/monitor.ts";
import { lab, rig } from "./support/page_lab.ts";
import { plain } from "./support/seen.ts";
import { snapshot } from "./support/snapshot.ts";
import { alterStore } from "./support/store_files.ts";
import { event, experiment, noonMs, saying, turn } from "./support/store_samples.ts";

const names = (count: number) => Array.from({ length: count }, (_, number) => `exp${String(number).padStart(6, "0")}`);

/** What a judgement records in which all of `count` experiments changed. */
function burst(count: number, eventOf: (name: string) => HealthEvent = (name) => event(name)): StoreChange[] {
  const events = names(count).map(eventOf);
  const letters = (["mail", "webhook"] as const).map((channel) => {
    return newNotification({ id: channel, channel, createdMs: noonMs }, { events, alerts: [] });
  });
  return [
    ...names(count).map((name) => saying.turn(name, turn(noonMs))),
    ...events.map(saying.event),
    ...names(count).map((name) => saying.experiment(experiment(name))),
    ...letters.map(saying.letter),
  ];
}

Deno.test("recording runs one statement for each change, of those that were prepared once", () => {
  for (const count of [10, 1_000]) {
    const { db, work } = countingDatabase();
    const writer = createWriter(db);
    const preparedFirst = work.prepared;
    for (const change of burst(count)) writer.write(change);
    assert.equal(work.prepared, preparedFirst);
    assert.equal(work.run, 3 * count + 2);
  }
});

Deno.test("ten times the experiments are ten times the bytes that are recorded", () => {
  const [few, many] = [100, 1_000].map((count) => {
    const { db, work } = countingDatabase();
    const writer = createWriter(db);
    for (const change of burst(count)) writer.write(change);
    return work.chars;
  });
  assert.ok(few && many && many / few > 9.5 && many / few < 10.5, `${few} and ${many} characters`);
});

Deno.test("an event is checked once, however many letters tell of it", async () => {
  const looks = async (changesOf: (event: HealthEvent) => StoreChange[]) => {
    let count = 0;
    const watched = {
      ...event("pend00"),
      get lastedMs() {
        return count++, 1;
      },
    };
    await checked(changesOf(watched));
    return count;
  };
  const alone = await looks((event) => [saying.event(event)]);
  const told = await looks((
    event,
  ) => [saying.event(event), ...[1, 2, 3].map((number) => saying.letter(letterOf(number, event)))]);
  assert.ok(alone > 0);
  assert.equal(told, alone);
});

Deno.test("of a laboratory that changes at once one mail is written, once", async () => {
  const desk = await MailDesk.open();
  await desk.news(...names(1_000));
  assert.equal(desk.got.length, 1);
  assert.equal(desk.writes, 1);
});

Deno.test("whether book has answered is seen without looking at each resource at each answer", () => {
  const looks = (count: number) => {
    let looked = 0;
    const ledger = new ResourceTable({ holds: "respect", writes: true }, () => {});
    ledger.adopt(names(count).map((name) => ({ name, stub: name, required: [] })));
    ledger.wish(new Map(names(count).map((name): [string, DesiredAvailability] => [name, { kind: "available" }])));
    const entries = [...ledger.jobs()];
    for (const entry of entries) {
      let state = entry.state;
      Object.defineProperty(entry, "state", { get: () => (looked++, state), set: (next) => state = next });
    }
    const said: ResourceState = { kind: "said", available: true, reason: "", atMs: 0 };
    for (const entry of entries) {
      assert.equal(ledger.isSettled, false);
      ledger.begin(entry);
      ledger.learn(entry, said);
      ledger.end(entry, true);
    }
    assert.equal(ledger.isSettled, true);
    return looked / count;
  };
  assert.ok(looks(1_000) <= looks(10) + 1, `${looks(10)} for each of 10, ${looks(1_000)} for each of 1,000`);
});

Deno.test("a first judgement of a whole laboratory is one record, with one event, one turn and one experiment each", async () => {
  for (const count of [10, 300]) {
    const { monitor, clock, recorded, report, end } = setUp();
    const resources = names(count).map((name) => ({ name: `r-${name}`, stub: name, required: [`${name}-st-data`] }));
    monitor.manifest({ resources, skipped: 0, atMs: clock.nowMs() });
    report("jump", ...names(count).map((name) => connection(name)));
    report("relay", ...names(count).map((name) => connection(`${name}-st-data`, 0)));
    await monitor.settled();
    await clock.advance(0);
    const kinds = Map.groupBy(recorded.flat(), ({ kind }) => kind);
    assert.deepEqual(["event", "experiment"].map((kind) => kinds.get(kind as StoreChange["kind"])?.length), [
      count,
      count,
    ]);
    assert.equal(recorded.filter((changes) => changes.some(({ kind }) => kind === "event")).length, 1);
    await end();
  }
});

Deno.test("while much is recorded all else has its turn, and a reader sees all of it or nothing", () =>
  withFolder(async (folder) => {
    const { store } = await openSqliteStore(`${folder}/status.db`, { nowMs: noonMs });
    for (const each of [store, openMemoryStore()]) {
      let turns = 0;
      const timer = setInterval(() => turns++, 0);
      await each.record(burst(5_000));
      clearInterval(timer);
      assert.ok(turns > 1, `${each.kind}: ${turns} turns`);
    }
    const recording = store.record(
      names(5_000).map((name) => saying.turn("pend00", turn(noonMs + Number(name.slice(3))))),
    );
    const seen = await store.turns("pend00", { sinceMs: 0, max: 10_000 });
    await recording;
    await store.close();
    assert.equal(seen.length, 5_000);
  }));

Deno.test("a record in slices that fails half way leaves nothing, and the next is whole", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`, last = names(3_000).at(-1)!;
    const { store } = await openSqliteStore(path, { nowMs: noonMs });
    const refuse = `BEFORE INSERT ON experiments WHEN new.name = '${last}' BEGIN SELECT RAISE(ABORT, 'half way'); END`;
    alterStore(path, `CREATE TRIGGER refuse ${refuse}`);
    await assert.rejects(store.record(burst(3_000)), /half way/);
    const left = await store.load({ events: 1, stateChanges: 1, runs: 1 });
    alterStore(path, "DROP TRIGGER refuse");
    await store.record(burst(3_000));
    const { experiments } = await store.load({ events: 1, stateChanges: 1, runs: 1 });
    await store.close();
    assert.deepEqual([left.experiments.length, left.stateChanges.size, left.notifications.length], [0, 0, 0]);
    assert.equal(experiments.length, 3_000);
  }));

Deno.test("few things are done in one go, without a pause", () => {
  const done: number[] = [];
  forEachYielding([1, 2, 3], (item) => done.push(item));
  assert.deepEqual(done, [1, 2, 3]);
});

Deno.test("what is done in pieces is done in order, to the first that fails", async () => {
  const done: number[] = [];
  const act = (item: number) => {
    if (item === 150) throw new Error("no");
    done.push(item);
    for (const endMs = performance.now() + 0.2; performance.now() < endMs;); // so that there are several pieces
  };
  await assert.rejects(forEachYielding(Array.from({ length: 200 }, (_, number) => number), act), /no/);
  assert.deepEqual(done, Array.from({ length: 150 }, (_, number) => number));
});

function letterOf(number: number, event: HealthEvent): Notification {
  return newNotification({ id: `letter ${number}`, channel: "mail", createdMs: noonMs }, {
    events: [event],
    alerts: [],
  });
}

/** A database that keeps nothing, and counts what it is asked. */
function countingDatabase() {
  const work = { prepared: 0, run: 0, chars: 0 };
  const statement = {
    get: () => ({ id: 0 }),
    run(...values: unknown[]) {
      work.run++;
      for (const value of values) if (typeof value === "string") work.chars += value.length;
      return { changes: 1 };
    },
  };
  const prepare = () => (work.prepared++, statement);
  return { db: { prepare } as unknown as DatabaseSync, work };
}

/*  What a judgement costs, counted in work and not in time: what makes it more than linear is seen here. */

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

/*  What live readers cost must not grow with how many there are, nor with what they are not told of: work is counted. */

const growthNames = Array.from({ length: 500 }, (_, at) => `pend${at}`);

/** `of`, and how many times its experiments have been looked at, and connections of theirs made for it. */
function counted(of: Snapshot) {
  const counts = { lists: 0, looks: 0, connections: 0 };
  const experiments = of.experiments.map((view): ExperimentView => ({
    ...view,
    get host() {
      counts.looks++;
      return {
        ...plain(view.host),
        get connection() {
          counts.connections++;
          return view.host.connection;
        },
      };
    },
  }));
  const seen: Snapshot = {
    ...of,
    get experiments() {
      counts.lists++;
      return experiments;
    },
  };
  return { seen, counts };
}

Deno.test("a report that changes nothing but times and statistics is not gone through for anybody who listens", () => {
  const lab = new LiveLab(growthNames);
  const nowMs = lab.snapshot.atMs;
  const channels = [
    createJsonChannel(lab.snapshot, nowMs, { addresses: false }),
    createListChannel(lab.snapshot, nowMs, "24h"),
    createListChannel(lab.snapshot, nowMs, "7d"),
  ];
  lab.report();
  const { seen, counts } = counted(lab.snapshot);
  for (const channel of channels) assert.equal(channel.next(seen, nowMs), null);

  assert.deepEqual(counts, { lists: 0, looks: 0, connections: 0 });
});

Deno.test("of a change each channel looks at each experiment once, and a connection is made for none but the row that is written", () => {
  const lab = new LiveLab(growthNames);
  const nowMs = lab.snapshot.atMs;
  const channels = [
    createJsonChannel(lab.snapshot, nowMs, { addresses: false }),
    createListChannel(lab.snapshot, nowMs, "24h"),
  ];
  lab.change({ held: "repair" }, "pend7");
  const { seen, counts } = counted(lab.snapshot);
  for (const channel of channels) assert.notEqual(channel.next(seen, nowMs), null);

  assert.ok(counts.looks < channels.length * growthNames.length + 50, `${counts.looks} looks`);
  assert.ok(counts.connections <= 1, `${counts.connections} connections`);
});

Deno.test("programs are told of a laboratory that changes as a whole some hundred experiments at a time, and of each once", () => {
  const lab = new LiveLab(growthNames);
  const nowMs = lab.snapshot.atMs;
  const channel = createJsonChannel(lab.snapshot, nowMs, { addresses: false });
  lab.change({ held: "repair" }, ...growthNames);
  const { seen, counts } = counted(lab.snapshot);
  const next = () => {
    const { looks } = counts;
    const piece = channel.next(seen, nowMs);
    return { looks: counts.looks - looks, events: piece === null ? [] : eventsIn(textOf([piece])) };
  };
  const pieces = [next(), next(), next(), next()];

  const last = growthNames.length - 2 * changedMax;
  assert.deepEqual(pieces.map(({ looks }) => looks), [changedMax, changedMax, last, 0]);
  const told = pieces.flatMap(({ events }) => events).filter(({ name }) => name === "experiment");
  assert.deepEqual(told.map(({ data }) => JSON.parse(data).topic_name).sort(), growthNames.toSorted());
  assert.deepEqual(pieces.map(({ events }) => events.at(-1)?.name), ["status", "status", "status", undefined]);
});

Deno.test("two hundred open experiments do not look for theirs in the whole list each", () => {
  const lab = new LiveLab(growthNames);
  const nowMs = lab.snapshot.atMs;
  const window = "24h";
  const channels = growthNames.slice(0, 200).map((name) =>
    createExperimentChannel(lab.snapshot, nowMs, { name, window })
  );
  lab.change({ held: "repair" }, "pend7");
  const { seen, counts } = counted(lab.snapshot);
  for (const channel of channels) channel.next(seen, nowMs + 1);

  assert.ok(counts.lists < 20, `gone through ${counts.lists} times`);
});

Deno.test("programs that come within a second get the very same picture, unless something has changed", async () => {
  const lab = new LiveLab(growthNames);
  let nowMs = lab.snapshot.atMs;
  const channel = createJsonChannel(lab.snapshot, nowMs, { addresses: false });
  const first = await channel.first(lab.snapshot, nowMs, null);
  for (let at = 0; at < 9; at++) {
    lab.report();
    assert.equal(await channel.first(lab.snapshot, nowMs += 100, null), first);
  }
  lab.change({ held: "repair" }, "pend7");
  const changed = await channel.first(lab.snapshot, nowMs, null);
  const later = await channel.first(lab.snapshot, nowMs + 1_000, null);

  assert.notEqual(changed, first);
  assert.notEqual(later, changed);
  assert.match(changed instanceof EncodedBody ? textOf(changed.pieces) : "", /"held":"repair"/);
});

Deno.test("what has been told of a row is kept without the report that it was read from", () => {
  const view = snapshot(wellLab(["pend00"]).bench).experiments[0]!;
  const told = shownOf(view);

  assert.ok(isSameExperiment(told, view));
  assertPlain(told);
});

Deno.test("rows told of in turn do not go through all of a laboratory", () => {
  const lab = new LiveLab(growthNames);
  const rows = new Rows(lab.snapshot);
  lab.report();
  let reads = 0;
  const experiments = lab.snapshot.experiments.map((view) => ({
    ...view,
    get streams() {
      reads++;
      return view.streams;
    },
  }));
  rows.oldest({ ...lab.snapshot, experiments });

  assert.ok(reads < 100, `${reads} experiments read`);
});

Deno.test("a connection that stays the same object is not looked into", () => {
  let reads = 0;
  const peer: ConnectionInfo = {
    ...connection("pend00", 0),
    get userAgent() {
      reads++;
      return "";
    },
  };
  const base = snapshot(wellLab(["pend00"]).bench).experiments[0]!;
  const view = () => ({ ...base, host: { verdict: "ok" as const, seenMs: 1, peer, stats: null, connection: null } });

  assert.ok(isSameExperiment(view(), view()));
  assert.equal(reads, 0);
});

/** Only objects and lists can be reached from `root`: a view holds more where nobody can see it. */
function assertPlain(root: unknown): void {
  if (typeof root !== "object" || root === null) return;
  assert.ok(["Object", "Array"].includes(root.constructor.name), `a ${root.constructor.name} is kept`);
  Object.values(root).forEach(assertPlain);
}

/*  What a scrape costs as the laboratory grows, counted: series, bytes and turns, not seconds. */

const figures = { deno: "2.9.6", residentBytes: 80_000_000, cpuSeconds: 1.5 };
const live = { readers: 0, queuedBytes: 0, dropped: 0 };

/** Of experiments with two streams each and names of one length. */
const labOf = (count: number): Snapshot => lab(Array.from({ length: count }, (_, at) => rig(`rig${10_000 + at}`)));

/** Metrics that count how often they were made, and let others have their turn. */
function growthCounted() {
  const count = { made: 0, pauses: 0 };
  const process = () => {
    count.made++;
    return figures;
  };
  const pause = () => {
    count.pauses++;
    return Promise.resolve();
  };
  return { count, metrics: metrics(0, { process, pause }) };
}

Deno.test("each experiment of two streams adds 15 series and as many bytes as the one before, however many there are", async () => {
  const { metrics } = growthCounted();
  const texts = await Promise.all([1_000, 2_000, 3_000].map((count) => metrics.text(labOf(count))));
  const [first = 0, second = 0, third = 0] = texts.map((text) => seriesOf(text, "status_\\w+").length);
  assert.deepEqual([second - first, third - second], [15_000, 15_000]);
  const [small = 0, middle = 0, large = 0] = texts.map((text) => text.length);
  assert.equal(large - middle, middle - small);
  assert.ok((large - middle) / 1_000 < 1_000, `${(large - middle) / 1_000} bytes for an experiment`);
});

Deno.test("no part of a scrape is of more than some hundred experiments, and all have their turn after each", async () => {
  const count = 3 * experimentsPerPart + 1;
  const names = [...samplesOf(labOf(count), { ...figures, live })].map((part) =>
    part.get("status_experiment_healthy")?.length ?? 0
  );
  assert.deepEqual(names, [0, experimentsPerPart, experimentsPerPart, experimentsPerPart, 1]);

  const { metrics, count: counts } = growthCounted();
  await metrics.text(labOf(count));
  assert.ok(counts.pauses >= names.length, `${counts.pauses} turns for all else`);
});

Deno.test("all who scrape at the same time get what is made once, and the next gets it anew", async () => {
  const { metrics, count } = growthCounted();
  const known = labOf(3);
  const texts = await Promise.all(Array.from({ length: 50 }, () => metrics.text(known)));

  assert.equal(count.made, 1);
  assert.equal(new Set(texts).size, 1);
  await metrics.text(known);
  assert.equal(count.made, 2, "how much memory the process takes is another by now");
});
