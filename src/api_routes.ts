/**
 * What can be asked for over HTTP, and what may be answered: one table for the server, which answers every path of it, and for
 * the OpenAPI document, which is made of it. How the answers come about is for `server`.
 */
import type { RouteConfig } from "@hono/zod-openapi";
import * as z from "zod";
import { historyQuery } from "./api.ts";
import {
  aliveSchema,
  errorSchema,
  eventExample,
  eventSchema,
  experimentExample,
  experimentSchema,
  historySchema,
  liveExample,
  readySchema,
  statusSchema,
} from "./api_schema.ts";

export type Path = keyof typeof routes;

/** What is found in the path. A name is anything that a path can hold when it is encoded. */
export const nameParams = z.object({
  name: z.string().min(1).meta({ description: "`topic_name` of the experiment", examples: ["pend00"] }),
});

const inside = "Only on the monitor's own port: proxies pass on nothing but /api/";
const pageQuery = z.object({
  experiment: z.string().optional().meta({ description: "Show this experiment alone" }),
  q: z.string().optional().meta({ description: "Show those in which these words are found" }),
  show: z.string().optional().meta({ description: "all, trouble, unavailable, held or extra" }),
  order: z.string().optional().meta({ description: "trouble, name or since" }),
  window: z.string().optional().meta({ description: "Length of the histories: 24h, 7d or 30d" }),
  view: z.string().optional().meta({ description: "list or wall" }),
  theme: z.string().optional().meta({ description: "system, light or dark" }),
  rows: z.string().optional().meta({
    description: "first (of 1100 or more the first 1000; fewer are all listed) or all",
  }),
});

export const routes = {
  "/api/v1/experiments": route({
    operationId: "listExperiments",
    summary: "How all experiments stand, sorted by name",
    description:
      "Timestamps and statistics may be up to one second old; everything else is current. Clients that poll should send the " +
      "ETag back: while the list is the same the answer is 304.",
    responses: {
      200: tagged(json("All experiments", z.array(experimentSchema), [experimentExample])),
      304: notModified(),
      503: tooMany(),
    },
  }),
  "/api/v1/experiments/events/{name}": route({
    operationId: "listEvents",
    summary: "What happened to one experiment, oldest first",
    description: "The newest STATUS_HEALTH_EVENTS (100) of them.",
    params: nameParams,
    responses: {
      200: tagged(json("Its events", z.array(eventSchema), [eventExample])),
      304: notModified(),
      404: error("No such experiment"),
      503: tooMany(),
    },
  }),
  "/api/v1/experiments/{name}/history": route({
    operationId: "getHistory",
    summary: "How one experiment stood over time",
    description:
      "Made of time, not of counts. What lies further back than STATUS_STORE_KEEP (90 days) was not watched.",
    params: nameParams,
    query: historyQuery,
    responses: {
      200: json("Its history", historySchema),
      400: error("No such window"),
      404: error("No such experiment"),
      503: error("The store can't be read just now; or there are too many readers already"),
    },
  }),
  "/api/v1/status": route({
    operationId: "getStatus",
    summary: "The monitor and its sources",
    responses: { 200: json("The monitor as a whole", statusSchema) },
  }),
  "/api/v1/live": route({
    operationId: "watch",
    summary: "Changes as they happen, as server-sent events",
    description:
      "At connect an event `status` (data: a Status), and an event `experiment` (data: an Experiment) for each " +
      "experiment; then `experiment` for each that has changed, `forgotten` (data: its `topic_name`) for one that is known " +
      "no more, and `status` with them and every 10 s. Times and statistics alone are no change. A comment every 15 s " +
      "keeps the connection open. A reader that does not keep up is dropped: connect again for the whole. " +
      "With `page` it is the page's own stream, of HTML: what that holds may change with any version.",
    responses: { 200: text("The events, without end", "text/event-stream", liveExample), 503: tooMany() },
  }),
  "/api/v1/openapi.json": route({
    operationId: "getDocument",
    summary: "This document",
    responses: {
      200: tagged(json("OpenAPI 3.1", z.looseObject({ openapi: z.literal("3.1.0") }))),
      304: notModified(),
    },
  }),
  "/api/": route({
    operationId: "getPage",
    summary: "The page for people",
    query: pageQuery,
    responses: {
      200: text("The page", "text/html"),
      503: tooMany(),
      404: { ...error("No such experiment"), content: { ...text("", "text/html").content, ...error("").content } },
    },
  }),
  "/healthz": route({
    operationId: "isAlive",
    summary: "Is the monitor alive?",
    description: inside,
    responses: {
      200: json("It is", aliveSchema, { status: "alive" }),
      503: error("A part of it hangs: `message` says which, and for how long"),
    },
  }),
  "/readyz": route({
    operationId: "isReady",
    summary: "Can the monitor be relied on: has book been read, and do both feeds report?",
    description: inside,
    responses: {
      200: json("It can", readySchema, { status: "ready" }),
      503: error("Not yet; `message` says what is missing"),
    },
  }),
  "/metrics": route({
    operationId: "getMetrics",
    summary: "Everything countable, for Prometheus",
    description: inside,
    responses: { 200: text("Prometheus text format", "text/plain"), 503: tooMany() },
  }),
};

type Responses = RouteConfig["responses"];

interface Route {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly responses: Responses;
}

function route({ params, query, responses, ...about }: Route): Omit<RouteConfig, "path"> {
  return {
    method: "get",
    ...about,
    request: { ...(params ? { params } : {}), ...(query ? { query } : {}) },
    responses: {
      ...responses,
      405: { ...error("Any method but GET and HEAD"), headers: { Allow: header("The methods there are: GET, HEAD") } },
      500: error("Something went wrong inside; the monitor's log has more"),
    },
  };
}

function json(description: string, schema: z.ZodType, example?: unknown) {
  return { description, content: { "application/json": { schema, ...(example === undefined ? {} : { example }) } } };
}

function text(description: string, type: string, example?: string) {
  const schema = z.string();
  return { description, content: { [type]: { schema, ...(example === undefined ? {} : { example }) } } };
}

function error(description: string) {
  return json(description, errorSchema);
}

function tagged<Response extends object>(response: Response) {
  return {
    ...response,
    headers: { ETag: header("Given back as If-None-Match, it asks for the answer only if that is another") },
  };
}

function notModified() {
  return tagged({ description: "It is still what If-None-Match names" });
}

function tooMany() {
  return {
    ...error("Too many readers already"),
    headers: { "Retry-After": header("Seconds to wait before trying again") },
  };
}

function header(description: string) {
  return { description, schema: { type: "string" as const } };
}

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
