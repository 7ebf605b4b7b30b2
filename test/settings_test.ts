import fc from "fast-check";
import assert from "node:assert/strict";
import { Secret } from "../src/setting_types.ts";
import { allSettings, readSettings, serviceUrls, type Settings, settingsInForce } from "../src/settings.ts";
import { authorityPem } from "./support/authority.ts";
import {
  type Environment,
  leastEnvironment,
  mailEnvironment,
  replacedProgramEnvironment,
} from "./support/environment.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** What was set, by the way: the least there must be, with `changes`, and files by path. */
function read(changes: Environment = {}, files: Record<string, string> = {}) {
  return readSettings({ ...leastEnvironment, ...changes }, (path) => {
    const text = files[path];
    if (text === undefined) {
      throw new Deno.errors.NotFound(`No such file or directory (os error 2): readfile '${path}'`);
    }
    return text;
  });
}

function settingsOf(changes: Environment = {}, files: Record<string, string> = {}): Settings {
  const result = read(changes, files);
  assert.equal(result.kind, "ok", JSON.stringify(result));
  return result.kind === "ok" ? result.settings : assert.fail();
}

function faultsOf(changes: Environment, files: Record<string, string> = {}): readonly string[] {
  const result = read(changes, files);
  return result.kind === "faulty" ? result.faults : [];
}

Deno.test("the environment of the program that this one replaces reads without a fault or a warning", () => {
  const result = readSettings(replacedProgramEnvironment, () => assert.fail("no file is asked for"));

  assert.equal(result.kind, "ok");
  assert.deepEqual(result.warnings, []);
});

Deno.test("what is not set has the default of the table", () => {
  const { given, SECRET_BOOK, SECRET_JUMP, SECRET_RELAY, ...plain } = settingsOf();

  assert.deepEqual([SECRET_BOOK.reveal(), SECRET_JUMP.reveal(), SECRET_RELAY.reveal()], [
    "book-secret",
    "jump-secret",
    "relay-secret",
  ]);
  assert.deepEqual([...given].sort(), [
    "HOST_BOOK",
    "HOST_JUMP",
    "HOST_RELAY",
    "SECRET_BOOK",
    "SECRET_JUMP",
    "SECRET_RELAY",
  ]);
  assert.deepEqual(plain, {
    SCHEME_BOOK: "https",
    SCHEME_JUMP: "https",
    SCHEME_RELAY: "https",
    HOST_BOOK: "book.example.org",
    HOST_JUMP: "jump.example.org",
    HOST_RELAY: "relay.example.org",
    BASEPATH_BOOK: "",
    BASEPATH_JUMP: "",
    BASEPATH_RELAY: "",
    TIMEOUT_BOOK: 5 * second,
    QUERY_BOOK_EVERY: 15 * minute,
    RECONNECT_JUMP_EVERY: day,
    RECONNECT_RELAY_EVERY: day,
    HEALTH_LAST: 10 * second,
    HEALTH_LAST_ACTIVE: 10 * second,
    HEALTH_LAST_CHECKED: 10 * second,
    HEALTH_STARTUP: minute,
    HEALTH_EVENTS: 100,
    HEALTH_LOG_EVERY: hour,
    HEALTH_FAILURES: 1,
    HEALTH_SUCCESSES: 1,
    HEALTH_FEED_LOSS: "hold",
    HEALTH_FORGET: day,
    BOOK_HOLDS: "respect",
    BOOK_WRITES: "on",
    EMAIL_HOST: null,
    EMAIL_PORT: 587,
    EMAIL_FROM: null,
    EMAIL_TO: [],
    EMAIL_CC: [],
    EMAIL_SUBJECT: "",
    EMAIL_LINK: "",
    EMAIL_AUTH_TYPE: "none",
    EMAIL_USER: null,
    EMAIL_PASSWORD: null,
    EMAIL_TLS: "auto",
    EMAIL_CA_FILE: null,
    EMAIL_REMIND_EVERY: 0,
    EMAIL_EVERY: 0,
    HOST_SERVE: "localhost",
    PORT_SERVE: 3007,
    API_ADDRESSES: false,
    STORE_FILE: "/var/lib/status/status.db",
    STORE_KEEP: 90 * day,
    LOG_FILE: "/var/log/status/status.log",
    LOG_FORMAT: "json",
    LOG_LEVEL: "warn",
    PROFILE: false,
    PORT_PROFILE: 6061,
    PROBE_STREAMS: "auto",
    HEARTBEAT_URL: null,
    HEARTBEAT_EVERY: minute,
    WEBHOOK_URL: null,
    SECRET_WEBHOOK: null,
  });
});

