import assert from "node:assert/strict";
import { type Connection, splitTopic } from "../src/report.ts";
import { splitFrame } from "../src/report_decoder.ts";
import { capturedFrames, testOfCaptures } from "./support/captures.ts";
import { decodeJump, decodeRelay, inFull } from "./support/decoded.ts";

const host = {
  can_read: true,
  can_write: true,
  connected_at: "2026-11-22T07:00:00.123456789Z",
  expires_at: "2027-11-22T07:00:00Z",
  remote_address: "192.0.2.7, 10.0.0.1",
  scopes: ["read", "host", "write"],
  statistcs: { last: "2562047h47m16.854775807s" },
  topic: "pend00",
  user_agent: "Go-http-client/1.1",
};
const own = { ...host, scopes: null, topic: "stats", remote_address: "internal" };
const client = { ...host, scopes: ["client", "read", "write"], topic: "pend00/0b5f" };
const monitor = { ...host, scopes: ["stats", "read", "write"], topic: "stats" };

Deno.test("decodeJump tells of a host in our words", () => {
  const want: Connection = {
    topic: "pend00",
    scopes: ["host", "read", "write"],
    canRead: true,
    canWrite: true,
    connected: "2026-11-22T07:00:00.123456789Z",
    expiresAt: "2027-11-22T07:00:00Z",
    remoteAddr: "192.0.2.7, 10.0.0.1",
    userAgent: "Go-http-client/1.1",
    stats: null,
  };
  assert.deepEqual(inFull(decodeJump([[own, host, client, monitor]])), {
    connections: new Map([["pend00", want]]),
    entries: 4,
    skipped: 0,
    generation: "unmeasured",
  });
});

Deno.test("decodeJump reads camel case alike", () => {
  const camel = {
    canRead: true,
    canWrite: true,
    connectedAt: host.connected_at,
    expiresAt: host.expires_at,
    remoteAddress: host.remote_address,
    scopes: host.scopes,
    topic: host.topic,
    userAgent: host.user_agent,
  };
  assert.deepEqual(inFull(decodeJump([[camel]])), inFull(decodeJump([[host]])));
});

const hosts: Record<
  string,
  [documents: unknown[], want: { topics: string[]; entries: number; skipped: number } | null]
> = {
  "no document is no report": [[], null],
  "an object is no report": [[{ cmd: "update" }], null],
  "what jump says when a watcher leaves is no report": [[{ action: "disconnect", uri: "", uuid: "938a" }], null],
  "a bare value is no report": [[1], null],
  "an empty array is a report": [[[]], { topics: [], entries: 0, skipped: 0 }],
  "null is an empty report": [[null], { topics: [], entries: 0, skipped: 0 }],
  "users, monitors and jump itself are no experiments, and readable": [[[client, monitor, own]], {
    topics: [],
    entries: 3,
    skipped: 0,
  }],
  "an entry without scopes is nobody's": [[[{ topic: "pend00" }]], { topics: [], entries: 1, skipped: 0 }],
  "what can't be read is skipped and counted": [[["pend00", null, [], 7, { ...host, topic: "pend01" }]], {
    topics: ["pend01"],
    entries: 5,
    skipped: 4,
  }],
  "scopes that are no list are skipped": [[[{ ...host, scopes: "host" }, { ...host, scopes: ["host", 1] }]], {
    topics: [],
    entries: 2,
    skipped: 2,
  }],
  "a topic seen in any of several reports was seen": [[[host], { cmd: "update" }, [{ ...host, topic: "pend01" }]], {
    topics: ["pend00", "pend01"],
    entries: 2,
    skipped: 0,
  }],
};
for (const [name, [documents, want]] of Object.entries(hosts)) {
  Deno.test(`decodeJump: ${name}`, () => {
    const got = decodeJump(documents);
    assert.deepEqual(got && { topics: [...got.connections.keys()], entries: got.entries, skipped: got.skipped }, want);
  });
}

