/** The real program in a laboratory whose every name somebody made up to do harm: what comes in by real frames goes out as text. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { ExperimentJson } from "../../src/api_schema.ts";
import { decodeJump, decodeRelay } from "../support/decoded.ts";
import { checkMetrics, eventsOf } from "../support/exits.ts";
import { hostileList, unsafe } from "../support/hostile.ts";
import { elementsOf } from "../support/html.ts";
import { Station } from "../support/station.ts";

// What no topic can hold never gets that far (`entry`); what no address can say is left out of the manifest (`book`).
const names = hostileList.filter((name) => takesHost(name) && takesStream(`${name}-st-data`));

function takesHost(topic: string): boolean {
  return decodeJump([[{ topic, scopes: ["host"] }]])?.connections.has(topic) === true;
}

function takesStream(topic: string): boolean {
  return decodeRelay([[{ topic, scopes: ["expt"] }]])?.connections.has(topic) === true;
}

async function hostileStation(): Promise<Station> {
  const station = await Station.with({
    env: { STATUS_EMAIL_SUBJECT: "lab =?utf-8?Q?=0D=0ABcc:_x@y.example?=", STATUS_API_ADDRESSES: "true" },
  });
  for (const name of names) station.world.addExperiment(name, { resource: name, streams: ["st-data"] });
  station.world.loadManifest();
  await station.start();
  return station;
}

Deno.test("hostile names come out of the real program as they are, as text, and nothing else comes with them", async () => {
  await using station = await hostileStation();
  const { world } = station;
  const listed = names.filter((name) => name !== "..");
  await station.until(async () => (await told(station)) === names.length + 1, "every experiment to have been told of");
  for (const name of names) world.stream(`${name}-st-data`).stall();
  await station.until(
    () => listed.every((name) => world.book.availability(name)?.available === false),
    "every experiment to be taken off book by its own name",
  );
  const mail = await station.mail(/new health events \(\d+ issues, 0 ok\)/);

  await checkMails(station);
  assert.match(mail.text, /\n[^\n]+ (?:>< {3}U|-- A {3}) \[unhealthy [^\n]+\]\n/);
  const paths = new Set(world.book.requests.map(({ path }) => path.split("?")[0]!.replace(/.*\/resources\/?/, "")));
  const known = new Set([...listed, "", "r-pend00"]);
  for (const path of paths) assert.ok(known.has(decodeURIComponent(path)), `book was asked for ${path}`);

  const all = await station.json<ExperimentJson[]>("/api/v1/experiments");
  assert.deepEqual(all.map(({ topic_name }) => topic_name).sort(), [...new Set([...names, "pend00"])].sort());
  for (const { topic_name: name, stream_ok: ok } of all.filter(({ topic_name }) => topic_name !== "pend00")) {
    assert.deepEqual(Object.entries(ok), [[`${name}-st-data`, false]]);
  }
  await checkReaders(station);
  await checkRestart(station, all);
  checkLog(station.log);
});

/** How many experiments have had an event, which is told in a mail. */
async function told(station: Station): Promise<number> {
  const all = await station.json<ExperimentJson[]>("/api/v1/experiments");
  return all.filter(({ health_events: count }) => count > 0).length;
}

async function checkMails(station: Station): Promise<void> {
  await station.reports(2);
  for (const { raw, headers, text, subject, html, envelopeTo } of station.world.mailbox.mails) {
    assert.deepEqual(envelopeTo, ["maintainers@lab.example.org"]);
    assert.deepEqual([headers.get("to"), headers.has("cc"), headers.has("bcc")], [
      "maintainers@lab.example.org",
      false,
      false,
    ]);
    assert.doesNotMatch(raw.split("\r\n\r\n")[0]!, /^bcc:/im);
    assert.doesNotMatch(text, unsafe);
    assert.doesNotMatch(subject, unsafe);
    assert.match(subject, /^lab = \?utf-8\?Q\?/);
    const tags = new Set(elementsOf(html).map(({ tag }) => tag));
    assert.deepEqual([...tags].filter((tag) => /^(?:script|img|iframe|svg|form|input|a)$/.test(tag)), []);
  }
}

async function checkReaders({ url, port }: Station): Promise<void> {
  const page = await fetch(url);
  assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  for (const { tag, attributes } of elementsOf(await page.text())) {
    assert.ok(!Object.keys(attributes).some((name) => name.startsWith("on")), `${tag} acts`);
    assert.ok(tag !== "script" || attributes.src?.startsWith("api/"), "no script but ours");
    const href = attributes.href ?? "#";
    assert.equal(new URL(href, url).host, `127.0.0.1:${port}`, `${href} leads elsewhere`);
  }
  checkMetrics(await (await fetch(`${url}metrics`)).text());
  const live = await fetch(`${url}api/v1/live`);
  const reader = live.body!.getReader();
  let bytes = new Uint8Array();
  while (wholeEventsOf(bytes).length < names.length + 2) {
    const { value } = await reader.read();
    bytes = new Uint8Array([...bytes, ...value!]);
  }
  await reader.cancel();
  const told = wholeEventsOf(bytes);
  assert.deepEqual([...new Set(told.map(({ name }) => name))].sort(), ["experiment", "status"]);
  for (const { data } of told) assert.equal(typeof JSON.parse(data), "object");
}

/** Those that have come to their end: a piece of a stream ends anywhere, in the middle of a character too. */
function wholeEventsOf(bytes: Uint8Array): ReturnType<typeof eventsOf> {
  const end = Buffer.from(bytes).lastIndexOf("\n\n");
  return end < 0 ? [] : eventsOf(bytes.subarray(0, end));
}

/** What was stored is what comes back, to the character, and nobody is told twice. */
async function checkRestart(station: Station, before: readonly ExperimentJson[]): Promise<void> {
  const eventsOfAll = async () => {
    const texts = before.map(({ topic_name }) => topic_name).filter((name) => name !== "..");
    return await Promise.all(
      texts.map((name) => station.json(`/api/v1/experiments/events/${encodeURIComponent(name)}`)),
    );
  };
  const events = await eventsOfAll();
  const mails = station.mailCount;
  assert.equal((await station.end("SIGTERM")).code, 0);
  await station.start();
  await station.until(async () => (await station.states()).relay === "live", "relay to report again");
  await station.reports(15);

  assert.deepEqual(await eventsOfAll(), events);
  assert.equal(station.mailCount, mails);
}

function checkLog(log: string): void {
  for (const line of log.trimEnd().split("\n")) {
    assert.equal(typeof JSON.parse(line), "object");
    assert.doesNotMatch(line, unsafe);
  }
}