const ann = { name: "", address: "ann@a.org" };
const lab = { name: "Lab, The", address: "lab@x.org" };

/** A variable, what it holds, and what the setting then is. */
const understood: Record<string, [string, string, unknown]> = {
  "a duration": ["STATUS_QUERY_BOOK_EVERY", "1h30m", 90 * minute],
  "a duration in words of days": ["STATUS_RECONNECT_JUMP_EVERY", "2w", 14 * day],
  "spaces around a value": ["STATUS_TIMEOUT_BOOK", " 30s ", 30 * second],
  "no start-up": ["STATUS_HEALTH_STARTUP", "0s", 0],
  "yes": ["STATUS_API_ADDRESSES", "T", true],
  "yes by number": ["STATUS_API_ADDRESSES", "1", true],
  "no": ["STATUS_API_ADDRESSES", "False", false],
  "a choice in capitals": ["STATUS_SCHEME_BOOK", "HTTP", "http"],
  "a level of the replaced program": ["STATUS_LOG_LEVEL", "PANIC", "panic"],
  "a host with a port": ["STATUS_HOST_BOOK", "book.example.org:8080", "book.example.org:8080"],
  "a host of a container": ["STATUS_HOST_BOOK", "my_book", "my_book"],
  "an IPv4 address": ["STATUS_HOST_BOOK", "127.0.0.1:1", "127.0.0.1:1"],
  "an IPv6 address": ["STATUS_HOST_BOOK", "[::1]", "[::1]"],
  "an IPv6 address with a port": ["STATUS_HOST_BOOK", "[2001:db8::1]:65535", "[2001:db8::1]:65535"],
  "a base path": ["STATUS_BASEPATH_BOOK", "/tenant/book", "/tenant/book"],
  "a base path without slash": ["STATUS_BASEPATH_BOOK", "tenant/book", "/tenant/book"],
  "a base path with slashes too many": ["STATUS_BASEPATH_BOOK", "//tenant///book/", "/tenant/book"],
  "the root": ["STATUS_BASEPATH_BOOK", "/", ""],
  "an address": ["STATUS_EMAIL_CC", "ann@a.org", [ann]],
  "addresses with and without names": ["STATUS_EMAIL_CC", '"Lab, The" <lab@x.org>; ann@a.org', [lab, ann]],
  "a link without a scheme": ["STATUS_EMAIL_LINK", "app.example.org/t/status", "https://app.example.org/t/status"],
  "a link without a scheme, with a port": ["STATUS_EMAIL_LINK", "localhost:3007", "https://localhost:3007"],
  "a link with one": ["STATUS_EMAIL_LINK", "http://10.0.0.1/x?y=z", "http://10.0.0.1/x?y=z"],
  "any free port": ["STATUS_PORT_SERVE", "0", 0],
  "all interfaces": ["STATUS_HOST_SERVE", "::", "::"],
  "all interfaces, in brackets": ["STATUS_HOST_SERVE", "[::]", "::"],
  "a log on stdout": ["STATUS_LOG_FILE", "stdout", "stdout"],
  "no store": ["STATUS_STORE_FILE", "memory", "memory"],
};
for (const [name, [variable, text, want]] of Object.entries(understood)) {
  Deno.test(`${variable} understands ${name}`, () => {
    const values: Record<string, unknown> = settingsOf({ [variable]: text });
    assert.deepEqual(values[variable.replace("STATUS_", "")], want);
  });
}

const durationHelp = "write it as 500ms, 10s, 1h30m or 1d, ten years at most";
const addressesWords = "addresses, separated by commas, semicolons or spaces";

