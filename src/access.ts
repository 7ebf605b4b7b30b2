/**
 * How does one get the address of a websocket from jump or relay, and what went wrong if not: a token is signed, the service
 * asked (protocol, "Access, then websocket", 1). Dialling the address, and trying again, are for others.
 */
import { SignJWT } from "jose";
import { type Clock, linkedAbort } from "./clock.ts";
import { errorTextOf, networkErrorText, redirectText, type ServiceFailure, skewWords } from "./failure.ts";
import type { FeedName } from "./report.ts";
import type { Secret } from "./setting_types.ts";

export interface AccessRequest {
  readonly name: FeedName;
  readonly accessUrl: URL;
  readonly claims: TokenClaims;
  readonly secret: Secret;
  readonly tokenLifeMs: number;
}

export interface AccessPorts {
  readonly clock: Clock;
  fetch(url: URL, init: RequestInit): Promise<Response>;
}

/** The address holds a code: it is to be dialled as it stands, once, soon, and never shown. */
export interface Grant {
  readonly kind: "granted";
  readonly socketUrl: string;
  /** When it was asked for, in steady time: its code and its token are as old. */
  readonly askedMs: number;
  readonly expiresMs: number;
}

const answerMsMax = 10_000;
// An access is a hundred characters; whatever answers with more is something else.
const answerCharsMax = 64 * 1024;

/** Asks once. Rejects with the signal's reason when that is aborted first, and with nothing else. */
export async function askAccess(
  request: AccessRequest,
  ports: AccessPorts,
  signal: AbortSignal,
): Promise<Grant | { readonly kind: "trouble"; readonly trouble: ServiceFailure }> {
  const { name, tokenLifeMs } = request, { clock } = ports;
  const signedMs = clock.nowMs(), askedMs = clock.monotonicMs();
  const trouble = (kind: ServiceFailure["kind"], what: string) => {
    const message = `Cannot get access to ${name} at ${placeOf(request.accessUrl)}: ${what}`;
    return { kind: "trouble", trouble: { kind, message } } as const;
  };
  try {
    const signed = await signToken(request.claims, request.secret, { nowMs: signedMs, lifeMs: tokenLifeMs });
    const { status, body, redirect, date } = await post(request.accessUrl, signed, ports, signal);
    const words = withoutQueries(errorTextOf(body));
    const answered = `${name} answered ${status}${redirect ? ` ${redirect}` : words && ` "${words}"`}`;
    if (status < 200 || status > 299) {
      const token = { backdatedMs, lifeMs: tokenLifeMs };
      const skew = skewWords(name, { words, date, nowMs: clock.nowMs(), token });
      return trouble("refused", skew === null ? answered : `${answered}: ${skew}`);
    }
    const socketUrl = socketUrlOf(body);
    if (socketUrl === null) return trouble("garbage", `${answered}, which is no websocket address`);
    return { kind: "granted", socketUrl, askedMs, expiresMs: signedMs + tokenLifeMs };
  } catch (error) {
    signal.throwIfAborted();
    return trouble("unreachable", networkErrorText(error));
  }
}

/** Host and path of an address, for people: without the query, which can hold a code. */
export function placeOf(url: URL): string {
  return `${url.host}${url.pathname}`;
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** Where it points to instead; null where it does not. */
  readonly redirect: string | null;
  /** What its clock says, or that of a proxy before it. */
  readonly date: string | null;
}

async function post(url: URL, token: string, ports: AccessPorts, signal: AbortSignal): Promise<Answer> {
  const limit = linkedAbort(signal);
  // Called off means that the answer is there, or that nobody wants it.
  ports.clock.wait(answerMsMax, limit.signal).then(
    () => limit.abort(new Error(`no answer within ${answerMsMax / 1000} s`)),
    () => {},
  );
  try {
    // A redirected POST would arrive as a GET without its token: better to say what was answered.
    const init: RequestInit = { method: "POST", headers: { Authorization: token }, redirect: "manual" };
    const response = await ports.fetch(url, { ...init, signal: limit.signal });
    const redirect = redirectText(response, url), date = response.headers.get("date");
    return { status: response.status, body: await bodyOf(response), redirect, date };
  } finally {
    limit.abort();
  }
}

async function bodyOf(response: Response): Promise<string> {
  let text = "";
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    if (text.length > answerCharsMax) break;
  }
  return text;
}

function socketUrlOf(body: string): string | null {
  try {
    const { uri } = JSON.parse(body) as { uri?: unknown };
    return typeof uri === "string" && /^wss?:$/.test(new URL(uri).protocol) ? uri : null;
  } catch {
    return null; // not JSON, or no address: the caller says what it was
  }
}

function withoutQueries(words: string): string {
  return words.replace(/\?[^\s"'<>()]*/g, "");
}

/*
 * The tokens that book, jump and relay ask for: what each has to claim (protocol, "Tokens"), and the signing.
 * How a token is sent, and when a new one is due, is for those who send it.
 */

/** The claims of a token, without its times. `aud` is the service's own address, to the character, without a slash at its end. */
export interface TokenClaims {
  readonly aud: readonly [string];
  readonly scopes: readonly string[];
  readonly sub?: string;
  readonly topic?: string;
  readonly prefix?: string;
  readonly booking_id?: string;
}

export function bookClaims(audience: string): TokenClaims {
  return { aud: [audience], scopes: ["booking:admin"], sub: "status-server" };
}

export function jumpClaims(audience: string): TokenClaims {
  return { aud: [audience], scopes: ["stats"], topic: "stats", prefix: "connect" };
}

/** For the feed. Without `read` relay would let the token in and then say nothing. */
export function relayClaims(audience: string): TokenClaims {
  return { aud: [audience], scopes: ["read"], topic: "stats", prefix: "session", booking_id: "status-server" };
}

/** To listen to one stream. */
export function streamClaims(audience: string, topic: string): TokenClaims {
  return { ...relayClaims(audience), topic };
}

// The services refuse a token of their future by their own clock, so it is dated back against skew.
export const backdatedMs = 10_000;

/** A JWT (HS256) that is valid from 10 s before `nowMs` until `lifeMs` after it. Rejects if the secret is empty. */
export function signToken(
  claims: TokenClaims,
  secret: Secret,
  times: { readonly nowMs: number; readonly lifeMs: number },
): Promise<string> {
  const issued = Math.floor((times.nowMs - backdatedMs) / 1000);
  const expires = Math.ceil((times.nowMs + times.lifeMs) / 1000);
  return new SignJWT({ ...claims, aud: [...claims.aud], iat: issued, nbf: issued, exp: expires })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .sign(new TextEncoder().encode(secret.reveal()));
}
