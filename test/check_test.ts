import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { freePort } from "../scripts/simulator/wire.ts";
import {
  checkLogFile,
  type CheckParts,
  checkPort,
  checkProfilePort,
  type CheckResult,
  checkStore,
  runCheck,
} from "../src/check.ts";
import type { Tried } from "../src/feed.ts";
import { startProfiling } from "../src/profile.ts";
import { readSettings, type Settings } from "../src/settings.ts";
import { openSqliteStore } from "../src/sqlite_file.ts";
import { FakeClock } from "./support/clock.ts";
import { type Environment, leastEnvironment, mailEnvironment } from "./support/environment.ts";
import { withFolder } from "./support/folder.ts";

function settingsOf(environment: Environment): Settings {
  const read = readSettings(environment, () => "");
  return read.kind === "ok" ? read.settings : assert.fail(read.faults.join());
}

const jump: Tried = { kind: "reported", entries: 5, generation: "unmeasured", connections: 3 };
const relay: Tried = { kind: "reported", entries: 24, generation: "measured", connections: 8 };
const ok = (words: string) => () => Promise.resolve({ kind: "ok", words } as const);

/** A laboratory where all is well, but for `changes`. */
function parts(changes: Partial<CheckParts> = {}): CheckParts {
  return {
    book: () => Promise.resolve({ resources: resources(12), skipped: 0 }),
    feed: (name) => Promise.resolve(name === "jump" ? jump : relay),
    mail: {
      verify: () => Promise.resolve({ kind: "ok", encrypted: true }),
      send: () => Promise.resolve({ kind: "taken", answer: "250 queued", rejected: [] }),
    },
    webhook: null,
    log: ok("/var/log/status/status.log can be written"),
    store: ok("/var/lib/status/status.db can be written"),
    port: ok("localhost:3007 is free"),
    heartbeat: null,
    profilePort: null,
    clock: new FakeClock(),
    ...changes,
  };
}

function resources(count: number) {
  return Array.from({ length: count }, (_, at) => ({ name: `r${at}`, stub: `e${at}`, required: [] }));
}

const settings = settingsOf({ ...mailEnvironment, STATUS_BASEPATH_BOOK: "/t/book" });

Deno.test("a line says of each part what was found, in the order that they depend on each other", async () => {
  assert.deepEqual(await runCheck(settings, parts(), { send: false }), {
    ok: true,
    lines: [
      "ok    book   12 resources at https://book.example.org/t/book",
      "ok    jump   token accepted; a report with 5 entries, 3 of them hosts of experiments",
      "ok    relay  token accepted; a report with 24 entries, 8 of them streams of experiments, with statistics (relay up to v0.7)",
      "ok    mail   smtp.example.org:587 answers, encrypted, without a login; --send sends a test mail",
      "ok    log    /var/log/status/status.log can be written",
      "ok    store  /var/lib/status/status.db can be written",
      "ok    port   localhost:3007 is free",
    ],
  });
});

Deno.test("without statistics, and with listening switched off, being connected counts", async () => {
  const unmeasured = parts({
    feed: (name) => Promise.resolve(name === "jump" ? jump : { ...relay, generation: "unmeasured" }),
  });
  const { lines } = await runCheck({ ...settings, PROBE_STREAMS: "off" }, unmeasured, { send: false });

  assert.match(lines.join("\n"), /^ok +relay .* without statistics \(relay from v0\.8 on\): being connected counts$/m);
});

Deno.test("with profiles their port has a line of its own", async () => {
  const { lines } = await runCheck(settings, parts({ profilePort: ok("127.0.0.1:6061 (for profiles) is free") }), {
    send: false,
  });
  assert.deepEqual(lines.slice(-2), [
    "ok    port   localhost:3007 is free",
    "ok    port   127.0.0.1:6061 (for profiles) is free",
  ]);
});

const refusal = {
  kind: "refused",
  message: 'Cannot get access to relay at h/session/stats: relay answered 401 "no"',
} as const;
const silence = { kind: "silent", message: "relay sends no reports: connected, and nothing within 15 s" } as const;

