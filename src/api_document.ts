/**
 * The OpenAPI 3.1 document as the server gives it: docs/openapi.json, which `scripts/openapi.ts` makes of the table and the
 * schemas that the server itself uses, and a test holds it against them. It is not made here, for what makes it would be
 * loaded with all of zod, at every start: 40 ms and 6 MB. Read when it is first asked for.
 */

/** As JSON text. `version`: the program's. */
export async function openapiDocument(version: string): Promise<string> {
  const { default: text } = await import("../docs/openapi.json", { with: { type: "text" } });
  const document: { readonly info: object } = JSON.parse(text);
  return JSON.stringify({ ...document, info: { ...document.info, version } }, null, 2);
}
