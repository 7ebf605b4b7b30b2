import assert from "node:assert/strict";
import {
  jsonLine,
  linesOnPipe,
  lineStream,
  type LogEntry,
  LogFailed,
  logger,
  type LogOptions,
  openLogFile,
  startLog,
  textLine,
  waitingBytesMax,
} from "../src/log.ts";
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

function entry(changes: Partial<LogEntry> = {}): LogEntry {
  return {
    atMs: Date.UTC(2026, 10, 22, 20, 31, 14, 120),
    level: "warn",
    part: "relay",
    message: "late",
    fields: {},
    ...changes,
  };
}

Deno.test("a JSON line has time, level, part and message first, then the fields", () => {
  const line = jsonLine(
    entry({ fields: { sinceMs: 1200, trouble: { kind: "silent" }, topics: ["a", "b"], known: true } }),
  );

  assert.equal(
    line,
    '{"time":"2026-11-22T20:31:14.120Z","level":"warn","part":"relay","msg":"late","sinceMs":1200,"trouble":{"kind":"silent"},"topics":["a","b"],"known":true}',
  );
});

Deno.test("a text line can be read by a person", () => {
  const fields = { sinceMs: 1200, url: "https://x/y", why: "not there", trouble: { kind: "silent" } };

  assert.equal(
    textLine(entry({ fields })),
    '2026-11-22T20:31:14.120Z warn  relay: late sinceMs=1200 url=https://x/y why="not there" trouble={"kind":"silent"}',
  );
});

Deno.test("a field does not take the place of time, level, part or message", () => {
  const line = jsonLine(entry({ fields: { time: 1, level: 2, part: 3, msg: 4 } }));

  assert.deepEqual(JSON.parse(line), {
    time: "2026-11-22T20:31:14.120Z",
    level: "warn",
    part: "relay",
    msg: "late",
    "fields.time": 1,
    "fields.level": 2,
    "fields.part": 3,
    "fields.msg": 4,
  });
});

Deno.test("a field of any name is shown under it, also what every object has", () => {
  const fields = Object.fromEntries(["__proto__", "toString", "constructor"].map((name) => [name, name]));
  const line = jsonLine(entry({ fields: { ...fields, map: new Map([["__proto__", "y"]]) } }));

  for (const name of ["__proto__", "toString", "constructor"]) assert.match(line, new RegExp(`,"${name}":"${name}"`));
  assert.match(line, /"map":\{"__proto__":"y"\}/);
});

/** A field's value, and what a line shows of it. */
const shown: Record<string, [unknown, unknown]> = {
  "a secret": [new Secret("hunter2"), "(secret)"],
  "a secret in a list in an object": [{ all: [new Secret("hunter2")] }, { all: ["(secret)"] }],
  "a secret as a map's value": [new Map([["a", new Secret("hunter2")]]), { a: "(secret)" }],
  "a field named password": [{ password: "hunter2" }, { password: "(secret)" }],
  "a header named Authorization": [{ headers: { Authorization: "hunter2" } }, {
    headers: { Authorization: "(secret)" },
  }],
  "a field whose name ends in token": [{ relayToken: "hunter2" }, { relayToken: "(secret)" }],
  "a field named after a setting": [{ SECRET_BOOK: "hunter2" }, { SECRET_BOOK: "(secret)" }],
  "a secret that is an object": [{ secret: { value: "hunter2" } }, { secret: "(secret)" }],
  "when a token expires": [{ tokenExpiresMs: 12 }, { tokenExpiresMs: 12 }],
  "a code in an address": ["wss://x/y?code=hunter2&z=1", "wss://x/y?code=(secret)&z=1"],
  "a code elsewhere in a query": ["wss://x/y?z=1&CODE=hunter2", "wss://x/y?z=1&CODE=(secret)"],
  "a code in an address that is a URL": [new URL("wss://x/y?code=hunter2"), "wss://x/y?code=(secret)"],
  "a signed token in words": ["got eyJhbGciOi.eyJzdWIi.hunter-2 back", "got (token) back"],
  "a password that straddles the cut": [
    `${"x".repeat(9_985)} smtp://ann:hunter2@h/`,
    `${"x".repeat(9_985)} smtp://(secret…`,
  ],
  "a word that straddles what is looked through": [
    `${"x ".repeat(49_990)}smtp://ann:hunter2@h/`,
    `${"x ".repeat(5_000)}…`,
  ],
  "a password in an address": ["smtp://ann:hunter2@h/", "smtp://(secret)@h/"],
  "a mail address": ["ann@a.org", "ann@a.org"],
  "an instant": [new Date(0), "1970-01-01T00:00:00.000Z"],
  "an error": [new TypeError("no such host?code=hunter2"), "no such host?code=(secret)"],
  "an error with a cause": [new Error("cannot send", { cause: new Error("refused") }), "cannot send: refused"],
  "a set": [new Set(["a"]), ["a"]],
  "bytes": [new Uint8Array(3), "(3 bytes)"],
  "no number": [NaN, "NaN"],
  "a big number": [12n, "12"],
  "nothing": [null, null],
  "a function": [() => 1, "(function)"],
};
for (const [name, [value, want]] of Object.entries(shown)) {
  Deno.test(`a line shows ${name}`, () => {
    const { field } = JSON.parse(jsonLine(entry({ fields: { field: value } })));
    assert.deepEqual(field, want);
  });
}

