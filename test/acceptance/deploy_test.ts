import assert from "node:assert/strict";
import { allSettings, readSettings, settingsList } from "../../src/settings.ts";
import { leastEnvironment } from "../support/environment.ts";
import { findTool, toolTest } from "../support/tool.ts";

const read = (path: string) => Deno.readTextFileSync(`${import.meta.dirname}/../../${path}`);

const environmentFile = read("deploy/status.env");
const unit = read("deploy/status.service");
const dockerfile = read("Dockerfile");

/** The lines of status.env that set something, or would without their `#`. */
const lines = [...environmentFile.matchAll(/^(#?)STATUS_(\w+)=(.*)$/gm)].map(([, mark, name = "", value = ""]) => ({
  name,
  value,
  isSet: mark === "",
}));

Deno.test("status.env has every setting, once, and no other", () => {
  assert.deepEqual(lines.map(({ name }) => name).sort(), Object.keys(settingsList).sort());
});

Deno.test("status.env asks for what is required, and leaves all else as it is", () => {
  const asked = lines.filter(({ isSet }) => isSet);
  const required = allSettings.filter(([, { otherwise }]) => otherwise.kind === "required");

  assert.deepEqual(asked.map(({ name }) => name).sort(), required.map(([name]) => name).sort());
  assert.deepEqual(asked.filter(({ value }) => value !== ""), []);
});

Deno.test("status.env gives the defaults as they are", () => {
  const given = Object.fromEntries(lines.map(({ name, value }) => [name, value]));
  for (const [name, { otherwise }] of allSettings) {
    if (otherwise.kind === "text") assert.equal(given[name], otherwise.text, name);
  }
});

Deno.test("status.env can be taken with every line that has a default or an example", () => {
  const all = Object.fromEntries(lines.map(({ name, value }) => [`STATUS_${name}`, value]));

  const secrets = { STATUS_EMAIL_PASSWORD: "a", STATUS_SECRET_WEBHOOK: "b" };
  const result = readSettings({ ...all, ...secrets, ...leastEnvironment }, () => read("test/support/tls/ca.pem"));

  assert.deepEqual(result.kind === "faulty" ? result.faults : [], []);
});

Deno.test("the unit's folders are where store and log are by default", () => {
  assert.match(unit, /^StateDirectory=status$/m);
  assert.match(unit, /^LogsDirectory=status$/m);
  assert.deepEqual(settingsList.STORE_FILE.otherwise, { kind: "text", text: "/var/lib/status/status.db" });
  assert.deepEqual(settingsList.LOG_FILE.otherwise, { kind: "text", text: "/var/log/status/status.log" });
  assert.match(read("deploy/status.logrotate"), /^\/var\/log\/status\/status\.log \{$/m);
});

Deno.test("a secret's file that the unit would hand over is where status.env says", () => {
  const [, id, path] = /^#LoadCredential=(\w+):(\S+)$/m.exec(unit) ?? [];

  assert.deepEqual([id, path], ["book", "/etc/status/book.secret"]);
  assert.ok(unit.includes(`STATUS_SECRET_BOOK_FILE=/run/credentials/status.service/${id}`));
  assert.ok(environmentFile.includes(`STATUS_SECRET_BOOK_FILE=/run/credentials/status.service/${id}`));
  assert.doesNotMatch(unit, /^LoadCredential/m);
});

/** One that can look at a unit without its systemd; null where there is none. */
async function findAnalyze(): Promise<string | null> {
  const file = findTool("systemd-analyze");
  if (file === null) return null;
  const { stdout } = await new Deno.Command(file, { args: ["--version"] }).output();
  const [, version] = /^systemd (\d+)/.exec(new TextDecoder().decode(stdout)) ?? [];
  return Number(version) >= 250 ? file : null;
}

const analyze = await findAnalyze();

toolTest("systemd-analyze of 250 or later", analyze, "systemd finds the unit little exposed", async (tool) => {
  const args = ["security", "--offline=true", "--threshold=20", "--no-pager", "deploy/status.service"];
  const { success, stdout, stderr } = await new Deno.Command(tool, { args, cwd: `${import.meta.dirname}/../..` })
    .output();
  const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");

  assert.match(said, /Overall exposure level for status\.service: [01]\.\d/);
  assert.ok(success, said);
});

Deno.test("systemd hears from the service itself, and ends what says nothing, leaving no core that would hold secrets", () => {
  for (const line of ["Type=notify", "NotifyAccess=main", "LimitCORE=0"]) assert.ok(unit.includes(`\n${line}\n`), line);
  // Long enough that neither a busy machine nor the writing anew of a big store is a hang. It counts from READY on: a start
  // has its own limit, 90 s where the unit gives none, and checks a store of any size.
  assert.equal(/^WatchdogSec=(.*)$/m.exec(unit)?.[1], "2min");
  assert.equal(/^TimeoutStartSec=(.*)$/m.exec(unit)?.[1], "infinity");
});

Deno.test("the unit lets the JavaScript engine write the code that it runs", () => {
  assert.doesNotMatch(unit, /^MemoryDenyWriteExecute/m);
});

Deno.test("the machine's certificate authorities are trusted in the unit, the environment file and the image", () => {
  for (const text of [unit, environmentFile, dockerfile]) {
    assert.match(text, /^(?:Environment=|ENV .*)?DENO_TLS_CA_STORE=mozilla,system$/m);
  }
});

Deno.test("the zones that nginx counts by in one file are those that it limits by in the other", () => {
  const named = (path: string, pattern: RegExp) => [...read(path).matchAll(pattern)].map(([, name]) => name).sort();

  assert.deepEqual(
    named("deploy/nginx.conf", /limit_conn (\w+) \d/g),
    named("deploy/nginx_limits.conf", /^limit_conn_zone .* zone=(\w+):/gm),
  );
});

Deno.test("nginx passes on the API alone, to the port that it is served at by default", () => {
  const passed = [...read("deploy/nginx.conf").matchAll(/^\s*(?:location|proxy_pass) (\S+)/gm)].map(([, to]) => to);

  assert.deepEqual(passed, ["/TENANT/status/api/", "http://127.0.0.1:3007/api/;"]);
  assert.deepEqual(settingsList.PORT_SERVE.otherwise, { kind: "text", text: "3007" });
  assert.match(dockerfile, /^EXPOSE 3007$/m);
});
