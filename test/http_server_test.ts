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

/*  How answers travel: what browsers and caches are told, compression, HEAD, and requests that no client library would send. */

const headersWell = snapshot(wellLab(Array.from({ length: 20 }, (_, at) => `pend${at}`)).bench);
const plainly: RequestInit & { headers: Record<string, string> } = { headers: {} };
const gzip: typeof plainly = { headers: { "Accept-Encoding": "gzip" } };
const everyKind = [
  "/",
  "/api/",
  "/api",
  "/api/page.css",
  "/api/v1/experiments",
  "/api/v1/live",
  "/metrics",
  "/nothing",
];

for (const path of everyKind) {
  Deno.test(`browsers may not guess what ${path} is, nor tell others of it, nor are they bound beyond it`, async () => {
    const { headers } = await appOf(headersWell).request(path);

    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("referrer-policy"), "no-referrer");
    assert.equal(headers.get("strict-transport-security"), null);
    assert.equal(headers.get("cross-origin-resource-policy"), null);
  });
}

Deno.test("a page may load and reach nothing but its own, and stands in nobody's frame", async () => {
  const policy = (await appOf(headersWell).request("/api/")).headers.get("content-security-policy")?.split("; ") ?? [];

  assert.ok(policy.includes("default-src 'none'") && policy.includes("frame-ancestors 'none'"));
  assert.deepEqual(policy.filter((each) => /unsafe|\*|https?:|data:/.test(each)), []);
});

Deno.test("the page holds no script and no style of its own, which the policy would refuse", async () => {
  const html = await (await appOf(headersWell).request("/api/")).text();

  assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)/);
});

for (
  const path of ["/api/", "/api/v1/experiments", "/api/v1/status", "/metrics", "/api/v1/experiments/events/nobody"]
) {
  Deno.test(`${path} is true only now, so it is kept nowhere`, async () => {
    assert.equal((await appOf(headersWell).request(path)).headers.get("cache-control"), "no-store");
  });
}

for (
  const path of [
    "/api/page.css",
    "/api/page.js",
    "/api/page_change.js",
    "/api/icon.svg?trouble=2",
    "/api/v1/openapi.json",
  ]
) {
  Deno.test(`${path} may be kept, but is asked about each time: 304 while it holds, plain or compressed`, async () => {
    const app = appOf(headersWell);
    for (const asked of [plainly, gzip]) {
      const first = await app.request(path, asked);
      const tag = first.headers.get("etag") ?? "";
      const again = await app.request(path, { headers: { ...asked.headers, "If-None-Match": tag } });
      const other = await app.request(path, { headers: { ...asked.headers, "If-None-Match": '"older"' } });

      assert.equal(first.headers.get("cache-control"), "no-cache");
      assert.deepEqual([again.status, await again.text(), again.headers.get("cache-control")], [304, "", "no-cache"]);
      assert.equal(again.headers.get("vary"), "Accept-Encoding");
      assert.deepEqual([other.status, (await other.text()).length > 0], [200, true]);
      await first.body?.cancel();
    }
  });
}

const named: Record<string, [of: (tag: string) => string, status: number]> = {
  "its tag": [(tag) => tag, 304],
  "its tag as a strong one": [(tag) => tag.slice(2), 304],
  "its tag among others": [(tag) => `"a", ${tag}, W/"b"`, 304],
  "any": [() => "*", 304],
  "another": [() => '"older"', 200],
  "a tag that it begins with": [(tag) => tag.slice(0, -2) + '"', 200],
  "no tag at all": [() => "nonsense", 200],
  "nothing": [() => "", 200],
};
for (const [name, [of, status]] of Object.entries(named)) {
  Deno.test(`experiments that If-None-Match names with ${name} are answered ${status}, packed or not, to GET and HEAD`, async () => {
    const app = appOf(headersWell);
    const tag = (await app.request("/api/v1/experiments")).headers.get("etag") ?? "";
    assert.match(tag, /^W\/"[^"]+"$/);
    for (const method of ["GET", "HEAD"]) {
      for (const asked of [plainly, gzip]) {
        const headers = { ...asked.headers, "If-None-Match": of(tag) };
        const answer = await app.request("/api/v1/experiments", { method, headers });

        assert.deepEqual([answer.status, answer.headers.get("etag")], [status, tag]);
        assert.equal(answer.headers.get("vary"), "Accept-Encoding");
        assert.equal(answer.headers.get("cache-control"), "no-store");
        assert.equal((await answer.text()).length > 0, status === 200 && method === "GET");
      }
    }
  });
}

