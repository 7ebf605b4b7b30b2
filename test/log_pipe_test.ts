import assert from "node:assert/strict";
import { linesOnPipe, waitingBytesMax } from "../src/log.ts";

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
