/**
 * What each part is made with, from the settings: the one place where a setting's name meets what a part calls it. `serve`
 * and `check` make their parts by it.
 */
import { createHash } from "node:crypto";
import { type AccessRequest, jumpClaims, relayClaims, streamClaims } from "./access.ts";
import type { SystemAlert } from "./alerts.ts";
import { yieldToEventLoop } from "./async.ts";
import type { AvailabilityRules } from "./availability.ts";
import type { BookConfig } from "./book_client.ts";
import type { Clock } from "./clock.ts";
import { turnsMax } from "./history.ts";
import { type Log, logger, startLog } from "./log.ts";
import { composeMail } from "./mail_html.tsx";
import { composeWords, type MailStyle } from "./mail_text.ts";
import { type Instrumentation, measuredMail, measuredWebhook } from "./metrics.ts";
import type { Monitor, MonitorOptions } from "./monitor.ts";
import { createOutbox, type Outbox, type OutboxListener, type Transport } from "./outbox.ts";
import { type Persisted, runsMax, type StoreChange } from "./persisted.ts";
import { probeStream } from "./probe_socket.ts";
import type { FeedName } from "./report.ts";
import { serviceUrls, type Settings } from "./settings.ts";
import { createPostOffice, type SmtpOptions } from "./smtp.ts";
import type { Snapshot } from "./snapshot.ts";
import { SocketPool, startSocketWorker } from "./socket_pool.ts";
import { openMemoryStore, openSqliteStore } from "./sqlite_file.ts";
import { type Store, StoreFailed } from "./store.ts";
import { createProber, noProber, type Prober, type ProberPorts, rememberedTargets } from "./stream_probe.ts";
import { createWebhook, keyOf, webhookMessage, type WebhookOptions } from "./webhook.ts";

export function bookSource(settings: Settings): BookConfig {
  const { base } = serviceUrls(settings).book;
  return { base, audience: base, secret: settings.SECRET_BOOK, timeoutMs: settings.TIMEOUT_BOOK };
}

export function feedRequest(name: FeedName, settings: Settings): AccessRequest {
  const urls = serviceUrls(settings)[name];
  const accessUrl = new URL(urls.access);
  return name === "jump"
    ? {
      name,
      accessUrl,
      claims: jumpClaims(urls.base),
      secret: settings.SECRET_JUMP,
      tokenLifeMs: settings.RECONNECT_JUMP_EVERY,
    }
    : {
      name,
      accessUrl,
      claims: relayClaims(urls.base),
      secret: settings.SECRET_RELAY,
      tokenLifeMs: settings.RECONNECT_RELAY_EVERY,
    };
}

/** Null without EMAIL_HOST: no mail is sent. */
export function smtpOptions(settings: Settings): SmtpOptions | null {
  const { EMAIL_HOST: host, EMAIL_FROM: from, EMAIL_AUTH_TYPE: type, EMAIL_USER: user, EMAIL_PASSWORD: password } =
    settings;
  if (host === null || from === null) return null;
  const hasLogin = type !== "none" && user !== null && password !== null;
  return {
    host,
    port: settings.EMAIL_PORT,
    tls: settings.EMAIL_TLS,
    auth: hasLogin ? { type, user, password } : { type: "none" },
    from,
    to: settings.EMAIL_TO,
    cc: settings.EMAIL_CC,
    caPem: settings.EMAIL_CA_FILE,
    thread: createHash("sha256").update(serviceUrls(settings).book.base).digest("hex").slice(0, 8),
  };
}

/** Null without WEBHOOK_URL: nothing is posted. */
export function webhookOptions(settings: Settings, version: string): WebhookOptions | null {
  const { WEBHOOK_URL: url, SECRET_WEBHOOK: secret } = settings;
  return url === null || secret === null ? null : { url, secret, userAgent: `status/${version}` };
}

/** What the webhook is told of the laboratory: the words of the mail's subject, or where book is. */
export function webhookSystem(settings: Settings): { readonly name: string; readonly link: string } {
  const name = settings.EMAIL_SUBJECT === "" ? serviceUrls(settings).book.base : settings.EMAIL_SUBJECT;
  return { name, link: settings.EMAIL_LINK };
}

export function mailStyle(settings: Settings): MailStyle {
  return { subject: settings.EMAIL_SUBJECT, link: settings.EMAIL_LINK };
}

export function monitorOptions(settings: Settings, version: string): MonitorOptions {
  return {
    version,
    health: {
      lastActiveMs: settings.HEALTH_LAST_ACTIVE,
      lastCheckedMs: settings.HEALTH_LAST_CHECKED,
      startupMs: settings.HEALTH_STARTUP,
      failures: settings.HEALTH_FAILURES,
      successes: settings.HEALTH_SUCCESSES,
      feedLoss: settings.HEALTH_FEED_LOSS,
      eventsMax: settings.HEALTH_EVENTS,
    },
    availability: availabilityRules(settings),
    forgetMs: settings.HEALTH_FORGET,
  };
}

export function availabilityRules(settings: Settings): AvailabilityRules {
  return { holds: settings.BOOK_HOLDS, writes: settings.BOOK_WRITES === "on" };
}

/*
 * What must be had before the monitor starts: the log and the store, with what an earlier run left in it. The defaults fall
 * back where they can't be written; what was asked for does not.
 */

export interface Opened {
  readonly log: Log;
  readonly store: Store;
  readonly saved: Persisted;
  /** What is to be told of the store itself. */
  readonly alerts: readonly SystemAlert[];
  readonly warnings: readonly string[];
}

