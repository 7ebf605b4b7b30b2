/** The list of what is in the executable: is it what deno.lock and the imports say, and may all of it be there? */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import config from "../deno.json" with { type: "json" };
import { licences } from "../scripts/licences.ts";
import { type Component, licencesAllowed, sbom } from "../scripts/sbom.ts";

const read = (path: string) => Deno.readTextFile(new URL(`../${path}`, import.meta.url));
const text = await read("docs/sbom.cdx.json");
const { bomFormat, specVersion, metadata, components, dependencies }: {
  bomFormat: string;
  specVersion: string;
  metadata: { component: Component };
  components: Component[];
  dependencies: { ref: string; dependsOn: string[] }[];
} = JSON.parse(text);
const lock: { npm: Record<string, { integrity: string }> } = JSON.parse(await read("deno.lock"));
const names = components.map(({ group, name }) => group === undefined ? name : `${group}/${name}`);

Deno.test("docs/sbom.cdx.json is what scripts/sbom.ts makes", async () => {
  assert.equal(await sbom(), text, "run scripts/sbom.ts");
});

Deno.test("docs/licences.txt is what scripts/licences.ts makes, and has every npm package that is listed", async () => {
  const notices = await read("docs/licences.txt");
  assert.equal(notices, await licences(), "run scripts/licences.ts");

  const listed = components.filter(({ purl }) => purl?.startsWith("pkg:npm/"));
  const missing = listed.filter(({ group, name, version, licenses: [{ license }] }) =>
    !notices.includes(`\n${group === undefined ? "" : `${group}/`}${name} ${version}: ${license.id}\n`)
  );
  assert.deepEqual(missing.map(({ name }) => name), []);
});

Deno.test("it is CycloneDX, of this program", () => {
  assert.deepEqual([bomFormat, specVersion], ["CycloneDX", "1.6"]);
  assert.equal(metadata.component.version, config.version);
  assert.equal(metadata.component.licenses[0].license.id, config.license);
});

Deno.test("what the program imports is in it, and what only tests import is not", () => {
  for (const name of ["hono", "nodemailer", "zod", "jose", "deno", "v8", "sqlite"]) {
    assert.ok(names.includes(name), name);
  }
  for (const name of ["playwright-core", "fast-check", "smtp-server", "ajv", "axe-core"]) {
    assert.ok(!names.includes(name), name);
  }
});

Deno.test("every npm package in it has the version and the sum that deno.lock has", () => {
  const sums = new Map(
    Object.entries(lock.npm).map(([id, { integrity }]) => [id.replace(/^(@?[^@]+@[^_]+).*$/, "$1"), integrity]),
  );
  const packages = components.filter(({ purl }) => purl?.startsWith("pkg:npm/"));
  assert.ok(packages.length >= 10);
  for (const { group, name, version, hashes = [] } of packages) {
    const id = `${group === undefined ? "" : `${group}/`}${name}@${version}`;
    const [sum] = hashes.map(({ content }) => content);
    assert.equal(sum, Buffer.from(sums.get(id)!.replace("sha512-", ""), "base64").toString("hex"), id);
  }
});

Deno.test("every licence goes with AGPL-3.0", () => {
  const licences = components.map(({ name, licenses: [{ license }] }) => `${name}: ${license.id}`);

  assert.deepEqual(licences.filter((each) => !licencesAllowed.includes(each.replace(/^.*: /, ""))), []);
});

Deno.test("every component is needed by another, and what is needed is there", () => {
  const refs = [metadata.component, ...components].map((each) => each["bom-ref"]);
  const needed = new Set(dependencies.flatMap(({ dependsOn }) => dependsOn));

  assert.deepEqual(refs.slice(1).filter((ref) => !needed.has(ref)), []);
  assert.deepEqual([...needed].filter((ref) => !refs.includes(ref)), []);
  assert.equal(new Set(refs).size, refs.length);
});

Deno.test("nothing in it is of the moment or the machine that made it", () => {
  assert.doesNotMatch(text, /"(timestamp|serialNumber)"|\/root|\/home|\.cache/);
});
