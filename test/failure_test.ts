import assert from "node:assert/strict";
import { errorTextOf, networkErrorText, redirectText, sanitize, skewWords } from "../src/failure.ts";

const bodies: Record<string, [body: string, want: string]> = {
  "code as a string": ['{"code":"404","message":"resource r-x not found"}', "resource r-x not found"],
  "code as a number": ['{"code":500,"message":"token invalid"}', "token invalid"],
  "a bare string": ['"Token Wrong Topic"\n', "Token Wrong Topic"],
  "plain text": ["upstream is down\n", "upstream is down"],
  "a proxy's page": [
    "<html><head><style>b{}</style><script>x()</script></head><body><h1>502 Bad Gateway</h1>nginx &amp; co</body></html>",
    "502 Bad Gateway nginx & co",
  ],
  "a message that is no text": ['{"code":401,"message":{"a":1}}', '{"code":401,"message":{"a":1}}'],
  "nothing": ["", ""],
};
for (const [name, [body, want]] of Object.entries(bodies)) {
  Deno.test(`answerWords: ${name}`, () => assert.equal(errorTextOf(body), want));
}

Deno.test("excerpt: one line, no control or direction characters, 200 characters at most", () => {
  assert.equal(sanitize("a\r\nBcc: b\u202ec\u0000d"), "a Bcc: b c d");
  assert.equal(sanitize("x".repeat(300)).length, 200);
});

const fetchFailed = (why: string) => new TypeError("fetch failed", { cause: new Error(why) });
const trust = " (to trust its issuer set DENO_TLS_CA_STORE=mozilla,system or DENO_CERT to its PEM file)";

const cases: Record<string, [unknown, string]> = {
  "of Deno 2.9, which wraps the error": [
    fetchFailed(
      "error sending request for url (http://127.0.0.1:9/t/book?reason=a(b)%20c): client error (Connect): tcp connect error: Connection refused (os error 111)",
    ),
    "tcp connect error: Connection refused (os error 111)",
  ],
  "of Deno 2.6, which does not": [
    new TypeError(
      "error sending request for url (http://book.invalid/x?code=1): client error (Connect): dns error: failed to lookup address information: Name or service not known",
    ),
    "dns error: failed to lookup address information: Name or service not known",
  ],
  "of a connection that was closed unanswered": [
    fetchFailed(
      "error sending request from 127.0.0.1:43962 for http://127.0.0.1:39765/x?code=1 (127.0.0.1:39765): client error (SendRequest): connection closed before message completed",
    ),
    "connection closed before message completed",
  ],
  "of a body that broke off": [
    new TypeError("error reading a body from connection"),
    "error reading a body from connection",
  ],
  "of an unknown certificate issuer, with what to do": [
    fetchFailed(
      "error sending request for url (https://127.0.0.1:9/x?code=1): client error (Connect): invalid peer certificate: UnknownIssuer",
    ),
    `invalid peer certificate: UnknownIssuer${trust}`,
  ],
  "worded as nobody foresaw, without the address": [
    new TypeError("could not get ws://127.0.0.1:9/x?code=1 somehow"),
    "could not get (address) somehow",
  ],
  "that is no error": ["odd", "odd"],
};
for (const [name, [error, want]] of Object.entries(cases)) {
  Deno.test(`networkWords: an error ${name}`, () => assert.equal(networkErrorText(error), want));
}

const asked = new URL("https://book.example.org/t/book/api?code=1");
const redirects: Record<string, [status: number, location: string | null, want: string | null]> = {
  "elsewhere": [
    307,
    "https://login.example.org:8443/in?code=7",
    "and points to login.example.org:8443, which is not followed",
  ],
  "to another page of its own": [308, "/in", "and points to book.example.org, which is not followed"],
  "without a place": [302, null, null],
  "with an empty place, which would be itself": [302, "", null],
  "to what is no address": [302, "http://[", null],
  "that is none": [201, "/made", null],
};
for (const [name, [status, location, want]] of Object.entries(redirects)) {
  Deno.test(`redirectWords: a redirect ${name}`, () => {
    const response = new Response(null, { status, headers: location === null ? {} : { location } });
    assert.equal(redirectText(response, asked), want);
  });
}

