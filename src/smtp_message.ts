/**
 * What does a mail look like on the wire: its headers, and text and HTML as MIME (RFC 5322, 2045). What it says is for `mail`,
 * how it gets to its server for `smtp`.
 */
import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import type SMTPConnection from "nodemailer/lib/smtp-connection";
import { pause } from "./async.ts";
import type { MailText } from "./mail.ts";
import type { SmtpOptions } from "./smtp_conversation.ts";

export interface Message {
  /** The same makes the same Message-ID. */
  readonly id: string;
  readonly text: MailText;
  /** Mails of one UTC day, and of one `thread`, are one thread. */
  readonly dateMs: number;
}

/** The whole message. `domain`: of the sender, as mail servers know it. */
export async function buildMessage(
  options: SmtpOptions & { readonly domain: string },
  { id, text: { subject, text, html }, dateMs }: Message,
): Promise<string> {
  const { domain } = options;
  const thread = `<status.${options.thread}.${new Date(dateMs).toISOString().slice(0, 10)}@${domain}>`;
  const node = await compiled(options, {
    subject,
    text: content(text),
    html: content(html),
    messageId: `<status.${id}@${domain}>`,
    inReplyTo: thread,
    references: thread,
    date: new Date(dateMs),
    headers: { "Auto-Submitted": "auto-generated" },
  });
  return (await node.build()).toString();
}

/** From whom it comes and to whom it goes, as the server is told. */
export async function envelopeOf(options: SmtpOptions): Promise<SMTPConnection.Envelope> {
  return (await compiled(options, {})).getEnvelope();
}

async function compiled(options: SmtpOptions, mail: object) {
  const { default: MailComposer } = await import("nodemailer/lib/mail-composer");
  const { from, to, cc } = options;
  const safe = { disableFileAccess: true, disableUrlAccess: true, newline: "win" };
  return new MailComposer({ from, to: [...to], cc: [...cc], ...safe, ...mail }).compile();
}

// Encoding takes a millisecond for 20 KB.
const pieceBytes = 64 * 1024;

/** What is long, as that of a laboratory of which everything has changed, is encoded in pieces, and all else between them. */
function content(text: string) {
  if (text.length <= pieceBytes) return text;
  // As nodemailer chooses for what it is given whole, by the beginning.
  const others = text.slice(0, pieceBytes).match(/[^\0-\x7f]/g)?.length ?? 0;
  return {
    content: Readable.from(contentChunks(Buffer.from(text)), { objectMode: false }),
    contentTransferEncoding: others < pieceBytes / 2 ? "quoted-printable" : "base64",
  };
}

async function* contentChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    await pause();
    yield bytes.subarray(at, at + pieceBytes);
  }
}
