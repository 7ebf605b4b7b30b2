/** One post to the webhook: how it is signed, what its answer means, and what is said when it fails. */
import fc from "fast-check";
import assert from "node:assert/strict";
import type { Notification } from "../src/alerts.ts";
import { messageSchema, webhookExample, type WebhookJson } from "../src/api_schema.ts";
import type { Delivery } from "../src/notification.ts";
import { Secret } from "../src/setting_types.ts";
import type { Snapshot } from "../src/snapshot.ts";
import {
  createWebhook,
  deliveryKind,
  messageBytesMax,
  requestMsMax,
  retryAfterMs,
  signature,
  type Webhook,
  webhookMessage,
  webhookTest,
  withoutAddress,
} from "../src/webhook.ts";
import { experimentJson } from "./support/api.ts";
import { FakeClock } from "./support/clock.ts";
import { withFolder } from "./support/folder.ts";
import {
  agoMs,
  alert,
  event,
  letter,
  missingJump,
  missingRequired,
  nowMs,
  snapshot,
  unhealthy,
  view,
} from "./support/letters.ts";
import { findTool, toolTest } from "./support/tool.ts";

const id = "8e03978e-40d5-43e8-bc93-6894a57f9324";
const message = JSON.stringify({ version: 1, id, words: "pénd😀" });
const forever = new AbortController().signal;

