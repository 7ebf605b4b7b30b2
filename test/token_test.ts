import { jwtVerify } from "jose";
import assert from "node:assert/strict";
import { bookClaims, jumpClaims, relayClaims, signToken, type TokenClaims } from "../src/access.ts";
import { Secret } from "../src/setting_types.ts";

const audience = "https://app.example.org/t/service";
const nowMs = Date.UTC(2026, 10, 22, 20, 30, 0, 700);
const now = Math.floor(nowMs / 1000);

const cases: Record<string, [TokenClaims, object]> = {
  "book's may do everything": [bookClaims(audience), { scopes: ["booking:admin"], sub: "status-server" }],
  "jump's watches the topic stats": [jumpClaims(audience), { scopes: ["stats"], topic: "stats", prefix: "connect" }],
  "relay's reads the topic stats, and names a booking": [
    relayClaims(audience),
    { scopes: ["read"], topic: "stats", prefix: "session", booking_id: "status-server" },
  ],
};
for (const [name, [claims, want]] of Object.entries(cases)) {
  Deno.test(`signToken: ${name}`, async () => {
    const { payload, protectedHeader } = await verified(
      await signToken(claims, new Secret("s"), { nowMs, lifeMs: 60_000 }),
    );

    assert.deepEqual(protectedHeader, { alg: "HS256", typ: "JWT" });
    assert.deepEqual(payload, { aud: [audience], ...want, iat: now - 10, nbf: now - 10, exp: now + 61 });
  });
}

Deno.test("signToken: an empty secret is refused", async () => {
  await assert.rejects(signToken(bookClaims(audience), new Secret(""), { nowMs, lifeMs: 60_000 }));
});

function verified(token: string) {
  return jwtVerify(token, new TextEncoder().encode("s"), { currentDate: new Date(nowMs) });
}
