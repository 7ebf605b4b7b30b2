/**
 * Loads the modules named by its arguments, and prints how long that took and how much memory the process has then. A file name
 * that ends in `_worker.ts` is started as a Worker and has answered once.
 */
import { systemClock } from "../../src/clock.ts";

async function load(name: string): Promise<void> {
  if (!name.endsWith("_worker.ts")) return await import(name);
  const worker = new Worker(new URL(`../../${name}`, import.meta.url), { type: "module" });
  worker.postMessage({ kind: "dial", id: 0, url: "nowhere", dialect: "any" });
  await new Promise((resolve) => worker.onmessage = resolve);
}

const startMs = systemClock.monotonicMs();
for (const each of Deno.args) await load(each);
const tookMs = systemClock.monotonicMs() - startMs;
console.log(JSON.stringify({ tookMs, bytes: Deno.memoryUsage().rss }));
Deno.exit(0);
