/** The stand-in world's mail server: what arrives is kept whole, and it fails at each stage of the conversation. */
import assert from "node:assert/strict";
import { createTransport } from "nodemailer";
import type { SessionFault } from "../../scripts/simulator/fault.ts";
import type { Service, World, WorldOptions } from "../../scripts/simulator/world.ts";
import { access, alone, claimsFor, Listener, sign, withWorld } from "../support/world_client.ts";

Deno.test("a mail arrives whole: parsed, with its envelope and what the client called itself", async () => {
  await withWorld({}, async (world) => {
    await send(world, { text: "all is well\n", html: "<p>all is well</p>" });
    const [mail] = world.mailbox.mails;
    assert.deepEqual(
      [
        mail?.subject,
        mail?.text,
        mail?.html,
        mail?.messageId,
        mail?.headers.get("x-odd"),
        mail?.ehlo,
        mail?.envelopeTo,
      ],
      ["news", "all is well\n", "<p>all is well</p>", "<1@lab.example.org>", "a b", "lab.example.org", [
        "b@example.org",
      ]],
    );
  });
});

for (const stage of ["CONNECT", "MAIL", "RCPT", "DATA"] as const) {
  Deno.test(`a mail server that refuses ${stage}, or hangs there, takes no mail until it is started again`, async () => {
    await withWorld({}, async (world) => {
      world.mailbox.refuse(stage, 550, "not from you");
      await assert.rejects(send(world), { responseCode: 550 });
      world.mailbox.hang(stage);
      await assert.rejects(send(world, {}, impatient), { code: "ETIMEDOUT" });
      assert.equal(world.mailbox.mails.length, 0);
      await world.mailbox.start();
      await send(world);
      assert.equal(world.mailbox.mails.length, 1);
    });
  });
}

Deno.test("a mail server that asks for a login takes the right one alone", async () => {
  await withWorld({ smtpAuth: { user: "status", password: "made up" } }, async (world) => {
    await assert.rejects(send(world), { code: "EENVELOPE" });
    await assert.rejects(send(world, {}, { auth: { user: "status", pass: "wrong" } }), { responseCode: 535 });
    await send(world, {}, { auth: { user: "status", pass: "made up" } });
    assert.equal(world.mailbox.mails.length, 1);
  });
});

Deno.test("a message that was taken without a word is there, and marked so; the next is answered", async () => {
  await withWorld({}, async (world) => {
    world.mailbox.dropAfterData();
    await assert.rejects(send(world));
    await send(world);
    assert.deepEqual(world.mailbox.mails.map(({ answered }) => answered), [false, true]);
  });
});

/** For one who waits in vain alone: a busy machine takes longer than that over a mail that goes. */
const impatient = { greetingTimeout: 300, socketTimeout: 300 };

async function send(world: World, mail = {}, given = {}): Promise<void> {
  const transport = createTransport({
    ...{ host: "127.0.0.1", port: world.mailbox.port, name: "lab.example.org", ignoreTLS: true, ...given },
  });
  const envelope = { from: "a@example.org", to: "b@example.org", messageId: "<1@lab.example.org>" };
  await transport.sendMail({ subject: "news", text: "x", headers: { "X-Odd": "a b" }, ...envelope, ...mail });
  transport.close();
}

/*
 * The stand-in world says what the real services were recorded saying: every REST exchange, and the shape of every kind of
 * entry in a report. Needs the recordings beside the repository.
 */

const recordings = new URL("../../../shared/captures/", import.meta.url);
const ignore = !isThere(recordings);
const note = ignore ? " (not run: the recordings are not at ../shared/captures)" : "";

interface Exchange {
  readonly request: { method: string; path: string; authorization: string; body?: unknown } | { note: string };
  readonly response: { status: number; headers: Record<string, string>; body: string } | { none: string };
}

