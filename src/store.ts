/**
 * What has to survive a restart, behind an interface that shows nothing of the database: what is stored is told as a list
 * of changes, written all or none. `sqlite_file` opens one, in a file or in memory.
 */
import * as z from "zod";
import { alertCodes, channels, type HealthEvent, type Verdict } from "./alerts.ts";
import { forEachYielding } from "./async.ts";
import { sanitize } from "./failure.ts";
import type { Persisted, SpanState, StateChange, StoreChange } from "./persisted.ts";

export interface Store {
  /** `memory` stores keep nothing beyond the run. */
  readonly kind: "durable" | "memory";
  /** What an earlier run left. `events`, `turns`: the most of each experiment; `runs`: of all. Throws StoreFailed. */
  load(max: { readonly events: number; readonly stateChanges: number; readonly runs: number }): Promise<Persisted>;
  /**
   * How one experiment stood from `sinceMs` on, oldest first: its turns since, and the one before them. Of more than `max`
   * the newest. Throws StoreFailed.
   */
  turns(experiment: string, range: { readonly sinceMs: number; readonly max: number }): Promise<readonly StateChange[]>;
  /** All of `changes`, or none. Resolves when they would survive a power cut. Throws StoreFailed. */
  record(changes: readonly StoreChange[]): Promise<void>;
  /**
   * Deletes events, turns and runs older than `beforeMs`. Of each experiment the newest of the older turns stays, since it
   * tells how it stood then, unless that is `not_watched`. Of the runs `runsMax` stay at most. Throws StoreFailed.
   */
  prune(beforeMs: number): Promise<void>;
  close(): Promise<void>;
}

/** The store could not be read or written: the disk is full, the file gone or read-only. Trying again may help. */
export class StoreFailed extends Error {
  override readonly name: "StoreFailed" | "StoreGone" = "StoreFailed";
  readonly code = "STORE_FAILED";
  readonly retryable = true;
}

/**
 * The file was deleted or replaced by another, and has been written anew with all that was in it. Only what was to be
 * recorded now is not: that can be tried again at once. `place`: where it is, for people.
 */
export class StoreGone extends StoreFailed {
  override readonly name = "StoreGone";
  constructor(readonly place: string) {
    super(
      `Cannot write the store ${place}: it was deleted or replaced while in use, and has only just been written anew`,
    );
  }
}

/** Another monitor holds the store: two of them would repeat each other's mails. */
export class StoreLocked extends Error {
  override readonly name = "StoreLocked";
  readonly code = "STORE_LOCKED";
  readonly retryable = false;
}

/*
 * What may be stored, checked at the edge: on its way in, so that no store ever holds what it can't read back, and on its
 * way out, so that a damaged row is known for one. What comes out is a copy, frozen all the way down.
 * A code that another module's union has and these schemas have not, or the other way round, does not compile. Whoever
 * adds one adds a migration too (an empty one does), so that an older program says "newer version" and not "damaged".
 */

/** As far from 1970 as a Date goes, either way. */
export const timeMsMax = 8_640_000_000_000_000;

const verdicts: Record<Verdict, Verdict> = { ok: "ok", missing: "missing", unhealthy: "unhealthy" };
const states: Record<SpanState, SpanState> = {
  healthy: "healthy",
  unhealthy: "unhealthy",
  starting: "starting",
  unknown: "unknown",
  not_watched: "not_watched",
};

const text = z.string();
// Whole milliseconds: a fraction is rounded (and a rounded -0.4 is 0).
const timeSchema = z.number().transform((ms) => Math.round(ms) + 0).pipe(z.int().min(-timeMsMax).max(timeMsMax));

export const issuesSchema = listOf(z.discriminatedUnion("code", [
  z.object({ code: z.literal("missing-jump") }).readonly(),
  z.object({ code: z.literal("missing-required"), topic: text }).readonly(),
  z.object({ code: z.literal("missing"), topic: text }).readonly(),
  z.object({ code: z.literal("unhealthy"), topic: text }).readonly(),
]));

export const streamOkSchema = recordOf(z.boolean());

const eventSchema = z.object({
  experiment: text,
  atMs: timeSchema,
  healthy: z.boolean(),
  issues: issuesSchema,
  jumpOk: z.boolean(),
  streamOk: streamOkSchema,
  lastedMs: timeSchema.nullable(),
}).readonly();

const verdictSchema = z.object({
  verdict: z.enum(verdicts),
  seenMs: timeSchema.nullable(),
  silent: z.string().optional(),
}).readonly();

export const experimentSchema = z.object({
  name: text,
  issues: issuesSchema,
  sinceMs: timeSchema,
  namedMs: timeSchema,
  host: verdictSchema.nullable(),
  streams: recordOf(verdictSchema),
}).readonly();

