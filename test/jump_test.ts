import assert from "node:assert/strict";
import type { Connection } from "../src/report.ts";
import { splitFrame } from "../src/report_decoder.ts";
import { capturedFrames, testOfCaptures } from "./support/captures.ts";
import { decodeJump, inFull } from "./support/decoded.ts";

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
