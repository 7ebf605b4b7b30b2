/**
 * How does a message get to the webhook: one signed POST in bounded time, and what its answer means. When to post, and again,
 * is for `outbox`; what a message says for `webhook_body`. The address may hold a key, so nothing that is said here holds
 * more of it than its host, even where the other side repeats it.
 */
import { createHmac } from "node:crypto";
import * as z from "zod";
import { alertText, type HealthEvent, type Issue, issueText, type Notification, type SystemAlert } from "./alerts.ts";
import { eventJson, time } from "./api.ts";
import type { WebhookJson } from "./api_schema.ts";
import type { YieldToEventLoop } from "./async.ts";
import { aborted, type Clock, linkedAbort } from "./clock.ts";
import { errorTextOf, networkErrorText, redirectText, type ServiceFailure } from "./failure.ts";
import type { Delivery, Failure } from "./notification.ts";
import type { Secret } from "./setting_types.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

export interface WebhookOptions {
  readonly url: Secret;
  /** What messages are signed with. */
  readonly secret: Secret;
  /** What this program calls itself: `status/VERSION`. */
  readonly userAgent: string;
}

export interface WebhookPorts {
  readonly clock: Clock;
  fetch(url: URL, init: RequestInit): Promise<Response>;
}

export interface Webhook {
  /** `HOST` or `HOST:PORT`: all of the address that may be shown. */
  readonly host: string;
  /** Posts a message of `webhook_body`. Never rejects; an abort ends it at once. */
  deliver(message: string, signal: AbortSignal): Promise<Delivery>;
  /** Connects, and says nothing. Never rejects. */
  reach(signal: AbortSignal): Promise<{ readonly kind: "ok"; readonly encrypted: boolean } | ServiceFailure>;
}

/** For the whole request: receivers are to answer first and work then. */
export const requestMsMax = 10_000;
// Of an answer only the first words are shown.
const answerCharsMax = 16 * 1024;

export function createWebhook(options: WebhookOptions, ports: WebhookPorts): Webhook {
  const url = new URL(options.url.reveal());
  return {
    host: url.host,
    async deliver(message, signal) {
      const key = keyOf(message);
      if (key === null) return withoutId;
      const body = new TextEncoder().encode(message);
      const headers = {
        // Messages are rare, and a connection that was kept may be gone unseen: then nobody knows whether it arrived.
        "connection": "close",
        "content-type": "application/json",
        "user-agent": options.userAgent,
        "idempotency-key": `"${key}"`, // a string as RFC 8941 writes it, as the draft of this header asks
        "x-status-signature": signature(body, options.secret),
      };
      // A redirected POST would arrive as a GET, or the events where nobody wanted them.
      return await post(url, { method: "POST", headers, body, redirect: "manual" }, ports, signal);
    },
    async reach(signal) {
      try {
        await Promise.race([connected(url), aborted(signal).then(() => signal.throwIfAborted())]);
        return { kind: "ok", encrypted: url.protocol === "https:" };
      } catch (error) {
        return { kind: "unreachable", message: `${cannotTell(url)}: ${networkErrorText(error)}` };
      }
    },
  };
}

/** `sha256=` and the HMAC-SHA256 of `body` in hexadecimal. */
export function signature(body: Uint8Array, secret: Secret): string {
  return `sha256=${createHmac("sha256", secret.reveal()).update(body).digest("hex")}`;
}

/**
 * What an answer's status says of the message. Taken: any 2xx. Deferred: a no that is meant for now (a 409 too: the same
 * message is still being worked at). In doubt: a server that failed, or a proxy that lost it (another 5xx), may have taken
 * it before. Refused: all else, redirects included; never for good of this very message, since a proxy's no looks the same
 * as the receiver's, and says nothing of what came before.
 */
export function deliveryKind(status: number): Delivery["kind"] {
  if (status >= 200 && status <= 299) return "taken";
  if ([408, 409, 425, 429, 503].includes(status)) return "deferred";
  return status >= 500 && status <= 599 ? "in-doubt" : "refused";
}

/** How long a `Retry-After` asks to wait at `nowMs`; 0 where it says nothing that can be read. */
export function retryAfterMs(header: string | null, nowMs: number): number {
  if (header === null) return 0;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1_000;
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? 0 : Math.max(atMs - nowMs, 0);
}

const withoutId: Delivery = {
  kind: "refused",
  why: "Cannot tell the webhook: the message that was kept has no id",
  ofMessage: true,
};
// Of its own, and not of what it holds: before anything nested. Reading megabytes of JSON for it would hold everything up.
const ownId = /^\{[^{}[\]]*?"id":"([^"]*)"/;

/** A message carries its key, so that whatever repeats it repeats that too; null for nothing that this program wrote. */
export function keyOf(message: string): string | null {
  const { data: id } = z.uuid().safeParse(ownId.exec(message)?.[1]);
  return id ?? null; // then the letter is made anew
}

