/** A short siege of the real program: `scripts/chaos/http_siege.ts` says what thousands of connections cost. */
import assert from "node:assert/strict";
import { siege } from "../../scripts/chaos/http_siege.ts";

for (const kind of ["half", "stuck"] as const) {
  Deno.test(`clients that are ${kind} keep nobody from an answer and nothing from book, and what they took is given back`, async () => {
    const { held, descriptors, connections } = await siege(kind, 60, 1);

    assert.equal(connections, 60);
    assert.equal(held, 60);
    assert.ok(descriptors.after <= descriptors.before + 10);
  });
}