/** What a part does, and its line. Those that begin with FAIL, and no others, fail the whole check. */
const found: Record<string, [Partial<CheckParts>, string]> = {
  "one resource": [
    { book: () => Promise.resolve({ resources: resources(1), skipped: 0 }) },
    "ok    book   1 resource at https://book.example.org/t/book",
  ],
  "a book without a manifest": [
    { book: () => Promise.resolve({ resources: [], skipped: 0 }) },
    "warn  book   no resources at https://book.example.org/t/book: load its manifest",
  ],
  "resources that can't be read": [
    { book: () => Promise.resolve({ resources: resources(3), skipped: 2 }) },
    "warn  book   3 resources at https://book.example.org/t/book, and 2 that can't be read",
  ],
  "a book that refuses, in its own words": [
    {
      book: () =>
        Promise.reject(new Error('Cannot list the resources at h/x: book answered 500 "signature is invalid"')),
    },
    'FAIL  book   Cannot list the resources at h/x: book answered 500 "signature is invalid"',
  ],
  "a feed that refuses the token, in its own words": [
    {
      feed: (name) => Promise.resolve(name === "jump" ? jump : { kind: "trouble", trouble: refusal, accepted: false }),
    },
    'FAIL  relay  Cannot get access to relay at h/session/stats: relay answered 401 "no"',
  ],
  "a feed that accepts the token and says nothing": [
    { feed: (name) => Promise.resolve(name === "jump" ? jump : { kind: "trouble", trouble: silence, accepted: true }) },
    "FAIL  relay  token accepted, but relay sends no reports: connected, and nothing within 15 s",
  ],
  "a relay without statistics": [
    { feed: (name) => Promise.resolve(name === "jump" ? jump : { ...relay, generation: "unmeasured" }) },
    "ok    relay  token accepted; a report with 24 entries, 8 of them streams of experiments, without statistics (relay from v0.8 on): required streams are listened to",
  ],
  "a relay without an experiment": [
    { feed: (name) => Promise.resolve(name === "jump" ? jump : { ...relay, entries: 1, connections: 0 }) },
    "warn  relay  token accepted; a report with 1 entry, none of them a stream of an experiment",
  ],
  "a jump with one experiment": [
    { feed: (name) => Promise.resolve(name === "relay" ? relay : { ...jump, connections: 1 }) },
    "ok    jump   token accepted; a report with 5 entries, one of them a host of an experiment",
  ],
  "a jump without an experiment": [
    { feed: (name) => Promise.resolve(name === "relay" ? relay : { ...jump, connections: 0 }) },
    "warn  jump   token accepted; a report with 5 entries, none of them a host of an experiment",
  ],
  "a mail server that is not encrypted": [
    { mail: { ...parts().mail!, verify: () => Promise.resolve({ kind: "ok", encrypted: false }) } },
    "ok    mail   smtp.example.org:587 answers, not encrypted, without a login; --send sends a test mail",
  ],
  "a mail server that refuses": [
    {
      mail: {
        ...parts().mail!,
        verify: () => Promise.resolve({ kind: "refused", message: "Cannot send mail through h: 535" }),
      },
    },
    "FAIL  mail   Cannot send mail through h: 535",
  ],
  "no mail": [{ mail: null }, "ok    mail   off: STATUS_EMAIL_HOST is not set, so alerts are only logged"],
  "a default that falls back": [
    { store: () => Promise.resolve({ kind: "warn", words: "there is no such folder, so nothing is kept" }) },
    "warn  store  there is no such folder, so nothing is kept",
  ],
  "a port in use": [
    { port: () => Promise.resolve({ kind: "failed", words: "localhost:3007 is used by another program" }) },
    "FAIL  port   localhost:3007 is used by another program",
  ],
  "words of several lines": [
    { port: () => Promise.reject(new Error("one\n\ttwo")) },
    "FAIL  port   one two",
  ],
};
for (const [name, [changes, want]] of Object.entries(found)) {
  Deno.test(`check: ${name}`, async () => {
    const { lines, ok } = await runCheck(settings, parts(changes), { send: false });
    assert.deepEqual(lines.filter((line) => line === want), [want], lines.join("\n"));
    assert.equal(ok, !want.startsWith("FAIL"));
  });
}

type Send = NonNullable<CheckParts["mail"]>["send"];

