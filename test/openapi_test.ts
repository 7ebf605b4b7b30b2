/** Is the OpenAPI document valid, complete, the one in docs, and true of what the server answers? */
import { Validator } from "@seriousme/openapi-schema-validator";
import addFormats from "ajv-formats";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import assert from "node:assert/strict";
import { openapiDocument } from "../scripts/openapi.ts";
import { experimentExample } from "../src/api_schema.ts";
import type { StateChange } from "../src/persisted.ts";
import { StoreFailed } from "../src/store.ts";
import { appOf, laboratories, oddNames, wellLab } from "./support/app.ts";
import { snapshot } from "./support/snapshot.ts";

/** As much of a document as is read here. */
interface Document {
  readonly openapi: string;
  readonly info: Readonly<Record<string, string>>;
  readonly paths: Readonly<Record<string, { readonly get: Operation }>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

interface Operation {
  readonly parameters?: readonly (Schema & { readonly name: string })[];
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Content>> }>>;
}

interface Content {
  readonly schema: Schema;
  readonly example?: unknown;
}

interface Schema {
  readonly $ref?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly examples?: readonly unknown[];
}

const text = openapiDocument();
const document: Document = JSON.parse(text);
const well = () => snapshot(wellLab().bench);

Deno.test("the document is valid OpenAPI 3.1", async () => {
  const { valid, errors } = await new Validator().validate(JSON.parse(text));

  assert.ok(valid, JSON.stringify(errors, null, 2));
  assert.equal(document.openapi, "3.1.0");
});

Deno.test("docs/openapi.json is the document (scripts/openapi.ts writes it)", () => {
  assert.equal(Deno.readTextFileSync(new URL("../docs/openapi.json", import.meta.url)), `${text}\n`);
});

Deno.test("the server gives the document, made for its own version", async () => {
  const answer = await appOf(well()).request("/api/v1/openapi.json");

  assert.deepEqual(await answer.json(), { ...document, info: { ...document.info, version: "1.2.3" } });
});

Deno.test("every field and every parameter has a description", () => {
  const silent = [...fields(document.components.schemas), ...parameters()].filter(([, field]) =>
    !field.description && !field.$ref
  );

  assert.deepEqual(silent.map(([name]) => name), []);
});

Deno.test("the examples are what the schemas say", () => {
  for (const [name, { examples = [] }] of Object.entries(document.components.schemas)) {
    for (const example of examples) assertValid(component(name), example, name);
  }
  for (const [path, { get }] of Object.entries(document.paths)) {
    const content = get.responses[200]?.content?.["application/json"];
    if (content?.example) assertValid(content.schema, content.example, path);
  }
});

Deno.test("a field that the document doesn't know does not pass", () => {
  const validate = validator(component("Experiment"));
  const report = { ...experimentExample.jump_report, secret: 1 };

  assert.equal(validate(experimentExample), true);
  assert.equal(validate({ ...experimentExample, secret: 1 }), false);
  assert.equal(validate({ ...experimentExample, jump_report: report }), false);
});

for (const [name, laboratory] of Object.entries(laboratories)) {
  for (const addresses of [false, true]) {
    Deno.test(`what is answered of ${name} is as the document says, addresses ${addresses ? "shown" : "hidden"}`, async () => {
      const seen = laboratory();
      const app = appOf(seen, { history: () => Promise.resolve(turns(seen.atMs)) }, { addresses });
      const names = seen.experiments.map((each) => each.name).concat("nobody");

      for (const path of Object.keys(document.paths)) {
        for (const each of path.includes("{name}") ? names : [""]) {
          await assertAsDocumented(path, await app.request(path.replace("{name}", encodeURIComponent(each))));
        }
      }
    });
  }
}

const errors: Record<string, [path: string, query: string, status: number]> = {
  "a bad window": ["/api/v1/experiments/{name}/history", "?window=7", 400],
  "a window given twice": ["/api/v1/experiments/{name}/history", "?window=7d&window=1d", 400],
  "a store that can't be read": ["/api/v1/experiments/{name}/history", "", 503],
  "too many readers": ["/api/v1/live", "", 503],
  "what goes wrong inside": ["/metrics", "", 500],
};
for (const [name, [path, query, status]] of Object.entries(errors)) {
  Deno.test(`${name} is answered ${status}, as the document says`, async () => {
    const app = appOf(well(), {
      history: () => Promise.reject(new StoreFailed("Cannot read the history: it is gone")),
      live: { answer: () => null },
      metrics: () => Promise.reject(new Error("broken")),
      failed() {},
    });
    const answer = await app.request(path.replace("{name}", "pend00") + query);

    assert.equal(answer.status, status);
    await assertAsDocumented(path, answer);
  });
}

Deno.test("any other method is answered 405 with Allow, as the document says", async () => {
  for (const path of Object.keys(document.paths)) {
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
      const answer = await appOf(well()).request(path, { method });

      assert.deepEqual([answer.status, answer.headers.get("allow")], [405, "GET, HEAD"]);
      await assertAsDocumented(path, answer);
    }
  }
});

Deno.test("the odd names are in the laboratory of odd names", () => {
  const seen = laboratories["one with odd names"]?.();

  assert.deepEqual(seen?.experiments.map(({ name }) => name), oddNames.toSorted());
});

function turns(atMs: number): StateChange[] {
  return [{ atMs: atMs - 60_000, state: "healthy", available: true }];
}

/** Its status, its type and, where it is JSON, all of its body. */
async function assertAsDocumented(path: string, answer: Response): Promise<void> {
  const content = document.paths[path]?.get.responses[answer.status]?.content;
  const type = answer.headers.get("content-type")?.split(";")[0] ?? "";
  const body = await answer.text();
  const documented = content?.[type];
  assert.ok(documented, `${path} answered ${answer.status} with ${type}`);
  if (type === "application/json") assertValid(documented.schema, JSON.parse(body), path);
}

function assertValid(schema: Schema, value: unknown, where: string): void {
  const validate = validator(schema);
  assert.ok(validate(value), `${where}: ${JSON.stringify(validate.errors)} in ${JSON.stringify(value)}`);
}

function component(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

/** Of a schema of the document, in which unknown fields are faults. */
function validator(schema: Schema): ValidateFunction {
  const key = JSON.stringify(schema);
  const known = validators.get(key) ?? ajv.compile(strict({ ...schema, components: document.components }) as Schema);
  validators.set(key, known);
  return known;
}

const ajv = addFormats.default(new Ajv2020({ strict: false, allErrors: true }));
const validators = new Map<string, ValidateFunction>();

function strict(tree: unknown): unknown {
  if (Array.isArray(tree)) return tree.map(strict);
  if (typeof tree !== "object" || tree === null) return tree;
  const inner = Object.fromEntries(Object.entries(tree).map(([name, each]) => [name, strict(each)]));
  return "properties" in tree && !("additionalProperties" in tree) ? { ...inner, additionalProperties: false } : inner;
}

/** All fields of all objects in the schemas, by where they are. */
function fields(tree: object, at = ""): [string, Schema][] {
  return Object.entries(tree).flatMap(([name, each]): [string, Schema][] => {
    if (typeof each !== "object" || each === null) return [];
    const own = name === "properties" ? Object.entries<Schema>(each) : [];
    return [
      ...own.map(([field, schema]): [string, Schema] => [`${at}.${field}`, schema]),
      ...fields(each, `${at}.${name}`),
    ];
  });
}

function parameters(): [string, Schema][] {
  return Object.values(document.paths).flatMap(({ get }) => get.parameters ?? []).map((each) => [each.name, each]);
}
