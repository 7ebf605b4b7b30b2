import { jwtVerify } from "jose";
import assert from "node:assert/strict";
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
