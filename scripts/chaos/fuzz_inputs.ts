/** Answers of book, of who grants access and of a webhook: any status, headers and body make a value or a typed error, in time. */
import assert from "node:assert/strict";
import { askAccess, relayClaims } from "../../src/access.ts";
import { bookSource, feedRequest, mailStyle, monitorOptions, smtpOptions, webhookOptions } from "../../src/app.ts";
import { type Availability, type BookList, bookTrouble, createBook, isBookError } from "../../src/book_client.ts";
import { systemClock as clock } from "../../src/clock.ts";
import { applyReport, evaluate } from "../../src/health.ts";
import type { Connection, Decoded, FeedName } from "../../src/report.ts";
import { Secret } from "../../src/setting_types.ts";
import { allSettings, readSettings, serviceUrls, settingsInForce } from "../../src/settings.ts";
import { createPostOffice } from "../../src/smtp.ts";
import { createWebhook } from "../../src/webhook.ts";
import { Bench, resource } from "../../test/support/bench.ts";
import { inFull, ReadSocket } from "../../test/support/decoded.ts";
import { leastEnvironment, replacedProgramEnvironment } from "../../test/support/environment.ts";
import { checkExits } from "../../test/support/exits.ts";
import { unsafe } from "../../test/support/hostile.ts";
import { letter } from "../../test/support/letters.ts";
import { snapshot } from "../../test/support/snapshot.ts";
import { type FuzzTarget, hope } from "./fuzz.ts";

const never = new AbortController().signal;
const secret = new Secret("Xq7secretXq7");
const key = "Xq7keyXq7";

const status = "200 204 301 302 400 401 404 409 410 422 429 500 502 503 504 299 599".split(" ");
const headers = [
  "location: https://elsewhere.example/x?code=1",
  "location: //",
  "retry-after: 9e9",
  "content-type: text/html",
  "date: x",
];
const grammar = {
  words: [...status, ...headers, "available", "reason", "uri", "ws://x/?code=1", "status server:"],
  isJson: false,
};

export const book: FuzzTarget = {
  samples: [
    '200 content-type: application/json\n\n{"r-pend00":{"topic_stub":"pend00","streams":["st-data"],"tests":null}}',
    '200 \n\n{"available":false,"reason":"unavailable because of the weather"}',
    "204 \n\n",
    '422 \n\n{"code":602,"message":"reason in query is required"}',
    "502 content-type: text/html\n\n<html><head><style>b{}</style></head><body>Bad gateway</body></html>",
    "302 location: https://elsewhere.example/login\n\n",
  ],
  grammar,
  begin: () => ({ run: bookOutcome, end: () => Promise.resolve() }),
};

export const access: FuzzTarget = {
  samples: [
    '200 \n\n{"uri":"wss://app.example.org/t/relay/session/stats?code=c0de"}',
    '401 \n\n"Token Missing Required Claims"',
    '500 date: Sun, 22 Nov 2026 20:31:14 GMT\n\n{"code":500,"message":"token used before issued"}',
  ],
  grammar,
  begin: () => ({ run: accessOutcome, end: () => Promise.resolve() }),
};

export const webhook: FuzzTarget = {
  samples: ["200 \n\nok", "429 retry-after: 30\n\nslow down", `500 \n\nno ${key}`, "302 location: /login\n\n"],
  grammar,
  begin: () => ({ run: webhookOutcome, end: () => Promise.resolve() }),
};

/** The answer that a text stands for: its status, a header a line, an empty line, its body. */
function answerOf(text: string): Response {
  const [head = "", ...body] = text.split("\n\n");
  const [first = "", ...lines] = head.split("\n");
  const [, code = "", header = ""] = /^(\d{0,3}) ?(.*)$/s.exec(first) ?? [];
  const status = Number(code) >= 200 && Number(code) <= 599 ? Number(code) : 200;
  const headers = new Headers();
  for (const line of [header, ...lines]) {
    const [name = "", ...value] = line.split(":");
    try {
      headers.append(name.trim(), value.join(":").trim());
    } catch {
      // what could not be sent is not
    }
  }
  const bytes = new TextEncoder().encode(body.join("\n\n"));
  return new Response([204, 205, 304].includes(status) ? null : bytes, { status, headers });
}

