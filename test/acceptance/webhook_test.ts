/** What a bot, a pager or a script is told by webhook: played by the real program on a stand-in laboratory. */
import assert from "node:assert/strict";
import { hookPath, hookQuery } from "../../scripts/simulator/receivers.ts";
import { messageSchema, type StatusJson, type WebhookJson } from "../../src/api_schema.ts";
import { Station, type StationOptions } from "../support/station.ts";

const keys = [hookPath, hookQuery, "made-up-path-key", "made-up-query-key", "made-up-webhook"];

Deno.test("what the mail tells is posted as signed JSON, with a key of its own", async () => {
  await using station = await watching();
  station.world.stream("pend00-st-data").stall();

  await station.until(() => told(station).some(({ problems }) => problems.length > 0), "the stall to be told");

  const { posts } = station.world.hook;
  const [first, second] = posts;
  assert.ok(posts.every(({ signed, status }) => signed && status === 204));
  assert.notEqual(first?.key, second?.key);
  assert.deepEqual(posts.map(({ key }) => key), told(station).map(({ id }) => id));
  assert.equal(first?.headers.get("content-type"), "application/json");
  assert.match(first?.headers.get("user-agent") ?? "", /^status\/\d/);
  const message = messageSchema.parse(second?.message);
  const [event] = message.events;
  assert.deepEqual(
    [event?.experiment, event?.issues, event?.available, event?.stream_ok],
    ["pend00", ["unhealthy pend00-st-data"], false, { "pend00-st-data": false, "pend00-st-video": true }],
  );
  assert.deepEqual(message.problems.map(({ experiment, issues }) => [experiment, issues]), [
    ["pend00", ["unhealthy pend00-st-data"]],
  ]);
});

Deno.test("a receiver that is down: what happens meanwhile comes as one message, each event once", async () => {
  await using station = await watching({ experiments: { pend00: ["st-data"], spin31: ["st-data"] } });
  await station.world.hook.stop();
  station.world.stream("pend00-st-data").stall();
  await station.until(async () => (await webhookOf(station)).state === "failing", "the webhook to be failing");
  station.world.host("spin31").pull();
  await station.until(async () => (await station.experiment("spin31"))?.healthy === false, "spin31 to be unhealthy");
  const before = told(station).length;

  await station.world.hook.start();
  await station.until(() => told(station).length > before, "the message");

  await station.reports(10);
  const [message, ...more] = told(station).slice(before);
  assert.deepEqual(more, []);
  assert.deepEqual(message?.events.map(({ experiment }) => experiment), ["pend00", "spin31"]);
  assert.equal((await webhookOf(station)).state, "idle");
});

Deno.test("killed with a message waiting, and started again: it comes once, and so does the mail", async () => {
  await using station = await watching();
  await station.world.hook.stop();
  await station.world.mailbox.stop();
  station.world.host("pend00").pull();
  await station.until(async () => (await webhookOf(station)).state === "failing", "the webhook to be failing");
  await station.until(async () => (await station.states()).mail === "failing", "the mail to be failing");
  await station.end("SIGKILL");
  const before = told(station).length;

  await station.world.hook.start();
  await station.world.mailbox.start();
  await station.start();
  await station.mail(/missing jump/, 1);
  await station.until(() => told(station).length > before, "the message");

  await station.reports(10);
  assert.deepEqual(told(station).slice(before).map(({ events }) => events.map(({ issues }) => issues)), [
    [["missing jump"]],
  ]);
  assert.equal(station.mailCount, 2);
});

Deno.test("killed with a message in flight: it comes again byte for byte, with the same key, and later news after it", async () => {
  await using station = await watching();
  station.world.hook.fail({ kind: "hang" });
  const before = station.world.hook.posts.length;
  station.world.host("pend00").pull();
  await station.until(() => station.world.hook.posts.length > before, "the message to be in flight");
  await station.end("SIGKILL");

  await station.world.hook.start();
  station.world.hook.dropNext();
  await station.start();
  await station.until(() => station.world.hook.posts.length >= before + 3, "the message, and its repeat");

  station.world.host("pend00").plug();
  await station.until(() => told(station).at(-1)?.events.at(-1)?.healthy === true, "the return to be told");
  const [first, unsaid, repeat, ...later] = station.world.hook.posts.slice(before);
  assert.deepEqual([first, unsaid, repeat].map((post) => post?.status), [null, null, 204]);
  assert.deepEqual([unsaid?.key, unsaid?.body], [first?.key, first?.body]);
  assert.deepEqual([repeat?.key, repeat?.body], [first?.key, first?.body]);
  assert.deepEqual(later.map(({ message }) => message?.events.map(({ healthy }) => healthy)), [[true]]);
  assert.ok(station.world.hook.posts.every(({ signed }) => signed));
});

Deno.test("a receiver that hangs, or is slow, delays no mail, and a stop is in time", async () => {
  await using station = await watching();
  station.world.hook.fail({ kind: "hang" });
  station.world.host("pend00").pull();
  await station.mail(/missing jump/);
  station.world.hook.fail({ kind: "slow" });
  station.world.host("pend00").plug();
  await station.line("pend00 ok A", 2);

  const { code, tookMs } = await station.end("SIGTERM");

  assert.equal(code, 0);
  assert.ok(tookMs < 5_000, `it took ${tookMs} ms`);
});

