/**
 * The HTML part of a mail: what the text part says, and since when, how long what is ok again had lasted, and
 * what the codes mean. Pure. Inline styles, as mail clients drop others; no colour of text or background, so that a dark
 * screen stays dark; every state is said in words. The JSX runtime escapes whatever stands between braces.
 */
import { raw } from "hono/html";
import type { Notification } from "./alerts.ts";
import { forEachYielding, yieldToEventLoop } from "./async.ts";
import { durationWords } from "./duration.ts";
import {
  contentOf,
  eventsTitle,
  type Listed,
  type MailContent,
  type MailLine,
  type MailStyle,
  type MailText,
  mailText,
  timeText,
} from "./mail_text.ts";
import type { Snapshot } from "./snapshot.ts";

/** A whole document, in slices: it may have as many lines as there are experiments. */
export async function mailHtml(content: MailContent): Promise<string> {
  const rows: { events: string[]; problems: string[] } = { events: [], problems: [] };
  await forEachYielding(content.events.items, (line) => rows.events.push(lineHtml(line)));
  await forEachYielding(content.problems.items, (line) => rows.problems.push(lineHtml(line)));
  return `<!DOCTYPE html>${<Mail {...content} rows={rows} />}`;
}

/** The lines as HTML. */
interface Rows {
  readonly events: readonly string[];
  readonly problems: readonly string[];
}

const bodyStyle = "margin:0;padding:16px;font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;" +
  "font-size:16px;line-height:1.5";
const titleStyle = "margin:24px 0 8px;font-size:18px";
const listStyle = "margin:0;padding:0;list-style:none";
const codeStyle = "font-family:ui-monospace,Menlo,Consolas,monospace;white-space:pre";
const smallStyle = "font-size:14px";

// Of middling lightness, so that they can be told from both a white and a black page.
const colours = { issues: "#d9480f", ok: "#2f9e44", system: "#7048e8" };

function itemStyle(colour: string): string {
  return `margin:0 0 8px;padding:4px 0 4px 12px;border-left:4px solid ${colour};overflow-wrap:anywhere`;
}

function Mail({ subject, atMs, alerts, events, problems, link, rows }: MailContent & { rows: Rows }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="supported-color-schemes" content="light dark" />
        <title>{subject}</title>
      </head>
      <body style={bodyStyle}>
        <p style="margin:0">System time: {timeText(atMs)}</p>
        {hasAny(alerts) && <Alerts alerts={alerts} />}
        {hasAny(events) && <Lines title={eventsTitle(events)} rows={rows.events} more={events.more} />}
        <Lines title="All new and existing health issues" rows={rows.problems} more={problems.more} />
        {link !== "" && (
          <p>
            For the latest complete status information, please go to <a href={link}>{link}</a>
          </p>
        )}
        <Legend />
      </body>
    </html>
  );
}

/** A part with nothing in it is left out. */
function hasAny({ items, more }: Listed<unknown>): boolean {
  return items.length + more > 0;
}

function Alerts({ alerts }: { alerts: Listed<string> }) {
  return (
    <>
      <h2 style={titleStyle}>System alerts</h2>
      <ul style={listStyle}>{alerts.items.map(alertItem)}</ul>
      <More count={alerts.more} />
    </>
  );
}

function alertItem(text: string) {
  return <li style={itemStyle(colours.system)}>{text}</li>;
}

function Lines({ title, rows, more }: { title: string; rows: readonly string[]; more: number }) {
  return (
    <>
      <h2 style={titleStyle}>{title}</h2>
      {rows.length > 0 ? <ul style={listStyle}>{raw(rows.join(""))}</ul> : more === 0 && <p style="margin:0">none</p>}
      <More count={more} />
    </>
  );
}

function lineHtml(line: MailLine): string {
  return String(lineItem(line));
}

function lineItem({ name, healthy, issues, available, held, sinceMs, lastedMs }: MailLine) {
  const lasted = healthy && lastedMs !== null ? `, after ${durationWords(lastedMs)} of issues` : "";
  return (
    <li style={itemStyle(healthy ? colours.ok : colours.issues)}>
      <strong>{name}</strong> <code style={codeStyle}>{codeOf(healthy, available)}</code> · {healthy ? "ok" : "issues"},
      {" "}
      {available ? "available" : "unavailable"}
      {held !== null && <>{" "}(held: {held})</>}
      {issues.length > 0 && <div>{issues.join(", ")}</div>}
      <div style={smallStyle}>since {timeText(sinceMs)}{lasted}</div>
    </li>
  );
}

function More({ count }: { count: number }) {
  return count > 0 ? <p style="margin:0">and {count} more</p> : null;
}

function Legend() {
  return (
    <>
      <h2 style={titleStyle}>What the codes mean</h2>
      <ul style={`${listStyle};${smallStyle}`}>
        {codes.map(codeItem)}
        <li>A and U: whether the booking system offers it. Held: a person took it off, with that reason.</li>
      </ul>
    </>
  );
}

const codes: readonly (readonly [code: string, meaning: string])[] = [
  ["-- A", "issues, available: what students need works"],
  [">< U", "issues, unavailable: students cannot book it"],
  ["ok A", "all works, available"],
  ["ok U", "all works, unavailable"],
];

function codeItem([code, meaning]: readonly [string, string]) {
  return (
    <li>
      <code style={codeStyle}>{code}</code> · {meaning}
    </li>
  );
}

function codeOf(healthy: boolean, available: boolean): string {
  return `${healthy ? "ok" : available ? "--" : "><"} ${available ? "A" : "U"}`;
}

/**
 * The mail for `letter` as things are in `snapshot`, at `nowMs`. Everything from outside is made safe: one line each. With
 * in slices: of a laboratory of which everything has changed it is long.
 */
export async function composeMail(
  letter: Notification,
  snapshot: Snapshot,
  style: MailStyle,
  nowMs: number,
): Promise<MailText> {
  const content = contentOf(letter, snapshot, style, nowMs);
  await yieldToEventLoop();
  const text = mailText(content);
  await yieldToEventLoop();
  return { subject: content.subject, text, html: await mailHtml(content) };
}
