/**
 * The two ways to tell people, made from the settings: an outbox for the mails, and one for the webhook. What an outbox
 * promises is for `outbox`; what is said for `mail` and `webhook_body`.
 */
import { pause } from "./async.ts";
import type { Clock } from "./clock.ts";
import { logger } from "./log.ts";
import { composeMail } from "./mail_html.tsx";
import { composeWords } from "./mail_text.ts";
import type { Measures } from "./measures.ts";
import { measuredMail, measuredWebhook } from "./metrics_taps.ts";
import { createOutbox, type Outbox, type OutboxListener, type Post } from "./outbox.ts";
import { mailStyle, smtpOptions, webhookOptions, webhookSystem } from "./parts.ts";
import type { Change, Saved } from "./persisted.ts";
import type { Settings } from "./settings.ts";
import { createPostOffice } from "./smtp.ts";
import type { Snapshot } from "./snapshot.ts";
import { createWebhook, keyOf, webhookMessage } from "./webhook.ts";

export interface OutboxesPorts {
  readonly clock: Clock;
  random(): number;
  fetch(url: URL, init: RequestInit): Promise<Response>;
  snapshot(): Snapshot;
  /** Resolves when it is recorded, or as far as that can be. Never rejects. */
  record(changes: readonly Change[]): Promise<void>;
  /** The view of either is another. */
  changed(): void;
  readonly measures: Measures;
  /** The program's. */
  readonly version: string;
}

const log = logger("status");

/** `saved`: what an earlier run left. */
export function createOutboxes(
  settings: Settings,
  ports: OutboxesPorts,
  saved: Saved,
): { readonly outbox: Outbox; readonly webhook: Outbox } {
  return { outbox: mailOutbox(settings, ports, saved), webhook: webhookOutbox(settings, ports, saved) };
}

function mailOutbox(settings: Settings, ports: OutboxesPorts, saved: Saved): Outbox {
  const { clock, snapshot } = ports;
  const listener: OutboxListener = {
    sent({ id }, { answer, rejected }) {
      log.info(`mail ${id} was taken`, { answer });
      if (rejected.length > 0) log.warn(`mail ${id} was not taken for everybody`, { rejected });
    },
    failed: ({ id }, { kind, why }, failures) => log.warn(why, { mail: id, kind, failures }),
    unsent(letter, nowMs) {
      const { subject, text } = composeWords(letter, snapshot(), mailStyle(settings), nowMs);
      log.warn(`not mailed, as there is no STATUS_EMAIL_HOST: ${subject}`, { text });
    },
    changed: ports.changed,
  };
  return createOutbox(
    {
      channel: "mail",
      everyMs: settings.EMAIL_EVERY,
      remindEveryMs: settings.EMAIL_REMIND_EVERY,
      owesUnposted: true,
    },
    {
      ...ports,
      post: mailPost(settings, snapshot),
      newId: () => crypto.randomUUID(),
      problems: () => snapshot().experiments.filter(({ judged, issues }) => judged && issues.length > 0).length,
    },
    saved,
    measuredMail(listener, { measures: ports.measures, nowMs: () => clock.nowMs() }),
  );
}

function mailPost(settings: Settings, snapshot: () => Snapshot): Post | null {
  const smtp = smtpOptions(settings);
  if (smtp === null) return null;
  const office = createPostOffice(smtp);
  return {
    async write(letter, dateMs) {
      const text = await composeMail(letter, snapshot(), mailStyle(settings), dateMs);
      return await office.build({ id: letter.id, text, dateMs });
    },
    deliver: ({ frozen }, signal) => office.deliver(frozen, signal),
  };
}

function webhookOutbox(settings: Settings, ports: OutboxesPorts, saved: Saved): Outbox {
  const listener: OutboxListener = {
    sent: ({ frozen }, { answer }) =>
      log.info("the webhook took a message", { message: frozen && keyOf(frozen), answer }),
    failed: ({ frozen }, { kind, why }, failures) =>
      log.warn(why, { message: frozen && keyOf(frozen), kind, failures }),
    unsent({ events, alerts }) {
      const what = { events: events.length, alerts: alerts.length };
      log.warn("what an earlier run owed the webhook is dropped, as there is no STATUS_WEBHOOK_URL", what);
    },
    changed: ports.changed,
  };
  return createOutbox(
    { channel: "webhook", everyMs: 0, remindEveryMs: 0, owesUnposted: false },
    { ...ports, post: webhookPost(settings, ports), newId: () => crypto.randomUUID(), problems: () => 0 },
    saved,
    measuredWebhook(listener, ports.measures),
  );
}

function webhookPost(settings: Settings, { clock, fetch, snapshot, version }: OutboxesPorts): Post | null {
  const options = webhookOptions(settings, version);
  if (options === null) return null;
  const webhook = createWebhook(options, { clock, fetch });
  const system = webhookSystem(settings);
  return {
    async write(letter, nowMs) {
      const seen = snapshot();
      await pause(); // the mail may be made in this very moment
      const heading = { ...system, id: crypto.randomUUID() };
      return await webhookMessage(letter, { snapshot: seen, heading, nowMs }, pause);
    },
    deliver: ({ frozen }, signal) => webhook.deliver(frozen, signal),
  };
}
