/** A reader that has heard a socket for a while says of each frame what one says that hears it as its first. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { frameOf } from "../scripts/bench/feed.ts";
import { buffersOf, type Decoded, DeltaDecoder, type FeedName, type ReportDelta, type Traffic } from "../src/report.ts";
import { FrameReader, splitFrame } from "../src/report_decoder.ts";
import { countedIn } from "./support/counted.ts";
import { decodeJump, decodeRelay, inFull, ReadSocket } from "./support/decoded.ts";

// What looks like the end of an entry, so that a piece is cut in the middle of a text.
const long = '"},{"'.repeat(500);
const whole = {
  ...{ scopes: ["host", "read", "expt"], canRead: true, canWrite: true, connected: "2026-11-22T07:00:00Z" },
  ...{ expiresAt: "2027-11-22T07:00:00Z", remoteAddr: "192.0.2.7", userAgent: "Go-http-client/1.1" },
};
const peers = [
  whole,
  { ...whole, scopes: whole.scopes.toReversed() },
  { ...whole, scopes: ["host", "expt"] },
  { ...whole, scopes: ["host", "expt", "expt"] },
  { ...whole, canRead: false },
  { ...whole, canWrite: false },
  { ...whole, connected: "2026-11-22T08:00:00Z" },
  { ...whole, expiresAt: "2027-11-22T08:00:00Z" },
  { ...whole, remoteAddr: "192.0.2.8" },
  { ...whole, userAgent: "Go-http-client/2.0" },
  { scopes: ["expt", "host"], connected: "2026-11-22T08:00:00Z", canWrite: true, userAgent: long, remoteAddr: long },
  { scopes: ["expt", "host"], connected: "2026-11-22T08:00:00Z", expiresAt: "\ud83d", remoteAddr: 7 },
  { scopes: ["read"], connected: "2026-11-22T08:00:00Z", userAgent: "somebody else's" },
];
const last = fc.constantFrom("35.123456ms", "1h2m3.456s", "Never", "", "a while ago", 35_123_456, null);
const traffic = fc.record({ last, size: fc.constantFrom(0, 1200), fps: fc.constant(9.9987) }, { requiredKeys: [] });
const stats = fc.oneof(fc.record({ tx: traffic, rx: traffic }, { requiredKeys: [] }), fc.constantFrom(null, "5ms"));
const entry = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.tuple(fc.constantFrom("pend00-st-data", "spin31", "b"), fc.constantFrom(...peers), stats)
      .map(([topic, peer, stats]) => ({ topic, ...peer, stats })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(7, {}, { topic: 7 }, { topic: "", scopes: ["read"] }, { topic: "b", scopes: "expt" }),
  },
);
// One that is larger than a piece has the same entries many times over, and is a few hundred thousand characters.
const report = fc.oneof(
  { weight: 5, arbitrary: fc.array(entry, { maxLength: 6 }) },
  { weight: 1, arbitrary: fc.array(entry, { minLength: 1, maxLength: 4 }).map((few) => Array(80).fill(few).flat()) },
);
const document = fc.oneof(
  { weight: 6, arbitrary: report },
  { weight: 1, arbitrary: fc.constantFrom(null, { cmd: "update" }, "x", [1, null]) },
);
const frame = fc.oneof(
  { weight: 6, arbitrary: document.map((each) => JSON.stringify(each)) },
  {
    weight: 2,
    arbitrary: fc.array(document, { minLength: 2, maxLength: 3 }).map((all) =>
      all.map((each) => JSON.stringify(each)).join("")
    ),
  },
  { weight: 1, arbitrary: report.map((each) => JSON.stringify(each).slice(0, -2)) },
);

/** What was said, in full: by the rules for documents, none of which has a memory. */
function meant(feed: FeedName, text: string) {
  const split = splitFrame(text);
  if (split.kind === "bad") return split;
  const decoded = (feed === "jump" ? decodeJump : decodeRelay)(split.documents);
  if (decoded === null) return { kind: "other" };
  return decoded.entries > 0 && decoded.entries === decoded.skipped
    ? { kind: "bad", why: `none of its ${decoded.entries} entries can be read` }
    : inFull(decoded);
}

