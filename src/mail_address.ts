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
