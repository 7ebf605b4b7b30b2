/** Nothing of the webhook's address but its host is repeated, whoever says it and however. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { Secret } from "../src/setting_types.ts";
import { createWebhook, withoutAddress } from "../src/webhook.ts";
import { FakeClock } from "./support/clock.ts";

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
