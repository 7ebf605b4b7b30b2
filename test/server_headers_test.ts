/** How answers travel: what browsers and caches are told, compression, HEAD, and requests that no client library would send. */
import assert from "node:assert/strict";
import { listen } from "../src/http_server.ts";
import { appOf, wellLab } from "./support/app.ts";
import { snapshot } from "./support/snapshot.ts";

const well = snapshot(wellLab(Array.from({ length: 20 }, (_, at) => `pend${at}`)).bench);
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
    const { headers } = await appOf(well).request(path);

    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("referrer-policy"), "no-referrer");
    assert.equal(headers.get("strict-transport-security"), null);
    assert.equal(headers.get("cross-origin-resource-policy"), null);
  });
}

Deno.test("a page may load and reach nothing but its own, and stands in nobody's frame", async () => {
  const policy = (await appOf(well).request("/api/")).headers.get("content-security-policy")?.split("; ") ?? [];

  assert.ok(policy.includes("default-src 'none'") && policy.includes("frame-ancestors 'none'"));
  assert.deepEqual(policy.filter((each) => /unsafe|\*|https?:|data:/.test(each)), []);
});

Deno.test("the page holds no script and no style of its own, which the policy would refuse", async () => {
  const html = await (await appOf(well).request("/api/")).text();

  assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)/);
});

for (
  const path of ["/api/", "/api/v1/experiments", "/api/v1/status", "/metrics", "/api/v1/experiments/events/nobody"]
) {
  Deno.test(`${path} is true only now, so it is kept nowhere`, async () => {
    assert.equal((await appOf(well).request(path)).headers.get("cache-control"), "no-store");
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
    const app = appOf(well);
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
    const app = appOf(well);
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
  let seen = well;
  const app = appOf(well, { snapshot: () => seen });
  const tag = (await app.request("/api/v1/experiments")).headers.get("etag") ?? "";
  seen = { ...well, revision: well.revision + 1 };
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
      const answer = await appOf(well).request(path, { headers: { "Accept-Encoding": asked } });

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
    const [view] = well.experiments;
    const events = Array.from(
      { length: 4_000 },
      (_, at) => ({ ...view!.events[0]!, atMs: view!.events[0]!.atMs + at }),
    );
    const app = appOf({ ...well, experiments: [{ ...view!, events }] });
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
    return (await appOf(well).request(`/api/icon.svg?trouble=${trouble}`)).headers.get("etag");
  });

  assert.equal(new Set(await Promise.all(tags)).size, 3);
});

for (const trouble of ["", "-1", "1e999", "NaN", "%3Cscript%3E", "1&trouble=2"]) {
  Deno.test(`an icon for ${trouble || "no"} troubles is an icon`, async () => {
    const answer = await appOf(well).request(`/api/icon.svg?trouble=${trouble}`);
    const svg = await answer.text();

    assert.deepEqual([answer.status, answer.headers.get("content-type")], [200, "image/svg+xml"]);
    assert.match(svg, /^<svg/);
    assert.doesNotMatch(svg, /script|>(?:NaN|Infinity|-)/);
  });
}

for (const path of ["/api/", "/api/v1/experiments", "/api/page.css", "/api/v1/openapi.json"]) {
  Deno.test(`${path} is compressed for whoever asks for it, and is the same inside`, async () => {
    const plain = await appOf(well).request(path);
    const small = await appOf(well).request(path, gzip);

    assert.deepEqual([plain.headers.get("content-encoding"), small.headers.get("content-encoding")], [null, "gzip"]);
    assert.deepEqual([plain.headers.get("vary"), small.headers.get("vary")], ["Accept-Encoding", "Accept-Encoding"]);
    const opened = small.body?.pipeThrough(new DecompressionStream("gzip"));
    assert.equal(await new Response(opened).text(), await plain.text());
  });
}

for (const path of ["/healthz", "/nothing"]) {
  Deno.test(`${path} is too short to be compressed`, async () => {
    const answer = await appOf(well).request(path, gzip);

    assert.equal(answer.headers.get("content-encoding"), null);
    assert.equal(Number(answer.headers.get("content-length")), (await answer.arrayBuffer()).byteLength);
  });
}

Deno.test("HEAD says what GET would, without it", async () => {
  for (const path of ["/api/", "/api/page.css", "/api/v1/experiments", "/healthz", "/nothing"]) {
    const app = appOf(well);
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
    const listening = listen(appOf(well), "127.0.0.1", 0);
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
