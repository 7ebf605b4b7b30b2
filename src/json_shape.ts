/**
 * Is a text worth the memory that reading it as JSON takes? 20 MB of nothing but brackets take a gigabyte and ten seconds, as
 * every bracket becomes an object; what the services say has some five of them for hundreds of characters. Leaf.
 */

/** Shorter texts are taken as they are: they can't do much harm, and the most of what comes is shorter. */
const freeChars = 1_000_000;
// A report of 25,000 connections has 125,000 in 10 million characters, a manifest of 20,000 resources has 60,000 in 5 million.
const bracketsMax = 1_000_000;
const depthMax = 64;

/** Why `text` is not to be read as JSON, in words for people; null where it may be. Whether it is JSON is another matter. */
export function tooIntricate(text: string): string | null {
  if (text.length <= freeChars) return null;
  let depth = 0;
  let brackets = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case quote:
        at = textEnd(text, at);
        break;
      case openBracket:
      case openBrace:
        if (++depth > depthMax) return `it is nested deeper than ${depthMax} levels`;
        if (++brackets > bracketsMax) return `there are more than ${bracketsMax} objects and lists in it`;
        break;
      case closeBracket:
      case closeBrace:
        depth--;
    }
  }
  return null;
}

/** Where the string that begins at `start` has its closing quote; the text's end where it has none. */
function textEnd(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    if (!isEscaped(text, at)) return at;
  }
  return text.length;
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0;
  while (text.charCodeAt(at - 1 - slashes) === backslash) slashes++;
  return slashes % 2 === 1;
}

export const quote = 0x22;
export const backslash = 0x5c;
export const openBracket = 0x5b;
export const closeBracket = 0x5d;
export const openBrace = 0x7b;
export const closeBrace = 0x7d;
