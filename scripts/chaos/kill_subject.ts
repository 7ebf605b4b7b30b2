/**
 * The program under test as a process that can be killed between any two instructions, or stopped first so that it never sees
 * what reaches it; its store file; and the taps on its wires. From source, or the executable that PROGRAM names.
 */
import { Buffer } from "node:buffer";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { issueText } from "../../src/alerts.ts";
import { alertSchema, issuesSchema } from "../../src/store.ts";
import { program } from "../../test/support/station.ts";
import { listenAnywhere } from "../simulator/wire.ts";

export class Subject {
  readonly pid: number;
  readonly startedMs: number;
  /** All that it has written to its log. */
  log = "";
  /** Null while it runs. */
  ended: { readonly code: number; readonly signal: string | null } | null = null;
  killedMs: number | null = null;
  readonly #process: Deno.ChildProcess;
  readonly #whole: Promise<void>;
  readonly #changed: () => void;

  /** `changed`: it has said something, or has ended. */
  constructor(env: Readonly<Record<string, string>>, nowMs: number, changed: () => void) {
    this.#process = program(["serve"], env).spawn();
    this.#changed = changed;
    this.pid = this.#process.pid;
    this.startedMs = nowMs;
    const { stdout, stderr, status } = this.#process;
    this.#whole = Promise.all([this.#read(stdout), this.#read(stderr)]).then(async () => {
      const { code, signal } = await status;
      this.ended = { code, signal };
      changed();
    });
  }

  /** Where it listens; null while it does not yet. */
  get port(): number | null {
    return Number(/listening on [^"]*:(\d+)/.exec(this.log)?.[1] ?? 0) || null;
  }

  get isKilled(): boolean {
    return this.killedMs !== null;
  }

  /** SIGKILL, now: when this returns it executes nothing any more of its own. */
  kill(nowMs: number): void {
    if (this.ended !== null || this.isKilled) return;
    this.killedMs = nowMs;
    this.#signal("SIGKILL");
  }

  /** SIGSTOP; when this returns it stands still, so that what is sent to it arrives and is not seen. */
  freeze(): void {
    if (this.ended !== null || this.isKilled) return;
    this.#signal("SIGSTOP");
    while (!/\) [TZX] /.test(this.#stat())); // some microseconds
  }

  /** SIGTERM: it ends in its own way. */
  ask(): void {
    if (this.ended === null) this.#signal("SIGTERM");
  }

  /** Resolves when the process is gone and all that it said was read. */
  async gone(): Promise<void> {
    await this.#whole;
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error; // it has just ended by itself
    }
  }

  #stat(): string {
    try {
      return Deno.readTextFileSync(`/proc/${this.pid}/stat`);
    } catch {
      return "(gone) X "; // its end was collected already
    }
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.log += text;
      this.#changed();
    }
  }
}

// The store file: read beside the running program, or from a copy when it is dead. Knows the tables only.

export interface StoredEvent {
  readonly id: number;
  readonly experiment: string;
  readonly atMs: number;
  /** In the words of the API. */
  readonly issues: readonly string[];
}

/** What a letter tells of, and the message that was made of it. */
export interface StoredLetter {
  readonly id: string;
  readonly channel: string;
  readonly frozen: string | null;
  readonly events: readonly Omit<StoredEvent, "id">[];
  readonly alerts: readonly z.infer<typeof alertSchema>[];
}

export interface StoreContents {
  /** As they were recorded. */
  readonly events: readonly StoredEvent[];
  readonly letters: readonly StoredLetter[];
  readonly turns: readonly { experiment: string; atMs: number; state: string; available: boolean }[];
  readonly runs: readonly { startedMs: number; aliveMs: number }[];
  /** Codes of the system alerts that hold. */
  readonly alerts: readonly string[];
}

/** Reads beside the program, and changes nothing. Throws where there is no such file yet. */
export function storeContents(file: string): StoreContents {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return contentsOf(db);
  } finally {
    db.close();
  }
}

/** The recorded message of this id; null if there is none. */
export function storedLetter(file: string, message: string): StoredLetter | null {
  const { letters } = storeContents(file);
  return letters.find(({ frozen }) => frozen?.trimEnd() === message.trimEnd()) ?? null;
}

/**
 * What a killed program left at `file`, after SQLite has recovered a copy of it in `folder`; null where it left no table.
 * Throws an Error that says so if it is damaged.
 */
export async function autopsy(file: string, folder: string): Promise<StoreContents | null> {
  const copy = `${folder}/autopsy.db`;
  for (const end of ["", "-wal", "-shm", "-journal"]) await Deno.remove(copy + end).catch(() => {}); // of the last one, if any
  if (!await copied(file, copy)) return null;
  for (const end of ["-wal", "-journal"]) await copied(file + end, copy + end);
  const db = new DatabaseSync(copy);
  try {
    const [found] = db.prepare("PRAGMA integrity_check").all();
    if (found?.integrity_check !== "ok") throw new Error(`the store is damaged: ${JSON.stringify(found)}`);
    const { count } = db.prepare("SELECT count(*) AS count FROM sqlite_schema WHERE name = 'runs'").get() ?? {};
    return count === 1 ? contentsOf(db) : null;
  } finally {
    db.close();
  }
}

