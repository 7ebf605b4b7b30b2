/**
 * The simulator over HTTP: every verb as `POST /control/…`, the truth as `GET /control/state` (waits for news with
 * `?after=VERSION`), the mails as `GET /control/mails`, and a page at `/`. Names and arguments: `verbs`. The board tells what
 * happens as it happens: tests wait on it, page and demo show it.
 */
import { z } from "zod";
import { type Clock, systemClock } from "../../src/clock.ts";
import { hookFault, httpFault, mailFault, sessionFault, smtpStage } from "./fault.ts";
import { type Answer, type Asked, HttpServer, json } from "./http.ts";
import page from "./page.html" with { type: "text" };
import pageScript from "./page.js" with { type: "text" };
import type { World } from "./world.ts";

export interface Control {
  /** `http://127.0.0.1:PORT`. */
  readonly address: string;
  stop(): Promise<void>;
}

// A page asks again after so long without news.
const newsWithinMs = 20_000;

const refusal = z.object({ status: z.int(), body: z.string() });
const count = z.object({ count: z.int().min(0).max(1_000) });
const none = z.object({});

type Verb = (world: World, name: string, given: unknown) => unknown;

/** A verb and the arguments its body must hold. */
function verb<T>(args: z.ZodType<T>, act: (world: World, args: T, name: string) => unknown): Verb {
  return (world, name, given) => act(world, args.parse(given), name);
}

/** `PART/VERB`; those of streams, hosts and experiments are asked for as `PART/NAME/VERB`. */
const verbs: Record<string, Verb> = {
  "stream/stall": verb(
    z.object({ idleMs: z.number().default(0) }),
    (world, args, topic) => world.stream(topic).stall(args.idleMs),
  ),
  "stream/resume": verb(none, (world, _, topic) => world.stream(topic).resume()),
  "stream/vanish": verb(none, (world, _, topic) => world.stream(topic).vanish()),
  "stream/appear": verb(
    z.object({ speech: z.enum(["talking", "never"]).default("talking") }),
    (world, args, topic) => world.stream(topic).appear(args.speech),
  ),
  "stream/double": verb(none, (world, _, topic) => world.stream(topic).double()),
  "stream/users": verb(count, (world, args, topic) => world.stream(topic).users(args.count)),
  "host/pull": verb(none, (world, _, name) => world.host(name).pull()),
  "host/plug": verb(none, (world, _, name) => world.host(name).plug()),
  "host/users": verb(count, (world, args, name) => world.host(name).users(args.count)),
  "experiment/add": verb(
    z.object({
      resource: z.string().nullable().exactOptional(),
      streams: z.array(z.string()).exactOptional(),
      required: z.array(z.string()).exactOptional(),
    }),
    (world, args, name) => world.addExperiment(name, args),
  ),
  "experiment/remove": verb(none, (world, _, name) => world.removeExperiment(name)),
  ...feedVerbs("jump"),
  ...feedVerbs("relay"),
  "sessions/fail": verb(
    z.object({ fault: sessionFault.nullable(), topic: z.string().exactOptional() }),
    (world, args) => world.sessions.fail(args.fault, args.topic),
  ),
  "book/stop": verb(none, (world) => world.book.stop()),
  "book/start": verb(none, (world) => world.book.start()),
  "book/restart": verb(none, (world) => world.book.restart()),
  "book/hang": verb(none, (world) => world.book.hang()),
  "book/refuse": verb(refusal, (world, args) => world.book.refuse(args.status, args.body)),
  "book/fail": verb(httpFault, (world, fault) => world.book.fail(fault)),
  "book/load-manifest": verb(none, (world) => world.loadManifest()),
  "book/take-off": verb(
    z.object({ resource: z.string(), reason: z.string().min(1) }),
    (world, args) => world.book.takeOff(args.resource, args.reason),
  ),
  "book/put-back": verb(z.object({ resource: z.string() }), (world, args) => world.book.putBack(args.resource)),
  "mailbox/stop": verb(none, (world) => world.mailbox.stop()),
  "mailbox/start": verb(none, (world) => world.mailbox.start()),
  "mailbox/refuse": verb(
    z.object({ stage: smtpStage, code: z.int(), text: z.string() }),
    (world, args) => world.mailbox.refuse(args.stage, args.code, args.text),
  ),
  "mailbox/hang": verb(z.object({ stage: smtpStage }), (world, args) => world.mailbox.hang(args.stage)),
  "mailbox/fail": verb(mailFault, (world, fault) => world.mailbox.fail(fault)),
  "mailbox/drop-after-data": verb(none, (world) => world.mailbox.dropAfterData()),
  "hook/stop": verb(none, (world) => world.hook.stop()),
  "hook/start": verb(none, (world) => world.hook.start()),
  "hook/answer": verb(
    z.object({ status: z.int(), body: z.string().default(""), headers: z.record(z.string(), z.string()).default({}) }),
    (world, { status, ...answer }) => world.hook.answer(status, answer),
  ),
  "hook/fail": verb(hookFault, (world, fault) => world.hook.fail(fault)),
  "hook/drop-next": verb(none, (world) => world.hook.dropNext()),
};

