import assert from "node:assert/strict";
import net from "node:net";
import type { Delivery } from "../src/notification.ts";
import { Secret } from "../src/setting_types.ts";
import { createPostOffice, type SmtpOptions, type SmtpTimeouts, smtpTimeouts } from "../src/smtp.ts";
import { type Script, type ScriptedServer, startScript } from "./support/smtp_script.ts";

const alpha = { name: "", address: "alpha@a.org" };
const beta = { name: "", address: "beta@b.org" };
const password = "correct horse battery";
const login = { type: "plain", user: "monitor", password: new Secret(password) } as const;
const message = "Subject: hello\r\n\r\nhello\r\n";

/** For those who wait for its end: long enough for a busy machine to get as far as that. */
const shortTimeouts = { ...smtpTimeouts, greetingMs: 1_000, idleMs: 2_000, answerMs: 2_000 };

function postOffice(server: { port: number }, given: Partial<SmtpOptions> = {}, timeouts = smtpTimeouts) {
  return createPostOffice({
    host: "127.0.0.1",
    port: server.port,
    tls: "none",
    auth: { type: "none" },
    from: { name: "", address: "status@c.org" },
    to: [alpha],
    cc: [],
    caPem: null,
    thread: "lab",
    ...given,
  }, timeouts);
}

async function deliver(script: Script, given: Partial<SmtpOptions> = {}): Promise<Delivery> {
  return await deliverRaw(message, script, given, smtpTimeouts);
}

async function deliverRaw(raw: string, script: Script, given: Partial<SmtpOptions>, timeouts: SmtpTimeouts) {
  await using server = startScript(script);
  const delivery = await postOffice(server, given, timeouts).deliver(raw, new AbortController().signal);
  return JSON.parse(JSON.stringify(delivery).replaceAll(`:${server.port}`, ":PORT"));
}

const cannot = "Cannot send mail through 127.0.0.1:PORT: ";
const unknown = "Cannot know whether 127.0.0.1:PORT took the mail: ";
const deferred = (why: string): Delivery => ({ kind: "deferred", why: cannot + why });
const refused = (why: string): Delivery => ({ kind: "refused", why: cannot + why });
const refusedItself = (why: string): Delivery => ({ kind: "refused", why: cannot + why, ofMessage: true });
const inDoubt = (why: string): Delivery => ({ kind: "in-doubt", why: unknown + why });
const taken = (rejected: readonly string[] = []): Delivery => ({ kind: "taken", answer: "250 queued as 1", rejected });

const stages: Record<string, [script: Script, want: Delivery]> = {
  "all well is taken": [{}, taken()],
  "554 for a greeting is refused": [{ greeting: "554 no service" }, refused('it answered 554 "no service"')],
  "421 for a greeting is deferred": [{ greeting: "421 busy" }, deferred('it answered 421 "busy"')],
  "a connection closed at once is deferred": [{ greeting: "drop" }, deferred("it closed the connection")],
  "EHLO and HELO refused for good is refused": [{ ehlo: "550 go away" }, refused('it answered 550 "go away"')],
  "EHLO refused for now is deferred": [{ ehlo: "421 too busy" }, deferred('it answered 421 "too busy"')],
  "closed at EHLO is deferred": [{ ehlo: "drop" }, deferred("it closed the connection")],
  "a refused sender is refused": [{ mail: "550 who are you" }, refused('it answered 550 "who are you" to the sender')],
  "a message that is too large for the server is refused as such": [
    { mail: "552 too large" },
    refusedItself('it answered 552 "too large" to the sender'),
  ],
  "a sender refused for now is deferred": [{ mail: "450 later" }, deferred('it answered 450 "later" to the sender')],
  "closed at MAIL is deferred": [{ mail: "drop" }, deferred("it closed the connection")],
  "all recipients refused is refused": [
    { rcpt: { "alpha@a.org": "550 no such user", "beta@b.org": "550 no such user" } },
    refused('it answered 550 "no such user" to the recipients'),
  ],
  "all recipients refused, one of them for now, is deferred": [
    { rcpt: { "alpha@a.org": "450 greylisted", "beta@b.org": "550 no such user" } },
    deferred('it answered 450 "greylisted" to the recipients'),
  ],
  "one recipient refused is taken for the other": [
    { rcpt: { "beta@b.org": "550 no such user" } },
    taken(['beta@b.org: 550 "no such user"']),
  ],
  "closed at RCPT is deferred": [{ rcpt: { "alpha@a.org": "drop" } }, deferred("it closed the connection")],
  "451 to DATA is deferred": [{ data: "451 disk trouble" }, deferred('it answered 451 "disk trouble"')],
  "552 to DATA is refused": [{ data: "552 mailbox full" }, refusedItself('it answered 552 "mailbox full"')],
  "closed at DATA is deferred": [{ data: "drop" }, deferred("it closed the connection")],
  "451 after the message is deferred": [{ message: "451 scanner down" }, deferred('it answered 451 "scanner down"')],
  "421 after the message is deferred": [{ message: "421 going down" }, deferred('it answered 421 "going down"')],
  "554 after the message is refused": [
    { message: "554 looks like spam" },
    refusedItself('it answered 554 "looks like spam"'),
  ],
  "closed after the message is in doubt": [{ message: "drop" }, inDoubt("it closed the connection")],
  "nonsense after the message is in doubt": [{ message: "354 what else" }, inDoubt("Message failed: 354 what else")],
  "closed at QUIT changes nothing": [{ quit: "drop" }, taken()],
};
for (const [name, [script, want]] of Object.entries(stages)) {
  Deno.test(`deliver: ${name}`, async () => assert.deepEqual(await deliver(script, { to: [alpha, beta] }), want));
  Deno.test(`deliver, with commands in one batch: ${name}`, async () => {
    assert.deepEqual(await deliver({ extensions: ["PIPELINING"], ...script }, { to: [alpha, beta] }), want);
  });
}