for (const feed of ["jump", "relay"] as const) {
  Deno.test(`${feed}: whatever was said before, a frame says what it says to one who hears it first`, () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), (frames) => {
        const socket = new ReadSocket(feed);
        const heard: [decoded: Decoded, said: unknown][] = [];
        for (const text of frames) {
          const { read, decoded } = socket.hear(text);
          const said = decoded === null ? read : inFull(decoded);
          assert.deepEqual(said, meant(feed, text));
          if (decoded !== null) heard.push([decoded, said]);
        }
        for (const [decoded, said] of heard) assert.deepEqual(inFull(decoded), said, "a later report changed it");
      }),
      { numRuns: 300 },
    );
  });

  Deno.test(`${feed}: who is the same in two reports is the same object, and so are the tables of what is`, () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), (frames) => {
        const socket = new ReadSocket(feed);
        const reports = frames.flatMap((text) => socket.hear(text).decoded ?? []);
        for (const [at, now] of reports.slice(1).entries()) assertShared(reports[at]!, now);
      }),
      { numRuns: 300 },
    );
  });
}

function assertShared({ connections: before }: Decoded, { connections: now }: Decoded): void {
  const topicsOf = (table: Decoded["connections"]) => [...table.keys()].sort();
  const same = topicsOf(now).filter((topic) => isSame(before, now, topic));
  for (const topic of same) assert.equal(now.peer(topic), before.peer(topic));
  assert.equal(now.hasTopicsOf(before), String(topicsOf(now)) === String(topicsOf(before)));
  assert.equal(now.peers === before.peers, same.length === now.size);
}

function isSame(before: Decoded["connections"], now: Decoded["connections"], topic: string): boolean {
  const inWords = (table: Decoded["connections"]) => {
    const peer = table.peer(topic);
    return peer && JSON.stringify({ ...peer, scopes: peer.scopes.toSorted() });
  };
  return inWords(before) === inWords(now);
}

Deno.test("a report in which nothing but statistics changed hands over numbers and their texts, and nobody", () => {
  const [first, second] = columnsOf([0, 1].map((turn) => frameOf({ dialect: "relay", experiments: 100, turn })));

  assert.deepEqual([first!.peers.length, second!.peers.length, second!.gone], [200, 0, []]);
  assert.notDeepEqual(second!.figures?.numbers, first!.figures?.numbers);
});

Deno.test("what a large report says of every stream is told", () => {
  const text = frameOf({ dialect: "relay", experiments: 1_000, turn: 0 });
  const { decoded } = new ReadSocket("relay").hear(text);

  const said = (JSON.parse(text) as { topic: string; scopes: string[]; stats: Record<string, Traffic> }[])
    .filter(({ scopes }) => scopes.includes("expt"));
  assert.equal(decoded?.connections.size, 2_000);
  for (const { topic, stats } of said) {
    const { idle: _, ...tx } = decoded.connections.get(topic)!.stats!.tx;
    assert.deepEqual(tx, stats.tx);
  }
});

Deno.test("a report of ten times the experiments hands over ten times as much", () => {
  const sizes = [100, 1_000, 10_000].map((experiments) => {
    const columns = columnsOf([0, 1].map((turn) => frameOf({ dialect: "relay", experiments, turn })))[1]!;
    return (sum(buffersOf(columns).map(({ byteLength }) => byteLength)) + columns.figures!.lasts.length) / experiments;
  });

  assert.ok(Math.max(...sizes) < 1.05 * Math.min(...sizes), `bytes for each experiment: ${sizes}`);
  assert.ok(Math.max(...sizes) < 200);
});

Deno.test("a large report is parsed in pieces, every character of it once", () => {
  const text = frameOf({ dialect: "relay", experiments: 1_000, turn: 0 });
  const lengths = countedIn(JSON, "parse", () => new FrameReader("relay").read(text)).map(([piece]) => {
    return String(piece).length;
  });

  assert.ok(text.length > 900_000);
  assert.ok(Math.max(...lengths) < 67_000, `parsed at once: ${lengths}`);
  assert.ok(Math.abs(sum(lengths) - text.length) < 3 * lengths.length, `${sum(lengths)} of ${text.length} characters`);
});

Deno.test("a frame of a million empty objects is bad, and no more of them are there at once than a piece has", () => {
  const reader = new FrameReader("relay");
  const lengths = countedIn(JSON, "parse", () => {
    assert.deepEqual(reader.read(`[${"{},".repeat(1_000_000)}{}]`), {
      kind: "bad",
      why: "none of its 1000001 entries can be read",
    });
  }).map(([piece]) => String(piece).length);

  assert.ok(Math.max(...lengths) < 67_000);
});

