import assert from "node:assert/strict";
import net from "node:net";
import type { MailText } from "../src/mail_text.ts";
import type { Delivery } from "../src/notification.ts";
import { Secret } from "../src/setting_types.ts";
import { createPostOffice, type PostOffice, type SmtpOptions, type SmtpTimeouts, smtpTimeouts } from "../src/smtp.ts";
import { type Arrived, certificates, type MailBox, openBox } from "./support/smtp_box.ts";
import { type Script, type ScriptedServer, startScript } from "./support/smtp_script.ts";

const dateMs = Date.UTC(2026, 10, 22, 20, 31, 14);
const text: MailText = {
  subject: "app.example.org/t 1 new health events",
  text: "pend00 ><   U [missing jump]\n\n.hidden\nFrom here\nMünchen \n",
  html: "<!DOCTYPE html><p>München</p>",
};
const never = new AbortController().signal;

function postOffice({ port }: { port: number }, given: Partial<SmtpOptions> = {}): PostOffice {
  return createPostOffice({
    host: "localhost",
    port,
    tls: "auto",
    auth: { type: "none" },
    from: { name: "Lab status", address: "status@lab.example.org" },
    to: [{ name: "Ann Other", address: "alpha@a.org" }, { name: "", address: "gamma@c.org" }],
    cc: [{ name: "Jörg, from the lab", address: "beta@b.org" }],
    caPem: null,
    thread: "lab",
    ...given,
  });
}

/** Sends one mail, and says how it arrived. */
async function send(box: MailBox, given: Partial<SmtpOptions> = {}, mail: Partial<MailText> = {}): Promise<Arrived> {
  const office = postOffice(box, given);
  const raw = await office.build({ id: "one", text: { ...text, ...mail }, dateMs });
  assert.deepEqual(await office.deliver(raw, never), { kind: "taken", answer: "250 queued", rejected: [] });
  return box.arrived.at(-1)!;
}

function header({ mail }: Arrived, name: string): string[] {
  return mail.headerLines.filter(({ key }) => key === name).map(({ line }) => line.replace(/^[^:]*: /, ""));
}

Deno.test("a mail arrives as it was made: text and HTML, both in UTF-8, word for word", async () => {
  await using box = await openBox();
  const { mail } = await send(box);
  assert.equal(mail.subject, text.subject);
  assert.equal(mail.text, text.text);
  assert.equal(mail.html, text.html);
  assert.deepEqual(mail.attachments, []);
});

Deno.test("the headers say from whom to whom, when, and that a machine wrote it", async () => {
  await using box = await openBox();
  const arrived = await send(box);
  const { mail } = arrived;
  assert.deepEqual(header(arrived, "from"), ["Lab status <status@lab.example.org>"]);
  assert.deepEqual(header(arrived, "to"), ["Ann Other <alpha@a.org>, gamma@c.org"]);
  assert.deepEqual(Array.isArray(mail.cc) ? [] : mail.cc?.value, [{
    name: "Jörg, from the lab",
    address: "beta@b.org",
  }]);
  assert.equal(mail.date?.getTime(), dateMs);
  assert.deepEqual(header(arrived, "auto-submitted"), ["auto-generated"]);
  assert.deepEqual(header(arrived, "mime-version"), ["1.0"]);
  assert.match(header(arrived, "content-type")[0] ?? "", /^multipart\/alternative;/);
});

Deno.test("the Message-ID is the mail's own, and all mails of a UTC day answer one that never was", async () => {
  await using box = await openBox();
  const arrived = await send(box);
  assert.deepEqual(header(arrived, "message-id"), ["<status.one@lab.example.org>"]);
  assert.deepEqual(header(arrived, "in-reply-to"), ["<status.lab.2026-11-22@lab.example.org>"]);
  assert.deepEqual(header(arrived, "references"), ["<status.lab.2026-11-22@lab.example.org>"]);
});

Deno.test("the server is told the domain of the sender, its address, and all recipients", async () => {
  await using box = await openBox();
  const { helo, from, recipients } = await send(box);
  assert.deepEqual([helo, from], ["lab.example.org", "status@lab.example.org"]);
  assert.deepEqual(recipients, ["alpha@a.org", "gamma@c.org", "beta@b.org"]);
});

Deno.test("a domain of another alphabet is told as mail servers know it", async () => {
  await using box = await openBox();
  const { mail, helo } = await send(box, { from: { name: "", address: "status@bücher.example" } });
  assert.equal(helo, "xn--bcher-kva.example");
  assert.equal(mail.messageId, "<status.one@xn--bcher-kva.example>");
});

Deno.test("every line of a message is short enough for every server", async () => {
  await using box = await openBox();
  const { raw, mail } = await send(box, {}, { text: `${"x".repeat(5_000)}\n`, html: `<p>${"y".repeat(5_000)}</p>` });
  assert.ok(raw.split("\r\n").every((line) => line.length <= 78));
  assert.equal(mail.text, `${"x".repeat(5_000)}\n`);
});

