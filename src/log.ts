/**
 * The log: each part of the program speaks by `logger(part)`, and `startLog` says where that goes, at which level and in
 * which form. LogTape holds levels and routes; lines are made by `log_line` (which masks secrets) and written by
 * `log_file` or `log_pipe`, since LogTape's own file sink neither reopens nor reports a failed write. Before the start, and
 * after the end, what is logged goes nowhere.
 */
import { configure, getLogger, type LogLevel as TapeLevel, type LogRecord, reset } from "@logtape/logtape";
import { aborted, type Clock } from "./clock.ts";
import { sanitize } from "./failure.ts";
import { Secret } from "./setting_types.ts";

export interface LogOptions {
  /** A path, `stdout` or `stderr`. */
  readonly file: string;
  /** Whether a person asked for that file: the default falls back to stderr, one that was asked for does not. */
  readonly asked: boolean;
  readonly format: "json" | "text";
  /** The level names of the program that this one replaces. */
  readonly level: "trace" | "debug" | "info" | "warn" | "warning" | "error" | "fatal" | "panic";
  readonly clock: Pick<Clock, "nowMs">;
}

export interface Log {
  /** What the person who starts the program must know. */
  readonly warnings: readonly string[];
  /** After the file was moved away: goes on in a new one of its name. */
  reopen(): void;
  close(): Promise<void>;
  /** Lines that could not be written, since the start. */
  lost(): number;
}

/** Fields are values of any shape; `log_line` says how they look. */
export type LogFields = Readonly<Record<string, unknown>>;
type Say = (message: string, fields?: LogFields) => void;

export interface Logger {
  readonly trace: Say;
  readonly debug: Say;
  readonly info: Say;
  readonly warn: Say;
  readonly error: Say;
  /** Whatever the level: for the state that is logged every `HEALTH_LOG_EVERY`. */
  readonly always: Say;
}

/** The log that was asked for can't be written. */
export class LogFailed extends Error {
  override readonly name = "LogFailed";
  readonly code = "LOG_FAILED";
  readonly retryable = false;
}

/** Starts the one log of this process, in place of an earlier one. Throws LogFailed. */
export async function startLog({ file, asked, format, level, clock }: LogOptions): Promise<Log> {
  const warnings: string[] = [];
  const writer = openWriter(file, (words) => {
    if (asked) throw new LogFailed(words);
    warnings.push(`${words}, so it goes to stderr`);
  });
  const lineOf = format === "json" ? jsonLine : textLine;
  await configure({
    reset: true,
    sinks: { writer: lineSink(writer, lineOf, clock) },
    loggers: [
      { category: leveled, sinks: ["writer"], lowestLevel: tapeLevels[level] },
      { category: unleveled, sinks: ["writer"], lowestLevel: "trace" },
      { category: ["logtape"], sinks: [], lowestLevel: null }, // it would greet on the console at each start
    ],
  });
  return {
    warnings,
    reopen: () => writer.reopen(),
    async close() {
      await reset();
      await writer.close();
    },
    lost: () => writer.lost,
  };
}

/** How `part` speaks. Can be made before the log is started. */
export function logger(part: string): Logger {
  const say = (category: string, level: TapeLevel): Say => {
    const tape = getLogger([category, part]);
    // By `emit` a message is taken as it is: the methods of LogTape would fill in what stands in braces.
    return (message, fields = {}) =>
      tape.emit({ level, message: [message], rawMessage: message, timestamp: 0, properties: { ...fields } });
  };
  return {
    trace: say(leveled, "trace"),
    debug: say(leveled, "debug"),
    info: say(leveled, "info"),
    warn: say(leveled, "warning"),
    error: say(leveled, "error"),
    always: say(unleveled, "info"),
  };
}

const leveled = "status";
const unleveled = "status-always";

const tapeLevels: Record<LogOptions["level"], TapeLevel> = {
  trace: "trace",
  debug: "debug",
  info: "info",
  warn: "warning",
  warning: "warning",
  error: "error",
  fatal: "fatal",
  panic: "fatal",
};

