import assert from "node:assert/strict";
import type { MailText } from "../src/mail_text.ts";
import { Secret } from "../src/setting_types.ts";
import { createPostOffice, type PostOffice, type SmtpOptions } from "../src/smtp.ts";
import { type Arrived, certificates, type MailBox, openBox } from "./support/smtp_box.ts";

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
