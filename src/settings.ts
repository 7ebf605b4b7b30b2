/**
 * What the environment asks for: all settings read at once, with every fault and warning in words for the person who wrote
 * it, and what follows from several of them together. Each setting documents itself in `settings_list`; how they are shown
 * is for `settings_shown`. No text made here repeats a secret, nor a value that may hold one.
 */
import { sanitize } from "./failure.ts";
import {
  address,
  addresses,
  basePath,
  certificates,
  duration,
  follows,
  host,
  isLoopback,
  link,
  notAllowed,
  oneOf,
  type Otherwise,
  required,
  secret,
  secretUrl,
  serviceHost,
  type Setting,
  setting,
  text,
  unset,
  wholeNumber,
  yesOrNo,
} from "./setting_types.ts";

/** Every setting by its variable's name without `STATUS_`; durations in milliseconds. */
export type Settings = Values & {
  /** Those that were asked for. What is not among them has its default, which may fall back where it can't be had. */
  readonly given: ReadonlySet<SettingName>;
};

export type SettingsRead =
  | { readonly kind: "ok"; readonly settings: Settings; readonly warnings: readonly string[] }
  | { readonly kind: "faulty"; readonly faults: readonly string[]; readonly warnings: readonly string[] };

type Environment = Readonly<Record<string, string | undefined>>;
type ReadFile = (path: string) => string;

/**
 * Reads `STATUS_*` of `env`; its other variables don't matter. `readFile` gives a file's text or throws, and is asked for
 * secrets and certificates only. Never throws.
 */
export function readSettings(env: Environment, readFile: ReadFile): SettingsRead {
  const raw: Record<string, unknown> = {};
  const given = new Set<SettingName>();
  const faults: string[] = [];
  const warnings = unknownNames(env);
  for (const [name, setting] of allSettings) {
    const found = find(name, setting, { env, readFile });
    const read = found.kind === "found" ? parse(name, setting, found) : found;
    if (read.kind !== "unset") given.add(name);
    if (read.kind === "fault") faults.push(read.fault);
    else if (read.kind === "value") {
      raw[name] = read.value;
      if (read.warning !== null) warnings.push(`STATUS_${name} ${read.warning}`);
    } else if (setting.otherwise.kind === "required") {
      faults.push(`STATUS_${name} is not set, and must be ${setting.kind.allowed}`);
    } else raw[name] = unsetValue(setting, raw);
  }
  const values = raw as Values; // all names of the list are in it, but for faulty ones, and then it goes no further
  faults.push(...mailFaults(values, given), ...portFaults(values), ...webhookFaults(given));
  if (faults.length > 0) return { kind: "faulty", faults, warnings };
  const settings = { ...values, ...mailLogin(values, given), given };
  return { kind: "ok", settings, warnings: [...warnings, ...webhookWarnings(settings), ...mailWarnings(settings)] };
}

export interface ServiceUrls {
  /** `base` is also the audience of the service's tokens, to the character. */
  readonly book: { readonly base: string; readonly api: string };
  readonly jump: { readonly base: string; readonly access: string };
  readonly relay: { readonly base: string; readonly access: string };
}

export function serviceUrls(settings: Values): ServiceUrls {
  const book = `${settings.SCHEME_BOOK}://${settings.HOST_BOOK}${settings.BASEPATH_BOOK}`;
  const jump = `${settings.SCHEME_JUMP}://${settings.HOST_JUMP}${settings.BASEPATH_JUMP}`;
  const relay = `${settings.SCHEME_RELAY}://${settings.HOST_RELAY}${settings.BASEPATH_RELAY}`;
  return {
    book: { base: book, api: `${book}/api/v1` },
    jump: { base: jump, access: `${jump}/api/v1/connect/stats` },
    relay: { base: relay, access: `${relay}/session/stats` },
  };
}

/** `text`, and whether it is that of the file which the variable (for a secret, NAME_FILE) names. */
type Found = { readonly kind: "found"; readonly text: string; readonly isFile: boolean };
type Fault = { readonly kind: "fault"; readonly fault: string };