/** A variable, what it holds, and the fault. */
const refused: Record<string, [string, string, string]> = {
  "words for a duration": [
    "STATUS_QUERY_BOOK_EVERY",
    "15 minutes",
    `is "15 minutes", and must be a duration above 0s: ${durationHelp}`,
  ],
  "a duration without unit": ["STATUS_HEALTH_LAST", "10", `is "10", and must be a duration above 0s: ${durationHelp}`],
  "no timeout": ["STATUS_TIMEOUT_BOOK", "0s", 'is "0s", and must be a duration above 0s'],
  "a negative duration": [
    "STATUS_HEALTH_STARTUP",
    "-1s",
    `is "-1s", and must be a duration 0s or more: ${durationHelp}`,
  ],
  "a token that lives less than a second": [
    "STATUS_RECONNECT_RELAY_EVERY",
    "999ms",
    'is "999ms", and must be a duration 1s or more',
  ],
  "another scheme": ["STATUS_SCHEME_JUMP", "wss", 'is "wss", and must be http or https'],
  "another word for yes": ["STATUS_PROFILE", "yes", 'is "yes", and must be true or false (1 or 0, t or f)'],
  "a level that is none": [
    "STATUS_LOG_LEVEL",
    "verbose",
    'is "verbose", and must be trace, debug, info, warn, warning, error, fatal or panic',
  ],
  "a pasted scheme": [
    "STATUS_HOST_BOOK",
    "https://book.example.org",
    'is "https://book.example.org", and must be a host, or host:port: the scheme goes into STATUS_SCHEME_BOOK',
  ],
  "a pasted path": [
    "STATUS_HOST_RELAY",
    "relay.example.org/t",
    'is "relay.example.org/t", and must be a host, or host:port: the path goes into STATUS_BASEPATH_RELAY',
  ],
  "a pasted address": [
    "STATUS_HOST_JUMP",
    "https://jump.example.org/t/jump",
    'is "https://jump.example.org/t/jump", and must be a host, or host:port: the scheme goes into STATUS_SCHEME_JUMP, the path goes into STATUS_BASEPATH_JUMP',
  ],
  "a pasted password": [
    "STATUS_HOST_JUMP",
    "ann:hunter2@jump.example.org",
    "must be a host, or host:port; what it holds is not shown",
  ],
  "an IPv6 address without brackets": [
    "STATUS_HOST_BOOK",
    "::1",
    'is "::1", and must be a host, or host:port: an IPv6 address goes into brackets, as in [::1]',
  ],
  "brackets with nothing of the kind": [
    "STATUS_HOST_BOOK",
    "[book]:80",
    'is "[book]:80", and must be a host, or host:port',
  ],
  "port 0 of a host": ["STATUS_HOST_BOOK", "book:0", 'is "book:0", and must be a host, or host:port'],
  "a port too high": ["STATUS_HOST_BOOK", "book:65536", 'is "book:65536", and must be a host, or host:port'],
  "quotation marks that were not taken off": [
    "STATUS_HOST_BOOK",
    '"book"',
    'is "\\"book\\"", and must be a host, or host:port',
  ],
  "a pasted address with a password": [
    "STATUS_HOST_JUMP",
    "https://ann:hunter2@jump.example.org",
    "must be a host, or host:port: the scheme goes into STATUS_SCHEME_JUMP; what it holds is not shown",
  ],
  "a base path with a host": [
    "STATUS_BASEPATH_BOOK",
    "https://book/t",
    'is "https://book/t", and must be a path such as /tenant/book: without scheme and host',
  ],
  "a base path that goes up": [
    "STATUS_BASEPATH_BOOK",
    "/t/../book",
    'is "/t/../book", and must be a path such as /tenant/book',
  ],
  "a base path with a query": [
    "STATUS_BASEPATH_BOOK",
    "/t?token=x",
    "must be a path such as /tenant/book; what it holds is not shown",
  ],
  "a base path with a space": [
    "STATUS_BASEPATH_BOOK",
    "/my book",
    'is "/my book", and must be a path such as /tenant/book',
  ],
  "no events kept": ["STATUS_HEALTH_EVENTS", "0", 'is "0", and must be a whole number from 1 to 10000'],
  "a broken number": ["STATUS_HEALTH_EVENTS", "1.5", 'is "1.5", and must be a whole number from 1 to 10000'],
  "no failures": ["STATUS_HEALTH_FAILURES", "0", 'is "0", and must be a whole number from 1 to 1000'],
  "a port that is none": ["STATUS_PORT_SERVE", "65536", 'is "65536", and must be a whole number from 0 to 65535'],
  "port 0 of a mail server": ["STATUS_EMAIL_PORT", "0", 'is "0", and must be a whole number from 1 to 65535'],
  "a mail server with its port": [
    "STATUS_EMAIL_HOST",
    "smtp.example.org:465",
    'is "smtp.example.org:465", and must be a host: the port goes into STATUS_EMAIL_PORT',
  ],
  "a mail server with a scheme": [
    "STATUS_EMAIL_HOST",
    "smtp://smtp.example.org",
    'is "smtp://smtp.example.org", and must be a host: without scheme and path',
  ],
  "a name for an address": [
    "STATUS_EMAIL_TO",
    "ann@a.org, Bob",
    `is "ann@a.org, Bob", and must be ${addressesWords}: "Bob" is not an address`,
  ],
  "two senders": [
    "STATUS_EMAIL_FROM",
    "a@a.org b@b.org",
    'is "a@a.org b@b.org", and must be one address: there are several in it',
  ],
  "a subject of two lines": [
    "STATUS_EMAIL_SUBJECT",
    "lab\nBcc: eve@e.org",
    'is "lab Bcc: eve@e.org", and must be text on one line',
  ],
  "a link to no page": [
    "STATUS_EMAIL_LINK",
    "javascript:alert(1)",
    'is "javascript:alert(1)", and must be the address of a page',
  ],
  "a heartbeat by name": [
    "STATUS_HEARTBEAT_URL",
    "ping.example.org/secret-path",
    "must be an address that begins with http:// or https://; what it holds is not shown",
  ],
};
for (const [name, [variable, text, fault]] of Object.entries(refused)) {
  Deno.test(`${variable} refuses ${name}`, () => {
    assert.deepEqual(faultsOf({ ...mailEnvironment, [variable]: text }), [`${variable} ${fault}`]);
  });
}

