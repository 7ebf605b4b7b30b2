/**
 * What the API says of experiments, field by field: from here come the types of what `api` makes, the OpenAPI document, and
 * what tests hold the answers against. Field names are the Go program's, and those added to them (design, section 5).
 * What it says of the monitor itself is in `api_schema_status`.
 */
import * as z from "zod";
import { experimentExample, historyExample } from "./api_example.ts";

const atExample = "2026-11-22T20:31:14.120Z";

/** An instant that there always is. */
export const timeSchema = z.iso.datetime();
/** An instant; null for never. */
export const timeOrNeverSchema = timeSchema.nullable();
const textSchema = z.string();

export const stateSchema = z.enum(["healthy", "unhealthy", "starting", "unknown"]).meta({
  id: "State",
  description: "How an experiment stands. `healthy`: jump, all required streams and all other known streams are ok. " +
    "`unhealthy`: something is wrong, `issues` says what. `starting`: not judged yet in this run of the monitor. " +
    "`unknown`: a feed that could tell is lost; the other fields are as last known",
});

export const issuesSchema = z.array(textSchema).readonly().meta({
  description: "What is wrong, in this order: `missing jump`, `missing required TOPIC`, `missing TOPIC`, " +
    "`unhealthy TOPIC`; streams in alphabetical order. Empty when nothing is",
  examples: [["missing jump", "unhealthy pend00-st-video"]],
});

export const trafficSchema = z.object({
  last: textSchema.meta({
    description: "How long before the report something was last sent, in the service's own words: a Go duration, " +
      "`Never`, or empty",
    examples: ["35.1s"],
  }),
  size: z.number().meta({ description: "Mean size of a message in bytes, since it connected" }),
  fps: z.number().meta({ description: "Messages per second, since it connected" }),
  never: z.boolean().meta({ description: "Whether nothing was ever sent" }),
}).meta({ id: "Traffic", description: "What went one way over a connection" });

export const reportSchema = z.object({
  topic: textSchema.meta({ description: "What it is connected to", examples: ["pend00-st-video"] }),
  scopes: z.array(textSchema).readonly().meta({ description: "What its token allows" }),
  can_read: z.boolean().meta({ description: "Whether it may receive" }),
  can_write: z.boolean().meta({ description: "Whether it may send" }),
  connected: timeOrNeverSchema.meta({ description: "When it connected; null where the service doesn't say" }),
  expires_at: timeOrNeverSchema.meta({ description: "When its token expires; null for never" }),
  remote_addr: textSchema.optional().meta({
    description: "The client's network address; only there with STATUS_API_ADDRESSES=true",
  }),
  user_agent: textSchema.meta({ description: "What the client calls itself" }),
  stats: z.object({
    tx: trafficSchema,
    rx: trafficSchema,
  }).nullable().meta({
    description: "`tx`: what the experiment sent, `rx`: what it was sent. Null where the service gives no statistics " +
      "(relay from v0.8 on, and jump)",
  }),
}).meta({ id: "Report", description: "A connection of the experiment, as the newest report that had it described it" });

const byTopic = "By topic";