Deno.test("the message is kept clean of secrets like a field", () => {
  const message = "dialled wss://x/y?code=hunter2";

  assert.equal(jsonLine(entry({ message })).includes("hunter2"), false);
  assert.equal(textLine(entry({ message, fields: { password: "hunter2" } })).includes("hunter2"), false);
});

Deno.test("what is undefined is left out", () => {
  assert.equal(textLine(entry({ fields: { gone: undefined } })), textLine(entry()));
});

Deno.test("a value that holds itself ends", () => {
  const loop: Record<string, unknown> = {};
  loop.again = loop;

  assert.match(jsonLine(entry({ fields: { loop } })), /"again":"…"/);
});

Deno.test("a very long text is cut", () => {
  const line = jsonLine(entry({ fields: { page: "x".repeat(100_000) } }));

  assert.ok(line.length < 11_000, `${line.length}`);
});

Deno.test("one entry is one line, and can't speak to a terminal", () => {
  const evil = 'a\nb\r\u001b[2J\u0085\u2028\u202e"\\';
  const fields = { evil, "key\n": 1 };

  assert.equal(
    textLine(entry({ message: evil, fields })).replace(/^.*relay: /, ""),
    'a\\nb\\r\\u001b[2J\\u0085\\u2028\\u202e"\\ evil="a\\nb\\r\\u001b[2J\\u0085\\u2028\\u202e\\"\\\\" key\\n=1',
  );
  const line = jsonLine(entry({ message: evil, fields }));
  assert.match(line, /^[\x20-\x7e]*$/);
  assert.equal(JSON.parse(line).msg, evil);
});

