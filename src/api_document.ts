/**
 * The OpenAPI 3.1 document, made of the table and the schemas that the server itself uses. Made when it is first asked for:
 * what makes it takes 11 MB of memory and a tenth of a second, which a monitor that nobody asks need not spend.
 */
import { routes } from "./api_routes.ts";
import { webhookRoute } from "./webhook_schema.ts";

const description =
  `What a monitor of a remote laboratory knows: how each experiment stands, whether it can be booked, and
whether the services that tell are well. Read only: nothing that can be asked for changes anything.

Times are RFC 3339 in UTC; null stands for never. Sizes are bytes, rates are per second. Fields may be added: a reader must
bear with those it doesn't know. Every error is \`{"code":"404","message":"…"}\`, the code a string.`;

/** As JSON text. `version`: the program's. */
export async function openapiDocument(version: string): Promise<string> {
  const { OpenAPIHono } = await import("@hono/zod-openapi");
  const app = new OpenAPIHono();
  for (const [path, route] of Object.entries(routes)) app.openAPIRegistry.registerPath({ ...route, path });
  app.openAPIRegistry.registerWebhook(webhookRoute);
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "status",
      version,
      description,
      license: { name: "AGPL-3.0-only", url: "https://spdx.org/licenses/AGPL-3.0-only.html" },
    },
    // Relative to the document's own address, so it holds behind any proxy.
    servers: [{ url: "../..", description: "The monitor that this document comes from" }],
  });
  return JSON.stringify(document, null, 2);
}
