/**
 * What the webhook is posted, field by field: from here come the types of what `webhook_body` makes, and what tests hold the
 * messages against. Shapes are the API's where it has them. Fields may be added under the same `version`; a receiver must
 * bear with those it does not know. Whatever would break one is another version.
 */
import { z } from "zod";
import { eventSchema, issuesSchema, timeSchema } from "./api_schema.ts";

const count = z.int().min(0);
const name = z.string().meta({ description: "The experiment", examples: ["pend00"] });
const available = z.boolean().meta({ description: "What book said of it when the message was made" });
const held = z.string().nullable().meta({ description: "Why a person holds it off; null where nobody does" });

const causesSchema = z.array(z.object({
  code: z.enum(["missing-jump", "missing-required", "missing", "unhealthy"]),
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
  when: timeSchema,
});

const problemSchema = z.object({
  experiment: name,
  issues: issuesSchema,
  causes: causesSchema,
  available,
  held,
  since: timeSchema.meta({ description: "Since when it has had these issues" }),
});

export const webhookSchema = z.object({
  version: z.literal(1),
  kind: z.enum(["news", "test"]).meta({ description: "`test`: asked for by `status check --send`; it tells nothing" }),
  id: z.uuid().meta({ description: "Of this very message, as in `Idempotency-Key`: a repeat has the same" }),
  created: timeSchema.meta({ description: "When the message was made; a repeat says the same" }),
  system: z.object({
    name: z.string().meta({ description: "STATUS_EMAIL_SUBJECT; the address of book where that is empty" }),
    version: z.string().meta({ description: "The monitor's" }),
    link: z.string().nullable().meta({ description: "The page, as STATUS_EMAIL_LINK has it; null where it is empty" }),
  }),
  events: z.array(toldEventSchema).readonly().meta({ description: "What is new, oldest first" }),
  alerts: z.array(toldAlertSchema).readonly().meta({ description: "System alerts that began or ended, oldest first" }),
  problems: z.array(problemSchema).readonly().meta({
    description: "All that is wrong as the message is made, by name",
  }),
  left_out: z.object({ events: count, alerts: count, problems: count }).meta({
    description: "How many there was no room for: of events and alerts the oldest",
  }),
}).meta({ id: "WebhookMessage", description: "What the webhook is told" });
export type WebhookJson = z.infer<typeof webhookSchema>;
