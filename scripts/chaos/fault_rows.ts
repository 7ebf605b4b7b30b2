/**
 * Every fault that a service of the stand-in world can have, and what a person must then be told of it. `fault_play` plays
 * them; the words are the program's and the runtime's own, so a change of them is seen here.
 */
import type { HttpFault, MailFault } from "../simulator/fault.ts";

export type Victim = "jump" | "relay" | "book" | "mail";

/** `down`: nothing listens any more. */
type Down = { readonly kind: "down" };

export interface SourceRow {
  readonly victim: "jump" | "relay" | "book";
  readonly fault: HttpFault | Down;
  readonly words: RegExp;
}

export interface MailRow {
  readonly victim: "mail";
  readonly fault: MailFault | Down;
  readonly words: RegExp;
  /** `waiting`: the program goes on waiting for an answer. */
  readonly state: "failing" | "waiting";
}

export type Row = SourceRow | MailRow;

type Spoken = readonly [fault: HttpFault | Down, words: RegExp];

const gatewayPage =
  "<html><head><title>503</title></head><body><h1>503 Service Temporarily Unavailable</h1></body></html>";

const refusals: readonly Spoken[] = [
  [{ kind: "down" }, /Connection refused/],
  [refusal(401, '{"code":401,"message":"no such scope"}'), /answered 401 "no such scope"/],
  [refusal(403, '{"code":"403","message":"go away"}'), /answered 403 "go away"/],
  [refusal(500, '{"code":500,"message":"token is expired by 3h"}'), /answered 500 "token is expired by 3h"/],
  [{ ...refusal(503, gatewayPage), contentType: "text/html" }, /answered 503 ".*Service Temporarily Unavailable"/],
  [{ kind: "redirect", status: 301, to: "itself" }, /answered 301 .*127\.0\.0\.1:\d+, which is not followed/],
  [{ kind: "redirect", status: 302, to: "elsewhere" }, /answered 302 .*127\.0\.0\.1:9, which is not followed/],
  [{ kind: "redirect", status: 307, to: "itself" }, /answered 307 .*not followed/],
  [{ kind: "redirect", status: 308, to: "elsewhere" }, /answered 308 .*not followed/],
  [{ kind: "cut", at: "accept" }, /eof|closed|reset|peer/i],
  [{ kind: "cut", at: "head" }, /eof|closed|reset|peer|incomplete/i],
  [{ kind: "cut", at: "body" }, /eof|closed|reset|peer|error (reading|decoding)/i],
  [{ kind: "certificate", which: "expired" }, /certificate.*expired/i],
  [{ kind: "certificate", which: "stranger" }, /UnknownIssuer.*DENO_TLS_CA_STORE/],
  [{ kind: "certificate", which: "elsewhere" }, /not valid for/i],
];

const ofFeeds: readonly Spoken[] = [
  ...refusals,
  [{ kind: "hang" }, /connected but silent|no answer within 10 s/],
  [{ kind: "slow" }, /connected but silent|no answer within 10 s/],
  [{ kind: "cut", at: "handshake" }, /Cannot connect to .*/],
  [{ kind: "garbage", what: "html" }, /answered 200 "Welcome It works!", which is no websocket address/],
  [{ kind: "garbage", what: "bytes" }, /answered 200 .*which is no websocket address/],
  [{ kind: "garbage", what: "half" }, /answered 200 .*which is no websocket address/],
  [{ kind: "garbage", what: "types" }, /answered 200 .*which is no websocket address/],
  [{ kind: "frames", what: "text" }, /is not JSON/],
  [{ kind: "frames", what: "bytes" }, /a binary frame/],
  [{ kind: "frames", what: "half" }, /is not JSON/],
  [{ kind: "frames", what: "types" }, /none of its \d+ entries can be read/],
  [{ kind: "frames", what: "none" }, /ended|frame|invalid/i],
  [{ kind: "frames", what: "cut" }, /ended/],
];

const ofBook: readonly Spoken[] = [
  ...refusals,
  [{ kind: "hang" }, /no (whole )?answer within 2 s/],
  [{ kind: "slow" }, /no (whole )?answer within 2 s/],
  [{ kind: "garbage", what: "html" }, /answered 200 "Welcome It works!", which is not what book says/],
  [{ kind: "garbage", what: "bytes" }, /answered 200 .*which is not what book says/],
  [{ kind: "garbage", what: "half" }, /answered 200 .*which is not what book says/],
  [{ kind: "garbage", what: "types" }, /answered 200 .*which is not what book says/],
];

type Posted = readonly [fault: MailFault | Down, words: RegExp, state?: "waiting"];

const ofMail: readonly Posted[] = [
  [{ kind: "down" }, /connection refused/],
  // A 5xx is tried again after 5 minutes, or with the next event (outbox_test): too long for here.
  [{ kind: "refuse", stage: "CONNECT", code: 421, text: "not now" }, /421 "not now"/],
  [{ kind: "refuse", stage: "MAIL", code: 451, text: "try later" }, /451 "try later" to the sender/],
  [{ kind: "refuse", stage: "RCPT", code: 450, text: "busy" }, /450 "busy" to the recipients/],
  [{ kind: "refuse", stage: "DATA", code: 452, text: "disk full" }, /452 "disk full"/],
  [{ kind: "hang", stage: "MAIL" }, /^$/, "waiting"],
  [{ kind: "hang", stage: "DATA" }, /^$/, "waiting"],
  [{ kind: "slow" }, /^$/, "waiting"],
  [{ kind: "cut", at: "accept" }, /closed|broke|eof/i],
  [{ kind: "cut", at: "greeting" }, /closed|broke|TLS|eof/i],
  [{ kind: "cut", at: "message" }, /closed|broke|eof/i],
  [{ kind: "cut", at: "answer" }, /Cannot know whether .* took the mail/],
  [{ kind: "garbage", what: "html" }, /TLS|greeting/i],
  [{ kind: "garbage", what: "bytes" }, /TLS|greeting/i],
  [{ kind: "certificate", which: "expired" }, /it has expired, or its issuer/],
  [{ kind: "certificate", which: "stranger" }, /its issuer is not known; name its authority in STATUS_EMAIL_CA_FILE/],
  [{ kind: "certificate", which: "elsewhere" }, /does not match certificate's altnames/],
];

/** All of them, one by one. */
export const rows: readonly Row[] = [
  ...sourceRows("jump", ofFeeds),
  ...sourceRows("relay", ofFeeds),
  ...sourceRows("book", ofBook),
  ...ofMail.map(([fault, words, state]): Row => ({ victim: "mail", fault, words, state: state ?? "failing" })),
];

export function nameOf({ victim, fault }: Row): string {
  const { kind, ...details } = fault;
  const words = Object.values(details).map((each) => String(each)).filter((each) => each.length < 12);
  return [victim, kind, ...words].join(" ");
}

function refusal(status: number, body: string) {
  return { kind: "refuse", status, body } as const;
}

function sourceRows(victim: SourceRow["victim"], faults: readonly Spoken[]): Row[] {
  return faults.map(([fault, words]) => ({ victim, fault, words }));
}