Deno.test("all faults are told at once, in the order of the table", () => {
  const result = readSettings(
    { STATUS_SCHEME_BOOK: "ftp", STATUS_SECRET_JUMP: "x", STATUS_HOST_JUMP: "jump" },
    () => "",
  );

  assert.deepEqual(result.kind === "faulty" && result.faults, [
    'STATUS_SCHEME_BOOK is "ftp", and must be http or https',
    "STATUS_HOST_BOOK is not set, and must be a host, or host:port",
    "STATUS_HOST_RELAY is not set, and must be a host, or host:port",
    "STATUS_SECRET_BOOK is not set, and must be one character or more",
    "STATUS_SECRET_RELAY is not set, and must be one character or more",
  ]);
});

Deno.test("a variable that is empty or blank is not set", () => {
  const settings = settingsOf({ STATUS_QUERY_BOOK_EVERY: "", STATUS_EMAIL_TO: "  ", STATUS_SECRET_WEBHOOK: "" });

  assert.equal(settings.QUERY_BOOK_EVERY, 15 * minute);
  assert.deepEqual(settings.EMAIL_TO, []);
  assert.equal(settings.SECRET_WEBHOOK, null);
  assert.equal(settings.given.has("QUERY_BOOK_EVERY"), false);
});

Deno.test("whoever asks for a default is known to have asked for it", () => {
  assert.equal(settingsOf().given.has("STORE_FILE"), false);
  assert.equal(settingsOf({ STATUS_STORE_FILE: "/var/lib/status/status.db" }).given.has("STORE_FILE"), true);
});

Deno.test("HEALTH_LAST sets the two others where they are not given", () => {
  const settings = settingsOf({ STATUS_HEALTH_LAST: "20s", STATUS_HEALTH_LAST_CHECKED: "30s" });

  assert.deepEqual([settings.HEALTH_LAST_ACTIVE, settings.HEALTH_LAST_CHECKED], [20 * second, 30 * second]);
});

// Secrets, and where they come from.

Deno.test("a secret comes from the file that NAME_FILE names, without the line's end", () => {
  const settings = settingsOf(
    { STATUS_SECRET_BOOK: undefined, STATUS_SECRET_BOOK_FILE: "/run/book", STATUS_EMAIL_PASSWORD_FILE: "/run/mail" },
    { "/run/book": " from a file \r\n", "/run/mail": "hunter2\n" },
  );

  assert.equal(settings.SECRET_BOOK.reveal(), " from a file ");
  assert.equal(settings.EMAIL_PASSWORD?.reveal(), "hunter2");
  assert.ok(settings.given.has("SECRET_BOOK"));
});

Deno.test("a secret in a variable is taken to the character", () => {
  assert.equal(settingsOf({ STATUS_SECRET_BOOK: " a b\t" }).SECRET_BOOK.reveal(), " a b\t");
});