export const spanStateSchema = z.enum(states);
const turnSchema = z.object({ atMs: timeSchema, state: spanStateSchema, available: z.boolean() }).readonly();
export const runSchema = z.object({ startedMs: timeSchema, aliveMs: timeSchema }).readonly();

export const alertSchema = z.object({
  code: z.enum(alertCodes),
  turn: z.enum(["raised", "cleared"]),
  atMs: timeSchema,
  detail: text,
}).readonly();

const channelSchema = z.enum(channels);

export const letterSchema = z.object({
  id: text,
  channel: channelSchema,
  createdMs: timeSchema,
  events: listOf(eventSchema),
  alerts: listOf(alertSchema),
  reminder: z.boolean(),
  frozen: text.nullable(),
  leftOut: z.object({ events: z.int().min(0), alerts: z.int().min(0) }).readonly().exactOptional(),
}).readonly();

export const manifestSchema = z.object({
  atMs: timeSchema,
  resources: listOf(z.object({ name: text, stub: text, required: listOf(text) }).readonly()),
}).readonly();

/** All but those that hold events, which are checked one by one. */
const changeSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("experiment"), experiment: experimentSchema }),
  z.object({ kind: z.literal("forgotten"), name: text }),
  z.object({ kind: z.literal("turn"), experiment: text, turn: turnSchema }),
  z.object({ kind: z.literal("run"), run: runSchema }),
  z.object({ kind: z.literal("clock-back"), toMs: timeSchema }),
  z.object({ kind: z.literal("letter-sent"), id: text, channel: channelSchema, atMs: timeSchema }),
  z.object({ kind: z.literal("letter-dropped"), id: text }),
  z.object({ kind: z.literal("alert"), alert: alertSchema }),
  z.object({ kind: z.literal("manifest"), manifest: manifestSchema }),
]);

/**
 * The changes as they will be read back, in slices. One that can't be read back is a fault of this program: it is left out and
 * named in `faults`, since it must not keep everything else from being recorded, now and ever after.
 */
export async function checked(
  changes: readonly StoreChange[],
): Promise<{ readonly changes: readonly StoreChange[]; readonly faults: readonly string[] }> {
  // An event is in the letters that tell of it, too: it is checked once. A letter may hold thousands.
  const events = new Map<HealthEvent, HealthEvent>();
  const eventOf = (given: HealthEvent): HealthEvent => {
    const event = events.get(given) ?? eventSchema.parse(given);
    events.set(given, event);
    return event;
  };
  const valid: StoreChange[] = [], faults: string[] = [];
  const attempt = (act: () => void, what: string | null) => {
    try {
      act();
    } catch (error) {
      if (what !== null) faults.push(`${what}: ${faultWords(error)}`);
    }
  };
  await forEachYielding(changes.flatMap(eventsIn), (event) => attempt(() => eventOf(event), null)); // told with its change
  await forEachYielding(changes, (change) => attempt(() => valid.push(checkedChange(change, eventOf)), change.kind));
  return { changes: valid, faults };
}

function eventsIn(change: StoreChange): readonly HealthEvent[] {
  return change.kind === "event" ? [change.event] : change.kind === "letter" ? change.letter.events : [];
}

function checkedChange(change: StoreChange, eventOf: (given: HealthEvent) => HealthEvent): StoreChange {
  if (change.kind === "event") return { kind: "event", event: eventOf(change.event) };
  if (change.kind !== "letter") return changeSchema.parse(change);
  const letter = letterSchema.parse({ ...change.letter, events: [] });
  const events = Object.freeze(change.letter.events.map(eventOf));
  return { kind: "letter", letter: Object.freeze({ ...letter, events }) };
}

/** What is wrong, in a line: of a value that does not fit its schema, which field and why. */
export function faultWords(error: unknown): string {
  if (error instanceof z.ZodError) {
    return sanitize(error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
  }
  return sanitize(error instanceof Error ? error.message : String(error));
}

function listOf<S extends z.ZodType>(member: S) {
  // Typed as readonly, which a plain z.array does not take.
  return z.custom<readonly z.input<S>[]>(Array.isArray, "not a list")
    .transform((list) => [...list]).pipe(z.array(member)).readonly();
}

function recordOf<S extends z.ZodType>(member: S) {
  // z.record leaves out a key named `__proto__`, and services choose these names.
  return z.custom<Readonly<Record<string, z.input<S>>>>(isRecord, "not a record")
    .transform((record) => new Map(Object.entries(record)))
    .pipe(z.map(z.string(), member))
    .transform((members): Readonly<Record<string, z.output<S>>> => Object.freeze(Object.fromEntries(members)));
}

function isRecord(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
