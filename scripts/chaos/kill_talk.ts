/**
 * What is said between the program and book, and between it and a mail server, cut into pieces that a tap (`kill_tap`) passes
 * on whole; the pieces that a kill can be aimed at are steps. Knows just enough of HTTP and SMTP for that.
 */
import { Buffer } from "node:buffer";

export type Step =
  /** The program has connected; the service does not know yet. */
  | { readonly kind: "smtp-connected" }
  /** A whole message, as far as the program is concerned: its last line has been sent. */
  | { readonly kind: "smtp-message"; readonly raw: string }
  /** What the server says to that. */
  | { readonly kind: "smtp-answer"; readonly taken: boolean }
  | { readonly kind: "http-asked"; readonly asked: AskedOf }
  | { readonly kind: "http-answered"; readonly asked: AskedOf; readonly status: number; readonly body: string };

/** A request. `target` is its path and query as they came, `body` what it carries. */
export interface AskedOf {
  readonly method: string;
  readonly target: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface Piece {
  readonly bytes: Uint8Array;
  readonly step: Step | null;
}

/** One connection. Each function takes what came from one side and gives what of it is whole. */
export interface Talk {
  readonly opening: Step | null;
  program(bytes: Uint8Array): Piece[];
  service(bytes: Uint8Array): Piece[];
}

/** SMTP without TLS and without pipelining, as nodemailer speaks it. */
export function smtpTalk(): Talk {
  let said = "", heard = "";
  let state: "lines" | "message" | "answer" = "lines";
  return {
    opening: { kind: "smtp-connected" },
    program(bytes) {
      said += text(bytes);
      const end = state === "message" ? said.indexOf("\r\n.\r\n") + 5 : said.lastIndexOf("\n") + 1;
      if (end < (state === "message" ? 5 : 1)) return [];
      const whole = said.slice(0, end);
      said = said.slice(end);
      if (state !== "message") return [piece(whole)];
      state = "answer";
      const raw = Buffer.from(whole.slice(0, -3).replaceAll("\r\n..", "\r\n."), "latin1").toString();
      return [piece(whole, { kind: "smtp-message", raw })];
    },
    service(bytes) {
      heard += text(bytes);
      const end = heard.lastIndexOf("\n") + 1;
      const lines = heard.slice(0, end).split(/(?<=\n)/).filter((line) => line !== "");
      heard = heard.slice(end);
      return lines.map((line) => {
        if (state === "answer" && /^\d{3} /.test(line)) {
          state = "lines";
          return piece(line, { kind: "smtp-answer", taken: line.startsWith("2") });
        }
        if (line.startsWith("354")) state = "message";
        return piece(line);
      });
    },
  };
}

/** HTTP/1.1 with bodies of a known length, one request after the other. What is no HTTP goes through as it comes. */
export function httpTalk(): Talk {
  let said = "", heard = "";
  const open: AskedOf[] = [];
  return {
    opening: null,
    program(bytes) {
      const pieces: Piece[] = [];
      said += text(bytes);
      for (let message; (message = wholeMessage(said)) !== null;) {
        const [method = "", target = ""] = message.first.split(" ");
        const asked = { method, target, headers: message.headers, body: utf8(message.body) };
        said = said.slice(message.length);
        open.push(asked);
        pieces.push(piece(message.whole, { kind: "http-asked", asked }));
      }
      return pieces;
    },
    service(bytes) {
      const pieces: Piece[] = [];
      heard += text(bytes);
      for (let message; (message = wholeMessage(heard)) !== null;) {
        heard = heard.slice(message.length);
        const asked = open.shift();
        const status = Number(message.first.split(" ")[1]);
        const body = utf8(message.body);
        pieces.push(piece(message.whole, asked ? { kind: "http-answered", asked, status, body } : null));
      }
      return pieces;
    },
  };
}

/** The first request or answer in `held`; null while it is not there to its end. */
function wholeMessage(held: string) {
  const headEnd = held.indexOf("\r\n\r\n") + 4;
  if (headEnd < 4) return null;
  const [first = "", ...lines] = held.slice(0, headEnd).split("\r\n");
  const headers = new Map(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  }));
  const length = headEnd + Number(headers.get("content-length") ?? 0);
  if (held.length < length) return null;
  return { first, headers, length, whole: held.slice(0, length), body: held.slice(headEnd, length) };
}

function piece(latin1: string, step: Step | null = null): Piece {
  return { bytes: Buffer.from(latin1, "latin1"), step };
}

/** A character a byte, so that what is cut anywhere stays what it was. */
function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString();
}
