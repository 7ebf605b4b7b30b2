/** Mutants: what `scripts/mutate.ts` changes, and what it leaves alone. */
import assert from "node:assert/strict";
import { mutantsOf } from "../scripts/mutate.ts";

const cases: Record<string, [source: string, mutants: string[]]> = {
  "a comparison moves its bound": ["const a = b < c;\n", ["const a = b <= c;\n"]],
  "a conjunction becomes a disjunction": ["const a = b && c;\n", ["const a = b || c;\n"]],
  "a condition is always and never true": ["if (a) b();\n", ["if (false) b();\n", "if (true) b();\n"]],
  "the branches of an expression change places": ["const a = b ? c : d;\n", ["const a = b ? d : c;\n"]],
  "a negation goes": ["f(!a);\n", ["f(a);\n"]],
  "strings, comments and types stay": ['// a < b\nconst a = "b < c";\nexport type A = { readonly b: true };\n', []],
};
for (const [name, [source, want]] of Object.entries(cases)) {
  Deno.test(`mutantsOf: ${name}`, () => assert.deepEqual(mutantsOf(source).map((each) => each.source), want));
}

Deno.test("mutantsOf: each says where it is and what was changed", () => {
  const [mutant] = mutantsOf("\nconst a = b === c;\n");

  assert.deepEqual([mutant?.line, mutant?.what], [2, "=== → !=="]);
});