const long: Record<string, [words: string, encoding: string]> = {
  "in Latin letters": ["exp00017 ><   U [unhealthy exp00017-st-data] é😀 .\n.\n", "quoted-printable"],
  "in another alphabet": ["実験00017は利用できません😀\n", "base64"],
};
for (const [what, [words, encoding]] of Object.entries(long)) {
  Deno.test(`a mail that is encoded in pieces arrives as it was made: ${what}`, async () => {
    await using box = await openBox();
    const many = words.repeat(8_000);
    const { mail, raw } = await send(box, {}, { text: many, html: `<p>${many}</p>` });
    assert.equal(mail.text, many);
    assert.equal(mail.html, `<p>${many}</p>`);
    assert.ok(raw.includes(`Content-Transfer-Encoding: ${encoding}`));
    assert.ok(raw.split("\r\n").every((line) => line.length <= 78));
  });
}

Deno.test("nothing that is put into a header makes another header", async () => {
  await using box = await openBox();
  const nasty = "x\r\nBcc: victim@example.org\r\n\r\nbody";
  const arrived = await send(
    box,
    { from: { name: nasty, address: "status@lab.example.org" }, to: [{ name: nasty, address: "alpha@a.org" }], cc: [] },
    { subject: nasty },
  );
  assert.deepEqual(header(arrived, "bcc"), []);
  assert.deepEqual(arrived.recipients, ["alpha@a.org"]);
  assert.equal(arrived.mail.text, text.text);
});

Deno.test("the same letter makes the same Message-ID whenever it is made", async () => {
  const office = postOffice({ port: 25 });
  const one = await office.build({ id: "one", text, dateMs });
  const later = await office.build({ id: "one", text, dateMs: dateMs + 86_400_000 });
  assert.match(one, /^Message-ID: <status\.one@lab\.example\.org>\r$/m);
  assert.match(later, /^Message-ID: <status\.one@lab\.example\.org>\r$/m);
  assert.match(later, /^References: <status\.lab\.2026-11-23@lab\.example\.org>\r$/m);
});

const { ca, otherCa, server: certificate } = certificates;
const implicit = { ...certificate, secure: true };
const starttls = { ...certificate };
const secured: Record<string, [server: object, given: Partial<SmtpOptions>]> = {
  "implicit": [implicit, { tls: "implicit", caPem: ca }],
  "starttls": [starttls, { tls: "starttls", caPem: ca }],
  "auto, where STARTTLS is offered": [starttls, { tls: "auto", caPem: ca }],
  "to an address, if the certificate is for it": [starttls, { host: "127.0.0.1", tls: "starttls", caPem: ca }],
  "with the authority among others": [starttls, { tls: "starttls", caPem: otherCa + ca }],
};
for (const [name, [server, given]] of Object.entries(secured)) {
  Deno.test(`TLS ${name}: the mail goes encrypted`, async () => {
    await using box = await openBox(server);
    assert.equal((await send(box, given)).encrypted, true);
    assert.deepEqual(await postOffice(box, given).verify(never), { kind: "ok", encrypted: true });
  });
}

const unencrypted: Record<string, [server: object, given: Partial<SmtpOptions>]> = {
  "none, though STARTTLS is offered": [starttls, { tls: "none" }],
  "auto, where it is not offered": [{}, { tls: "auto" }],
};
for (const [name, [server, given]] of Object.entries(unencrypted)) {
  Deno.test(`TLS ${name}: the mail goes as it is`, async () => {
    await using box = await openBox(server);
    assert.equal((await send(box, given)).encrypted, false);
  });
}

const issuer = /it has expired, or its issuer is not known; .*STATUS_EMAIL_CA_FILE.*DENO_TLS_CA_STORE.*DENO_CERT/;
const expired = { secure: true, ...certificates.expired };
const distrusted: Record<string, [server: object, given: Partial<SmtpOptions>, why: RegExp]> = {
  "an authority that is not known": [starttls, { tls: "starttls" }, issuer],
  "an authority that is not known, implicit": [implicit, { tls: "implicit" }, issuer],
  "another authority": [starttls, { tls: "starttls", caPem: otherCa }, issuer],
  "another authority, auto": [starttls, { tls: "auto", caPem: otherCa }, issuer],
  "a certificate that has expired": [expired, { tls: "implicit", caPem: certificates.worldCa }, issuer],
  "a certificate for another host": [starttls, { host: "127.0.0.2", tls: "starttls", caPem: ca }, /127\.0\.0\.2/],
  "STARTTLS that is not offered": [
    { disabledCommands: ["STARTTLS", "AUTH"] },
    { tls: "starttls" },
    /STATUS_EMAIL_TLS/,
  ],
};
for (const [name, [server, given, why]] of Object.entries(distrusted)) {
  Deno.test(`TLS with ${name}: nothing is sent, and it says why`, async () => {
    await using box = await openBox(server);
    const delivery = await postOffice(box, given).deliver("Subject: x\r\n\r\nx\r\n", never);
    assert.ok(delivery.kind === "deferred" || delivery.kind === "refused");
    assert.match(delivery.why, why);
    assert.deepEqual(box.arrived, []);
  });
}

