/**
 * What does a mail say: its subject, its text part to the letter of design section 4, and the same in HTML. Pure.
 * What is in it is for `mail_content`, when it goes and whether it arrived for `outbox`, headers for `smtp`.
 */
import type { Letter } from "./alert.ts";
import { pause } from "./async.ts";
import { newLetter } from "./letter.ts";
import { contentOf, eventsTitle, type MailContent, type MailLine, type MailStyle, timeText } from "./mail_content.ts";
import { mailHtml } from "./mail_html.tsx";
import type { Snapshot } from "./snapshot.ts";

export type { MailStyle } from "./mail_content.ts";

export interface MailText {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/**
 * The mail for `letter` as things are in `snapshot`, at `nowMs`. Everything from outside is made safe: one line each. With
 * pauses for all else: of a laboratory of which everything has changed it is long.
 */
export async function composeMail(
  letter: Letter,
  snapshot: Snapshot,
  style: MailStyle,
  nowMs: number,
): Promise<MailText> {
  const content = contentOf(letter, snapshot, style, nowMs);
  await pause();
  const text = mailText(content);
  await pause();
  return { subject: content.subject, text, html: await mailHtml(content) };
}

/** Without HTML, for where it is read by people of this machine. */
export function composeWords(...of: Parameters<typeof composeMail>): Pick<MailText, "subject" | "text"> {
  const content = contentOf(...of);
  return { subject: content.subject, text: mailText(content) };
}

/** The system alerts and all current problems, in the words that a mail at `nowMs` would have for them. */
export function problemsText(snapshot: Snapshot, nowMs: number): string {
  const letter = newLetter({ id: "", channel: "mail", createdMs: nowMs }, { events: [], alerts: snapshot.alerts });
  return mailText(contentOf(letter, snapshot, { subject: "", link: "" }, nowMs));
}

function mailText({ atMs, alerts, events, problems, link }: MailContent): string {
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
