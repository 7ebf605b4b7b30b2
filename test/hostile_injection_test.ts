/** What somebody who makes up names could do with them, at every place where they come out. */
import assert from "node:assert/strict";
import { readSettings } from "../src/settings.ts";
import { Bench, resource } from "./support/bench.ts";
import { decodeJump, decodeRelay } from "./support/decoded.ts";
import { leastEnvironment } from "./support/environment.ts";
import { checkExits, checkMetrics, type Exits } from "./support/exits.ts";
import { hostileTexts, megabyteOf, unsafe } from "./support/hostile.ts";
import { alert, event, letter, unhealthy } from "./support/letters.ts";
import { metrics, promtoolTest } from "./support/metrics.ts";
import { snapshot } from "./support/snapshot.ts";

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
