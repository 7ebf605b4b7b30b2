/**
 * The kinds of settings that say where something is: hosts, base paths, addresses of pages. A pasted URL is the usual
 * mistake, so a fault says where each of its parts goes.
 */
import { isIPv6 } from "node:net";
import * as z from "zod";
import { Secret } from "./secret.ts";
import { type Kind, kind, refuse } from "./setting.ts";

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
