/**
 * The tokens that book, jump and relay ask for: what each has to claim (protocol, "Tokens"), and the signing.
 * How a token is sent, and when a new one is due, is for those who send it.
 */
import { SignJWT } from "jose";
import type { Secret } from "./setting_types.ts";

/** What a token says besides its times. `aud` is the service's own address, to the character, without a slash at its end. */
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
