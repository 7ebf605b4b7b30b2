/** The stand-in world's mail server: what arrives is kept whole, and it fails at each stage of the conversation. */
import assert from "node:assert/strict";
import { createTransport } from "nodemailer";
import type { World } from "../scripts/simulator/world.ts";
import { withWorld } from "./support/world_client.ts";

Deno.test("a mail arrives whole: parsed, with its envelope and what the client called itself", async () => {
  await withWorld({}, async (world) => {
    await send(world, { text: "all is well\n", html: "<p>all is well</p>" });
    const [mail] = world.mailbox.mails;
    assert.deepEqual(
      [
        mail?.subject,
        mail?.text,
        mail?.html,
        mail?.messageId,
        mail?.headers.get("x-odd"),
        mail?.ehlo,
        mail?.envelopeTo,
      ],
      ["news", "all is well\n", "<p>all is well</p>", "<1@lab.example.org>", "a b", "lab.example.org", [
        "b@example.org",
      ]],
    );
  });
});

for (const stage of ["CONNECT", "MAIL", "RCPT", "DATA"] as const) {
  Deno.test(`a mail server that refuses ${stage}, or hangs there, takes no mail until it is started again`, async () => {
    await withWorld({}, async (world) => {
      world.mailbox.refuse(stage, 550, "not from you");
      await assert.rejects(send(world), { responseCode: 550 });
      world.mailbox.hang(stage);
      await assert.rejects(send(world, {}, impatient), { code: "ETIMEDOUT" });
      assert.equal(world.mailbox.mails.length, 0);
      await world.mailbox.start();
      await send(world);
      assert.equal(world.mailbox.mails.length, 1);
    });
  });
}

Deno.test("a mail server that asks for a login takes the right one alone", async () => {
  await withWorld({ smtpAuth: { user: "status", password: "made up" } }, async (world) => {
    await assert.rejects(send(world), { code: "EENVELOPE" });
    await assert.rejects(send(world, {}, { auth: { user: "status", pass: "wrong" } }), { responseCode: 535 });
    await send(world, {}, { auth: { user: "status", pass: "made up" } });
    assert.equal(world.mailbox.mails.length, 1);
  });
});

Deno.test("a message that was taken without a word is there, and marked so; the next is answered", async () => {
  await withWorld({}, async (world) => {
    world.mailbox.dropAfterData();
    await assert.rejects(send(world));
    await send(world);
    assert.deepEqual(world.mailbox.mails.map(({ answered }) => answered), [false, true]);
  });
});

/** For one who waits in vain alone: a busy machine takes longer than that over a mail that goes. */
const impatient = { greetingTimeout: 300, socketTimeout: 300 };

async function send(world: World, mail = {}, given = {}): Promise<void> {
  const transport = createTransport({
    ...{ host: "127.0.0.1", port: world.mailbox.port, name: "lab.example.org", ignoreTLS: true, ...given },
  });
  const envelope = { from: "a@example.org", to: "b@example.org", messageId: "<1@lab.example.org>" };
  await transport.sendMail({ subject: "news", text: "x", headers: { "X-Odd": "a b" }, ...envelope, ...mail });
  transport.close();
}
