/**
 * Is a token one that book, jump and relay would take, and if not, in which words do they say so: signature, times, audience.
 * What a service then asks of scopes, topic and other claims is its own.
 */
import { compactVerify } from "jose";
import { z } from "zod";
import { goDuration } from "./entries.ts";

/** A claim that is absent is as the services see it: empty. */
const claims = z.object({
  aud: z.union([z.string().transform((one) => [one]), z.array(z.string())]).default([]),
  scopes: z.array(z.string()).default([]),
  topic: z.string().default(""),
  prefix: z.string().default(""),
  booking_id: z.string().default(""),
  iat: z.number().optional(),
  nbf: z.number().optional(),
  exp: z.number().optional(),
});

export type Claims = z.infer<typeof claims>;

export type Token =
  | { readonly kind: "good"; readonly claims: Claims }
  | { readonly kind: "none" }
  /** Not a token, or not one of now and of this secret. */
  | { readonly kind: "invalid"; readonly why: string }
  /** Good, but meant for another audience. */
  | { readonly kind: "elsewhere"; readonly why: string };

export interface TokenRules {
  readonly secret: string;
  /** The service's own address, without a slash at its end: a token must be meant for it to the character. */
  readonly audience: string;
}

/** What an access code stands for. */
export interface Grant {
  readonly prefix: string;
  readonly topic: string;
  readonly scopes: readonly string[];
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly expiresMs: number;
}

/** Judges what came in `Authorization`, at `nowMs`. Never throws. */
export async function readToken(authorization: string | null, rules: TokenRules, nowMs: number): Promise<Token> {
  if (!authorization) return { kind: "none" };
  if (authorization.split(".").length !== 3) return invalid("token contains an invalid number of segments");
  if (/^bearer /i.test(authorization)) return invalid("tokenstring should not contain 'bearer '");
  const payload = await verify(authorization, rules.secret);
  if (payload === null) return invalid("signature is invalid");
  const parsed = claims.safeParse(payload);
  if (!parsed.success) return invalid("token is malformed");
  const { aud, iat, nbf, exp } = parsed.data;
  if (nbf !== undefined && nbf * 1000 > nowMs) return invalid("token is not valid yet");
  if (iat !== undefined && iat * 1000 > nowMs) return invalid("token used before issued");
  if (exp !== undefined && exp * 1000 <= nowMs) return invalid(`token is expired by ${goDuration(nowMs - exp * 1000)}`);
  if (!aud.includes(rules.audience)) {
    return { kind: "elsewhere", why: `aud [${aud.join(" ")}] does not match this host ${rules.audience}` };
  }
  return { kind: "good", claims: parsed.data };
}

async function verify(token: string, secret: string): Promise<unknown> {
  try {
    const { payload } = await compactVerify(token, new TextEncoder().encode(secret), { algorithms: ["HS256"] });
    return JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return null; // whatever is wrong with it, it was not signed with this secret
  }
}

function invalid(why: string): Token {
  return { kind: "invalid", why };
}
