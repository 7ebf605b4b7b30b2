import assert from "node:assert/strict";
import { jsonLine, type LogEntry, textLine } from "../src/log.ts";
import { Secret } from "../src/setting_types.ts";

function entry(changes: Partial<LogEntry> = {}): LogEntry {
  return {
    atMs: Date.UTC(2026, 10, 22, 20, 31, 14, 120),
    level: "warn",
    part: "relay",
    message: "late",
    fields: {},
    ...changes,
  };
}

Deno.test("a JSON line has time, level, part and message first, then the fields", () => {
  const line = jsonLine(
    entry({ fields: { sinceMs: 1200, trouble: { kind: "silent" }, topics: ["a", "b"], known: true } }),
  );

  assert.equal(
    line,
    '{"time":"2026-11-22T20:31:14.120Z","level":"warn","part":"relay","msg":"late","sinceMs":1200,"trouble":{"kind":"silent"},"topics":["a","b"],"known":true}',
  );
});

Deno.test("a text line can be read by a person", () => {
  const fields = { sinceMs: 1200, url: "https://x/y", why: "not there", trouble: { kind: "silent" } };

  assert.equal(
    textLine(entry({ fields })),
    '2026-11-22T20:31:14.120Z warn  relay: late sinceMs=1200 url=https://x/y why="not there" trouble={"kind":"silent"}',
  );
});

Deno.test("a field does not take the place of time, level, part or message", () => {
  const line = jsonLine(entry({ fields: { time: 1, level: 2, part: 3, msg: 4 } }));

  assert.deepEqual(JSON.parse(line), {
    time: "2026-11-22T20:31:14.120Z",
    level: "warn",
    part: "relay",
    msg: "late",
    "fields.time": 1,
    "fields.level": 2,
    "fields.part": 3,
    "fields.msg": 4,
  });
});

Deno.test("a field of any name is shown under it, also what every object has", () => {
  const fields = Object.fromEntries(["__proto__", "toString", "constructor"].map((name) => [name, name]));
  const line = jsonLine(entry({ fields: { ...fields, map: new Map([["__proto__", "y"]]) } }));

  for (const name of ["__proto__", "toString", "constructor"]) assert.match(line, new RegExp(`,"${name}":"${name}"`));
  assert.match(line, /"map":\{"__proto__":"y"\}/);
});

/** A field's value, and what a line shows of it. */
const shown: Record<string, [unknown, unknown]> = {
  "a secret": [new Secret("hunter2"), "(secret)"],
  "a secret in a list in an object": [{ all: [new Secret("hunter2")] }, { all: ["(secret)"] }],
  "a secret as a map's value": [new Map([["a", new Secret("hunter2")]]), { a: "(secret)" }],
  "a field named password": [{ password: "hunter2" }, { password: "(secret)" }],
  "a header named Authorization": [{ headers: { Authorization: "hunter2" } }, {
    headers: { Authorization: "(secret)" },
  }],
  "a field whose name ends in token": [{ relayToken: "hunter2" }, { relayToken: "(secret)" }],
  "a field named after a setting": [{ SECRET_BOOK: "hunter2" }, { SECRET_BOOK: "(secret)" }],
  "a secret that is an object": [{ secret: { value: "hunter2" } }, { secret: "(secret)" }],
  "when a token expires": [{ tokenExpiresMs: 12 }, { tokenExpiresMs: 12 }],
  "a code in an address": ["wss://x/y?code=hunter2&z=1", "wss://x/y?code=(secret)&z=1"],
  "a code elsewhere in a query": ["wss://x/y?z=1&CODE=hunter2", "wss://x/y?z=1&CODE=(secret)"],
  "a code in an address that is a URL": [new URL("wss://x/y?code=hunter2"), "wss://x/y?code=(secret)"],
  "a signed token in words": ["got eyJhbGciOi.eyJzdWIi.hunter-2 back", "got (token) back"],
  "a password in an address": ["smtp://ann:hunter2@h/", "smtp://(secret)@h/"],
  "a mail address": ["ann@a.org", "ann@a.org"],
  "an instant": [new Date(0), "1970-01-01T00:00:00.000Z"],
  "an error": [new TypeError("no such host?code=hunter2"), "no such host?code=(secret)"],
  "an error with a cause": [new Error("cannot send", { cause: new Error("refused") }), "cannot send: refused"],
  "a set": [new Set(["a"]), ["a"]],
  "bytes": [new Uint8Array(3), "(3 bytes)"],
  "no number": [NaN, "NaN"],
  "a big number": [12n, "12"],
  "nothing": [null, null],
  "a function": [() => 1, "(function)"],
};
for (const [name, [value, want]] of Object.entries(shown)) {
  Deno.test(`a line shows ${name}`, () => {
    const { field } = JSON.parse(jsonLine(entry({ fields: { field: value } })));
    assert.deepEqual(field, want);
  });
}

Deno.test("the message is kept clean of secrets like a field", () => {
  const message = "dialled wss://x/y?code=hunter2";

  assert.equal(jsonLine(entry({ message })).includes("hunter2"), false);
  assert.equal(textLine(entry({ message, fields: { password: "hunter2" } })).includes("hunter2"), false);
});

Deno.test("what is undefined is left out", () => {
  assert.equal(textLine(entry({ fields: { gone: undefined } })), textLine(entry()));
});

Deno.test("a value that holds itself ends", () => {
  const loop: Record<string, unknown> = {};
  loop.again = loop;

  assert.match(jsonLine(entry({ fields: { loop } })), /"again":"…"/);
});

Deno.test("a very long text is cut", () => {
  const line = jsonLine(entry({ fields: { page: "x".repeat(100_000) } }));

  assert.ok(line.length < 11_000, `${line.length}`);
});

Deno.test("one entry is one line, and can't speak to a terminal", () => {
  const evil = 'a\nb\r\u001b[2J\u0085\u2028\u202e"\\';
  const fields = { evil, "key\n": 1 };

  assert.equal(
    textLine(entry({ message: evil, fields })).replace(/^.*relay: /, ""),
    'a\\nb\\r\\u001b[2J\\u0085\\u2028\\u202e"\\ evil="a\\nb\\r\\u001b[2J\\u0085\\u2028\\u202e\\"\\\\" key\\n=1',
  );
  const line = jsonLine(entry({ message: evil, fields }));
  assert.match(line, /^[\x20-\x7e]*$/);
  assert.equal(JSON.parse(line).msg, evil);
});