async function bookOutcome(text: string): Promise<string> {
  const source = { base: "https://app.example.org/t/book", audience: "x", secret, timeoutMs: 5_000 };
  const asked: string[] = [];
  const fetch = (url: URL) => (asked.push(url.href), Promise.resolve(answerOf(text)));
  const book = createBook(source, { clock, fetch });
  const name = text.slice(-40);
  const calls = [
    () => book.resources(never),
    () => book.availability(name, never),
    () => book.setAvailability(name, { available: false, reason: text.slice(0, 300).toWellFormed() }, never),
  ];
  const outcomes = [];
  for (const call of calls) outcomes.push(await outcomeOf(call));
  for (const url of asked.slice(1)) {
    const { origin, pathname } = new URL(url);
    const resource = pathname.replace("/t/book/api/v1/admin/resources/", "");
    hope(origin === "https://app.example.org" && !resource.includes("/"), `${url} is the resource's own`);
    hope(decodeURIComponent(resource) === name, `${url} is the resource's own, to the character`);
  }
  return outcomes.join();
}

async function outcomeOf(call: () => Promise<BookList | Availability | void>): Promise<string> {
  try {
    return valueWords(await call());
  } catch (error) {
    if (!isBookError(error)) throw error;
    checkWords(bookTrouble(error).message);
    return `${error.code} ${error.message.replace(/.*?: /, "").replaceAll(/\d+|".*"/gs, "").slice(0, 60)}`;
  }
}

function valueWords(value: BookList | Availability | void): string {
  if (value === undefined) return "done";
  if ("available" in value) {
    hope(
      typeof value.available === "boolean" && value.reason.length <= 500 && value.reason.isWellFormed(),
      "it is an availability",
    );
    return `available ${value.available}`;
  }
  const isSound = value.resources.every(({ name, stub, required }) =>
    name !== "" && name.length <= 256 && stub !== "" && required.every((topic) => topic.startsWith(`${stub}-`))
  );
  hope(isSound, "resources are sound");
  return `list ${Math.min(value.resources.length, 2)}/${Math.min(value.skipped, 2)}`;
}

async function accessOutcome(text: string): Promise<string> {
  const accessUrl = new URL("https://app.example.org/t/relay/session/stats");
  const request = { name: "relay", accessUrl, claims: relayClaims("x"), secret, tokenLifeMs: 60_000 } as const;
  const answer = await askAccess(request, { clock, fetch: () => Promise.resolve(answerOf(text)) }, never);
  if (answer.kind === "granted") {
    hope(/^wss?:$/.test(new URL(answer.socketUrl).protocol), `${answer.socketUrl} can be dialled`);
    return "granted";
  }
  checkWords(answer.trouble.message);
  return `${answer.trouble.kind} ${answer.trouble.message.replaceAll(/\d+|".*"/gs, "")}`;
}

async function webhookOutcome(text: string): Promise<string> {
  const url = new Secret(`https://hooks.example.org/${key}?key=${key}`);
  const hook = createWebhook({ url, secret, userAgent: "status/1" }, {
    clock,
    fetch: () => Promise.resolve(answerOf(text)),
  });
  const delivery = await hook.deliver(`{"id":"5c1b4f0e-8f0a-4b7e-9d3a-2f6f0f5f3a11"}`, never);
  checkWords("why" in delivery ? delivery.why : delivery.answer);
  if (delivery.kind === "deferred" && delivery.afterMs !== undefined) {
    hope(delivery.afterMs >= 0, "a wait is one");
  }
  return `${delivery.kind} ${"why" in delivery ? delivery.why.replaceAll(/\d+|".*"/gs, "").slice(0, 60) : ""}`;
}

function checkWords(words: string): void {
  hope(
    words.length <= 1_500 && !unsafe.test(words) && !words.includes("\n"),
    `words are for people: ${JSON.stringify(words)}`,
  );
  hope(!words.includes(secret.reveal()) && !words.includes(key), `words hold no secret: ${words}`);
}

// Frames: reading never throws, and what is read can be judged, stored, shown, mailed and measured.

const relayEntry =
  '{"canRead":true,"canWrite":true,"connected":"2026-11-22T07:00:00.123456789Z","expiresAt":"2027-11-22T07:00:00Z",' +
  '"remoteAddr":"192.0.2.7","scopes":["read","write","expt"],"stats":{"tx":{"last":"35.123456ms","size":1200,"fps":24.9},' +
  '"rx":{"last":"Never","size":0,"fps":0}},"topic":"pend00-st-video","userAgent":"Go-http-client/1.1"}';