const topics: Record<string, [topic: unknown, isUsable: boolean]> = {
  "one character": ["p", true],
  "256 characters": ["p".repeat(256), true],
  "257 characters": ["p".repeat(257), false],
  "letters of any writing, and spaces": ["pendule n° 1 振り子 🎡", true],
  "nothing": ["", false],
  "a number": [7, false],
  "no topic at all": [undefined, false],
  "a line break": ["pend\n00", false],
  "a delete character": ["pend\u007f00", false],
  "a later control character": ["pend\u008500", false],
  "a line separator": ["pend\u202800", false],
  "an override of direction": ["pend\u202e00", false],
  "an isolate": ["pend\u206600", false],
  "a mark of direction": ["pend\u200f00", false],
  "half a character": ["pend\ud83d", false],
};
for (const [name, [topic, isUsable]] of Object.entries(topics)) {
  Deno.test(`a topic of ${name} ${isUsable ? "can be used" : "is skipped"}`, () => {
    assert.equal(decodeJump([[{ ...host, topic }]])?.skipped, isUsable ? 0 : 1);
  });
}

Deno.test("of two hosts on a topic the newer connection counts, in whatever order", () => {
  const newer = { ...host, connected_at: "2026-11-22T08:00:00.123456789Z", user_agent: "newer" };
  assert.equal(decodeJump([[host, newer]])?.connections.get("pend00")?.userAgent, "newer");
  assert.equal(decodeJump([[newer, host]])?.connections.get("pend00")?.userAgent, "newer");
});

Deno.test("of two reports in one frame the last counts", () => {
  const later = { ...host, user_agent: "later" };
  assert.equal(decodeJump([[host], [later]])?.connections.get("pend00")?.userAgent, "later");
  assert.equal(decodeJump([[later], [host]])?.connections.get("pend00")?.userAgent, "Go-http-client/1.1");
});

Deno.test("at most 50,000 connections are kept, and those beyond are counted", () => {
  const many = (count: number) => Array.from({ length: count }, (_, at) => ({ ...host, topic: `pend${at}` }));
  const one = decodeJump([many(50_002)]);
  const several = decodeJump([many(49_999), [...many(10), { ...host, topic: "a" }, { ...host, topic: "b" }]]);

  assert.deepEqual([one?.connections.size, one?.skipped], [50_000, 2]);
  assert.deepEqual([several?.connections.size, several?.skipped, several?.connections.has("a")], [50_000, 1, true]);
});

Deno.test("texts that nobody reads to their end are cut", () => {
  const got = decodeJump([[{ ...host, user_agent: "x".repeat(10_000) }]]);
  assert.equal(got?.connections.get("pend00")?.userAgent.length, 500);
});

testOfCaptures("the recording of jump is decoded with nothing skipped, and tells who was there", () => {
  const frames = capturedFrames("jump-v0.4.0.jsonl").map(({ at, frame }) => {
    const split = splitFrame(frame);
    assert.ok(split.kind === "documents", at);
    const decoded = decodeJump(split.documents);
    return {
      at: at.slice(11, 19),
      skipped: decoded?.skipped,
      hosts: decoded && [...decoded.connections.keys()].sort(),
    };
  });
  const hostsAt = (at: string) => frames.find((each) => each.at === at)?.hosts?.map((stub) => stub.slice(-1)).join("");

  assert.equal(frames.length, 38);
  assert.equal(frames.filter((each) => each.hosts === null).length, 3, "{action}, and {cmd} twice");
  assert.deepEqual(frames.filter((each) => each.hosts !== null && each.skipped !== 0), []);
  assert.equal(hostsAt("20:56:07"), "", "nobody is connected");
  assert.equal(hostsAt("20:56:17"), "01", "pend00 and pend01 have arrived");
  assert.equal(hostsAt("20:56:52"), "0123");
  assert.equal(hostsAt("20:57:07"), "012", "pend03's host has gone");
  assert.equal(hostsAt("20:57:12"), "0123", "and come back");
  assert.equal(hostsAt("20:57:37"), "0123", "a client of pend00 is nobody's host");
  assert.equal(hostsAt("20:58:02"), "", "every experiment has gone");
});

