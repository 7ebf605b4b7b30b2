import { jwtVerify } from "jose";
import assert from "node:assert/strict";
import { type Book, bookTrouble, type BookUnreachable, createBook } from "../src/book_client.ts";
import { Secret } from "../src/setting_types.ts";
import { AnsweringBook } from "./support/answering_book.ts";
import { FakeClock } from "./support/clock.ts";

const never = new AbortController().signal;
const listPath = "/t/book/api/v1/admin/resources";
const wanted = { available: false, reason: "status server: too quiet & late" };

Deno.test("the list gives stubs and the whole topics of what is required, sorted, and is deaf to the rest", async () => {
  await using server = new AnsweringBook(() =>
    new Response(`{
      "r-pend01": {"topic_stub": "pend01", "streams": ["st-video", "st-data", "st-video"], "tests": null, "description": 7},
      "r-pend00": {"topic_stub": "pend00", "streams": null},
      "__proto__": {"topic_stub": "pend03", "streams": [], "config_url": []},
      "r none": {"topic_stub": "pend02"}
    }`)
  );

  const list = await server.book.resources(never);

  assert.deepEqual(list, {
    resources: [
      { name: "__proto__", stub: "pend03", required: [] },
      { name: "r none", stub: "pend02", required: [] },
      { name: "r-pend00", stub: "pend00", required: [] },
      { name: "r-pend01", stub: "pend01", required: ["pend01-st-data", "pend01-st-video"] },
    ],
    skipped: 0,
  });
});

Deno.test("a book without a manifest lists nothing", async () => {
  await using server = new AnsweringBook(() => Response.json({}));
  assert.deepEqual(await server.book.resources(never), { resources: [], skipped: 0 });
});

const badResources: Record<string, string> = {
  "that is no object": `{"r-bad":7}`,
  "that is null": `{"r-bad":null}`,
  "without a topic stub": `{"r-bad":{"streams":[]}}`,
  "with an empty topic stub": `{"r-bad":{"topic_stub":"","streams":[]}}`,
  "with a topic stub that is too long": `{"r-bad":{"topic_stub":"${"x".repeat(257)}","streams":[]}}`,
  "with a control character in its topic stub": `{"r-bad":{"topic_stub":"pend\\n00","streams":[]}}`,
  "with half a surrogate pair in its topic stub": `{"r-bad":{"topic_stub":"pend\\ud800","streams":[]}}`,
  "whose streams are no list": `{"r-bad":{"topic_stub":"pend00","streams":"st-data"}}`,
  "with a stream that is no text": `{"r-bad":{"topic_stub":"pend00","streams":["st-data",1]}}`,
  "named `.`, which no address can say": `{".":{"topic_stub":"pend00","streams":[]}}`,
  "named `..`, which no address can say": `{"..":{"topic_stub":"pend00","streams":[]}}`,
  "without a name": `{"":{"topic_stub":"pend00","streams":[]}}`,
  "with half a surrogate pair in its name": `{"\\udc00":{"topic_stub":"pend00","streams":[]}}`,
};
for (const [name, body] of Object.entries(badResources)) {
  Deno.test(`a resource ${name} is left out and counted, and the others are not`, async () => {
    await using server = new AnsweringBook(() =>
      new Response(`${body.slice(0, -1)},"r-good":{"topic_stub":"${"x".repeat(254)}","streams":["a"]}}`)
    );

    const { resources, skipped } = await server.book.resources(never);

    assert.deepEqual([resources.map((resource) => resource.name), skipped], [["r-good"], 1]);
  });
}

const targets: Record<string, string> = {
  "r-pend00": `${listPath}/r-pend00`,
  "r two words": `${listPath}/r%20two%20words`,
  "r/slash": `${listPath}/r%2Fslash`,
  "r-ünï?&#%41+": `${listPath}/r-%C3%BCn%C3%AF%3F%26%23%2541%2B`,
  "...": `${listPath}/...`,
  "%2e": `${listPath}/%252e`,
  "a\\b": `${listPath}/a%5Cb`,
  "tab\t": `${listPath}/tab%09`,
};
for (const [name, target] of Object.entries(targets)) {
  Deno.test(`the resource ${JSON.stringify(name)} is asked for at ${target}`, async () => {
    await using server = new AnsweringBook(() => Response.json({ available: true, reason: "x" }));

    await server.book.availability(name, never);
    await server.book.setAvailability(name, wanted, never);

    assert.deepEqual(server.asked.map(({ method, target }) => [method, target]), [
      ["GET", target],
      ["PUT", `${target}?available=false&reason=status%20server%3A%20too%20quiet%20%26%20late`],
    ]);
  });
}

Deno.test("a resource whose name no address can say is unknown, without asking", async () => {
  await using server = new AnsweringBook(() => Response.json({ available: true, reason: "x" }));

  assert.deepEqual(await server.failure(server.book.availability("..", never)), {
    code: "BOOK_UNKNOWN_RESOURCE",
    retryable: false,
    message: `Cannot ask for .. at HOST${listPath}: its name cannot be written in an address`,
  });
  assert.deepEqual(server.asked, []);
});

Deno.test("the availability is what book says, in its own words", async () => {
  await using server = new AnsweringBook(() =>
    Response.json({ available: false, reason: "unavailable because ✓", x: 1 })
  );
  assert.deepEqual(await server.book.availability("r", never), {
    available: false,
    reason: "unavailable because ✓",
  });
});