/** The claims that the recording's words for a token mean. */
const tokens: Record<string, Record<string, unknown>> = {
  "ok": {},
  "ok, but written 'Bearer TOKEN'": {},
  "wrong secret": {},
  "wrong audience": { aud: ["https://elsewhere.example.org/t/x"] },
  "no audience": { aud: undefined },
  "expired": { iat: 1700000000, nbf: 1700000000, exp: 1700003600 },
  "nbf 60 s ahead": { nbf: Math.floor(Date.now() / 1000) + 60 },
  "iat 60 s ahead": { iat: Math.floor(Date.now() / 1000) + 60 },
  "nbf and iat as fractions": { iat: Date.now() / 1000 - 10.5, nbf: Date.now() / 1000 - 10.5 },
  "iat and nbf = now": { iat: Math.floor(Date.now() / 1000), nbf: Math.floor(Date.now() / 1000) },
  "no iat": { iat: undefined },
  "no nbf": { nbf: undefined },
  "no exp": { exp: undefined },
  "wrong scope": { scopes: ["something:else"] },
  "no scopes": { scopes: undefined },
  "no booking_id": { booking_id: undefined },
  "another topic in the token": { topic: "another" },
  "no topic in the token": { topic: undefined },
  "another prefix": { prefix: "other" },
  "no prefix": { prefix: undefined },
  "host scope on stats": { scopes: ["host"] },
  "stats scope on pend00": { topic: "pend00" },
  "host and client": { topic: "pend00", scopes: ["host", "client"] },
  "client": { topic: "pend00", scopes: ["client"] },
  "ok: scope relay:stats": { scopes: ["relay:stats"], topic: undefined },
  "scope read": { scopes: ["read"] },
  "scopes read and relay:stats, topic stats": { scopes: ["read", "relay:stats"] },
};

const accessRecordings: Array<{ service: Service; file: string; options: WorldOptions }> = [
  { service: "jump", file: "access-jump-v0.4.0", options: {} },
  { service: "relay", file: "access-relay-v0.7.0", options: { relayGeneration: "v0.7" } },
  { service: "relay", file: "access-relay-v0.9.3", options: { relayGeneration: "v0.9" } },
];
for (const { service, file, options } of accessRecordings) {
  Deno.test({ name: `every answer recorded in ${file} is the world's${note}`, ignore }, async () => {
    const paths = { jump: "/t/jump", relay: "/t/access" };
    await withWorld({ ...options, basePaths: paths, reportEveryMs: 60_000 }, async (world) => {
      world.addExperiment("pend00");
      world.stream("pend00-st-video").users(1);
      const exchanges = read<Exchange>(file);
      for (const exchange of exchanges) await compare(world, service, exchange);
      assert.ok(exchanges.length >= 34, "the whole recording was compared");
    });
  });
}

Deno.test({ name: `every answer recorded of book is the world's${note}`, ignore }, async () => {
  await withWorld({ reportEveryMs: 60_000 }, async (world) => {
    const [empty, ...exchanges] = read<Exchange>("book-v0.4.1");
    assert.ok(empty);
    await compare(world, "book", empty);
    for (const [name, stub, streams] of bookRecorded) world.book.manifest.set(name, { stub, streams });
    world.loadManifest();
    for (const exchange of exchanges) await replayBook(world, exchange);
    assert.ok(exchanges.length > 60, "the whole recording was compared");
  });
});

const bookRecorded: Array<[string, string, string[]]> = [
  ["r-pend00", "pend00", ["st-data", "st-video"]],
  ["r-pend01", "pend01", ["st-data", "st-video"]],
  ["r-nothing", "pend02", []],
  ["r two words", "pend03", ["st-data"]],
  ["r/slash", "pend04", ["st-data"]],
  ["r-ünï?&#%41+", "pend05", ["st-data"]],
];

