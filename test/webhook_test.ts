/** One post to the webhook: how it is signed, what its answer means, and what is said when it fails. */
import assert from "node:assert/strict";
import type { Delivery } from "../src/notification.ts";
import { Secret } from "../src/setting_types.ts";
import { createWebhook, deliveryKind, requestMsMax, retryAfterMs, signature, type Webhook } from "../src/webhook.ts";
import { FakeClock } from "./support/clock.ts";

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

const nowMs = Date.UTC(2026, 10, 22, 20, 30, 0);
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
  Deno.test(`Retry-After: ${name}`, () => assert.equal(retryAfterMs(header, nowMs), ms));
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
