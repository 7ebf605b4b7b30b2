/** A client of the stand-in world that does by hand what the monitor does: tokens of every kind, access, sockets. */
import { SignJWT } from "jose";
import { type Service, startWorld, type World, type WorldOptions } from "../../scripts/simulator/world.ts";

/** Runs `test` on a world of its own, of which nothing is left. */
export async function withWorld(options: WorldOptions, test: (world: World) => Promise<void>): Promise<void> {
  const world = await startWorld(options);
  try {
    await test(world);
  } finally {
    await world.stop();
    // The native socket tells of its end a turn later, and until then it counts as left open.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** A request on a connection of its own: one that is kept may be gone when a service was broken in between. */
export const alone = { connection: "close" };

/** The claims that the monitor's own tokens have, in seconds of now; `changed` replaces some, undefined leaves one out. */
export function claimsFor(
  world: World,
  service: Service,
  changed: Record<string, unknown> = {},
): Record<string, unknown> {
  const seconds = Math.floor(Date.now() / 1000);
  const own = {
    book: { scopes: ["booking:admin"], sub: "status-server" },
    jump: { scopes: ["stats"], topic: "stats", prefix: "connect" },
    relay: { scopes: ["read"], topic: "stats", prefix: "session", booking_id: "status-server" },
  }[service];
  const times = { iat: seconds - 10, nbf: seconds - 10, exp: seconds + 3600 };
  return { aud: [world.audience(service)], ...times, ...own, ...changed };
}

export async function sign(claims: Record<string, unknown>, secret: string): Promise<string> {
  const present = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
  return await new SignJWT(present).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(
    new TextEncoder().encode(secret),
  );
}

/** The address of a socket of the topic `stats`. Throws where it is refused. */
export async function access(
  world: World,
  service: "jump" | "relay",
  changed: Record<string, unknown> = {},
): Promise<string> {
  const authorization = await sign(claimsFor(world, service, changed), world.secrets[service]);
  const path = service === "jump" ? "/api/v1/connect/stats" : "/session/stats";
  const answer = await fetch(`${world.audience(service)}${path}`, {
    method: "POST",
    headers: { authorization, ...alone },
  });
  const body = await answer.text();
  if (answer.status !== 200) throw new Error(`Cannot get access to ${service}: ${answer.status} ${body}`);
  return JSON.parse(body).uri;
}

/** A socket that is open, and what it has heard. */
export class Listener {
  readonly frames: string[] = [];
  #hasOpened = false;
  closed: { code: number; reason: string; wasClean: boolean } | null = null;
  readonly socket: WebSocket;

  private constructor(uri: string) {
    this.socket = new WebSocket(uri);
    this.socket.onopen = () => this.#hasOpened = true; // one that is dropped at once may be closed when it is looked at
    this.socket.onmessage = (event) => this.frames.push(String(event.data));
    this.socket.onclose = (event) => this.closed = { code: event.code, reason: event.reason, wasClean: event.wasClean };
    this.socket.onerror = (event) => event.preventDefault(); // the close that follows is what tests look at
  }

  static async open(world: World, uri: string): Promise<Listener> {
    const listener = new Listener(uri);
    await world.until(() => listener.#hasOpened, { what: "the socket to open" });
    return listener;
  }

  /** The entries of the newest frame that is a report. */
  get entries(): Array<Record<string, unknown>> {
    const report = this.frames.findLast((frame) => frame.startsWith("[") && !frame.includes("]["));
    return report === undefined ? [] : JSON.parse(report);
  }
}
