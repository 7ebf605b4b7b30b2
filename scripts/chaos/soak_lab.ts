/**
 * The load of a soak: readers that open pages, follow them live, poll the API, never read or connect and say nothing; and the
 * troubles of a busy laboratory, how often each comes and how long it lasts, at any speed. Everything is well again at the end.
 */
import { aborted, type Clock } from "../../src/clock.ts";

export interface Crowd {
  readonly clock: Clock;
  readonly port: number;
  readonly speed: number;
  random(): number;
}

interface Visitor {
  readonly who: string;
  readonly perDay: number;
  /** How long one stays on average, in the laboratory's time; one that asks and goes, how long it waits at most. */
  readonly seconds: number;
  visit(visit: Visit): Promise<void>;
}

/** Connections of its own, which end with it, as a browser's do. */
interface Visit extends Pick<Crowd, "port" | "random"> {
  readonly client: Deno.HttpClient;
  readonly leaves: AbortSignal;
}

const secondsOfDay = 86_400;
// More at a time would be a siege, which is another test.
const visitorsMax = 100;

/** Until `signal` is aborted; says how many of each kind came, and how often one was not served as it should have been. */
export async function crowdIn(crowd: Crowd, signal: AbortSignal): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const inside = new Set<Promise<void>>();
  const count = (what: string) => counts[what] = (counts[what] ?? 0) + 1;
  await Promise.all(visitors.map(async (visitor) => {
    const meanMs = secondsOfDay / visitor.perDay / crowd.speed * 1_000;
    while (!signal.aborted) {
      await crowd.clock.wait(-Math.log(1 - crowd.random()) * meanMs, signal).catch(() => {}); // the end of the soak
      if (signal.aborted || inside.size >= visitorsMax) continue;
      count(visitor.who);
      const leaving = new AbortController();
      const staysMs = visitor.seconds * (0.2 + 1.6 * crowd.random()) / crowd.speed * 1_000;
      const stay = crowd.clock.wait(staysMs, AbortSignal.any([signal, leaving.signal])).catch(() => {}); // left before
      const client = Deno.createHttpClient({});
      const visit = visitor.visit({ ...crowd, client, leaves: leaving.signal }).catch((error) => {
        if (!leaving.signal.aborted && !signal.aborted) count(`${visitor.who}: ${String(error).slice(0, 120)}`);
      }).finally(() => client.close());
      const task = Promise.race([stay, visit]).then(() => leaving.abort()).then(() => visit)
        .finally(() => inside.delete(task));
      inside.add(task);
    }
  }));
  await Promise.all(inside);
  return counts;
}

const assets = ["page.css", "page.js", "page_change.js", "page_time.js", "icon.svg"];

const visitors: readonly Visitor[] = [
  { who: "a page, followed live", perDay: 1_500, seconds: 600, visit: (visit) => readPage(visit, "") },
  {
    ...{ who: "one experiment's page, followed live", perDay: 500, seconds: 600 },
    visit: (visit) => readPage(visit, "?experiment=pend03&window=7d"),
  },
  {
    ...{ who: "a reader of the live events", perDay: 300, seconds: 3_000 },
    visit: (visit) => readOn(visit, "/api/v1/live"),
  },
  {
    ...{ who: "one that asks for live events and never reads", perDay: 200, seconds: 2_000 },
    visit: (visit) => connectOnly(visit, "GET /api/v1/live HTTP/1.1\r\nHost: status\r\n\r\n"),
  },
  {
    ...{ who: "one that connects and says nothing", perDay: 200, seconds: 1_000 },
    visit: (visit) => connectOnly(visit, ""),
  },
  {
    ...{ who: "one that sends half a request", perDay: 200, seconds: 1_000 },
    visit: (visit) => connectOnly(visit, "GET /api/v1/status HTTP/1.1\r\nX-Half: "),
  },
  {
    ...{ who: "a poll of the API", perDay: 5_760, seconds: 3_000 },
    visit: async (visit) => {
      await ask(visit, "/api/v1/experiments");
      await ask(visit, "/api/v1/status");
    },
  },
  {
    ...{ who: "a look at a history", perDay: 1_500, seconds: 3_000 },
    visit: async (visit) => {
      const name = `pend${String(Math.floor(visit.random() * 100)).padStart(2, "0")}`;
      await ask(visit, `/api/v1/experiments/events/${name}`);
      await ask(visit, `/api/v1/experiments/${name}/history?window=7d`);
    },
  },
  {
    ...{ who: "a scrape of the metrics", perDay: 2_880, seconds: 3_000 },
    visit: async (visit) => void await ask(visit, "/metrics"),
  },
  {
    ...{ who: "a request for what is not there", perDay: 1_000, seconds: 3_000 },
    visit: async (visit) => void await ask(visit, `/api/v1/experiments/events/${crypto.randomUUID()}`),
  },
  {
    ...{ who: "a search on the page that nobody has made before", perDay: 1_000, seconds: 3_000 },
    visit: async (visit) => void await ask(visit, `/api/?q=${crypto.randomUUID()}`),
  },
];

