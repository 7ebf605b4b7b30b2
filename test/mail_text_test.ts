import assert from "node:assert/strict";
import type { HealthEvent, Notification } from "../src/alerts.ts";
import { composeMail } from "../src/mail_html.tsx";
import type { MailStyle, MailText } from "../src/mail_text.ts";
import type { ExperimentView } from "../src/snapshot.ts";
import * as given from "./support/letters.ts";
import {
  alert,
  contractLab,
  contractLetter,
  event,
  letter,
  missing,
  missingJump,
  missingRequired,
  nowMs,
  unhealthy,
  view,
} from "./support/letters.ts";

const style: MailStyle = { subject: "app.example.org/t", link: "https://app.example.org/t/status" };

function mailOf(
  owed: Partial<Notification>,
  experiments: readonly ExperimentView[] = [],
  how: MailStyle = style,
): Promise<MailText> {
  return composeMail(letter(owed), given.snapshot(experiments), how, nowMs);
}

/** The lines of one part of the text, without its title. */
function part(title: RegExp, { text }: MailText): string[] {
  const found = text.split("\n\n").map((each) => each.trimEnd().split("\n")).find(([first]) => title.test(first ?? ""));
  return found?.slice(1) ?? ["(this part is left out)"];
}

const subjects: Record<string, [owed: Partial<Notification>, experiments: ExperimentView[], want: string]> = {
  "two events": [{ events: [event("a"), event("b")] }, [], "2 new health events"],
  "one is plural too, as people filter on it": [{ events: [event("a")] }, [], "1 new health events"],
  "two events of one experiment are one line, so one": [
    { events: [event("a", [missingJump]), event("a")] },
    [],
    "1 new health events",
  ],
  "events go before alerts": [{ events: [event("a")], alerts: [alert("relay-lost")] }, [], "1 new health events"],
  "an alert without its cause": [
    { alerts: [alert("relay-lost", { detail: "connection refused" })] },
    [],
    "system alert: relay has no fresh reports so may be down",
  ],
  "an alert that has ended": [
    { alerts: [alert("relay-lost", { turn: "cleared" })] },
    [],
    "system alert: relay reports again",
  ],
  "two alerts": [
    { alerts: [alert("jump-lost"), alert("relay-lost")] },
    [],
    "system alert: jump has no fresh reports so may be down (+1)",
  ],
  "four alerts": [
    { alerts: [alert("book-lost"), alert("jump-lost"), alert("relay-lost"), alert("relay-lost", { turn: "cleared" })] },
    [],
    "system alert: book does not answer so availability may be out of date (+3)",
  ],
  "events that were all left out": [{ leftOut: { events: 3, alerts: 0 } }, [], "3 new health events"],
  "a reminder": [
    { reminder: true },
    [view("a", [missingJump]), view("b", [missingJump]), view("c"), view("d", [missingJump])],
    "reminder: 3 experiments with issues",
  ],
  "a reminder counts only judged experiments": [
    { reminder: true },
    [view("a", [missingJump]), view("b", [missingJump], { judged: false })],
    "reminder: 1 experiments with issues",
  ],
};
for (const [name, [owed, experiments, want]] of Object.entries(subjects)) {
  Deno.test(`the subject of ${name}`, async () =>
    assert.equal((await mailOf(owed, experiments)).subject, `app.example.org/t ${want}`));
}

Deno.test("without EMAIL_SUBJECT the subject begins with its own words", async () => {
  const mail = await mailOf({ events: [event("a"), event("b")] }, [], { subject: "", link: "" });
  assert.equal(mail.subject, "2 new health events");
});

const issues = [missingRequired("a-st-data"), unhealthy("a-st-video")];
const lines: Record<string, [event: HealthEvent, view: ExperimentView | null, want: string]> = {
  "unhealthy and available": [event("a", [missingJump]), view("a"), "a -- A   [missing jump]"],
  "unhealthy and unavailable": [
    event("a", issues),
    view("a", issues, { available: false }),
    "a ><   U [missing required a-st-data, unhealthy a-st-video]",
  ],
  "ok and available": [event("a"), view("a"), "a ok A"],
  "ok and unavailable": [event("a"), view("a", [], { available: false }), "a ok   U"],
  "no longer known, so unavailable": [event("a", [missing("a-st-data")]), null, "a ><   U [missing a-st-data]"],
  "held by a person": [
    event("a"),
    view("a", [], { available: false, held: "new arm on Monday" }),
    "a ok   U (held: new arm on Monday)",
  ],
  "held by a person, with issues": [
    event("a", [missingJump]),
    view("a", [missingJump], { available: false, held: "new arm" }),
    "a ><   U [missing jump] (held: new arm)",
  ],
  "as the event was, whatever has become of it since": [
    event("a", [missingJump]),
    view("a"),
    "a -- A   [missing jump]",
  ],
};
for (const [name, [owed, known, want]] of Object.entries(lines)) {
  Deno.test(`the line of an event: ${name}`, async () => {
    const mail = await mailOf({ events: [owed] }, known === null ? [] : [known]);
    assert.deepEqual(part(/new health events/, mail), [want]);
  });
}

