/** What is kept of what others say: how much of it, and how long a text may be. */
import assert from "node:assert/strict";
import { type BookGarbled, isBookError } from "../src/book_client.ts";
import { errorTextOf, sanitize } from "../src/failure.ts";
import { FrameReader, tooIntricate } from "../src/report_decoder.ts";
import { readSettings } from "../src/settings.ts";
import { AnsweringBook } from "./support/answering_book.ts";
import { Bench, connection, resource } from "./support/bench.ts";
import { countedIn } from "./support/counted.ts";
import { decodeJump, decodeRelay } from "./support/decoded.ts";
import { leastEnvironment } from "./support/environment.ts";
import { checkExits, checkMetrics, type Exits } from "./support/exits.ts";
import { hostileList, hostileTexts, megabyteOf, unsafe } from "./support/hostile.ts";
import { alert, event, letter, unhealthy } from "./support/letters.ts";
import { metrics, promtoolTest } from "./support/metrics.ts";
import { setUp } from "./support/monitor.ts";
import { snapshot } from "./support/snapshot.ts";

const never = new AbortController().signal;
const topic = "pend00-st-data";
const relayEntry = (fields: object) => ({ topic, scopes: ["expt"], stats: { tx: { last: "5ms" } }, ...fields });
const one = (fields: object) => decodeRelay([[relayEntry(fields)]])?.connections.get(topic);

Deno.test("of texts of a million characters in an entry a few hundred are kept", () => {
  const text = megabyteOf("ab");
  const kept = one({ userAgent: text, remoteAddr: text, connected: text, expiresAt: text, scopes: ["expt", text] });

  assert.deepEqual(
    [kept?.userAgent, kept?.remoteAddr, kept?.connected, kept?.expiresAt, kept?.scopes[1]].map((each) => each?.length),
    [500, 500, 500, 500, 100],
  );
});

Deno.test("of a million scopes the first are kept, and all of them decide", () => {
  const scopes = Array.from({ length: 1_000_000 }, (_, at) => `s${at}`);
  const host = decodeJump([[{ topic: "pend00", scopes: [...scopes, "host"] }]])?.connections.get("pend00");

  assert.equal(host?.scopes.length, 20);
});

Deno.test("what is kept has no half of a character, whether it came so or was cut", () => {
  const kept = one({ userAgent: "x".repeat(499) + "😀", remoteAddr: "\ud800y", scopes: ["expt", "\udc00"] });

  assert.deepEqual([kept?.userAgent.at(-1), kept?.remoteAddr, kept?.scopes], ["\ufffd", "\ufffdy", ["expt", "\ufffd"]]);
});

Deno.test("a last longer than any that Go writes makes the entry one that can't be read", () => {
  const decode = (last: string) => decodeRelay([[relayEntry({ stats: { tx: { last } } })]]);

  assert.equal(decode("1s".repeat(32))?.skipped, 0);
  assert.equal(decode(`${"1s".repeat(32)}1s`)?.skipped, 1);
  assert.equal(decode(megabyteOf("9"))?.skipped, 1);
});

const century = 100 * 365 * 86_400_000;
for (const last of ["2562047h47m16.854775807s", `${"9".repeat(60)}h`, 1e300, Number.MAX_VALUE]) {
  Deno.test(`a stream that was silent for ${last} was so for a century: no date of ours is further back`, () => {
    assert.deepEqual(one({ stats: { tx: { last } } })?.stats?.tx.idle, { kind: "for", ms: century });
  });
}

const bracketed: Record<string, string> = {
  "brackets that never close": megabyteOf("[") + "[",
  "brackets that close": megabyteOf("[") + megabyteOf("]"),
  "objects within objects": megabyteOf('{"a":') + megabyteOf("}"),
  "nothing but empty lists": `[${"[],".repeat(1_000_001)}[]]`,
  "nothing but empty objects, as several documents": "{}".repeat(1_000_001),
};
for (const [name, text] of Object.entries(bracketed)) {
  Deno.test(`a frame of ${name} is bad, and never read as JSON at one go`, () => {
    const parsed = countedIn(JSON, "parse", () => {
      const read = new FrameReader("relay").read(text);
      assert.match(
        read.kind === "bad" ? read.why : "taken",
        /^it is nested deeper than 64|^there are more than 1000000 /,
      );
    });
    assert.deepEqual(parsed.map(([piece]) => String(piece).length).filter((chars) => chars > 150_000), []);
  });
}