Deno.test("where a report has the order of the last, few topics are looked for", () => {
  const reader = new FrameReader("relay");
  const [first, second] = [0, 1].map((turn) => frameOf({ dialect: "relay", experiments: 500, turn }));
  reader.read(first!);

  const lookUps = countedIn(Map.prototype, "get", () => reader.read(second!)).length;
  assert.ok(lookUps < 1_000 * 0.6, `${lookUps} of 1000 streams were looked up`);
});

Deno.test("a topic that leaves gives its row to the next that comes", () => {
  const columns = columnsOf(["ab", "b", "bc", "bcd"].map((present) => {
    return JSON.stringify([...present].map((topic) => ({ topic, scopes: ["expt"] })));
  }));

  assert.deepEqual(columns.map(({ peers, gone }) => [peers.map(([row, { topic }]) => row + topic), gone]), [
    [["0a", "1b"], []],
    [[], [0]],
    [["0c"], []],
    [["2d"], []],
  ]);
});

function columnsOf(frames: readonly string[]): ReportDelta[] {
  const reader = new FrameReader("relay"), mirror = new DeltaDecoder();
  return frames.map((text) => {
    const read = reader.read(text);
    assert.ok(read.kind === "report");
    mirror.apply(read.columns);
    return read.columns;
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

const good: Record<string, [text: string, documents: unknown[]]> = {
  "one document": ["[1]", [[1]]],
  "two reports with nothing between them": ["[1][2]", [[1], [2]]],
  "a request of somebody else, then a report": ['{"cmd":"update"}[]', [{ cmd: "update" }, []]],
  "white space around and between": [' [1]\r\n\t{"a":2}\n', [[1], { a: 2 }]],
  "brackets and quotes inside strings": ['["]","\\"[","\\\\"]{"}":"{"}', [["]", '"[', "\\"], { "}": "{" }]],
  "documents in documents": ['[[{"a":[[]]}],{}][]', [[[{ a: [[]] }], {}], []]],
  "empty reports as Go writes them": ["null[]nullnull", [null, [], null, null]],
  "bare values": ['true"a"-1.5e3 2false', [true, "a", -1500, 2, false]],
};
for (const [name, [text, documents]] of Object.entries(good)) {
  Deno.test(`splitFrame finds ${name}`, () => assert.deepEqual(splitFrame(text), { kind: "documents", documents }));
}

const bad: Record<string, [text: string, why: RegExp]> = {
  "nothing": ["", /^an empty frame$/],
  "nothing but white space": [" \n", /^an empty frame$/],
  "a document that is cut off": ['[{"a":1}', /^document 1 is not JSON: ./],
  "a second document that is cut off": ['[1][{"a":', /^document 2 is not JSON: ./],
  "a string that is cut off": ['["a', /^document 1 is not JSON: ./],
  "words": ["hello", /^document 1 is not JSON: ./],
  "words after a report": ["[1] bye", /^document 2 is not JSON: ./],
  "a comma between reports": ["[1],[2]", /^document 2 is not JSON: ./],
  "a bracket closed by a brace": ["[1}[2]", /^document 1 is not JSON: ./],
  "more documents than any queue holds": ["{}".repeat(10_001), /^more than 10000 documents in one frame$/],
};
for (const [name, [text, want]] of Object.entries(bad)) {
  Deno.test(`splitFrame calls ${name} bad`, () => {
    const frame = splitFrame(text);
    assert.ok(frame.kind === "bad");
    assert.match(frame.why, want);
  });
}

Deno.test("splitFrame: whatever arrays and objects are glued together come out again", () => {
  const documents = fc.array(fc.jsonValue().filter((value) => typeof value === "object" && value !== null), {
    minLength: 1,
  });
  fc.assert(fc.property(documents, fc.constantFrom("", " ", "\n"), (values, between) => {
    const texts = values.map((value) => JSON.stringify(value));
    const want = texts.map((text) => JSON.parse(text) as unknown);
    assert.deepEqual(splitFrame(texts.join(between)), { kind: "documents", documents: want });
  }));
});

Deno.test("splitFrame: a frame that lost its end is bad, wherever it was cut", () => {
  const glued = fc.array(fc.array(fc.record({ topic: fc.string() }), { minLength: 1 }), { minLength: 1, maxLength: 4 });
  fc.assert(fc.property(glued, fc.nat(), (values, seed) => {
    const last = JSON.stringify(values.at(-1));
    const cut = last.slice(0, 1 + seed % (last.length - 1));
    const text = values.slice(0, -1).map((value) => JSON.stringify(value)).join("") + cut;
    assert.equal(splitFrame(text).kind, "bad");
  }));
});
