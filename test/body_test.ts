import assert from "node:assert/strict";
import { EncodedBody, pieceBytes } from "../src/response_cache.ts";

const long = Array.from({ length: 100_000 }, (_, at) => `experiment ${at}`).join("\n");

Deno.test("a body is the bytes of its text, in pieces of a size that one turn can write", async () => {
  for (const text of ["", "x", "ü".repeat(pieceBytes), long]) {
    const { pieces, length } = EncodedBody.of(text);

    assert.equal(await new Blob([...pieces]).text(), text);
    assert.equal(length, new TextEncoder().encode(text).length);
    assert.ok(pieces.every((piece) => piece.length <= pieceBytes));
  }
});

Deno.test("a body is packed once for all who take it so, with the same tag, and is the same inside", async () => {
  const body = new EncodedBody(EncodedBody.of(long).pieces, 'W/"x"');
  const [packed, again] = await Promise.all([body.packed(turn), body.packed(turn)]);

  assert.equal(packed, again);
  assert.equal(packed.tag, body.tag);
  assert.ok(packed.length < body.length / 4);
  const opened = new Blob([...packed.pieces]).stream().pipeThrough(new DecompressionStream("gzip"));
  assert.equal(await new Response(opened).text(), long);
});

Deno.test("a large body is packed bit by bit, and all else has its turn in between", async () => {
  let turns = 0;
  const body = EncodedBody.of("x".repeat(40 * pieceBytes));
  await body.packed(() => (turns++, turn()));

  assert.equal(turns, 9);
});

Deno.test("a body that could not be packed is packed for the next who takes it so", async () => {
  const body = EncodedBody.of("x".repeat(5 * pieceBytes));
  await assert.rejects(body.packed(() => Promise.reject(new Error("once"))), /once/);

  assert.ok((await body.packed(turn)).length > 0);
});

function turn(): Promise<void> {
  return Promise.resolve();
}