/** What an operator did is done; the manifest that book refuses does not apply, since the world takes none over HTTP. */
async function replayBook(world: World, exchange: Exchange): Promise<void> {
  const { request } = exchange;
  if ("note" in request) {
    if (request.note.includes("killed")) return await world.book.restart();
    if (request.note.includes("r-pend01 alone")) world.book.manifest.clear();
    world.book.manifest.set("r-pend01", { stub: "pend01", streams: ["st-data", "st-video"] });
    world.loadManifest();
  } else if (request.body === "(the same manifest again)") world.loadManifest();
  else if (request.body === undefined) await compare(world, "book", exchange);
}

async function compare(world: World, service: Service, { request, response }: Exchange): Promise<void> {
  assert.ok("path" in request);
  const asking = fetch(`${world.audience(service)}${request.path}`, {
    method: request.method,
    headers: { ...await authorization(world, service, request.authorization), ...alone },
  });
  const about = `${request.method} ${request.path}, token: ${request.authorization}`;
  if ("none" in response) return await assert.rejects(asking, TypeError, about);
  const answer = await asking;
  const got = { status: answer.status, headers: kept(Object.fromEntries(answer.headers)), body: await answer.text() };
  const want = { ...response, headers: kept(response.headers) };
  assert.deepEqual({ ...got, body: normal(got.body) }, { ...want, body: normal(want.body) }, about);
}

async function authorization(world: World, service: Service, words: string): Promise<Record<string, string>> {
  if (words === "no token") return {};
  if (words === "not a token") return { authorization: "nonsense" };
  const aud = world.audience(service);
  const named = { "audience with a slash at its end": { aud: [`${aud}/`] }, "audience as a plain string": { aud } };
  const changed = { ...named, ...tokens }[words];
  assert.ok(changed, `an unknown token: ${words}`);
  const secret = words === "wrong secret" ? "another" : world.secrets[service];
  const token = await sign(claimsFor(world, service, changed), secret);
  return { authorization: words.includes("Bearer") ? `Bearer ${token}` : token };
}

/** The headers that say something; lengths follow from the body. */
function kept(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name === "content-type" || name === "allow"));
}

/** Ports, codes, times and UUIDs alike; of lists, the shape of the entries. */
function normal(body: string): unknown {
  const plain = body.replace(/127\.0\.0\.1:\d+/g, "HOST").replace(/code=[\w-]+/g, "code=CODE")
    .replace(/[\da-f]{8}-[\da-f-]{27}/g, "UUID").replace(/expired by [\dhms.]+/, "expired by LONG")
    .replace(/Loaded at [\dTZ:-]+/, "Loaded at TIME");
  if (plain.startsWith('[{"can_read"')) return JSON.parse(plain).map(shape).sort();
  if (!plain.includes('"topic_stub"')) return plain;
  const resources = Object.entries<Record<string, unknown>>(JSON.parse(plain));
  return resources.map(([name, { streams, topic_stub }]) => [name, streams, topic_stub]);
}

const feeds: Array<{ service: "jump" | "relay"; file: string; options: WorldOptions }> = [
  { service: "jump", file: "jump-v0.4.0", options: {} },
  { service: "relay", file: "relay-v0.7.0", options: { relayGeneration: "v0.7" } },
  { service: "relay", file: "relay-v0.9.3", options: { relayGeneration: "v0.9" } },
];
for (const { service, file, options } of feeds) {
  Deno.test(
    { name: `the world's reports have the entries recorded in ${file}, and no others${note}`, ignore },
    async () => {
      const recorded = read<{ frame: string }>(file).flatMap(({ frame }) => documentsOf(frame));
      await withWorld({ ...options, reportEveryMs: 20 }, async (world) => {
        for (const name of ["pend00", "pend01"]) world.addExperiment(name);
        world.host("pend00").users(1);
        world.stream("pend00-st-video").users(2);
        const listener = await Listener.open(world, await access(world, service));
        if (service === "relay") {
          await Listener.open(world, await access(world, service, { scopes: ["read", "write"] }));
        }
        const before = listener.frames.length;
        await world.until(() => listener.frames.length > before + 2, { what: "three reports" });

        const said = new Set(listener.frames.flatMap(documentsOf).map(shape));
        assert.deepEqual([...said].sort(), [...new Set(recorded.map(shape))].sort());
      });
    },
  );
}

