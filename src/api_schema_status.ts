/** What the API says of the monitor and its sources, field by field. What it says of experiments is in `api_schema`. */
import * as z from "zod";
import { timeOrNeverSchema, timeSchema } from "./api_schema.ts";

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