const topic = "pend00-st-video";
const plain = {
  canRead: true,
  canWrite: true,
  connected: "2026-11-22T07:00:00Z",
  expiresAt: "2027-11-22T07:00:00Z",
  remoteAddr: "192.0.2.7",
  scopes: ["read", "write", "expt"],
  topic,
  userAgent: "Go-http-client/1.1",
};
const quiet = { last: "Never", size: 0, fps: 0 };
const sending = (last: unknown) => ({ ...plain, stats: { tx: { last, size: 1200, fps: 24.9 }, rx: quiet } });
const user = { ...plain, scopes: ["read"], stats: { tx: quiet, rx: { last: "5ms", size: 1200, fps: 24.9 } } };

const decoded: Connection = {
  topic,
  scopes: ["expt", "read", "write"],
  canRead: true,
  canWrite: true,
  connected: "2026-11-22T07:00:00Z",
  expiresAt: "2027-11-22T07:00:00Z",
  remoteAddr: "192.0.2.7",
  userAgent: "Go-http-client/1.1",
  stats: null,
};

Deno.test("decodeRelay tells of a measured stream in our words", () => {
  const stats: Connection["stats"] = {
    tx: { last: "35.123456ms", idle: { kind: "for", ms: 35.123456 }, size: 1200, fps: 24.9 },
    rx: { last: "Never", idle: { kind: "never" }, size: 0, fps: 0 },
  };
  assert.deepEqual(inFull(decodeRelay([[user, sending("35.123456ms")]])), {
    connections: new Map([[topic, { ...decoded, stats }]]),
    entries: 2,
    skipped: 0,
    generation: "measured",
  });
});

Deno.test("decodeRelay tells of a stream of relay v0.8 on, which has no statistics", () => {
  const want = { connections: new Map([[topic, decoded]]), entries: 1, skipped: 0, generation: "unmeasured" };
  assert.deepEqual(inFull(decodeRelay([[plain]])), want);
  assert.deepEqual(inFull(decodeRelay([[{ ...plain, stats: null }]])), want);
});

Deno.test("decodeRelay reads snake case, where false and zero are left out", () => {
  const snake = {
    can_read: true,
    connected_at: plain.connected,
    expires_at: plain.expiresAt,
    remote_addr: plain.remoteAddr,
    scopes: plain.scopes,
    stats: { tx: { last: "5ms" }, rx: {} },
    topic,
    user_agent: plain.userAgent,
  };
  const stats: Connection["stats"] = {
    tx: { last: "5ms", idle: { kind: "for", ms: 5 }, size: 0, fps: 0 },
    rx: { last: "", idle: { kind: "never" }, size: 0, fps: 0 },
  };
  assert.deepEqual(decodeRelay([[snake]])?.connections.get(topic), {
    ...decoded,
    scopes: plain.scopes,
    canWrite: false,
    stats,
  });
  assert.equal(
    decodeRelay([[{ ...snake, connected_at: undefined, connected: "x" }]])?.connections.get(topic)?.connected,
    "x",
  );
});

const lasts: Record<string, [last: unknown, want: number | "never" | "skipped"]> = {
  "a duration": ["1m2.5s", 62_500],
  "Never": ["Never", "never"],
  "never in small letters": ["never", "never"],
  "NEVER in capitals": ["NEVER", "never"],
  "empty": ["", "never"],
  "absent": [undefined, "never"],
  "null": [null, "never"],
  "a number of nanoseconds": [35_123_456, 35.123456],
  "zero nanoseconds": [0, 0],
  "a little in the future": ["-3ms", 0],
  "words": ["a while ago", "skipped"],
  "a bare number in a text": ["35", "skipped"],
  "a number beyond all": [Infinity, "skipped"],
  "an object": [{}, "skipped"],
  "a truth": [true, "skipped"],
};
for (const [name, [last, want]] of Object.entries(lasts)) {
  Deno.test(`decodeRelay: a last that is ${name} means ${typeof want === "number" ? `${want} ms` : want}`, () => {
    const got = decodeRelay([[sending(last)]]);
    const idle = got?.connections.get(topic)?.stats?.tx.idle;
    assert.equal(got?.skipped === 1 ? "skipped" : idle?.kind === "for" ? idle.ms : idle?.kind, want);
  });
}