Deno.test("a message is signed as RFC 4231 has it (test case 2)", () => {
  const body = new TextEncoder().encode("what do ya want for nothing?");
  assert.equal(
    signature(body, new Secret("Jefe")),
    "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
});

Deno.test("a message is posted as the bytes that are signed, with its own id as the idempotency key", async () => {
  const asked: { url: string; init: RequestInit }[] = [];
  const webhook = at("https://hooks.example.org/T0/key?a=b", (url, init) => {
    asked.push({ url: url.href, init });
    return Promise.resolve(new Response(null, { status: 204 }));
  });

  const delivery = await webhook.deliver(message, forever);

  assert.deepEqual(delivery, { kind: "taken", answer: "204", rejected: [] });
  const [{ url, init } = assert.fail("nothing was asked")] = asked;
  assert.equal(url, "https://hooks.example.org/T0/key?a=b");
  assert.deepEqual([init.method, init.redirect], ["POST", "manual"]);
  assert.equal(new TextDecoder().decode(init.body as Uint8Array), message);
  assert.deepEqual(init.headers, {
    "connection": "close",
    "content-type": "application/json",
    "user-agent": "status/1.2.3",
    "idempotency-key": `"${id}"`,
    "x-status-signature": "sha256=097e2f490a1ca5b2ed8fccdcc9f0494258ce49cc0f0812f33173165b2275f972",
  });
});

const kinds: Record<Delivery["kind"], readonly number[]> = {
  "taken": [200, 201, 202, 204, 206, 299],
  "deferred": [408, 409, 425, 429, 503],
  "in-doubt": [500, 501, 502, 504, 507, 520, 599],
  "refused": [300, 301, 302, 303, 304, 307, 308, 399, 400, 401, 403, 404, 405, 410, 413, 415, 422, 499, 600, 999],
};
for (const [kind, statuses] of Object.entries(kinds)) {
  for (const status of statuses) {
    Deno.test(`an answer of ${status} says that a message is ${kind}`, () => assert.equal(deliveryKind(status), kind));
  }
}

const webhookNowMs = Date.UTC(2026, 10, 22, 20, 30, 0);
const waits: Record<string, [header: string | null, ms: number]> = {
  "none": [null, 0],
  "seconds": ["120", 120_000],
  "seconds with blanks": [" 3 ", 3_000],
  "none at all": ["0", 0],
  "a date": ["Sun, 22 Nov 2026 20:30:30 GMT", 30_000],
  "a date that has passed": ["Sun, 22 Nov 2026 20:29:30 GMT", 0],
  "words": ["soon", 0],
  "less than nothing": ["-5", 0],
  "nothing": ["", 0],
};
for (const [name, [header, ms]] of Object.entries(waits)) {
  Deno.test(`Retry-After: ${name}`, () => assert.equal(retryAfterMs(header, webhookNowMs), ms));
}

const connect = Object.assign(new TypeError("fetch failed"), {
  cause: new Error("error sending request for url (http://h/k): client error (Connect): tcp connect error: refused"),
});
const midway = Object.assign(new TypeError("fetch failed"), {
  cause: new Error("error sending request for http://h/k?a=1: client error (SendRequest): connection closed"),
});

/** What comes of a post, and what is said of it. */
const answers: Record<string, [answer: () => Response, delivery: Delivery]> = {
  "a refusal is told in the receiver's words": [
    () => new Response('{"message":"no such channel"}', { status: 404 }),
    { kind: "refused", why: 'Cannot tell the webhook at h.example.org:8443: it answered 404 "no such channel"' },
  ],
  "a refusal without a word": [
    () => new Response(null, { status: 403 }),
    { kind: "refused", why: "Cannot tell the webhook at h.example.org:8443: it answered 403" },
  ],
  "a server that failed may have taken it": [
    () => new Response("<h1>Bad gateway</h1>", { status: 502 }),
    { kind: "in-doubt", why: 'Cannot tell the webhook at h.example.org:8443: it answered 502 "Bad gateway"' },
  ],
  "what is not for now says when": [
    () => new Response("slow down", { status: 429, headers: { "retry-after": "7" } }),
    {
      kind: "deferred",
      why: 'Cannot tell the webhook at h.example.org:8443: it answered 429 "slow down"',
      afterMs: 7_000,
    },
  ],
  "what is not for now, without a time": [
    () => new Response(null, { status: 503 }),
    { kind: "deferred", why: "Cannot tell the webhook at h.example.org:8443: it answered 503" },
  ],
  "a redirect is named by its host, and not followed": [
    () => new Response(null, { status: 307, headers: { location: "https://evil.example/secret-path?code=1" } }),
    {
      kind: "refused",
      why:
        "Cannot tell the webhook at h.example.org:8443: it answered 307 and points to evil.example, which is not followed",
    },
  ],
  "a redirect to nowhere": [
    () => new Response(null, { status: 302 }),
    { kind: "refused", why: "Cannot tell the webhook at h.example.org:8443: it answered 302" },
  ],
  "a redirect to an empty place": [
    () => new Response(null, { status: 302, headers: { location: "" } }),
    { kind: "refused", why: "Cannot tell the webhook at h.example.org:8443: it answered 302" },
  ],
  "what a receiver repeats of the address is left out": [
    () => new Response("Cannot POST /hook/T0-key-of-mine?token=abcdef0123", { status: 405 }),
    { kind: "refused", why: 'Cannot tell the webhook at h.example.org:8443: it answered 405 "Cannot POST (address)"' },
  ],
  "without a connection nothing has arrived": [
    () => {
      throw connect;
    },
    { kind: "deferred", why: "Cannot tell the webhook at h.example.org:8443: tcp connect error: refused" },
  ],
  "a connection that ends before the answer leaves it in doubt": [
    () => {
      throw midway;
    },
    {
      kind: "in-doubt",
      why: "Cannot know whether the webhook at h.example.org:8443 took the message: connection closed",
    },
  ],
};
for (const [name, [answer, delivery]] of Object.entries(answers)) {
  Deno.test(`a post: ${name}`, async () => {
    const webhook = at(
      "https://h.example.org:8443/hook/T0-key-of-mine?token=abcdef0123",
      () => Promise.try(answer),
    );
    assert.deepEqual(await webhook.deliver(message, forever), delivery);
  });
}

Deno.test("a receiver that never answers is given up after ten seconds, and nobody knows whether it took it", async () => {
  const clock = new FakeClock();
  const webhook = at("http://h/k", hanging, clock);
  const delivered = webhook.deliver(message, forever);
  await clock.advance(requestMsMax - 1);
  assert.equal(await Promise.race([delivered, "waiting"]), "waiting");
  await clock.advance(1);
  assert.deepEqual(await delivered, {
    kind: "in-doubt",
    why: "Cannot know whether the webhook at h took the message: no answer within 10 s",
  });
  assert.equal(clock.waiting, 0);
});

Deno.test("an answer whose body never ends is read for ten seconds, and its status counts", async () => {
  const clock = new FakeClock();
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode("not you")),
  });
  const webhook = at(
    "http://h/k",
    (_, { signal }) => Promise.resolve(new Response(endedBy(body, signal!), { status: 403 })),
    clock,
  );
  const delivered = webhook.deliver(message, forever);
  await clock.advance(requestMsMax);
  assert.deepEqual(await delivered, {
    kind: "refused",
    why: 'Cannot tell the webhook at h: it answered 403 "not you"',
  });
});

