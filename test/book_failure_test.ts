import assert from "node:assert/strict";
import { bookTrouble, type BookUnreachable, createBook } from "../src/book_client.ts";
import { Secret } from "../src/setting_types.ts";
import { AnsweringBook } from "./support/answering_book.ts";
import { FakeClock } from "./support/clock.ts";

const never = new AbortController().signal;
const listPath = "/t/book/api/v1/admin/resources";
const wanted = { available: false, reason: "status server: too quiet & late" };

const html = "<html><head><style>h1 {}</style></head><body><h1>502 Bad Gateway</h1>\n<hr>nginx</body></html>";
const set = `Cannot set r-pend00 unavailable at HOST${listPath}/r-pend00`;
const skewed = "this machine's clock is 5 min ahead of book's, so one of them has to be set right";
const refusals: Record<string, [Response, { code: string; retryable: boolean; message: string }]> = {
  "a body with its code as a string": [
    new Response(`{"code":"401","message":"no scope booking:admin"}\n`, { status: 401 }),
    { code: "BOOK_REFUSED", retryable: true, message: `${set}: book answered 401 "no scope booking:admin"` },
  ],
  "a body with its code as a number": [
    new Response(`{"code":500,"message":"error parsing claims was signature is invalid"}`, { status: 500 }),
    {
      code: "BOOK_REFUSED",
      retryable: true,
      message: `${set}: book answered 500 "error parsing claims was signature is invalid"`,
    },
  ],
  "a token that is refused for skew, of which the header tells by how much": [
    new Response(`{"code":500,"message":"token used before issued"}`, {
      status: 500,
      headers: { date: new Date(new FakeClock().nowMs() - 300_000).toUTCString() },
    }),
    {
      code: "BOOK_REFUSED",
      retryable: true,
      message: `${set}: book answered 500 "token used before issued": ${skewed}`,
    },
  ],
  "422, which asking again can't help": [
    new Response(`{"code":602,"message":"reason in query is required"}`, { status: 422 }),
    { code: "BOOK_REFUSED", retryable: false, message: `${set}: book answered 422 "reason in query is required"` },
  ],
  "404, which only another manifest helps": [
    new Response(`{"code":"404","message":"resource r-pend00 not found"}\n`, { status: 404 }),
    {
      code: "BOOK_UNKNOWN_RESOURCE",
      retryable: false,
      message: `${set}: book answered 404 "resource r-pend00 not found"`,
    },
  ],
  "a bare JSON string": [
    new Response(`"unauthenticated"`, { status: 401 }),
    { code: "BOOK_REFUSED", retryable: true, message: `${set}: book answered 401 "unauthenticated"` },
  ],
  "plain text": [
    new Response("upstream connect error\r\nor disconnect", { status: 503 }),
    {
      code: "BOOK_REFUSED",
      retryable: true,
      message: `${set}: book answered 503 "upstream connect error or disconnect"`,
    },
  ],
  "the HTML of a proxy": [
    new Response(html, { status: 502 }),
    { code: "BOOK_REFUSED", retryable: true, message: `${set}: book answered 502 "502 Bad Gateway nginx"` },
  ],
  "nothing but a status": [
    new Response(null, { status: 429 }),
    { code: "BOOK_REFUSED", retryable: true, message: `${set}: book answered 429 without a word` },
  ],
  "a redirect elsewhere, of which the query is not shown": [
    new Response(null, { status: 302, headers: { location: "https://login.example.org/in?code=7" } }),
    {
      code: "BOOK_REFUSED",
      retryable: true,
      message: `${set}: book answered 302 and points to login.example.org, which is not followed`,
    },
  ],
  "a redirect to nowhere": [
    new Response("moved", { status: 301, headers: { location: "http://" } }),
    { code: "BOOK_REFUSED", retryable: true, message: `${set}: book answered 301 "moved"` },
  ],
};
for (const [name, [response, want]] of Object.entries(refusals)) {
  Deno.test(`book refuses with ${name}`, async () => {
    await using server = new AnsweringBook(() => response);

    assert.deepEqual(await server.failure(server.book.setAvailability("r-pend00", wanted, never)), want);
    assert.equal(server.asked.length, 1);
  });
}

Deno.test("a manifest that book has no address for is refused, not a resource unknown", async () => {
  await using server = new AnsweringBook(() => new Response("404 page not found", { status: 404 }));
  assert.deepEqual(await server.failure(server.book.resources(never)), {
    code: "BOOK_REFUSED",
    retryable: true,
    message: `Cannot list the resources at HOST${listPath}: book answered 404 "404 page not found"`,
  });
});

const garbage: Record<string, [string, string]> = {
  "is HTML": ["<h1>Welcome</h1>", `"Welcome"`],
  "is empty": ["", "without a word"],
  "breaks off": [`{"available":tr`, `"{"available":tr"`],
  "is null": ["null", `"null"`],
  "is a list": ["[]", `"[]"`],
  "is a text": [`"fine"`, `"fine"`],
};
for (const [name, [body, words]] of Object.entries(garbage)) {
  Deno.test(`a success that ${name} is garbled, as a list and as an availability`, async () => {
    await using server = new AnsweringBook(() => new Response(body, { status: 203 }));
    const what = `book answered 203 ${words}, which is not what book says`;

    assert.deepEqual(await server.failure(server.book.resources(never)), {
      code: "BOOK_GARBLED",
      retryable: true,
      message: `Cannot list the resources at HOST${listPath}: ${what}`,
    });
    assert.deepEqual(await server.failure(server.book.availability("r", never)), {
      code: "BOOK_GARBLED",
      retryable: true,
      message: `Cannot read the availability of r at HOST${listPath}/r: ${what}`,
    });
  });
}