Deno.test("a secret that is set twice is a fault", () => {
  assert.deepEqual(faultsOf({ STATUS_SECRET_BOOK_FILE: "/run/book" }, { "/run/book": "x" }), [
    "STATUS_SECRET_BOOK and STATUS_SECRET_BOOK_FILE are both set, and only one may be",
  ]);
});

Deno.test("a secret's file that can't be read is a fault that repeats neither path nor secret", () => {
  assert.deepEqual(faultsOf({ STATUS_SECRET_WEBHOOK_FILE: "hunter2" }), [
    "STATUS_SECRET_WEBHOOK_FILE must name a file that can be read: there is no such file",
  ]);
});

Deno.test("a secret's file that is empty is a fault", () => {
  const environment = { STATUS_SECRET_JUMP: undefined, STATUS_SECRET_JUMP_FILE: "/run/jump" };
  assert.deepEqual(faultsOf(environment, { "/run/jump": "\n" }), [
    "STATUS_SECRET_JUMP_FILE must name a file that holds one character or more",
  ]);
});

Deno.test("why a file can't be read is said in words", () => {
  const failing = (error: Error) =>
    readSettings({ ...leastEnvironment, STATUS_EMAIL_CA_FILE: "/ca.pem" }, () => {
      throw error;
    });
  const fault = (why: string) => ["STATUS_EMAIL_CA_FILE must name a file that can be read: " + why];

  const denied = failing(new Deno.errors.PermissionDenied("/ca.pem"));
  const folder = failing(new Deno.errors.IsADirectory("/ca.pem"));

  assert.deepEqual(denied.kind === "faulty" && denied.faults, fault("permission denied"));
  assert.deepEqual(folder.kind === "faulty" && folder.faults, fault("it is a folder"));
});

Deno.test("a secret with quotation marks around it is taken so, with a warning", () => {
  const result = read({ STATUS_SECRET_BOOK: "'hunter2'" });

  assert.deepEqual(result.kind === "ok" && result.settings.SECRET_BOOK.reveal(), "'hunter2'");
  assert.ok(result.warnings.includes("STATUS_SECRET_BOOK has quotation marks around it, and they count as part of it"));
});

Deno.test("a webhook without a secret to sign with is a fault", () => {
  assert.deepEqual(faultsOf({ STATUS_WEBHOOK_URL: "https://h/x" }), [
    "STATUS_SECRET_WEBHOOK is not set, and must be with STATUS_WEBHOOK_URL: one character or more",
  ]);
});

Deno.test("no fault, warning or list of settings repeats a secret", () => {
  const hidden = "hunter2";
  const texts = [
    read({ STATUS_SECRET_BOOK: hidden, STATUS_SECRET_BOOK_FILE: hidden, STATUS_EMAIL_PASSWORD_FILE: hidden }),
    read({ STATUS_SECRET_BOKO: hidden, STATUS_HEARTBEAT_URL: hidden, STATUS_EMAIL_HOST: `smtp://ann:${hidden}@h` }),
    settingsInForce(
      settingsOf({
        STATUS_SECRET_BOOK: hidden,
        STATUS_WEBHOOK_URL: `https://h/${hidden}`,
        STATUS_SECRET_WEBHOOK: hidden,
      }),
    ),
  ];
  assert.equal(JSON.stringify(texts).includes(hidden), false);
});

Deno.test("whatever the variables hold, reading them throws nothing and repeats no secret", () => {
  const secrets = allSettings.filter(([, { kind }]) => kind.source === "secret").map(([name]) => `STATUS_${name}`);
  const hidden = [...secrets, ...secrets.map((name) => `${name}_FILE`), "STATUS_HEARTBEAT_URL", "STATUS_WEBHOOK_URL"];
  const variables = new Set([...allSettings.map(([name]) => `STATUS_${name}`), ...hidden]);
  const value = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("1", "10s", "true", "h:1", "http://h", "a@b.c"),
  );
  fc.assert(fc.property(fc.dictionary(fc.constantFrom(...variables), value), (environment) => {
    const entries = Object.entries(environment).map((
      [name, text],
    ) => [name, hidden.includes(name) ? `${text}hunter2` : text]);
    assert.equal(JSON.stringify(read(Object.fromEntries(entries))).includes("hunter2"), false);
  }));
});

