/**
 * Separates the code of a TypeScript file from its words: two copies, line for line and column for column, one whose
 * comments, strings, templates and regular expressions are blank, one with the comments alone. Finds in the first where
 * brackets close and how long each function is. Enough for `check_style` and `mutate`, which rely on the format of
 * `deno fmt`, and no parser: in JSX text an apostrophe or `//` may hide the rest of its line.
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

export interface FunctionSource {
  readonly name: string;
  /** Where it begins, from 1 on. */
  readonly line: number;
  readonly lines: number;
  /** It contains an element of JSX. */
  readonly isMarkup: boolean;
}

// A function or method with its parameters' bracket; `=>` with the bracket that opens its body.
const heads =
  /\bfunction\b\s*\*?\s*(?<named>[\w$]*)\s*(?:<[^\n]*?>)?(?=\()|^[ \t]+(?:(?:public|private|static|override|async|get|set)\s+)*\*?\s*(?<method>#?[\w$]+|\[[\w$.]+\])(?:<[^(]*>)?(?=\()|=>\s*(?<body>[{(])/gm;
const notMethods = /^(?:if|for|while|switch|catch|with|return|await|function|super|typeof|throw|yield|new)$/;
const markup = /<\/[\w.]*>|\/>/;

/** Every function that has a body in brackets, nested ones too. `code`: as `maskSource` gives it. */
export function functionsOf(code: string): FunctionSource[] {
  const found: FunctionSource[] = [];
  for (const head of code.matchAll(heads)) {
    const { named, method, body } = head.groups ?? {};
    if (method !== undefined && notMethods.test(method)) continue;
    const end = head.index + head[0].length;
    const opens = body === undefined ? bodyAfter(code, end) : end - 1;
    if (opens === null) continue;
    const closes = closingBracket(code, opens);
    const start = body === undefined ? code.indexOf(head[0].trimStart(), head.index) : arrowStart(code, head.index);
    const text = code.slice(start, closes + 1);
    found.push({
      name: named || method || arrowName(code, start),
      line: code.slice(0, start).split("\n").length,
      lines: text.split("\n").length,
      isMarkup: markup.test(text),
    });
  }
  return found;
}

/** Where the bracket closes that opens at `at`; the end of `code` where none does. */
export function closingBracket(code: string, at: number): number {
  let depth = 0;
  for (let each = at; each < code.length; each++) {
    if ("([{".includes(code.charAt(each))) depth++;
    else if (")]}".includes(code.charAt(each)) && --depth === 0) return each;
  }
  return code.length;
}

/** Where the body opens of a function whose parameters do at `at`; null where it has none, or was only called. */
function bodyAfter(code: string, at: number): number | null {
  let next = closingBracket(code, at) + 1;
  const isTyped = /^\s*:/.test(code.slice(next, next + 3));
  for (let before = ""; next < code.length; next++) {
    const char = code.charAt(next);
    if (/\s/.test(char)) continue;
    if (char === "{" && !/[:|&<,>([?]/.test(before === ">" && code.charAt(next - 2) !== "=" ? "" : before)) return next;
    if (!isTyped || char === ";" || char === "}" || char === "=" && code.charAt(next + 1) !== ">") return null;
    if ("([{".includes(char)) next = closingBracket(code, next);
    before = code.charAt(next);
  }
  return null;
}

/** Where the parameters begin of the arrow at `at`. */
function arrowStart(code: string, at: number): number {
  const lineStart = code.lastIndexOf("\n", at) + 1;
  const opening = /^\s*\)/.exec(code.slice(lineStart, at)); // parameters over several lines
  if (opening === null) return lineStart + /^\s*/.exec(code.slice(lineStart))![0].length;
  let depth = 0;
  for (let each = lineStart + opening[0].length - 1; each >= 0; each--) {
    if (")]}".includes(code.charAt(each))) depth++;
    else if ("([{".includes(code.charAt(each)) && --depth === 0) return each;
  }
  return lineStart;
}

function arrowName(code: string, start: number): string {
  const line = code.slice(code.lastIndexOf("\n", start) + 1, code.indexOf("\n", start));
  const name = /\b(?:const|let)\s+([\w$]+)|^\s*([\w$]+):/.exec(line);
  return name?.[1] ?? name?.[2] ?? "an arrow function";
}
