/**
 * What a setting is, and the kinds of value one can have: what is allowed, in words and as a schema, and how a value is
 * shown. Which settings there are is for `settings_list`; reading them all, and how they bear on each other, for `settings`.
 * A schema's own issue, where it has words, is the help that follows a fault: where a pasted scheme goes, for instance.
 */
import { X509Certificate } from "node:crypto";
import { isIPv6 } from "node:net";
import * as z from "zod";
import { formatDuration, parseDuration } from "./duration.ts";

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

/*
 * The kinds of settings that say where something is: hosts, base paths, addresses of pages. A pasted URL is the usual
 * mistake, so a fault says where each of its parts goes.
 */

/** `host` or `host:port` of one service, as its tokens name it: what is typed is kept to the character. */
export function serviceHost(service: "BOOK" | "JUMP" | "RELAY"): Kind<string> {
  return kind({
    allowed: "a host, or host:port",
    schema: z.string().transform((text, ctx) => {
      const misplaced = [
        ...(text.includes("://") ? [`the scheme goes into STATUS_SCHEME_${service}`] : []),
        ...(text.replace("://", "").includes("/") ? [`the path goes into STATUS_BASEPATH_${service}`] : []),
      ];
      if (misplaced.length > 0) return refuse(ctx, misplaced.join(", "));
      if (isIPv6(text)) return refuse(ctx, `an IPv6 address goes into brackets, as in [${text}]`);
      return isHost(text.replace(/:\d+$/, "")) && isPortOrNone(text) ? text : refuse(ctx);
    }),
    isDiscreet: mayHoldPassword,
  });
}

/** A host alone. IPv6 with or without brackets; the value has none. */
export function host(portName: string): Kind<string> {
  return kind({
    allowed: "a host",
    schema: z.string().transform((text, ctx) => {
      const bare = text.replace(/^\[(.*)\]$/, "$1");
      if (isIPv6(bare)) return bare;
      if (text.includes("/")) return refuse(ctx, "without scheme and path");
      if (/:\d+$/.test(text)) return refuse(ctx, `the port goes into STATUS_${portName}`);
      return isHost(text) ? text : refuse(ctx);
    }),
    isDiscreet: mayHoldPassword,
  });
}

/** Begins with a slash and ends without one; empty for the root, so that it can follow a host as it is. */
export const basePath: Kind<string> = kind({
  allowed: "a path such as /tenant/book",
  schema: z.string().transform((text, ctx) => {
    if (text.includes("://")) return refuse(ctx, "without scheme and host");
    const segments = segmentsOf(text);
    if (!segments.every(isSegment)) return refuse(ctx);
    return segments.slice(0, endsInApi(segments) ? -2 : undefined).map((each) => `/${each}`).join("");
  }),
  show: (path) => path === "" ? "/" : path,
  isDiscreet: mayHoldPassword,
  warning: (path, text) =>
    endsInApi(segmentsOf(text))
      ? `ends in /api/v1, which is not part of it: taken as ${path === "" ? "/" : path}`
      : null,
});

/** Where people are sent: `https://` goes before what has no scheme. */
export const link: Kind<string> = kind({
  allowed: "the address of a page",
  schema: z.string().transform((text, ctx) => {
    const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
    return isWebUrl(url) ? url : refuse(ctx);
  }),
  isDiscreet: mayHoldPassword,
});

/** Something of someone else's to call: a secret, since there is often one in its path. */
export const secretUrl: Kind<Secret> = kind({
  allowed: "an address that begins with http:// or https://",
  schema: z.string().transform((text, ctx) => isWebUrl(text) ? new Secret(text) : refuse(ctx)),
  isDiscreet: () => true,
});

function isWebUrl(text: string): boolean {
  return /^https?:\/\/[^\s\p{Cc}]+$/iu.test(text) && URL.canParse(text);
}

function isHost(text: string): boolean {
  if (/^\[.*\]$/.test(text)) return isIPv6(text.slice(1, -1));
  return /^\w([\w.-]*\w)?$/.test(text) && !text.includes("..") && URL.canParse(`http://${text}`);
}

function isPortOrNone(text: string): boolean {
  const port = /[^:]:(\d+)$/.exec(text)?.[1];
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535);
}

function segmentsOf(path: string): string[] {
  return path.split("/").filter((each) => each !== "");
}

