/** Frames of any kind: reading them never throws, and whatever is read can be judged, kept, shown, mailed and measured. */
import assert from "node:assert/strict";
import { applyReport, evaluate } from "../../src/health.ts";
import type { Connection, Decoded, FeedName } from "../../src/report.ts";
import { Bench, resource } from "../../test/support/bench.ts";
import { inFull, ReadSocket } from "../../test/support/decoded.ts";
import { checkExits } from "../../test/support/exits.ts";
import { letter } from "../../test/support/letters.ts";
import { snapshot } from "../../test/support/snapshot.ts";
import { type FuzzTarget, hope } from "./fuzz_target.ts";

const relayEntry =
  '{"canRead":true,"canWrite":true,"connected":"2026-11-22T07:00:00.123456789Z","expiresAt":"2027-11-22T07:00:00Z",' +
  '"remoteAddr":"192.0.2.7","scopes":["read","write","expt"],"stats":{"tx":{"last":"35.123456ms","size":1200,"fps":24.9},' +
  '"rx":{"last":"Never","size":0,"fps":0}},"topic":"pend00-st-video","userAgent":"Go-http-client/1.1"}';
const jumpEntry =
  '{"can_read":true,"can_write":true,"connected_at":"2026-11-22T07:00:00Z","expires_at":"2027-11-22T07:00:00Z",' +
  '"remote_address":"192.0.2.7, 10.0.0.1","scopes":["host","read","write"],"statistcs":{"last":"1h2m3.456s"},' +
  '"topic":"pend00","user_agent":"Go-http-client/1.1"}';

// All go through the same Lab, as over a run of the program; it is begun anew before it becomes too large to go through.
const framesMax = 300;
const exitsEvery = 50;

export const frames: FuzzTarget = {
  samples: [
    `[${relayEntry}]`,
    `[${relayEntry},${relayEntry}][${relayEntry}]`,
    `[${jumpEntry}]`,
    `{"cmd":"update"}[${jumpEntry}]null[]`,
    `[{"topic":"spin31-st-data","scopes":["expt"],"connected":"2026-11-22T07:00:00Z"}]`,
  ],
  grammar: {
    words: [
      "expt",
      "host",
      "stats",
      "topic",
      "scopes",
      "last",
      "tx",
      "-st-",
      "pend00-st-data",
      "Never",
      "1h2m3.5s",
      "µs",
      "[",
      "]",
      "{",
      "}",
    ],
    isJson: true,
  },
  begin() {
    let bench = newBench();
    let count = 0;
    const sockets = { jump: new ReadSocket("jump"), relay: new ReadSocket("relay") };
    const seen = new Set<string>();
    return {
      async run(text) {
        if (++count % framesMax === 0) bench = newBench();
        const jump = sockets.jump.hear(text), relay = sockets.relay.hear(text);
        if (jump.decoded) report(bench, "jump", text, jump.decoded);
        if (relay.decoded) report(bench, "relay", text, relay.decoded);
        bench.pass(700);
        const outcome = `${shapeOf(jump)} ${shapeOf(relay)}`;
        if (!seen.has(outcome) || count % exitsEvery === 0) {
          await checkExits({ snapshot: snapshot(bench), letter: letterOf(bench) });
        }
        seen.add(outcome);
        return outcome;
      },
      end: async () => void (await checkExits({ snapshot: snapshot(bench), letter: letterOf(bench) })),
    };
  },
};

function newBench(): Bench {
  return new Bench([resource("pend00", ["st-data", "st-video"]), resource("spin31", ["st-data"])]);
}

function report(bench: Bench, feed: FeedName, text: string, decoded: Decoded): void {
  assert.deepEqual(
    inFull(decoded),
    inFull(new ReadSocket(feed).hear(text).decoded),
    "what came before changes nothing",
  );
  hope(decoded.connections.size + decoded.skipped <= decoded.entries, "no more is read and left out than there was");
  for (const [topic, each] of connectionsOf(decoded)) {
    const numbers = each.stats === null ? [] : [each.stats.tx, each.stats.rx].flatMap(({ idle, size, fps }) => [
      size,
      fps,
      idle.kind === "for" ? idle.ms : 0,
    ]);
    const texts = [each.connected, each.expiresAt, each.remoteAddr, each.userAgent, ...each.scopes];
    hope(each.topic === topic && topic.length > 0 && topic.length <= 256, "a topic is one");
    hope(numbers.every(Number.isFinite), "a number is one");
    hope(texts.every((text) => typeof text === "string" && text.length <= 500 && text.isWellFormed()), "a text is one");
    hope(typeof each.canRead === "boolean" && typeof each.canWrite === "boolean", "yes is yes");
  }
  const heard = { feed, atMs: bench.nowMs, ...decoded, intervalMs: 1_000 };
  bench.lab = applyReport(bench.lab, heard, bench.rules);
  bench.judge();
  const again = evaluate(bench.lab, bench.rules, bench.nowMs);
  hope(again.lab === bench.lab && again.events.length === 0, "judging twice changes nothing");
}

function letterOf(bench: Bench) {
  return letter({ events: [...bench.lab.experiments.values()].flatMap(({ events }) => events.slice(-2)) });
}

function connectionsOf({ connections }: Decoded): [string, Connection][] {
  return [...connections.keys()].map((topic) => [topic, connections.get(topic)!]);
}

function shapeOf({ read, decoded }: ReturnType<ReadSocket["hear"]>): string {
  if (read.kind === "bad") return `bad ${read.why.replaceAll(/\d+|".*"|'.*'|Unexpected token .*/g, "")}`;
  if (decoded === null) return "none";
  const idle = connectionsOf(decoded).map(([, { stats }]) => stats?.tx.idle ?? null);
  const longest = Math.max(0, ...idle.map((each) => each?.kind === "for" ? each.ms : 0));
  const kinds = [...new Set(idle.map((each) => each?.kind ?? "unmeasured"))].sort();
  const counts = [decoded.connections.size, decoded.skipped].map((count) => Math.min(count, 3));
  return `${counts.join("/")} ${decoded.generation} ${kinds.join()} ${Math.ceil(Math.log10(longest + 1))}`;
}