async function copied(from: string, to: string): Promise<boolean> {
  try {
    await Deno.copyFile(from, to);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function contentsOf(db: DatabaseSync): StoreContents {
  const all = (query: string) => db.prepare(query).all();
  return {
    events: all("SELECT * FROM events ORDER BY id").map((row) => ({
      id: Number(row.id),
      experiment: String(row.experiment),
      atMs: Number(row.at_ms),
      issues: issuesSchema.parse(JSON.parse(String(row.issues))).map(issueText),
    })),
    letters: all("SELECT * FROM letters ORDER BY rowid").map(letterOf),
    turns: all("SELECT * FROM turns ORDER BY id").map((row) => ({
      experiment: String(row.experiment),
      atMs: Number(row.at_ms),
      state: String(row.state),
      available: row.available === 1,
    })),
    runs: all("SELECT * FROM runs ORDER BY started_ms").map((row) => ({
      startedMs: Number(row.started_ms),
      aliveMs: Number(row.alive_ms),
    })),
    alerts: all("SELECT code FROM alerts").map(({ code }) => String(code)),
  };
}

const bodySchema = z.object({
  events: z.array(z.object({ experiment: z.string(), atMs: z.number(), issues: issuesSchema })),
  alerts: z.array(alertSchema),
});

function letterOf(row: Record<string, unknown>): StoredLetter {
  const { events, alerts } = bodySchema.parse(JSON.parse(String(row.body)));
  return {
    id: String(row.id),
    channel: String(row.channel),
    // As `storedText` writes it.
    frozen: row.frozen === null ? null : String(JSON.parse(`"${row.frozen}"`)),
    events: events.map(({ experiment, atMs, issues }) => ({ experiment, atMs, issues: issues.map(issueText) })),
    alerts,
  };
}

// HTTP and SMTP cut into pieces that a tap passes on whole; a kill can be aimed at some of them (steps).

export type Step =
  /** The program has connected; the service does not know yet. */
  | { readonly kind: "smtp-connected" }
  /** A whole message, as far as the program is concerned: its last line has been sent. */
  | { readonly kind: "smtp-message"; readonly raw: string }
  /** What the server says to that. */
  | { readonly kind: "smtp-answer"; readonly taken: boolean }
  | { readonly kind: "http-asked"; readonly asked: AskedOf }
  | { readonly kind: "http-answered"; readonly asked: AskedOf; readonly status: number; readonly body: string };

/** A request. `target` is its path and query as they came, `body` what it carries. */
export interface AskedOf {
  readonly method: string;
  readonly target: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface Piece {
  readonly bytes: Uint8Array;
  readonly step: Step | null;
}

/** One connection. Each function takes what came from one side and gives what of it is whole. */
export interface Talk {
  readonly opening: Step | null;
  program(bytes: Uint8Array): Piece[];
  service(bytes: Uint8Array): Piece[];
}

/** SMTP without TLS and without pipelining, as nodemailer speaks it. */
export function smtpTalk(): Talk {
  let said = "", heard = "";
  let state: "lines" | "message" | "answer" = "lines";
  return {
    opening: { kind: "smtp-connected" },
    program(bytes) {
      said += text(bytes);
      const end = state === "message" ? said.indexOf("\r\n.\r\n") + 5 : said.lastIndexOf("\n") + 1;
      if (end < (state === "message" ? 5 : 1)) return [];
      const whole = said.slice(0, end);
      said = said.slice(end);
      if (state !== "message") return [piece(whole)];
      state = "answer";
      const raw = Buffer.from(whole.slice(0, -3).replaceAll("\r\n..", "\r\n."), "latin1").toString();
      return [piece(whole, { kind: "smtp-message", raw })];
    },
    service(bytes) {
      heard += text(bytes);
      const end = heard.lastIndexOf("\n") + 1;
      const lines = heard.slice(0, end).split(/(?<=\n)/).filter((line) => line !== "");
      heard = heard.slice(end);
      return lines.map((line) => {
        if (state === "answer" && /^\d{3} /.test(line)) {
          state = "lines";
          return piece(line, { kind: "smtp-answer", taken: line.startsWith("2") });
        }
        if (line.startsWith("354")) state = "message";
        return piece(line);
      });
    },
  };
}

/** HTTP/1.1 with bodies of a known length, one request after the other. What is no HTTP goes through as it comes. */
export function httpTalk(): Talk {
  let said = "", heard = "";
  const open: AskedOf[] = [];
  return {
    opening: null,
    program(bytes) {
      const pieces: Piece[] = [];
      said += text(bytes);
      for (let message; (message = wholeMessage(said)) !== null;) {
        const [method = "", target = ""] = message.first.split(" ");
        const asked = { method, target, headers: message.headers, body: utf8(message.body) };
        said = said.slice(message.length);
        open.push(asked);
        pieces.push(piece(message.whole, { kind: "http-asked", asked }));
      }
      return pieces;
    },
    service(bytes) {
      const pieces: Piece[] = [];
      heard += text(bytes);
      for (let message; (message = wholeMessage(heard)) !== null;) {
        heard = heard.slice(message.length);
        const asked = open.shift();
        const status = Number(message.first.split(" ")[1]);
        const body = utf8(message.body);
        pieces.push(piece(message.whole, asked ? { kind: "http-answered", asked, status, body } : null));
      }
      return pieces;
    },
  };
}

/** The first request or answer in `held`; null while it is not there to its end. */
function wholeMessage(held: string) {
  const headEnd = held.indexOf("\r\n\r\n") + 4;
  if (headEnd < 4) return null;
  const [first = "", ...lines] = held.slice(0, headEnd).split("\r\n");
  const headers = new Map(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  }));
  const length = headEnd + Number(headers.get("content-length") ?? 0);
  if (held.length < length) return null;
  return { first, headers, length, whole: held.slice(0, length), body: held.slice(headEnd, length) };
}

function piece(latin1: string, step: Step | null = null): Piece {
  return { bytes: Buffer.from(latin1, "latin1"), step };
}

/** A character a byte, so that what is cut anywhere stays what it was. */
function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString();
}