Deno.test("a profile has a port of its own", () => {
  const ports = { STATUS_PORT_SERVE: "3007", STATUS_PORT_PROFILE: "3007" };
  assert.deepEqual(faultsOf({ ...ports, STATUS_PROFILE: "true" }), [
    'STATUS_PORT_PROFILE is "3007", and must be another than STATUS_PORT_SERVE with STATUS_PROFILE',
  ]);
  assert.deepEqual(faultsOf({ ...ports, STATUS_PROFILE: "false" }), []);
});

// Mail.

Deno.test("a mail server needs a sender and somebody to tell", () => {
  assert.deepEqual(faultsOf({ STATUS_EMAIL_HOST: "smtp.example.org" }), [
    "STATUS_EMAIL_FROM is not set, and must be with STATUS_EMAIL_HOST: one address",
    `STATUS_EMAIL_TO is not set, and must be with STATUS_EMAIL_HOST: ${addressesWords}`,
  ]);
});

Deno.test("without a mail server there is a warning and no fault", () => {
  const result = read({ STATUS_EMAIL_TO: "lab@example.org", STATUS_EMAIL_AUTH_TYPE: "login" });

  assert.equal(result.kind, "ok");
  assert.deepEqual(result.warnings, ["STATUS_EMAIL_HOST is not set, so no mail is sent: alerts are logged"]);
});

Deno.test("with a password the login is plain, by the sender's address", () => {
  const settings = settingsOf({
    ...mailEnvironment,
    STATUS_EMAIL_FROM: "Status <status@example.org>",
    STATUS_EMAIL_PASSWORD: "x",
  });

  assert.deepEqual([settings.EMAIL_AUTH_TYPE, settings.EMAIL_USER], ["plain", "status@example.org"]);
});

Deno.test("with a password the login can be asked for otherwise", () => {
  const settings = settingsOf({
    ...mailEnvironment,
    STATUS_EMAIL_PASSWORD: "x",
    STATUS_EMAIL_AUTH_TYPE: "CRAM-MD5",
    STATUS_EMAIL_USER: "ann",
  });

  assert.deepEqual([settings.EMAIL_AUTH_TYPE, settings.EMAIL_USER], ["cram-md5", "ann"]);
});

Deno.test("without a password there is no login", () => {
  assert.equal(settingsOf(mailEnvironment).EMAIL_AUTH_TYPE, "none");
});

Deno.test("a way to log in without a password is a fault", () => {
  assert.deepEqual(faultsOf({ ...mailEnvironment, STATUS_EMAIL_AUTH_TYPE: "login" }), [
    'STATUS_EMAIL_AUTH_TYPE is "login", and must be none without STATUS_EMAIL_PASSWORD',
  ]);
});

Deno.test("a name to log in with is a warning without a password, unless no login was asked for", () => {
  const named = { ...mailEnvironment, STATUS_EMAIL_USER: "ann" };

  assert.equal(settingsOf(named).EMAIL_AUTH_TYPE, "none");
  assert.deepEqual(read(named).warnings, [
    "STATUS_EMAIL_USER is set without STATUS_EMAIL_PASSWORD, so there is no login",
  ]);
  assert.deepEqual(read({ ...named, STATUS_EMAIL_AUTH_TYPE: "none" }).warnings, []);
  assert.deepEqual(read({ ...named, STATUS_EMAIL_PASSWORD: "x" }).warnings, []);
});

Deno.test("a mail server by IPv6 address has no brackets", () => {
  assert.equal(settingsOf({ ...mailEnvironment, STATUS_EMAIL_HOST: "[::1]" }).EMAIL_HOST, "::1");
});

Deno.test("a password that would go unencrypted over a network is warned about", () => {
  const open = { ...mailEnvironment, STATUS_EMAIL_PASSWORD: "x", STATUS_EMAIL_TLS: "none" };

  assert.deepEqual(read(open).warnings, [
    "STATUS_EMAIL_TLS is none, so STATUS_EMAIL_PASSWORD goes over the network unencrypted",
  ]);
  assert.deepEqual(read({ ...open, STATUS_EMAIL_HOST: "localhost" }).warnings, []);
  assert.deepEqual(read({ ...open, STATUS_EMAIL_HOST: "mail.localhost" }).warnings, []);
  assert.deepEqual(read({ ...open, STATUS_EMAIL_PASSWORD: undefined }).warnings, []);
});

