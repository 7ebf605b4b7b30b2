/** The lines of deploy/nginx.conf in a real nginx that buffers: what gets through to the page and the API, and what does not. */
import assert from "node:assert/strict";
import { tcpSockets } from "../../scripts/proc.ts";
import { systemClock } from "../../src/clock.ts";
import { listen } from "../../src/http_server.ts";
import { createLive } from "../../src/live_updates.ts";
import type { Live } from "../../src/sse.ts";
import { appOf } from "../support/app.ts";
import { Listener, LiveLab } from "../support/live_lab.ts";
import { Nginx, nginxFile } from "../support/nginx.ts";
import { toolTest } from "../support/tool.ts";

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

/*  What deploy/nginx.conf and deploy/nginx_limits.conf keep from the monitor, in a real nginx; figures of seconds are made shorter. */

interface LimitsSite {
  readonly lab: LiveLab;
  readonly live: Live;
  /** Paths that the monitor was asked for. */
  readonly asked: readonly string[];
  /** Of the monitor. */
  readonly port: number;
  dial(request: string): Promise<Deno.TcpConn>;
}

function limitTest(
  says: string,
  sooner: Readonly<Record<string, string>>,
  test: (site: LimitsSite) => Promise<void>,
): void {
  toolTest("nginx", nginxFile, says, async (file) => {
    const lab = new LiveLab(Array.from({ length: 500 }, (_, at) => `pend${at}`));
    const stop = new AbortController();
    const failed = (error: unknown) => assert.fail(`${error}`);
    const live = createLive({ snapshot: () => lab.snapshot, clock: systemClock, failed }, { addresses: false });
    const run = live.run(stop.signal);
    const asked: string[] = [];
    const snapshot = () => (asked.push("a snapshot"), lab.snapshot);
    const server = listen(appOf(lab.snapshot, { snapshot, live }), "127.0.0.1", 0);
    const dialled: Deno.TcpConn[] = [];
    const dial = async (request: string) => {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port: nginx.port });
      dialled.push(conn);
      await conn.write(new TextEncoder().encode(request));
      return conn;
    };
    const nginx = await Nginx.before({ file, port: server.port, tenant: "lab7", sooner });
    try {
      await test({ lab, live, asked, port: server.port, dial });
    } finally {
      for (const conn of dialled) close(conn);
      await nginx[Symbol.asyncDispose]();
      stop.abort();
      await run;
      await server.stop(AbortSignal.timeout(2_000));
    }
  });
}

const listening = "GET /lab7/status/api/v1/live HTTP/1.1\r\nHost: x\r\n\r\n";

limitTest(
  "nginx lets one address have so many open pages and no more, and again when one is closed",
  { "status_address 100": "status_address 2" },
  async ({ live, dial }) => {
    const first = await dial(listening);
    await dial(listening);
    await limitsUntil(() => live.readers === 2, "two readers");

    assert.match(await beginningOf(await dial(listening)), /^HTTP\/1\.1 503 /);
    assert.equal(live.readers, 2);
    close(first);
    await limitsUntil(() => live.readers === 1, "one to have left");
    assert.match(await beginningOf(await dial(listening)), /^HTTP\/1\.1 200 /);
  },
);

limitTest(
  "nginx lets all addresses together have so many open pages and no more",
  { "status_all 400": "status_all 1" },
  async ({ live, dial }) => {
    await dial(listening);
    await limitsUntil(() => live.readers === 1, "a reader");

    assert.match(await beginningOf(await dial(listening)), /^HTTP\/1\.1 503 /);
  },
);

limitTest(
  "nginx ends who does not finish a request, and the monitor never hears of it",
  { "client_header_timeout 10s": "client_header_timeout 1s" },
  async ({ asked, dial }) => {
    const half = await dial("GET /lab7/status/api/v1/status HTTP/1.1\r\nHost:");
    const silent = await dial("");

    assert.doesNotMatch(await new Response(half.readable).text(), /^HTTP\/1\.1 200/);
    assert.equal(await new Response(silent.readable).text(), "");
    assert.deepEqual(asked, []);
  },
);

limitTest(
  "nginx ends a page that does not read, and with it the monitor's reader",
  { "send_timeout 20s": "send_timeout 1s" },
  async ({ lab, live, port, dial }) => {
    await dial(listening);
    await limitsUntil(() => live.readers === 1, "a reader");
    const names = lab.snapshot.experiments.map(({ name }) => name);
    // More than the kernel takes for whoever does not read: the monitor gives it up, or nginx ends it first.
    for (let change = 0; live.readers > 0; change++) {
      assert.ok(change < 400, "it is ended before 400 changes of everything");
      lab.change({ held: `repair ${change}` }, ...names);
      live.changed();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await limitsUntil(async () => await connectionsOf(port) === 0, "the monitor to have its socket back");
  },
);

/** Connections that are open at the end of whoever listens at `port`. */
async function connectionsOf(port: number): Promise<number> {
  const isOpen = { open: true, closing: true, listening: false, other: false };
  return (await tcpSockets(Deno.pid)).filter(({ localPort, state }) => localPort === port && isOpen[state]).length;
}

/** Also one that has been read to its end, which closes it. */
function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** The first bytes that come. */
async function beginningOf(conn: Deno.TcpConn): Promise<string> {
  const bytes = new Uint8Array(1_024);
  const count = await conn.read(bytes);
  return new TextDecoder().decode(bytes.subarray(0, count ?? 0));
}

async function limitsUntil(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const signal = AbortSignal.timeout(20_000);
  while (!(await isSo())) {
    if (signal.aborted) throw new Error(`Waited 20 s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
