/**
 * The permissions of the executable, tried by a program that would do harm: from its source, so that the gate needs no
 * compiler. That the executable has the same ones is for `smoke`.
 */
import assert from "node:assert/strict";
import { permissions } from "../scripts/compile.ts";
import { managerVariables } from "../src/watchdog.ts";

/** What came of each attempt of support/hostage.ts, by its name; what it ran or imported has left a trace. */
async function tryAll(): Promise<{ outcomes: Record<string, string>; traces: string[] }> {
  const folder = await Deno.makeTempDir({ prefix: "hostage" });
  const traces: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    traces.push(new URL(url).pathname);
    return new Response("export {};", { headers: { "Content-Type": "text/javascript" } });
  });
  const { HOME = "", PATH = "" } = Deno.env.toObject();
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      ...permissions,
      `${import.meta.dirname}/support/hostage.ts`,
      `http://127.0.0.1:${server.addr.port}`,
      folder,
    ],
    env: { HOME, PATH, FOREIGN: "of no concern", STATUS_HOST_BOOK: "book.example.org", DENO_NO_UPDATE_CHECK: "1" },
    clearEnv: true,
  }).output();
  await server.shutdown();
  for await (const { name } of Deno.readDir(folder)) traces.push(name);
  await Deno.remove(folder, { recursive: true });
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  assert.ok(lines.length > 10, new TextDecoder().decode(stderr));
  return { outcomes: Object.fromEntries(lines.map((line) => JSON.parse(line))), traces };
}

const { outcomes, traces } = await tryAll();

const wants: Record<string, RegExp> = {
  "run a program": /^NotCapable: Requires run access/,
  "run a program, as Node does": /^Error: Command failed/,
  "run this program again": /^NotCapable: Requires run access/,
  "load a library": /^NotCapable: Requires ffi access/,
  "load an addon of Node's": /^NotCapable: Requires ffi access/,
  "import from the network": /^TypeError: Requires import access/,
  "import from the network in a Worker": /^TypeError: refused there/,
  "import from a host that Deno allows otherwise":
    /^TypeError: Requires import access to "raw\.githubusercontent\.com:443"/,
  "read its own environment from the system": /^NotCapable: Requires all access/,
  "read another's environment from the system": /^NotCapable: Requires all access/,
  "read the memory of the system": /^NotCapable: Requires all access/,
  "write the memory of its own process": /^NotCapable: Requires all access/,
  "learn whose user it is": /^NotCapable: Requires sys access/,
  "learn the name of the machine": /^NotCapable: Requires sys access/,
  "learn the machine's addresses": /^NotCapable: Requires sys access/,
  "get a permission": /^NotCapable: denied/,
  "see a variable of its own": /^done$/,
  "see a foreign variable": /^NotFound: absent/,
  "see a foreign variable, as Node does": /^NotFound: absent/,
  "see all variables": /^NotFound: absent/,
  // Which hosts it may speak with, and at which port it listens, is for the settings: the machine and its unit bound that.
  "listen": /^done$/,
  "listen for datagrams": /^done$/,
};

Deno.test("all that is attempted is judged here", () => {
  assert.deepEqual(Object.keys(outcomes).sort(), Object.keys(wants).sort());
});

for (const [attempt, want] of Object.entries(wants)) {
  const may = String(want) === String(/^done$/);
  Deno.test(`the program ${may ? "can" : "can't"} ${attempt}`, () => assert.match(outcomes[attempt] ?? "", want));
}

Deno.test("nothing was run or fetched by any attempt", () => assert.deepEqual(traces, []));

Deno.test("of the environment the settings can be read, and what a service manager asks by", () => {
  const [allowed = ""] = permissions.filter((each) => each.startsWith("--allow-env="));

  assert.deepEqual(allowed.slice("--allow-env=".length).split(","), ["STATUS_*", ...managerVariables]);
});