function feedVerbs(feed: "jump" | "relay"): Record<string, Verb> {
  return {
    [`${feed}/stop`]: verb(none, (world) => world[feed].stop()),
    [`${feed}/start`]: verb(none, (world) => world[feed].start()),
    [`${feed}/mute`]: verb(none, (world) => world[feed].mute()),
    [`${feed}/hang`]: verb(none, (world) => world[feed].hang()),
    [`${feed}/refuse`]: verb(refusal, (world, args) => world[feed].refuse(args.status, args.body)),
    [`${feed}/fail`]: verb(httpFault, (world, fault) => world[feed].fail(fault)),
    [`${feed}/drop`]: verb(none, (world) => world[feed].drop()),
    [`${feed}/report-now`]: verb(none, (world) => world[feed].reportNow()),
    [`${feed}/glue`]: verb(
      z.object({ documents: z.array(z.unknown()).exactOptional() }),
      (world, args) => world[feed].glue(args.documents),
    ),
  };
}

/** Listens on `port`, 0 for a free one. `links`: further addresses that the page shows, by their name. */
export function startControl(world: World, options: { port: number; links?: Record<string, string> }): Control {
  const stopping = new AbortController();
  const { links = {} } = options;
  const http = new HttpServer(async (asked) => {
    try {
      return await answer(world, asked, links, stopping.signal);
    } catch (error) {
      const message = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
      return json(400, JSON.stringify({ code: "400", message }));
    }
  });
  const port = http.listen(options.port);
  return {
    address: `http://127.0.0.1:${port}`,
    async stop() {
      stopping.abort();
      await http.stop();
    },
  };
}

async function answer(
  world: World,
  asked: Asked,
  links: Record<string, string>,
  stopping: AbortSignal,
): Promise<Answer> {
  const { method, path, query } = asked;
  if (method === "GET" && path === "/") return json(200, page, { "content-type": "text/html; charset=utf-8" });
  if (method === "GET" && path === "/world_page.js") {
    return json(200, pageScript, { "content-type": "text/javascript" });
  }
  if (method === "GET" && path === "/control/mails") {
    return json(200, JSON.stringify(world.mailbox.mails.map(mailShown)));
  }
  if (method === "GET" && path === "/control/posts") {
    return json(
      200,
      JSON.stringify(world.hook.posts.map(({ headers: _headers, body: _body, ...post }) => post), null, 2),
    );
  }
  if (method === "GET" && path === "/control/state") {
    if (Number(query.get("after") ?? -1) === world.board.version) await world.board.change(newsWithinMs, stopping);
    return json(200, JSON.stringify({ ...stateOf(world), links }));
  }
  const [, control, part, ...rest] = path.split("/").map(decodeURIComponent);
  const act = verbs[`${part}/${rest.at(-1)}`];
  if (method !== "POST" || control !== "control" || act === undefined) {
    return json(
      404,
      JSON.stringify({ code: "404", message: `there is no ${method} ${path}; verbs: ${Object.keys(verbs).join(" ")}` }),
    );
  }
  await act(world, rest[0] ?? "", asked.body === "" ? {} : JSON.parse(asked.body));
  return json(200, JSON.stringify(stateOf(world)));
}

function mailShown({ headers, ...mail }: World["mailbox"]["mails"][number]): Record<string, unknown> {
  return { ...mail, headers: Object.fromEntries(headers) };
}

/** All that is true in the world, for the page and for tests in another process. */
function stateOf(world: World): Record<string, unknown> {
  const { board, book, jump, relay, mailbox, hook, lab, sessions } = world;
  return {
    version: board.version,
    atMs: board.clock.nowMs(),
    services: {
      book: { ...book.mode, address: book.host },
      jump: { ...jump.mode, address: jump.host, watchers: jump.watchers },
      relay: { ...relay.mode, address: relay.host, watchers: relay.watchers },
      mailbox: { ...mailbox.mode, address: `127.0.0.1:${mailbox.port}` },
      ...("STATUS_WEBHOOK_URL" in world.env ? { hook: { ...hook.mode, address: hook.host } } : {}),
    },
    sessions: { asked: sessions.askings.length, open: sessions.open, most: sessions.most },
    experiments: [...lab.hosts.values()].map((host) => ({
      name: host.name,
      connected: host.connection !== null,
      streams: [...lab.streams.values()].filter(({ topic }) => topic.startsWith(`${host.name}-st-`)).map((stream) => ({
        topic: stream.topic,
        senders: stream.senders.map(({ speech }) => speech.kind),
        users: stream.userMs.length,
      })),
    })),
    resources: book.loaded(),
    mails: mailbox.mails.length,
    happenings: board.happenings.slice(-200),
  };
}

