/**
 * What the webhook is posted, field by field: from here come the types of what `webhook_body` makes, and what tests hold the
 * messages against. Shapes are the API's where it has them. Fields may be added under the same `version`; a receiver must
 * bear with those it does not know. Whatever would break one is another version.
 */
import * as z from "zod";
import { webhookExample } from "./api_example.ts";
import { eventSchema, issuesSchema, timeSchema } from "./api_schema.ts";

const numberOf = z.int().min(0);

const name = z.string().meta({ description: "The experiment", examples: ["pend00"] });
const available = z.boolean().meta({ description: "What book said of it when the message was made" });
const held = z.string().nullable().meta({ description: "Why a person holds it off; null where nobody does" });

const causesSchema = z.array(z.object({
  code: z.enum(["missing-jump", "missing-required", "missing", "unhealthy"]).meta({ description: "What is wrong" }),
  topic: z.string().nullable().meta({ description: "The stream; null for jump" }),
})).readonly().meta({ description: "The issues once more, for a program, in the same order" });

const toldEventSchema = eventSchema.extend({
  experiment: name,
  causes: causesSchema,
  available,
  held,
  lasted_seconds: z.number().nullable().meta({
    description: "How long the state before this one had lasted; null for the first ever",
  }),
});

const toldAlertSchema = z.object({
  code: z.string().meta({ description: "What it is about, such as `relay-lost`; there may be new ones" }),
  raised: z.boolean().meta({ description: "Whether it begins; false: it has ended" }),
  text: z.string().meta({ description: "In words, with what is known of the cause" }),
  when: timeSchema.meta({ description: "When it was so" }),
});

const problemSchema = z.object({
  experiment: name,
  issues: issuesSchema,
  causes: causesSchema,
  available,
  held,
  since: timeSchema.meta({
    description: "Since when it has been unhealthy, as `since` of the API; in another state, since its newest event",
  }),
});

export const messageSchema = z.object({
  version: z.literal(1).meta({ description: "Of this shape" }),
  kind: z.enum(["news", "test"]).meta({ description: "`test`: asked for by `status check --send`; it tells nothing" }),
  id: z.uuid().meta({ description: "Of this very message, as in `Idempotency-Key`: a repeat has the same" }),
  created: timeSchema.meta({ description: "When the message was made; a repeat says the same" }),
  system: z.object({
    name: z.string().meta({ description: "STATUS_EMAIL_SUBJECT; the address of book where that is empty" }),
    version: z.string().meta({ description: "The monitor's" }),
    link: z.string().nullable().meta({ description: "The page, as STATUS_EMAIL_LINK has it; null where it is empty" }),
  }).meta({ description: "Who tells" }),
  events: z.array(toldEventSchema).readonly().meta({ description: "What is new, oldest first" }),
  alerts: z.array(toldAlertSchema).readonly().meta({ description: "System alerts that began or ended, oldest first" }),
  problems: z.array(problemSchema).readonly().meta({
    description: "All that is wrong as the message is made, by name",
  }),
  left_out: z.object({
    events: numberOf.meta({ description: "The oldest, where there were too many" }),
    alerts: numberOf.meta({ description: "The oldest, where there were too many" }),
    problems: numberOf.meta({ description: "The last by name" }),
  }).meta({
    description: "How many there was no room for",
  }),
}).meta({ id: "WebhookMessage", description: "What the webhook is told", examples: [webhookExample] });
export type WebhookJson = z.infer<typeof messageSchema>;

/** How it is posted, for the OpenAPI document. */
export const webhookRoute = {
  method: "post",
  path: "events",
  summary: "What is new, to STATUS_WEBHOOK_URL",
  description:
    "Posted until it is answered with a 2xx, one message at a time. What was not answered is repeated as it is, " +
    "with the same `Idempotency-Key`",
  request: {
    headers: z.object({
      "idempotency-key": z.string().meta({ description: "The message's `id` in double quotes" }),
      "x-status-signature": z.string().meta({
        description: "`sha256=` and, in hexadecimal, the HMAC-SHA256 of the body by STATUS_SECRET_WEBHOOK",
      }),
    }),
    body: { content: { "application/json": { schema: messageSchema } } },
  },
  responses: { "2XX": { description: "It was taken" } },
} as const;
