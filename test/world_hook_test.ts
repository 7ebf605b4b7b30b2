/** The stand-in world's receiver of webhooks: it keeps what comes, knows a right signature from a wrong one, and fails. */
import assert from "node:assert/strict";
import { startControl } from "../scripts/simulator/control.ts";
import type { World } from "../scripts/simulator/world.ts";
import { Secret } from "../src/setting_types.ts";
import { signature } from "../src/webhook.ts";
import { alone, withWorld } from "./support/world_client.ts";

const body = '{"no":"message of a monitor"}';

Deno.test("a message is kept as it came, and its signature is looked at", async () => {
  await withWorld({ hook: true }, async (world) => {
    assert.equal(await post(world), 204);
    assert.equal(await post(world, "another secret"), 204);
    assert.deepEqual(world.hook.posts.map(({ message }) => message), [null, null]);
    assert.deepEqual(world.hook.posts.map((each) => [each.body, each.key, each.signed, each.taken]), [
      [body, "k1", true, true],
      [body, "k1", false, true],
    ]);
  });
});

Deno.test("it answers as it is told to, drops what it has taken, and lets nobody in", async () => {
  await withWorld({ hook: true }, async (world) => {
    world.hook.answer(503, { headers: { "retry-after": "7" }, body: "later" });
    assert.equal(await post(world), 503);
    await world.hook.start();
    world.hook.dropNext();
    await assert.rejects(post(world));
    assert.equal(await post(world), 204);
    world.hook.fail({ kind: "cut", at: "accept" });
    await assert.rejects(post(world));
    assert.deepEqual(world.hook.posts.map(({ status, taken }) => [status, taken]), [[503, false], [null, true], [
      204,
      true,
    ]]);
  });
});

Deno.test("only its own address is the webhook, and a world that was not asked for one has none", async () => {
  await withWorld({ hook: true }, async (world) => {
    const answer = await fetch(`http://${world.hook.host}/hook`, { method: "POST", body });
    assert.equal(answer.status, 404);
    await answer.body?.cancel();
    assert.equal(world.hook.posts.length, 0);
    assert.equal(world.env.STATUS_WEBHOOK_URL, world.hook.url);
  });
  await withWorld({}, (world) => {
    assert.equal(world.env.STATUS_WEBHOOK_URL, undefined);
    assert.equal(world.hook.mode.kind, "down");
    return Promise.resolve();
  });
});

Deno.test("the control page breaks it, mends it, and shows what it was told", async () => {
  await withWorld({ hook: true }, async (world) => {
    const control = startControl(world, { port: 0 });
    const ask = async (verb: string, given: unknown) => {
      const answer = await fetch(`${control.address}/control/hook/${verb}`, {
        method: "POST",
        body: JSON.stringify(given),
      });
      return (await answer.json()).services.hook.kind;
    };
    assert.equal(await ask("answer", { status: 500 }), "answer");
    assert.equal(await post(world), 500);
    assert.equal(await ask("fail", { kind: "hang" }), "hang");
    assert.equal(await ask("stop", {}), "down");
    assert.equal(await ask("start", {}), "up");
    assert.equal(await post(world), 204);
    const posts = await (await fetch(`${control.address}/control/posts`)).json();
    assert.deepEqual(posts.map(({ status, key }: { status: number; key: string }) => [status, key]), [
      [500, "k1"],
      [204, "k1"],
    ]);
    await control.stop();
  });
});

/** The status of the answer. */
async function post(world: World, secret = world.hook.secret): Promise<number> {
  const headers = {
    ...alone,
    "idempotency-key": '"k1"',
    "x-status-signature": signature(new TextEncoder().encode(body), new Secret(secret)),
  };
  const answer = await fetch(world.hook.url, { method: "POST", headers, body });
  await answer.body?.cancel();
  return answer.status;
}
