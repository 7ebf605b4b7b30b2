import assert from "node:assert/strict";
import { healthcheck, healthUrl, placeIn } from "../src/healthcheck.ts";

const places: Record<string, [host: string, want: string]> = {
  "localhost is the loopback address": ["localhost", "http://127.0.0.1:3007/healthz"],
  "all addresses are asked on the loopback one": ["0.0.0.0", "http://127.0.0.1:3007/healthz"],
  "those of IPv6 too": ["::", "http://127.0.0.1:3007/healthz"],
  "another address as it stands": ["192.0.2.1", "http://192.0.2.1:3007/healthz"],
  "one of IPv6 in brackets": ["2001:db8::1", "http://[2001:db8::1]:3007/healthz"],
};
for (const [name, [HOST_SERVE, want]] of Object.entries(places)) {
  Deno.test(`healthUrl: ${name}`, () => assert.equal(healthUrl({ HOST_SERVE, PORT_SERVE: 3007 }), want));
}

for (const [status, want] of [[200, 0], [503, 1]] as const) {
  Deno.test(`healthcheck: an answer of ${status} gives ${want}`, async () => {
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => new Response("x", { status }),
    );
    assert.equal(await healthcheck({ HOST_SERVE: "localhost", PORT_SERVE: server.addr.port }), want);
    await server.shutdown();
  });
}

Deno.test("healthcheck: it needs no other settings, and has their defaults", () => {
  assert.deepEqual(placeIn({}), { HOST_SERVE: "localhost", PORT_SERVE: 3007 });
  assert.deepEqual(placeIn({ STATUS_HOST_SERVE: "0.0.0.0", STATUS_PORT_SERVE: "8080" }), {
    HOST_SERVE: "0.0.0.0",
    PORT_SERVE: 8080,
  });
});

Deno.test("healthcheck: a setting that names no place is a question asked wrongly", async () => {
  assert.equal(await healthcheck(placeIn({ STATUS_PORT_SERVE: "no port" })), 2);
});

Deno.test("healthcheck: a monitor that hangs takes the connection and never answers: it is given up", async () => {
  const hung = Deno.listen({ hostname: "127.0.0.1", port: 0 }); // nobody accepts: the system does
  assert.equal(await healthcheck({ HOST_SERVE: "localhost", PORT_SERVE: hung.addr.port }), 1);
  hung.close();
});

Deno.test("healthcheck: a monitor at an address of IPv6 is asked there", async () => {
  const server = Deno.serve({ hostname: "::1", port: 0, onListen: () => {} }, () => new Response("x"));
  assert.equal(await healthcheck({ HOST_SERVE: "::1", PORT_SERVE: server.addr.port }), 0);
  await server.shutdown();
});
