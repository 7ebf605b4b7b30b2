/** Is the monitor that runs on this machine alive? For the container's HEALTHCHECK, so it needs no other program. */
import { settingsList, type Values } from "./settings.ts";

/** Where the monitor is asked to listen. */
export type Place = Pick<Values, "HOST_SERVE" | "PORT_SERVE">;

// Less than the image's HEALTHCHECK gives: a loop that takes this long to answer is not alive.
const answerMsMax = 3_000;

/** The place that `env` names: the other settings are no business of a health check. Null for one that can't be. */
export function placeIn(env: Readonly<Record<string, string | undefined>>): Place | null {
  const { HOST_SERVE: host, PORT_SERVE: port } = settingsList;
  const readHost = host.kind.schema.safeParse(env.STATUS_HOST_SERVE?.trim() || "localhost");
  const readPort = port.kind.schema.safeParse(env.STATUS_PORT_SERVE?.trim() || "3007");
  return readHost.success && readPort.success ? { HOST_SERVE: readHost.data, PORT_SERVE: readPort.data } : null;
}

/** The exit code: 0 if `/healthz` answers well, 1 if not, 2 if a setting names no place. */
export async function healthcheck(place: Place | null): Promise<number> {
  if (place === null) return 2;
  try {
    const { ok } = await askDirectly(new URL(healthUrl(place)), AbortSignal.timeout(answerMsMax));
    return ok ? 0 : 1;
  } catch {
    return 1; // nobody there, or nobody who answers: that is the answer
  }
}

/**
 * GET from this machine itself, never through the proxy that `HTTP_PROXY` names: Docker sets that in containers, and no proxy
 * knows our loopback address. Rejects where nobody answers to the end before `signal` is aborted.
 */
export async function askDirectly(
  url: URL,
  signal: AbortSignal,
): Promise<{ readonly ok: boolean; readonly text: string }> {
  const { hostname, port } = url;
  // Without a proxy of its own a client takes that of the environment; this one is the place itself.
  const proxy = { transport: "tcp", hostname, port: Number(port || 80) } as const;
  using client = Deno.createHttpClient({ proxy });
  const answer = await fetch(url, { client, signal });
  return { ok: answer.ok, text: await answer.text() };
}

/** Where the monitor answers from this machine: one that listens on all addresses does so on the loopback one. */
export function healthUrl({ HOST_SERVE: host, PORT_SERVE: port }: Place): string {
  if (host === "localhost" || host === "0.0.0.0" || host === "::") return `http://127.0.0.1:${port}/healthz`;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}/healthz`;
}