export const experimentSchema = z.object({
  topic_name: textSchema.meta({ description: "Its name: the topic stub", examples: ["pend00"] }),
  resource_name: textSchema.meta({
    description: "Its resource in book, of several the first by name; empty for one that book does not list",
    examples: ["r-pend00"],
  }),
  state: stateSchema,
  healthy: z.boolean().meta({ description: "As last judged; false before that" }),
  issues: issuesSchema,
  since: timeSchema.meta({ description: "When it came into `state`", examples: [atExample] }),
  available: z.boolean().meta({ description: "What book last said of its resources; false if it never said" }),
  held: textSchema.nullable().meta({
    description: "The reason of the person who took it off; null when nobody did",
    examples: ["being repaired"],
  }),
  trial: textSchema.nullable().meta({
    description:
      "With STATUS_BOOK_WRITES=off: what would be written to book, as `RESOURCE: REASON`; null when nothing would",
  }),
  health_events: z.int().nonnegative().meta({ description: "How many events are kept of it" }),
  first_checked: timeSchema.meta({ description: "When it was first seen in a feed or in book, in this run" }),
  last_found_in_manifest: timeOrNeverSchema.meta({ description: "When book last listed it; null for never" }),
  jump_ok: z.boolean().meta({ description: "Whether jump reports its host" }),
  last_checked_jump: timeOrNeverSchema.meta({ description: "The newest report of jump that had its host" }),
  last_checked_streams: timeOrNeverSchema.meta({
    description: "The newest report of relay that had one of its streams",
  }),
  stream_required: z.record(z.string(), z.literal(true)).meta({
    description: `${byTopic}: the streams that book requires`,
  }),
  stream_ok: z.record(z.string(), z.boolean()).meta({
    description: `${byTopic}: whether each stream that is required or known works; false for one never reported`,
  }),
  stream_reports: z.record(z.string(), reportSchema).meta({
    description: `${byTopic}: what relay last reported; streams never reported in this run are not there`,
  }),
  stream_probes: z.record(
    z.string(),
    z.object({
      when: timeSchema.meta({ description: "When it was listened to" }),
      heard: z.boolean().meta({ description: "Whether it sent anything" }),
    }),
  ).meta({
    description: `${byTopic}: what listening to it last found; streams that are not listened to are not there`,
  }),
  jump_report: z.union([reportSchema, z.null()]).meta({
    description: "What jump last reported; null for never in this run",
  }),
}).meta({ id: "Experiment", description: "How an experiment stands now", examples: [experimentExample] });
export type ExperimentJson = z.infer<typeof experimentSchema>;

export const eventSchema = z.object({
  healthy: z.boolean().meta({ description: "Whether nothing was wrong" }),
  issues: issuesSchema,
  jump_ok: z.boolean().meta({ description: "Whether jump reported its host" }),
  stream_ok: z.record(z.string(), z.boolean()).readonly().meta({
    description: `${byTopic}: whether each stream worked`,
  }),
  when: timeSchema.meta({ description: "When it was judged so", examples: [atExample] }),
}).meta({
  id: "Event",
  description: "The experiment's list of issues had become another, or it was judged for the first time",
});
export type EventJson = z.infer<typeof eventSchema>;

const share = z.number().min(0).max(1);

export const spanSchema = z.object({
  from: timeSchema.meta({ description: "Its beginning" }),
  to: timeSchema.meta({ description: "Its end; the next span begins there" }),
  state: z.enum([...stateSchema.options, "not_watched"]).meta({
    description: "How it stood; `not_watched`: the monitor did not run, or did not know of it",
  }),
  available: z.boolean().nullable().meta({ description: "What book said; null where nobody watched" }),
}).meta({ id: "Span", description: "A stretch of time in which the experiment stood the same" });

export const historySchema = z.object({
  topic_name: textSchema.meta({ description: "The experiment", examples: ["pend00"] }),
  from: timeSchema.meta({ description: "Beginning of the window; later than asked for where no more is known" }),
  to: timeSchema.meta({ description: "End of the window: when this was true" }),
  shares: z.object({
    watched: share.meta({ description: "While the monitor watched it" }),
    known: share.meta({ description: "While it was known to be healthy or unhealthy: neither starting nor unknown" }),
    healthy: share.meta({ description: "While it was healthy; of `known` this is how reliable it was" }),
    available: share.meta({ description: "While book offered it, as far as that was watched" }),
  }).meta({ description: "Parts of the window, from `from` to `to`, 0 to 1" }),
  spans: z.array(spanSchema).readonly().meta({ description: "The window without a gap, oldest first" }),
}).meta({ id: "History", description: "How an experiment stood over time", examples: [historyExample] });
export type HistoryJson = z.infer<typeof historySchema>;

export const errorSchema = z.object({
  code: textSchema.meta({ description: "The HTTP status, as text", examples: ["404"] }),
  message: textSchema.meta({ description: "What was wrong, for people", examples: ["there is no experiment pend99"] }),
}).meta({ id: "Error", description: "Why there is no other answer" });
