/**
 * What does a mail say: its subject, its text part to the letter of design section 4, and the same in HTML. Pure.
 * What is in it is for `mail_content`, when it goes and whether it arrived for `outbox`, headers for `smtp`.
 */
import {
  alertHeadline,
  alertText,
  type HealthEvent,
  issueText,
  type Notification,
  type SystemAlert,
} from "./alerts.ts";
import { sanitize, sentence } from "./failure.ts";
import { newNotification } from "./notification.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

/** Without HTML, for where it is read by people of this machine. */
export function composeWords(
  letter: Notification,
  snapshot: Snapshot,
  style: MailStyle,
  nowMs: number,
): Pick<MailText, "subject" | "text"> {
  const content = contentOf(letter, snapshot, style, nowMs);
  return { subject: content.subject, text: mailText(content) };
}

/** The system alerts and all current problems, in the words that a mail at `nowMs` would have for them. */
export function problemsText(snapshot: Snapshot, nowMs: number): string {
  const letter = newNotification({ id: "", channel: "mail", createdMs: nowMs }, {
    events: [],
    alerts: snapshot.alerts,
  });
  return mailText(contentOf(letter, snapshot, { subject: "", link: "" }, nowMs));
}

export function mailText({ atMs, alerts, events, problems, link }: MailContent): string {
  const parts = [
    [`System time: ${timeText(atMs)}`],
    part("System alerts:", alerts.items, alerts.more),
    part(`${eventsTitle(events)}:`, events.items.map(lineText), events.more),
    part("All new and existing health issues:", orNone(problems.items.map(lineText)), problems.more),
    link === "" ? [] : [`For the latest complete status information, please go to ${link}`],
  ];
  return parts.filter((lines) => lines.length > 0).map((lines) => lines.join("\n") + "\n").join("\n");
}

/** A part with nothing in it is left out. */
function part(title: string, lines: readonly string[], more: number): string[] {
  if (lines.length + more === 0) return [];
  return [title, ...lines, ...(more > 0 ? [`and ${more} more`] : [])];
}

function orNone(lines: readonly string[]): readonly string[] {
  return lines.length > 0 ? lines : ["none"];
}

/** `NAME CODE[ISSUES]`, in the codes that maintainers know. */
function lineText({ name, healthy, issues, available, held }: MailLine): string {
  const code = healthy ? (available ? " ok A" : " ok   U") : (available ? " -- A   " : " ><   U ");
  const list = healthy ? "" : `[${issues.join(", ")}]`;
  return name + code + list + (held === null ? "" : ` (held: ${held})`);
}

/*
 * What is in a mail, before it is words on a page: which experiments are listed, in which order, with which subject (design,
 * "The mail"). Pure. Text is made of it in `mail`, HTML in `mail_html`; all that came from outside is safe to print here.
 */

export interface MailStyle {
  /** The start of the subject, empty for none. */
  readonly subject: string;
  /** Where the page is: a whole URL, empty for none. */
  readonly link: string;
}

export interface MailContent {
  readonly subject: string;
  readonly atMs: number;
  readonly alerts: Listed<string>;
  readonly events: Listed<MailLine>;
  readonly problems: Listed<MailLine>;
  readonly link: string;
}

/** `more`: how many there was no room for. */
export interface Listed<Item> {
  readonly items: readonly Item[];
  readonly more: number;
}

/** An experiment in a mail: what it is now, or what its newest event said. */
export interface MailLine {
  readonly name: string;
  readonly healthy: boolean;
  readonly issues: readonly string[];
  readonly available: boolean;
  readonly held: string | null;
  readonly sinceMs: number;
  /** How long the state before this one had lasted; null where that is not known. */
  readonly lastedMs: number | null;
}

/** More lines than anyone reads; with them a mail stays below what servers take (10 MB, most of them). */
export const linesMax = 5_000;

