/** What is held for those who take a body: the same pieces for all, no more than a limit, and whoever reads gets the whole. */
import assert from "node:assert/strict";
import { EncodedBody, OutgoingBudget, outgoingBytesMax, pieceBytes, stalledMs } from "../src/response_cache.ts";
import { appOf, wellLab } from "./support/app.ts";
import { snapshot } from "./support/snapshot.ts";

const half = outgoingBytesMax / 2;

/** A body of so many bytes, that takes none of them. */
function body(bytes: number): EncodedBody {
  return new EncodedBody([{ length: bytes } as Uint8Array<ArrayBuffer>]);
}

function setUp() {
  const bench = { nowMs: 0, cut: [] as number[], full: 0, ended: [] as string[] };
  const outgoing = new OutgoingBudget({
    monotonicMs: () => bench.nowMs,
    cut: (readers) => bench.cut.push(readers),
    full: () => bench.full++,
  });
  const take = (name: string, what: EncodedBody) => outgoing.take(what, () => bench.ended.push(name));
  return { bench, outgoing, take };
}

Deno.test("a thousand who take one body hold it once, and read the very same pieces", async () => {
  const [{ outgoing }, shared] = [setUp(), EncodedBody.of("x".repeat(3 * pieceBytes))];
  const readers = Array.from({ length: 1_000 }, () => outgoing.stream(shared)!.getReader());
  const firsts = await Promise.all(readers.map((reader) => reader.read()));

  assert.equal(outgoing.bytes, shared.length);
  for (const { value } of firsts) assert.equal(value, shared.pieces[0]);
  await Promise.all(readers.map((reader) => reader.cancel()));
  assert.equal(outgoing.bytes, 0);
});

Deno.test("nothing is held for one who has read all, though the end is not asked for", async () => {
  const [{ outgoing }, large] = [setUp(), EncodedBody.of("x".repeat(2 * pieceBytes))];
  const reader = outgoing.stream(large)!.getReader();
  await reader.read();
  assert.equal(outgoing.bytes, large.length);
  await reader.read();

  assert.equal(outgoing.bytes, 0);
  assert.equal((await reader.read()).done, true);
});

Deno.test("where there is no room the newcomer gets none, those who read go on, and it is told once", () => {
  const { bench, outgoing, take } = setUp();
  const oldest = body(half);
  take("a", oldest);
  take("b", body(half));

  assert.equal(take("c", body(1)), null);
  assert.equal(take("d", body(1)), null);
  assert.notEqual(take("e", oldest), null, "what is on its way already takes no room");
  assert.deepEqual(bench, { nowMs: 0, cut: [], full: 1, ended: [] });
  assert.equal(outgoing.bytes, outgoingBytesMax);
});

Deno.test("that there is no room is told again when there has been some", () => {
  const { bench, take } = setUp();
  const first = take("a", body(2 * half));
  take("b", body(1));
  first?.leave();
  take("c", body(2 * half));
  take("d", body(1));

  assert.equal(bench.full, 2);
});

const stalls: Record<string, [nowMs: number, ended: readonly string[]]> = {
  "who has taken no piece for ten seconds makes room": [stalledMs, ["still"]],
  "a moment before nobody does": [stalledMs - 1, []],
};
for (const [says, [nowMs, ended]] of Object.entries(stalls)) {
  Deno.test(`of those who read slowly ${says}`, () => {
    const { bench, take } = setUp();
    take("still", body(half));
    const slow = take("slow", body(half));
    bench.nowMs = nowMs - 1;
    slow?.next();
    bench.nowMs = nowMs;

    assert.equal(take("new", body(half)) !== null, ended.length > 0);
    assert.deepEqual(bench.ended, ended);
    assert.deepEqual(bench.cut, ended.map(() => 1));
  });
}

Deno.test("who has taken nothing for long is left in peace while there is room", () => {
  const { bench, take } = setUp();
  take("still", body(half));
  bench.nowMs = 100 * stalledMs;

  assert.notEqual(take("new", body(half)), null);
  assert.deepEqual(bench.ended, []);
});

Deno.test("of sixty who read slowly and come one after another, each of another body, those who get in get all of it", async () => {
  const { bench, outgoing } = setUp();
  const pieces = 60, begun: ReadableStreamDefaultReader[] = [];
  for (let second = 0; second < 60; second++) {
    bench.nowMs += 1_000;
    const stream = outgoing.stream(new EncodedBody(Array.from({ length: pieces }, () => new Uint8Array(pieceBytes))));
    if (stream !== null) begun.push(stream.getReader());
    for (const reader of begun) await reader.read();
  }
  const rests = await Promise.all(begun.slice(0, 4).map(lengthOf));

  assert.deepEqual(bench.cut, []);
  assert.deepEqual(rests, [0, 1, 2, 3].map((second) => second * pieceBytes));
});

Deno.test("a body larger than all that may be held is sent where nothing else is on its way", () => {
  const { take } = setUp();
  assert.notEqual(take("large", body(4 * half)), null);
  assert.equal(take("small", body(1)), null);
});

Deno.test("whoever left is not ended later, and leaving twice is leaving once", () => {
  const { bench, outgoing, take } = setUp();
  const left = take("left", body(half));
  left?.leave();
  left?.leave();
  assert.equal(left?.next(), undefined);
  take("other", body(2 * half));
  bench.nowMs = stalledMs;
  take("last", body(1));

  assert.deepEqual(bench.ended, ["other"]);
  assert.equal(outgoing.bytes, 1);
});

Deno.test("who is cut off sees that it is not the whole, and nothing is printed of it", async () => {
  const args = ["run", "-A", "--no-check", `${import.meta.dirname}/support/cut_process.ts`];
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));

  assert.equal(out, "200, and the slow one saw a part\n");
  assert.doesNotMatch(err!, /Error|\bat file:/);
});

Deno.test("who finds no room is told to come again, and HEAD takes none", async () => {
  const bodies = [0, 1, 2].map(() => EncodedBody.of("x".repeat(40 * 1024 * 1024)));
  const app = appOf(snapshot(wellLab().bench), { metrics: () => Promise.resolve(bodies.shift()!) });
  const head = await app.request("/metrics", { method: "HEAD" });
  const first = await app.request("/metrics");
  const second = await app.request("/metrics");

  assert.deepEqual([head.status, first.status, second.status], [200, 200, 503]);
  assert.equal(second.headers.get("retry-after"), "15");
  assert.deepEqual(await second.json(), { code: "503", message: "too much is on its way to others already" });
  await first.body?.cancel();
});

async function lengthOf(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<number> {
  let length = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) length += next.value.length;
  return length;
}
