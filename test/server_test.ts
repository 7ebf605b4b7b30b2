import assert from "node:assert/strict";
import { createApp, listen } from "../src/server.ts";
import { Bench, resource, startMs } from "./fixtures/bench.ts";
import { snapshot } from "./fixtures/snapshot.ts";

const names = ["pend00", "a/b c", "__proto__", "100%"];

function app(failed: string[] = []) {
  const bench = new Bench(names.map((name) => resource(name, ["st-data"])));
  bench.jump(names);
  bench.relay(Object.fromEntries(names.map((name) => [`${name}-st-data`, 0 as const])));
  const seen = snapshot(bench);
  return createApp({ snapshot: () => seen, nowMs: () => startMs, failed: (_, path) => failed.push(path) }, {
    addresses: false,
  });
}

Deno.test("the experiments are an array, sorted by name", async () => {
  const answer = await app().request("/api/v1/experiments");
  assert.equal(answer.status, 200);
  const json = await answer.json();
  assert.deepEqual(json.map((each: { topic_name: string }) => each.topic_name), names.toSorted());
});

for (const name of names) {
  Deno.test(`the events of ${name} are found by its escaped name`, async () => {
    const answer = await app().request(`/api/v1/experiments/events/${encodeURIComponent(name)}`);
    assert.equal(answer.status, 200);
    assert.equal((await answer.json()).length, 1);
  });
}

const refusals: Record<string, [path: string, method: string, status: number]> = {
  "an unknown experiment": ["/api/v1/experiments/events/nobody", "GET", 404],
  "an unknown path": ["/nothing", "GET", 404],
  "a method that would change something": ["/api/v1/experiments", "POST", 405],
  "a delete": ["/api/v1/status", "DELETE", 405],
  "not being ready": ["/readyz", "GET", 503],
};
for (const [name, [path, method, status]] of Object.entries(refusals)) {
  Deno.test(`${name} is answered ${status}, with the code as a string and a message`, async () => {
    const answer = await app().request(path, { method });
    assert.equal(answer.status, status);
    const json = await answer.json();
    assert.deepEqual(Object.keys(json), ["code", "message"]);
    assert.equal(json.code, String(status));
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  });
}

Deno.test("what goes wrong inside is answered 500 without its words, and told to the log", async () => {
  const failed: string[] = [];
  const broken = createApp({
    snapshot: () => {
      throw new Error("a secret thing");
    },
    nowMs: () => startMs,
    failed: (method, path) => failed.push(`${method} ${path}`),
  }, { addresses: false });
  const answer = await broken.request("/api/v1/status");
  assert.equal(answer.status, 500);
  assert.doesNotMatch(await answer.text(), /secret/);
  assert.deepEqual(failed, ["GET /api/v1/status"]);
});

Deno.test("it listens where it was asked to, and a stop lets a request under way finish", async () => {
  const listening = listen(app(), "localhost", 0);
  const answer = await fetch(`http://127.0.0.1:${listening.port}/healthz`);
  assert.deepEqual(await answer.json(), { status: "alive" });
  await listening.stop(new AbortController().signal);
});

Deno.test("a port in use is an error at once, that names it", async () => {
  const first = listen(app(), "127.0.0.1", 0);
  assert.throws(
    () => listen(app(), "127.0.0.1", first.port),
    new RegExp(`^ListenFailed: .*127.0.0.1:${first.port}: .*in use`),
  );
  await first.stop(new AbortController().signal);
});

Deno.test("a stop does not wait longer than it is told for a client that does not go", async () => {
  const listening = listen(app(), "127.0.0.1", 0);
  const client = await Deno.connect({ port: listening.port, hostname: "127.0.0.1" });
  await client.write(new TextEncoder().encode("GET /healthz HTTP/1.1\r\nHost: x\r\n")); // and no end of it
  await listening.stop(AbortSignal.abort());
  client.close();
});