Deno.test("brackets in texts don't count, and neither do those of the largest report there could be", () => {
  const entry = JSON.stringify(relayEntry({ userAgent: '[[[{{{\\"[["'.repeat(10), stats: { tx: {}, rx: {} } }));

  assert.equal(tooIntricate(`[${Array.from({ length: 50_000 }, () => entry).join(",")}]`), null);
  assert.equal(tooIntricate(JSON.stringify(megabyteOf("[") + '"' + megabyteOf("\\"))), null);
});

Deno.test("of a manifest of 30,000 resources 20,000 are used and the others counted", async () => {
  const list = Array.from({ length: 30_000 }, (_, at) => [`r${at}`, { topic_stub: `e${at}`, streams: [] }]);
  await using server = new AnsweringBook(() => Response.json(Object.fromEntries(list)));

  const { resources, skipped } = await server.book.resources(never);
  assert.deepEqual([resources.length, skipped], [20_000, 10_000]);
});

Deno.test("sixty thousand made-up streams that come and go are one alert, and what was watched goes on being watched", async () => {
  const { clock, monitor, done, report, end } = setUp();
  monitor.manifest({ resources: [resource("pend00", ["st-data"])], skipped: 0, atMs: clock.nowMs() });
  for (let flood = 0; flood < 3; flood++) {
    const made = Array.from({ length: 20_000 }, (_, at) => connection(`made-up-${flood}-${at}-st-data`, 5));
    report("relay", connection("pend00-st-data", 5), ...made);
    await clock.advance(65_000);
    report("relay", connection("pend00-st-data", 5));
    await clock.advance(65_000);
  }
  report("relay", connection("pend00-st-data", "silent"));
  await clock.advance(0);

  assert.ok(monitor.snapshot().experiments.length <= 20_001);
  const told = done.flatMap((words) => words.match(/there are more|are watched again/g) ?? []);
  assert.deepEqual(told, ["there are more"]);
  assert.match(done.filter((words) => words.startsWith("owed")).at(-1)!, /pend00: unhealthy pend00-st-data/);
  await end();
});

const resources: Record<string, [name: string, wire: object]> = {
  "whose name is too long": ["r".repeat(257), { topic_stub: "a", streams: [] }],
  "with too many streams": ["r", { topic_stub: "a", streams: Array.from({ length: 101 }, (_, at) => `st-${at}`) }],
  "with a topic that no report can hold": ["r", { topic_stub: "a".repeat(250), streams: ["st-data"] }],
  "with a stub of a megabyte": ["r", { topic_stub: megabyteOf("a"), streams: [] }],
};
for (const [what, [name, wire]] of Object.entries(resources)) {
  Deno.test(`a resource ${what} is left out and counted`, async () => {
    const well = { topic_stub: "well", streams: [] };
    await using server = new AnsweringBook(() => Response.json({ [name]: wire, well }));

    const list = await server.book.resources(never);
    assert.deepEqual([list.resources.map(({ name }) => name), list.skipped], [["well"], 1]);
  });
}

for (const text of [megabyteOf("["), `{"r":${megabyteOf("[")}`, `{"r":{"x":[${"[],".repeat(1_000_001)}[]]}}`]) {
  Deno.test(`a manifest of ${text.slice(0, 12)}… is not read`, async () => {
    await using server = new AnsweringBook(() => new Response(text));
    await assert.rejects(server.book.resources(never), (error: BookGarbled) => isBookError(error) && error.retryable);
  });
}

Deno.test("of a reason of a megabyte the first words are kept, and none has half a character", async () => {
  const reasons = [megabyteOf("because "), "x\\ud800"];
  await using server = new AnsweringBook(() => new Response(`{"available":false,"reason":"${reasons.shift()}"}`));

  assert.equal((await server.book.availability("r", never)).reason.length, 500);
  assert.equal((await server.book.availability("r", never)).reason, "x\ufffd");
});

Deno.test("somebody else's words never move a terminal, turn writing round, begin a line or hold half a character", () => {
  for (const text of [...hostileList, ...hostileList.map(megabyteOf)]) {
    const words = sanitize(text);
    assert.doesNotMatch(words, unsafe);
    assert.doesNotMatch(words, /\n/);
    assert.ok(words.length <= 200);
  }
});

Deno.test("of a proxy's page only the beginning is looked at", () => {
  assert.equal(errorTextOf(`<html>${" ".repeat(20_000)}the end</html>`), "");
  assert.equal(errorTextOf(`${"<".repeat(16_384)}b>bold`), sanitize("<".repeat(300)));
});

/*  What somebody who makes up names could do with them, at every place where they come out. */