Deno.test("a number of nanoseconds is shown with its unit", () => {
  assert.equal(decodeRelay([[sending(35_123_456)]])?.connections.get(topic)?.stats?.tx.last, "35123456ns");
});

const odd: Record<string, [stats: unknown, want: "never" | "skipped"]> = {
  "statistics without tx": [{ rx: quiet }, "never"],
  "statistics with an unreadable tx": [{ tx: "5ms", rx: quiet }, "skipped"],
  "statistics that are a text": ["5ms", "skipped"],
  "an unreadable rx, which matters to nobody": [{ tx: quiet, rx: { last: "?" } }, "never"],
};
for (const [name, [stats, want]] of Object.entries(odd)) {
  Deno.test(`decodeRelay: ${name} means ${want}`, () => {
    const got = decodeRelay([[{ ...plain, stats }]]);
    assert.equal(got?.skipped === 1 ? "skipped" : got?.connections.get(topic)?.stats?.tx.idle.kind, want);
  });
}

Deno.test("a user's statistics are not read, so they can't be wrong", () => {
  assert.equal(decodeRelay([[{ ...user, stats: { tx: { last: "?" } } }]])?.skipped, 0);
});

const rivals: Record<string, [entries: unknown[], wantLast: string | null]> = {
  "the one that sent last": [[sending("9.7s"), sending("529ms")], "529ms"],
  "one that sent rather than one that never did": [[sending("Never"), sending("1h0m0s")], "1h0m0s"],
  "a measured one rather than one without statistics": [[plain, sending("9.7s")], "9.7s"],
  "one without statistics rather than one that never sent": [[sending("Never"), plain], null],
  "no user, however lively": [[{ ...sending("1ms"), scopes: ["read", "write"] }, sending("9.7s")], "9.7s"],
};
for (const [name, [entries, wantLast]] of Object.entries(rivals)) {
  Deno.test(`of several entries on a topic counts ${name}`, () => {
    for (const report of [entries, entries.toReversed()]) {
      assert.equal(decodeRelay([report])?.connections.get(topic)?.stats?.tx.last ?? null, wantLast);
    }
  });
}

const lastOf = (documents: unknown[]) => decodeRelay(documents)?.connections.get(topic)?.stats?.tx.last;

Deno.test("where several reports in a frame differ the last counts, though it be less lively", () => {
  assert.equal(lastOf([[sending("5ms")], [sending("9.7s")]]), "9.7s");
  assert.equal(lastOf([[sending("9.7s")], { cmd: "update" }, [sending("5ms")]]), "5ms");
});

Deno.test("a stream that only the first of several reports has was seen", () => {
  assert.equal(lastOf([[sending("5ms")], []]), "5ms");
  assert.equal(lastOf([[sending("5ms")], null]), "5ms");
});

const generations: Record<string, [documents: unknown[], want: string | undefined]> = {
  "a report without streams": [[[user]], "measured"],
  "one without statistics": [[[plain]], "unmeasured"],
  "one of some streams with and some without": [[[plain, { ...sending("5ms"), topic: "x-st-y" }]], "measured"],
  "two glued reports of a stream, the first with statistics": [[[sending("5ms")], [plain]], "unmeasured"],
  "two glued reports of a stream, the last with statistics": [[[plain], [sending("5ms")]], "measured"],
  "no report": [[{ cmd: "update" }], undefined],
};
for (const [name, [documents, want]] of Object.entries(generations)) {
  Deno.test(`the generation of ${name} is ${want}`, () => assert.equal(decodeRelay(documents)?.generation, want));
}

