import assert from "node:assert/strict";
import type { AlertCode, Notification } from "../src/alerts.ts";
import { composeMail } from "../src/mail_html.tsx";
import type { MailText } from "../src/mail_text.ts";
import type { ExperimentView } from "../src/snapshot.ts";
import {
  alert,
  contractLab,
  contractLetter,
  event,
  letter,
  missingJump,
  nowMs,
  snapshot,
  view,
} from "./support/letters.ts";

function mailOf(owed: Partial<Notification>, experiments: readonly ExperimentView[]): Promise<MailText> {
  const style = { subject: "app.example.org/t", link: "https://app.example.org/t/status" };
  return composeMail(letter(owed), snapshot(experiments), style, nowMs);
}

const alertDetails: Record<AlertCode, string> = {
  "jump-lost": "connected but silent: it may need a restart",
  "relay-lost": 'Cannot get access at relay.example.org/t/relay: it answered 500 "token invalid"',
  "book-lost": 'Cannot read the manifest at book.example.org/t/book: book answered 502 "Bad Gateway"',
  "book-stuck": 'book answered 500 "no"',
  "book-empty": "",
  "store-damaged": "the old one is kept as status.db.damaged-20261122T203114Z",
  "store-gone": "/var/lib/status/status.db (what was found in its place is now /var/lib/status/status.db.found)",
  "store-failing": "disk I/O error",
  "too-many": "20003 of 20000",
  "probes-failing": "relay answered 500",
};

/** Whole mails, kept in test/support/mail. After a change that is meant: `deno test -A test/mail_html_test.ts -- --update`. */
const wholeMails: Record<string, Promise<MailText>> = {
  "events_and_alert": mailOf(contractLetter, contractLab),
  "reminder": mailOf({ reminder: true }, contractLab),
  "held": mailOf({ events: [event("pend00", [missingJump])] }, [
    view("pend00", [missingJump], { available: false, held: "new arm on Monday" }),
  ]),
  ...Object.fromEntries(
    Object.entries(alertDetails).map(([code, detail]) => [
      code.replaceAll("-", "_"),
      mailOf({ alerts: [alert(code as AlertCode, { detail })] }, contractLab),
    ]),
  ),
  "all_alerts_cleared": mailOf({
    alerts: (["jump-lost", "relay-lost", "book-lost", "book-empty", "store-failing", "too-many"] as const)
      .map((code) => alert(code, { turn: "cleared" })),
  }, [view("spin31")]),
};
for (const [name, mail] of Object.entries(wholeMails)) {
  const { subject, text, html } = await mail;
  const file = new URL(`./support/mail/${name}.eml`, import.meta.url);
  Deno.test(`a whole mail: ${name.replaceAll("_", " ")}`, async () => {
    const whole = `Subject: ${subject}\n\n${text}\n--- HTML, a line for each tag ---\n${
      html.replaceAll("><", ">\n<")
    }\n`;
    if (Deno.args.includes("--update")) await Deno.writeTextFile(file, whole);
    assert.equal(whole, await Deno.readTextFile(file));
  });
}
