/** Is docs/webhook.md true: its message, its tables, and the lines of code that it tells people to copy? */
import assert from "node:assert/strict";
import { messageSchema, webhookExample } from "../src/api_schema.ts";
import { Secret } from "../src/setting_types.ts";
import { deliveryKind, messageBytesMax, requestMsMax, signature } from "../src/webhook.ts";
import { withFolder } from "./support/folder.ts";
import { findTool, toolTest } from "./support/tool.ts";

const paper = Deno.readTextFileSync(new URL("../docs/webhook.md", import.meta.url));
const secret = "it's a secret $HOME";
const body = JSON.stringify({ ...webhookExample, system: { name: "Größe 😀" } });
const right = signature(new TextEncoder().encode(body), new Secret(secret));
const wrong = [right.replace(/.$/, (last) => last === "0" ? "1" : "0"), right.slice(7), right.toUpperCase(), "", "é"];

Deno.test("the message that docs/webhook.md shows is the one of the OpenAPI document, and what the schema says", () => {
  assert.deepEqual(JSON.parse(block("json")), webhookExample);
  assert.deepEqual(messageSchema.parse(webhookExample), webhookExample);
});

Deno.test("docs/webhook.md says of each answer what is made of it, and names the bounds that there are", () => {
  const [, deferred = ""] = /^\| (408[\d, ]+), or no connection/m.exec(paper) ?? [];
  const statuses = Array.from({ length: 400 }, (_, at) => at + 200);
  assert.deepEqual(deferred.split(", ").map(Number), statuses.filter((status) => deliveryKind(status) === "deferred"));
  assert.ok(paper.includes(`Answer within ${requestMsMax / 1_000} s`));
  assert.ok(paper.includes(`in ${messageBytesMax / 1024 / 1024} MB`));
});

Deno.test("the JavaScript of docs/webhook.md knows a right signature from a wrong one", async () => {
  const { isFromStatus } = await import(`data:text/javascript,${encodeURIComponent(block("js"))}`);
  assert.equal(isFromStatus(body, right, secret), true);
  assert.deepEqual(wrong.map((header) => isFromStatus(body, header, secret)), wrong.map(() => false));
});

toolTest(
  "python3",
  findTool("python3"),
  "the Python of docs/webhook.md knows a right signature from a wrong one",
  (python) =>
    withFolder(async (folder) => {
      const asking = `
import json, sys
body, headers, secret = json.load(sys.stdin)
print(json.dumps([is_from_status(body.encode(), header, secret) for header in headers]))`;
      await Deno.writeTextFile(`${folder}/script.py`, block("python") + asking);
      const said = await output(python, ["script.py"], {
        folder,
        stdin: JSON.stringify([body, [right, ...wrong], secret]),
      });
      assert.deepEqual(JSON.parse(said), [true, ...wrong.map(() => false)]);
    }),
);

toolTest(
  "openssl",
  findTool("openssl"),
  "the command of docs/webhook.md gives the signature",
  (openssl) =>
    withFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/body.json`, body);
      const env = { PATH: `${openssl.replace(/\/[^/]*$/, "")}:/usr/bin:/bin`, STATUS_SECRET_WEBHOOK: secret };
      assert.equal(await output("/bin/sh", ["-c", block("bash")], { folder, env }), `${right}\n`);
    }),
);

/** The first block of code in `language`. */
function block(language: string): string {
  const [, code] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "ms").exec(paper) ?? [];
  return code ?? assert.fail(`docs/webhook.md has no ${language}`);
}

async function output(
  command: string,
  args: readonly string[],
  given: { readonly folder: string; readonly stdin?: string; readonly env?: Record<string, string> },
): Promise<string> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd: given.folder,
    env: given.env ?? {},
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(given.stdin ?? "")).catch(() => {}); // who does not read has ended
  await input.close().catch(() => {});
  const { code, stdout } = await child.output();
  assert.equal(code, 0);
  return new TextDecoder().decode(stdout);
}
