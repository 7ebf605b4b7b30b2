/**
 * Which settings there are: one entry each, that documents itself. From this list come the type, the values, the faults,
 * `status check`, the README's table and the nearest name for one that is unknown.
 */
import {
  address,
  addresses,
  certificates,
  duration,
  follows,
  oneOf,
  required,
  secret,
  type Setting,
  setting,
  text,
  unset,
  wholeNumber,
  yesOrNo,
} from "./setting.ts";
import { basePath, host, link, secretUrl, serviceHost } from "./setting_place.ts";

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
  EMAIL_CC: setting("who is told besides", addresses, unset("none", [])),
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
  EMAIL_CA_FILE: setting("certificate authorities to trust besides the usual", certificates, unset("none", null)),
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
  WEBHOOK_URL: setting("where events go as signed JSON, besides the mail", secretUrl, unset("none", null)),
  SECRET_WEBHOOK: setting("what they are signed with", secret, unset("required with STATUS_WEBHOOK_URL", null)),
};

export type SettingName = keyof typeof settingsList;

/** Every setting by its name; durations in milliseconds. */
export type Values = {
  readonly [Name in SettingName]: (typeof settingsList)[Name] extends Setting<infer T> ? T : never;
};

/** The same list for whoever goes through it without regard to types. */
export const allSettings: readonly (readonly [SettingName, Setting<unknown>])[] = Object.entries(settingsList) as [
  SettingName,
  Setting<unknown>,
][];