/** What becomes of the test mail, and the line. */
const sent: Record<string, [Send, string]> = {
  "taken": [
    () => Promise.resolve({ kind: "taken", answer: "250 queued", rejected: [] }),
    'ok    mail   smtp.example.org:587 answers, encrypted, login as ann; test mail to lab@example.org: "250 queued"',
  ],
  "taken for some": [
    () => Promise.resolve({ kind: "taken", answer: "250 queued", rejected: ['eve@e.org: 550 "who?"'] }),
    'FAIL  mail   test mail not taken for eve@e.org: 550 "who?"',
  ],
  "refused": [
    () => Promise.resolve({ kind: "refused", why: 'Cannot send mail through h: it answered 550 "no"' }),
    'FAIL  mail   Cannot send mail through h: it answered 550 "no"',
  ],
  "put off": [
    () => Promise.resolve({ kind: "deferred", why: 'Cannot send mail through h: it answered 450 "later"' }),
    'FAIL  mail   Cannot send mail through h: it answered 450 "later"',
  ],
  "in doubt": [
    () => Promise.resolve({ kind: "in-doubt", why: "Cannot know whether h took the mail: it closed the connection" }),
    "FAIL  mail   Cannot know whether h took the mail: it closed the connection",
  ],
};
for (const [name, [send, want]] of Object.entries(sent)) {
  Deno.test(`check --send: a test mail that is ${name}`, async () => {
    const withLogin = settingsOf({ ...mailEnvironment, STATUS_EMAIL_USER: "ann", STATUS_EMAIL_PASSWORD: "x" });
    const { lines } = await runCheck(withLogin, parts({ mail: { ...parts().mail!, send } }), { send: true });
    assert.equal(lines[3], want);
  });
}

Deno.test("check --send without a mail server fails", async () => {
  const { lines, ok } = await runCheck(settingsOf(leastEnvironment), parts({ mail: null }), { send: true });

  assert.equal(lines[3], "FAIL  mail   off: STATUS_EMAIL_HOST is not set, so alerts are only logged");
  assert.equal(ok, false);
});

const reachable: NonNullable<CheckParts["webhook"]> = {
  host: "hooks.example.org",
  reach: () => Promise.resolve({ kind: "ok", encrypted: true }),
  send: () => Promise.resolve({ kind: "taken", answer: "204", rejected: [] }),
};

/** A webhook, whether a test message is posted to it, and its line. */
const webhooks: Record<string, [Partial<typeof reachable>, send: boolean, string]> = {
  "reached, and nothing posted": [
    { send: () => assert.fail("nothing is to be posted") },
    false,
    "ok    webhook  hooks.example.org lets itself be connected to, encrypted; --send posts a test message",
  ],
  "without encryption": [
    { reach: () => Promise.resolve({ kind: "ok", encrypted: false }) },
    false,
    "ok    webhook  hooks.example.org lets itself be connected to, not encrypted; --send posts a test message",
  ],
  "out of reach": [
    { reach: () => Promise.resolve({ kind: "unreachable", message: "Cannot tell the webhook at h: refused" }) },
    false,
    "FAIL  webhook  Cannot tell the webhook at h: refused",
  ],
  "that takes a test message": [{}, true, "ok    webhook  test message to hooks.example.org: it answered 204"],
  "that takes no test message": [
    { send: () => Promise.resolve({ kind: "refused", why: "Cannot tell the webhook at h: it answered 403" }) },
    true,
    "FAIL  webhook  Cannot tell the webhook at h: it answered 403",
  ],
};
for (const [name, [changes, send, want]] of Object.entries(webhooks)) {
  Deno.test(`check: a webhook ${name}`, async () => {
    const { lines, ok } = await runCheck(settings, parts({ webhook: { ...reachable, ...changes } }), { send });
    assert.equal(lines[4], want);
    assert.equal(lines[0], "ok    book     12 resources at https://book.example.org/t/book"); // in line with the longest
    assert.equal(ok, !want.startsWith("FAIL"));
  });
}

Deno.test("check --send without a mail server is well where there is a webhook to send to", async () => {
  const { ok } = await runCheck(settings, parts({ mail: null, webhook: reachable }), { send: true });
  assert.equal(ok, true);
});

Deno.test("a test mail is not sent where the login fails", async () => {
  const mail: CheckParts["mail"] = {
    verify: () => Promise.resolve({ kind: "refused", message: "Cannot send mail through h: 535" }),
    send: () => assert.fail("nothing is to be sent"),
  };
  const { lines } = await runCheck(settings, parts({ mail }), { send: true });

  assert.equal(lines[3], "FAIL  mail   Cannot send mail through h: 535");
});

