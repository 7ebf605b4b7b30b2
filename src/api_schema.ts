import * as z from "zod";

/** The examples of the OpenAPI document. A test holds them against the schemas. */

const connection = {
  can_read: true,
  can_write: true,
  connected: "2026-11-22T08:00:00Z",
  user_agent: "Go-http-client/1.1",
};

export const experimentExample = {
  topic_name: "pend00",
  resource_name: "r-pend00",
  state: "unhealthy",
  healthy: false,
  issues: ["unhealthy pend00-st-video"],
  since: "2026-11-22T20:31:14.120Z",
  available: false,
  held: null,
  trial: null,
  health_events: 3,
  first_checked: "2026-11-22T08:00:00Z",
  last_found_in_manifest: "2026-11-22T20:30:00Z",
  jump_ok: true,
  last_checked_jump: "2026-11-22T20:31:10Z",
  last_checked_streams: "2026-11-22T20:31:14Z",
  stream_required: { "pend00-st-video": true },
  stream_ok: { "pend00-st-video": false },
  stream_reports: {
    "pend00-st-video": {
      ...connection,
      topic: "pend00-st-video",
      scopes: ["read", "write", "expt"],
      expires_at: "2027-11-22T07:00:00Z",
      stats: {
        tx: { last: "35.1s", size: 1200, fps: 24.9, never: false },
        rx: { last: "Never", size: 0, fps: 0, never: true },
      },
    },
  },
  stream_probes: { "pend00-st-video": { when: "2026-11-22T20:31:12Z", heard: false } },
  jump_report: { ...connection, topic: "pend00", scopes: ["host", "read", "write"], expires_at: null, stats: null },
};

export const historyExample = {
  topic_name: "pend00",
  from: "2026-11-21T20:31:14Z",
  to: "2026-11-22T20:31:14Z",
  shares: { watched: 0.5, known: 0.5, healthy: 0.375, available: 0.5 },
  spans: [
    { from: "2026-11-21T20:31:14Z", to: "2026-11-22T08:31:14Z", state: "not_watched", available: null },
    { from: "2026-11-22T08:31:14Z", to: "2026-11-22T17:31:14Z", state: "healthy", available: true },
    { from: "2026-11-22T17:31:14Z", to: "2026-11-22T20:31:14Z", state: "unhealthy", available: true },
  ],
};

export const eventExample = {
  healthy: false,
  issues: ["unhealthy pend00-st-video"],
  jump_ok: true,
  stream_ok: { "pend00-st-video": false },
  when: "2026-11-22T20:31:14.120Z",
};

/** An extract of an event stream. */
export const liveExample = `event: experiment
data: ${JSON.stringify(experimentExample)}

event: forgotten
data: {"topic_name":"turn04"}

:

`;

export const webhookExample = {
  version: 1,
  kind: "news",
  id: "8e03978e-40d5-43e8-bc93-6894a57f9324",
  created: "2026-11-22T20:31:14.950Z",
  system: { name: "app.example.org/t", version: "0.1.0", link: "https://app.example.org/t/status" },
  events: [{
    experiment: "pend00",
    healthy: false,
    issues: ["unhealthy pend00-st-video"],
    jump_ok: true,
    stream_ok: { "pend00-st-data": true, "pend00-st-video": false },
    when: "2026-11-22T20:31:14.120Z",
    causes: [{ code: "unhealthy", topic: "pend00-st-video" }],
    available: false,
    held: null,
    lasted_seconds: 7412.5,
  }],
  alerts: [{
    code: "jump-lost",
    raised: true,
    text: "jump has no fresh reports so may be down: connection refused",
    when: "2026-11-22T20:31:13Z",
  }],
  problems: [{
    experiment: "pend00",
    issues: ["unhealthy pend00-st-video"],
    causes: [{ code: "unhealthy", topic: "pend00-st-video" }],
    available: false,
    held: null,
    since: "2026-11-22T20:31:14.120Z",
  }],
  left_out: { events: 0, alerts: 0, problems: 0 },
};

/*
 * What the API says of experiments, field by field: from here come the types of what `api` makes, the OpenAPI document, and
 * what tests hold the answers against. Field names are the Go program's, and those added to them (design, section 5).
 * What it says of the monitor itself is in `api_schema_status`.
 */

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

/*  What the API says of the monitor and its sources, field by field. What it says of experiments is in `api_schema`. */

const count = z.int().nonnegative();
const sinceStart = "in this run of the monitor";

/** What every part tells of itself. */
const partFields = {
  since: timeSchema.meta({ description: "When it came into that state" }),
  last_success: timeOrNeverSchema.meta({ description: "When it last worked; null for never" }),
  last_error: z.string().nullable().meta({ description: "The newest error, in words; null for none" }),
};

export const feedSchema = z.object({
  state: z.enum(["connecting", "live", "late", "lost"]).meta({
    description:
      "`connecting`: no report yet. `late`: none for twice the interval. `lost`: so long that what it tells is unknown",
  }),
  ...partFields,
  generation: z.enum(["measured", "unmeasured", "unseen"]).meta({
    description: "Whether its reports carry statistics of traffic; `unseen` before the first report",
  }),
  interval_seconds: z.number().nullable().meta({ description: "Seconds between reports; null while not known" }),
  token_expires: timeOrNeverSchema.meta({ description: "When the access in use ends; null without one" }),
  reports: count.meta({ description: `Reports ${sinceStart}` }),
  entries: count.meta({ description: `Entries in them, those of users included` }),
  skipped: count.meta({ description: "Entries that could not be read" }),
  bad_frames: count.meta({ description: "Frames that could not be read" }),
  connects: count.meta({ description: `Connections made ${sinceStart}` }),
}).meta({ id: "Feed", description: "A service that reports what is connected" });

