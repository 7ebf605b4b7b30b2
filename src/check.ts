/**
 * `status check`: does each part work, tried once and all at the same time, and what was found, a line each. Parts are handed
 * in, and the real ones made in `check_parts`. Changes nothing, but for the test mail that is asked for.
 */
import type { BookList } from "./book_client.ts";
import type { Clock } from "./clock.ts";
import type { Trouble } from "./failure.ts";
import type { Tried } from "./feed.ts";
import type { Asked } from "./heartbeat.ts";
import type { Delivery } from "./notification.ts";
import type { FeedName } from "./report.ts";
import { formatAddress } from "./setting_types.ts";
import { serviceUrls, type Settings } from "./settings.ts";

/** What was found of a part. Only `failed` fails the check; `warn` is for what a person should look at. */
export interface Finding {
  readonly kind: "ok" | "warn" | "failed";
  readonly words: string;
}

/** All that is tried. What rejects has failed, in the words of its error. */
export interface CheckParts {
  book(signal: AbortSignal): Promise<BookList>;
  feed(name: FeedName, signal: AbortSignal): Promise<Tried>;
  /** Null where no mail is sent. */
  readonly mail: {
    verify(signal: AbortSignal): Promise<{ readonly kind: "ok"; readonly encrypted: boolean } | Trouble>;
    /** Sends a test mail. */
    send(signal: AbortSignal): Promise<Delivery>;
  } | null;
  /** Null where none is set. */
  readonly webhook: {
    /** All of its address that may be shown. */
    readonly host: string;
    /** Connects, and says nothing. Never rejects. */
    reach(signal: AbortSignal): Promise<{ readonly kind: "ok"; readonly encrypted: boolean } | Trouble>;
    /** Posts a test message. */
    send(signal: AbortSignal): Promise<Delivery>;
  } | null;
  /** The dead man's switch; null where none is set. `host`: all of its address that may be shown. */
  readonly heartbeat: { readonly host: string; ask(signal: AbortSignal): Promise<Asked> } | null;
  log(): Promise<Finding>;
  store(): Promise<Finding>;
  port(signal: AbortSignal): Promise<Finding>;
  /** The port for profiles; null where there are none. */
  readonly profilePort: ((signal: AbortSignal) => Promise<Finding>) | null;
  readonly clock: Clock;
}

/** Longer than any part waits for its other side on purpose. */
const checkMsMax = 60_000;

export async function runCheck(
  settings: Settings,
  parts: CheckParts,
  options: { readonly send: boolean },
): Promise<{ readonly lines: readonly string[]; readonly ok: boolean }> {
  const done = new AbortController();
  const limit = new AbortController();
  parts.clock.wait(checkMsMax, done.signal).then(
    () => limit.abort(new Error(`not done within ${checkMsMax / 1000} s`)),
    () => {}, // called off, since all is done
  );
  const { signal } = limit;
  const { mail, webhook, heartbeat, profilePort } = parts;
  const { send } = options;
  const findings = await Promise.all([
    line("book", async () => bookFinding(await parts.book(signal), serviceUrls(settings).book.base)),
    line(
      "jump",
      async () => feedFinding(await parts.feed("jump", signal), "a host of an experiment", "hosts of experiments"),
    ),
    line("relay", async () => relayFinding(await parts.feed("relay", signal), settings)),
    line(
      "mail",
      () => mailFinding(settings, mail, send && (mail !== null || (webhook === null && heartbeat === null)), signal),
    ),
    ...(webhook ? [line("webhook", () => webhookFinding(webhook, send, signal))] : []),
    ...(heartbeat ? [line("heartbeat", () => heartbeatFinding(heartbeat, send, signal))] : []),
    line("log", () => parts.log()),
    line("store", () => parts.store()),
    line("port", () => parts.port(signal)),
    ...(profilePort ? [line("port", () => profilePort(signal))] : []),
  ]);
  done.abort();
  const width = Math.max(...findings.map(({ part }) => part.length));
  return {
    lines: findings.map(({ part, kind, words }) => `${marks[kind].padEnd(4)}  ${part.padEnd(width)}  ${words}`),
    ok: findings.every(({ kind }) => kind !== "failed"),
  };
}

const marks = { ok: "ok", warn: "warn", failed: "FAIL" } as const;

async function line(part: string, find: () => Promise<Finding>): Promise<Finding & { readonly part: string }> {
  const { kind, words } = await find().catch(failure);
  return { part, kind, words: words.replace(/[\s\p{Cc}]+/gu, " ") };
}

