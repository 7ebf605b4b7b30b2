/**
 * How does a mail get to its server, and what became of it. One connection for each mail: they are rare. When to send, and
 * again, is for `outbox`; the message itself for `smtp_message`; the conversation for `smtp_conversation`; what a failure means
 * for `smtp_failure`.
 */
import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { domainToASCII } from "node:url";
import type { NodemailerError } from "nodemailer/lib/errors";
import type SMTPConnection from "nodemailer/lib/smtp-connection";
import { pause } from "./async.ts";
import type { Delivery } from "./delivery.ts";
import { excerpt, type Trouble } from "./failure.ts";
import type { MailAddress } from "./setting_types.ts";
import { bareHost, called, converse, type SmtpOptions, type SmtpTimeouts, smtpTimeouts } from "./smtp_conversation.ts";
import { deliveryAfter, quoted, troubleAfter, withoutSecrets } from "./smtp_failure.ts";
import { buildMessage, envelopeOf, type Message } from "./smtp_message.ts";

export type { SmtpOptions } from "./smtp_conversation.ts";

// A server that is near takes so much in some milliseconds.
const pausedAfterBytes = 8 * 16_384;

export interface PostOffice {
  /** The whole MIME message, as `smtp_message` makes it. */
  build(mail: Message): Promise<string>;
  /** Hands `raw` to the server. Never rejects; an abort ends it at once. */
  deliver(raw: string, signal: AbortSignal): Promise<Delivery>;
  /** Connects and logs in. Never rejects. */
  verify(signal: AbortSignal): Promise<{ readonly kind: "ok"; readonly encrypted: boolean } | Trouble>;
}

export function createPostOffice(options: SmtpOptions, timeouts: SmtpTimeouts = smtpTimeouts): PostOffice {
  const { host, port, auth } = options;
  const domain = domainOf(options.from);
  const login = auth.type === "none" ? null : { user: auth.user, password: auth.password.reveal() };
  const call = { options, timeouts, login, domain };
  const talk = { server: `${bareHost(host).includes(":") ? `[${bareHost(host)}]` : host}:${port}`, login };
  return {
    build: (mail) => buildMessage({ ...options, domain }, mail),
    deliver: (raw, signal) => deliver(call, talk, raw, signal),
    async verify(signal) {
      try {
        const encrypted = await converse(call, signal, ({ secure }) => Promise.resolve(secure));
        return { kind: "ok", encrypted };
      } catch (error) {
        return troubleAfter(error, { ...talk, handedOver: false, stopped: signal.aborted });
      }
    },
  };
}

async function deliver(
  call: Parameters<typeof converse>[0],
  talk: Pick<Parameters<typeof deliveryAfter>[1], "server" | "login">,
  raw: string,
  signal: AbortSignal,
): Promise<Delivery> {
  const message = Buffer.from(raw);
  const source = Readable.from(wireChunks(message));
  let handedOver = false;
  source.once("end", () => handedOver = true);
  try {
    const envelope = { ...(await envelopeOf(call.options)), size: message.length };
    const info = await converse(call, signal, (connection) => {
      source.once("end", () => connection._socket && connection._socket.setTimeout(call.timeouts.answerMs));
      return called<SMTPConnection.SentMessageInfo>((done) => connection.send(envelope, source, done));
    });
    const rejected = (info.rejectedErrors ?? []).map((error) => withoutSecrets(rejection(error), talk.login));
    return { kind: "taken", answer: excerpt(withoutSecrets(info.response, talk.login)), rejected };
  } catch (error) {
    return deliveryAfter(error, { ...talk, handedOver, stopped: signal.aborted });
  } finally {
    source.destroy();
  }
}

function rejection({ recipient, responseCode, response, message }: NodemailerError): string {
  return `${recipient}: ${responseCode === undefined ? excerpt(message) : quoted(responseCode, response ?? "")}`;
}

/**
 * In pieces, so that a message of which only a part could be written is known not to have arrived; and with pauses, since a
 * server that is near takes some megabytes in one go.
 */
async function* wireChunks(message: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < message.length; at += 16_384) {
    if (at > 0 && at % pausedAfterBytes === 0) await pause();
    yield message.subarray(at, at + 16_384);
  }
}

function domainOf({ address }: MailAddress): string {
  const domain = address.slice(address.lastIndexOf("@") + 1);
  return domainToASCII(domain) || domain;
}
