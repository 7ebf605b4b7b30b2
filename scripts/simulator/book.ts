/**
 * Simulated book: the manifest that an operator loads, and the availability of each resource, in the words of the recordings. It
 * is empty after a restart until the manifest is loaded again.
 */
import { badToken, noSuchMethod, noSuchPath, readToken, refused, type TokenRules } from "./access.ts";
import { type Board, sleepUntil } from "./board.ts";
import { type Certificates, type HttpFault, modeWords, spoilt } from "./fault.ts";
import { type Answer, type Asked, HttpServer, json } from "./http.ts";
import { notProxied, withoutBase } from "./wire.ts";

/** A resource in the operator's manifest. */
export interface ManifestResource {
  /** The experiment's name, e.g. `pend00`. */
  readonly stub: string;
  /** What it requires, e.g. `st-data`. */
  readonly streams: readonly string[];
}

export interface Availability {
  readonly available: boolean;
  /** As book tells it: with `unavailable because ` before it where it is not available. */
  readonly reason: string;
}

export interface BookRequest {
  readonly atMs: number;
  readonly method: string;
  /** With the query, as it came. */
  readonly path: string;
  /** What it was answered; null where it was not. */
  readonly status: number | null;
}

export type BookMode = { readonly kind: "up" | "down" } | HttpFault;

const requestsMax = 2_000;
const resourcePath = /^\/api\/v1\/admin\/resources\/([^/]+)$/;
// What Go's framework takes for true.
const yes = new Set(["true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"]);

export class Book {
  /** The operator's manifest, by the resource's name: what the next `loadManifest` loads. */
  readonly manifest = new Map<string, ManifestResource>();
  readonly requests: BookRequest[] = [];
  /** How long each answer takes, as of a book with much to do. */
  delayMs = 0;
  readonly #rules: () => TokenRules;
  readonly #basePath: string;
  readonly #board: Board;
  readonly #certificates: Certificates | null;
  readonly #http: HttpServer = new HttpServer((asked) => this.#log(asked));
  readonly #loaded = new Map<string, ManifestResource>();
  readonly #availability = new Map<string, Availability>();
  #port = 0;
  #stopped = new AbortController();
  #mode: BookMode = { kind: "down" };

  /** With `certificates` it speaks TLS. */
  constructor(
    rules: () => TokenRules,
    basePath: string,
    board: Board,
    certificates: Certificates | null = null,
  ) {
    this.#certificates = certificates;
    this.#rules = rules;
    this.#basePath = basePath;
    this.#board = board;
  }

  /** `127.0.0.1:PORT`. */
  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get mode(): BookMode {
    return this.#mode;
  }

  /** Listens, on `port` at first and then on the one it had. What it holds stays: it was out of reach, or had hung. */
  async start(port = this.#port): Promise<void> {
    if (this.#mode.kind === "up") return;
    this.#stopped.abort();
    await this.#http.stop();
    this.#stopped = new AbortController();
    this.#http.fault = null;
    this.#port = this.#http.listen(port, this.#certificates?.good);
    this.#become({ kind: "up" }, "book runs");
  }

  /** Connections are refused. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#http.stop();
    this.#become({ kind: "down" }, "book is stopped");
  }

  /** Restarts: it lists nothing and knows no name until the manifest is loaded again. */
  async restart(): Promise<void> {
    this.#loaded.clear();
    this.#availability.clear();
    await this.stop();
    await this.start();
  }

  /** Connections are accepted and nothing is answered. */
  hang(): void {
    void this.fail({ kind: "hang" }); // at once: only a certificate takes time
  }

  /** Every request is answered so, as by a proxy whose service is not there. */
  refuse(status: number, body: string, contentType = "application/json"): void {
    void this.fail({ kind: "refuse", status, body, contentType });
  }

  /** Has `fault` from now on, until `start`. What it holds stays. */
  async fail(fault: HttpFault): Promise<void> {
    this.#become(fault, `book ${modeWords(fault)}`);
    this.#http.fault = fault;
    if (fault.kind !== "hang") this.#http.drop();
    if (fault.kind !== "certificate") return;
    await this.#http.stop();
    this.#http.listen(this.#port, this.#certificates?.[fault.which]);
  }

  /** The operator loads the manifest: it replaces what was loaded, and all resources are available. */
  loadManifest(): void {
    const reason = `Loaded at ${new Date(this.#board.clock.nowMs()).toISOString().replace(/\.\d+Z/, "Z")}`;
    this.#loaded.clear();
    this.#availability.clear();
    for (const [name, resource] of this.manifest) {
      this.#loaded.set(name, resource);
      this.#availability.set(name, { available: true, reason });
    }
    this.#board.happened("book", `the manifest is loaded: ${this.#loaded.size} resources, all available`);
  }

  /** What book would say of it; undefined where it has no such resource. */
  availability(name: string): Availability | undefined {
    return this.#availability.get(name);
  }

  /** A person takes it off. Throws where book has no such resource. */
  takeOff(name: string, reason: string): void {
    this.#set(name, false, reason, "a person");
  }

  /** A person puts it back. Throws where book has no such resource. */
  putBack(name: string, reason = "put back"): void {
    this.#set(name, true, reason, "a person");
  }

  /** What is loaded, with its availability, by the resource's name. */
  loaded(): Array<{ name: string } & ManifestResource & Availability> {
    return [...this.#loaded].flatMap(([name, resource]) => {
      const availability = this.#availability.get(name);
      return availability === undefined ? [] : [{ name, ...resource, ...availability }];
    });
  }