/** What `letter` has to tell at `nowMs`, and all current problems of the judged experiments in `snapshot`. */
export function contentOf(letter: Notification, snapshot: Snapshot, style: MailStyle, nowMs: number): MailContent {
  const views = new Map(snapshot.experiments.map((view) => [view.name, view]));
  const newest = new Map(letter.events.map((event) => [event.experiment, event]));
  const events = [...newest.values()].map((event) => eventLine(event, views.get(event.experiment)));
  const problems = snapshot.experiments.filter((view) => view.judged && view.issues.length > 0);
  return {
    subject: subjectOf(letter, { style, events: events.length, problems: problems.length }),
    atMs: nowMs,
    alerts: { items: letter.alerts.map(safeAlertText), more: letter.leftOut?.alerts ?? 0 },
    events: listed(events.toSorted(issuesFirst), letter.leftOut?.events ?? 0),
    problems: {
      // They come by name, but names may read otherwise once they are safe to print.
      items: problems.slice(0, linesMax).map(problemLine).sort(byName),
      more: Math.max(problems.length - linesMax, 0),
    },
    link: style.link,
  };
}

/** How many lines the events are, plural whatever the count. */
export function eventsTitle({ items }: Listed<MailLine>): string {
  const ok = items.filter((line) => line.healthy).length;
  return `There are ${items.length} new health events (${items.length - ok} issues, ${ok} ok)`;
}

/** RFC 3339 in UTC, to the second. */
export function timeText(atMs: number): string {
  return new Date(atMs).toISOString().replace(/\.\d+Z$/, "Z");
}

function subjectOf(
  letter: Notification,
  { style, events, problems }: { style: MailStyle; events: number; problems: number },
) {
  // What looks like an encoded word would be decoded by whoever reads it, into whatever it holds.
  const words = sanitize(style.subject).replaceAll("=?", "= ?");
  return (words === "" ? "" : `${words} `) + causeOf(letter, events, problems);
}

/** Plural whatever the count: people filter on it. */
function causeOf(letter: Notification, events: number, problems: number): string {
  if (events > 0) return `${events} new health events`;
  const [first, ...others] = letter.alerts;
  const untold = letter.leftOut?.events ?? 0;
  if (first === undefined && untold > 0) return `${untold} new health events`;
  if (first === undefined) return `reminder: ${problems} experiments with issues`;
  return `system alert: ${alertHeadline(first)}${others.length > 0 ? ` (+${others.length})` : ""}`;
}

function eventLine(event: HealthEvent, view: ExperimentView | undefined): MailLine {
  return {
    name: sanitize(event.experiment),
    healthy: event.healthy,
    issues: event.issues.map((issue) => sanitize(issueText(issue))),
    available: view?.available ?? false,
    held: heldBy(view),
    sinceMs: event.atMs,
    lastedMs: event.lastedMs,
  };
}

function problemLine(view: ExperimentView): MailLine {
  return {
    name: sanitize(view.name),
    healthy: false,
    issues: view.issues.map((issue) => sanitize(issueText(issue))),
    available: view.available,
    held: heldBy(view),
    // While its source is lost a view is `unknown` since then, but its issues are as old as the event that told of them.
    sinceMs: view.events.at(-1)?.atMs ?? view.sinceMs,
    lastedMs: null,
  };
}

function heldBy(view: ExperimentView | undefined): string | null {
  return view === undefined || view.held === null ? null : sanitize(view.held);
}

function safeAlertText(alert: SystemAlert): string {
  return alertText({ ...alert, detail: sentence(alert.detail) });
}

function issuesFirst(one: MailLine, other: MailLine): number {
  return Number(one.healthy) - Number(other.healthy) || byName(one, other);
}

function byName(one: MailLine, other: MailLine): number {
  return one.name < other.name ? -1 : one.name > other.name ? 1 : 0;
}

function listed<Item>(items: readonly Item[], leftOut: number): Listed<Item> {
  return { items: items.slice(0, linesMax), more: leftOut + Math.max(items.length - linesMax, 0) };
}

export interface MailText {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}
