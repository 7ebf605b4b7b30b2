import assert from "node:assert/strict";
import { queuedBytesMax, Reader } from "../src/sse.ts";
import { Listener } from "./support/live_lab.ts";

const never = () => assert.fail("the client has not left");
const piece = (bytes: number) => new Uint8Array(bytes);

Deno.test("a reader gets the very pieces that it was given, in their order", async () => {
  const reader = new Reader(never);
  const [first, second, third] = [piece(3), piece(2), piece(1)] as const;
  reader.push(first);
  reader.push(second);
  const listener = new Listener(reader.body);
  await turn();
  reader.push(third);
  await turn();
  assert.deepEqual(listener.pieces.map((each) => each.length), [3, 2, 1]);
  assert.ok([first, second, third].every((each, at) => each === listener.pieces[at]));
  reader.end();
  await listener.ended;
});

Deno.test("what waits for a reader is counted in bytes until it is taken", async () => {
  const reader = new Reader(never);
  reader.push(piece(10));
  reader.push(piece(5));
  assert.equal(reader.queuedBytes, 15);
  const source = reader.body.getReader();
  await source.read();
  assert.equal(reader.queuedBytes, 5);
  await source.read();
  assert.equal(reader.queuedBytes, 0);
  reader.end();
  source.releaseLock();
});

const bounds: Record<string, [waiting: readonly number[], isTaken: boolean]> = {
  "with nothing waiting takes a piece of any size": [[], true],
  "takes one at the bound": [[queuedBytesMax], true],
  "takes none over the bound": [[queuedBytesMax, 1], false],
};
for (const [name, [waiting, isTaken]] of Object.entries(bounds)) {
  Deno.test(`a reader ${name}`, () => {
    const reader = new Reader(never);
    for (const bytes of waiting) assert.ok(reader.push(piece(bytes)));
    assert.equal(reader.push(piece(2 * queuedBytesMax)), isTaken);
    reader.end();
  });
}

Deno.test("what comes first goes out before all that has come while it was made, and does not count as waiting", async () => {
  const reader = new Reader(never);
  reader.hold();
  const listener = new Listener(reader.body);
  assert.ok(reader.push(piece(1)));
  await turn();
  assert.deepEqual(listener.pieces, []);

  let begun = 0;
  reader.begin([piece(queuedBytesMax), piece(9)].values(), () => begun++);
  assert.equal(reader.queuedBytes, 1);
  await turn();
  reader.push(piece(2));
  await turn();
  assert.deepEqual(listener.pieces.map(({ length }) => length), [queuedBytesMax, 9, 1, 2]);
  assert.equal(begun, 1);
  reader.end();
  await listener.ended;
});

Deno.test("nobody waits for what comes first of a reader that has been given up", () => {
  const [before, meanwhile] = [new Reader(never), new Reader(never)];
  let begun = 0;
  before.hold();
  before.end();
  before.begin([piece(1)].values(), () => begun++);
  assert.equal(begun, 1);
  meanwhile.hold();
  meanwhile.begin([piece(1)].values(), () => begun++);
  meanwhile.end();
  assert.equal(begun, 2);
});

Deno.test("a reader that is given up holds nothing, and its stream ends", async () => {
  const reader = new Reader(never);
  reader.push(piece(10));
  reader.end();
  assert.equal(reader.queuedBytes, 0);
  const listener = new Listener(reader.body);
  await listener.ended;
  assert.deepEqual(listener.pieces, []);
});

Deno.test("a reader that was given up can be given up again, and takes nothing more", () => {
  const reader = new Reader(never);
  reader.end();
  reader.end();
  reader.push(piece(10));
  assert.equal(reader.queuedBytes, 0);
});

Deno.test("a client that leaves is told of at once, and nothing waits for it", async () => {
  let left = 0;
  const reader = new Reader(() => left++);
  reader.push(piece(10));
  await reader.body.cancel();
  assert.equal(left, 1);
  assert.equal(reader.queuedBytes, 0);
  reader.push(piece(10));
  reader.end();
  assert.equal(reader.queuedBytes, 0);
});

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
