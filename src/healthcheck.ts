/** Is the monitor that runs on this machine alive? For the container's HEALTHCHECK, so it needs no other program. */
import type { Settings } from "./settings.ts";

// Docker gives a health check 30 s; a loop that takes this long to answer is not alive.
const answerMsMax = 5_000;

/** The exit code: 0 if `/healthz` answers well, 1 if not. */
export async function healthcheck(settings: Pick<Settings, "HOST_SERVE" | "PORT_SERVE">): Promise<number> {
  try {
    const answer = await fetch(healthUrl(settings), { signal: AbortSignal.timeout(answerMsMax) });
    await answer.body?.cancel();
    return answer.ok ? 0 : 1;
  } catch {
    return 1; // nobody there, or nobody who answers: that is the answer
  }
}

/** Where the monitor answers from this machine: one that listens on all addresses does so on the loopback one. */
export function healthUrl({ HOST_SERVE: host, PORT_SERVE: port }: Pick<Settings, "HOST_SERVE" | "PORT_SERVE">): string {
  if (host === "localhost" || host === "0.0.0.0" || host === "::") return `http://127.0.0.1:${port}/healthz`;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}/healthz`;
}
