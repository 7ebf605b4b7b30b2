import { decodeJwt, jwtVerify } from "jose";
import assert from "node:assert/strict";
import { askAccess, bookClaims, jumpClaims, relayClaims, signToken, type TokenClaims } from "../src/access.ts";
import { Secret } from "../src/setting_types.ts";
import { FakeClock } from "./support/clock.ts";

const request = {
  name: "relay",
  accessUrl: new URL("https://app.example.org/t/relay/session/stats"),
  claims: relayClaims("https://app.example.org/t/relay"),
  secret: new Secret("s"),
  tokenLifeMs: 60_000,
} as const;
const never = new AbortController().signal;
const granted = '{"uri":"wss://app.example.org/t/relay/session/stats?code=c0de"}\n';

const ask = (answer: () => Response | Promise<Response>, clock = new FakeClock()) =>
  askAccess(request, { clock, fetch: async () => await answer() }, never);

Deno.test("askAccess posts the raw token, and gives the address as it stands", async () => {
  const clock = new FakeClock(), nowMs = clock.nowMs(), asked: [string, RequestInit][] = [];
  const fetch = (url: URL, init: RequestInit) => {
    asked.push([url.href, init]);
    return Promise.resolve(new Response(granted));
  };

  const access = await askAccess(request, { clock, fetch }, never);

  assert.deepEqual(access, {
    kind: "granted",
    socketUrl: "wss://app.example.org/t/relay/session/stats?code=c0de",
    askedMs: clock.monotonicMs(),
    expiresMs: nowMs + 60_000,
  });
  const [[url, init] = ["", {}]] = asked;
  assert.deepEqual([asked.length, url, init.method], [1, request.accessUrl.href, "POST"]);
  const claims = decodeJwt(new Headers(init.headers).get("Authorization") ?? "");
  assert.deepEqual([claims.topic, claims.exp], ["stats", (nowMs + 60_000) / 1000]);
});

const tried = "Cannot get access to relay at app.example.org/t/relay/session/stats: ";
const troubles: Record<string, [answer: () => Response | Promise<Response>, kind: string, words: string]> = {
  "a refusal in the service's own words": [
    () => new Response('{"code":500,"message":"token invalid"}', { status: 500 }),
    "refused",
    'relay answered 500 "token invalid"',
  ],
  "a refusal for skew, which a person can do something about": [
    () => {
      const headers = { date: new Date(new FakeClock().nowMs() - 3_600_000).toUTCString() };
      return new Response('{"code":500,"message":"token invalid"}', { status: 500, headers });
    },
    "refused",
    "relay answered 500 \"token invalid\": this machine's clock is 1 h ahead of relay's, so one of them has to be set right, or the secret is wrong",
  ],
  "a refusal that is a bare JSON string": [
    () => new Response('"missing scope"', { status: 401 }),
    "refused",
    'relay answered 401 "missing scope"',
  ],
  "a proxy's page": [
    () => new Response("<html><head><title>502 Bad Gateway</title></head></html>", { status: 502 }),
    "refused",
    'relay answered 502 "502 Bad Gateway"',
  ],
  "a refusal without words": [() => new Response("", { status: 404 }), "refused", "relay answered 404"],
  "a redirect, which would lose the token": [
    () => new Response("moved", { status: 301, headers: { location: "https://login.example.org/in?code=7" } }),
    "refused",
    "relay answered 301 and points to login.example.org, which is not followed",
  ],
  "a redirect to nowhere": [() => new Response("", { status: 301 }), "refused", "relay answered 301"],
  "no JSON": [
    () => new Response("It works!"),
    "garbage",
    'relay answered 200 "It works!", which is no websocket address',
  ],
  "JSON without an address": [
    () => new Response('{"url":"wss://x"}'),
    "garbage",
    'relay answered 200 "{"url":"wss://x"}", which is no websocket address',
  ],
  "an address that is none, without its code": [
    () => new Response('{"uri":"https://x/?code=c0de"}'),
    "garbage",
    'relay answered 200 "{"uri":"https://x/"}", which is no websocket address',
  ],
  "null": [() => new Response("null"), "garbage", 'relay answered 200 "null", which is no websocket address'],
  "nobody there": [
    () => Promise.reject(new TypeError("fetch failed", { cause: new Error(refusedConnection) })),
    "unreachable",
    "tcp connect error: Connection refused (os error 111)",
  ],
};
const refusedConnection = "error sending request for url (https://app.example.org/t/relay/session/stats): " +
  "client error (Connect): tcp connect error: Connection refused (os error 111)";
