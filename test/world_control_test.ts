/** The stand-in world over HTTP, in this process and as one of its own. */
import assert from "node:assert/strict";
import { type Control, startControl } from "../scripts/simulator/control.ts";
import type { World } from "../scripts/simulator/world.ts";
import { withWorld } from "./support/world_client.ts";

Deno.test("what is asked for over HTTP is done", async () => {
  await withControl(async (world, control) => {
    await post(control, "stream/pend00-st-data/vanish");
    await post(control, "host/pend00/pull");
    await post(control, "book/take-off", { resource: "r-pend00", reason: "broken belt" });
    await post(control, "relay/mute");

    assert.deepEqual(world.stream("pend00-st-data").senders, []);
    assert.equal(world.host("pend00").connection, null);
    assert.deepEqual(world.book.availability("r-pend00"), {
      available: false,
      reason: "unavailable because broken belt",
    });
    assert.equal(world.relay.mode.kind, "mute");
  });
});

const refused: Record<string, [string, unknown, RegExp]> = {
  "a verb that there is not": ["book/burn", {}, /"404".*book\/restart/],
  "a stream that there is not": ["stream/pend07-st-data/stall", {}, /Cannot find pend07-st-data/],
  "a missing argument": ["book/take-off", { resource: "r-pend00" }, /reason/],
};
for (const [name, [path, body, words]] of Object.entries(refused)) {
  Deno.test(`${name} is refused with a word about it`, async () => {
    await withControl(async (_world, control) => {
      const answer = await fetch(`${control.address}/control/${path}`, { method: "POST", body: JSON.stringify(body) });
      assert.match(await answer.text(), words);
      assert.ok(answer.status >= 400);
    });
  });
}

Deno.test("who has seen the state is told when something happens", async () => {
  await withControl(async (world, control) => {
    const { version } = await get(control, "state");
    const asking = get(control, `state?after=${version}`);
    world.stream("pend00-st-video").stall();
    const { happenings } = await asking as { happenings: Array<{ text: string }> };
    assert.equal(happenings.at(-1)?.text, "pend00-st-video falls silent, still connected");
  });
});

Deno.test("a world that is stopped keeps no one waiting for news", async () => {
  await withControl(async (_world, control) => {
    const { version } = await get(control, "state");
    const asking = get(control, `state?after=${version}`).then(() => "answered", () => "ended");
    await control.stop();
    assert.ok(["answered", "ended"].includes(await asking));
  });
});

Deno.test("the control page needs nothing from elsewhere", async () => {
  await withControl(async (_world, control) => {
    const page = await (await fetch(control.address)).text();
    assert.match(page, /<title>The stand-in world<\/title>/);
    assert.doesNotMatch(page, /https?:\/\//);
  });
});

Deno.test("as a process of its own it tells where it is, can be broken, and ends when told to", async () => {
  const script = new URL("../scripts/simulator/world.ts", import.meta.url).pathname;
  const args = ["run", "--allow-all", script, "--json", "--experiments", "2"];
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const told = JSON.parse((await lines.read()).value ?? "");
  assert.match(told.env.STATUS_HOST_BOOK, /^127\.0\.0\.1:\d+$/);

  await post({ address: told.control }, "mailbox/refuse", { stage: "RCPT", code: 550, text: "nobody" });

  const { services, resources } = await get({ address: told.control }, "state");
  assert.deepEqual([services.mailbox.kind, services.mailbox.code, resources.length], ["refuse", 550, 2]);
  child.kill("SIGTERM");
  assert.equal((await child.status).code, 0);
  await lines.cancel();
});

async function withControl(test: (world: World, control: Control) => Promise<void>): Promise<void> {
  await withWorld({}, async (world) => {
    world.addExperiment("pend00");
    world.loadManifest();
    const control = startControl(world, { port: 0 });
    try {
      await test(world, control);
    } finally {
      await control.stop();
    }
  });
}

async function post({ address }: { address: string }, path: string, body: unknown = {}): Promise<void> {
  const answer = await fetch(`${address}/control/${path}`, { method: "POST", body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.text());
}

interface State {
  readonly version: number;
  readonly services: { readonly mailbox: { readonly kind: string; readonly code: number } };
  readonly resources: unknown[];
  readonly happenings: Array<{ text: string }>;
}

async function get({ address }: { address: string }, what: string): Promise<State> {
  return await (await fetch(`${address}/control/${what}`)).json();
}
