/**
 * The faults of a simulated service: one vocabulary for jump, relay, book and mail, and what a fault makes of an answer and of a
 * frame. `http`, `feed` and `receivers` act on it. A name that does not resolve is no fault: tests give a host under `.invalid`.
 */
import { z } from "zod";
import { type Answer, type Asked, json } from "./http.ts";
import { binaryFrame, textFrame } from "./wire.ts";

/** PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** With them a world speaks TLS. The bad ones: out of date, of an issuer that nobody knows, for another name. */
export type Certificates = Readonly<Record<"good" | BadCertificate, Certificate>>;

const badCertificate = z.enum(["expired", "stranger", "elsewhere"]);
export type BadCertificate = z.infer<typeof badCertificate>;
const certificateFault = z.object({ kind: z.literal("certificate"), which: badCertificate });

/** What jump, relay and book can have. `hang`: connections are accepted, open sockets silent, nothing is answered. */
export const httpFault = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("hang") }),
  z.object({ kind: z.literal("refuse"), status: z.int(), body: z.string(), contentType: z.string().exactOptional() }),
  /** All goes out a byte a second, on open sockets too. */
  z.object({ kind: z.literal("slow") }),
  /** The connection ends: before a byte, in the head of an answer, in its body, in a socket's handshake. */
  z.object({ kind: z.literal("cut"), at: z.enum(["accept", "head", "body", "handshake"]) }),
  /** 200, and then: a page of HTML; bytes; half of what was to be said; what was to be said, but with other types. */
  z.object({ kind: z.literal("garbage"), what: z.enum(["html", "bytes", "half", "types"]) }),
  /** Sockets stay open, and what comes is: text that is no JSON; a binary frame; half a report; entries of other types; what is no frame; half a frame and the end. */
  z.object({ kind: z.literal("frames"), what: z.enum(["text", "bytes", "half", "types", "none", "cut"]) }),
  z.object({
    kind: z.literal("redirect"),
    status: z.literal([301, 302, 307, 308]),
    to: z.enum(["itself", "elsewhere"]),
  }),
  certificateFault,
]);
export type HttpFault = z.infer<typeof httpFault>;

/** `DATA` is after the whole message has come. */
export const smtpStage = z.enum(["CONNECT", "AUTH", "MAIL", "RCPT", "DATA"]);
export type SmtpStage = z.infer<typeof smtpStage>;

/** What a mail server can have. */
export const mailFault = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("hang"), stage: smtpStage }),
  z.object({ kind: z.literal("refuse"), stage: smtpStage, code: z.int(), text: z.string() }),
  z.object({ kind: z.literal("slow") }),
  /** The connection ends: before a byte, in the greeting, as a message comes, when it has been taken and before that is said. */
  z.object({ kind: z.literal("cut"), at: z.enum(["accept", "greeting", "message", "answer"]) }),
  z.object({ kind: z.literal("garbage"), what: z.enum(["html", "bytes"]) }),
  certificateFault,
]);
export type MailFault = z.infer<typeof mailFault>;

export const slowEveryMs = 1_000;

export const garbagePage =
  "<!doctype html>\n<html><head><title>Welcome</title></head><body><p>It works!</p></body></html>\n";
export const garbageBytes = new Uint8Array(256).map((_, at) => (at * 167 + 13) % 256);

/** How a service is now, in a few words, for people who watch the world. */
export function modeWords(mode: { readonly kind: "up" | "down" | "mute" } | HttpFault | MailFault): string {
  const { kind, ...details } = mode;
  if (kind === "up") return "runs";
  if (kind === "down") return "is stopped";
  if (kind === "mute") return "falls mute";
  return `fails: ${[kind, ...Object.values(details).filter((each) => each !== "")].join(" ")}`;
}

/** What a document becomes whose values are all there, and all of another type. */
export function mistyped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(mistyped);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, mistyped(each)]));
  }
  return typeof value === "string" ? value.length : String(value);
}

/** The same as text; what is no JSON stays. */
export function mistypedText(text: string): string {
  return text === "" ? "" : `${JSON.stringify(mistyped(JSON.parse(text)))}\n`;
}

// Answers and frames of a faulty service.

type Of<Kind extends HttpFault["kind"]> = HttpFault & { kind: Kind };

/** `fault` is null for a service that is well. */
export async function spoilt(
  fault: HttpFault | null,
  asked: Asked,
  answer: () => Answer | Promise<Answer>,
): Promise<Answer> {
  switch (fault?.kind) {
    case "hang":
      return { kind: "hang" };
    case "refuse":
      return json(fault.status, fault.body, { "content-type": fault.contentType ?? "application/json" });
    case "redirect": {
      const location = fault.to === "itself" ? asked.target : "http://127.0.0.1:9/elsewhere?code=not-to-be-shown";
      return { kind: "answer", status: fault.status, headers: { location }, body: "" };
    }
    case "garbage":
      return garbage(fault.what, await answer());
    case "cut":
      return cut(fault.at, await answer());
    default:
      return await answer();
  }
}

function garbage(what: Of<"garbage">["what"], answer: Answer): Answer {
  if (answer.kind !== "answer" || answer.status > 299) return answer;
  const body = String(answer.body);
  switch (what) {
    case "html":
      return json(200, garbagePage, { "content-type": "text/html" });
    case "bytes":
      return { ...answer, status: 200, body: garbageBytes };
    case "half":
      return { ...answer, body: body.slice(0, body.length / 2) };
    case "types":
      return { ...answer, body: mistypedText(body) };
  }
}

function cut(at: Of<"cut">["at"], answer: Answer): Answer {
  if (at === "handshake") {
    if (answer.kind !== "upgrade") return answer;
    return { kind: "answer", status: 101, headers: { upgrade: "websocket" }, body: "", cutAt: "head" };
  }
  return answer.kind === "answer" && at !== "accept" ? { ...answer, cutAt: at } : answer;
}

/** What a socket gets in place of the report `text`; `ends`: and then its end. */
export function spoiltFrame(what: Of<"frames">["what"], text: string): { bytes: Uint8Array; ends: boolean } {
  const whole = (bytes: Uint8Array) => ({ bytes, ends: false });
  switch (what) {
    case "text":
      return whole(textFrame(garbagePage));
    case "bytes":
      return whole(binaryFrame(garbageBytes));
    case "half":
      return whole(textFrame(text.slice(0, text.length / 2)));
    case "types":
      return whole(textFrame(mistypedText(text)));
    case "none":
      return whole(garbageBytes);
    case "cut": {
      const frame = textFrame(text);
      return { bytes: frame.subarray(0, frame.length / 2), ends: true };
    }
  }
}

// Faults of one stream of relay.

/**
 * `refuse`, `hang`: of access. `drop`: the socket opens, and ends before a message. `deaf`: the stream comes, and no close
 * frame is answered. `mute`: the socket is open, and that is all, whatever the stream does.
 */
export const sessionFault = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("refuse"), status: z.int(), body: z.string() }),
  z.object({ kind: z.enum(["hang", "drop", "deaf", "mute"]) }),
]);

export type SessionFault = z.infer<typeof sessionFault>;

/** `hang`: messages are read, and never answered. `slow`: answers go out a byte a second. `cut`: nobody is let in. */
export const hookFault = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("hang") }),
  z.object({ kind: z.literal("slow") }),
  z.object({ kind: z.literal("cut"), at: z.literal("accept") }),
]);

export type HookFault = z.infer<typeof hookFault>;