async function post(url: URL, init: RequestInit, ports: WebhookPorts, signal: AbortSignal): Promise<Delivery> {
  const limit = linkedAbort(signal);
  ports.clock.wait(requestMsMax, limit.signal).then(() => limit.abort(), () => {}); // called off: it has been answered
  try {
    const response = await ports.fetch(url, { ...init, signal: limit.signal });
    return await answered(url, response, ports.clock.nowMs());
  } catch (error) {
    if (signal.aborted) return inDoubt(url, "this program stopped before it answered");
    if (limit.signal.aborted) return inDoubt(url, `no answer within ${requestMsMax / 1_000} s`);
    const words = networkErrorText(error);
    return wasNotSent(error) ? { kind: "deferred", why: `${cannotTell(url)}: ${words}` } : inDoubt(url, words);
  } finally {
    limit.abort();
  }
}

async function answered(url: URL, response: Response, nowMs: number): Promise<Delivery> {
  const { status, headers } = response;
  const kind = deliveryKind(status);
  if (kind === "taken") {
    await response.body?.cancel();
    return { kind, answer: String(status), rejected: [] };
  }
  const why = `${cannotTell(url)}: it answered ${status}${await answerOf(url, response)}`;
  const afterMs = kind === "deferred" ? retryAfterMs(headers.get("retry-after"), nowMs) : 0;
  return afterMs > 0 ? { kind: "deferred", why, afterMs } : { kind, why };
}

/** What the answer says, to follow its status. */
async function answerOf(url: URL, response: Response): Promise<string> {
  const redirect = redirectText(response, url);
  if (redirect !== null) {
    await response.body?.cancel();
    return ` ${redirect}`;
  }
  const words = errorTextOf(withoutAddress(await beginningOf(response), url));
  return words === "" ? "" : ` "${words}"`;
}

async function beginningOf(response: Response): Promise<string> {
  let text = "";
  try {
    for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += part;
      if (text.length >= answerCharsMax) break;
    }
  } catch {
    // The status is known, and what came of the body has to do.
  }
  return text.slice(0, answerCharsMax);
}

async function connected({ protocol, hostname, port }: URL): Promise<void> {
  const isEncrypted = protocol === "https:";
  const place = { hostname: hostname.replace(/^\[|\]$/g, ""), port: Number(port) || (isEncrypted ? 443 : 80) };
  if (!isEncrypted) return (await Deno.connect(place)).close();
  const connection = await Deno.connectTls(place);
  try {
    await connection.handshake();
  } finally {
    connection.close();
  }
}

function inDoubt(url: URL, words: string): Failure {
  return { kind: "in-doubt", why: `Cannot know whether the webhook at ${url.host} took the message: ${words}` };
}

function cannotTell(url: URL): string {
  return `Cannot tell the webhook at ${url.host}`;
}

/** Without a connection nothing can have arrived; of all that comes after, nobody knows. */
function wasNotSent(error: unknown): boolean {
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    if (inner.message.includes("client error (Connect)")) return true;
  }
  return false;
}

/**
 * What must not be repeated of an address that may hold a key: all but its host, in whichever form the other side, or the
 * runtime, may say it. Pure.
 */

// What is shorter would be found by chance in other words, and is no key.
const keyCharsMin = 6;
// A part of a path such as `webhook`, which answers are full of.
const plainWord = /^[a-z_-]{0,15}$/;

/** `text` without the path of `url`, its query, what they are made of, and a login. */
export function withoutAddress(text: string, url: URL): string {
  const left = partsOf(url).reduce((words, part) => words.replaceAll(part, "(address)"), text);
  return withoutBeginning(left, url);
}

/** Longest first, so that none leaves the rest of another. */
function partsOf(url: URL): string[] {
  const whole = [url.href, url.pathname + url.search, url.pathname, url.search];
  const pieces = [...[...url.searchParams].flat(), url.username, url.password, url.hash.slice(1)];
  // Between them stands what others escape in ways of their own.
  const segments = [...url.pathname.split("/"), ...`${url.pathname}?${url.search}`.split(/[^\w-]+/)];
  const keys = [...pieces, ...segments.filter((segment) => !plainWord.test(segment))];
  const parts = [...whole, ...keys].flatMap((part) => [part, decoded(part), encodeURIComponent(part)]);
  return [...new Set(parts)].filter(({ length }) => length >= keyCharsMin).sort((a, b) => b.length - a.length);
}

/** A text that was cut may end in half a key. */
function withoutBeginning(text: string, url: URL): string {
  for (const part of partsOf(url)) {
    for (let length = part.length - 1; length >= keyCharsMin; length--) {
      if (text.endsWith(part.slice(0, length))) return `${text.slice(0, -length)}(address)`;
    }
  }
  return text;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray % is as it is
  }
}

/*
 * What does the webhook say: the news of a letter, and all problems of the moment, as JSON (`webhook_schema`). Text
 * from outside is in it as it is, but for halves of surrogate pairs, which many readers of JSON refuse. When it goes and
 * whether it arrived is for `outbox`, how for `webhook`.
 */

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
  letter: Notification,
  { snapshot, heading, nowMs }: { snapshot: Snapshot; heading: Heading; nowMs: number },
  pause: YieldToEventLoop,
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
  pause: YieldToEventLoop,
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
