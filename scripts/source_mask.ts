/**
 * What of a TypeScript file is code, and what is only words? Answers with two copies of it, line for line and column
 * for column: one whose comments, strings, templates and regular expressions are blank, one with the comments alone.
 * Enough for `check_layers`, and no parser: in JSX text an apostrophe or `//` may hide the rest of its line.
 */

export interface MaskedSource {
  /** Quotes stay, what is between them does not; `${…}` inside a template is code and stays. */
  readonly code: string;
  readonly comments: string;
}

type Kind = "code" | "comment" | "words";

/** Never throws: what does not end (a string, a comment) counts as code from there on. */
export function maskSource(source: string): MaskedSource {
  let code = "";
  let comments = "";
  for (const [kind, text] of pieces(source)) {
    code += kind === "code" ? text : kind === "comment" ? blank(text) : blankInside(text);
    comments += kind === "comment" ? text : blank(text);
  }
  return { code, comments };
}

const comment = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const string = /"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'/y;
const regex = /\/(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const word = /[\w$]+/y;
const space = /\s+/y;
/** From a backtick, or from the `}` that ends an expression, to the end or to the next expression. */
const templatePart = /[`}](?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)/y;

// After these words a slash begins a regular expression; after any other word, a number or a value it divides.
const beforeRegex = /^(?:return|typeof|case|in|of|void|delete|throw|new|await|yield|else|do)$/;

function* pieces(source: string): Generator<[Kind, string]> {
  /** For each template that an expression stands in: how many braces are open in that expression. */
  const depths: number[] = [];
  let before = ""; // the last piece that is neither space nor comment
  for (let at = 0; at < source.length;) {
    const [kind, text] = pieceAt(source, at, before, depths.at(-1) === 0);
    if (kind === "words" && /^[`}]/.test(text)) trackTemplate(text, depths);
    else if (text === "{" && depths.length > 0) depths.push(depths.pop()! + 1);
    else if (text === "}" && depths.length > 0) depths.push(depths.pop()! - 1);
    yield [kind, text];
    if (kind !== "comment" && text.trim() !== "") before = text;
    at += text.length;
  }
}

function pieceAt(source: string, at: number, before: string, endsExpression: boolean): [Kind, string] {
  const first = source[at];
  const found = (pattern: RegExp) => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  const remark = found(comment);
  if (remark !== undefined) return ["comment", remark];
  const isTemplate = first === "`" || (first === "}" && endsExpression);
  const words = found(string) ?? (isTemplate ? found(templatePart) : undefined) ??
    (first === "/" && mayBeginRegex(before) ? found(regex) : undefined);
  if (words !== undefined) return ["words", words];
  return ["code", found(word) ?? found(space) ?? source.charAt(at)];
}

function mayBeginRegex(before: string): boolean {
  if (/^[\w$]/.test(before)) return beforeRegex.test(before);
  return before === "" || !/[)\]}"'`/<]$/.test(before); // `<` and a slash is JSX's closing tag
}

function trackTemplate(text: string, depths: number[]): void {
  if (text.startsWith("}")) depths.pop();
  if (text.endsWith("${")) depths.push(0);
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}

function blankInside(text: string): string {
  const end = text.endsWith("${") ? 2 : 1;
  return text.charAt(0) + blank(text.slice(1, -end)) + text.slice(-end);
}
