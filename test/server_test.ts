import assert from "node:assert/strict";
import { listen } from "../src/http_server.ts";
import { StoreFailed } from "../src/store.ts";
import { appOf, oddNames, wellLab } from "./support/app.ts";
import { snapshot } from "./support/snapshot.ts";

const odd = snapshot(wellLab(oddNames).bench);
const well = snapshot(wellLab().bench);

Deno.test("the experiments are an array, sorted by name", async () => {
  const answer = await appOf(odd).request("/api/v1/experiments");

  assert.equal(answer.status, 200);
  const json = await answer.json();
  assert.deepEqual(json.map((each: { topic_name: string }) => each.topic_name), oddNames.toSorted());
});

Deno.test("what has changed is in the next answer, and what has not is told the same", async () => {
  let seen = well;
  const app = appOf(well, { snapshot: () => seen });
  const ask = async () => (await (await app.request("/api/v1/experiments")).json()).length;

  assert.deepEqual([await ask(), await ask()], [2, 2]);
  seen = { ...odd, revision: well.revision + 1 };
  assert.equal(await ask(), oddNames.length);
});

Deno.test("a crowd that asks for one page by many addresses gets it; of many pages at once some are to be asked for again", async () => {
  const app = appOf(well);
  const crowd = async (address: (at: number) => string) => {
    const answers = await Promise.all(Array.from({ length: 40 }, (_, at) => app.request(address(at))));
    await Promise.all(answers.map((answer) => answer.arrayBuffer()));
    return answers.filter(({ status }) => status !== 200).map((
      { status, headers },
    ) => [status, headers.get("retry-after")]);
  };

  assert.deepEqual(await crowd((at) => `/?x=${at}`), []);
  const refused = await crowd((at) => `/?q=${at}`);
  assert.ok(refused.length > 0);
  assert.deepEqual(refused.filter(([status, after]) => status !== 503 || after !== "15"), []);
  assert.deepEqual(await crowd((at) => `/?q=${at % 20}`), []);
});

for (const name of oddNames) {
  Deno.test(`the events, the history and the page of ${name} are found by its escaped name`, async () => {
    const app = appOf(odd);
    const events = await app.request(`/api/v1/experiments/events/${encodeURIComponent(name)}`);
    const history = await app.request(`/api/v1/experiments/${encodeURIComponent(name)}/history`);
    const page = await app.request(`/api/?experiment=${encodeURIComponent(name)}`);

    assert.equal((await events.json()).length, 1);
    assert.equal((await history.json()).topic_name, name);
    assert.equal(page.status, 200);
  });
}

const refusals: Record<string, [path: string, method: string, status: number]> = {
  "an unknown experiment": ["/api/v1/experiments/events/nobody", "GET", 404],
  "the history of an unknown experiment": ["/api/v1/experiments/nobody/history", "GET", 404],
  "a name that does not decode": ["/api/v1/experiments/events/%", "GET", 404],
  "a name that is no UTF-8": ["/api/v1/experiments/%FF%C0/history", "GET", 404],
  "an unknown path": ["/nothing", "GET", 404],
  "a path with a slash too many": ["/api/v1/status/", "GET", 404],
  "a window that is no duration": ["/api/v1/experiments/pend00/history?window=soon", "GET", 400],
  "an empty window": ["/api/v1/experiments/pend00/history?window=", "GET", 400],
  "a window of no length": ["/api/v1/experiments/pend00/history?window=0d", "GET", 400],
  "a window that is no UTF-8": ["/api/v1/experiments/pend00/history?window=%FF", "GET", 400],
  "two windows": ["/api/v1/experiments/pend00/history?window=7d&window=7d", "GET", 400],
  "a method that would change something": ["/api/v1/experiments", "POST", 405],
  "a delete": ["/api/v1/status", "DELETE", 405],
  "a method that nobody knows": ["/api/", "BREW", 405],
  "a method on an unknown path": ["/nothing", "PUT", 405],
};
for (const [name, [path, method, status]] of Object.entries(refusals)) {
  Deno.test(`${name} is answered ${status}, with the code as a string and a message`, async () => {
    const answer = await appOf(well).request(path, { method });

    assert.equal(answer.status, status);
    const json = await answer.json();
    assert.deepEqual(Object.keys(json), ["code", "message"]);
    assert.equal(json.code, String(status));
    assert.equal(answer.headers.get("allow"), status === 405 ? "GET, HEAD" : null);
  });
}

Deno.test("not being ready is answered 503 with what is missing", async () => {
  const answer = await appOf(well).request("/readyz");

  assert.equal(answer.status, 503);
  assert.deepEqual(await answer.json(), { code: "503", message: "not ready: book has not been read" });
});

Deno.test("a history that can't be read is answered 503, with the store's words", async () => {
  const history = () => Promise.reject(new StoreFailed("Cannot read turns: the disk is gone"));
  const answer = await appOf(well, { history }).request("/api/v1/experiments/pend00/history");

  assert.equal(answer.status, 503);
  assert.match((await answer.json()).message, /the disk is gone/);
});

Deno.test("a history is asked of the store for the window, and for no more than it keeps", async () => {
  const asked: [string, number][] = [];
  const history = (name: string, sinceMs: number) => {
    asked.push([name, well.atMs - sinceMs]);
    return Promise.resolve([]);
  };
  const app = appOf(well, { history }, { storeKeepMs: 10 * 86_400_000 });
  for (const query of ["", "?window=90m", "?window=7d", "?window=999d"]) {
    await app.request(`/api/v1/experiments/spin31/history${query}`);
  }

  assert.deepEqual(asked, [["spin31", 86_400_000], ["spin31", 5_400_000], ["spin31", 604_800_000], [
    "spin31",
    864_000_000,
  ]]);
});

