/**
 * How does a mail get to its server: headers and MIME, and what became of it. One connection for each mail: they are rare.
 * When to send, and again, is for `outbox`; what it says for `mail`; the conversation for `smtp_conversation`; what a failure
 * means for `smtp_failure`.
 */
import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { domainToASCII } from "node:url";
import type { NodemailerError } from "nodemailer/lib/errors";
import type SMTPConnection from "nodemailer/lib/smtp-connection";
import type { Delivery } from "./delivery.ts";
import type { MailText } from "./mail.ts";
import type { MailAddress } from "./mail_address.ts";
import { bareHost, called, converse, type SmtpOptions, type SmtpTimeouts, smtpTimeouts } from "./smtp_conversation.ts";
import { deliveryAfter, quoted, troubleAfter, withoutSecrets } from "./smtp_failure.ts";
import { excerpt, type Trouble } from "./trouble.ts";

export type { SmtpOptions } from "./smtp_conversation.ts";

export interface PostOffice {
  /** The whole MIME message. The same `id` makes the same Message-ID; mails of one UTC day, and of one `thread`, are one thread. */
  build(mail: { id: string; text: MailText; dateMs: number }): Promise<string>;
  /** Hands `raw` to the server. Never rejects; an abort ends it at once. */
  deliver(raw: string, signal: AbortSignal): Promise<Delivery>;
  /** Connects and logs in. Never rejects. */
  verify(signal: AbortSignal): Promise<{ readonly kind: "ok"; readonly encrypted: boolean } | Trouble>;
}

export function createPostOffice(options: SmtpOptions, timeouts: SmtpTimeouts = smtpTimeouts): PostOffice {
  const domain = domainOf(options.from);
  const { host, port, auth } = options;
  const login = auth.type === "none" ? null : { user: auth.user, password: auth.password.reveal() };
  const call = { options, timeouts, login, domain };
  const talk = { server: `${bareHost(host).includes(":") ? `[${bareHost(host)}]` : host}:${port}`, login };

  async function build({ id, text, dateMs }: { id: string; text: MailText; dateMs: number }): Promise<string> {
    const thread = `<status.${options.thread}.${new Date(dateMs).toISOString().slice(0, 10)}@${domain}>`;
    const message = (await compose(options, {
      ...text,
      messageId: `<status.${id}@${domain}>`,
      inReplyTo: thread,
      references: thread,
      date: new Date(dateMs),
      headers: { "Auto-Submitted": "auto-generated" },
    })).build();
    return (await message).toString();
  }

  async function deliver(raw: string, signal: AbortSignal): Promise<Delivery> {
    const message = Buffer.from(raw);
    const source = Readable.from(pieces(message));
    let handedOver = false;
    source.once("end", () => handedOver = true);
    try {
      const envelope = { ...(await compose(options, {})).getEnvelope(), size: message.length };
      const info = await converse(call, signal, (connection) => {
        source.once("end", () => connection._socket && connection._socket.setTimeout(timeouts.answerMs));
        return called<SMTPConnection.SentMessageInfo>((done) => connection.send(envelope, source, done));
      });
      const rejected = (info.rejectedErrors ?? []).map((error) => withoutSecrets(rejection(error), login));
      return { kind: "taken", answer: excerpt(withoutSecrets(info.response, login)), rejected };
    } catch (error) {
      return deliveryAfter(error, { ...talk, handedOver, stopped: signal.aborted });
    } finally {
      source.destroy();
    }
  }

  async function verify(signal: AbortSignal): ReturnType<PostOffice["verify"]> {
    try {
      const encrypted = await converse(call, signal, ({ secure }) => Promise.resolve(secure));
      return { kind: "ok", encrypted };
    } catch (error) {
      return troubleAfter(error, { ...talk, handedOver: false, stopped: signal.aborted });
    }
  }

  return { build, deliver, verify };
}

async function compose(options: SmtpOptions, mail: object) {
  const { default: MailComposer } = await import("nodemailer/lib/mail-composer");
  const { from, to, cc } = options;
  const safe = { disableFileAccess: true, disableUrlAccess: true, newline: "win" };
  return new MailComposer({ from, to: [...to], cc: [...cc], ...safe, ...mail }).compile();
}

function rejection({ recipient, responseCode, response, message }: NodemailerError): string {
  return `${recipient}: ${responseCode === undefined ? excerpt(message) : quoted(responseCode, response ?? "")}`;
}

/** In pieces, so that a message of which only a part could be written is known not to have arrived. */
function* pieces(message: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < message.length; at += 16_384) yield message.subarray(at, at + 16_384);
}

function domainOf({ address }: MailAddress): string {
  const domain = address.slice(address.lastIndexOf("@") + 1);
  return domainToASCII(domain) || domain;
}