Deno.test("events are one line each experiment, its newest, issues before ok, then by name", async () => {
  const events = [
    event("e"),
    event("b", [missingJump]),
    event("d"),
    event("a", [missingJump]),
    event("b"),
    event("c", issues),
  ];
  const mail = await mailOf({ events }, ["a", "b", "c", "d", "e"].map((name) => view(name)));
  assert.deepEqual(part(/^There are 5 new health events \(2 issues, 3 ok\):$/, mail), [
    "a -- A   [missing jump]",
    "c -- A   [missing required a-st-data, unhealthy a-st-video]",
    "b ok A",
    "d ok A",
    "e ok A",
  ]);
});

Deno.test("the problems are those of all judged experiments, by name, those of whose source nothing is known too", async () => {
  const mail = await mailOf({ events: [event("b")] }, [
    view("c", [missingJump], { available: false }),
    view("b"),
    view("a", [unhealthy("a-st-video")], { state: "unknown" }),
    view("d", [missingJump], { judged: false, state: "starting" }),
  ]);
  assert.deepEqual(part(/^All new and existing/, mail), ["a -- A   [unhealthy a-st-video]", "c ><   U [missing jump]"]);
});

Deno.test("without a link there is no line of it, and without problems it says so", async () => {
  const mail = await mailOf({ alerts: [alert("relay-lost")] }, [], { subject: "", link: "" });
  assert.equal(
    mail.text,
    `System time: 2026-11-22T20:31:14Z

System alerts:
relay has no fresh reports so may be down

All new and existing health issues:
none
`,
  );
});

Deno.test("what a letter had no room for is said", async () => {
  const events = [event("a", [missingJump])];
  const mail = await mailOf({ events, alerts: [alert("jump-lost")], leftOut: { events: 15_000, alerts: 3 } }, [
    view("a"),
  ]);
  assert.deepEqual(part(/new health events/, mail), ["a -- A   [missing jump]", "and 15000 more"]);
  assert.deepEqual(part(/^System alerts/, mail), ["jump has no fresh reports so may be down", "and 3 more"]);
  assert.match(mail.html, /and 15000 more/);
});

Deno.test("that all events of a letter were left out is said", async () => {
  const mail = await mailOf({ alerts: [alert("jump-lost")], leftOut: { events: 2, alerts: 0 } });
  assert.deepEqual(part(/new health events/, mail), ["and 2 more"]);
  assert.match(mail.html, /There are 0 new health events[^<]*<\/h2><p[^>]*>and 2 more/);
});

Deno.test("of more problems than a mail can hold the first are listed and the others counted", async () => {
  const experiments = Array.from({ length: 5_002 }, (_, at) => view(`e${String(at).padStart(4, "0")}`, [missingJump]));
  const problems = part(/^All new and existing/, await mailOf({ reminder: true }, experiments));
  assert.equal(problems.length, 5_001);
  assert.equal(problems.at(-1), "and 2 more");
});

Deno.test("names, causes and reasons from outside cannot make lines, headers or HTML of their own", async () => {
  const nasty = "<img src=x>\r\nBcc: victim@example.org\u0000\u202e&\"'";
  const safe = "<img src=x> Bcc: victim@example.org &\"'";
  const mail = await composeMail(
    letter({ events: [event(nasty, [missing(nasty)])], alerts: [alert("relay-lost", { detail: nasty })] }),
    given.snapshot([view(nasty, [missing(nasty)], { held: nasty })]),
    { subject: "tenant\r\nBcc: victim@example.org", link: 'https://example.org/"><script>' },
    nowMs,
  );
  assert.equal(mail.subject, "tenant Bcc: victim@example.org 1 new health events");
  assert.deepEqual(part(/new health events/, mail), [`${safe} -- A   [missing ${safe}] (held: ${safe})`]);
  assert.deepEqual(part(/^System alerts/, mail), [`relay has no fresh reports so may be down: ${safe}`]);
  assert.ok(["<img", "<script", "\u0000", "\u202e"].every((each) => !mail.html.includes(each)));
});

Deno.test("a cause is told to its end, where it says what to do, however much a service has said", async () => {
  const detail = `Cannot list the resources at book.example.org/t/book: book answered 200 "${
    "x".repeat(200)
  }", and so on`;
  const mail = await mailOf({ alerts: [alert("book-lost", { detail })] });
  assert.deepEqual(part(/^System alerts/, mail), [
    `book does not answer so availability may be out of date: ${detail}`,
  ]);
});

Deno.test("the mail of the contract, to the letter", async () => {
  assert.equal(
    (await mailOf(contractLetter, contractLab)).text,
    `System time: 2026-11-22T20:31:14Z

System alerts:
relay has no fresh reports so may be down

There are 2 new health events (1 issues, 1 ok):
pend00 -- A   [missing jump]
spin31 ok A

All new and existing health issues:
pend00 -- A   [missing jump]
turn04 ><   U [missing required turn04-st-data, unhealthy turn04-st-video]

For the latest complete status information, please go to https://app.example.org/t/status
`,
  );
});
