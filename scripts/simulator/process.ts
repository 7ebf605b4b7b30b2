/**
 * The simulator as a process of its own, driven over HTTP (`control`): for tests of the compiled program, and for trying a
 * monitor by hand. Runs until SIGINT or SIGTERM.
 */
import { parseArgs } from "node:util";
import { startControl } from "./control.ts";
import type { startWorld } from "./world.ts";

const usage = `Usage: deno run -A scripts/simulator/world.ts [options]
  --json                 one line of JSON with the addresses and the settings for a monitor, instead of text
  --experiments N        how many experiments there are from the start: pend00, pend01, … (4)
  --report-every-ms N    how often jump and relay report (5000)
  --relay v0.7|v0.9      relay's generation (v0.7)
  --control-port N       where the control page and the verbs are (a free one)
`;

/** Returns the exit code, once it has been told to end. */
export async function runWorld(args: string[], start: typeof startWorld): Promise<number> {
  const options = read(args);
  if (options === null) return print(Deno.stderr, usage), 2;
  const world = await start(options);
  for (let each = 0; each < options.experiments; each++) world.addExperiment(`pend${String(each).padStart(2, "0")}`);
  world.loadManifest();
  const control = startControl(world, { port: options.controlPort });
  const told = { control: control.address, env: world.env };
  const lines = Object.entries(told.env).map(([name, value]) => `${name}=${value}\n`).join("");
  print(Deno.stdout, options.json ? `${JSON.stringify(told)}\n` : `# the controls: ${told.control}\n${lines}`);
  await toldToEnd();
  await control.stop();
  await world.stop();
  return 0;
}

function read(args: string[]) {
  const number = (text: string) => /^\d+$/.test(text) ? Number(text) : null;
  try {
    const { values } = parseArgs({
      args,
      options: {
        "json": { type: "boolean", default: false },
        "experiments": { type: "string", default: "4" },
        "report-every-ms": { type: "string", default: "5000" },
        "relay": { type: "string", default: "v0.7" },
        "control-port": { type: "string", default: "0" },
      },
    });
    const [experiments, reportEveryMs, controlPort] = [
      number(values.experiments),
      number(values["report-every-ms"]),
      number(values["control-port"]),
    ];
    const { relay: relayGeneration, json } = values;
    if (experiments === null || !reportEveryMs || controlPort === null) return null;
    if (relayGeneration !== "v0.7" && relayGeneration !== "v0.9") return null;
    return { experiments, reportEveryMs, controlPort, relayGeneration, json } as const;
  } catch {
    return null; // an unknown option: the usage says which there are
  }
}

/** Resolves at the first SIGINT or SIGTERM. */
export function toldToEnd(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => resolve());
  });
}

export function print(to: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += to.writeSync(bytes.subarray(done));
}