function find(
  name: SettingName,
  { kind: { source } }: Setting<unknown>,
  { env, readFile }: { env: Environment; readFile: ReadFile },
): Found | Fault | { kind: "unset" } {
  const own = env[`STATUS_${name}`] ?? "";
  const text = source === "text" ? own.trim() : source === "secret" ? own : "";
  const path = (source === "secret" ? env[`STATUS_${name}_FILE`] ?? "" : source === "file" ? own : "").trim();
  if (text !== "" && path !== "") {
    return fault(`STATUS_${name} and STATUS_${name}_FILE are both set, and only one may be`);
  }
  if (text !== "") return { kind: "found", text, isFile: false };
  if (path === "") return { kind: "unset" };
  try {
    return { kind: "found", text: readFile(path).replace(/[\r\n]+$/, ""), isFile: true };
  } catch (error) {
    // The path is not repeated, nor the error's message, which has it: some will write the secret itself into NAME_FILE.
    return fault(`${fileVariable(name, source)} must name a file that can be read: ${whyUnreadable(error)}`);
  }
}

function parse(
  name: SettingName,
  { kind }: Setting<unknown>,
  { text, isFile }: Found,
): Fault | { kind: "value"; value: unknown; warning: string | null } {
  const { data, error } = kind.schema.safeParse(text);
  if (error === undefined) return { kind: "value", value: data, warning: kind.warning(data, text) };
  // Only the words of our own kinds are for people; zod's are for programmers.
  const [issue] = error.issues;
  const help = issue?.code === "custom" && issue.message !== notAllowed ? `: ${sanitize(issue.message)}` : "";
  if (isFile) return fault(`${fileVariable(name, kind.source)} must name a file that holds ${kind.allowed}${help}`);
  if (kind.isDiscreet(text)) return fault(`STATUS_${name} must be ${kind.allowed}${help}; what it holds is not shown`);
  return fault(`STATUS_${name} is ${JSON.stringify(sanitize(text))}, and must be ${kind.allowed}${help}`);
}

function unsetValue({ kind, otherwise }: Setting<unknown>, earlier: Readonly<Record<string, unknown>>): unknown {
  switch (otherwise.kind) {
    case "text":
      return kind.schema.safeParse(otherwise.text).data;
    case "value":
      return otherwise.value;
    case "follows":
      return earlier[otherwise.name];
    case "required":
      return undefined;
  }
}

function fault(words: string): Fault {
  return { kind: "fault", fault: words };
}

function fileVariable(name: SettingName, source: "text" | "secret" | "file"): string {
  return source === "secret" ? `STATUS_${name}_FILE` : `STATUS_${name}`;
}

function whyUnreadable(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotFound") return "there is no such file";
  if (name === "PermissionDenied") return "permission denied";
  if (name === "IsADirectory") return "it is a folder";
  return name === "" ? "it can't be" : name;
}

type Given = ReadonlySet<SettingName>;

function mailFaults(values: Values, given: Given): string[] {
  if (!given.has("EMAIL_HOST")) return [];
  const faults = (["EMAIL_FROM", "EMAIL_TO"] as const)
    .filter((name) => !given.has(name))
    .map((name) => `STATUS_${name} is not set, and must be with STATUS_EMAIL_HOST: ${settingsList[name].kind.allowed}`);
  if (given.has("EMAIL_PASSWORD") || (given.has("EMAIL_AUTH_TYPE") && values.EMAIL_AUTH_TYPE === "none")) return faults;
  if (given.has("EMAIL_AUTH_TYPE") && values.EMAIL_AUTH_TYPE !== undefined) {
    faults.push(
      `STATUS_EMAIL_AUTH_TYPE is "${values.EMAIL_AUTH_TYPE}", and must be none without STATUS_EMAIL_PASSWORD`,
    );
  }
  return faults;
}

function portFaults({ PROFILE, PORT_PROFILE, PORT_SERVE }: Values): string[] {
  if (!PROFILE || PORT_PROFILE !== PORT_SERVE) return [];
  return [`STATUS_PORT_PROFILE is "${PORT_PROFILE}", and must be another than STATUS_PORT_SERVE with STATUS_PROFILE`];
}