/** Throws LogFailed, StoreFailed or StoreLocked; nothing is left open then. */
export async function open(settings: Settings, clock: Clock): Promise<Opened> {
  const log = await openLog(settings, clock);
  try {
    const { store, alerts, warnings } = await openStore(settings, clock.nowMs());
    const saved = await store.load({ events: settings.HEALTH_EVENTS, stateChanges: turnsMax, runs: runsMax });
    return { log, store, saved, alerts, warnings: [...log.warnings, ...warnings] };
  } catch (error) {
    await log.close();
    throw error;
  }
}

function openLog(settings: Settings, clock: Clock): Promise<Log> {
  return startLog({
    file: settings.LOG_FILE,
    asked: settings.given.has("LOG_FILE"),
    format: settings.LOG_FORMAT,
    level: settings.LOG_LEVEL,
    clock,
  });
}

type StoreOpened = Pick<Opened, "store" | "alerts" | "warnings">;

async function openStore({ STORE_FILE: file, given }: Settings, nowMs: number): Promise<StoreOpened> {
  if (file === "memory") return { store: openMemoryStore(), alerts: [], warnings: [] };
  try {
    const { store, damaged } = await openSqliteStore(file, { nowMs });
    const detail = `the old one is kept as ${damaged}`;
    return {
      store,
      alerts: damaged ? [{ code: "store-damaged", turn: "raised", atMs: nowMs, detail }] : [],
      warnings: [],
    };
  } catch (error) {
    if (given.has("STORE_FILE") || !(error instanceof StoreFailed)) throw error;
    const warning = `${error.message}, so nothing is kept beyond this run`;
    return { store: openMemoryStore(), alerts: [], warnings: [warning] };
  }
}

/*
 * The two ways to tell people, made from the settings: an outbox for the mails, and one for the webhook. What an outbox
 * promises is for `outbox`; what is said for `mail` and `webhook_body`.
 */

export interface OutboxesPorts {
  readonly clock: Clock;
  random(): number;
  fetch(url: URL, init: RequestInit): Promise<Response>;
  snapshot(): Snapshot;
  /** Resolves when it is recorded, or as far as that can be. Never rejects. */
  record(changes: readonly StoreChange[]): Promise<void>;
  /** The view of either is another. */
  changed(): void;
  readonly measures: Instrumentation;
  /** The program's. */
  readonly version: string;
}

const log = logger("status");

/** `saved`: what an earlier run left. */
export function createOutboxes(
  settings: Settings,
  ports: OutboxesPorts,
  saved: Persisted,
): { readonly outbox: Outbox; readonly webhook: Outbox } {
  return { outbox: mailOutbox(settings, ports, saved), webhook: webhookOutbox(settings, ports, saved) };
}

function mailOutbox(settings: Settings, ports: OutboxesPorts, saved: Persisted): Outbox {
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

function mailPost(settings: Settings, snapshot: () => Snapshot): Transport | null {
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

function webhookOutbox(settings: Settings, ports: OutboxesPorts, saved: Persisted): Outbox {
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

function webhookPost(settings: Settings, { clock, fetch, snapshot, version }: OutboxesPorts): Transport | null {
  const options = webhookOptions(settings, version);
  if (options === null) return null;
  const webhook = createWebhook(options, { clock, fetch });
  const system = webhookSystem(settings);
  return {
    async write(letter, nowMs) {
      const seen = snapshot();
      await yieldToEventLoop(); // the mail may be made in this very moment
      const heading = { ...system, id: crypto.randomUUID() };
      return await webhookMessage(letter, { snapshot: seen, heading, nowMs }, yieldToEventLoop);
    },
    deliver: ({ frozen }, signal) => webhook.deliver(frozen, signal),
  };
}

/*  How streams are listened to, made from the settings: the prober, with sockets of its own. */

// Each listening is an access and a socket: a stream is not asked for more often than that, however short the limit.
const periodMsMin = 1_000;
// What is left of a token's life when the longest listening is over.
const spareMs = 60_000;

/** `monitor` is asked for only later: it is made after this. */
export function createStreamWatch(
  settings: Settings,
  monitor: () => Monitor,
  ports: Pick<ProberPorts, "clock" | "random" | "log">,
): Prober {
  const { PROBE_STREAMS: mode, HEALTH_LAST_ACTIVE: listenMs } = settings;
  const unfound = () => monitor().probed(null);
  if (mode === "off") return noProber({ ...ports, unfound });
  // A pool of its own: sockets that would not close must not cost the feeds theirs. Nothing is started before it is used.
  const sockets = new SocketPool(ports.clock, startSocketWorker, listenMs);
  const targetsOf = rememberedTargets(mode);
  const prober = createProber(Math.max(listenMs, periodMsMin), {
    ...ports,
    targets: () => targetsOf(monitor().telling),
    probe: (topic, signal) =>
      probeStream(streamRequest(topic, settings), listenMs, { clock: ports.clock, fetch, sockets }, signal),
    found: (topic, finding) => monitor().probed({ topic, finding }),
    unfound,
    changed: () => monitor().readersChanged(),
  });
  return {
    look: () => prober.look(),
    view: () => prober.view(),
    async run(signal) {
      await prober.run(signal);
      sockets.close();
    },
  };
}

function streamRequest(topic: string, settings: Settings): AccessRequest {
  const { base, access } = serviceUrls(settings).relay;
  return {
    ...feedRequest("relay", settings),
    accessUrl: new URL(encodeURIComponent(topic), access),
    claims: streamClaims(base, topic),
    tokenLifeMs: settings.HEALTH_LAST_ACTIVE + spareMs,
  };
}
