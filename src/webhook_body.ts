/**
 * What does the webhook say: the news of a letter, and all problems of the moment, as JSON (`webhook_schema`). Text
 * from outside is in it as it is, but for halves of surrogate pairs, which many readers of JSON refuse. When it goes and
 * whether it arrived is for `outbox`, how for `webhook`.
 */
import { alertText, type HealthEvent, type Issue, issueText, type Letter, type SystemAlert } from "./alert.ts";
import { eventJson, time } from "./api.ts";
import type { Pause } from "./async.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";
import type { WebhookJson } from "./webhook_schema.ts";

/** What a message says of itself, whatever it tells of. */
export interface Heading {
  /** A UUID of its own: another text is another message. */
  readonly id: string;
  /** Of the laboratory, for whoever is told of several. */
  readonly name: string;
  /** Where the page is, empty for nowhere. */
  readonly link: string;
}

/** More than receivers take at once is told in part: the newest events, and the first problems. */
export const messageBytesMax = 4 * 1024 * 1024;
const listedMax = 5_000;

// Between two pauses: some milliseconds' work.
const writtenAtOnce = 250;

/**
 * The message that tells of `letter` as things are in `snapshot`, at `nowMs`. Of thousands of events and problems it is
 * megabytes, so it is written some hundred at a time, with a `pause` after each.
 */
export async function webhookMessage(
  letter: Letter,
  { snapshot, heading, nowMs }: { snapshot: Snapshot; heading: Heading; nowMs: number },
  pause: Pause,
): Promise<string> {
  const views = new Map(snapshot.experiments.map((view) => [view.name, view]));
  const known = snapshot.experiments.filter(({ judged, issues }) => judged && issues.length > 0).sort(byName);
  const toldEvents = letter.events.slice(-listedMax);
  const events = await written(toldEvents, (event) => toldEvent(event, views.get(event.experiment)), pause);
  const problems = await written(known.slice(0, listedMax), problemOf, pause);
  const { version, id, created, system } = headOf(heading, snapshot.version, nowMs);
  const head = { version: textOf(version), id: textOf(id), created: textOf(created), system: textOf(system) };
  const alerts = textOf(letter.alerts.map(toldAlert));
  for (let max = listedMax;; max = Math.floor(max / 2)) {
    const newest = events.slice(Math.max(events.length - max, 0)), first = problems.slice(0, max);
    const message = joined({
      ...head,
      kind: textOf("news"),
      events: listed(newest),
      alerts,
      problems: listed(first),
      left_out: textOf({
        events: (letter.leftOut?.events ?? 0) + letter.events.length - newest.length,
        alerts: letter.leftOut?.alerts ?? 0,
        problems: known.length - first.length,
      }),
    });
    if (max === 0 || new TextEncoder().encode(message).length <= messageBytesMax) return message;
    await pause();
  }
}

/** One that tells nothing, to see whether it arrives. */
export function webhookTest(heading: Heading, version: string, nowMs: number): string {
  const nothing = { events: [], alerts: [], problems: [], left_out: { events: 0, alerts: 0, problems: 0 } };
  return textOf({ ...headOf(heading, version, nowMs), kind: "test", ...nothing });
}

function headOf({ id, name, link }: Heading, version: string, nowMs: number) {
  const system = { name, version, link: link === "" ? null : link };
  return { version: 1, id, created: time(nowMs), system } as const;
}

function toldEvent(event: HealthEvent, view: ExperimentView | undefined): WebhookJson["events"][number] {
  return {
    experiment: event.experiment,
    ...eventJson(event),
    causes: event.issues.map(causeOf),
    available: view?.available ?? false,
    held: view?.held ?? null,
    lasted_seconds: event.lastedMs === null ? null : event.lastedMs / 1_000,
  };
}

function toldAlert(alert: SystemAlert): WebhookJson["alerts"][number] {
  return { code: alert.code, raised: alert.turn === "raised", text: alertText(alert), when: time(alert.atMs) };
}

function problemOf(view: ExperimentView): WebhookJson["problems"][number] {
  return {
    experiment: view.name,
    issues: view.issues.map(issueText),
    causes: view.issues.map(causeOf),
    available: view.available,
    held: view.held,
    // While its source is lost a view is `unknown` since then, but its issues are as old as the event that told of them.
    since: time(view.state === "unhealthy" ? view.sinceMs : view.events.at(-1)?.atMs ?? view.sinceMs),
  };
}

function causeOf(issue: Issue) {
  return { code: issue.code, topic: "topic" in issue ? issue.topic : null };
}

function byName(one: ExperimentView, other: ExperimentView): number {
  return one.name < other.name ? -1 : one.name > other.name ? 1 : 0;
}

/** Each of `items` as JSON. */
async function written<Item>(
  items: readonly Item[],
  jsonOf: (item: Item) => unknown,
  pause: Pause,
): Promise<string[]> {
  const texts: string[] = [];
  for (const item of items) {
    texts.push(textOf(jsonOf(item)));
    if (texts.length % writtenAtOnce === 0) await pause();
  }
  return texts;
}

function listed(texts: readonly string[]): string {
  return `[${texts.join()}]`;
}

function joined(members: Readonly<Record<keyof WebhookJson, string>>): string {
  return `{${Object.entries(members).map(([name, text]) => `"${name}":${text}`).join()}}`;
}

/** As JSON that every reader takes. JSON itself writes half a pair as an escape, which is where it is found. */
function textOf(json: unknown): string {
  return JSON.stringify(json).replace(halfPair, (all, backslashes: string) => {
    return backslashes.length % 2 === 0 ? all : `${backslashes.slice(1)}\ufffd`;
  });
}

const halfPair = /(\\+)ud[89a-f][0-9a-f]{2}/g;
