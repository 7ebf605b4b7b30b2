import assert from "node:assert/strict";
import { LogFailed, logger, type LogOptions, startLog } from "../src/log.ts";
import { Secret } from "../src/setting_types.ts";
import { FakeClock } from "./support/clock.ts";

/** What `write` logs, line by line, into a file that was asked for. */
async function logged(options: Partial<LogOptions>, write: () => void): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/status.log`;
  try {
    const log = await startLog({
      file,
      asked: true,
      format: "text",
      level: "warn",
      clock: new FakeClock(),
      ...options,
    });
    assert.deepEqual(log.warnings, []);
    write();
    await log.close();
    return (await Deno.readTextFile(file)).split("\n").slice(0, -1);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function everyLevel(): void {
  const log = logger("relay");
  log.trace("t");
  log.debug("d");
  log.info("i");
  log.warn("w");
  log.error("e");
}

const levels: Record<LogOptions["level"], string> = {
  trace: "tdiwe",
  debug: "diwe",
  info: "iwe",
  warn: "we",
  warning: "we",
  error: "e",
  fatal: "",
  panic: "",
};
for (const [level, want] of Object.entries(levels)) {
  Deno.test(`at level ${level} goes out ${want === "" ? "nothing" : want}`, async () => {
    const lines = await logged({ level: level as LogOptions["level"] }, everyLevel);
    assert.equal(lines.map((line) => line.at(-1)).join(""), want);
  });
}

Deno.test("a JSON line says when, how bad, who and what, at the time of the clock", async () => {
  const lines = await logged({ format: "json" }, () => logger("book").warn("no answer", { tries: 3 }));

  assert.deepEqual(lines, [
    '{"time":"2026-11-22T20:30:00.000Z","level":"warn","part":"book","msg":"no answer","tries":3}',
  ]);
});

Deno.test("what is always logged goes out at every level, once", async () => {
  const lines = await logged({ level: "panic" }, () => logger("state").always("state", { healthy: 3 }));

  assert.deepEqual(lines, ["2026-11-22T20:30:00.000Z info  state: state healthy=3"]);
});

Deno.test("braces in a message are no template", async () => {
  const lines = await logged({}, () => logger("book").warn('answered {"code":1} {x}', { x: "X" }));

  assert.deepEqual(lines, ['2026-11-22T20:30:00.000Z warn  book: answered {"code":1} {x} x=X']);
});

Deno.test("no secret is logged at any level", async () => {
  const lines = await logged({ level: "trace", format: "json" }, () => {
    logger("relay").trace("dial wss://x/?code=hunter2", { secret: new Secret("hunter2"), password: "hunter2" });
  });

  assert.equal(lines.length, 1);
  assert.equal(lines.join().includes("hunter2"), false);
});

Deno.test("the log can be reopened after it was moved away", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/status.log`;
  const log = await startLog({ file, asked: true, format: "text", level: "warn", clock: new FakeClock() });
  logger("a").warn("one");
  await Deno.rename(file, `${file}.1`);

  log.reopen();
  logger("a").warn("two");
  await log.close();

  assert.match(await Deno.readTextFile(`${file}.1`), /one\n$/);
  assert.match(await Deno.readTextFile(file), /^[^\n]*two\n$/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("after the log was closed nothing is logged, and it can be started again", async () => {
  await logged({}, () => {});
  logger("a").error("into nothing");

  const lines = await logged({}, () => logger("a").error("again"));

  assert.equal(lines.length, 1);
});

Deno.test("who speaks by a logger that was made before the start, speaks in every log after", async () => {
  const { warn } = logger("early");

  assert.equal((await logged({}, () => warn("first"))).length, 1);
  assert.equal((await logged({}, () => warn("second"))).length, 1);
});

Deno.test("a log that was asked for and can't be written is an error", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/none/status.log`;
  await assert.rejects(
    () => startLog({ file, asked: true, format: "json", level: "warn", clock: new FakeClock() }),
    (error) =>
      error instanceof LogFailed && error.message.startsWith(`Cannot write the log ${file}: No such file or dir`),
  );
  await Deno.remove(folder, { recursive: true });
});

/** Runs `code`, which can use what src/log.ts exports, in a process of its own. */
async function run(code: string): Promise<{ stdout: string; stderr: string }> {
  const log = JSON.stringify(new URL("../src/log.ts", import.meta.url).href);
  const clock = "const clock = { nowMs: () => 0, wait: () => Promise.resolve() };";
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", `import { logger, startLog } from ${log}; ${clock} ${code}`],
    env: { NO_COLOR: "1" },
  }).output();
  const text = { stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  assert.ok(success, text.stderr);
  return text;
}

Deno.test("the log can go to stdout", async () => {
  const { stdout, stderr } = await run(`
    const log = await startLog({ file: "stdout", asked: true, format: "text", level: "warn", clock });
    logger("a").warn("hello");
    await log.close();
  `);

  assert.deepEqual([stdout, stderr], ["1970-01-01T00:00:00.000Z warn  a: hello\n", ""]);
});

Deno.test("the default log goes to stderr where its file can't be written, with a warning", async () => {
  const { stdout, stderr } = await run(`
    const log = await startLog({ file: "/dev/null/status.log", asked: false, format: "text", level: "warn", clock });
    logger("a").warn("hello");
    await log.close();
    Deno.stdout.writeSync(new TextEncoder().encode(log.warnings.join()));
  `);

  assert.equal(stderr, "1970-01-01T00:00:00.000Z warn  a: hello\n");
  assert.match(stdout, /^Cannot write the log \/dev\/null\/status\.log: .*, so it goes to stderr$/);
});

Deno.test({
  name: "lines that can't be written are said on stderr once (needs /dev/full)",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const { stdout, stderr } = await run(`
      const log = await startLog({ file: "/dev/full", asked: true, format: "text", level: "warn", clock });
      logger("a").warn("one");
      logger("a").warn("two");
      await log.close();
      Deno.stdout.writeSync(new TextEncoder().encode(String(log.lost())));
    `);

    assert.equal(stderr, "Cannot write the log /dev/full: No space left on device (os error 28)\n");
    assert.equal(stdout, "2");
  },
});

Deno.test({
  name: "how many lines were lost is logged once lines can be written again (needs /dev/full)",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const folder = await Deno.makeTempDir();
    const file = `${folder}/status.log`;
    await Deno.symlink("/dev/full", file);
    await run(`
      const log = await startLog({ file: ${JSON.stringify(file)}, asked: true, format: "text", level: "warn", clock });
      logger("a").warn("one");
      logger("a").warn("two");
      Deno.removeSync(${JSON.stringify(file)});
      log.reopen();
      logger("a").warn("three");
      logger("a").warn("four");
      await log.close();
    `);

    assert.deepEqual((await Deno.readTextFile(file)).split("\n"), [
      "1970-01-01T00:00:00.000Z warn  a: three",
      "1970-01-01T00:00:00.000Z error log: lines could not be written lines=2",
      "1970-01-01T00:00:00.000Z warn  a: four",
      "",
    ]);
    await Deno.remove(folder, { recursive: true });
  },
});
