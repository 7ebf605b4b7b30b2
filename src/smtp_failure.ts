/**
 * What a failed SMTP conversation means for the mail, and the sentence about it for a person: a definite no for now, a no
 * for good, or, after the whole message went out unanswered, nothing that can be known. Pure.
 * The sentence never holds the password, even where a server repeats what it was sent.
 */
import { Buffer } from "node:buffer";
import type { NodemailerError } from "nodemailer/lib/errors";
import type { Delivery } from "./delivery.ts";
import { excerpt, type Trouble } from "./failure.ts";

/** Where it failed, and what must not be repeated. */
export interface Conversation {
  /** `HOST:PORT`. */
  readonly server: string;
  readonly login: { readonly user: string; readonly password: string } | null;
  /** Whether all of the message had been handed over. */
  readonly handedOver: boolean;
  readonly stopped: boolean;
}

/**
 * What is known of a mail after `error` ended the conversation: a 4xx, or no conversation, defers it, a 5xx refuses it. Only
 * one that answers the message itself, or its size, says that the server has not got it from before.
 */
export function deliveryAfter(error: unknown, talk: Conversation): Delivery {
  const answer = answerOf(error, talk);
  const words = wordsOf(error, talk);
  if (talk.handedOver && answer === null) {
    return { kind: "in-doubt", why: `Cannot know whether ${talk.server} took the mail: ${words}` };
  }
  const why = `Cannot send mail through ${talk.server}: ${words}`;
  if (isTooLarge(error, answer?.code)) return { kind: "refused", why, ofMessage: true };
  if (answer === null || answer.code < 500) return { kind: "deferred", why };
  return fieldsOf(error).command === "DATA" ? { kind: "refused", why, ofMessage: true } : { kind: "refused", why };
}

/** What `error` means where no mail was under way. */
export function troubleAfter(error: unknown, talk: Conversation): Trouble {
  const kind = answerOf(error, talk) === null ? "unreachable" : "refused";
  return { kind, message: `Cannot send mail through ${talk.server}: ${wordsOf(error, talk)}` };
}

/** `550 "no such user"`. */
export function quoted(code: number, response: string): string {
  const words = response.split("\n").map((line) => line.replace(/^\d{3}[ -]?/, "")).join(" ");
  return `${code} "${excerpt(words)}"`;
}

/** The server's no, where it said one; other numbers in its answer decide nothing. */
function answerOf(error: unknown, { login }: Conversation): { code: number; response: string } | null {
  const { responseCode, response } = fieldsOf(error);
  if (responseCode === undefined || responseCode < 400 || responseCode > 599) return null;
  return { code: responseCode, response: withoutSecrets(response ?? "", login) };
}

function wordsOf(error: unknown, talk: Conversation): string {
  const answer = answerOf(error, talk);
  if (answer !== null) return `it answered ${quoted(answer.code, answer.response)}${to(fieldsOf(error).command)}`;
  if (talk.stopped) return "this program stopped before it answered";
  const { code, originalCode, timeoutType, message } = fieldsOf(error);
  if (timeoutType !== undefined) return timeoutWords[timeoutType];
  const cause = originalCode ?? code ?? "";
  if (unknownIssuer.test(`${cause} ${message}`)) {
    return `its certificate is not trusted here: it has expired, or its issuer is not known; ${howToTrust}`;
  }
  // Deno 2.6 says no more than this after STARTTLS.
  if (cause === "UNKNOWN") {
    return `the TLS connection failed; if its certificate's issuer is not well known: ${howToTrust}`;
  }
  if (/wrong version number|InvalidContentType/.test(message)) {
    return "it does not speak TLS there: see STATUS_EMAIL_TLS";
  }
  return socketWords[cause] ?? excerpt(withoutSecrets(message, talk.login));
}

/** Which command was answered, where the answer alone would not tell. */
function to(command: string | undefined): string {
  if (command?.startsWith("AUTH")) return " to the login";
  if (command === "STARTTLS") return " to STARTTLS (required: see STATUS_EMAIL_TLS)";
  if (command === "MAIL FROM") return " to the sender";
  return command === "RCPT TO" ? " to the recipients" : "";
}

const timeoutWords: Record<NonNullable<NodemailerError["timeoutType"]>, string> = {
  CONNECT_TIMEOUT: "no connection came about in time",
  GREETING_TIMEOUT: "connected, but it sent no greeting in time",
  UPGRADE_TIMEOUT: "connected, but TLS did not come about in time",
  SOCKET_TIMEOUT: "connected, but it stopped answering",
};

const socketWords: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "it broke the connection off",
  ECONNECTION: "it closed the connection",
  ENOTFOUND: "there is no host of this name",
  EAI_AGAIN: "its name cannot be looked up now",
  EHOSTUNREACH: "there is no way to this host",
  ENETUNREACH: "there is no way to its network",
  EPIPE: "it closed the connection",
};

// Of an expired one Deno says UNABLE_TO_VERIFY_LEAF_SIGNATURE too, and shows nobody the certificate.
const unknownIssuer = /UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)|SELF_SIGNED|CERT_UNTRUSTED|UnknownIssuer/;
const howToTrust = "name its authority in STATUS_EMAIL_CA_FILE, or trust this machine's with " +
  "DENO_TLS_CA_STORE=mozilla,system, or one more with DENO_CERT";

/** Nodemailer looks at the server's own limit (SIZE) before it asks; a server may say so itself, by 552 (RFC 1870). */
function isTooLarge(error: unknown, answered: number | undefined): boolean {
  const { code, command } = fieldsOf(error);
  return command === "MAIL FROM" && (code === "EMESSAGE" || answered === 552);
}

function fieldsOf(error: unknown): NodemailerError {
  return error instanceof Error ? error : new Error(String(error));
}

/** Servers repeat commands that they don't know, base64 and all, and cut them short. */
export function withoutSecrets(text: string, login: Conversation["login"]): string {
  if (login === null) return text;
  const encoded = [`\u0000${login.user}\u0000${login.password}`, login.password].map(base64);
  const plain = text.replaceAll(login.password, "(secret)");
  return encoded.reduce((left, token) => left.replace(beginningOf(token), "(secret)"), plain);
}

function beginningOf(token: string): RegExp {
  return new RegExp(token.slice(0, 8).replace(/[+/=]/g, "\\$&") + "[A-Za-z0-9+/=]*", "gi");
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