Deno.test("an answer that floods is read a little, and then no more", async () => {
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      sent++;
      controller.enqueue(new TextEncoder().encode("x".repeat(1_000)));
    },
  });
  const webhook = at("http://h/k", () => Promise.resolve(new Response(body, { status: 403 })));
  const { kind } = await webhook.deliver(message, forever);
  assert.equal(kind, "refused");
  assert.ok(sent < 40, `${sent} pieces were read`);
});

Deno.test("a stop ends a post at once, and nobody knows whether it was taken", async () => {
  const stop = new AbortController();
  const delivered = at("http://h/k", hanging).deliver(message, stop.signal);
  stop.abort();
  assert.deepEqual(await delivered, {
    kind: "in-doubt",
    why: "Cannot know whether the webhook at h took the message: this program stopped before it answered",
  });
});

for (const kept of ["", "Subject: a mail", "{}", '{"id":7}', '{"id":"not a UUID\\r\\nX-Evil: 1"}', "null"]) {
  Deno.test(`what was kept and is no message (${JSON.stringify(kept)}) is not posted: it is made anew`, async () => {
    const webhook = at("http://h/k", () => assert.fail("it was posted"));
    assert.equal((await webhook.deliver(kept, forever)).kind, "refused");
  });
}

Deno.test("only the host of the address is shown", () => {
  assert.equal(at("https://user:word@h.example.org/key?more=1", hanging).host, "h.example.org");
});

function at(url: string, fetch: (url: URL, init: RequestInit) => Promise<Response>, clock = new FakeClock()): Webhook {
  const secret = new Secret("a webhook's secret");
  return createWebhook({ url: new Secret(url), secret, userAgent: "status/1.2.3" }, { clock, fetch });
}

function hanging(_: URL, { signal }: RequestInit): Promise<Response> {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason), { once: true }));
}

/** As the runtime's own bodies do, it fails when what was asked for is given up. */
function endedBy(body: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  const through = new TransformStream<Uint8Array, Uint8Array>();
  body.pipeTo(through.writable, { signal }).catch(() => {}); // it is the reader who is told
  return through.readable;
}

/*  Nothing of the webhook's address but its host is repeated, whoever says it and however. */

const url = new URL("https://ann:pass-word-9@h.example.org/services/T0A1B2C3/x?token=s3cr3t%2Bkey%3D&room=lab");