const ourLevels: Record<TapeLevel, LogLevel> = {
  trace: "trace",
  debug: "debug",
  info: "info",
  warning: "warn",
  error: "error",
  fatal: "fatal",
};

function openWriter(file: string, fail: (words: string) => void): LineWriter {
  // Nobody is left to complain to when these are gone.
  if (file === "stdout") return linesOnPipe(Deno.stdout, () => {});
  if (file === "stderr") return linesOnPipe(Deno.stderr, () => {});
  const onStderr = linesOnPipe(Deno.stderr, () => {});
  try {
    return openLogFile(file, (line) => onStderr.write(line));
  } catch (error) {
    fail(`Cannot write the log ${file}: ${sanitize(error instanceof Error ? error.message : String(error))}`);
    return onStderr;
  }
}

function lineSink(writer: LineWriter, lineOf: (entry: LogEntry) => string, clock: LogOptions["clock"]) {
  let told = 0;
  return ({ level, category, message, properties }: LogRecord) => {
    const lostBefore = writer.lost;
    const entry = {
      atMs: clock.nowMs(),
      level: ourLevels[level],
      part: category[1] ?? "",
      message: String(message[0]),
    };
    writer.write(lineOf({ ...entry, fields: properties }));
    if (lostBefore === told || writer.lost > lostBefore) return;
    const fields = { lines: lostBefore - told };
    told = lostBefore;
    writer.write(lineOf({ ...entry, level: "error", part: "log", message: "lines could not be written", fields }));
  };
}

/*
 * How an entry of the log looks, as JSON and as text: always one line, that can't speak to a terminal and holds no secret.
 * That is a last line of defence: callers leave secrets out to begin with. Pure. Where lines go is for `log`.
 */

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
const readLengthMax = 10 * textLengthMax; // others make the text: masking it must not take long
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

/**
 * Codes of access, signed tokens and passwords within addresses are taken out, then what is too long is cut: the other way
 * round, a secret that straddles the cut would be logged in part.
 */
