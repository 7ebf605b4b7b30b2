/**
 * What each part is made with, from the settings: the one place where a setting's name meets what a part calls it. `serve`
 * and `check` make their parts by it.
 */
import { createHash } from "node:crypto";
import { type AccessRequest, jumpClaims, relayClaims } from "./access.ts";
import type { AvailabilityRules } from "./availability.ts";
import type { BookSource } from "./book_client.ts";
import type { MailStyle } from "./mail_text.ts";
import type { MonitorOptions } from "./monitor.ts";
import type { FeedName } from "./report.ts";
import { serviceUrls, type Settings } from "./settings.ts";
import type { SmtpOptions } from "./smtp.ts";
import type { WebhookOptions } from "./webhook.ts";

export function bookSource(settings: Settings): BookSource {
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
