/**
 * The simulator over HTTP: every verb as `POST /control/…`, the truth as `GET /control/state` (waits for news with
 * `?after=VERSION`), the mails as `GET /control/mails`, and a page at `/`. Names and arguments: `verbs`. The board tells what
 * happens as it happens: tests wait on it, page and demo show it.
 */
import { z } from "zod";
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