const nowMs = Date.UTC(2026, 10, 22, 20, 30, 0);
const dated = (ms: number) => new Date(ms).toUTCString();
const at5min = dated(nowMs - 300_000);

const backdatedMs = 10_000, lifeMs = 3_600_000;

const right = ", so one of them has to be set right";
const ahead = `this machine's clock is 5 min ahead of jump's${right}`;
const eitherAhead = `${ahead}, or the secret is wrong`;
const skewCases: Record<string, [words: string, date: string | null, want: string | null]> = {
  "jump and book, a token of their future": ["token used before issued", at5min, ahead],
  "golang-jwt before, capitals": ["Token used before issued", at5min, ahead],
  "nbf is judged before iat": ["token is not valid yet", at5min, ahead],
  "as relay's log has it, in a longer sentence": ["token was token is not valid yet", at5min, ahead],
  "golang-jwt v5": ["token has invalid claims: token is not valid yet", at5min, ahead],
  "jose": ['"nbf" claim timestamp check failed', at5min, ahead],
  "jose, of iat": ['"iat" claim timestamp check failed (it should be in the past)', at5min, ahead],
  "an expired token": [
    "token is expired by 1h2m3.5s",
    dated(nowMs + 7_200_000),
    `this machine's clock is 2 h behind jump's${right}`,
  ],
  "an expired token, jose": [
    '"exp" claim timestamp check failed',
    null,
    `this machine's clock is behind jump's${right}`,
  ],
  "without a date it is not said by how much": [
    "token used before issued",
    null,
    `this machine's clock is ahead of jump's${right}`,
  ],
  "a date that is none is no date": [
    "token used before issued",
    "x",
    `this machine's clock is ahead of jump's${right}`,
  ],
  "a proxy's date says nothing of the service's clock": [
    "token used before issued",
    dated(nowMs),
    `this machine's clock is ahead of jump's${right}`,
  ],
  "a proxy whose clock is wrong the other way says nothing of it either": [
    "token used before issued",
    dated(nowMs + 300_000),
    `this machine's clock is ahead of jump's${right}`,
  ],
  "relay says only that it does not take it: by the date it may be the clock": ["token invalid", at5min, eitherAhead],
  "relay, and the clock behind by more than a token lives": [
    "token invalid",
    dated(nowMs + 86_400_000 * 2),
    `this machine's clock is 2 d behind jump's${right}, or the secret is wrong`,
  ],
  "relay, and the clocks agree: it is something else": ["token invalid", dated(nowMs - 2_000), null],
  "relay, and the clock ahead by as much as a token is dated back": ["token invalid", dated(nowMs - 10_000), null],
  "relay, and the clock ahead by more": [
    "token invalid",
    dated(nowMs - 11_000),
    `this machine's clock is 11 s ahead of jump's${right}, or the secret is wrong`,
  ],
  "relay, and the clock behind by as much as a token lives": ["token invalid", dated(nowMs + lifeMs), null],
  "relay, and the clock behind by more": [
    "token invalid",
    dated(nowMs + lifeMs + 1_000),
    `this machine's clock is 1 h behind jump's${right}, or the secret is wrong`,
  ],
  "relay, without a date: nobody knows": ["token invalid", null, null],
  "a date by which a token would be taken is a proxy's": [
    "token is expired by 5s",
    dated(nowMs + lifeMs),
    `this machine's clock is behind jump's${right}`,
  ],
  "another reason is another reason, whatever the date": ["signature is invalid", at5min, null],
  "another audience": ["aud [a] does not match this host b", at5min, null],
  "nothing of a token has expired": ["the booking expired", at5min, null],
};
for (const [name, [words, date, want]] of Object.entries(skewCases)) {
  Deno.test(`skewWords: ${name}`, () => {
    const refusal = { words, date, nowMs, token: { backdatedMs, lifeMs } };
    assert.equal(skewWords("jump", refusal), want);
  });
}