/** As a browser does: the page, what belongs to it, then its events until it is left. */
async function readPage(visit: Visit, search: string): Promise<void> {
  const page = await ask(visit, `/api/${search}`);
  for (const asset of assets) await ask(visit, `/api/${asset}`);
  const told = (name: string) => new RegExp(`data-${name}="([^"]+)"`).exec(page)?.[1]?.replaceAll("&amp;", "&");
  await readOn(visit, `/api/${told("live")}&revision=${told("revision")}`);
}

async function ask({ port, client, leaves }: Visit, path: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { client, signal: leaves });
  return await answer.text();
}

/**
 * Reads until it leaves, or the stream ends. The signal alone would not do: Deno 2.9 forgets it when it collects a Response
 * of which only the body is still read, and the visitor would stay for ever.
 */
async function readOn({ port, client, leaves }: Visit, path: string): Promise<void> {
  const { body } = await fetch(`http://127.0.0.1:${port}${path}`, { client, signal: leaves });
  const reader = body?.getReader();
  aborted(leaves).then(() => reader?.cancel()).catch(() => {}); // the stream has ended: that is what was wanted
  while (reader !== undefined && !(await reader.read()).done);
}

async function connectOnly({ port, leaves }: Visit, says: string): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(says));
  await aborted(leaves);
}

// Troubles of a day, and playing them.

/** A verb of the simulator (`control`) and its arguments. */
export type Verb = readonly [path: string, given?: Readonly<Record<string, unknown>>];

/** The laboratory: `post` does a verb. */
export interface Stage {
  readonly experiments: readonly string[];
  post(...verb: Verb): Promise<void>;
  random(): number;
}

interface Trouble {
  readonly what: string;
  readonly perDay: number;
  /** On average, in the laboratory's time. */
  readonly seconds: number;
  /** Where it is: one trouble at a time in a place. */
  place(stage: Stage): string;
  begins(place: string, stage: Stage): readonly Verb[];
  ends(place: string): readonly Verb[];
}

export interface Pace {
  readonly clock: Clock;
  /** How much faster than in a laboratory time goes. */
  readonly speed: number;
  /** How much more often than in a laboratory there is trouble. */
  readonly haste: number;
}
const shortestMs = 300;

/** Plays until `signal` is aborted, mends what is still broken, and says how often each trouble came. */
export async function playDay(stage: Stage, pace: Pace, signal: AbortSignal): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const taken = new Set<string>();
  const underWay = new Set<Promise<void>>();
  const count = (what: string) => counts[what] = (counts[what] ?? 0) + 1;
  // Two troubles can be in each other's way: nobody can take off a resource of a book that has just lost its manifest.
  const act = (verb: Verb) =>
    stage.post(...verb).catch(() => void count(`could not be done: ${verb[0].split("/").at(-1)}`));
  const strike = async (trouble: Trouble) => {
    const place = trouble.place(stage);
    if (taken.has(place)) return;
    taken.add(place);
    count(trouble.what);
    for (const verb of trouble.begins(place, stage)) await act(verb);
    const lastsMs = Math.max(trouble.seconds * (0.2 + 1.6 * stage.random()) / pace.speed * 1_000, shortestMs);
    await pace.clock.wait(lastsMs, signal).catch(() => {}); // the end of the day mends everything
    for (const verb of trouble.ends(place)) await act(verb);
    taken.delete(place);
  };
  await Promise.all(troubles.map(async (trouble) => {
    const meanMs = secondsOfDay / trouble.perDay / pace.speed / pace.haste * 1_000;
    while (!signal.aborted) {
      await pace.clock.wait(-Math.log(1 - stage.random()) * meanMs, signal).catch(() => {}); // the same
      if (signal.aborted) return;
      const task = strike(trouble).finally(() => underWay.delete(task));
      underWay.add(task);
    }
  }));
  await Promise.all(underWay);
  return counts;
}

