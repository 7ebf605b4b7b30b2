/** The commands, as a maintainer types them. */
import assert from "node:assert/strict";
import { replacedProgramEnvironment } from "../support/environment.ts";
import { program, Station } from "../support/station.ts";

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { code, stdout, stderr } = await program(args, env).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("no command, or an unknown one: usage, exit 2", async () => {
  for (const args of [[], ["watch"]]) {
    const { code, err } = await run(args);
    assert.equal(code, 2);
    assert.match(err, /Usage: status .*[\s\S]*serve[\s\S]*check[\s\S]*healthcheck[\s\S]*version/);
  }
});

Deno.test("help is no failure", async () => {
  const { code, out } = await run(["--help"]);
  assert.equal(code, 0);
  assert.match(out, /Usage: status/);
});

Deno.test("version says its own, Deno's and V8's", async () => {
  const { code, out } = await run(["version"]);
  assert.equal(code, 0);
  assert.match(out, /^status \d+\.\d+\.\d+ \(Deno \d+\.\d+\.\d+, V8 \S+\)\n$/);
});

Deno.test("the environment of the Go program's README passes as it stands", async () => {
  const { code, out, err } = await run(["check", "--offline"], replacedProgramEnvironment as Record<string, string>);
  assert.equal(code, 0, out + err);
  assert.doesNotMatch(out + err, /somesecret|othersecret|something/);
});

for (const command of ["serve", "check"]) {
  Deno.test(`${command} with bad settings names them all, shows no secret, and exits 2`, async () => {
    const { code, err } = await run([command], {
      STATUS_HOST_BOOK: "https://app.example.org/book",
      STATUS_SECRET_BOOK: "hush-hush",
      STATUS_HEALTH_LAST: "ten seconds",
      STATUS_HELTH_LAST: "10s",
    });
    assert.equal(code, 2);
    for (
      const words of [
        "STATUS_HOST_BOOK",
        "STATUS_HOST_JUMP",
        "STATUS_SECRET_RELAY",
        "ten seconds",
        "STATUS_HEALTH_LAST",
      ]
    ) {
      assert.ok(err.includes(words), `${words} in ${err}`);
    }
    assert.match(err, /STATUS_HELTH_LAST .*STATUS_HEALTH_LAST/);
    assert.doesNotMatch(err, /hush-hush/);
  });
}

Deno.test("a store or a log that was asked for and cannot be written: exit 1, saying which and why", async () => {
  await using station = await Station.with();
  const env = { ...station.world.env, STATUS_PORT_SERVE: "0" };
  const store = await run(["serve"], {
    ...env,
    STATUS_LOG_FILE: "stdout",
    STATUS_STORE_FILE: "/proc/nowhere/status.db",
  });
  assert.equal(store.code, 1);
  assert.match(store.err, /\/proc\/nowhere/);
  const log = await run(["serve"], {
    ...env,
    STATUS_STORE_FILE: "memory",
    STATUS_LOG_FILE: "/proc/nowhere/status.log",
  });
  assert.equal(log.code, 1);
  assert.match(log.err, /\/proc\/nowhere\/status\.log/);
});

Deno.test("a port in use: exit 1, saying so", async () => {
  await using station = await Station.watching();
  const { code, said } = await station.run(
    { STATUS_PORT_SERVE: String(station.port), STATUS_STORE_FILE: "memory" },
    "serve",
  );
  assert.equal(code, 1);
  assert.match(said, new RegExp(`:${station.port}.*in use`));
});

Deno.test("healthcheck: 0 while it runs, 1 when it does not", async () => {
  await using station = await Station.watching();
  const port = { STATUS_PORT_SERVE: String(station.port) };
  assert.equal((await station.run(port, "healthcheck")).code, 0);
  await station.end("SIGTERM");
  assert.equal((await station.run(port, "healthcheck")).code, 1);
});

Deno.test("healthcheck and check ask the monitor itself, whatever proxy the environment names", async () => {
  await using station = await Station.watching({ env: { STATUS_LOG_FILE: "stderr", NO_PROXY: "" } });
  const nobody = "http://127.0.0.1:1"; // as Docker sets it from its configuration
  const env = { STATUS_PORT_SERVE: String(station.port), HTTP_PROXY: nobody, http_proxy: nobody, ALL_PROXY: nobody };
  assert.equal((await station.run(env, "healthcheck")).code, 0);
  assert.match((await station.run(env, "check")).said, /^ok\s+port\s+a running status/m);
});

Deno.test("check tries each part and says what it found; a running monitor is no fault", async () => {
  await using station = await Station.watching({ env: { STATUS_LOG_FILE: "stderr" } });
  const { code, said } = await station.run({ STATUS_PORT_SERVE: String(station.port) }, "check");
  for (const part of ["book", "jump", "relay", "mail", "log", "store", "port"]) {
    assert.match(said, new RegExp(`^ok\\s+${part}\\b`, "m"));
  }
  assert.equal(code, 0, said);
});

Deno.test("check shows the failing service's own words and exits 1; --send sends a mail", async () => {
  await using station = await Station.with({ env: { STATUS_SECRET_RELAY: "another", STATUS_STORE_FILE: "memory" } });
  const { code, said } = await station.run({}, "check", "--send");
  assert.equal(code, 1);
  assert.match(said, /^FAIL\s+relay\b.*token invalid/m);
  assert.match(said, /^ok\s+book\b.*\b1\b/m);
  assert.equal(station.mailCount, 1);
});

Deno.test("the log is reopened on SIGHUP, so that it can be rotated", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/status.log`;
  await using station = await Station.with({ env: { STATUS_LOG_FILE: file } });
  await station.start();
  await Deno.rename(file, `${file}.1`);
  station.signal("SIGHUP");
  station.world.host("pend00").pull();
  await station.until(
    async () => (await Deno.readTextFile(file)).includes("missing jump"),
    "the new file to be written",
  );
  await Deno.remove(folder, { recursive: true });
});
