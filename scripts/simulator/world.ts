/**
 * The simulator: book, jump, relay, a mail server and a webhook receiver on 127.0.0.1, true to recordings of the real services,
 * with a laboratory behind them that can be broken and mended. Acceptance tests and the demo run on it.
 * `deno run -A scripts/simulator/world.ts --json` runs it as a process.
 */
import { jumpDialect, relayDialect, Sessions } from "./access.ts";
import { Board, type Truthy } from "./board.ts";
import { Book } from "./book.ts";
import type { Certificates } from "./fault.ts";
import { Feed, type Generation } from "./feed.ts";
import { type Host, Lab, type Stream } from "./lab.ts";
import { Hook, Mailbox, type SmtpAuth } from "./receivers.ts";

export interface WorldOptions {
  /** How often jump and relay report, to the millisecond; 5 s. (A real relay adds a second to what it is told.) */
  readonly reportEveryMs?: number;
  /** 54 s, as the real ones have. */
  readonly pingEveryMs?: number;
  readonly relayGeneration?: Generation;
  readonly secrets?: Partial<Record<Service, string>>;
  /** As a proxy has them, without a slash at the end; `/` for none. */
  readonly basePaths?: Partial<Record<Service, string>>;
  /** 0, or none, for a free one. */
  readonly ports?: Partial<Record<Service | "smtp" | "hook", number>>;
  /** With it the mail server asks for a login. */
  readonly smtpAuth?: SmtpAuth;
  /** Where a proxy in front of a service listens, `127.0.0.1:PORT`: settings and tokens name that. Sockets go past it. */
  readonly proxies?: Partial<Record<Service, string>>;
  /** With them all four speak TLS, by the good one. */
  readonly certificates?: Certificates;
  /** With it there is a receiver of webhooks, and monitors are told of it. */
  readonly hook?: boolean;
}

export type Service = "book" | "jump" | "relay";

export interface ExperimentOptions {
  /** Its resource in the manifest; `r-NAME` where not said, null for an experiment that book does not list. */
  readonly resource?: string | null;
  /** What is connected to relay. */
  readonly streams?: readonly string[];
  /** What book requires; all streams where not said. */
  readonly required?: readonly string[];
}