function webhookFaults(given: Given): string[] {
  if (!given.has("WEBHOOK_URL") || given.has("SECRET_WEBHOOK")) return [];
  const { allowed } = settingsList.SECRET_WEBHOOK.kind;
  return [`STATUS_SECRET_WEBHOOK is not set, and must be with STATUS_WEBHOOK_URL: ${allowed}`];
}

function webhookWarnings({ given }: Settings): string[] {
  if (given.has("WEBHOOK_URL") || !given.has("SECRET_WEBHOOK")) return [];
  return ["STATUS_SECRET_WEBHOOK is set without STATUS_WEBHOOK_URL, so nothing is signed with it"];
}

/** How to log in where that was not given: plain with a password, by the sender's address. */
function mailLogin(values: Values, given: Given): Pick<Values, "EMAIL_AUTH_TYPE" | "EMAIL_USER"> {
  const type = values.EMAIL_PASSWORD === null ? "none" : "plain";
  return {
    EMAIL_AUTH_TYPE: given.has("EMAIL_AUTH_TYPE") ? values.EMAIL_AUTH_TYPE : type,
    EMAIL_USER: values.EMAIL_USER ?? values.EMAIL_FROM?.address ?? null,
  };
}

function mailWarnings({ EMAIL_HOST, EMAIL_PASSWORD, EMAIL_TLS, given }: Settings): string[] {
  if (EMAIL_HOST === null) return ["STATUS_EMAIL_HOST is not set, so no mail is sent: alerts are logged"];
  if (EMAIL_PASSWORD === null) {
    if (!given.has("EMAIL_USER") || given.has("EMAIL_AUTH_TYPE")) return []; // which is none then
    return ["STATUS_EMAIL_USER is set without STATUS_EMAIL_PASSWORD, so there is no login"];
  }
  if (EMAIL_TLS !== "none" || isLoopback(EMAIL_HOST)) return [];
  return ["STATUS_EMAIL_TLS is none, so STATUS_EMAIL_PASSWORD goes over the network unencrypted"];
}

/*
 * Which settings there are: one entry each, that documents itself. From this list come the type, the values, the faults,
 * `status check`, the README's table and the nearest name for one that is unknown.
 */

const positive = duration({ min: "above 0s" });
const scheme = oneOf("http", "https");
const port = wholeNumber({ min: 1, max: 65_535 });
const inARow = wholeNumber({ min: 1, max: 1_000 });

