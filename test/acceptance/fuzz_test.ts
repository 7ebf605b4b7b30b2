/** What others say, made up at random: a short run of `scripts/chaos/fuzz.ts`, which goes on for as long as one likes. */
import fc from "fast-check";
import assert from "node:assert/strict";
import { fuzz, FuzzFound, type TargetName, targets } from "../../scripts/chaos/fuzz.ts";
import { splitFrame } from "../../src/report_decoder.ts";
import { decodeJump, decodeRelay } from "../support/decoded.ts";
import { hostileList } from "../support/hostile.ts";

const seed = 20_261_122;
const runs: Record<TargetName, number> = {
  frames: 2_000,
  settings: 2_000,
  book: 500,
  access: 500,
  webhook: 500,
  smtp: 30,
  http: 1_000,
};
for (const [name, texts] of Object.entries(runs) as [TargetName, number][]) {
  Deno.test(`fuzz, seed ${seed}: ${texts} texts of ${name} break nothing`, async () => {
    const counts = await fuzz(name, targets[name], seed, (counts) => counts.texts >= texts);
    assert.ok(counts.outcomes > 3, `only ${counts.outcomes} kinds of outcome: it is not what is meant that is tried`);
  });
}

Deno.test("fuzz tells the text that broke something, and the seed", async () => {
  const run = (text: string) => text.length < 3 ? Promise.reject(new Error("too short for me")) : Promise.resolve(text);
  const brittle = {
    samples: ["abcd"],
    grammar: { words: [], isJson: false },
    begin: () => ({ run, end: () => Promise.resolve() }),
  };

  await assert.rejects(fuzz("brittle", brittle, 7, () => false), (error: FuzzFound) => {
    return error instanceof FuzzFound && /^brittle, seed 7, text \d+: ".{0,2}"\n.*too short/.test(error.message);
  });
});

const text = fc.oneof(fc.string({ unit: "binary", maxLength: 30 }), fc.constantFrom(...hostileList));
const anything = fc.oneof(text, fc.double(), fc.anything({ maxDepth: 3, withNullPrototype: true }));
const entry = fc.record({
  topic: fc.oneof(text, fc.constantFrom("pend00", "pend00-st-data"), anything),
  scopes: fc.oneof(fc.array(fc.oneof(text, fc.constantFrom("expt", "host"))), anything),
  stats: fc.oneof(
    fc.record({ tx: fc.record({ last: anything, size: anything, fps: anything }), rx: anything }),
    anything,
  ),
  connected: anything,
  userAgent: anything,
}, { requiredKeys: [] });

Deno.test("whatever is in a report, each entry is somebody's, nobody's or left out, and none is lost", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(entry, anything), { maxLength: 8 }), (report) => {
      for (const decode of [decodeJump, decodeRelay]) {
        const decoded = decode([report]);
        assert.ok(decoded !== null && decoded.entries === report.length);
        assert.ok(decoded.connections.size + decoded.skipped <= report.length);
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("documents that are glued together are the same as one by one, whatever they are", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue({ maxDepth: 4 }), { minLength: 1, maxLength: 5 }), (documents) => {
      // Numbers that touch are one number to anybody: what is written so is never a report.
      const texts = documents.map((each) => JSON.stringify(each));
      fc.pre(texts.every((each) => !/^[-\d]/.test(each)));
      assert.deepEqual(splitFrame(texts.join("")), {
        kind: "documents",
        documents: texts.map((each) => JSON.parse(each)),
      });
    }),
    { numRuns: 1_000 },
  );
});
