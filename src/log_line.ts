/**
 * How an entry of the log looks, as JSON and as text: always one line, that can't speak to a terminal and holds no secret.
 * That is a last line of defence: whoever logs leaves secrets out to begin with. Pure. Where lines go is for `log`.
 */
import { Secret } from "./secret.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

export interface LogEntry {
  readonly atMs: number;
  readonly level: LogLevel;
  /** Which part of the program speaks. */
  readonly part: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** `{"time":…,"level":…,"part":…,"msg":…}` and the fields; one that is named like these becomes `fields.NAME`. */
export function jsonLine({ atMs, level, part, message, fields }: LogEntry): string {
  const head = { time: new Date(atMs).toISOString(), level, part, msg: masked(message) };
  const rest = Object.entries(cleanFields(fields, 0)).map((
    [name, value],
  ) => [Object.hasOwn(head, name) ? `fields.${name}` : name, value]);
  return escaped(JSON.stringify({ ...head, ...Object.fromEntries(rest) }));
}

/** `TIME LEVEL PART: MESSAGE NAME=VALUE …` for people. */
export function textLine({ atMs, level, part, message, fields }: LogEntry): string {
  const words = Object.entries(cleanFields(fields, 0)).map(([name, value]) => ` ${escaped(name)}=${textValue(value)}`);
  return `${new Date(atMs).toISOString()} ${level.padEnd(5)} ${part}: ${escaped(masked(message))}${words.join("")}`;
}

type Clean = string | number | boolean | null | Clean[] | { [name: string]: Clean };

function textValue(value: Clean): string {
  const isWord = typeof value === "string" && /^[^\s"=\p{Cc}]+$/u.test(value);
  return escaped(isWord ? value : JSON.stringify(value));
}

const textLengthMax = 10_000; // a proxy's whole page of HTML has been seen as an error's words
const depthMax = 8; // deeper than anything we log: what goes on for ever ends here
const secretName = /(?:authorization|cookie|password|passwd|token|secret)$|^secret_/i;

function cleanFields(fields: Readonly<Record<string, unknown>>, depth: number): Record<string, Clean> {
  const clean: [string, Clean][] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    clean.push([name, secretName.test(name) ? "(secret)" : cleanValue(value, depth)]);
  }
  return Object.fromEntries(clean); // a name may be __proto__
}

function cleanValue(value: unknown, depth: number): Clean {
  switch (typeof value) {
    case "string":
      return masked(value);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
      return value;
    case "object":
      return value === null ? null : cleanObject(value, depth + 1);
    default:
      return typeof value === "bigint" ? String(value) : `(${typeof value})`;
  }
}

function cleanObject(value: object, depth: number): Clean {
  if (value instanceof Secret) return "(secret)";
  if (value instanceof Error) return errorWords(value, depth);
  if (value instanceof Date) return String(value.toJSON());
  if (value instanceof URL) return masked(value.href);
  if (ArrayBuffer.isView(value)) return `(${value.byteLength} bytes)`;
  if (depth > depthMax) return "…";
  if (Array.isArray(value) || value instanceof Set) return [...value].map((each) => cleanValue(each, depth));
  return cleanFields(value instanceof Map ? Object.fromEntries(value) : { ...value }, depth);
}

function errorWords(error: Error, depth: number): string {
  if (!(error.cause instanceof Error) || depth > depthMax) return masked(error.message);
  return `${masked(error.message)}: ${errorWords(error.cause, depth + 1)}`;
}

/** Codes of access, signed tokens and passwords within addresses are taken out; what is too long is cut. */
function masked(text: string): string {
  const cut = text.length <= textLengthMax ? text : `${text.slice(0, textLengthMax)}…`;
  return cut
    .replace(/([?&](?:code|token)=)[^&\s"'<>]+/gi, "$1(secret)")
    .replace(/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, "(token)")
    .replace(/:\/\/[^\s/@]*:[^\s/@]*@/g, "://(secret)@");
}

/** Controls, line breaks and marks of direction as `\n` or `\u001b`, in JSON and outside it. */
function escaped(line: string): string {
  // deno-lint-ignore no-control-regex -- control characters are the point
  return line.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (control) => {
    if (control === "\n") return "\\n";
    if (control === "\r") return "\\r";
    if (control === "\t") return "\\t";
    return `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