let made = 0;
const topicOf = (stage: Stage) => `${nameOf(stage)}-st-${stage.random() < 0.5 ? "data" : "video"}`;
const nameOf = ({ experiments, random }: Stage) => experiments[Math.floor(random() * experiments.length)] ?? "";
const stageOf = ({ random }: Stage) => ["CONNECT", "MAIL", "RCPT", "DATA"][Math.floor(random() * 4)] ?? "";

const troubles: readonly Trouble[] = [
  stream("a stream falls silent", 500, 600, "stall", "resume"),
  stream("a stream disconnects", 500, 600, "vanish", "appear"),
  stream("a stream connects a second time", 200, 60, "double", "appear"),
  {
    ...{ what: "an experiment leaves jump", perDay: 300, seconds: 600, place: nameOf },
    begins: (name) => [[`host/${name}/pull`]],
    ends: (name) => [[`host/${name}/plug`]],
  },
  {
    ...{ what: "users watch a stream", perDay: 3_000, seconds: 1_200, place: (stage) => `users of ${topicOf(stage)}` },
    begins: (place) => [[`stream/${place.slice(9)}/users`, { count: 2 }]],
    ends: (place) => [[`stream/${place.slice(9)}/users`, { count: 0 }]],
  },
  {
    ...{ what: "users log in", perDay: 1_000, seconds: 1_200, place: (stage) => `users of ${nameOf(stage)}` },
    begins: (place) => [[`host/${place.slice(9)}/users`, { count: 1 }]],
    ends: (place) => [[`host/${place.slice(9)}/users`, { count: 0 }]],
  },
  {
    ...{ what: "an experiment that book does not list comes and goes", perDay: 600, seconds: 600 },
    place: () => `guest${made++}`,
    begins: (name) => [[`experiment/${name}/add`, { resource: null }]],
    ends: (name) => [[`experiment/${name}/remove`]],
  },
  {
    ...{ what: "the manifest changes", perDay: 100, seconds: 1_200, place: () => `extra${made++}` },
    begins: (name) => [[`experiment/${name}/add`], ["book/load-manifest"]],
    ends: (name) => [[`experiment/${name}/remove`], ["book/load-manifest"]],
  },
  {
    ...{
      what: "a person takes an experiment off book",
      perDay: 100,
      seconds: 1_800,
      place: (stage) => `hold of ${nameOf(stage)}`,
    },
    begins: (place) => [["book/take-off", { resource: `r-${place.slice(8)}`, reason: "waits for a new motor" }]],
    ends: (place) => [["book/put-back", { resource: `r-${place.slice(8)}` }]],
  },
  ...(["jump", "relay"] as const).flatMap((feed) => [
    service(`${feed} restarts`, 24, 60, feed, [`${feed}/stop`]),
    service(`${feed} falls mute`, 12, 400, feed, [`${feed}/mute`]),
    service(`${feed} hangs`, 12, 400, feed, [`${feed}/hang`]),
    service(`${feed} refuses everybody`, 12, 200, feed, [`${feed}/refuse`, { status: 500, body: "token invalid" }]),
    service(`${feed} drops its connections`, 24, 10, feed, [`${feed}/drop`]),
  ]),
  {
    ...service("book restarts", 12, 120, "book", ["book/restart"]),
    ends: () => [["book/load-manifest"]],
  },
  service("book is out of reach", 12, 200, "book", ["book/stop"]),
  service("book hangs", 12, 300, "book", ["book/hang"]),
  service("book refuses everybody", 12, 200, "book", ["book/refuse", { status: 502, body: "<html>Bad Gateway" }]),
  service("the mail server is out of reach", 12, 900, "mailbox", ["mailbox/stop"]),
  {
    ...service("the mail server refuses", 24, 600, "mailbox", ["mailbox/start"]),
    begins: (_, stage) => [["mailbox/refuse", { stage: stageOf(stage), code: 451, text: "4.7.1 greylisted" }]],
  },
  {
    ...service("the mail server hangs", 12, 600, "mailbox", ["mailbox/start"]),
    begins: (_, stage) => [["mailbox/hang", { stage: stageOf(stage) }]],
  },
  service("the mail server takes a mail and does not say so", 24, 120, "mailbox", ["mailbox/drop-after-data"]),
];

function stream(what: string, perDay: number, seconds: number, begin: string, end: string): Trouble {
  return {
    ...{ what, perDay, seconds, place: topicOf },
    begins: (topic) => [[`stream/${topic}/${begin}`]],
    ends: (topic) => [[`stream/${topic}/${end}`]],
  };
}

function service(what: string, perDay: number, seconds: number, part: string, begin: Verb): Trouble {
  return { what, perDay, seconds, place: () => part, begins: () => [begin], ends: () => [[`${part}/start`]] };
}