/** By the variable's name without `STATUS_`, in the order of the README. What follows another comes after it. */
export const settingsList = {
  SCHEME_BOOK: setting("how book is reached", scheme, "https"),
  SCHEME_JUMP: setting("how jump is reached", scheme, "https"),
  SCHEME_RELAY: setting("how relay is reached", scheme, "https"),
  HOST_BOOK: setting("where book is", serviceHost("BOOK"), required),
  HOST_JUMP: setting("where jump is", serviceHost("JUMP"), required),
  HOST_RELAY: setting("where relay is", serviceHost("RELAY"), required),
  BASEPATH_BOOK: setting("book's path at its host, without /api/v1", basePath, "/"),
  BASEPATH_JUMP: setting("jump's path at its host, without /api/v1", basePath, "/"),
  BASEPATH_RELAY: setting("relay's path at its host", basePath, "/"),
  SECRET_BOOK: setting("what book's tokens are signed with", secret, required),
  SECRET_JUMP: setting("what jump's tokens are signed with", secret, required),
  SECRET_RELAY: setting("what relay's tokens are signed with", secret, required),
  TIMEOUT_BOOK: setting("how long each request to book may take", positive, "5s"),
  QUERY_BOOK_EVERY: setting("how often the manifest is read from book", positive, "15m"),
  RECONNECT_JUMP_EVERY: setting(
    "lifetime of a token for jump; the next connection is up before the old one goes",
    duration({ min: "1s" }), // a token's times are whole seconds
    "1d",
  ),
  RECONNECT_RELAY_EVERY: setting("the same for relay", duration({ min: "1s" }), "1d"),
  HEALTH_LAST: setting("sets the two below where they are not given", positive, "10s"),
  HEALTH_LAST_ACTIVE: setting(
    "how long ago a working stream has transmitted at most",
    positive,
    follows("HEALTH_LAST"),
  ),
  HEALTH_LAST_CHECKED: setting("how old the newest report of it may be", positive, follows("HEALTH_LAST")),
  HEALTH_STARTUP: setting("how long an experiment is known before it is judged", duration({ min: "0s" }), "1m"),
  HEALTH_EVENTS: setting(
    "events kept per experiment in memory and in the API",
    wholeNumber({ min: 1, max: 10_000 }), // 20,000 experiments with more would not fit into memory
    "100",
  ),
  HEALTH_LOG_EVERY: setting("how often the whole state goes to the log, whatever the level", positive, "1h"),
  HEALTH_FAILURES: setting("consecutive reports that must say bad before ok turns bad", inARow, "1"),
  HEALTH_SUCCESSES: setting("consecutive reports that must say good before bad turns ok", inARow, "1"),
  HEALTH_FEED_LOSS: setting(
    "what becomes of what a lost feed told: left as it was, or not ok",
    oneOf("hold", "unavailable"),
    "hold",
  ),
  HEALTH_FORGET: setting("how long after it was last named an experiment is forgotten", positive, "1d"),
  BOOK_HOLDS: setting(
    "whether a resource that a person took off stays off",
    oneOf("respect", "override"),
    "respect",
  ),
  BOOK_WRITES: setting("whether anything is written to book; off says only what would be", oneOf("on", "off"), "on"),
  EMAIL_HOST: setting(
    "the mail server; without one alerts are logged",
    host("EMAIL_PORT"),
    unset("none: no mail", null),
  ),
  EMAIL_PORT: setting("its port", port, "587"),
  EMAIL_FROM: setting("who sends", address, unset("required with STATUS_EMAIL_HOST", null)),
  EMAIL_TO: setting("who is told", addresses, unset("required with STATUS_EMAIL_HOST", [])),
  EMAIL_CC: setting("further recipients", addresses, unset("none", [])),
  EMAIL_SUBJECT: setting("what subjects begin with", text("text on one line"), unset("empty", "")),
  EMAIL_LINK: setting("where the mail points, https:// if it says no scheme", link, unset("empty: no such line", "")),
  EMAIL_AUTH_TYPE: setting(
    "how to log in",
    oneOf("plain", "login", "cram-md5", "none"),
    unset("plain with a password, else none", "none"),
  ),
  EMAIL_USER: setting(
    "the name to log in with",
    text("text on one line"),
    unset("the address of STATUS_EMAIL_FROM", null),
  ),
  EMAIL_PASSWORD: setting("the password to log in with", secret, unset("none", null)),
  EMAIL_TLS: setting(
    "auto is implicit on port 465, else STARTTLS where offered, required with a password unless the host is loopback",
    oneOf("auto", "implicit", "starttls", "none"),
    "auto",
  ),
  EMAIL_CA_FILE: setting("certificate authorities to trust as well as the usual", certificates, unset("none", null)),
  EMAIL_REMIND_EVERY: setting(
    "how often all current problems are mailed while there are any; 0s for never",
    duration({ min: "0s" }),
    "0s",
  ),
  EMAIL_EVERY: setting(
    "least time between two mails; what happens meanwhile joins the next",
    duration({ min: "0s" }),
    "0s",
  ),
  HOST_SERVE: setting("the address that API and page listen on", host("PORT_SERVE"), "localhost"),
  PORT_SERVE: setting("the port that they listen on, 0 for any free one", wholeNumber({ min: 0, max: 65_535 }), "3007"),
  API_ADDRESSES: setting("whether the API shows clients' network addresses", yesOrNo, "false"),
  STORE_FILE: setting("the database, or memory for none", text("a path, or memory"), "/var/lib/status/status.db"),
  STORE_KEEP: setting("how long history is kept", positive, "90d"),
  LOG_FILE: setting(
    "the log; reopened on SIGHUP",
    text("a path, stdout or stderr"),
    "/var/log/status/status.log",
  ),
  LOG_FORMAT: setting("how a line of the log looks", oneOf("json", "text"), "json"),
  LOG_LEVEL: setting(
    "the least level that is logged",
    oneOf("trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"),
    "warn",
  ),
  PROFILE: setting("whether a CPU profile can be asked for, on localhost", yesOrNo, "false"),
  PORT_PROFILE: setting("the port for that", port, "6061"),
  PROBE_STREAMS: setting(
    "whether required streams are listened to in turn; auto does so where relay sends no statistics",
    oneOf("auto", "always", "off"),
    "auto",
  ),
  HEARTBEAT_URL: setting(
    "a dead man's switch: an address that is asked for while both feeds and the monitor are alive",
    secretUrl,
    unset("none", null),
  ),
  HEARTBEAT_EVERY: setting("how often it is", positive, "1m"),
  WEBHOOK_URL: setting("where events go as signed JSON, as well as to the mail", secretUrl, unset("none", null)),
  SECRET_WEBHOOK: setting("what they are signed with", secret, unset("required with STATUS_WEBHOOK_URL", null)),
};

