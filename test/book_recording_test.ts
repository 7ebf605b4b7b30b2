/** What the real book answered, replayed to the client: each recorded request that it could send is sent, and understood. */
import assert from "node:assert/strict";
import type { Book } from "../src/book_client.ts";
import { AnsweringBook } from "./support/answering_book.ts";

interface Recorded {
  readonly request: { readonly method?: string; readonly path?: string; readonly note?: string };
  readonly response: { readonly status?: number; readonly body?: string };
}

const file = new URL("../../shared/captures/book-v0.4.1.jsonl", import.meta.url);
const recorded = await Deno.readTextFile(file).then(
  (text) => text.trim().split("\n").map((line): Recorded => JSON.parse(line)),
  () => [],
);
const never = new AbortController().signal;
const listPath = "/api/v1/admin/resources";

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
  if (method === "GET" && path === listPath) return (book) => book.resources(never);
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