Deno.test("a reader of live events without a place is answered 503, and when to come again", async () => {
  const answer = await appOf(well, { live: { answer: () => null } }).request("/api/v1/live");

  assert.equal(answer.status, 503);
  assert.match(answer.headers.get("retry-after") ?? "", /^\d+$/);
  assert.equal((await answer.json()).code, "503");
});

Deno.test("live events are what live answers to the parameters, and HEAD takes no reader's place", async () => {
  const asked: string[] = [];
  const live = {
    answer(params: URLSearchParams) {
      asked.push(String(params));
      return new Response("data: x\n\n", { headers: { "Content-Type": "text/event-stream" } });
    },
  };
  const app = appOf(well, { live });
  const get = await app.request("/api/v1/live?page=list&window=7d", { headers: { "Accept-Encoding": "gzip" } });
  const head = await app.request("/api/v1/live", { method: "HEAD" });

  assert.equal(await get.text(), "data: x\n\n");
  assert.deepEqual([get.headers.get("content-encoding"), get.headers.get("content-type")], [null, "text/event-stream"]);
  assert.deepEqual([head.status, head.headers.get("content-type"), head.body], [200, "text/event-stream", null]);
  assert.deepEqual(asked, ["page=list&window=7d"]);
});

Deno.test("the metrics are text in the format that Prometheus asks for", async () => {
  const answer = await appOf(well).request("/metrics");

  assert.equal(await answer.text(), "status_up 1\n");
  assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
});

Deno.test("/api goes to /api/, wherever a proxy has put it, and keeps the query", async () => {
  const answer = await appOf(well).request("/api?view=wall");

  assert.equal(answer.status, 302);
  assert.equal(answer.headers.get("location"), "api/?view=wall");
});

Deno.test("the page finds what it needs below /api/, from / and from /api/", async () => {
  for (const path of ["/", "/api/"]) {
    const html = await (await appOf(well).request(path)).text();
    const links = [...html.matchAll(/(?:href|src|data-live)="([^"?#]+)[^"]*"/g)].map(([, link = ""]) =>
      new URL(link, `http://lab/TENANT/status${path}`).pathname
    );

    assert.ok(links.includes("/TENANT/status/api/page.css") && links.includes("/TENANT/status/api/v1/live"));
    for (const link of new Set(links)) {
      assert.equal((await appOf(well).request(link.replace("/TENANT/status", ""))).status, 200, link);
    }
  }
});

Deno.test("a page is what was asked for and what is so, and at most a second old", async () => {
  let [seen, nowMs] = [well, well.atMs];
  const app = appOf(well, { snapshot: () => seen, nowMs: () => nowMs, monotonicMs: () => nowMs });
  const ask = async (path: string) => await (await app.request(path)).text();

  const list = await ask("/api/");
  assert.notEqual(await ask("/"), list);
  assert.notEqual(await ask("/api/?view=wall"), list);
  assert.equal(await ask("/api/"), list);
  nowMs += 120_000;
  const later = await ask("/api/");
  assert.notEqual(later, list);
  seen = { ...odd, revision: well.revision + 1 };
  assert.notEqual(await ask("/api/"), later);
});

Deno.test("the page of an unknown experiment is a page, answered 404", async () => {
  const answer = await appOf(well).request("/api/?experiment=nobody");

  assert.equal(answer.status, 404);
  assert.match(answer.headers.get("content-type") ?? "", /^text\/html/);
});

Deno.test("the OpenAPI document that could not be made once is there for the next who asks", async () => {
  const versions = [{ toJSON: () => assert.fail("once") } as unknown as string, "1.2.3"];
  const snapshot = () => ({ ...well, version: versions.shift() ?? "asked for too often" });
  const app = appOf(well, { snapshot, failed() {} });
  const ask = async () => await app.request("/api/v1/openapi.json");

  assert.equal((await ask()).status, 500);
  assert.equal((await (await ask()).json()).info.version, "1.2.3");
  assert.equal((await ask()).status, 200);
});

Deno.test("what goes wrong inside is answered 500 without its words, and told to the log", async () => {
  const failed: string[] = [];
  const answer = await appOf(well, {
    snapshot: () => {
      throw new Error("a secret thing");
    },
    failed: (method, path) => failed.push(`${method} ${path}`),
  }).request("/api/v1/status");

  assert.equal(answer.status, 500);
  assert.doesNotMatch(await answer.text(), /secret/);
  assert.deepEqual(failed, ["GET /api/v1/status"]);
});

Deno.test("it listens where it was asked to, and a stop lets a request under way finish", async () => {
  const listening = listen(appOf(well), "localhost", 0);
  const answer = await fetch(`http://127.0.0.1:${listening.port}/healthz`);

  assert.deepEqual(await answer.json(), { status: "alive" });
  await listening.stop(new AbortController().signal);
});

Deno.test("a port in use is an error at once, that names it", async () => {
  const first = listen(appOf(well), "127.0.0.1", 0);

  assert.throws(
    () => listen(appOf(well), "127.0.0.1", first.port),
    new RegExp(`^ListenFailed: .*127.0.0.1:${first.port}: .*in use`),
  );
  await first.stop(new AbortController().signal);
});

Deno.test("a stop does not wait longer than it is told for a client that does not go", async () => {
  const listening = listen(appOf(well), "127.0.0.1", 0);
  const client = await Deno.connect({ port: listening.port, hostname: "127.0.0.1" });
  await client.write(new TextEncoder().encode("GET /healthz HTTP/1.1\r\nHost: x\r\n")); // and no end of it

  await listening.stop(AbortSignal.abort());
  client.close();
});