const said: Record<string, [text: string, left: string]> = {
  "other words stay": ["no such channel: services are closed", "no such channel: services are closed"],
  "the whole address": [`Cannot reach ${url.href} now`, "Cannot reach (address) now"],
  "path and query": [`Cannot POST ${url.pathname}${url.search}`, "Cannot POST (address)"],
  "the path": ["<pre>Cannot POST /services/T0A1B2C3/x</pre>", "<pre>Cannot POST (address)</pre>"],
  "a part of the path": ["team T0A1B2C3 is gone", "team (address) is gone"],
  "a path whose slashes are escaped": [String.raw`\/services\/T0A1B2C3\/x`, String.raw`\/services\/(address)\/x`],
  "a value of the query": ["bad token s3cr3t+key=", "bad token (address)"],
  "a value of the query, escaped": ["bad token s3cr3t%2Bkey%3D", "bad token (address)"],
  "a value of the query, escaped as HTML": ["bad token s3cr3t&#43;key&#61;", "bad token (address)&#43;key&#61;"],
  "the password": ["no pass-word-9 here", "no (address) here"],
  "half a key at the end": ["no such team: T0A1B2", "no such team: (address)"],
  "the host is no secret": ["h.example.org says no", "h.example.org says no"],
};
for (const [name, [text, left]] of Object.entries(said)) {
  Deno.test(`withoutAddress: ${name}`, () => assert.equal(withoutAddress(text, url), left));
}

Deno.test("whatever an answer repeats of the address, no key is in what is said of it", async () => {
  const key = fc.stringMatching(/^[A-Za-z0-9_-]{12,40}$/).filter((word) => /[0-9A-Z]/.test(word));
  const place = fc.constantFrom("path", "query", "user");
  const wrapped = fc.constantFrom(
    (all: string) => `Cannot POST ${all}`,
    (all: string) => JSON.stringify({ message: `no route for ${all}` }),
    (all: string) => JSON.stringify({ message: all }).replaceAll("/", "\\/"),
    (all: string) => `<!doctype html><pre>Cannot POST ${all.replaceAll("&", "&amp;").replaceAll("/", "&#x2F;")}</pre>`,
    (all: string) => encodeURIComponent(all),
    (all: string) => `${"<br>".repeat(4_080)}${all}`, // cut in the middle of it
  );
  await fc.assert(fc.asyncProperty(key, place, wrapped, async (secret, where, wrap) => {
    const address = new URL(
      {
        path: `https://h.example.org/hook/${secret}/post`,
        query: `https://h.example.org/hook?room=1&token=${secret}`,
        user: `https://ann:${secret}@h.example.org/hook`,
      }[where],
    );
    const body = wrap(where === "user" ? address.href : address.pathname + address.search);
    const webhook = createWebhook(
      { url: new Secret(address.href), secret: new Secret("x"), userAgent: "status/1.2.3" },
      { clock: new FakeClock(), fetch: () => Promise.resolve(new Response(body, { status: 404 })) },
    );
    const message = '{"id":"8e03978e-40d5-43e8-bc93-6894a57f9324"}';
    const delivery = await webhook.deliver(message, new AbortController().signal);
    const words = delivery.kind === "taken" ? "" : delivery.why;
    for (let at = 0; at + 8 <= secret.length; at++) {
      assert.ok(!words.includes(secret.slice(at, at + 8)), `${secret} is in ${words}`);
    }
  }));
});

/*  What a message to the webhook says: the letter and the problems of the moment, as JSON that every reader takes. */

const heading = { id: "8e03978e-40d5-43e8-bc93-6894a57f9324", name: "app.example.org/t", link: "" };
const textOf = (
  given: Partial<Notification>,
  lab: Snapshot = snapshot(),
  pause = () => Promise.resolve(),
): Promise<string> => webhookMessage(letter(given), { snapshot: lab, heading, nowMs }, pause);
const bodyMessage = async (given: Partial<Notification>, lab?: Snapshot): Promise<WebhookJson> =>
  messageSchema.parse(JSON.parse(await textOf(given, lab)));