Deno.test("a manifest of which no resource can be read is garbled: it does not say that book lists nothing", async () => {
  await using server = new AnsweringBook(() => Response.json({ "r-pend00": { topic_stub: 6, streams: {} } }));
  assert.deepEqual(await server.failure(server.book.resources(never)), {
    code: "BOOK_GARBLED",
    retryable: true,
    message: `Cannot list the resources at HOST${listPath}: ` +
      `book answered 200 "{"r-pend00":{"topic_stub":6,"streams":{}}}", which is not what book says`,
  });
});

Deno.test("an availability that is neither true nor false is garbled", async () => {
  await using server = new AnsweringBook(() => Response.json({ available: "maybe", reason: "x" }));
  assert.deepEqual(await server.failure(server.book.availability("r", never)), {
    code: "BOOK_GARBLED",
    retryable: true,
    message: `Cannot read the availability of r at HOST${listPath}/r: ` +
      `book answered 200 "{"available":"maybe","reason":"x"}", which is not what book says`,
  });
});

Deno.test("an answer that does not end within 64 MB is garbled, and not kept", async () => {
  const megabyte = new Uint8Array(1024 * 1024).fill(32);
  await using server = new AnsweringBook(() =>
    new Response(new ReadableStream({ pull: (controller) => controller.enqueue(megabyte) }))
  );
  assert.deepEqual(await server.failure(server.book.resources(never)), {
    code: "BOOK_GARBLED",
    retryable: true,
    message:
      `Cannot list the resources at HOST${listPath}: book answered 200 with more than 64 MB, which is not what book says`,
  });
});

Deno.test("TIMEOUT_BOOK ends the wait for a book that never answers", async () => {
  const clock = new FakeClock();
  const asked = Promise.withResolvers<void>();
  await using server = new AnsweringBook(() => (asked.resolve(), new Promise(() => {})), clock);

  const failure = server.failure(server.book.resources(never));
  await asked.promise;
  await clock.advance(4_999);
  assert.equal(clock.waiting, 1);
  await clock.advance(1);

  assert.deepEqual(await failure, {
    code: "BOOK_UNREACHABLE",
    retryable: true,
    message: `Cannot list the resources at HOST${listPath}: no answer within 5 s`,
  });
  assert.equal(clock.waiting, 0);
});

const endless = () => new ReadableStream<Uint8Array>({ pull: () => new Promise(() => {}) });
const late: Record<string, [Response, { code: string; retryable: boolean; message: string }]> = {
  "TIMEOUT_BOOK ends the wait for a body too": [
    new Response(endless()),
    {
      code: "BOOK_UNREACHABLE",
      retryable: true,
      message: `Cannot list the resources at HOST${listPath}: no whole answer within 5 s`,
    },
  ],
  "a refusal is one even if its words do not come in time": [
    new Response(endless(), { status: 500 }),
    {
      code: "BOOK_REFUSED",
      retryable: true,
      message: `Cannot list the resources at HOST${listPath}: book answered 500 without a word`,
    },
  ],
};
for (const [name, [response, want]] of Object.entries(late)) {
  Deno.test(name, async () => {
    const clock = new FakeClock();
    await using server = new AnsweringBook(() => response, clock);

    const failure = server.failure(server.book.resources(never));
    await server.answered;
    await clock.advance(5_000);

    assert.deepEqual(await failure, want);
    assert.equal(clock.waiting, 0);
  });
}

Deno.test("a call that is called off ends at once, with the caller's reason, and leaves no timer", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  await using server = new AnsweringBook(() => {
    stop.abort(new Error("enough"));
    return new Promise(() => {});
  }, clock);

  await assert.rejects(server.book.resources(stop.signal), /^Error: enough$/);
  await assert.rejects(server.book.resources(stop.signal), /^Error: enough$/);
  assert.equal(clock.waiting, 0);
  assert.equal(server.asked.length, 1);
});

Deno.test("a connection that is closed midway is unreachable", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const base = `http://127.0.0.1:${listener.addr.port}/t/book`;
  const book = createBook({ base, audience: base, secret: new Secret("x"), timeoutMs: 5_000 }, {
    clock: new FakeClock(),
    fetch,
  });

  const failure = book.resources(never).catch((error: BookUnreachable) => error.code);
  const connection = await listener.accept();
  await connection.read(new Uint8Array(4_096));
  await connection.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"));
  connection.close();
  listener.close();

  assert.equal(await failure, "BOOK_UNREACHABLE");
});

Deno.test("a book that is not there is unreachable", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const base = `http://127.0.0.1:${listener.addr.port}/t/book`;
  listener.close();
  const book = createBook({ base, audience: base, secret: new Secret("x"), timeoutMs: 5_000 }, {
    clock: new FakeClock(),
    fetch,
  });

  await assert.rejects(book.setAvailability("r", wanted, never), (error: BookUnreachable) => {
    assert.equal(error.code, "BOOK_UNREACHABLE");
    assert.match(
      error.message,
      /^Cannot set r unavailable at 127\.0\.0\.1:\d+\/\S+\/r: tcp connect error: Connection refused/,
    );
    assert.equal(bookTrouble(error).kind, "unreachable");
    return true;
  });
});
