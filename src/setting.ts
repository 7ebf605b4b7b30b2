/**
 * What a setting is, and the kinds of value one can have: what is allowed, in words and as a schema, and how a value is
 * shown. Which settings there are is for `settings_list`; reading them all, and how they bear on each other, for `settings`.
 * A schema's own issue, where it has words, is the help that follows a fault: where a pasted scheme goes, for instance.
 */
import { X509Certificate } from "node:crypto";
import * as z from "zod";
import { formatDuration, parseDuration } from "./duration.ts";
import { formatAddress, parseAddresses } from "./mail_address.ts";
import { Secret } from "./secret.ts";

/** One variable: what it is for, what it may hold, and what goes where it is not set. */
export interface Setting<T> {
  readonly meaning: string;
  readonly kind: Kind<T>;
  readonly otherwise: Otherwise<T>;
}

/** `text` is read like a set value; `value` is taken as it is, in the words of its description; `follows` is as another's. */
export type Otherwise<T> =
  | { readonly kind: "required" }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "value"; readonly value: T; readonly words: string }
  | { readonly kind: "follows"; readonly name: string };

export interface Kind<T> {
  /** What follows "must be". */
  readonly allowed: string;
  readonly schema: { safeParse(text: string): z.ZodSafeParseResult<T> };
  /** `secret`: from NAME or from the file that NAME_FILE names. `file`: the variable names a file, and this is what it holds. */
  readonly source: "text" | "secret" | "file";
  show(value: T): string;
  /** Whether `text` may hold a secret, so that no fault may repeat it. */
  isDiscreet(text: string): boolean;
  /** What to say to whoever set it so, after the variable's name; null for nothing. */
  warning(value: T, text: string): string | null;
}

export const required = { kind: "required" } as const;

/** `otherwise` is the text of the default, or how it comes about. */
export function setting<T>(meaning: string, kind: Kind<T>, otherwise: string | Otherwise<T>): Setting<T>;
export function setting<T, V>(meaning: string, kind: Kind<T>, otherwise: Otherwise<V>): Setting<T | V>;
export function setting<T>(meaning: string, kind: Kind<T>, otherwise: string | Otherwise<T>): Setting<T> {
  return { meaning, kind, otherwise: typeof otherwise === "string" ? { kind: "text", text: otherwise } : otherwise };
}

/** Where it is not set: `value`, which the README and `check` describe by `words`. */
export function unset<const V>(words: string, value: V): Otherwise<V> {
  return { kind: "value", value, words };
}

/** Where it is not set: as the setting of that name. */
export function follows(name: string): Otherwise<never> {
  return { kind: "follows", name };
}

export function oneOf<const V extends string>(...values: V[]): Kind<V> {
  return kind({
    allowed: values.length > 1 ? `${values.slice(0, -1).join(", ")} or ${values.at(-1)}` : `${values[0]}`,
    schema: z.string().toLowerCase().pipe(z.enum(values)),
  });
}

export const yesOrNo: Kind<boolean> = kind({
  allowed: "true or false (1 or 0, t or f)",
  schema: z.stringbool({ truthy: ["true", "1", "t"], falsy: ["false", "0", "f"] }),
});

const durationHelp = "write it as 500ms, 10s, 1h30m or 1d, ten years at most";

/** In milliseconds. */
export function duration({ min }: { min: "0s" | "above 0s" | "1s" }): Kind<number> {
  const bounds = { "0s": z.number(), "above 0s": z.number().positive(), "1s": z.number().min(1_000) };
  const words = { "0s": "0s or more", "above 0s": "above 0s", "1s": "1s or more" };
  return kind({
    allowed: `a duration ${words[min]}`,
    schema: z.string().transform((text, ctx) => parseDuration(text) ?? refuse(ctx, durationHelp)).pipe(bounds[min]),
    show: formatDuration,
  });
}

export function wholeNumber({ min, max }: { min: number; max: number }): Kind<number> {
  return kind({
    allowed: `a whole number from ${min} to ${max}`,
    schema: z.string().regex(/^\d{1,15}$/).transform(Number).pipe(z.number().min(min).max(max)),
  });
}

export function text(allowed: string): Kind<string> {
  return kind({ allowed, schema: z.string().regex(/^\P{Cc}*$/u) });
}

export const secret: Kind<Secret> = kind({
  allowed: "one character or more",
  schema: z.string().min(1).transform((value) => new Secret(value)),
  source: "secret",
  isDiscreet: () => true,
  warning: (_, value) =>
    /^(["']).*\1$/s.test(value) ? "has quotation marks around it, and they count as part of it" : null,
});

export const addresses = kind({
  allowed: "addresses, separated by commas, semicolons or spaces",
  schema: z.string().transform((value, ctx) => {
    const read = parseAddresses(value);
    return read.ok ? read.addresses : refuse(ctx, read.why);
  }),
  show: (value) => value.map(formatAddress).join(", "),
});

export const address = kind({
  allowed: "one address",
  schema: z.string().transform((value, ctx) => {
    const read = parseAddresses(value);
    const [first, second] = read.ok ? read.addresses : [];
    if (first === undefined || second !== undefined) return refuse(ctx, read.ok ? "there are several in it" : read.why);
    return first;
  }),
  show: formatAddress,
});

/** Certificates of authorities, out of the file that the variable names. */
export const certificates: Kind<string> = kind({
  allowed: "one or more PEM certificates",
  schema: z.string().transform((pem, ctx) => {
    const begun = pem.match(/-----BEGIN/g)?.length;
    const isWhole = begun === certificatesIn(pem).length && certificatesIn(pem).every(isCertificate);
    return isWhole ? pem : refuse(ctx, "not all of it can be read as such");
  }),
  source: "file",
  isDiscreet: () => true, // a file that is named by mistake can be a private key
  show: (pem) => certificatesIn(pem).length === 1 ? "1 certificate" : `${certificatesIn(pem).length} certificates`,
});

function certificatesIn(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false; // it throws for what is none, in words of BER that help nobody
  }
}

type KindParts<T> = Pick<Kind<T>, "allowed" | "schema"> & Partial<Kind<T>>;

/** A kind whose text may be repeated and needs no warning, unless `parts` say otherwise. */
export function kind<T>(parts: KindParts<T>): Kind<T> {
  return { source: "text", show: String, isDiscreet: () => false, warning: () => null, ...parts };
}

/** The issue of a schema that has no help to give: what is allowed says it all. */
export const notAllowed = "not allowed";

/** Ends a transform: what it was given is not allowed, and `help`, where there is any, says why or what to do. */
export function refuse(ctx: z.RefinementCtx, help = notAllowed): never {
  ctx.addIssue(help);
  return z.NEVER;
}