  #become(mode: BookMode, text: string): void {
    this.#mode = mode;
    this.#board.happened("book", text);
  }

  #set(name: string, available: boolean, reason: string, by: "a person" | "a client"): void {
    if (!this.#loaded.has(name)) throw new Error(`Cannot set ${name}: the stand-in book has no such resource`);
    this.#availability.set(name, { available, reason: available ? reason : `unavailable because ${reason}` });
    const what = `${name} ${available ? "available" : "unavailable"}: ${reason}`;
    this.#board.happened("book", by === "a person" ? `a person makes ${what}` : `book is told to make ${what}`);
  }

  async #log(asked: Asked): Promise<Answer> {
    await sleepUntil(this.#board.clock.nowMs() + this.delayMs, this.#board.clock, this.#stopped.signal);
    const answer = await spoilt(this.#http.fault, asked, () => this.#answer(asked));
    const status = answer.kind === "answer" ? answer.status : null;
    this.requests.push({ atMs: this.#board.clock.nowMs(), method: asked.method, path: asked.target, status });
    if (this.requests.length > requestsMax) this.requests.shift();
    return answer;
  }

  async #answer(asked: Asked): Promise<Answer> {
    const path = withoutBase(asked.path, this.#basePath);
    if (path === null) return notProxied;
    const name = resourcePath.exec(path)?.[1];
    const lists = path === "/api/v1/admin/resources";
    if (name === undefined && !lists) return noSuchPath(path);
    if (asked.method !== "GET" && (lists || asked.method !== "PUT")) {
      return noSuchMethod(asked.method, lists ? "GET" : "PUT,GET");
    }
    const token = await readToken(asked.headers.get("authorization"), this.#rules(), this.#board.clock.nowMs());
    if (token.kind !== "good") return badToken(token, "error parsing claims was ");
    const told = asked.method === "PUT" ? readWish(asked.query) : null;
    if (told?.kind === "incomplete") return json(422, JSON.stringify({ code: 602, message: told.why }));
    if (!token.claims.scopes.includes("booking:admin")) return refused(401, "no scope booking:admin");
    if (name === undefined) return this.#list();
    return this.#resource(decodeURIComponent(name), told);
  }

  #list(): Answer {
    const byName = [...this.#loaded].sort(([one], [other]) => one < other ? -1 : 1);
    const listed = byName.map(([name, { stub, streams }]) => [
      name,
      { description: `d-${name}`, streams, tests: null, topic_stub: stub },
    ]);
    return json(200, `${JSON.stringify(Object.fromEntries(listed))}\n`);
  }

  #resource(name: string, wish: { available: boolean; reason: string } | null): Answer {
    const holds = this.#availability.get(name);
    if (holds === undefined) return refused(404, `resource ${name} not found`);
    if (wish === null) return json(200, `${JSON.stringify(holds)}\n`);
    this.#set(name, wish.available, wish.reason, "a client");
    return json(204, "");
  }
}

type Wish =
  | { readonly kind: "complete"; readonly available: boolean; readonly reason: string }
  | { readonly kind: "incomplete"; readonly why: string };

function readWish(query: URLSearchParams): Wish {
  const available = query.get("available");
  const reason = query.get("reason");
  if (!available) return { kind: "incomplete", why: "available in query is required" };
  if (!reason) return { kind: "incomplete", why: "reason in query is required" };
  return { kind: "complete", available: yes.has(available.toLowerCase()), reason };
}
