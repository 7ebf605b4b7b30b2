/**
 * Which JSON documents are in a text frame? Relay writes several into one, with nothing between them, when its queue for a
 * client backs up (protocol, "Access, then websocket", 5). What the documents mean is for `jump` and `relay`. Pure.
 */
import { excerpt } from "./failure.ts";
import { backslash, closeBrace, closeBracket, openBrace, openBracket, quote, tooIntricate } from "./json_shape.ts";

export type Frame =
  | { readonly kind: "documents"; readonly documents: readonly unknown[] }
  | { readonly kind: "bad"; readonly why: string };

// A queue of the services holds some hundreds; a frame of nothing but `{}` must not become millions of objects.
const documentsMax = 10_000;

/** All documents of `text`, in their order. One that can't be read makes the whole frame bad. Never throws. */
export function splitFrame(text: string): Frame {
  const why = tooIntricate(text);
  if (why !== null) return { kind: "bad", why };
  try {
    return { kind: "documents", documents: [JSON.parse(text)] };
  } catch {
    return splitGlued(text); // not one document: several, or none
  }
}

function splitGlued(text: string): Frame {
  const documents: unknown[] = [];
  for (let at = skipSpace(text, 0); at < text.length; at = skipSpace(text, at)) {
    if (documents.length === documentsMax) {
      return { kind: "bad", why: `more than ${documentsMax} documents in one frame` };
    }
    const end = documentEnd(text, at);
    try {
      documents.push(JSON.parse(text.slice(at, end)));
    } catch (error) {
      return { kind: "bad", why: `document ${documents.length + 1} is not JSON: ${excerpt((error as Error).message)}` };
    }
    at = end;
  }
  return documents.length === 0 ? { kind: "bad", why: "an empty frame" } : { kind: "documents", documents };
}

/** Where the document that begins at `start` ends; if it is no JSON, anywhere after `start`. */
function documentEnd(text: string, start: number): number {
  switch (text[start]) {
    case "{":
    case "[":
      return nestedEnd(text, start);
    case '"':
      return stringEnd(text, start);
    default:
      return bareEnd(text, start);
  }
}

/** Whether a `]` closes a `[` or a `{` is left to JSON.parse. */
function nestedEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === quote) at = stringEnd(text, at) - 1;
    else if (char === openBracket || char === openBrace) depth++;
    else if ((char === closeBracket || char === closeBrace) && --depth === 0) return at + 1;
  }
  return text.length;
}

function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === backslash) at++;
    else if (char === quote) return at + 1;
  }
  return text.length;
}

/** `null`, `true`, `false` (which may be glued to each other) and numbers. */
function bareEnd(text: string, start: number): number {
  bare.lastIndex = start;
  return bare.test(text) ? bare.lastIndex : start + 1;
}

function skipSpace(text: string, start: number): number {
  space.lastIndex = start;
  return space.test(text) ? space.lastIndex : start;
}

const bare = /null|true|false|[-+.\deE]+/y;
const space = /[ \t\r\n]+/y;