Deno.test("a mail server that hangs delays no message", async () => {
  await using station = await watching();
  station.world.mailbox.hang("DATA");
  const before = told(station).length;
  station.world.host("pend00").pull();
  await station.until(() => told(station).length > before, "the message");
});

/** What a receiver answers, and what the API then says of it. */
const wrong: Record<
  string,
  [status: number, answer: { headers?: Record<string, string>; body?: string }, said: RegExp]
> = {
  "a refusal that repeats the address": [
    404,
    { body: `Cannot POST ${hookPath}${hookQuery}` },
    /^Cannot tell the webhook at 127\.0\.0\.1:\d+: it answered 404 "Cannot POST \(address\)"$/,
  ],
  "a redirect": [
    307,
    { headers: { location: "http://127.0.0.1:9/elsewhere?code=not-to-be-shown" } },
    /: it answered 307 and points to 127\.0\.0\.1:9, which is not followed$/,
  ],
  "a failure": [500, { body: "<h1>Oops</h1>" }, /: it answered 500 "Oops"$/],
  "too much": [429, { headers: { "retry-after": "3600" }, body: "slow down" }, /: it answered 429 "slow down"$/],
};
Deno.test("wrong answers are shown without the key, and with them it comes when the receiver is well again", async () => {
  await using station = await watching();
  for (const [name, [status, answer, said]] of Object.entries(wrong)) {
    const { taken } = station.world.hook;
    station.world.hook.answer(status, answer);
    const isPlugged = station.world.host("pend00").connection !== null;
    if (isPlugged) station.world.host("pend00").pull();
    else station.world.host("pend00").plug();
    await station.until(async () => said.test((await webhookOf(station)).last_error ?? ""), `${name} to be shown`);
    const { state, waiting } = await webhookOf(station);
    assert.deepEqual([state, waiting], ["failing", 1], name);
    if (status === 429) continue; // it asked to be left alone
    await station.world.hook.start();
    // A restart tries at once what is tried at the slowest pace.
    await station.end("SIGTERM");
    await station.start();
    await station.until(() => station.world.hook.taken.length > taken.length, `the message after ${name}`);
  }
  const metrics = await (await fetch(`${station.url}metrics`)).text();
  assert.match(metrics, /^status_webhook_state\{state="failing"\} 1$/m);
  assert.match(metrics, /^status_webhook_failures_total\{reason="deferred"\} [1-9]/m);
  const page = await (await fetch(station.url)).text();
  const status = JSON.stringify(await station.json("/api/v1/status"));
  for (const key of keys) for (const text of [station.log, metrics, page, status]) assert.ok(!text.includes(key), key);
});

Deno.test("no key of the address and no secret is in the log at any level, however the receiver fails", async () => {
  await using station = await watching();
  await station.world.hook.stop();
  station.world.host("pend00").pull();
  await station.until(() => /Cannot tell the webhook at 127\.0\.0\.1:\d+: /.test(station.log), "a refusal in the log");
  await station.world.hook.start();
  station.world.hook.fail({ kind: "cut", at: "accept" });
  station.world.host("pend00").plug();
  await station.until(() => /Cannot know whether the webhook at [\d.:]+ took/.test(station.log), "a doubt in the log");
  const { said } = await station.run({ STATUS_STORE_FILE: "memory" }, "check", "--offline");

  for (const key of keys) for (const text of [station.log, said]) assert.ok(!text.includes(key), key);
  assert.match(said, /STATUS_WEBHOOK_URL.*\(secret\)/);
});

Deno.test("check connects to the webhook and posts nothing; with --send it posts a test message", async () => {
  await using station = await Station.with({ world: { hook: true } });
  const { hook } = station.world;
  const check = async (...options: string[]) => {
    const { said } = await station.run({ STATUS_LOG_FILE: "stdout" }, "check", ...options);
    return said.split("\n").find((line) => line.includes("webhook")) ?? said;
  };

  assert.match(await check(), /^ok +webhook +127\.0\.0\.1:\d+ lets itself be connected to, not encrypted; --send/);
  assert.equal(hook.posts.length, 0);

  assert.match(await check("--send"), /^ok +webhook +test message to 127\.0\.0\.1:\d+: it answered 204$/);
  assert.deepEqual(hook.posts.map(({ signed, message }) => [signed, message?.kind]), [[true, "test"]]);

  await hook.stop();
  assert.match(await check(), /^FAIL +webhook +Cannot tell the webhook at 127\.0\.0\.1:\d+: Connection refused/);
});

async function watching(options: StationOptions = {}): Promise<Station> {
  const station = await Station.watching({ ...options, world: { hook: true } });
  await station.until(() => told(station).length > 0, "the first message");
  return station;
}

/** What the receiver took, oldest first; a repeat is in it once. */
function told(station: Station): readonly WebhookJson[] {
  const byKey = new Map(station.world.hook.taken.map(({ key, message }) => [key, message]));
  return [...byKey.values()].filter((message) => message !== null);
}

async function webhookOf(station: Station): Promise<StatusJson["webhook"]> {
  return (await station.json<StatusJson>("/api/v1/status")).webhook;
}
