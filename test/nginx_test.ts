/** The lines of deploy/nginx.conf in a real nginx that buffers: what gets through to the page and the API, and what does not. */
import assert from "node:assert/strict";
import { systemClock } from "../src/clock.ts";
import { listen } from "../src/http_server.ts";
import { createLive } from "../src/live_updates.ts";
import type { Live } from "../src/sse.ts";
import { appOf } from "./support/app.ts";
import { Listener, LiveLab } from "./support/live_lab.ts";
import { Nginx, nginxFile } from "./support/nginx.ts";
import { toolTest } from "./support/tool.ts";

interface Site {
  readonly lab: LiveLab;
  readonly live: Live;
  /** Of nginx. */
  readonly port: number;
  get(path: string, method?: string): Promise<Response>;
}

function nginxTest(says: string, test: (site: Site) => Promise<void>): void {
  toolTest("nginx", nginxFile, says, async (file) => {
    const lab = new LiveLab(["pend00", "spin31"]);
    const stop = new AbortController();
    const ports = {
      snapshot: () => lab.snapshot,
      clock: systemClock,
      failed: (error: unknown) => assert.fail(`${error}`),
    };
    const live = createLive(ports, { addresses: false });
    const run = live.run(stop.signal);
    const server = listen(appOf(lab.snapshot, { snapshot: () => lab.snapshot, live }), "127.0.0.1", 0);
    {
      await using nginx = await Nginx.before({ file, port: server.port, tenant: "lab7" });
      const { port } = nginx;
      const get = (path: string, method = "GET") =>
        fetch(`http://127.0.0.1:${port}${path}`, { method, redirect: "manual" });
      await test({ lab, live, port, get });
    }
    stop.abort();
    await run;
    await server.stop(AbortSignal.timeout(2_000));
  });
}

nginxTest("behind nginx the page, what it is made of and the API are under /TENANT/status/api/", async ({ get }) => {
  const page = await get("/lab7/status/api/?experiment=pend00");
  assert.equal(page.status, 200);
  const html = await page.text();
  assert.match(html, /<article id="experiment"/);

  for (const [, asset] of html.matchAll(/<(?:link|script)[^>]* (?:href|src)="([^"]+)"/g)) {
    const answer = await get(`/lab7/status/api/${asset}`);
    assert.equal(answer.status, 200, asset);
    await answer.body?.cancel();
  }
  const experiments = await (await get("/lab7/status/api/v1/experiments")).json();
  assert.deepEqual(experiments.map((each: { topic_name: string }) => each.topic_name), ["pend00", "spin31"]);
});

nginxTest("behind nginx the page's address without its last slash leads to it", async ({ get }) => {
  const answer = await get("/lab7/status/api");
  assert.equal(answer.status, 301);
  assert.match(answer.headers.get("Location")!, /\/lab7\/status\/api\/$/);
  await answer.body?.cancel();
});

nginxTest(
  "through nginx a change arrives when it happens, however little it is, though buffering is on",
  async (site) => {
    const { lab, live, get } = site;
    const listener = new Listener((await get("/lab7/status/api/v1/live")).body!);
    await until(() => listener.events.length === 3, "the picture to arrive while the stream is open");
    lab.change({ held: "repair" }, "spin31");
    live.changed();
    await until(() => listener.events.length === 5, "the change to arrive while the stream is open");
    await listener.leave();
    await until(() => live.readers === 0, "the monitor to see that the reader behind nginx has left");
  },
);

for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
  nginxTest(`nginx passes on no ${method}`, async ({ get }) => {
    const answer = await get("/lab7/status/api/v1/experiments", method);
    assert.equal(answer.status, 403);
    await answer.body?.cancel();
  });
}

const inside = [
  "/",
  "/metrics",
  "/healthz",
  "/lab7/status/",
  "/lab7/status/metrics",
  "/lab7/status/healthz",
  "/lab7/status/apimetrics",
  "/lab7/status/api/../metrics",
  "/lab7/status/api/%2e%2e/metrics",
  "/lab7/status/api/..%2fmetrics",
  "/lab7/status/api//../../metrics",
];
for (const path of inside) {
  nginxTest(`nginx passes on nothing but /api/: not ${path}`, async ({ port }) => {
    assert.match(await statusLine(port, path), /^HTTP\/1\.1 (?:400|404) /);
  });
}

/** The first line of the answer to `path` as it is: fetch would put it right first. */
async function statusLine(port: number, path: string): Promise<string> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`));
  const text = await new Response(connection.readable).text();
  return text.split("\r\n")[0] ?? "";
}

async function until(isSo: () => boolean, what: string): Promise<void> {
  const signal = AbortSignal.timeout(10_000);
  while (!isSo()) {
    if (signal.aborted) throw new Error(`Waited 10 s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