for (const [name, [answer, kind, words]] of Object.entries(troubles)) {
  Deno.test(`askAccess tells of ${name}`, async () => {
    assert.deepEqual(await ask(answer), { kind: "trouble", trouble: { kind, message: tried + words } });
  });
}

Deno.test("askAccess reads no more of an endless answer than an access could be", async () => {
  const endless = new ReadableStream<Uint8Array>({
    pull: (stream) => stream.enqueue(new Uint8Array(65_536).fill(0x61)),
  });
  const access = await ask(() => new Response(endless));
  assert.equal(access.kind === "trouble" && access.trouble.kind, "garbage");
});

/** As the real one: nothing comes of it before its signal is aborted. */
function neverAnswers(_url: URL, init: RequestInit): Promise<Response> {
  return new Promise((_, reject) => init.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
}

Deno.test("askAccess waits 10 s for an answer, and no longer", async () => {
  const clock = new FakeClock();
  const asking = Promise.withResolvers<void>();
  const access = askAccess(request, {
    clock,
    fetch: (url, init) => (asking.resolve(), neverAnswers(url, init)),
  }, never);
  await asking.promise;
  await clock.advance(10_000);

  assert.deepEqual(await access, {
    kind: "trouble",
    trouble: { kind: "unreachable", message: `${tried}no answer within 10 s` },
  });
});

Deno.test("askAccess rejects with the reason when it is called off, and leaves no wait behind", async () => {
  const clock = new FakeClock(), stop = new AbortController();
  const asking = Promise.withResolvers<void>();
  const access = askAccess(
    request,
    { clock, fetch: (url, init) => (asking.resolve(), neverAnswers(url, init)) },
    stop.signal,
  );
  await asking.promise;
  stop.abort(new Error("enough"));

  await assert.rejects(access, /enough/);
  assert.equal(clock.waiting, 0);
});

const audience = "https://app.example.org/t/service";
const nowMs = Date.UTC(2026, 10, 22, 20, 30, 0, 700);
const now = Math.floor(nowMs / 1000);

const cases: Record<string, [TokenClaims, object]> = {
  "book's may do everything": [bookClaims(audience), { scopes: ["booking:admin"], sub: "status-server" }],
  "jump's watches the topic stats": [jumpClaims(audience), { scopes: ["stats"], topic: "stats", prefix: "connect" }],
  "relay's reads the topic stats, and names a booking": [
    relayClaims(audience),
    { scopes: ["read"], topic: "stats", prefix: "session", booking_id: "status-server" },
  ],
};
for (const [name, [claims, want]] of Object.entries(cases)) {
  Deno.test(`signToken: ${name}`, async () => {
    const { payload, protectedHeader } = await verified(
      await signToken(claims, new Secret("s"), { nowMs, lifeMs: 60_000 }),
    );

    assert.deepEqual(protectedHeader, { alg: "HS256", typ: "JWT" });
    assert.deepEqual(payload, { aud: [audience], ...want, iat: now - 10, nbf: now - 10, exp: now + 61 });
  });
}

Deno.test("signToken: an empty secret is refused", async () => {
  await assert.rejects(signToken(bookClaims(audience), new Secret(""), { nowMs, lifeMs: 60_000 }));
});

function verified(token: string) {
  return jwtVerify(token, new TextEncoder().encode("s"), { currentDate: new Date(nowMs) });
}
