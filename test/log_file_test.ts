import assert from "node:assert/strict";
import { lineStream, openLogFile } from "../src/log.ts";

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