const jumpEntry =
  '{"can_read":true,"can_write":true,"connected_at":"2026-11-22T07:00:00Z","expires_at":"2027-11-22T07:00:00Z",' +
  '"remote_address":"192.0.2.7, 10.0.0.1","scopes":["host","read","write"],"statistcs":{"last":"1h2m3.456s"},' +
  '"topic":"pend00","user_agent":"Go-http-client/1.1"}';

// All go through the same Lab, as in a run of the program; it is replaced before it gets too large.
const framesMax = 300;
const exitsEvery = 50;

export const frames: FuzzTarget = {
  samples: [
    `[${relayEntry}]`,
    `[${relayEntry},${relayEntry}][${relayEntry}]`,
    `[${jumpEntry}]`,
    `{"cmd":"update"}[${jumpEntry}]null[]`,
    `[{"topic":"spin31-st-data","scopes":["expt"],"connected":"2026-11-22T07:00:00Z"}]`,
  ],
  grammar: {
    words: [
      "expt",
      "host",
      "stats",
      "topic",
      "scopes",
      "last",
      "tx",
      "-st-",
      "pend00-st-data",
      "Never",
      "1h2m3.5s",
      "µs",
      "[",
      "]",
      "{",
      "}",
    ],
    isJson: true,
  },
  begin() {
    let bench = newBench();
    let count = 0;
    const sockets = { jump: new ReadSocket("jump"), relay: new ReadSocket("relay") };
    const seen = new Set<string>();
    return {
      async run(text) {
        if (++count % framesMax === 0) bench = newBench();
        const jump = sockets.jump.hear(text), relay = sockets.relay.hear(text);
        if (jump.decoded) report(bench, "jump", text, jump.decoded);
        if (relay.decoded) report(bench, "relay", text, relay.decoded);
        bench.pass(700);
        const outcome = `${shapeOf(jump)} ${shapeOf(relay)}`;
        if (!seen.has(outcome) || count % exitsEvery === 0) {
          await checkExits({ snapshot: snapshot(bench), letter: letterOf(bench) });
        }
        seen.add(outcome);
        return outcome;
      },
      end: async () => void (await checkExits({ snapshot: snapshot(bench), letter: letterOf(bench) })),
    };
  },
};

function newBench(): Bench {
  return new Bench([resource("pend00", ["st-data", "st-video"]), resource("spin31", ["st-data"])]);
}

function report(bench: Bench, feed: FeedName, text: string, decoded: Decoded): void {
  assert.deepEqual(
    inFull(decoded),
    inFull(new ReadSocket(feed).hear(text).decoded),
    "what came before changes nothing",
  );
  hope(
    decoded.connections.size + decoded.skipped <= decoded.entries,
    "no more is read and left out than there was",
  );
  for (const [topic, each] of connectionsOf(decoded)) {
    const numbers = each.stats === null ? [] : [each.stats.tx, each.stats.rx].flatMap(({ idle, size, fps }) => [
      size,
      fps,
      idle.kind === "for" ? idle.ms : 0,
    ]);
    const texts = [each.connected, each.expiresAt, each.remoteAddr, each.userAgent, ...each.scopes];
    hope(each.topic === topic && topic.length > 0 && topic.length <= 256, "a topic is one");
    hope(numbers.every(Number.isFinite), "a number is one");
    hope(
      texts.every((text) => typeof text === "string" && text.length <= 500 && text.isWellFormed()),
      "a text is one",
    );
    hope(typeof each.canRead === "boolean" && typeof each.canWrite === "boolean", "yes is yes");
  }
  const heard = { feed, atMs: bench.nowMs, ...decoded, intervalMs: 1_000 };
  bench.lab = applyReport(bench.lab, heard, bench.rules);
  bench.judge();
  const again = evaluate(bench.lab, bench.rules, bench.nowMs);
  hope(again.lab === bench.lab && again.events.length === 0, "judging twice changes nothing");
}

function letterOf(bench: Bench) {
  return letter({ events: [...bench.lab.experiments.values()].flatMap(({ events }) => events.slice(-2)) });
}

function connectionsOf({ connections }: Decoded): [string, Connection][] {
  return [...connections.keys()].map((topic) => [topic, connections.get(topic)!]);
}