const bookSchema = z.object({
  state: z.enum(["unread", "ok", "failing", "lost", "empty"]).meta({
    description:
      "`unread`: not read yet. `failing`: a try failed. `lost`: three in a row did. `empty`: it lists nothing",
  }),
  ...partFields,
  resources: count.meta({ description: "Resources in the manifest in use" }),
  writes: count.meta({ description: `Changes of availability written ${sinceStart}` }),
  waiting: count.meta({ description: "Changes of availability that wait for book" }),
}).meta({ id: "Book", description: "The booking system" });

const outboxFields = {
  state: z.enum(["off", "idle", "waiting", "failing"]).meta({
    description: "`off`: none is set. `waiting`: messages are due. `failing`: the last try failed",
  }),
  ...partFields,
  waiting: count.meta({ description: "Messages that are owed" }),
  sent: count.meta({ description: `Messages taken by the server ${sinceStart}` }),
  failed: count.meta({ description: `Tries that failed ${sinceStart}` }),
  oldest: timeOrNeverSchema.meta({ description: "Since when the oldest of them has waited; null when none does" }),
};

const mailSchema = z.object(outboxFields).meta({ id: "Mail", description: "Mail to the maintainers" });
const webhookSchema = z.object(outboxFields).meta({ id: "Webhook", description: "The events as signed JSON" });

const probesSchema = z.object({
  state: z.enum(["off", "idle", "probing", "failing"]).meta({
    description: "`idle`: relay gives statistics, so nothing has to be listened to. `failing`: no stream can be",
  }),
  ...partFields,
  streams: count.meta({ description: "Streams that are listened to in turn now" }),
  heard: count.meta({ description: `How often a stream was heard ${sinceStart}` }),
  silent: count.meta({ description: `How often nothing was heard of one ${sinceStart}` }),
  failed: count.meta({ description: `How often one could not be listened to ${sinceStart}` }),
}).meta({ id: "Probes", description: "Listening to streams where relay does not say when they last sent" });

const heartbeatSchema = z.object({
  state: z.enum(["off", "waiting", "ok", "withheld", "failing"]).meta({
    description: "`waiting`: not asked for yet. `withheld`: not asked for since something is not alive",
  }),
  ...partFields,
  sent: count.meta({ description: `How often it was asked for and answered ${sinceStart}` }),
  failed: count.meta({ description: `How often asking for it failed ${sinceStart}` }),
}).meta({ id: "Heartbeat", description: "A dead man's switch that is asked for while all is alive" });

const storeSchema = z.object({
  state: z.enum(["ok", "memory", "failing"]).meta({
    description: "`memory`: nothing is kept beyond this run. `failing`: the last write failed",
  }),
  ...partFields,
  waiting: count.meta({ description: "Changes that could not be written yet" }),
}).meta({ id: "Store", description: "What survives a restart" });

export const statusSchema = z.object({
  time: timeSchema.meta({ description: "Now, by the monitor's clock" }),
  version: z.string().meta({ description: "Of the monitor", examples: ["0.1.0"] }),
  started: timeSchema.meta({ description: "When this run of the monitor began" }),
  counts: z.object({
    healthy: count.meta({ description: "Experiments in state `healthy`" }),
    unhealthy: count.meta({ description: "Experiments in state `unhealthy`" }),
    starting: count.meta({ description: "Experiments in state `starting`" }),
    unknown: count.meta({ description: "Experiments in state `unknown`" }),
  }).readonly().meta({ description: "How many experiments are in which state" }),
  alerts: z.array(z.string()).meta({
    description: "System alerts that hold now, oldest first, as in the mails",
    examples: [["relay has no fresh reports so may be down"]],
  }),
  feeds: z.object({
    jump: feedSchema,
    relay: feedSchema,
  }).meta({ description: "The two services that report: `jump` is ssh access, `relay` data and video streams" }),
  book: bookSchema,
  mail: mailSchema,
  webhook: webhookSchema,
  probes: probesSchema,
  heartbeat: heartbeatSchema,
  store: storeSchema,
}).meta({ id: "Status", description: "The monitor as a whole" });
export type StatusJson = z.infer<typeof statusSchema>;

export const aliveSchema = z.object({
  status: z.literal("alive").meta({ description: "That it answers is all that it says" }),
}).meta({ id: "Alive", description: "The monitor runs" });

export const readySchema = z.object({
  status: z.literal("ready").meta({ description: "What is missing otherwise is in the error's message" }),
}).meta({ id: "Ready", description: "Book has been read and both feeds report" });

/*
 * What the webhook is posted, field by field: from here come the types of what `webhook_body` makes, and what tests hold the
 * messages against. Shapes are the API's where it has them. Fields may be added under the same `version`; a receiver must
 * bear with those it does not know. Whatever would break one is another version.
 */

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