/** The services are up; experiments are added, and the manifest is loaded, by the test or the demo. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const world = new World(options);
  try {
    await world.start();
  } catch (error) {
    await world.stop();
    throw error;
  }
  return world;
}

export class World {
  readonly board = new Board();
  readonly lab = new Lab(this.board);
  readonly book: Book;
  readonly jump: Feed;
  readonly relay: Feed;
  readonly mailbox: Mailbox;
  /** Down unless it was asked for. */
  readonly hook: Hook;
  /** Who listens to the streams themselves. */
  readonly sessions = new Sessions(this.lab, this.board);
  readonly secrets: Readonly<Record<Service, string>>;
  readonly basePaths: Readonly<Record<Service, string>>;
  readonly #options: WorldOptions;

  constructor(options: WorldOptions) {
    const {
      reportEveryMs = 5_000,
      pingEveryMs = 54_000,
      relayGeneration = "v0.7",
      smtpAuth = null,
      certificates = null,
    } = options;
    this.#options = options;
    this.secrets = { book: "made-up-book", jump: "made-up-jump", relay: "made-up-relay", ...options.secrets };
    this.basePaths = { book: "/t/book", jump: "/t/jump", relay: "/t/relay", ...options.basePaths };
    const { board, lab, basePaths } = this;
    const times = { reportEveryMs, pingEveryMs };
    const rules = (service: Service) => () => ({ secret: this.secrets[service], audience: this.audience(service) });
    this.book = new Book(rules("book"), basePaths.book, board, certificates);
    this.jump = new Feed(jumpDialect(lab, rules("jump"), board), basePaths.jump, times, board, certificates);
    this.relay = new Feed(
      relayDialect(relayGeneration, this, rules("relay"), board),
      basePaths.relay,
      times,
      board,
      certificates,
    );
    this.mailbox = new Mailbox(smtpAuth, board, certificates);
    this.hook = new Hook("made-up-webhook", board, certificates);
  }

  async start(): Promise<void> {
    const { ports = {}, hook = false } = this.#options;
    await this.book.start(ports.book ?? 0);
    await this.jump.start(ports.jump ?? 0);
    await this.relay.start(ports.relay ?? 0);
    await this.mailbox.start(ports.smtp ?? 0);
    if (hook) await this.hook.start(ports.hook ?? 0);
  }

  /** Ends every listener, connection and timer. */
  async stop(): Promise<void> {
    const { book, jump, relay, mailbox, hook } = this;
    await Promise.all([book, jump, relay, mailbox, hook].map((each) => each.stop()));
  }

  get #scheme(): string {
    return this.#options.certificates === undefined ? "http" : "https";
  }

  /** The service's address as tokens must have it. */
  audience(service: Service): string {
    const basePath = this.basePaths[service];
    return `${this.#scheme}://${this.#host(service)}${basePath === "/" ? "" : basePath}`;
  }

  /** The settings that point a monitor at this world; nothing else that a monitor can be told. */
  get env(): Record<string, string> {
    const services = (["book", "jump", "relay"] as const).flatMap((service) => [
      [`STATUS_SCHEME_${service.toUpperCase()}`, this.#scheme],
      [`STATUS_HOST_${service.toUpperCase()}`, this.#host(service)],
      [`STATUS_BASEPATH_${service.toUpperCase()}`, this.basePaths[service]],
      [`STATUS_SECRET_${service.toUpperCase()}`, this.secrets[service]],
    ]);
    const { smtpAuth, certificates, hook } = this.#options;
    return {
      ...Object.fromEntries(services),
      STATUS_EMAIL_HOST: "127.0.0.1",
      STATUS_EMAIL_PORT: String(this.mailbox.port),
      STATUS_EMAIL_FROM: "status@lab.example.org",
      STATUS_EMAIL_TO: "maintainers@lab.example.org",
      ...(smtpAuth ? { STATUS_EMAIL_USER: smtpAuth.user, STATUS_EMAIL_PASSWORD: smtpAuth.password } : {}),
      ...(certificates ? { STATUS_EMAIL_TLS: "implicit" } : {}),
      ...(hook ? { STATUS_WEBHOOK_URL: this.hook.url, STATUS_SECRET_WEBHOOK: this.hook.secret } : {}),
    };
  }

  /** An experiment that is connected and well. Book knows it when the manifest is loaded next. */
  addExperiment(name: string, options: ExperimentOptions = {}): void {
    const { resource = `r-${name}`, streams = ["st-data", "st-video"], required = streams } = options;
    this.lab.add(name, streams);
    if (resource !== null) this.book.manifest.set(resource, { stub: name, streams: required });
  }

  /** The experiment is taken apart, and struck from the manifest; book forgets it when that is loaded next. */
  removeExperiment(name: string): void {
    this.lab.remove(name);
    for (const [resource, { stub }] of this.book.manifest) if (stub === name) this.book.manifest.delete(resource);
  }

  loadManifest(): void {
    this.book.loadManifest();
  }

  /** Throws for a topic that no experiment was added with. */
  stream(topic: string): Stream {
    return found(this.lab.streams.get(topic), topic);
  }

  /** Throws for an experiment that was not added. */
  host(name: string): Host {
    return found(this.lab.hosts.get(name), name);
  }

  #host(service: Service): string {
    return this.#options.proxies?.[service] ?? this[service].host;
  }

  /** See `Board.until`. */
  until<T>(condition: () => T | Promise<T>, wait: { timeoutMs?: number; what: string }): Promise<Truthy<T>> {
    return this.board.until(condition, wait);
  }
}

function found<T>(thing: T | undefined, name: string): T {
  if (thing === undefined) throw new Error(`Cannot find ${name}: it was not added to the world`);
  return thing;
}

if (import.meta.main) {
  const { runWorld } = await import("./process.ts");
  Deno.exit(await runWorld(Deno.args, startWorld));
}
