/** Secrets: all that the program says of itself, anywhere, is searched for all that it must not say. */
import assert from "node:assert/strict";
import { hookPath, hookQuery } from "../../scripts/simulator/receivers.ts";
import { freePort } from "../../scripts/simulator/wire.ts";
import { Station } from "../support/station.ts";

const world = {
  secrets: { book: "book-secret-x", jump: "jump-secret-x", relay: "relay-secret-x" },
  smtpAuth: { user: "monitor", password: "password-x" },
  hook: true,
} as const;

/** Secrets and keys as they were set, tokens (three parts in base64, of JSON), and a code other than masked. */
const secret =
  /-secret-x|password-x|made-up-(?:webhook|path-key|query-key)|heartbeat-key-x|eyJ[\w-]{8,}\.|[?&](?:code|token)=[^*(]/;

Deno.test("what must be found would be", () => {
  const said = [
    ...Object.values(world.secrets),
    world.smtpAuth.password,
    "made-up-webhook",
    hookPath,
    hookQuery,
    "http://h/heartbeat-key-x",
    "Authorization: eyJhbGciOiJIUzI1NiJ9.eyJ",
    "wss://h/ws?code=1f",
  ];
  assert.deepEqual(said.filter((each) => !secret.test(each)), []);
  assert.doesNotMatch("wss://h/ws?code=(secret) h?code=***", secret);
});

/** A program that has all secrets that there are, at the level that says most, and whose every part has been refused. */
async function troubled(profilePort: number): Promise<Station> {
  const station = await Station.watching({
    world,
    env: {
      STATUS_HEARTBEAT_URL: "http://127.0.0.1:1/ping/heartbeat-key-x?also=heartbeat-key-x",
      STATUS_HEARTBEAT_EVERY: "300ms",
      STATUS_PROFILE: "true",
      STATUS_PORT_PROFILE: String(profilePort),
    },
  });
  await station.until(() => station.world.hook.posts.length > 0, "the webhook to be called");
  await station.until(() => station.log.includes("Cannot ask the dead man's switch"), "the switch to be asked for");
  station.world.hook.fail({ kind: "cut", at: "accept" });
  station.world.mailbox.refuse("AUTH", 535, "5.7.8 password-wrong");
  station.world.stream("pend00-st-data").stall();
  await station.until(() => /webhook.*Cannot|Cannot.*webhook/.test(station.log), "the webhook to fail");
  station.world.relay.refuse(500, '{"code":500,"message":"token invalid"}');
  station.world.relay.drop();
  await station.until(async () => (await station.states()).relay === "lost", "relay to be lost");
  await station.until(() => station.log.includes("token invalid"), "relay's refusal to be in the log");
  await station.until(() => /535/.test(station.log), "the mail to be refused");
  return station;
}

const paths = [
  "/api/v1/status",
  "/api/v1/experiments",
  "/api/v1/experiments/events/pend00",
  "/api/v1/experiments/pend00/history",
  "/api/v1/openapi.json",
  "/api/",
  "/api/?experiment=pend00",
  "/metrics",
  "/healthz",
  "/readyz",
  "/nothing",
];

Deno.test("no secret, key, token or password is in what the program says, anywhere, whatever fails", async () => {
  const profilePort = freePort();
  await using station = await troubled(profilePort);
  const text = async (url: string) => await (await fetch(url)).text();
  const said: Record<string, string> = { log: station.log };
  for (const path of paths) said[path] = await text(`http://127.0.0.1:${station.port}${path}`);
  said.live = await firstOf(`http://127.0.0.1:${station.port}/api/v1/live`);
  said.profile = await text(`http://127.0.0.1:${profilePort}/profile?seconds=1`);
  said.memory = await text(`http://127.0.0.1:${profilePort}/memory`);
  // Of the process list only this is everybody's; the environment is for its owner and root to read (/proc/PID/environ).
  said.cmdline = Deno.build.os === "linux" ? await Deno.readTextFile(`/proc/${station.pid}/cmdline`) : "status";
  for (const args of [["check"], ["check", "--send"], ["check", "--offline"]]) {
    said[args.join(" ")] = (await station.run({ STATUS_STORE_FILE: "memory" }, ...args)).said;
  }

  for (const [where, words] of Object.entries(said)) {
    assert.ok(words.length > 0, where);
    assert.doesNotMatch(words, secret, where);
  }
  assert.match(said.log ?? "", /token invalid/);
  assert.match(said["check --offline"] ?? "", /STATUS_HEARTBEAT_URL/);
});

/** What is told at once to one who listens live. */
async function firstOf(url: string): Promise<string> {
  const { body } = await fetch(url);
  const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!/^event: experiment$/m.test(said)) said += (await reader.read()).value ?? "";
  await reader.cancel();
  return said;
}