Deno.test("a message says what is new, what book then holds, and all problems", async () => {
  const lab = snapshot([
    view("turn04", [missingRequired("turn04-st-data")], {
      available: false,
      sinceMs: agoMs(90),
    }),
    view("pend00", [missingJump], { held: "being mended" }),
    view("spin31"),
  ]);
  const issues = [missingJump, unhealthy("pend00-st-video")];
  const events = [
    event("pend00", issues, { jumpOk: false, streamOk: { "pend00-st-video": false }, lastedMs: 90_500 }),
    event("gone01"),
  ];
  const alerts = [alert("relay-lost", { detail: "connection refused" }), alert("book-lost", { turn: "cleared" })];

  assert.deepEqual(await bodyMessage({ events, alerts, leftOut: { events: 7, alerts: 1 } }, lab), {
    version: 1,
    kind: "news",
    id: heading.id,
    created: "2026-11-22T20:31:14.120Z",
    system: { name: "app.example.org/t", version: "0.0.0", link: null },
    events: [
      {
        experiment: "pend00",
        healthy: false,
        issues: ["missing jump", "unhealthy pend00-st-video"],
        causes: [{ code: "missing-jump", topic: null }, { code: "unhealthy", topic: "pend00-st-video" }],
        jump_ok: false,
        stream_ok: { "pend00-st-video": false },
        when: "2026-11-22T20:31:14.120Z",
        available: true,
        held: "being mended",
        lasted_seconds: 90.5,
      },
      {
        experiment: "gone01",
        healthy: true,
        issues: [],
        causes: [],
        jump_ok: true,
        stream_ok: {},
        when: "2026-11-22T20:31:14.120Z",
        available: false,
        held: null,
        lasted_seconds: null,
      },
    ],
    alerts: [
      {
        code: "relay-lost",
        raised: true,
        text: "relay has no fresh reports so may be down: connection refused",
        when: "2026-11-22T20:31:14.120Z",
      },
      { code: "book-lost", raised: false, text: "book answers again", when: "2026-11-22T20:31:14.120Z" },
    ],
    problems: [
      {
        experiment: "pend00",
        issues: ["missing jump"],
        causes: [{ code: "missing-jump", topic: null }],
        available: true,
        held: "being mended",
        since: "2026-11-22T20:31:14.120Z",
      },
      {
        experiment: "turn04",
        issues: ["missing required turn04-st-data"],
        causes: [{ code: "missing-required", topic: "turn04-st-data" }],
        available: false,
        held: null,
        since: "2026-11-22T19:01:14.120Z",
      },
    ],
    left_out: { events: 7, alerts: 1, problems: 0 },
  });
});

Deno.test("every event of an experiment is told, in order, not the newest alone", async () => {
  const { events } = await bodyMessage({ events: [event("a", [missingJump]), event("b"), event("a")] });
  assert.deepEqual(events.map(({ experiment, healthy }) => `${experiment} ${healthy}`), [
    "a false",
    "b true",
    "a true",
  ]);
});

for (const [when, atMs] of Object.entries({ earlier: nowMs - 3_600_000, later: nowMs + 3_600_000 })) {
  Deno.test(`since when a problem is one is told as the API tells it, though its event was told by a clock that was ${when}`, async () => {
    const unwell = view("pend00", [missingJump], {
      sinceMs: nowMs - 5_000,
      events: [event("pend00", [missingJump], { atMs })],
    });
    const [problem] = (await bodyMessage({}, snapshot([unwell]))).problems;
    assert.equal(problem?.since, experimentJson(unwell, { addresses: false }).since);
  });
}

Deno.test("while its source is lost a problem is as old as the event that told of it", async () => {
  const events = [event("pend00", [missingJump], { atMs: nowMs - 60_000 })];
  const unknown = view("pend00", [missingJump], { state: "unknown", sinceMs: nowMs - 5_000, events });
  assert.equal((await bodyMessage({}, snapshot([unknown]))).problems[0]?.since, "2026-11-22T20:30:14.120Z");
});

Deno.test("an experiment that has not been judged is no problem", async () => {
  assert.deepEqual((await bodyMessage({}, snapshot([view("pend00", [missingJump], { judged: false })]))).problems, []);
});

