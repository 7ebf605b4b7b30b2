/**
 * Who looks on during a soak: pages that are opened, followed live and left; programs that poll the API; clients that ask for
 * live events and never read, that ask for what is not there, or connect and say nothing. Each keeps to itself, and all are
 * gone when it ends.
 */
import { aborted, type Clock } from "../src/wait.ts";

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
  visit(crowd: Crowd, leaves: AbortSignal): Promise<void>;
}

const secondsOfDay = 86_400;
// More at a time would be a siege, which is another test.
const visitorsMax = 150;

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
      const visit = visitor.visit(crowd, leaving.signal).catch((error) => {
        if (!leaving.signal.aborted && !signal.aborted) count(`${visitor.who}: ${String(error).slice(0, 120)}`);
      });
      const task = Promise.race([stay, visit]).then(() => leaving.abort()).then(() => visit)
        .finally(() => inside.delete(task));
      inside.add(task);
    }
  }));
  await Promise.all(inside);
  return counts;
}

const assets = ["page.css", "page.js", "page_time.js", "icon.svg"];

const visitors: readonly Visitor[] = [
  { who: "a page, followed live", perDay: 3_000, seconds: 600, visit: (crowd, leaves) => readPage(crowd, "", leaves) },
  {
    ...{ who: "one experiment's page, followed live", perDay: 1_000, seconds: 600 },
    visit: (crowd, leaves) => readPage(crowd, "?experiment=pend03&window=7d", leaves),
  },
  {
    ...{ who: "a reader of the live events", perDay: 300, seconds: 3_000 },
    visit: (crowd, leaves) => readOn(crowd, "/api/v1/live", leaves),
  },
  {
    ...{ who: "one that asks for live events and never reads", perDay: 200, seconds: 2_000 },
    visit: (crowd, leaves) => connectOnly(crowd, "GET /api/v1/live HTTP/1.1\r\nHost: status\r\n\r\n", leaves),
  },
  {
    ...{ who: "one that connects and says nothing", perDay: 200, seconds: 1_000 },
    visit: (crowd, leaves) => connectOnly(crowd, "", leaves),
  },
  {
    ...{ who: "one that sends half a request", perDay: 200, seconds: 1_000 },
    visit: (crowd, leaves) => connectOnly(crowd, "GET /api/v1/status HTTP/1.1\r\nX-Half: ", leaves),
  },
  {
    ...{ who: "a poll of the API", perDay: 17_280, seconds: 3_000 },
    visit: async (crowd, leaves) => {
      await ask(crowd, "/api/v1/experiments", leaves);
      await ask(crowd, "/api/v1/status", leaves);
    },
  },
  {
    ...{ who: "a look at a history", perDay: 3_000, seconds: 3_000 },
    visit: async (crowd, leaves) => {
      const name = `pend${String(Math.floor(crowd.random() * 100)).padStart(2, "0")}`;
      await ask(crowd, `/api/v1/experiments/events/${name}`, leaves);
      await ask(crowd, `/api/v1/experiments/${name}/history?window=7d`, leaves);
    },
  },
  {
    ...{ who: "a scrape of the metrics", perDay: 5_760, seconds: 3_000 },
    visit: async (crowd, leaves) => void await ask(crowd, "/metrics", leaves),
  },
  {
    ...{ who: "a request for what is not there", perDay: 1_000, seconds: 3_000 },
    visit: async (crowd, leaves) => void await ask(crowd, `/api/v1/experiments/events/${crypto.randomUUID()}`, leaves),
  },
  {
    ...{ who: "a search on the page that nobody has made before", perDay: 2_000, seconds: 3_000 },
    visit: async (crowd, leaves) => void await ask(crowd, `/api/?q=${crypto.randomUUID()}`, leaves),
  },
];

/** As a browser does: the page, what belongs to it, then its events until it is left. */
async function readPage(crowd: Crowd, search: string, leaves: AbortSignal): Promise<void> {
  const page = await ask(crowd, `/api/${search}`, leaves);
  for (const asset of assets) await ask(crowd, `/api/${asset}`, leaves);
  const told = (name: string) => new RegExp(`data-${name}="([^"]+)"`).exec(page)?.[1]?.replaceAll("&amp;", "&");
  await readOn(crowd, `/api/${told("live")}&revision=${told("revision")}`, leaves);
}

async function ask({ port }: Crowd, path: string, leaves: AbortSignal): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: leaves });
  return await answer.text();
}

/** Reads until it leaves, or the stream ends. */
async function readOn({ port }: Crowd, path: string, leaves: AbortSignal): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: leaves });
  if (answer.body !== null) { for await (const _ of answer.body); }
}

async function connectOnly({ port }: Crowd, says: string, leaves: AbortSignal): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(says));
  await aborted(leaves);
}
