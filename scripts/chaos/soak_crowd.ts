/**
 * Who looks on during a soak: pages that are opened, followed live and left; programs that poll the API; clients that ask for
 * live events and never read, that ask for what is not there, or connect and say nothing. Each keeps to itself, and all are
 * gone when it ends.
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