// A URL would resolve the dots, and then no longer be the audience that tokens name.
function isSegment(text: string): boolean {
  return /^[\w.~!$&'()*+,;=:@%-]+$/.test(text) && text !== "." && text !== "..";
}

function endsInApi(segments: string[]): boolean {
  return segments.slice(-2).join("/") === "api/v1";
}

// `https://user:password@host` and `…?code=…` are what a pasted address can hold besides.
function mayHoldPassword(text: string): boolean {
  return /[@?&]/.test(text);
}

/**
 * Whom a list of mail addresses names, as people write and paste them: separated by commas, semicolons or spaces, with or
 * without display names. Stricter than RFC 5322 where that only admits mistakes (comments, groups, quoted local parts).
 * Leaf. Putting them into headers, names of other alphabets included, is for the mail library.
 */

/** `name` is the display name, empty where there is none. */
export interface MailAddress {
  readonly name: string;
  readonly address: string;
}

/** All that `text` names, each once, in its order; or the first thing in it that is no address. */
export function parseAddresses(
  text: string,
): { readonly ok: true; readonly addresses: readonly MailAddress[] } | { readonly ok: false; readonly why: string } {
  // deno-lint-ignore no-control-regex -- a line break in an address would be a header of its own
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text)) return { ok: false, why: "it holds a control character" };
  const found: MailAddress[] = [];
  let words: string[] = []; // of the entry that is being read: bare addresses, or a display name
  for (const token of tokens(text)) {
    if (token.kind === "word") words.push(token.text);
    else if (token.kind === "bracketed") {
      if (!isAddress(token.text)) return notAddress(`<${token.text}>`);
      const { before, name } = splitName(words, token.text);
      const wrong = notAddresses(before);
      if (wrong !== "") return notAddress(wrong);
      found.push(...before.map(bare), { name, address: token.text });
      words = [];
    } else {
      const wrong = notAddresses(words);
      if (wrong !== "") return notAddress(wrong);
      found.push(...words.map(bare));
      words = [];
    }
  }
  const addresses = found.filter((each, at) => at === found.findIndex((other) => sameAddress(other, each.address)));
  return addresses.length > 0 ? { ok: true, addresses } : { ok: false, why: "there is no address in it" };
}

/** As in a header, for people to read: `Ann Other <ann@a.org>`, or the address alone. */
export function formatAddress({ name, address }: MailAddress): string {
  if (name === "") return address;
  const plain = /^[^"\\()<>@,;:.[\]]+$/.test(name);
  return `${plain ? name : `"${name.replace(/["\\]/g, "\\$&")}"`} <${address}>`;
}

type Token = { kind: "word"; text: string } | { kind: "bracketed"; text: string } | { kind: "separator" };

/** The tokens of `text`, and a separator after the last. A quote or bracket that is not closed stays part of its word. */
function* tokens(text: string): Generator<Token> {
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|<[^<>]*>|[,;]|"[^]*$|<[^]*$|[^\s,;"<]+/g)) {
    if (token === "," || token === ";") yield { kind: "separator" };
    else if (/^<.*>$/.test(token)) yield { kind: "bracketed", text: token.slice(1, -1).trim() };
    else if (/^".+"$/.test(token)) yield { kind: "word", text: token.slice(1, -1).replace(/\\(.)/g, "$1") };
    else yield { kind: "word", text: token };
  }
  yield { kind: "separator" };
}

/**
 * The words in front of `<address>`: its display name, and what must be addresses `before` that. An address among them ends
 * what stands before, unless it is this one once more, as some write it: `Ann Other ann@a.org <ann@a.org>`.
 */
function splitName(words: readonly string[], address: string): { before: readonly string[]; name: string } {
  const last = words.findLastIndex(isAddress);
  const isOwn = last !== -1 && sameAddress(bare(words[last]!), address);
  const rest = isOwn ? words.toSpliced(last, 1) : words;
  const nameFrom = rest.findLastIndex(isAddress) + 1;
  return { before: rest.slice(0, nameFrom), name: rest.slice(nameFrom).join(" ") };
}

/** Those of `words` that are none, for people to read. */
function notAddresses(words: readonly string[]): string {
  return words.filter((word) => !isAddress(word)).join(" ");
}

// Letters of any alphabet: what a server does with them is for it to say.
function isAddress(text: string): boolean {
  const atom = String.raw`[^\s@<>()\[\],;:"\\.]+`;
  return text.length <= 254 && new RegExp(`^${atom}(?:\\.${atom})*@${atom}(?:\\.${atom})*$`).test(text);
}

function bare(address: string): MailAddress {
  return { name: "", address };
}

function sameAddress(one: MailAddress, address: string): boolean {
  return one.address.toLowerCase() === address.toLowerCase();
}

function notAddress(text: string): { readonly ok: false; readonly why: string } {
  return { ok: false, why: `${JSON.stringify(text)} is not an address` };
}

/** A secret that can be used but not printed: every way of turning it into text shows `(secret)` alone. Leaf. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The secret itself, for the one call that needs it. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "(secret)";
  }

  toJSON(): string {
    return "(secret)";
  }

  [Symbol.for("Deno.customInspect")](): string {
    return "(secret)";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "(secret)";
  }
}

/**
 * Is a host this machine itself, by its name? What goes there crosses no network, so it needs no encryption. Leaf.
 */

/** IPv6 with or without brackets. What a name resolves to is not asked: only names that can't mean anything else count. */
export function isLoopback(host: string): boolean {
  return /^(?:(?:.*\.)?localhost|127(?:\.\d+){3}|::1|\[::1\])$/i.test(host);
}
