/** What is held for those who take a body: the same pieces for all, and no more than a limit for those who read slowly. */
import assert from "node:assert/strict";
import { Body, pieceBytes } from "../src/body.ts";
import { Outgoing, outgoingBytesMax } from "../src/outgoing.ts";

const half = outgoingBytesMax / 2;

const unseen = () => {};

/** A body of so many bytes, that takes none of them. */
function body(bytes: number): Body {
  return new Body([{ length: bytes } as Uint8Array<ArrayBuffer>]);
}

Deno.test("a thousand who take one body hold it once, and read the very same pieces", async () => {
  const [outgoing, shared] = [new Outgoing(unseen), Body.of("x".repeat(3 * pieceBytes))];
  const readers = Array.from({ length: 1_000 }, () => outgoing.stream(shared).getReader());
  const firsts = await Promise.all(readers.map((reader) => reader.read()));

  assert.equal(outgoing.bytes, shared.length);
  for (const { value } of firsts) assert.equal(value, shared.pieces[0]);
  await Promise.all(readers.map((reader) => reader.cancel()));
  assert.equal(outgoing.bytes, 0);
});

Deno.test("nothing is held for one who has read all, though the end is not asked for", async () => {
  const [outgoing, large] = [new Outgoing(unseen), Body.of("x".repeat(2 * pieceBytes))];
  const reader = outgoing.stream(large).getReader();
  await reader.read();
  assert.equal(outgoing.bytes, large.length);
  await reader.read();

  assert.equal(outgoing.bytes, 0);
  assert.equal((await reader.read()).done, true);
});

Deno.test("of too many bodies those who take the oldest are cut off, all of them, and nobody else, and it is told", () => {
  const cut: number[] = [];
  const outgoing = new Outgoing((readers) => cut.push(readers));
  const ended: string[] = [];
  const take = (name: string, what: Body) => outgoing.take(what, () => ended.push(name));
  const [oldest, newer] = [body(half), body(half)];
  take("a", oldest);
  take("b", newer);
  take("c", oldest);
  assert.deepEqual(ended, []);
  take("d", body(half));

  assert.deepEqual(ended, ["a", "c"]);
  assert.deepEqual(cut, [2]);
  assert.equal(outgoing.bytes, outgoingBytesMax);
});

Deno.test("a body larger than all that may be held is sent all the same", () => {
  const outgoing = new Outgoing(unseen);
  const ended: string[] = [];
  outgoing.take(body(half), () => ended.push("small"));
  outgoing.take(body(4 * half), () => ended.push("large"));

  assert.deepEqual(ended, ["small"]);
});

Deno.test("whoever is cut off is told by an error, and holds nothing any more", async () => {
  const cut: number[] = [];
  const [outgoing, slow] = [new Outgoing((readers) => cut.push(readers)), Body.of("x".repeat(3 * pieceBytes))];
  const reader = outgoing.stream(slow).getReader();
  await reader.read();
  outgoing.take(body(2 * half), () => {});

  await assert.rejects(reader.read(), /too much on its way/);
  assert.equal(outgoing.bytes, 2 * half);
  assert.deepEqual(cut, [1]);
});

Deno.test("whoever left is not ended later, and leaving twice is leaving once", () => {
  const outgoing = new Outgoing(unseen);
  const ended: string[] = [];
  const leave = outgoing.take(body(half), () => ended.push("left"));
  leave();
  leave();
  outgoing.take(body(2 * half), () => ended.push("other"));

  assert.deepEqual(ended, []);
  assert.equal(outgoing.bytes, 2 * half);
});