Deno.test("experiments that have changed since are answered whole, with another tag", async () => {
  let seen = headersWell;
  const app = appOf(headersWell, { snapshot: () => seen });
  const tag = (await app.request("/api/v1/experiments")).headers.get("etag") ?? "";
  seen = { ...headersWell, revision: headersWell.revision + 1 };
  const answer = await app.request("/api/v1/experiments", { headers: { "If-None-Match": tag } });

  assert.equal(answer.status, 200);
  assert.notEqual(answer.headers.get("etag"), tag);
});

const encodings: Record<string, "gzip" | null> = {
  "gzip": "gzip",
  "GZIP": "gzip",
  "br, gzip": "gzip",
  "gzip;q=0.5": "gzip",
  "gzip;q=0.5, identity;q=0.1": "gzip",
  "identity;q=0.5, gzip": "gzip",
  "gzip;q=0.5, identity": null,
  "gzip;q=0": null,
  "gzip;q=0, *": null,
  "br": null,
  "deflate": null,
  "identity": null,
  "": null,
};
for (const [asked, expected] of Object.entries(encodings)) {
  Deno.test(`Accept-Encoding: ${asked || "nothing"} is answered ${expected ?? "as it is"}`, async () => {
    for (const path of ["/api/v1/experiments", "/api/", "/api/page.css"]) {
      const answer = await appOf(headersWell).request(path, { headers: { "Accept-Encoding": asked } });

      assert.equal(answer.headers.get("content-encoding"), expected);
      assert.equal(Number(answer.headers.get("content-length")), (await answer.bytes()).length);
    }
  });
}

Deno.test("an experiment's events are sent once to whoever names their tag, until there is another", async () => {
  const { bench } = wellLab();
  let seen = snapshot(bench);
  const app = appOf(seen, { snapshot: () => seen });
  const ask = (tag = "") => app.request("/api/v1/experiments/events/pend00", { headers: { "If-None-Match": tag } });
  const tag = (await ask()).headers.get("etag") ?? "";
  bench.nowMs += 1_000;
  seen = snapshot(bench);
  const [same, none] = [await ask(tag), await app.request("/api/v1/experiments/events/nobody")];
  bench.relay({ "pend00-st-data": "silent", "spin31-st-data": 0 });
  seen = snapshot(bench);
  const other = await ask(tag);

  assert.deepEqual([same.status, await same.text(), none.status, none.headers.get("etag")], [304, "", 404, null]);
  assert.deepEqual([other.status, (await other.json()).length], [200, 2]);
});

for (const asked of [{}, { "accept-encoding": "gzip" }]) {
  Deno.test(`HEAD of thousands of events answers as GET does ${JSON.stringify(asked)}`, async () => {
    const [view] = headersWell.experiments;
    const events = Array.from(
      { length: 4_000 },
      (_, at) => ({ ...view!.events[0]!, atMs: view!.events[0]!.atMs + at }),
    );
    const app = appOf({ ...headersWell, experiments: [{ ...view!, events }] });
    const ask = (method: string, headers = {}) => {
      return app.request(`/api/v1/experiments/events/${view!.name}`, { method, headers: { ...asked, ...headers } });
    };
    const [get, head] = [await ask("GET"), await ask("HEAD")];
    const has = { "if-none-match": get.headers.get("etag") ?? "" };

    assert.ok(Number(head.headers.get("content-length")) > 0);
    assert.deepEqual([head.status, ...head.headers], [get.status, ...get.headers]);
    assert.deepEqual([(await ask("GET", has)).status, (await ask("HEAD", has)).status], [304, 304]);
    await get.body?.cancel();
  });
}

Deno.test("icons that say another number have another tag", async () => {
  const tags = ["0", "1", "12"].map(async (trouble) => {
    return (await appOf(headersWell).request(`/api/icon.svg?trouble=${trouble}`)).headers.get("etag");
  });

  assert.equal(new Set(await Promise.all(tags)).size, 3);
});

for (const trouble of ["", "-1", "1e999", "NaN", "%3Cscript%3E", "1&trouble=2"]) {
  Deno.test(`an icon for ${trouble || "no"} troubles is an icon`, async () => {
    const answer = await appOf(headersWell).request(`/api/icon.svg?trouble=${trouble}`);
    const svg = await answer.text();

    assert.deepEqual([answer.status, answer.headers.get("content-type")], [200, "image/svg+xml"]);
    assert.match(svg, /^<svg/);
    assert.doesNotMatch(svg, /script|>(?:NaN|Infinity|-)/);
  });
}