Deno.test("a change that book takes with an empty 204 is done", async () => {
  await using server = new AnsweringBook(() => new Response(null, { status: 204 }));
  await server.book.setAvailability("r", wanted, never);
});

Deno.test("every request carries a raw token for book, dated back 10 s and good for at least 60 s", async () => {
  const clock = new FakeClock();
  await using server = new AnsweringBook(() => Response.json({}), clock);

  await server.book.resources(never);

  const { payload } = await jwtVerify(
    server.asked[0]?.authorization ?? "",
    new TextEncoder().encode("somesecret"),
    { currentDate: new Date(clock.nowMs() + 60_000) },
  );
  assert.deepEqual({ ...payload, exp: 0 }, {
    aud: [`http://${server.host}/t/book`],
    scopes: ["booking:admin"],
    sub: "status-server",
    iat: clock.nowMs() / 1000 - 10,
    nbf: clock.nowMs() / 1000 - 10,
    exp: 0,
  });
});

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
  "422": [
    new Response(`{"code":602,"message":"reason in query is required"}`, { status: 422 }),
    { code: "BOOK_REFUSED", retryable: true, message: `${set}: book answered 422 "reason in query is required"` },
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

/*  What the real book answered, replayed to the client: each recorded request that it could send is sent, and understood. */

interface Recorded {
  readonly request: { readonly method?: string; readonly path?: string; readonly note?: string };
  readonly response: { readonly status?: number; readonly body?: string };
}

const file = new URL("../../shared/captures/book-v0.4.1.jsonl", import.meta.url);
const recorded = await Deno.readTextFile(file).then(
  (text) => text.trim().split("\n").map((line): Recorded => JSON.parse(line)),
  () => [],
);
const recordingListPath = "/api/v1/admin/resources";

Deno.test({
  name: "every recorded answer of book v0.4.1 is understood (needs ../shared/captures)",
  ignore: recorded.length === 0,
  async fn() {
    const leftOut: string[] = [];
    for (const line of recorded) {
      const call = callOf(line);
      if (call === null) leftOut.push(`${line.request.method ?? "note"} ${line.request.path ?? line.request.note}`);
      else await replay(line, call);
    }
    assert.deepEqual(leftOut, [
      "PUT /api/v1/admin/manifest",
      "PUT /api/v1/admin/manifest",
      "GET /api/v1/admin/resources/r/slash", // the client sends `r%2Fslash`
      "GET /api/v1/admin/resources/r+two+words", // the client sends `r%20two%20words`
      "PUT /api/v1/admin/resources/r-pend00?available=maybe&reason=x",
      "PUT /api/v1/admin/resources/r-pend00?available=true",
      "PUT /api/v1/admin/resources/r-pend00?reason=x",
      "POST /api/v1/admin/resources/r-pend00",
      "GET /api/v1/admin/nothing",
      "GET //api/v1/admin/resources",
      "GET /api/v1/admin/resources/",
      "PUT /api/v1/admin/manifest",
      "note book is killed and started again",
      "note the operator loads the manifest again",
      "note the operator loads a manifest that holds r-pend01 alone",
    ]);
  },
});

type Call = (book: Book) => Promise<unknown>;

/** The client's call that sends the recorded request; null where it has none. */
function callOf({ request: { method, path } }: Recorded): Call | null {
  if (method === "GET" && path === recordingListPath) return (book) => book.resources(never);
  const [, escaped, query] = /^\/api\/v1\/admin\/resources\/([^/?]+)(\?.*)?$/.exec(path ?? "") ?? [];
  if (escaped === undefined || encodeURIComponent(decodeURIComponent(escaped)) !== escaped) return null;
  const name = decodeURIComponent(escaped);
  const search = new URLSearchParams(query);
  const [available, reason] = [search.get("available"), search.get("reason")];
  if (method === "GET") return (book) => book.availability(name, never);
  if (method !== "PUT" || reason === null || !/^(true|false)$/.test(available ?? "")) return null;
  return (book) => book.setAvailability(name, { available: available === "true", reason }, never);
}

async function replay({ request, response: { status = 0, body = "" } }: Recorded, call: Call): Promise<void> {
  await using server = new AnsweringBook(() => new Response(body === "" ? null : body, { status }));
  const answer = call(server.book);
  if (status >= 400) {
    const { message } = await server.failure(answer);
    const said = `: book answered ${status} "${JSON.parse(body).message}"`;
    // Of a token that is refused for skew it is said besides what to do.
    assert.equal(message.slice(message.indexOf(": book")).replace(/: this machine's clock is .*$/, ""), said);
  } else {
    assert.deepEqual(await answer, understood(body));
  }
  assert.deepEqual(server.asked.map(plain), [plain({ method: request.method, target: `/t/book${request.path}` })]);
}

function understood(body: string): unknown {
  if (body === "") return undefined;
  const json = JSON.parse(body);
  if ("available" in json) return json;
  const names = Object.keys(json).sort();
  const resource = (name: string) => ({
    name,
    stub: json[name].topic_stub,
    required: json[name].streams.map((stream: string) => `${json[name].topic_stub}-${stream}`),
  });
  return { resources: names.map(resource), skipped: 0 };
}

/** A space in a query can be written in two ways. */
function plain({ method, target }: { method?: string | undefined; target: string }) {
  const { pathname, searchParams } = new URL(target, "http://book");
  return [method, pathname, ...searchParams];
}
