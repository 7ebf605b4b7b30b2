/** Environments of any kind: they make settings or faults, never a throw, and no word about them holds a secret. */
import { bookSource, feedRequest, mailStyle, monitorOptions, smtpOptions, webhookOptions } from "../../src/app.ts";
import { allSettings, readSettings, serviceUrls, settingsInForce } from "../../src/settings.ts";
import { leastEnvironment, replacedProgramEnvironment } from "../../test/support/environment.ts";
import { type FuzzTarget, hope } from "./fuzz_target.ts";

// What no setting can hold by itself, so that wherever it turns up it came from there.
const mark = "Xq7secretXq7";

export const settings: FuzzTarget = {
  samples: [leastEnvironment, replacedProgramEnvironment, {
    ...leastEnvironment,
    STATUS_EMAIL_HOST: "smtp.example.org:25",
    STATUS_EMAIL_FROM: "Lab <status@example.org>",
    STATUS_EMAIL_TO: '"Ann, Other" <a@a.org>; b@b.org c@c.org',
    STATUS_EMAIL_PASSWORD: mark,
    STATUS_WEBHOOK_URL: `https://hooks.example.org/${mark}?key=${mark}`,
    STATUS_SECRET_WEBHOOK: mark,
    STATUS_HEARTBEAT_URL: `https://beat.example.org/${mark}`,
    STATUS_SECRET_BOOK_FILE: "/run/secrets/book",
    STATUS_EMAIL_CA_FILE: "/etc/ca.pem",
    STATUS_HEALTH_LAST: "1h30m",
    STATUS_LOG_LEVEL: "Warning",
  }].map((environment) => JSON.stringify(environment)),
  grammar: {
    words: [
      ...allSettings.map(([name]) => `STATUS_${name}`),
      ..."https http 10s 1h30m 1.5d -1s 0 99999999999999999999 true f none off 127.0.0.1:80 [::1]:25 a@b.org <a@b> plain /"
        .split(" "),
      `https://x.org/${mark}`,
      `https://u:${mark}@x.org`,
      mark,
    ],
    isJson: true,
  },
  begin: () => ({ run: async (text) => await outcome(text), end: () => Promise.resolve() }),
};

function outcome(text: string): string {
  const environment = environmentOf(text);
  if (environment === null) return "no environment";
  const read = readSettings(environment, fileOf);
  const secrets = allSettings.filter(([, { kind }]) => kind.source === "secret").map(([name]) => `STATUS_${name}`);
  const isMarked = Object.entries(environment).every(([name, value]) =>
    !(name + value).includes(mark) || secrets.includes(name)
  );
  const words = [...read.warnings, ...(read.kind === "faulty" ? read.faults : settingsInForce(read.settings))];
  for (const word of words) {
    hope(word !== "" && !/\p{Cc}/u.test(word), `words are a line: ${JSON.stringify(word)}`);
    hope(!isMarked || !word.includes(mark), `no word holds a secret: ${word}`);
  }
  if (read.kind === "faulty") {
    hope(read.faults.length > 0, "there is a fault where it is faulty");
    return `faulty ${read.faults.map((fault) => fault.replace(/".*?"/gs, "").slice(0, 60)).sort().join()}`.slice(
      0,
      200,
    );
  }
  const { settings } = read;
  for (const [name, { base }] of Object.entries(serviceUrls(settings))) {
    const host = settings[`HOST_${name.toUpperCase()}` as "HOST_BOOK"];
    hope(URL.canParse(base) && !/[?#\s\\]/.test(base) && !base.endsWith("/"), `${base} is an address`);
    const { username, password, host: own } = new URL(base);
    hope(
      own === new URL(`${new URL(base).protocol}//${host}`).host && username + password === "",
      `${base} is of ${host}`,
    );
  }
  for (const feed of ["jump", "relay"] as const) feedRequest(feed, settings);
  const made = [bookSource(settings), smtpOptions(settings), webhookOptions(settings, "1"), mailStyle(settings)];
  hope(isMarked ? !JSON.stringify(made).includes(mark) : true, "a secret does not become text");
  monitorOptions(settings, "1");
  return `ok ${[...settings.given].sort().join()}`.slice(0, 200);
}

/** An environment holds texts of UTF-8, without null characters. */
function environmentOf(text: string): Record<string, string> | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    const texts = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string");
    return Object.fromEntries(
      texts.filter(([name, value]) => !(name + value).includes("\0") && (name + value).isWellFormed()),
    );
  } catch {
    return null; // nothing that could be one
  }
}

function fileOf(path: string): string {
  if (path.length % 3 === 0) throw new Deno.errors.NotFound(`${path} ${mark}`);
  return path.length % 3 === 1 ? mark : "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n";
}
