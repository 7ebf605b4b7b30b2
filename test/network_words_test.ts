import assert from "node:assert/strict";
import { networkErrorText, redirectText } from "../src/failure.ts";

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