Deno.test("a test message tells nothing, and says that it is one", () => {
  const test = messageSchema.parse(JSON.parse(webhookTest({ ...heading, link: "https://h/p" }, "1.2.3", nowMs)));
  assert.deepEqual([test.kind, test.events, test.alerts, test.problems], ["test", [], [], []]);
  assert.deepEqual(test.system, { name: "app.example.org/t", version: "1.2.3", link: "https://h/p" });
});

const odd: Record<string, [given: string, told: string]> = {
  "half an emoji": ["pend\ud83d", "pend\ufffd"],
  "the other half": ["\ude00pend", "\ufffdpend"],
  "two halves the wrong way round": ["\ude00\ud83d", "\ufffd\ufffd"],
  "a whole emoji": ["pend😀", "pend😀"],
  "a backslash before what looks like half of one": ["\\ud83d", "\\ud83d"],
  "two backslashes and half of one": ["\\\\\ud83d", "\\\\\ufffd"],
  "control characters": ["a\u0000\r\n\u007f\u2028b", "a\u0000\r\n\u007f\u2028b"],
  "markup": ["<b>&\"'", "<b>&\"'"],
  "a name that objects have": ["__proto__", "__proto__"],
};
for (const [name, [given, told]] of Object.entries(odd)) {
  Deno.test(`text from outside is told as it is, as JSON that every reader takes: ${name}`, async () => {
    const news = { events: [event(given, [unhealthy(given)], { streamOk: { [given]: true } })] };
    const json: WebhookJson = JSON.parse(await textOf(news));
    const [{ experiment, issues, stream_ok } = assert.fail("no event")] = json.events;
    assert.deepEqual([experiment, issues, Object.keys(stream_ok)], [told, [`unhealthy ${told}`], [told]]);
  });
}

Deno.test("whatever services make up, a message is UTF-8 that comes back the same, and what the schema says", async () => {
  const text = fc.string({ unit: "binary", maxLength: 30 });
  await fc.assert(fc.asyncProperty(text, text, text, async (name, topic, detail) => {
    const given = { events: [event(name, [unhealthy(topic)])], alerts: [alert("relay-lost", { detail })] };
    const lab = snapshot([view(name, [unhealthy(topic)], { held: detail })]);
    const json = await textOf(given, lab);
    assert.equal(new TextDecoder("utf-8", { fatal: true }).decode(new TextEncoder().encode(json)), json);
    const told = messageSchema.parse(JSON.parse(json));
    assert.equal(told.events[0]?.experiment, name.toWellFormed());
    assert.equal(told.problems[0]?.held, detail.toWellFormed());
    assert.ok(JSON.stringify(told).isWellFormed());
  }));
});

Deno.test("a message has a bound: of too much the newest events are told, and it is counted what is not", async () => {
  const long = "x".repeat(250);
  const many = Array.from({ length: 5_000 }, (_, at) => event(`${long}${at}`, [unhealthy(`${long}-st-${long}`)]));
  const lab = snapshot(many.map(({ experiment, issues }) => view(experiment, issues)));
  const json = await textOf({ events: many, leftOut: { events: 3, alerts: 0 } }, lab);

  const told = messageSchema.parse(JSON.parse(json));
  assert.ok(json.length <= messageBytesMax, `${json.length} bytes`);
  assert.equal(told.events.at(-1)?.experiment, `${long}4999`);
  assert.equal(told.events.length + told.left_out.events, 5_003);
  assert.equal(told.problems.length + told.left_out.problems, 5_000);
  assert.ok(told.events.length >= 1_000, `${told.events.length} events`);
});

Deno.test("no more than some hundred events or problems are written at once, and all else has its turn after each", async () => {
  const many = Array.from({ length: 1_000 }, (_, at) => event(`rig${at}`, [missingJump]));
  const written = [0];
  const views = many.map(({ experiment, issues }) => ({
    ...view(experiment, issues),
    get held() {
      written.push((written.pop() ?? 0) + 1); // of an event, and of a problem
      return null;
    },
  }));
  const turn = () => Promise.resolve(void written.push(0));
  await textOf({ events: many }, snapshot(views), turn);

  assert.equal(written.reduce((sum, each) => sum + each, 0), 2_000);
  assert.ok(Math.max(...written) <= 250, `written at once: ${written}`);
});