/** A laboratory in trouble, in which everything that others say is `text`, as far as the core could ever be given it. */
function labOf(text: string, name = text) {
  const topic = `${name}-st-data`;
  const bench = new Bench([resource(name, ["st-data"], name)]);
  bench.jump([name]);
  bench.relay({ [topic]: "silent", [`${name}-st-extra`]: 5 });
  bench.pass(15_000);
  const lost = alert("relay-lost", { detail: text });
  const error = { lastError: text, sinceMs: bench.nowMs, lastSuccessMs: null, waiting: 1 };
  const seen = snapshot(bench, { [name]: { available: false, reason: `unavailable because ${text}` } }, {
    alerts: new Map([[lost.code, lost]]),
    mail: { ...error, state: "failing", sent: 0, failed: 1, oldestMs: bench.nowMs },
    store: { ...error, state: "failing" },
  });
  return { snapshot: seen, letter: letter({ events: [event(name, [unhealthy(topic)])], alerts: [lost] }) };
}

/** As far as a name can come in by a frame; a lab of one called `..` has no pages of its own, as nothing can link to them. */
function nameOf(text: string): string | null {
  const name = text.slice(0, 200);
  if (name === "..") return null;
  const taken = decodeJump([[{ topic: name, scopes: ["host"] }]])?.connections.has(name);
  return taken && name.trim() !== "" ? name : null;
}

const plain = labOf("plain words");
let expected: Promise<Exits> | null = null;

const inBulk = [
  "an element",
  "a header of a mail",
  "emoji",
  "many backslashes",
  "quotes of a label",
  "a tower of accents",
];

for (const [what, text] of Object.entries(hostileTexts)) {
  for (const said of inBulk.includes(what) ? [text, megabyteOf(text)] : [text]) {
    const size = said.length > 1_000 ? ", a megabyte of it" : "";
    Deno.test(`${what}${size} is text wherever it comes out`, async () => {
      const lab = labOf(said, nameOf(text) ?? "pend00");
      const exits = await checkExits({ ...lab, style: { subject: said, link: "" } });
      const well = await (expected ??= checkExits({ ...plain, style: { subject: "x", link: "" } }));

      assert.deepEqual(exits.mailShape, well.mailShape, "the elements of the mail are ours");
      assert.deepEqual(exits.pageShape, well.pageShape, "the elements of the pages are ours");
      assert.equal(exits.mailText.split("\n").length, well.mailText.split("\n").length, "a line is a line");
    });
  }
}

Deno.test("whatever a connection says of itself, its entry is read or left out, and its topic is printable", () => {
  for (const text of Object.values(hostileTexts)) {
    for (const said of [text, megabyteOf(text)]) {
      const entry = { topic: said, scopes: ["expt", "host", said], userAgent: said, remoteAddr: said, connected: said };
      for (const decode of [decodeRelay, decodeJump]) {
        const decoded = decode([[entry, { ...entry, topic: "pend00-st-data", stats: { tx: { last: said } } }]]);
        assert.ok(decoded !== null && decoded.connections.size + decoded.skipped === 2);
        for (const topic of decoded.connections.keys()) {
          assert.doesNotMatch(topic, /[\p{Cc}\p{Cs}\p{Bidi_Control}]/u);
          assert.ok(topic.length <= 256);
        }
      }
    }
  }
});

Deno.test("what is said about settings that hold such texts moves no terminal, begins no line and is not long", () => {
  for (const text of Object.values(hostileTexts)) {
    const environment = {
      [`STATUS_${text}`]: "x",
      STATUS_EMAIL_HOST: text,
      STATUS_EMAIL_TO: text,
      STATUS_HOST_BOOK: text,
    };
    const { warnings, ...read } = readSettings({ ...leastEnvironment, ...environment }, () => "");
    for (const words of [...warnings, ...(read.kind === "faulty" ? read.faults : [])]) {
      assert.doesNotMatch(words, unsafe);
      assert.doesNotMatch(words, /\n/);
      assert.ok(words.length < 1_000);
    }
  }
});

promtoolTest("promtool can read the metrics of a laboratory of hostile names", async (promtool) => {
  const names = Object.values(hostileTexts).flatMap((text) => nameOf(text) ?? []);
  const bench = new Bench([...new Set(names)].map((name) => resource(name, ["st-data"])));
  bench.relay(Object.fromEntries(names.map((name) => [`${name}-st-data`, 5])));
  const text = await metrics().text(snapshot(bench));

  checkMetrics(text);
  assert.deepEqual(await promtool(["check", "metrics"], text), { success: true, says: "" });
});