Deno.test("certificate authorities come out of the file that is named", () => {
  const pem = `# our own\n${authorityPem.trim()}`;
  assert.equal(settingsOf({ STATUS_EMAIL_CA_FILE: "/ca.pem" }, { "/ca.pem": pem }).EMAIL_CA_FILE, pem);
});

const notCertificates: Record<string, string> = {
  "nothing": "",
  "text": "hello",
  "a private key": "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
  "a certificate that was cut": `${authorityPem}${authorityPem.replace(/\n.*\n-----END/, "\n-----END")}`,
};
for (const [name, pem] of Object.entries(notCertificates)) {
  Deno.test(`certificate authorities are a fault where the file holds ${name}`, () => {
    assert.deepEqual(faultsOf({ STATUS_EMAIL_CA_FILE: "/ca.pem" }, { "/ca.pem": pem }), [
      "STATUS_EMAIL_CA_FILE must name a file that holds one or more PEM certificates: not all of it can be read as such",
    ]);
  });
}

// Warnings.

const noMail = "STATUS_EMAIL_HOST is not set, so no mail is sent: alerts are logged";

const warned: Record<string, [Environment, string[]]> = {
  "a letter too few names the nearest": [{ STATUS_QUERY_BOOK_EVRY: "1m" }, [
    "STATUS_QUERY_BOOK_EVRY is not a setting: is STATUS_QUERY_BOOK_EVERY meant?",
  ]],
  "two letters in the wrong order name the nearest": [{ STATUS_EMIAL_TO: "" }, [
    "STATUS_EMIAL_TO is not a setting: is STATUS_EMAIL_TO meant?",
  ]],
  "a secret's file with a letter too many names the nearest": [{ STATUS_SECRET_BOOKS_FILE: "/x" }, [
    "STATUS_SECRET_BOOKS_FILE is not a setting: is STATUS_SECRET_BOOK_FILE meant?",
  ]],
  "a file for what is no secret is unknown": [{ STATUS_LOG_LEVEL_FILE: "/x" }, [
    "STATUS_LOG_LEVEL_FILE is not a setting: is STATUS_LOG_LEVEL meant?",
  ]],
  "variables of others are none of ours": [{ PATH: "/bin", STATUSES: "1" }, []],
  "a base path with the API's is cut": [{ STATUS_BASEPATH_BOOK: "/t/book/api/v1/" }, [
    "STATUS_BASEPATH_BOOK ends in /api/v1, which is not part of it: taken as /t/book",
  ]],
  "a webhook's secret without a webhook": [{ STATUS_SECRET_WEBHOOK: "x" }, [
    "STATUS_SECRET_WEBHOOK is set without STATUS_WEBHOOK_URL, so nothing is signed with it",
  ]],
  "a webhook with its secret is all right": [{ STATUS_WEBHOOK_URL: "https://h/x", STATUS_SECRET_WEBHOOK: "x" }, []],
};
for (const [name, [environment, want]] of Object.entries(warned)) {
  Deno.test(`warnings: ${name}`, () => assert.deepEqual(read(environment).warnings, [...want, noMail]));
}

Deno.test("warnings are told beside faults", () => {
  const result = read({ STATUS_SCHEME_BOOK: "ftp", STATUS_SCHEM_BOOK: "http" });

  assert.equal(result.kind, "faulty");
  assert.deepEqual(result.warnings, ["STATUS_SCHEM_BOOK is not a setting: is STATUS_SCHEME_BOOK meant?"]);
});

// Where the services are.

Deno.test("a service's base has no slash at its end and none twice", () => {
  const urls = serviceUrls(settingsOf({
    STATUS_BASEPATH_BOOK: "t//book/",
    STATUS_SCHEME_JUMP: "http",
    STATUS_HOST_JUMP: "Jump.example.org:443",
    STATUS_HOST_RELAY: "[::1]:3000",
  }));

  assert.deepEqual(urls, {
    book: { base: "https://book.example.org/t/book", api: "https://book.example.org/t/book/api/v1" },
    jump: { base: "http://Jump.example.org:443", access: "http://Jump.example.org:443/api/v1/connect/stats" },
    relay: { base: "https://[::1]:3000", access: "https://[::1]:3000/session/stats" },
  });
});

// What people are shown.

Deno.test("a secret in the settings can't be printed", () => {
  const { SECRET_BOOK } = settingsOf();

  assert.ok(SECRET_BOOK instanceof Secret);
  assert.equal(Deno.inspect(settingsOf()).includes("book-secret"), false);
});