/** The entries of all reports in a frame; what else is glued to them is left out. */
function documentsOf(frame: string): Array<Record<string, unknown>> {
  const reports = frame.match(/\[\{.*\}\](?=$|\[|\{)/g) ?? [];
  return reports.flatMap((report) => JSON.parse(report));
}

/** Which keys, in which order, with what kind of value: the same for all entries of one kind. */
function shape(entry: Record<string, unknown>): string {
  const { scopes } = entry;
  const sorted = { ...entry, ...(Array.isArray(scopes) ? { scopes: scopes.toSorted() } : {}) };
  return JSON.stringify(sorted)
    .replace(/"last":"[^N"]+"/g, '"last":"AGO"')
    .replace(/("(?:rx|tx)":\{"last":)"(?:AGO|Never)"(,"size":)[\d.]+(,"fps":)[\d.]+/g, "$1LAST$2N$3N")
    .replace(/"fps":[\d.]+/g, '"fps":N').replace(/"size":[\d.]+/g, '"size":N')
    // What a user's client calls itself is its own word: the recordings were made with Go's, the world's are all different.
    .replace(/("user_?[aA]gent":)"Mozilla\/5\.0 \(visitor \d+\)"/, '$1"Go-http-client/1.1"')
    .replace(/"user_?[aA]gent":"(monitor|Deno[^"]*)"/, '"agent":"WATCHER"')
    .replace(
      /"user_?[aA]gent":"Go-http-client\/1.1"(?=\}$)/,
      (agent) => entry.topic === "stats" ? '"agent":"WATCHER"' : agent,
    )
    .replace(/"(192\.0\.2\.\d+|127\.0\.0\.1)"/, '"ADDRESS"')
    .replace(/20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (_time, fraction) => fraction ? "NANOSECONDS" : "SECONDS")
    .replace(/pend\d\d\/[\da-f-]+/, "pendNN/UUID").replace(/pend\d\d(-st-\w+)?/, (_name, st) => st ? "STREAM" : "HOST");
}

function read<T>(file: string): T[] {
  const lines = Deno.readTextFileSync(new URL(`${file}.jsonl`, recordings)).trim().split("\n");
  return lines.map((line) => JSON.parse(line));
}

function isThere(folder: URL): boolean {
  try {
    return Deno.statSync(folder).isDirectory;
  } catch {
    return false;
  }
}

/*  The stand-in relay's streams, as whoever listens to one has them. */

const topic = "pend00-st-data";

Deno.test("who listens to a stream hears it while it sends, and nothing while it does not, though it is connected", async () => {
  await withLab(async (world) => {
    const data = await listen(world, topic), video = await listen(world, "pend00-st-video");
    await world.until(() => data.frames.length > 0 && video.frames.length > 0, { what: "both streams to be heard" });
    assert.match(data.frames[0] ?? "", /^\{"at":/);
    assert.equal(video.frames[0], "[object Blob]");
    assert.equal(world.sessions.open, 2);

    world.stream(topic).stall();
    const late = await listen(world, topic);
    const before = video.frames.length;
    await world.until(() => video.frames.length >= before + 3, { what: "the other stream to go on" });
    assert.deepEqual(late.frames, []);

    world.stream(topic).resume();
    await world.until(() => late.frames.length > 0, { what: "the stream to be heard again" });
    for (const each of [data, video, late]) each.socket.close();
    await world.until(() => world.sessions.open === 0, { what: "the sockets to close" });
    assert.equal(world.sessions.most, 3);
  });
});

const sessionTokens: Record<string, [claims: Record<string, unknown>, answer: RegExp]> = {
  "a token of another topic": [{ topic: "stats" }, /^401 "Token Wrong Topic"/],
  "one without scopes": [{ scopes: [] }, /^401 "Token Missing Required Claims"/],
  "one without a booking": [{ booking_id: undefined }, /^400 .*bookingID/],
  "one for another relay": [{ aud: ["http://elsewhere"] }, /^500 .*does not match this host/],
  "one that is over": [{ exp: 1 }, /^500 .*token invalid/],
};
for (const [name, [claims, answer]] of Object.entries(sessionTokens)) {
  Deno.test(`${name} is refused for a stream as for the feed`, async () => {
    await withLab(async (world) => assert.match(await ask(world, topic, claims), answer));
  });
}

Deno.test("a token that may not read gets a socket that is silent", async () => {
  await withLab(async (world) => {
    const other = await listen(world, topic);
    const silent = await Listener.open(world, uriOf(await ask(world, topic, { scopes: ["other"] })));
    await world.until(() => other.frames.length >= 3, { what: "the other to hear" });
    assert.deepEqual(silent.frames, []);
    await world.relay.stop();
    await world.until(() => silent.closed && other.closed, { what: "the sockets to end" });
  });
});

Deno.test("listening can be refused, of one stream and of all, and every request for it is counted", async () => {
  await withLab(async (world) => {
    world.sessions.fail({ kind: "refuse", status: 503, body: "busy" }, topic);
    assert.equal(await ask(world, topic), "503 busy");
    assert.match(await ask(world, "pend00-st-video"), /^200 /);
    world.sessions.fail({ kind: "refuse", status: 500, body: "ill" });
    assert.equal(await ask(world, "pend00-st-video"), "500 ill");
    world.sessions.fail(null);
    world.sessions.fail(null, topic);
    assert.match(await ask(world, topic), /^200 /);
    assert.equal(world.sessions.askings.length, 4);
  });
});

const faults: Record<string, [SessionFault, play: (world: World, listener: Listener) => Promise<unknown>]> = {
  "a socket that ends before a message": [{ kind: "drop" }, async (world, { frames, socket }) => {
    await world.until(() => socket.readyState === WebSocket.CLOSED, { what: "the end" });
    assert.deepEqual(frames, []);
  }],
  "a socket that is mute": [{ kind: "mute" }, async (world, { frames }) => {
    const other = await listen(world, "pend00-st-video");
    await world.until(() => world.sessions.open === 2 && other.socket.readyState === WebSocket.OPEN, { what: "both" });
    assert.deepEqual(frames, []);
  }],
  "a socket whose close is never answered": [{ kind: "deaf" }, async (world, { frames, socket }) => {
    await world.until(() => frames.length > 0, { what: "a message" });
    socket.close();
    const before = frames.length;
    await world.until(() => frames.length > before + 2 || socket.readyState === WebSocket.CLOSING, { what: "no end" });
    assert.equal(world.sessions.open, 1);
  }],
};
for (const [name, [fault, play]] of Object.entries(faults)) {
  Deno.test(`listening can get ${name}`, async () => {
    await withLab(async (world) => {
      world.sessions.fail(fault, topic);
      const listener = await listen(world, topic);
      await play(world, listener);
      await world.relay.stop();
      await world.until(() => listener.closed, { what: "the socket to end" });
    });
  });
}

async function withLab(test: (world: World) => Promise<void>): Promise<void> {
  await withWorld({ relayGeneration: "v0.9" }, async (world) => {
    world.addExperiment("pend00");
    await test(world);
  });
}

async function listen(world: World, topic: string): Promise<Listener> {
  return await Listener.open(world, uriOf(await ask(world, topic)));
}

function uriOf(answer: string): string {
  return JSON.parse(answer.slice(4)).uri;
}

/** Status and body of a request for access to `topic`. */
async function ask(world: World, topic: string, claims: Record<string, unknown> = {}): Promise<string> {
  const authorization = await sign(claimsFor(world, "relay", { topic, ...claims }), world.secrets.relay);
  const url = `${world.audience("relay")}/session/${topic}`;
  const answer = await fetch(url, { method: "POST", headers: { authorization, ...alone } });
  return `${answer.status} ${await answer.text()}`;
}
