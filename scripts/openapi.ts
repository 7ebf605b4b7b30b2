/**
 * Writes docs/openapi.json, the OpenAPI document as the server gives it: `deno run -A scripts/openapi.ts`. A test compares.
 */
import config from "../deno.json" with { type: "json" };
import { openapiDocument } from "../src/api_document.ts";

const file = new URL("../docs/openapi.json", import.meta.url);

if (import.meta.main) {
  await Deno.mkdir(new URL(".", file), { recursive: true });
  await Deno.writeTextFile(file, `${await openapiDocument(config.version)}\n`);
}
