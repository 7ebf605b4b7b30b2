/**
 * The log: each part of the program speaks by `logger(part)`, and `startLog` says where that goes, at which level and in
 * which form. LogTape holds levels and routes; lines are made by `log_line` (which masks secrets) and written by
 * `log_file` or `log_pipe`, since LogTape's own file sink neither reopens nor reports a failed write. Before the start, and
 * after the end, what is logged goes nowhere.
 */
import { configure, getLogger, type LogLevel as TapeLevel, type LogRecord, reset } from "@logtape/logtape";
import { type LineWriter, openLogFile } from "./log_file.ts";
import { jsonLine, type LogEntry, type LogLevel, textLine } from "./log_line.ts";
import { linesOnPipe } from "./log_pipe.ts";
import { excerpt } from "./trouble.ts";
import type { Clock } from "./wait.ts";

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
export type Fields = Readonly<Record<string, unknown>>;
type Say = (message: string, fields?: Fields) => void;

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
    fail(`Cannot write the log ${file}: ${excerpt(error instanceof Error ? error.message : String(error))}`);
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