// A tap: every step is seen before and after it is passed on, and can be held back.

export interface Watcher {
  /** Whether the step is passed on; if not, the connection ends. Everything on it waits for the answer. */
  before(step: Step): boolean;
  /** It was passed on, to the other side's machine at least. */
  after(step: Step): void;
}

export class Tap {
  readonly #listener = listenAnywhere();
  readonly #talk: () => Talk;
  readonly #connections = new Set<Deno.Conn>();
  readonly #tasks = new Set<Promise<void>>();
  /** Where the service is, and who watches. Until it is told, connections are closed at once. */
  #to: { readonly servicePort: number; readonly watcher: Watcher } | null = null;

  constructor(talk: () => Talk) {
    this.#talk = talk;
    this.#task(this.#accept());
  }

  /** Where the program connects to. */
  get port(): number {
    return this.#listener.addr.port;
  }

  lead(to: { readonly servicePort: number; readonly watcher: Watcher }): void {
    this.#to = to;
  }

  async stop(): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) closed(connection);
    await Promise.all(this.#tasks);
  }

  async #accept(): Promise<void> {
    for (let program; (program = await this.#listener.accept().catch(() => null)) !== null;) {
      this.#task(this.#join(program));
    }
  }

  async #join(program: Deno.Conn): Promise<void> {
    this.#connections.add(program);
    const to = this.#to;
    const talk = this.#talk();
    const service = to && passes(talk.opening, to.watcher) ? await dialled(to.servicePort) : null;
    if (to !== null && service !== null) {
      this.#connections.add(service);
      if (talk.opening) to.watcher.after(talk.opening);
      await Promise.race([
        relay(program, service, (bytes) => talk.program(bytes), to.watcher),
        relay(service, program, (bytes) => talk.service(bytes), to.watcher),
      ]);
    }
    for (const each of [program, service]) {
      if (each === null) continue;
      closed(each);
      this.#connections.delete(each);
    }
  }

  #task(work: Promise<void>): void {
    const task = work.finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }
}

/** Until either side ends, or a step is held back. */
async function relay(
  from: Deno.Conn,
  to: Deno.Conn,
  cut: (bytes: Uint8Array) => readonly Piece[],
  watcher: Watcher,
): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  for (;;) {
    const count = await from.read(buffer).catch(() => null); // reset, or closed by the other direction: it has ended
    if (count === null) return;
    for (const { bytes, step } of cut(buffer.subarray(0, count))) {
      if (!passes(step, watcher) || !await written(to, bytes)) return;
      if (step) watcher.after(step);
    }
  }
}

function passes(step: Step | null, watcher: Watcher): boolean {
  return step === null || watcher.before(step);
}

async function dialled(port: number): Promise<Deno.Conn | null> {
  return await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => null); // it is stopped: the client is told so by the end
}

async function written(to: Deno.Conn, bytes: Uint8Array): Promise<boolean> {
  try {
    for (let done = 0; done < bytes.length;) done += await to.write(bytes.subarray(done));
    return true;
  } catch {
    return false; // the other side has gone
  }
}

function closed(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // closed before: that is what was wanted
  }
}