function failure(error: unknown): Finding {
  return { kind: "failed", words: error instanceof Error ? error.message : String(error) };
}

function bookFinding({ resources, skipped }: BookList, base: string): Finding {
  if (resources.length === 0 && skipped === 0) {
    return { kind: "warn", words: `no resources at ${base}: load its manifest` };
  }
  const words = `${resources.length} ${resources.length === 1 ? "resource" : "resources"} at ${base}`;
  return skipped === 0 ? { kind: "ok", words } : { kind: "warn", words: `${words}, and ${skipped} that can't be read` };
}

function relayFinding(tried: Tried, { PROBE_STREAMS }: Settings): Finding {
  const finding = feedFinding(tried, "a stream of an experiment", "streams of experiments");
  if (finding.kind !== "ok" || tried.kind === "trouble") return finding;
  const generation = tried.generation === "measured"
    ? "with statistics (relay up to v0.7)"
    : `without statistics (relay from v0.8 on): ${
      PROBE_STREAMS === "off" ? "being connected counts" : "required streams are listened to"
    }`;
  return { ...finding, words: `${finding.words}, ${generation}` };
}

function feedFinding(tried: Tried, one: string, several: string): Finding {
  if (tried.kind === "trouble") {
    return { kind: "failed", words: `${tried.accepted ? "token accepted, but " : ""}${tried.trouble.message}` };
  }
  const { entries, connections } = tried;
  const words = `token accepted; a report with ${entries} ${entries === 1 ? "entry" : "entries"}`;
  if (connections === 0) return { kind: "warn", words: `${words}, none of them ${one}` };
  return {
    kind: "ok",
    words: `${words}, ${connections === 1 ? `one of them ${one}` : `${connections} of them ${several}`}`,
  };
}

async function mailFinding(
  settings: Settings,
  mail: CheckParts["mail"],
  isSending: boolean,
  signal: AbortSignal,
): Promise<Finding> {
  if (mail === null) {
    const words = "off: STATUS_EMAIL_HOST is not set, so alerts are only logged";
    return { kind: isSending ? "failed" : "ok", words };
  }
  const verified = await mail.verify(signal);
  if (verified.kind !== "ok") return { kind: "failed", words: verified.message };
  const { EMAIL_HOST, EMAIL_PORT, EMAIL_AUTH_TYPE, EMAIL_USER, EMAIL_TO } = settings;
  const login = EMAIL_AUTH_TYPE === "none" ? "without a login" : `login as ${EMAIL_USER}`;
  const words = `${EMAIL_HOST}:${EMAIL_PORT} answers, ${verified.encrypted ? "" : "not "}encrypted, ${login}`;
  if (!isSending) return { kind: "ok", words: `${words}; --send sends a test mail` };
  const delivery = await mail.send(signal);
  if (delivery.kind !== "taken") return { kind: "failed", words: delivery.why };
  if (delivery.rejected.length > 0) {
    return { kind: "failed", words: `test mail not taken for ${delivery.rejected.join(", ")}` };
  }
  return {
    kind: "ok",
    words: `${words}; test mail to ${EMAIL_TO.map(formatAddress).join(", ")}: "${delivery.answer}"`,
  };
}

async function webhookFinding(
  webhook: NonNullable<CheckParts["webhook"]>,
  isSending: boolean,
  signal: AbortSignal,
): Promise<Finding> {
  if (isSending) {
    const delivery = await webhook.send(signal);
    if (delivery.kind !== "taken") return { kind: "failed", words: delivery.why };
    return { kind: "ok", words: `test message to ${webhook.host}: it answered ${delivery.answer}` };
  }
  const reached = await webhook.reach(signal);
  if (reached.kind !== "ok") return { kind: "failed", words: reached.message };
  const words = `${webhook.host} lets itself be connected to, ${reached.encrypted ? "" : "not "}encrypted`;
  return { kind: "ok", words: `${words}; --send posts a test message` };
}

async function heartbeatFinding(
  { host, ask }: NonNullable<CheckParts["heartbeat"]>,
  isSending: boolean,
  signal: AbortSignal,
): Promise<Finding> {
  if (!isSending) return { kind: "ok", words: `${host}; --send asks for it` };
  const asked = await ask(signal);
  return asked.kind === "ok" ? { kind: "ok", words: `${host} answers` } : { kind: "failed", words: asked.why };
}
