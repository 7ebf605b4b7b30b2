/**
 * What must not be repeated of an address that may hold a key: all but its host, in whichever form the other side, or the
 * runtime, may say it. Pure.
 */

// What is shorter would be found by chance in other words, and is no key.
const keyCharsMin = 6;
// A part of a path such as `webhook`, which answers are full of.
const plainWord = /^[a-z_-]{0,15}$/;

/** `text` without the path of `url`, its query, what they are made of, and a login. */
export function withoutAddress(text: string, url: URL): string {
  const left = partsOf(url).reduce((words, part) => words.replaceAll(part, "(address)"), text);
  return withoutBeginning(left, url);
}

/** Longest first, so that none leaves the rest of another. */
function partsOf(url: URL): string[] {
  const whole = [url.href, url.pathname + url.search, url.pathname, url.search];
  const pieces = [...[...url.searchParams].flat(), url.username, url.password, url.hash.slice(1)];
  // Between them stands what others escape in ways of their own.
  const segments = [...url.pathname.split("/"), ...`${url.pathname}?${url.search}`.split(/[^\w-]+/)];
  const keys = [...pieces, ...segments.filter((segment) => !plainWord.test(segment))];
  const parts = [...whole, ...keys].flatMap((part) => [part, decoded(part), encodeURIComponent(part)]);
  return [...new Set(parts)].filter(({ length }) => length >= keyCharsMin).sort((a, b) => b.length - a.length);
}

/** A text that was cut may end in half a key. */
function withoutBeginning(text: string, url: URL): string {
  for (const part of partsOf(url)) {
    for (let length = part.length - 1; length >= keyCharsMin; length--) {
      if (text.endsWith(part.slice(0, length))) return `${text.slice(0, -length)}(address)`;
    }
  }
  return text;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray % is as it is
  }
}