// On Deno 2.6 that throws in a turn of its own, where nobody can catch it.
Deno.test("deliver: nothing is asked of a socket that can't be once the server has hung up", async () => {
  const { setNoDelay } = net.Socket.prototype;
  net.Socket.prototype.setNoDelay = () => {
    throw new Deno.errors.BadResource("Bad resource ID");
  };
  try {
    assert.deepEqual(await deliver({ greeting: "drop" }), deferred("it closed the connection"));
  } finally {
    net.Socket.prototype.setNoDelay = setNoDelay;
  }
});

Deno.test("deliver: a server that stops answering defers the mail, save after the whole message: that is in doubt", async () => {
  const silent = deferred("connected, but it stopped answering");
  const wants: [script: Script, want: Delivery][] = [
    [{ greeting: "hang" }, deferred("connected, but it sent no greeting in time")],
    [{ ehlo: "hang" }, silent],
    [{ auth: "hang" }, silent],
    [{ auth: "235 ok", mail: "hang" }, silent],
    [{ auth: "235 ok", rcpt: { "alpha@a.org": "hang" } }, silent],
    [{ auth: "235 ok", data: "hang" }, silent],
    [{ auth: "235 ok", message: "hang" }, inDoubt("connected, but it stopped answering")],
    [{ auth: "235 ok", quit: "hang" }, taken()],
  ];
  const found = wants.map(([script]) => deliverRaw(message, script, { auth: login }, shortTimeouts));
  assert.deepEqual(await Promise.all(found), wants.map(([, want]) => want));
});

const logins: Record<string, [script: Script, want: Delivery]> = {
  "a wrong password is refused": [
    { auth: "535 5.7.8 credentials invalid" },
    refused('it answered 535 "5.7.8 credentials invalid" to the login'),
  ],
  "a login refused for now is deferred": [{ auth: "454 later" }, deferred('it answered 454 "later" to the login')],
  "closed at the login is deferred": [{ auth: "drop" }, deferred("it closed the connection")],
  "a server that repeats the login does not make it known": [
    { auth: (line) => `500 unknown command ${line}` as const },
    refused('it answered 500 "unknown command AUTH PLAIN (secret)" to the login'),
  ],
  "not even one that cuts it short and in capitals": [
    { auth: (line) => `500 unknown command ${line.toUpperCase().slice(0, 40)}` as const },
    refused('it answered 500 "unknown command AUTH PLAIN (secret)" to the login'),
  ],
  "nor one that has decoded it": [
    { auth: `535 wrong password ${password} for monitor` as const },
    refused('it answered 535 "wrong password (secret) for monitor" to the login'),
  ],
};
for (const [name, [script, want]] of Object.entries(logins)) {
  Deno.test(`deliver: ${name}`, async () => assert.deepEqual(await deliver(script, { auth: login }), want));
}

Deno.test("deliver: what a server says as it takes a mail, or does not take a recipient, does not make the password known", async () => {
  const script: Script = {
    auth: "235 welcome",
    rcpt: { "beta@b.org": `550 ${password} is no such user` as const },
    message: `250 queued for ${password}` as const,
  };
  const delivery = await deliver(script, { auth: login, to: [alpha, beta] });

  assert.deepEqual(delivery, {
    kind: "taken",
    answer: "250 queued for (secret)",
    rejected: ['beta@b.org: 550 "(secret) is no such user"'],
  });
});

