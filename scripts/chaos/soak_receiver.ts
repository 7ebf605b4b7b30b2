/**
 * The webhook receiver and dead man's switch of a soak. It refuses some messages, and leaves others unanswered until the sender
 * gives up. Checking what a message says is for scripts/simulator/receivers.ts.
 */
import { systemClock as clock } from "../../src/clock.ts";

export interface Receiver extends AsyncDisposable {
  /** The settings that point a monitor at it. */
  readonly env: Readonly<Record<string, string>>;
  /** How many requests came. */
  readonly asked: number;
}

const [refusedShare, hangingShare] = [0.1, 0.02];
// Longer than anybody waits.
const hangsMs = 60_000;

export function startReceiver(heartbeatEvery: string, random: () => number): Receiver {
  const stop = new AbortController();
  let asked = 0;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, signal: stop.signal, onListen() {} }, async (request) => {
    asked++;
    await request.arrayBuffer();
    const chance = random();
    if (chance < hangingShare) await clock.wait(hangsMs, stop.signal).catch(() => {}); // the end of the soak
    return new Response(null, { status: chance < refusedShare ? 503 : 204 });
  });
  const address = `http://127.0.0.1:${server.addr.port}`;
  return {
    env: {
      ...{ STATUS_WEBHOOK_URL: `${address}/hook`, STATUS_SECRET_WEBHOOK: "made-up-webhook" },
      ...{ STATUS_HEARTBEAT_URL: `${address}/beat`, STATUS_HEARTBEAT_EVERY: heartbeatEvery },
    },
    get asked() {
      return asked;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await server.finished;
    },
  };
}
