/** What live readers cost must not grow with how many there are, nor with what they are not told of: work is counted. */
import assert from "node:assert/strict";
import { isSameExperiment, shownOf } from "../src/change_detector.ts";
import {
  changedMax,
  createExperimentChannel,
  createJsonChannel,
  createListChannel,
  Rows,
} from "../src/live_updates.ts";
import type { ConnectionInfo } from "../src/report.ts";
import { EncodedBody } from "../src/response_cache.ts";
import type { ExperimentView, Snapshot } from "../src/snapshot.ts";
import { wellLab } from "./support/app.ts";
import { connection } from "./support/bench.ts";
import { eventsIn, LiveLab, textOf } from "./support/live_lab.ts";
import { plain } from "./support/seen.ts";
import { snapshot } from "./support/snapshot.ts";

const names = Array.from({ length: 500 }, (_, at) => `pend${at}`);

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
  const lab = new LiveLab(names);
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
  const lab = new LiveLab(names);
  const nowMs = lab.snapshot.atMs;
  const channels = [
    createJsonChannel(lab.snapshot, nowMs, { addresses: false }),
    createListChannel(lab.snapshot, nowMs, "24h"),
  ];
  lab.change({ held: "repair" }, "pend7");
  const { seen, counts } = counted(lab.snapshot);
  for (const channel of channels) assert.notEqual(channel.next(seen, nowMs), null);

  assert.ok(counts.looks < channels.length * names.length + 50, `${counts.looks} looks`);
  assert.ok(counts.connections <= 1, `${counts.connections} connections`);
});

Deno.test("programs are told of a laboratory that changes as a whole some hundred experiments at a time, and of each once", () => {
  const lab = new LiveLab(names);
  const nowMs = lab.snapshot.atMs;
  const channel = createJsonChannel(lab.snapshot, nowMs, { addresses: false });
  lab.change({ held: "repair" }, ...names);
  const { seen, counts } = counted(lab.snapshot);
  const next = () => {
    const { looks } = counts;
    const piece = channel.next(seen, nowMs);
    return { looks: counts.looks - looks, events: piece === null ? [] : eventsIn(textOf([piece])) };
  };
  const pieces = [next(), next(), next(), next()];

  const last = names.length - 2 * changedMax;
  assert.deepEqual(pieces.map(({ looks }) => looks), [changedMax, changedMax, last, 0]);
  const told = pieces.flatMap(({ events }) => events).filter(({ name }) => name === "experiment");
  assert.deepEqual(told.map(({ data }) => JSON.parse(data).topic_name).sort(), names.toSorted());
  assert.deepEqual(pieces.map(({ events }) => events.at(-1)?.name), ["status", "status", "status", undefined]);
});

Deno.test("two hundred open experiments do not look for theirs in the whole list each", () => {
  const lab = new LiveLab(names);
  const nowMs = lab.snapshot.atMs;
  const window = "24h";
  const channels = names.slice(0, 200).map((name) => createExperimentChannel(lab.snapshot, nowMs, { name, window }));
  lab.change({ held: "repair" }, "pend7");
  const { seen, counts } = counted(lab.snapshot);
  for (const channel of channels) channel.next(seen, nowMs + 1);

  assert.ok(counts.lists < 20, `gone through ${counts.lists} times`);
});

Deno.test("programs that come within a second get the very same picture, unless something has changed", async () => {
  const lab = new LiveLab(names);
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
  const lab = new LiveLab(names);
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