Deno.test("deliver: the password is not made known at the second step of a login either", async () => {
  const script: Script = {
    auth: (line) => line.startsWith("AUTH") || line === btoa("monitor") ? "334 Pz8=" : `535 ${line} is wrong`,
  };
  const want = refused('it answered 535 "(secret) is wrong" to the login');
  assert.deepEqual(await deliver(script, { auth: { ...login, type: "login" } }), want);
});

Deno.test("deliver: STARTTLS that is asked for and not offered is refused, and no password is sent", async () => {
  await using server = startScript({});
  const delivery = await postOffice(server, { tls: "starttls", auth: login }).deliver(
    message,
    new AbortController().signal,
  );
  const why = `Cannot send mail through 127.0.0.1:${server.port}: it answered 502 "no TLS here"` +
    " to STARTTLS (required: see STATUS_EMAIL_TLS)";
  assert.deepEqual(delivery, { kind: "refused", why });
  assert.deepEqual(server.commands, ["EHLO c.org", "STARTTLS"]);
});

Deno.test("deliver: a password is not sent unencrypted to another machine, and to this one it is", async () => {
  await using server = startScript({ auth: "235 welcome" });
  await postOffice(server, { host: "0.0.0.0", tls: "auto", auth: login }).deliver(
    message,
    new AbortController().signal,
  );
  assert.deepEqual(server.commands, ["EHLO c.org", "STARTTLS"]);
  const delivery = await postOffice(server, { tls: "auto", auth: login }).deliver(
    message,
    new AbortController().signal,
  );
  assert.equal(delivery.kind, "taken");
});

Deno.test("deliver: TLS to a server that speaks none defers the mail", async () => {
  assert.deepEqual(
    await deliver({}, { tls: "implicit" }),
    deferred("it does not speak TLS there: see STATUS_EMAIL_TLS"),
  );
});

Deno.test("deliver: a message larger than the server takes is refused before it is sent", async () => {
  const delivery = await deliver({ extensions: ["SIZE 10"] });
  assert.deepEqual(delivery, refusedItself("Message size larger than allowed 10"));
});

Deno.test("deliver: a message of which the server read only a part has not arrived", async () => {
  const delivery = await deliverRaw(message + "\r\n".repeat(8_000_000), { message: "unread" }, {}, shortTimeouts);
  assert.deepEqual(delivery, deferred("connected, but it stopped answering"));
});

Deno.test("deliver: nobody listens", async () => {
  const { port } = await formerServer();
  const delivery = await postOffice({ port }).deliver(message, new AbortController().signal);
  assert.deepEqual(delivery, {
    kind: "deferred",
    why: `Cannot send mail through 127.0.0.1:${port}: connection refused`,
  });
});

Deno.test("deliver: a stop before the message went out defers it, and after that leaves it in doubt", async () => {
  const stopped = "this program stopped before it answered";
  assert.deepEqual(await stoppedAt({ mail: "hang" }, (server) => server.commands.length === 2), deferred(stopped));
  assert.deepEqual(await stoppedAt({ message: "hang" }, (server) => server.messages.length === 1), inDoubt(stopped));
});

Deno.test("deliver: what was stopped before it began is deferred", async () => {
  await using server = startScript({});
  assert.equal((await postOffice(server).deliver(message, AbortSignal.abort())).kind, "deferred");
});

Deno.test("verify: connects and logs in, and sends nothing", async () => {
  await using server = startScript({ auth: "235 welcome" });
  const verified = await postOffice(server, { auth: login }).verify(new AbortController().signal);
  assert.deepEqual(verified, { kind: "ok", encrypted: false });
  assert.deepEqual(server.commands.map((each) => each.slice(0, 4)), ["EHLO", "AUTH", "QUIT"]);
});

Deno.test("verify: says what is wrong in the server's words", async () => {
  await using server = startScript({ auth: "535 credentials invalid" });
  const verified = await postOffice(server, { auth: login }).verify(new AbortController().signal);
  const message =
    `Cannot send mail through 127.0.0.1:${server.port}: it answered 535 "credentials invalid" to the login`;
  assert.deepEqual(verified, { kind: "refused", message });
});

/** What becomes of a mail when the program stops as soon as `isReached`. */
async function stoppedAt(script: Script, isReached: (server: ScriptedServer) => boolean): Promise<Delivery> {
  await using server = startScript(script);
  const stop = new AbortController();
  const delivering = postOffice(server).deliver(message, stop.signal);
  while (!isReached(server)) await new Promise((resolve) => setTimeout(resolve, 1));
  stop.abort();
  return JSON.parse(JSON.stringify(await delivering).replaceAll(`:${server.port}`, ":PORT"));
}

/** A port where somebody listened until just now. */
async function formerServer(): Promise<{ port: number }> {
  await using server = startScript({});
  return { port: server.port };
}