export type SettingName = keyof typeof settingsList;

/** Every setting by its name; durations in milliseconds. */
export type Values = {
  readonly [Name in SettingName]: (typeof settingsList)[Name] extends Setting<infer T> ? T : never;
};

/** The same list, without its types. */
export const allSettings: readonly (readonly [SettingName, Setting<unknown>])[] = Object.entries(settingsList) as [
  SettingName,
  Setting<unknown>,
][];

/*
 * The settings as people are shown them: the README's table, those in force (`status check --offline`), and the nearest
 * name for a variable that is none. Made from the list of them alone. Shows no secret.
 */

/** The table of the README: Markdown, a row for each variable. */
export function settingsTable(): string {
  const cell = (text: string) => text.replace(/[|<>\\]/g, "\\$&");
  const rows = allSettings.map(([name, { meaning, kind, otherwise }]) => {
    const allowed = kind.source === "file" ? `a file that holds ${kind.allowed}` : kind.allowed;
    return `| \`STATUS_${name}\` | ${cell(defaultWords(otherwise))} | ${cell(allowed)} | ${cell(meaning)} |`;
  });
  return ["| variable | default | what it may be | what it is |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

/** A line each, with secrets as `(secret)`. */
export function settingsInForce(settings: Values & { readonly given: ReadonlySet<SettingName> }): string[] {
  return allSettings.map(([name, { kind, otherwise }]) => {
    if (settings.given.has(name)) return `STATUS_${name}: ${kind.show(settings[name])}`;
    const isUnset = otherwise.kind === "value" && otherwise.value === settings[name];
    return `STATUS_${name}: ${isUnset ? otherwise.words : kind.show(settings[name])} (default)`;
  });
}

/** A warning for each `STATUS_*` variable of `env` that is none of ours. Says its name only: it may hold a secret. */
export function unknownNames(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = allSettings.flatMap(([name, { kind }]) => {
    return kind.source === "secret" ? [`STATUS_${name}`, `STATUS_${name}_FILE`] : [`STATUS_${name}`];
  });
  return Object.keys(env)
    .filter((name) => name.startsWith("STATUS_") && !known.includes(name))
    .sort()
    .map((name) => `${sanitize(name)} is not a setting: is ${nearest(name, known)} meant?`);
}

function defaultWords(otherwise: Otherwise<unknown>): string {
  switch (otherwise.kind) {
    case "required":
      return "required";
    case "text":
      return `\`${otherwise.text}\``;
    case "value":
      return otherwise.words;
    case "follows":
      return `as \`STATUS_${otherwise.name}\``;
  }
}

function nearest(name: string, known: readonly string[]): string | undefined {
  // The host's environment sets the length of a name: beyond this it is no slip of the pen, and costs time.
  const typed = name.slice(0, 100);
  const distances = known.map((each) => distance(typed, each));
  return known[distances.indexOf(Math.min(...distances))];
}

/** How many letters to add, drop or change to make `b` of `a` (Levenshtein), by rows of the usual table. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [done, letter] of [...a].entries()) {
    const next = [done + 1];
    for (const [at, other] of [...b].entries()) {
      const changed = (row[at] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(changed, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
