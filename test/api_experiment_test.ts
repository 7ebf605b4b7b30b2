/** The text of an experiment: is it what JSON.stringify would write, and what of it is written anew with each report? */
import fc from "fast-check";
import assert from "node:assert/strict";
import { experimentText } from "../src/api.ts";
import type { Connection } from "../src/report.ts";
import type { ExperimentView } from "../src/snapshot.ts";
import { laboratories, oddNames, wellLab } from "./support/app.ts";
import { connection } from "./support/bench.ts";
import { seenBy } from "./support/seen.ts";
import { snapshot } from "./support/snapshot.ts";

const well = snapshot(wellLab(["pend00"]).bench).experiments[0]!;

for (const [name, laboratory] of Object.entries(laboratories)) {
  Deno.test(`of ${name} it is what JSON.stringify makes of what it says`, () => {
    for (const view of [...laboratory().experiments, ...snapshot(wellLab(oddNames).bench).experiments]) {
      for (const addresses of [false, true]) assertJson(experimentText(view, { addresses }));
    }
  });
}

Deno.test("whatever names, reasons and connections hold, it is what JSON.stringify makes of what it says", () => {
  const text = fc.string({ unit: "binary", maxLength: 12 });
  const said = fc.record({
    last: text,
    size: fc.double({ noNaN: true, noDefaultInfinity: true }),
    fps: fc.float({ noNaN: true, noDefaultInfinity: true }),
  });
  fc.assert(fc.property(text, text, said, (name, held, traffic) => {
    const tx = { ...traffic, idle: { kind: "for", ms: 5 } } as const;
    const said = { ...connection("x", 5), userAgent: held, scopes: [name, held], stats: { tx, rx: tx } };
    const view = withConnection({ ...well, name, held, resources: [held] }, said);
    const json = assertJson(experimentText(view, { addresses: true }));
    assert.deepEqual([json.topic_name, json.held, json.resource_name], [name, held, held]);
  }));
});

Deno.test("what a connection is is written once, whatever it sends, and again for another connection", () => {
  let reads = 0;
  const peer = {
    ...connection("pend00-st-data", 0),
    get userAgent() {
      reads++;
      return "camera";
    },
  };
  const report = (idleMs: number, from = peer) => {
    const { stats } = connection("pend00-st-data", idleMs);
    const seen = { connection: from, peer: from, stats };
    return experimentText({ ...well, streams: [{ ...well.streams[0]!, ...seen }] }, { addresses: false });
  };

  for (let at = 0; at < 100; at++) report(at);
  assert.equal(reads, 1);
  assert.match(report(0, { ...peer, userAgent: "another" }), /"user_agent":"another"/);
});

Deno.test("whether addresses are shown is asked for each time", () => {
  const [shown, hidden] = [true, false].map((addresses) => experimentText(well, { addresses }));
  assert.match(shown!, /"remote_addr":"192\.0\.2\.7"/);
  assert.doesNotMatch(hidden!, /remote_addr/);
});

function assertJson(text: string) {
  const json = JSON.parse(text);
  assert.equal(text, JSON.stringify(json));
  return json;
}

function withConnection(view: ExperimentView, said: Connection): ExperimentView {
  return { ...view, host: { ...view.host, ...seenBy(said) }, streams: [{ ...view.streams[0]!, ...seenBy(said) }] };
}
