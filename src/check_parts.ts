/**
 * `status check` with the real parts, made as `serve` makes them, and what it prints. What is found, and in which words, is
 * for `check`.
 */
import { createBook } from "./book_client.ts";
import { type CheckParts, runCheck } from "./check.ts";
import { checkLogFile, checkPort, checkProfilePort, checkStore } from "./check_place.ts";
import { systemClock as clock } from "./clock.ts";
import { tryFeed } from "./feed.ts";
import { askHeartbeat, heartbeatHost } from "./heartbeat.ts";
import { lineStream } from "./log.ts";
import type { MailText } from "./mail_text.ts";
import { bookSource, feedRequest, smtpOptions, webhookOptions, webhookSystem } from "./parts.ts";
import { type Settings, settingsInForce } from "./settings.ts";
import { createPostOffice } from "./smtp.ts";
import { SocketPool, startSocketWorker } from "./socket_pool.ts";
import { createWebhook, webhookTest } from "./webhook.ts";

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