function shapeOf({ read, decoded }: ReturnType<ReadSocket["hear"]>): string {
  if (read.kind === "bad") return `bad ${read.why.replaceAll(/\d+|".*"|'.*'|Unexpected token .*/g, "")}`;
  if (decoded === null) return "none";
  const idle = connectionsOf(decoded).map(([, { stats }]) => stats?.tx.idle ?? null);
  const longest = Math.max(0, ...idle.map((each) => each?.kind === "for" ? each.ms : 0));
  const kinds = [...new Set(idle.map((each) => each?.kind ?? "unmeasured"))].sort();
  const counts = [decoded.connections.size, decoded.skipped].map((count) => Math.min(count, 3));
  return `${counts.join("/")} ${decoded.generation} ${kinds.join()} ${Math.ceil(Math.log10(longest + 1))}`;
}

// Environments: they give settings or faults, never a throw, and no text about them holds a secret.

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

// Mail servers: a mail is accepted, deferred, refused or of unknown fate, in time; no reply does harm.

const password = "Xq7passwordXq7";
const login = btoa(`\0user\0${password}`);
const timeouts = { connectMs: 1_000, greetingMs: 150, idleMs: 150, answerMs: 150, quitMs: 50 };
const conversationMsMax = 10_000;
const text = { subject: "one", text: "two\n.\nthree\n", html: "<p>four</p>" };

/** Replies in their order, a line each (`\n` within one is written as `|`); what is left out is never said. */
export const smtp: FuzzTarget = {
  samples: [
    "220 hello\n250-box|250 AUTH PLAIN\n235 welcome\n250 ok\n250 ok\n250 ok\n354 go on\n250 queued\n221 bye",
    "220 hello\n250 AUTH LOGIN\n334 VXNlcm5hbWU6\n334 UGFzc3dvcmQ6\n535 no such user",
    "220 hello\n250-box|250-STARTTLS|250 SIZE 10\n220 go on",
    "220 hello\n250 AUTH CRAM-MD5\n334 PDE+\n235 ok\n250 ok\n550 no such person\n250 ok\n354 go on\n452 full",
    `554 not for you\n${login}`,
  ],
  grammar: {
    words: [
      "220 ",
      "250-",
      "250 ",
      "354 ",
      "421 ",
      "452 ",
      "550-",
      "550 5.1.1 ",
      "|",
      "\n",
      "AUTH PLAIN LOGIN",
      "STARTTLS",
      "999 ",
      "-1 ",
      login,
      password,
    ],
    isJson: false,
  },
  begin() {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const open = new Set<Deno.Conn>();
    const said = { replies: [] as string[] };
    const serving = serve(listener, open, said);
    const options = {
      host: "127.0.0.1",
      port: listener.addr.port,
      tls: "auto",
      auth: { type: "plain", user: "user", password: new Secret(password) },
      from: { name: "", address: "status@lab.example.org" },
      to: [{ name: "", address: "a@a.org" }, { name: "", address: "b@b.org" }],
      cc: [],
      caPem: null,
      thread: "lab",
    } as const;
    const office = createPostOffice(options, timeouts);
    const raw = office.build({ id: "one", text, dateMs: 0 });
    return {
      async run(replies) {
        said.replies = replies.split("\n");
        const limit = AbortSignal.timeout(conversationMsMax);
        const delivery = await office.deliver(await raw, limit);
        hope(!limit.aborted, "a conversation ends by itself");
        const words = "why" in delivery ? delivery.why : [delivery.answer, ...delivery.rejected].join(" ");
        hope(
          !unsafe.test(words) && !words.includes("\n") && words.length < 1_500,
          `words are for people: ${words}`,
        );
        hope(!words.includes(password) && !words.includes(login), `words hold no secret: ${words}`);
        return `${delivery.kind} ${words.replaceAll(/\d{4,5}|".*"/gs, "").slice(0, 60)}`;
      },
      async end() {
        listener.close();
        for (const conn of open) close(conn);
        await serving;
      },
    };
  },
};

async function serve(
  listener: Deno.TcpListener,
  open: Set<Deno.Conn>,
  said: { replies: readonly string[] },
): Promise<void> {
  const talks: Promise<void>[] = [];
  try {
    for await (const conn of listener) {
      open.add(conn);
      talks.push(talk(conn, said.replies).catch(() => {}).finally(() => (close(conn), open.delete(conn))));
    }
  } finally {
    await Promise.all(talks);
  }
}

async function talk(conn: Deno.Conn, replies: readonly string[]): Promise<void> {
  const bytes = new Uint8Array(65_536);
  for (const reply of replies) {
    await conn.write(new TextEncoder().encode(`${reply.replaceAll("|", "\r\n")}\r\n`));
    if (await conn.read(bytes) === null) return;
  }
  while (await conn.read(bytes) !== null);
}

function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // closed before
  }
}