async function inFolder(test: (folder: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const silent = () => assert.fail("there is nothing to complain of");

Deno.test("lines go to the end of a file that was there", () =>
  inFolder((folder) => {
    const path = `${folder}/status.log`;
    Deno.writeTextFileSync(path, "before\n");

    const file = openLogFile(path, silent);
    file.write("one");
    file.write("ünï");
    file.close();

    assert.equal(Deno.readTextFileSync(path), "before\none\nünï\n");
  }));

Deno.test("a new file can't be read by everybody", () =>
  inFolder((folder) => {
    const path = `${folder}/status.log`;
    openLogFile(path, silent).close();

    assert.equal((Deno.statSync(path).mode ?? 0) & 0o007, 0);
  }));

Deno.test("a file that can't be opened throws", () =>
  inFolder((folder) => {
    assert.throws(() => openLogFile(`${folder}/none/status.log`, silent), Deno.errors.NotFound);
    assert.throws(() => openLogFile(folder, silent), Error);
  }));

Deno.test("after it was moved away, lines go on into it until it is reopened, and then into a new one", () =>
  inFolder((folder) => {
    const path = `${folder}/status.log`;
    const file = openLogFile(path, silent);
    file.write("one");
    Deno.renameSync(path, `${path}.1`);
    file.write("two");

    file.reopen();
    file.write("three");
    file.close();

    assert.equal(Deno.readTextFileSync(`${path}.1`), "one\ntwo\n");
    assert.equal(Deno.readTextFileSync(path), "three\n");
  }));

Deno.test("where it can't be reopened, lines go on into the old one, and that is said", () =>
  inFolder((folder) => {
    const path = `${folder}/logs/status.log`;
    const said: string[] = [];
    Deno.mkdirSync(`${folder}/logs`);
    const file = openLogFile(path, (line) => said.push(line));
    Deno.renameSync(`${folder}/logs`, `${folder}/old`);

    file.reopen();
    file.write("one");
    file.close();

    assert.equal(Deno.readTextFileSync(`${folder}/old/status.log`), "one\n");
    assert.equal(said.length, 1);
    assert.match(said[0] ?? "", /^Cannot reopen the log .*\/logs\/status\.log: No such file or directory/);
  }));

Deno.test({
  name: "a line that can't be written is counted, and said once, and nothing is thrown (needs /dev/full)",
  ignore: Deno.build.os !== "linux",
  fn: () => {
    const said: string[] = [];
    const file = openLogFile("/dev/full", (line) => said.push(line));

    file.write("one");
    file.write("two");
    file.close();

    assert.equal(file.lost, 2);
    assert.deepEqual(said, ["Cannot write the log /dev/full: No space left on device (os error 28)"]);
  },
});

/** Takes so many bytes at each write, and for "full" throws. */
function scripted(script: (number | "full")[]): { text: () => string; writeSync(bytes: Uint8Array): number } {
  const arrived: number[] = [];
  return {
    text: () => new TextDecoder().decode(new Uint8Array(arrived)),
    writeSync(bytes) {
      const takes = script.shift() ?? bytes.length;
      if (takes === "full") throw new Error("No space left on device");
      arrived.push(...bytes.subarray(0, takes));
      return Math.min(takes, bytes.length);
    },
  };
}

Deno.test("a line that is taken in pieces arrives whole", () => {
  const stream = scripted([1, 2]);

  lineStream(stream, silent).write("hello");

  assert.equal(stream.text(), "hello\n");
});

Deno.test("a line after half a line begins on its own, and a new run of failures is complained of anew", () => {
  const said: string[] = [];
  const stream = scripted([2, "full", "full", 100, "full"]);
  const lines = lineStream(stream, (words) => said.push(words));

  for (const line of ["hello", "lost", "three", "lost too", "five"]) lines.write(line);

  assert.equal(stream.text(), "he\nthree\nfive\n");
  assert.equal(lines.lost, 3);
  assert.deepEqual(said, ["No space left on device", "No space left on device"]);
});

/** A pipe that takes nothing until it is told to, then all that comes. */
function stuckPipe() {
  let text = "";
  const open = Promise.withResolvers<void>();
  const write = async (bytes: Uint8Array) => {
    await open.promise;
    text += new TextDecoder().decode(bytes);
    return bytes.length;
  };
  return { write, open: () => open.resolve(), text: () => text };
}

Deno.test("lines for a reader that does not read wait in order, and nobody waits for them", async () => {
  const pipe = stuckPipe();
  const lines = linesOnPipe(pipe, () => {});
  for (const line of ["one", "two", "three"]) lines.write(line);
  assert.equal(pipe.text(), "");
  pipe.open();
  await lines.close();
  assert.equal(pipe.text(), "one\ntwo\nthree\n");
  assert.equal(lines.lost, 0);
});

Deno.test("what is beyond the limit is lost and counted, and what comes when there is room is written", async () => {
  const pipe = stuckPipe();
  const lines = linesOnPipe(pipe, () => {});
  const line = "x".repeat(waitingBytesMax / 4 - 1);
  for (let count = 0; count < 6; count++) lines.write(line);
  assert.equal(lines.lost, 2);
  pipe.open();
  await lines.close();
  lines.write("again");
  await lines.close();
  assert.equal(pipe.text(), `${line}\n`.repeat(4) + "again\n");
});

Deno.test("a line that is longer than the limit is written where none waits", async () => {
  const pipe = stuckPipe();
  const lines = linesOnPipe(pipe, () => {});
  const line = "x".repeat(waitingBytesMax + 1);
  lines.write(line);
  pipe.open();
  await lines.close();
  assert.equal(pipe.text(), `${line}\n`);
});

Deno.test("a reader that is gone is complained of once, every line of it is counted, and nothing is thrown", async () => {
  const said: string[] = [];
  const lines = linesOnPipe({ write: () => Promise.reject(new Error("Broken pipe (os error 32)")) }, (words) => {
    said.push(words);
  });
  lines.write("one");
  lines.write("two");
  await lines.close();
  assert.equal(lines.lost, 2);
  assert.deepEqual(said, ["Broken pipe (os error 32)"]);
});

Deno.test("a line that is taken in pieces arrives whole", async () => {
  const taken: string[] = [];
  const lines = linesOnPipe({
    write(bytes) {
      taken.push(new TextDecoder().decode(bytes.subarray(0, 2)));
      return Promise.resolve(Math.min(2, bytes.length));
    },
  }, () => {});
  lines.write("hello");
  await lines.close();
  assert.deepEqual(taken, ["he", "ll", "o\n"]);
});

Deno.test("an end waits for a reader that does not read for a moment, and no longer", async () => {
  const pipe = stuckPipe();
  const lines = linesOnPipe(pipe, () => {});
  lines.write("one");
  await lines.close();
  assert.equal(pipe.text(), "");
  pipe.open();
});

/*  Errors that nobody catches end a process, so each is played in one of its own. */

const script = new URL("./support/fault_process.ts", import.meta.url).pathname;

for (const how of ["thrown", "rejected"]) {
  Deno.test(`an error that is ${how} where nobody catches it ends the program, and its log says so`, async () => {
    const run = new Deno.Command(Deno.execPath(), { args: ["run", "--allow-all", script, how] });
    const { code, stdout, stderr } = await run.output();

    assert.equal(code, 1);
    assert.match(new TextDecoder().decode(stdout), /^\S+ error.* a fault of the program ends it: nobody looks at this/);
    assert.equal(new TextDecoder().decode(stderr), "");
  });
}
