/**
 * What is loaded when: what a command does not always need is imported when it is first needed, and here it is seen that no
 * import has crept in that undoes it. A package costs up to 40 ms and 6 MB at every start.
 */
import assert from "node:assert/strict";
import { graphOf } from "../scripts/sbom.ts";

/** The npm packages that are loaded with `file`, by name: not those of an `import()`, nor those of types alone. */
async function packagesWith(file: string): Promise<string[]> {
  const { roots, redirects, modules } = await graphOf(file);
  const known = new Map(modules.map((each) => [each.specifier, each]));
  const seen = new Set(roots);
  const packages = new Set<string>();
  for (const specifier of seen) {
    const { npmPackage, dependencies = [] } = known.get(redirects[specifier] ?? specifier) ?? {};
    if (npmPackage !== undefined) packages.add(npmPackage.replace(/(?!^)@.*$/, ""));
    for (const { isDynamic, code } of dependencies) {
      if (!isDynamic && code?.specifier !== undefined) seen.add(code.specifier);
    }
  }
  return [...packages].sort();
}

const loaded: Record<string, [file: string, packages: string[]]> = {
  "the command line is there before any setting is read": ["main.ts", ["commander"]],
  "a health check, every 30 s in a container, reads two settings": ["src/healthcheck.ts", ["zod"]],
  "who serves sends no mail yet, and makes no OpenAPI document": [
    "src/serve.ts",
    ["@logtape/logtape", "hono", "jose", "prom-client", "zod"],
  ],
  "the Worker reads frames with nothing but our own": ["src/socket_worker.ts", []],
};
for (const [name, [file, packages]] of Object.entries(loaded)) {
  Deno.test(`${name}: ${file} loads ${packages.join(", ") || "no package"}`, async () => {
    assert.deepEqual(await packagesWith(file), packages);
  });
}