for (const path of ["/api/", "/api/v1/experiments", "/api/page.css", "/api/v1/openapi.json"]) {
  Deno.test(`${path} is compressed for whoever asks for it, and is the same inside`, async () => {
    const plain = await appOf(headersWell).request(path);
    const small = await appOf(headersWell).request(path, gzip);

    assert.deepEqual([plain.headers.get("content-encoding"), small.headers.get("content-encoding")], [null, "gzip"]);
    assert.deepEqual([plain.headers.get("vary"), small.headers.get("vary")], ["Accept-Encoding", "Accept-Encoding"]);
    const opened = small.body?.pipeThrough(new DecompressionStream("gzip"));
    assert.equal(await new Response(opened).text(), await plain.text());
  });
}

for (const path of ["/healthz", "/nothing"]) {
  Deno.test(`${path} is too short to be compressed`, async () => {
    const answer = await appOf(headersWell).request(path, gzip);

    assert.equal(answer.headers.get("content-encoding"), null);
    assert.equal(Number(answer.headers.get("content-length")), (await answer.arrayBuffer()).byteLength);
  });
}

Deno.test("HEAD says what GET would, without it", async () => {
  for (const path of ["/api/", "/api/page.css", "/api/v1/experiments", "/healthz", "/nothing"]) {
    const app = appOf(headersWell);
    const [get, head] = await Promise.all(["GET", "HEAD"].map((method) => app.request(path, { method })));
    assert.ok(get && head);

    assert.equal(head.status, get.status);
    assert.deepEqual([...head.headers], [...get.headers]);
    assert.deepEqual([head.body, (await get.text()).length > 0], [null, true]);
  }
});

const raw: Record<string, [request: string, status: RegExp]> = {
  "HEAD of the page": ["HEAD /api/ HTTP/1.1", /^200 .*content-length: \d{4,}/is],
  "a percent sign alone": ["GET /api/v1/experiments/events/% HTTP/1.1", /^404 .*"code":"404"/s],
  "bytes that are no UTF-8": ["GET /api/v1/experiments/%ff%fe/history HTTP/1.1", /^404 .*"code":"404"/s],
  "a null byte": ["GET /api/v1/experiments/events/%00 HTTP/1.1", /^404 .*"code":"404"/s],
  "a path up and out": ["GET /api/../../etc/passwd HTTP/1.1", /^404 .*"code":"404"/s],
  "a whole address": ["GET http://elsewhere/api/v1/status HTTP/1.1", /^200 .*"counts"/s],
  "a host that is none": ["GET /api/ HTTP/1.1\r\nHost: la%s%n\r\n\r\n", /^400 .*"code":"400"/s],
  "a host with a path in it": ["GET /api/ HTTP/1.1\r\nHost: lab/metrics?\r\n\r\n", /^400 .*"code":"400"/s],
  "a whole address of a host that is none": ["GET http://a%zz/api/ HTTP/1.1", /^400 /s],
  "a query of 50 kB": [`GET /api/?q=${"x".repeat(50_000)} HTTP/1.1`, /^200 /],
  "TRACE": ["TRACE /api/v1/status HTTP/1.1", /^405 .*allow: GET, HEAD/is],
  "OPTIONS of everything": ["OPTIONS * HTTP/1.1", /^405 .*allow: GET, HEAD/is],
  "a POST with a body": ["POST /api/v1/status HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", /^405 /],
};
for (const [name, [request, expected]] of Object.entries(raw)) {
  Deno.test(`on the wire: ${name} is answered in our own way`, async () => {
    const listening = listen(appOf(headersWell), "127.0.0.1", 0);
    const answer = await ask(listening.port, request);
    await listening.stop(new AbortController().signal);

    assert.match(answer.replace(/^HTTP\/1\.1 /, ""), expected);
  });
}

async function ask(port: number, request: string): Promise<string> {
  const connection = await Deno.connect({ port, hostname: "127.0.0.1" });
  const [line, ...rest] = request.split("\r\n");
  const host = /\r\nHost:/.test(request) ? [] : ["Host: status"];
  const text = [line, ...host, "Connection: close", ...(rest.length > 0 ? rest : ["", ""])].join("\r\n");
  const writer = connection.writable.getWriter();
  await writer.write(new TextEncoder().encode(text));
  return await new Response(connection.readable).text();
}
