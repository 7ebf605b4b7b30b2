import fc from "fast-check";
import assert from "node:assert/strict";
import { splitFrame } from "../src/report_decoder.ts";

const good: Record<string, [text: string, documents: unknown[]]> = {
  "one document": ["[1]", [[1]]],
  "two reports with nothing between them": ["[1][2]", [[1], [2]]],
  "a request of somebody else, then a report": ['{"cmd":"update"}[]', [{ cmd: "update" }, []]],
  "white space around and between": [' [1]\r\n\t{"a":2}\n', [[1], { a: 2 }]],
  "brackets and quotes inside strings": ['["]","\\"[","\\\\"]{"}":"{"}', [["]", '"[', "\\"], { "}": "{" }]],
  "documents in documents": ['[[{"a":[[]]}],{}][]', [[[{ a: [[]] }], {}], []]],
  "empty reports as Go writes them": ["null[]nullnull", [null, [], null, null]],
  "bare values": ['true"a"-1.5e3 2false', [true, "a", -1500, 2, false]],
};
for (const [name, [text, documents]] of Object.entries(good)) {
  Deno.test(`splitFrame finds ${name}`, () => assert.deepEqual(splitFrame(text), { kind: "documents", documents }));
}

const bad: Record<string, [text: string, why: RegExp]> = {
  "nothing": ["", /^an empty frame$/],
  "nothing but white space": [" \n", /^an empty frame$/],
  "a document that is cut off": ['[{"a":1}', /^document 1 is not JSON: ./],
  "a second document that is cut off": ['[1][{"a":', /^document 2 is not JSON: ./],
  "a string that is cut off": ['["a', /^document 1 is not JSON: ./],
  "words": ["hello", /^document 1 is not JSON: ./],
  "words after a report": ["[1] bye", /^document 2 is not JSON: ./],
  "a comma between reports": ["[1],[2]", /^document 2 is not JSON: ./],
  "a bracket closed by a brace": ["[1}[2]", /^document 1 is not JSON: ./],
  "more documents than any queue holds": ["{}".repeat(10_001), /^more than 10000 documents in one frame$/],
};
for (const [name, [text, want]] of Object.entries(bad)) {
  Deno.test(`splitFrame calls ${name} bad`, () => {
    const frame = splitFrame(text);
    assert.ok(frame.kind === "bad");
    assert.match(frame.why, want);
  });
}

Deno.test("splitFrame: whatever arrays and objects are glued together come out again", () => {
  const documents = fc.array(fc.jsonValue().filter((value) => typeof value === "object" && value !== null), {
    minLength: 1,
  });
  fc.assert(fc.property(documents, fc.constantFrom("", " ", "\n"), (values, between) => {
    const texts = values.map((value) => JSON.stringify(value));
    const want = texts.map((text) => JSON.parse(text) as unknown);
    assert.deepEqual(splitFrame(texts.join(between)), { kind: "documents", documents: want });
  }));
});

Deno.test("splitFrame: a frame that lost its end is bad, wherever it was cut", () => {
  const glued = fc.array(fc.array(fc.record({ topic: fc.string() }), { minLength: 1 }), { minLength: 1, maxLength: 4 });
  fc.assert(fc.property(glued, fc.nat(), (values, seed) => {
    const last = JSON.stringify(values.at(-1));
    const cut = last.slice(0, 1 + seed % (last.length - 1));
    const text = values.slice(0, -1).map((value) => JSON.stringify(value)).join("") + cut;
    assert.equal(splitFrame(text).kind, "bad");
  }));
});