/*  Is docs/webhook.md true: its message, its tables, and the lines of code that it tells people to copy? */

const paper = Deno.readTextFileSync(new URL("../docs/webhook.md", import.meta.url));
const secret = "it's a secret $HOME";
const body = JSON.stringify({ ...webhookExample, system: { name: "Größe 😀" } });
const right = signature(new TextEncoder().encode(body), new Secret(secret));
const wrong = [right.replace(/.$/, (last) => last === "0" ? "1" : "0"), right.slice(7), right.toUpperCase(), "", "é"];

Deno.test("the message that docs/webhook.md shows is the one of the OpenAPI document, and what the schema says", () => {
  assert.deepEqual(JSON.parse(block("json")), webhookExample);
  assert.deepEqual(messageSchema.parse(webhookExample), webhookExample);
});

Deno.test("docs/webhook.md says of each answer what is made of it, and names the bounds that there are", () => {
  const [, deferred = ""] = /^\| (408[\d, ]+), or no connection/m.exec(paper) ?? [];
  const statuses = Array.from({ length: 400 }, (_, at) => at + 200);
  assert.deepEqual(deferred.split(", ").map(Number), statuses.filter((status) => deliveryKind(status) === "deferred"));
  assert.ok(paper.includes(`Answer within ${requestMsMax / 1_000} s`));
  assert.ok(paper.includes(`in ${messageBytesMax / 1024 / 1024} MB`));
});

Deno.test("the JavaScript of docs/webhook.md knows a right signature from a wrong one", async () => {
  const { isFromStatus } = await import(`data:text/javascript,${encodeURIComponent(block("js"))}`);
  assert.equal(isFromStatus(body, right, secret), true);
  assert.deepEqual(wrong.map((header) => isFromStatus(body, header, secret)), wrong.map(() => false));
});

toolTest(
  "python3",
  findTool("python3"),
  "the Python of docs/webhook.md knows a right signature from a wrong one",
  (python) =>
    withFolder(async (folder) => {
      const asking = `
import json, sys
body, headers, secret = json.load(sys.stdin)
print(json.dumps([is_from_status(body.encode(), header, secret) for header in headers]))`;
      await Deno.writeTextFile(`${folder}/script.py`, block("python") + asking);
      const said = await output(python, ["script.py"], {
        folder,
        stdin: JSON.stringify([body, [right, ...wrong], secret]),
      });
      assert.deepEqual(JSON.parse(said), [true, ...wrong.map(() => false)]);
    }),
);

toolTest(
  "openssl",
  findTool("openssl"),
  "the command of docs/webhook.md gives the signature",
  (openssl) =>
    withFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/body.json`, body);
      const env = { PATH: `${openssl.replace(/\/[^/]*$/, "")}:/usr/bin:/bin`, STATUS_SECRET_WEBHOOK: secret };
      assert.equal(await output("/bin/sh", ["-c", block("bash")], { folder, env }), `${right}\n`);
    }),
);

/** The first block of code in `language`. */
function block(language: string): string {
  const [, code] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "ms").exec(paper) ?? [];
  return code ?? assert.fail(`docs/webhook.md has no ${language}`);
}

async function output(
  command: string,
  args: readonly string[],
  given: { readonly folder: string; readonly stdin?: string; readonly env?: Record<string, string> },
): Promise<string> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd: given.folder,
    env: given.env ?? {},
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(given.stdin ?? "")).catch(() => {}); // who does not read has ended
  await input.close().catch(() => {});
  const { code, stdout } = await child.output();
  assert.equal(code, 0);
  return new TextDecoder().decode(stdout);
}
