/**
 * `status check`: does each part work, tried once and all at the same time, and what was found, a line each. Parts are handed
 * in, and the real ones made in `check_parts`. Changes nothing, but for the test mail that is asked for.
 */
import { dirname, join, resolve } from "node:path";
import { bookSource, feedRequest, smtpOptions, webhookOptions, webhookSystem } from "./app.ts";
import { type BookList, createBook } from "./book_client.ts";
import { type Clock, systemClock as clock } from "./clock.ts";
import { type ServiceFailure, thrownText } from "./failure.ts";
import { type Tried, tryFeed } from "./feed.ts";
import { askDirectly, healthUrl } from "./healthcheck.ts";
import { askHeartbeat, heartbeatHost, type PingOutcome } from "./heartbeat.ts";
import { lineStream } from "./log.ts";
import type { MailText } from "./mail_text.ts";
import type { Delivery } from "./notification.ts";
import type { FeedName } from "./report.ts";
import { formatAddress } from "./setting_types.ts";
import { serviceUrls, type Settings, settingsInForce } from "./settings.ts";
import { createPostOffice } from "./smtp.ts";
import { SocketPool, startSocketWorker } from "./socket_pool.ts";
import { lockFile, lockStore, openSqliteStore } from "./sqlite_file.ts";
import { StoreLocked } from "./store.ts";
import { createWebhook, webhookTest } from "./webhook.ts";

/** What was found of a part. Only `failed` fails the check; `warn` is for what a person should look at. */
export interface CheckResult {
  readonly kind: "ok" | "warn" | "failed";
  readonly words: string;
}