function masked(text: string): string {
  const clear = wholeWords(text)
    .replace(/([?&](?:code|token)=)[^&\s"'<>]+/gi, "$1(secret)")
    .replace(/\beyJ[\w-]{1,4096}\.[\w-]+\.[\w-]+/g, "(token)")
    .replace(/:\/\/[^\s/@]*:[^\s/@]*@/g, "://(secret)@");
  const isWhole = text.length <= readLengthMax && clear.length <= textLengthMax;
  return isWhole ? clear : `${clear.slice(0, textLengthMax)}…`;
}

/** As much as is looked through for secrets; a word that does not end within it may be one, so it goes. */
function wholeWords(text: string): string {
  if (text.length <= readLengthMax) return text;
  let end = readLengthMax;
  while (end > 0 && !/\s/.test(text.charAt(end))) end--;
  return text.slice(0, end);
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

/**
 * Where lines of the log go when they go to a file: to its end, to a new one of that name when it is told to (a rotation),
 * and never into an exception: what can't be written is counted and complained of. How a line looks is for `log_line`.
 */

export interface LineWriter {
  /** Writes `line` and the line's end, at once. Never throws. */
  write(line: string): void;
  reopen(): void;
  /** Resolves when all is written that can be, some moments later at most. */
  close(): Promise<void>;
  /** Lines that could not be written, since the start. */
  readonly lost: number;
}

/**
 * Opens `path` to write to its end, and makes it where there is none; throws as Deno does where that can't be done.
 * `complain` is called once for each run of lines that can't be written.
 */
export function openLogFile(path: string, complain: (line: string) => void): LineWriter {
  const open = () => Deno.openSync(path, { append: true, create: true, mode: 0o640 });
  let file = open();
  const lines = lineStream({ writeSync: (bytes) => file.writeSync(bytes) }, (words) => {
    complain(`Cannot write the log ${path}: ${words}`);
  });
  return {
    write: lines.write,
    get lost() {
      return lines.lost;
    },
    reopen() {
      try {
        const next = open();
        file.close();
        file = next;
      } catch (error) {
        complain(`Cannot reopen the log ${path}: ${wordsOf(error)}`);
      }
    },
    close: () => Promise.resolve(file.close()),
  };
}

/** Lines on what is open already. `complain` is told why, once for each run of lines that can't be written. */
export function lineStream(
  stream: { writeSync(bytes: Uint8Array): number },
  complain: (words: string) => void,
): LineWriter {
  let lost = 0;
  let isFailing = false;
  let isTorn = false; // the last line that arrived is half a line
  return {
    get lost() {
      return lost;
    },
    write(line) {
      const bytes = new TextEncoder().encode(isTorn ? `\n${line}\n` : `${line}\n`);
      let done = 0;
      try {
        while (done < bytes.length) done += stream.writeSync(bytes.subarray(done));
        isFailing = false;
        isTorn = false;
      } catch (error) {
        isTorn ||= done > 0;
        lost++;
        if (!isFailing) complain(wordsOf(error));
        isFailing = true;
      }
    },
    reopen: () => {},
    close: () => Promise.resolve(),
  };
}

/** What was thrown, for a person. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/*
 * Lines of the log on stdout or stderr, which may be a pipe whose reader is slow, stuck or gone: a write there would hold up
 * the whole program until somebody reads. So lines wait in order, up to a limit, and are written beside everything else;
 * beyond it they are counted as lost. How a line looks is for `log_line`, files are for `log_file`.
 */

export interface Pipe {
  write(bytes: Uint8Array): Promise<number>;
}

/** Some minutes of a talkative log; a pipe itself holds 64 KB. */
export const waitingBytesMax = 1024 * 1024;
// What still waits at the end is given so long to be read.
const partingMs = 500;

/** Lines on what is open already. `complain` is told why, once for each run of lines that can't be written. */
export function linesOnPipe(pipe: Pipe, complain: (words: string) => void): LineWriter {
  return new PipeLines(pipe, complain);
}

class PipeLines implements LineWriter {
  readonly #pipe: Pipe;
  readonly #complain: (words: string) => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #isFailing = false;
  #pumping: Promise<void> | null = null;

  constructor(pipe: Pipe, complain: (words: string) => void) {
    this.#pipe = pipe;
    this.#complain = complain;
  }

  get lost(): number {
    return this.#lost;
  }

  write(text: string): void {
    const line = new TextEncoder().encode(`${text}\n`);
    if (this.#waitingBytes > 0 && this.#waitingBytes + line.length > waitingBytesMax) {
      this.#lost++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    this.#pumping ??= this.#pump();
  }

  reopen(): void {}

  async close(): Promise<void> {
    if (this.#pumping !== null) await Promise.race([this.#pumping, aborted(AbortSignal.timeout(partingMs))]);
  }

  async #pump(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      for (const line of lines) {
        await this.#put(line);
        this.#waitingBytes -= line.length;
      }
    }
    this.#pumping = null;
  }

  async #put(line: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < line.length;) done += await this.#pipe.write(line.subarray(done));
      this.#isFailing = false;
    } catch (error) {
      this.#lost++;
      if (!this.#isFailing) this.#complain(wordsOf(error));
      this.#isFailing = true;
    }
  }
}

/*
 * What happens when an error of the program is caught by nobody: the log says so, and the program ends. Better to be started
 * afresh than to go on half alive.
 */

/**
 * Rejects with the first error that nobody caught, be it thrown or a promise's, when the log has its last words: without this
 * the runtime would end the program with a word on stderr, where nobody who reads the log looks.
 */
export function fault(opened: Pick<Log, "close">, log: Pick<Logger, "error">): Promise<never> {
  return new Promise((_, reject) => {
    const end = (event: Event, reason: unknown) => {
      event.preventDefault();
      const error = reason instanceof Error ? reason : new Error(String(reason));
      log.error(`a fault of the program ends it: ${error.message}`, { stack: error.stack });
      opened.close().finally(() => reject(error));
    };
    globalThis.addEventListener("unhandledrejection", (event) => end(event, event.reason));
    globalThis.addEventListener("error", (event) => end(event, event.error));
  });
}