Deno.test("a topic that is no experiment's is told of all the same", () => {
  assert.deepEqual([...decodeRelay([[{ ...plain, topic: "lobby" }]])?.connections.keys() ?? []], ["lobby"]);
});

const relayTopics: Record<string, { stub: string; stream: string } | null> = {
  "pend00-st-video": { stub: "pend00", stream: "st-video" },
  "pend00-st-video-alt": { stub: "pend00", stream: "st-video-alt" },
  "a-st-b-st-data": { stub: "a-st-b", stream: "st-data" },
  "pend-00-st-data": { stub: "pend-00", stream: "st-data" },
  "-st-data": null,
  "pend00-st-": null,
  "pend00-data": null,
  "stats": null,
  "": null,
};
for (const [name, want] of Object.entries(relayTopics)) {
  Deno.test(`splitTopic: "${name}" is ${want ? `${want.stream} of ${want.stub}` : "no experiment's"}`, () => {
    assert.deepEqual(splitTopic(name), want);
  });
}

function replay(file: string) {
  return capturedFrames(file).map(({ at, frame }) => {
    const split = splitFrame(frame);
    assert.ok(split.kind === "documents", at);
    return { at: at.slice(11, 19), decoded: decodeRelay(split.documents) };
  });
}

for (const [version, generation] of [["v0.7.0", "measured"], ["v0.9.3", "unmeasured"]]) {
  testOfCaptures(`the recording of relay ${version} is decoded with nothing skipped, and tells who was there`, () => {
    const frames = replay(`relay-${version}.jsonl`);
    const streamsAt = (at: string) => {
      const found = frames.find((each) => each.at.startsWith(at) && each.decoded !== null)?.decoded?.connections.keys();
      return [...found ?? []].map((each) => each.replace("pend0", "").replace("-st-", "").slice(0, 2)).sort().join(" ");
    };
    const all = "0d 0v 1d 1v 2d 2v 3d 3v";

    assert.deepEqual(frames.filter(({ decoded }) => decoded !== null && decoded.skipped > 0), []);
    assert.equal(streamsAt("20:56:09"), "", "nobody is connected");
    assert.equal(streamsAt("20:56:15"), "0d 0v", "pend00 has arrived");
    assert.equal(streamsAt("20:56:45"), all);
    assert.equal(streamsAt("20:57:03"), "0d 0v 1d 1v 2v 3d 3v", "pend02-st-data has vanished");
    assert.equal(streamsAt("20:57:15"), all, "and come back");
    assert.equal(streamsAt("20:57:39"), "0d 0v 1d 1v 2v 3d 3v", "only a user is on pend02-st-data");
    assert.equal(streamsAt("20:57:51"), all);
    assert.equal(streamsAt("20:57:52"), all, "a report glued to somebody's {cmd: update}");
    assert.equal(streamsAt("20:58:1"), "", "every experiment has gone");
    const whole = frames.find(({ at }) => at.startsWith("20:56:45"))?.decoded;
    assert.equal(whole?.generation, generation);
  });
}

testOfCaptures("the recording of relay v0.7.0 tells which streams were sending", () => {
  const frames = replay("relay-v0.7.0.jsonl");
  const idleMs = (at: string, stream: string) => {
    const idle = frames.find((each) => each.at === at)?.decoded?.connections.get(stream)?.stats?.tx.idle;
    return idle?.kind === "for" ? Math.round(idle.ms) : idle?.kind;
  };

  assert.equal(idleMs("20:56:33", "pend01-st-video"), 678);
  assert.equal(idleMs("20:56:51", "pend01-st-video"), 17_680, "stalled for 18 s");
  assert.equal(idleMs("20:56:57", "pend01-st-video"), 664, "it talks again");
  assert.equal(idleMs("20:57:21", "pend00-st-video"), 538, "a second connection beside the silent first");
  assert.equal(idleMs("20:57:27", "pend00-st-video"), 530);
  assert.equal(idleMs("20:57:33", "pend00-st-video"), 523, "with a user who never sends on the same topic");
});