Deno.test("all parts are tried at once, and one that never ends is told of after a minute", async () => {
  const clock = new FakeClock();
  const never = (_: unknown, signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  let done = false;

  const check = runCheck(settings, parts({ clock, feed: never }), { send: false }).finally(() => done = true);
  await clock.advance(59_999);
  assert.equal(done, false);
  await clock.advance(1);

  assert.deepEqual((await check).lines.slice(1, 3), [
    "FAIL  jump   not done within 60 s",
    "FAIL  relay  not done within 60 s",
  ]);
});

Deno.test("a check that is done leaves nothing waiting", async () => {
  const clock = new FakeClock();
  await runCheck(settings, parts({ clock }), { send: false });
  assert.equal(clock.waiting, 0);
});

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

const isAsked = { asked: true };
const isDefault = { asked: false };

Deno.test("a log file that is there can be written, and is not touched", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.log`;
    await Deno.writeTextFile(path, "before\n");

    assert.deepEqual(checkLogFile(path, isAsked), { kind: "ok", words: `${path} can be written` });
    assert.equal(await Deno.readTextFile(path), "before\n");
  }));

Deno.test("a log file that is not there can be made, and is not", () =>
  withFolder((folder) => {
    const path = `${folder}/status.log`;

    assert.deepEqual(checkLogFile(path, isAsked), { kind: "ok", words: `${path} can be made` });
    assert.deepEqual(names(folder), []);
    return Promise.resolve();
  }));

Deno.test("a log file in a folder that is not there fails where it was asked for, and falls back where not", () =>
  withFolder((folder) => {
    const path = `${folder}/none/status.log`;

    assert.deepEqual(checkLogFile(path, isAsked), {
      kind: "failed",
      words: `Cannot write ${path}: there is no folder ${folder}/none`,
    });
    assert.deepEqual(checkLogFile(path, isDefault), {
      kind: "warn",
      words: `Cannot write ${path}: there is no folder ${folder}/none, so the log goes to stderr`,
    });
    return Promise.resolve();
  }));

Deno.test("a log file that is a folder fails", () =>
  withFolder((folder) => {
    const { kind, words } = checkLogFile(folder, isAsked);

    assert.equal(kind, "failed");
    assert.match(words, new RegExp(`^Cannot write ${folder}: Is a directory`));
    return Promise.resolve();
  }));

for (const stream of ["stdout", "stderr"]) {
  Deno.test(`a log on ${stream} is all right`, () => {
    assert.deepEqual(checkLogFile(stream, isAsked), { kind: "ok", words: stream });
  });
}

Deno.test("a store that is not there can be made, folders included, and none of it is", () =>
  withFolder(async (folder) => {
    const path = `${folder}/a/b/status.db`;

    assert.deepEqual(await checkStore(path, isAsked, 0), { kind: "ok", words: `${path} can be made` });
    assert.deepEqual(names(folder), []);
  }));

Deno.test("a store that is there is well, and is not touched", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    await (await openSqliteStore(path, { nowMs: 0 })).store.close();
    const before = names(folder);

    assert.deepEqual(await checkStore(path, isAsked, 0), { kind: "ok", words: `${path} can be written` });
    assert.deepEqual(names(folder), before);
    await (await openSqliteStore(path, { nowMs: 0 })).store.close();
  }));

Deno.test("a store that a running status holds is all right", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    const { store } = await openSqliteStore(path, { nowMs: 0 });

    const finding = await checkStore(path, isAsked, 0);
    await store.close();

    assert.deepEqual(finding, {
      kind: "ok",
      words: `${path} is in use by a running status: process ${Deno.pid} has held it since 1970-01-01T00:00:00.000Z`,
    });
  }));

Deno.test("a damaged store is warned about, and stays where it is", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    await Deno.writeTextFile(path, "no database at all, but long enough to be read as the head of one".repeat(20));

    const { kind, words } = await checkStore(path, isAsked, 0);

    assert.equal(kind, "warn");
    assert.equal(words, `${path} is damaged: it will be set aside, and a new one begun`);
    assert.deepEqual(names(folder), ["status.db"]);
  }));

Deno.test("an empty file will be a store", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    await Deno.writeTextFile(path, "");

    assert.deepEqual(await checkStore(path, isAsked, 0), { kind: "ok", words: `${path} can be written` });
    assert.deepEqual(names(folder), ["status.db"]);
  }));

Deno.test("the database of another program fails", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    const db = new DatabaseSync(path);
    db.exec("CREATE TABLE theirs (one INTEGER)");
    db.close();

    assert.deepEqual(await checkStore(path, isAsked, 0), {
      kind: "failed",
      words: `Cannot use the store ${path}: it is the database of another program`,
    });
  }));

Deno.test("a store that is a folder fails", () =>
  withFolder(async (folder) => {
    const { kind, words } = await checkStore(folder, isAsked, 0);

    assert.equal(kind, "failed");
    assert.match(words, new RegExp(`^Cannot use the store ${folder}: Is a directory`));
  }));

Deno.test("a store below something that is no folder fails where it was asked for, and falls back where not", async () => {
  const words = "Cannot use the store /dev/null/status.db: /dev/null is no folder";

  assert.deepEqual(await checkStore("/dev/null/status.db", isAsked, 0), { kind: "failed", words });
  assert.deepEqual(await checkStore("/dev/null/status.db", isDefault, 0), {
    kind: "warn",
    words: `${words}, so nothing is kept beyond a run`,
  });
});

Deno.test("no store is all right", async () => {
  assert.deepEqual(await checkStore("memory", isAsked, 0), {
    kind: "ok",
    words: "memory: nothing is kept beyond a run",
  });
});

// Ports.

const none = new AbortController().signal;

Deno.test("a port that nobody listens on is free", async () => {
  const port = freePort();

  assert.deepEqual(await checkPort({ host: "localhost", port }, none), {
    kind: "ok",
    words: `localhost:${port} is free`,
  });
  await checkPort({ host: "localhost", port }, none); // and still is
});

Deno.test("any free port is all right", async () => {
  assert.deepEqual(await checkPort({ host: "::1", port: 0 }, none), { kind: "ok", words: "any free one at [::1]" });
});

/** What answers on a port, and what is found. */
const answers: Record<string, [() => Response, (port: number) => CheckResult]> = {
  "a running status is all right": [
    () => Response.json({ version: "0.1.0", feeds: {} }),
    (port) => ({ kind: "ok", words: `a running status 0.1.0 answers at 127.0.0.1:${port}` }),
  ],
  "another program fails": [
    () => new Response("hello"),
    (port) => ({ kind: "failed", words: `127.0.0.1:${port} is used by another program` }),
  ],
  "another program with JSON fails": [
    () => Response.json(null),
    (port) => ({ kind: "failed", words: `127.0.0.1:${port} is used by another program` }),
  ],
};
for (const [name, [answer, want]] of Object.entries(answers)) {
  Deno.test(`a port on which ${name}`, async () => {
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
    const { port } = server.addr;

    const finding: CheckResult = await checkPort({ host: "127.0.0.1", port }, none);
    await server.shutdown();

    assert.deepEqual(finding, want(port));
  });
}

Deno.test("the port for profiles is free, or a running status answers there with its memory, or another program", async () => {
  const port = freePort();
  assert.deepEqual(await checkProfilePort(port, none), {
    kind: "ok",
    words: `127.0.0.1:${port} (for profiles) is free`,
  });

  const stop = new AbortController();
  const profiles = startProfiling(port, { clock: new FakeClock(), startedMs: 0, signal: stop.signal });
  const running = await checkProfilePort(port, none);
  stop.abort();
  await profiles.done;
  assert.deepEqual(running, { kind: "ok", words: `a running status answers at 127.0.0.1:${port} (for profiles)` });

  const other = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, () => Response.json({ version: "1" }));
  const used = await checkProfilePort(port, none);
  await other.shutdown();
  assert.deepEqual(used, { kind: "failed", words: `127.0.0.1:${port} (for profiles) is used by another program` });
});

Deno.test("an address that is not this machine's fails", async () => {
  const { kind, words } = await checkPort({ host: "192.0.2.1", port: 3007 }, none);

  assert.equal(kind, "failed");
  assert.match(words, /^Cannot listen on 192\.0\.2\.1:3007: Cannot assign requested address/);
});