// The board.

export type Part = "lab" | "book" | "jump" | "relay" | "mail" | "hook";

export interface Happening {
  readonly atMs: number;
  readonly part: Part;
  /** A line for a person: what was done, or what a service was told. */
  readonly text: string;
}

// A page and a failed test show the newest; a world that runs for days must not grow.
const happeningsMax = 500;
const pollMs = 25;
// What is asked just before the time runs out may still answer.
const graceMs = 1_000;

export class Board {
  /** Counts what happened since the start: who has seen this many has seen all. */
  version = 0;
  readonly happenings: Happening[] = [];
  readonly #listeners = new Set<(happening: Happening) => void>();
  readonly clock: Clock = systemClock;

  happened(part: Part, text: string): void {
    const happening = { atMs: this.clock.nowMs(), part, text };
    this.happenings.push(happening);
    if (this.happenings.length > happeningsMax) this.happenings.shift();
    this.version++;
    for (const listener of [...this.#listeners]) listener(happening);
  }

  /** Calls `listener` with everything that happens from now on, until the function it returns is called. */
  listen(listener: (happening: Happening) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * What `condition` returns as soon as that is truthy. It is asked at every change, and every 25 ms too, since it may ask
   * of things outside the world; one that throws counts as not yet. Throws after `timeoutMs`, with `what` was waited for.
   */
  async until<T>(condition: () => T | Promise<T>, wait: { timeoutMs?: number; what: string }): Promise<Truthy<T>> {
    const { timeoutMs = 20_000, what } = wait;
    const deadlineMs = this.clock.nowMs() + timeoutMs;
    for (let cause: unknown;;) {
      try {
        const value = await this.#answer(condition(), deadlineMs + graceMs);
        if (value) return value as Truthy<T>;
        cause = undefined;
      } catch (error) {
        cause = error; // told if the time runs out: what is asked may still be starting
      }
      if (this.clock.nowMs() >= deadlineMs) throw new Error(this.#inVain(what, timeoutMs), { cause });
      await this.change(pollMs);
    }
  }

  /** The answer, or an error at `atMs`: a condition may ask something that hangs. */
  async #answer<T>(answer: T | Promise<T>, atMs: number): Promise<T> {
    if (!(answer instanceof Promise)) return answer;
    const answered = new AbortController();
    const late = new Promise<never>((_, reject) => {
      sleepUntil(atMs, this.clock, answered.signal).then((tooLate) =>
        tooLate && reject(new Error("no answer to what was asked"))
      );
    });
    return await Promise.race([answer, late]).finally(() => answered.abort());
  }

  /** Resolves when something happens, or after `ms`, or when `signal` is aborted. */
  async change(ms: number, signal?: AbortSignal): Promise<void> {
    const changed = new AbortController();
    const unlisten = this.listen(() => changed.abort());
    const either = signal === undefined ? changed.signal : AbortSignal.any([changed.signal, signal]);
    await sleepUntil(this.clock.nowMs() + ms, this.clock, either);
    unlisten();
  }

  #inVain(what: string, timeoutMs: number): string {
    const lines = this.happenings.slice(-15).map(({ atMs, part, text }) => `  ${clockTime(atMs)} ${part}: ${text}`);
    return `Waited ${timeoutMs} ms in vain for ${what}; the world's last happenings:\n${lines.join("\n")}`;
  }
}

export type Truthy<T> = Exclude<T, false | 0 | "" | null | undefined>;

/** `20:31:14.120`, in UTC. */
export function clockTime(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 23);
}

/** Calls `action` every `ms`, the times reckoned from the first so that they don't drift, until `signal` is aborted. */
export async function every(ms: number, clock: Clock, signal: AbortSignal, action: () => void): Promise<void> {
  for (let nextMs = clock.nowMs() + ms; await sleepUntil(nextMs, clock, signal); nextMs += ms) action();
}

/** True at `atMs`, false as soon as `signal` is aborted. */
export async function sleepUntil(atMs: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.wait(atMs - clock.nowMs(), signal);
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
