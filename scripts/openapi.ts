/**
 * Makes the OpenAPI document of the table and the schemas that the server uses, and writes it to docs/openapi.json, from where
 * the server gives it: `deno run -A scripts/openapi.ts`. A test compares.
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import config from "../deno.json" with { type: "json" };
import { routes } from "../src/api_routes.ts";
import { webhookRoute } from "../src/api_schema.ts";

const file = new URL("../docs/openapi.json", import.meta.url);

const description =
  `What a monitor of a remote laboratory knows: how each experiment stands, whether it can be booked, and
whether the services that tell are well. Read only: nothing that can be asked for changes anything.

Times are RFC 3339 in UTC; null stands for never. Sizes are bytes, rates are per second. Fields may be added: a reader must
bear with those it doesn't know. Every error is \`{"code":"404","message":"…"}\`, the code a string.`;

/** As JSON text. */
export function openapiDocument(): string {
  const app = new OpenAPIHono();
  for (const [path, route] of Object.entries(routes)) app.openAPIRegistry.registerPath({ ...route, path });
  app.openAPIRegistry.registerWebhook(webhookRoute);
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "status",
      version: config.version,
      description,
      license: { name: "AGPL-3.0-only", url: "https://spdx.org/licenses/AGPL-3.0-only.html" },
    },
    // Relative to the document's own address, so it holds behind any proxy.
    servers: [{ url: "../..", description: "The monitor that this document comes from" }],
  });
  return JSON.stringify(document, null, 2);
}

if (import.meta.main) await Deno.writeTextFile(file, `${openapiDocument()}\n`);