const methods = { "plain": "PLAIN", "login": "LOGIN", "cram-md5": "CRAM-MD5" } as const;
for (const [type, method] of Object.entries(methods) as [keyof typeof methods, string][]) {
  Deno.test(`AUTH ${type}: the right password lets in, over TLS`, async () => {
    await using box = await openBox({ ...starttls, authMethods: Object.values(methods) }, { monitor: "päss wörd" });
    const auth = { type, user: "monitor", password: new Secret("päss wörd") };
    const { login, encrypted } = await send(box, { auth, caPem: ca, tls: "starttls" });
    assert.deepEqual(login, { method, user: "monitor" });
    assert.equal(encrypted, true);
  });

  Deno.test(`AUTH ${type}: a wrong password does not, and is not in what is said of it`, async () => {
    await using box = await openBox({ ...starttls, authMethods: Object.values(methods) }, { monitor: "right" });
    const auth = { type, user: "monitor", password: new Secret("wrong one") };
    const delivery = await postOffice(box, { auth, caPem: ca }).deliver("Subject: x\r\n\r\nx\r\n", never);
    const why = `Cannot send mail through localhost:${box.port}: it answered 535 "credentials invalid" to the login`;
    assert.deepEqual(delivery, { kind: "refused", why });
  });
}

Deno.test("an office is made without touching the network, and its options can be printed", () => {
  const options = { type: "plain", user: "monitor", password: new Secret("hunter2") } as const;
  assert.ok(postOffice({ port: 1 }, { auth: options }));
  assert.doesNotMatch(Deno.inspect(options), /hunter2/);
});

const alpha = { name: "", address: "alpha@a.org" };
const beta = { name: "", address: "beta@b.org" };
const password = "correct horse battery";
const login = { type: "plain", user: "monitor", password: new Secret(password) } as const;
const message = "Subject: hello\r\n\r\nhello\r\n";

/** For those who wait for its end: long enough for a busy machine to get as far as that. */
const shortTimeouts = { ...smtpTimeouts, greetingMs: 1_000, idleMs: 2_000, answerMs: 2_000 };

function failurePostOffice(server: { port: number }, given: Partial<SmtpOptions> = {}, timeouts = smtpTimeouts) {
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
  const delivery = await failurePostOffice(server, given, timeouts).deliver(raw, new AbortController().signal);
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
  const delivery = await failurePostOffice(server, { tls: "starttls", auth: login }).deliver(
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
  await failurePostOffice(server, { host: "0.0.0.0", tls: "auto", auth: login }).deliver(
    message,
    new AbortController().signal,
  );
  assert.deepEqual(server.commands, ["EHLO c.org", "STARTTLS"]);
  const delivery = await failurePostOffice(server, { tls: "auto", auth: login }).deliver(
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
  const delivery = await failurePostOffice({ port }).deliver(message, new AbortController().signal);
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
  assert.equal((await failurePostOffice(server).deliver(message, AbortSignal.abort())).kind, "deferred");
});

Deno.test("verify: connects and logs in, and sends nothing", async () => {
  await using server = startScript({ auth: "235 welcome" });
  const verified = await failurePostOffice(server, { auth: login }).verify(new AbortController().signal);
  assert.deepEqual(verified, { kind: "ok", encrypted: false });
  assert.deepEqual(server.commands.map((each) => each.slice(0, 4)), ["EHLO", "AUTH", "QUIT"]);
});

Deno.test("verify: says what is wrong in the server's words", async () => {
  await using server = startScript({ auth: "535 credentials invalid" });
  const verified = await failurePostOffice(server, { auth: login }).verify(new AbortController().signal);
  const message =
    `Cannot send mail through 127.0.0.1:${server.port}: it answered 535 "credentials invalid" to the login`;
  assert.deepEqual(verified, { kind: "refused", message });
});

/** What becomes of a mail when the program stops as soon as `isReached`. */
async function stoppedAt(script: Script, isReached: (server: ScriptedServer) => boolean): Promise<Delivery> {
  await using server = startScript(script);
  const stop = new AbortController();
  const delivering = failurePostOffice(server).deliver(message, stop.signal);
  while (!isReached(server)) await new Promise((resolve) => setTimeout(resolve, 1));
  stop.abort();
  return JSON.parse(JSON.stringify(await delivering).replaceAll(`:${server.port}`, ":PORT"));
}

/** A port where somebody listened until just now. */
async function formerServer(): Promise<{ port: number }> {
  await using server = startScript({});
  return { port: server.port };
}