/** All that is tried. What rejects has failed, in the words of its error. */
export interface CheckParts {
  book(signal: AbortSignal): Promise<BookList>;
  feed(name: FeedName, signal: AbortSignal): Promise<Tried>;
  /** Null where no mail is sent. */
  readonly mail: {
    verify(signal: AbortSignal): Promise<{ readonly kind: "ok"; readonly encrypted: boolean } | ServiceFailure>;
    /** Sends a test mail. */
    send(signal: AbortSignal): Promise<Delivery>;
  } | null;
  /** Null where none is set. */
  readonly webhook: {
    /** All of its address that may be shown. */
    readonly host: string;
    /** Connects, and says nothing. Never rejects. */
    reach(signal: AbortSignal): Promise<{ readonly kind: "ok"; readonly encrypted: boolean } | ServiceFailure>;
    /** Posts a test message. */
    send(signal: AbortSignal): Promise<Delivery>;
  } | null;
  /** The dead man's switch; null where none is set. `host`: all of its address that may be shown. */
  readonly heartbeat: { readonly host: string; ask(signal: AbortSignal): Promise<PingOutcome> } | null;
  log(): Promise<CheckResult>;
  store(): Promise<CheckResult>;
  port(signal: AbortSignal): Promise<CheckResult>;
  /** The port for profiles; null where there are none. */
  readonly profilePort: ((signal: AbortSignal) => Promise<CheckResult>) | null;
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

async function line(part: string, find: () => Promise<CheckResult>): Promise<CheckResult & { readonly part: string }> {
  const { kind, words } = await find().catch(failure);
  return { part, kind, words: words.replace(/[\s\p{Cc}]+/gu, " ") };
}

function failure(error: unknown): CheckResult {
  return { kind: "failed", words: error instanceof Error ? error.message : String(error) };
}

function bookFinding({ resources, skipped }: BookList, base: string): CheckResult {
  if (resources.length === 0 && skipped === 0) {
    return { kind: "warn", words: `no resources at ${base}: load its manifest` };
  }
  const words = `${resources.length} ${resources.length === 1 ? "resource" : "resources"} at ${base}`;
  return skipped === 0 ? { kind: "ok", words } : { kind: "warn", words: `${words}, and ${skipped} that can't be read` };
}

function relayFinding(tried: Tried, { PROBE_STREAMS }: Settings): CheckResult {
  const finding = feedFinding(tried, "a stream of an experiment", "streams of experiments");
  if (finding.kind !== "ok" || tried.kind === "trouble") return finding;
  const generation = tried.generation === "measured"
    ? "with statistics (relay up to v0.7)"
    : `without statistics (relay from v0.8 on): ${
      PROBE_STREAMS === "off" ? "being connected counts" : "required streams are listened to"
    }`;
  return { ...finding, words: `${finding.words}, ${generation}` };
}

function feedFinding(tried: Tried, one: string, several: string): CheckResult {
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
): Promise<CheckResult> {
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
): Promise<CheckResult> {
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
): Promise<CheckResult> {
  if (!isSending) return { kind: "ok", words: `${host}; --send asks for it` };
  const asked = await ask(signal);
  return asked.kind === "ok" ? { kind: "ok", words: `${host} answers` } : { kind: "failed", words: asked.why };
}

/*
 * `status check` with the real parts, made as `serve` makes them, and what it prints. What is found, and in which words, is
 * for `check`.
 */

/** Reports come every 5 s, or in as many as their operator has set. */
const reportMsMax = 15_000;

const stdout = lineStream(Deno.stdout, () => {});
const stderr = lineStream(Deno.stderr, () => {});

/** Prints what is found to stdout, warnings about the settings to stderr. The exit code: 0, or 1 where a part fails. */
export async function check(
  settings: Settings,
  warnings: readonly string[],
  options: { readonly offline?: boolean; readonly send?: boolean; readonly version: string },
): Promise<number> {
  for (const warning of warnings) stderr.write(`warning: ${warning}`);
  if (options.offline) {
    for (const line of settingsInForce(settings)) stdout.write(line);
    return 0;
  }
  const sockets = new SocketPool(clock, startSocketWorker);
  try {
    const { lines, ok } = await runCheck(settings, realParts(settings, options.version, sockets), {
      send: options.send ?? false,
    });
    for (const line of lines) stdout.write(line);
    return ok ? 0 : 1;
  } finally {
    sockets.close();
  }
}

function realParts(settings: Settings, version: string, sockets: SocketPool): CheckParts {
  const { given, HEARTBEAT_URL: url, LOG_FILE, STORE_FILE, HOST_SERVE: host, PORT_SERVE: port, PROFILE, PORT_PROFILE } =
    settings;
  return {
    book: (signal) => createBook(bookSource(settings), { clock, fetch }).resources(signal),
    feed: (name, signal) => tryFeed(feedRequest(name, settings), { clock, fetch, sockets }, reportMsMax, signal),
    mail: mailPart(settings),
    webhook: webhookPart(settings, version),
    heartbeat: url && { host: heartbeatHost(url), ask: (signal) => askHeartbeat(url, { clock, fetch }, signal) },
    log: () => Promise.resolve(checkLogFile(LOG_FILE, { asked: given.has("LOG_FILE") })),
    store: () => checkStore(STORE_FILE, { asked: given.has("STORE_FILE") }, clock.nowMs()),
    port: (signal) => checkPort({ host, port }, signal),
    profilePort: PROFILE ? (signal) => checkProfilePort(PORT_PROFILE, signal) : null,
    clock,
  };
}

function mailPart(settings: Settings): CheckParts["mail"] {
  const options = smtpOptions(settings);
  if (options === null) return null;
  const office = createPostOffice(options);
  return {
    verify: (signal) => office.verify(signal),
    async send(signal) {
      const mail = { id: crypto.randomUUID(), text: testMail(settings.EMAIL_SUBJECT), dateMs: clock.nowMs() };
      return await office.deliver(await office.build(mail), signal);
    },
  };
}

function webhookPart(settings: Settings, version: string): CheckParts["webhook"] {
  const options = webhookOptions(settings, version);
  if (options === null) return null;
  const { host, reach, deliver } = createWebhook(options, { clock, fetch });
  const heading = { ...webhookSystem(settings), id: crypto.randomUUID() };
  return {
    host,
    reach,
    send: (signal) => deliver(webhookTest(heading, version, clock.nowMs()), signal),
  };
}

function testMail(subject: string): MailText {
  const words = "This is a test mail, asked for by `status check --send`. Alerts will come like this one.";
  return {
    subject: subject === "" ? "Status test mail" : `${subject} test mail`,
    text: `${words}\n`,
    html: `<!doctype html><html lang="en"><title>Test mail</title><p>${words}</p></html>`,
  };
}

/*
 * Could the monitor write its log and its store, and listen on its port? For `status check`, which may run as another user, or
 * beside a monitor: nothing is made that stays, nothing that is there is changed, and what a running status holds is fine.
 */

/** Whether a person asked for it: a default falls back, what was asked for does not. */
export interface Wanted {
  readonly asked: boolean;
}

export function checkLogFile(path: string, { asked }: Wanted): CheckResult {
  if (path === "stdout" || path === "stderr") return { kind: "ok", words: path };
  try {
    return { kind: "ok", words: exists(path) ? `${path} can be written` : `${path} can be made` };
  } catch (error) {
    const words = `Cannot write ${path}: ${thrownText(error)}`;
    return asked ? { kind: "failed", words } : { kind: "warn", words: `${words}, so the log goes to stderr` };
  }

  function exists(file: string): boolean {
    if (isWritable(file)) return true;
    const folder = dirname(resolve(file));
    if (nearestFolder(folder) !== folder) throw new Error(`there is no folder ${folder}`);
    probe(folder);
    return false;
  }
}

/** `nowMs` goes into the lock that is held for a moment. */
export async function checkStore(path: string, { asked }: Wanted, nowMs: number): Promise<CheckResult> {
  if (path === "memory") return { kind: "ok", words: "memory: nothing is kept beyond a run" };
  try {
    probe(nearestFolder(dirname(resolve(path))));
    if (!isWritable(path)) return { kind: "ok", words: `${path} can be made` };
    const file = await Deno.realPath(path);
    if (isWritable(lockFile(file))) lockStore(file, nowMs).release();
    if (!await isDamaged(file, nowMs)) return { kind: "ok", words: `${path} can be written` };
    return { kind: "warn", words: `${path} is damaged: it will be set aside, and a new one begun` };
  } catch (error) {
    const why = thrownText(error).replace(/^Cannot open the store [^:]*: /, ""); // it may be the copy that was opened
    if (error instanceof StoreLocked) return { kind: "ok", words: `${path} is in use by a running status: ${why}` };
    const words = `Cannot use the store ${path}: ${why}`;
    return asked ? { kind: "failed", words } : { kind: "warn", words: `${words}, so nothing is kept beyond a run` };
  }
}

/** `host` as in the settings, without brackets. */
export function checkPort(
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<CheckResult> {
  const place = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return tryPort({ hostname: host === "localhost" ? "127.0.0.1" : host, port, place }, async () => {
    const url = new URL("/api/v1/status", healthUrl({ HOST_SERVE: host, PORT_SERVE: port }));
    const { version, feeds } = await jsonAt(url, signal);
    return feeds === undefined ? null : `a running status ${version} answers at ${place}`;
  });
}

/** The port of STATUS_PROFILE. */
export function checkProfilePort(port: number, signal: AbortSignal): Promise<CheckResult> {
  const place = `127.0.0.1:${port} (for profiles)`;
  return tryPort({ hostname: "127.0.0.1", port, place }, async () => {
    const { uptime_seconds } = await jsonAt(new URL(`http://127.0.0.1:${port}/memory`), signal);
    return uptime_seconds === undefined ? null : `a running status answers at ${place}`;
  });
}

/** `running`: the words for a status of ours that holds the port; null where it is another program that does. */
async function tryPort(
  { hostname, port, place }: { readonly hostname: string; readonly port: number; readonly place: string },
  running: () => Promise<string | null>,
): Promise<CheckResult> {
  try {
    Deno.listen({ hostname, port }).close();
    return { kind: "ok", words: port === 0 ? `any free one at ${place.replace(/:0$/, "")}` : `${place} is free` };
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) {
      return { kind: "failed", words: `Cannot listen on ${place}: ${thrownText(error)}` };
    }
    const words = await running();
    return words === null ? { kind: "failed", words: `${place} is used by another program` } : { kind: "ok", words };
  }
}

/** What answers there; empty where nothing does, or not with an object. */
async function jsonAt(url: URL, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
  try {
    const { text } = await askDirectly(url, AbortSignal.any([signal, AbortSignal.timeout(5_000)]));
    const answer: unknown = JSON.parse(text);
    return typeof answer === "object" && answer !== null ? { ...answer } : {};
  } catch {
    return {}; // it does not answer as we would
  }
}

/** Opens a copy, since opening may migrate a store, or set it aside. Throws where even that can't be opened. */
async function isDamaged(file: string, nowMs: number): Promise<boolean> {
  // Beside it, since there need be no other place that can be written.
  const folder = await Deno.makeTempDir({ dir: dirname(file), prefix: ".status-check-" });
  try {
    const copy = join(folder, "copy.db");
    for (const part of ["", "-wal"]) {
      if (isWritable(file + part)) await Deno.copyFile(file + part, copy + part);
    }
    const { store, damaged } = await openSqliteStore(copy, { nowMs });
    await store.close();
    return damaged !== null;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** False where there is none; throws where there is one that can't be written. */
function isWritable(file: string): boolean {
  try {
    Deno.openSync(file, { append: true }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

function nearestFolder(folder: string): string {
  try {
    if (Deno.statSync(folder).isDirectory) return folder;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof Deno.errors.NotADirectory)) throw error;
    return nearestFolder(dirname(folder));
  }
  throw new Error(`${folder} is no folder`);
}

/** Throws where nothing can be made in `folder`. */
function probe(folder: string): void {
  Deno.removeSync(Deno.makeTempFileSync({ dir: folder, prefix: ".status-check-" }));
}
