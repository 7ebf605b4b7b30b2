/** The page of a thousand experiments is small, whatever their past. */
import assert from "node:assert/strict";
import { readQuery } from "../src/page_model.ts";
import type { ExperimentView } from "../src/snapshot.ts";
import { agoMs, missingJump, nowMs } from "./support/letters.ts";
import { connection, lab, renderPage, rig, stream } from "./support/page_lab.ts";

/** Each has stood otherwise so many times in the window, at times that no other has. */
function large(count: number, { turns: turnCount, minutes }: { turns: number; minutes: number }): ExperimentView[] {
  let chance = 1;
  const next = () => (chance = (chance * 48_271) % 2_147_483_647) / 2_147_483_647;
  return Array.from({ length: count }, (_, at) => {
    const name = `rig${String(at).padStart(4, "0")}`;
    const agos = Array.from({ length: turnCount }, () => next() * minutes).sort((a, b) => b - a);
    const turns = agos.map((ago, turn) => {
      const state = turn % 2 === 0 ? "healthy" as const : "unhealthy" as const;
      return { atMs: agoMs(ago), state, available: state === "healthy" };
    });
    const idle = { kind: "for", ms: Math.floor(next() * 9_000) } as const;
    return rig(name, at % 20 === 0 ? [missingJump] : [], {
      sinceMs: agoMs(Math.floor(next() * 10_000)),
      turns,
      streams: [stream(`${name}-st-data`, { connection: connection({ idle }) }), stream(`${name}-st-video`)],
    });
  });
}

const day = 1_440, month = 30 * day;
const sizes: Record<string, [address: string, turns: number, minutes: number, runs: number]> = {
  "a day of few troubles": ["", 5, day, 1],
  "a month of many": ["window=30d", 100, month, 1],
  "a month of many, and of a hundred restarts": ["window=30d", 100, month, 100],
  "a month of all that is kept": ["window=30d", 200, month, 100],
};
for (const [what, [address, turns, minutes, runCount]] of Object.entries(sizes)) {
  Deno.test(`the first paint of 1000 experiments is below 300 kB, compressed: ${what}`, async () => {
    const runs = Array.from({ length: runCount }, (_, at) => {
      const agoMinutes = (runCount - at) * minutes / runCount;
      return {
        startedMs: agoMs(agoMinutes),
        aliveMs: at === runCount - 1 ? nowMs : agoMs(agoMinutes - minutes / runCount + 7),
      };
    });
    const seen = lab(large(1_000, { turns, minutes }), { runs });
    const html = renderPage(seen, readQuery(new URLSearchParams(address)), { nowMs, prefix: "api/" });
    const compressed = await new Response(new Blob([html]).stream().pipeThrough(new CompressionStream("gzip"))).bytes();

    assert.equal(html.split('<li class="row').length - 1, 1_000);
    assert.ok(compressed.length < 300_000, `${compressed.length} bytes`);
  });
}
