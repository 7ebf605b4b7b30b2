/**
 * Does the real program answer as its OpenAPI document promises, whatever it is asked? schemathesis (PyPI) reads the document
 * that the program serves, and asks what the document allows and what it doesn't; on loopback, of a stand-in laboratory with
 * some of it in trouble. `deno run -A scripts/schemathesis.ts` installs it under build/ the first time (python3 with venv and
 * pip), takes about a minute, and exits 1 for anything found. Event streams have no end, so live is not asked for.
 */
import { Station } from "../test/support/station.ts";

// Another version finds other things: a new one is tried when somebody has time for what it says.
const version = "4.32.5";
const secondsMax = 60;
const seed = 4;
const folder = new URL(`../build/schemathesis-${version}/`, import.meta.url).pathname;

/** In the folder under build/: schemathesis leaves its notes where it runs. */
async function run(command: string, ...args: string[]): Promise<boolean> {
  return (await new Deno.Command(command, { args, cwd: folder, stdin: "null" }).spawn().status).success;
}

/** The path of the executable. */
async function install(): Promise<string> {
  const file = `${folder}bin/schemathesis`;
  await Deno.mkdir(folder, { recursive: true });
  const isThere = await Deno.stat(file).then(() => true, () => false);
  const isInstalled = isThere || await run("python3", "-m", "venv", folder) &&
      await run(`${folder}bin/pip`, "install", "--quiet", "--disable-pip-version-check", `schemathesis==${version}`);
  if (!isInstalled) throw new Error(`Cannot install schemathesis ${version}: python3 with venv and pip is needed`);
  return file;
}

/** Well, in trouble, without a stream that is required, held by a person, not in book, and with a name that has to be escaped. */
async function laboratory(): Promise<Station> {
  const station = await Station.with({
    env: { STATUS_API_ADDRESSES: "true", STATUS_LOG_LEVEL: "warn" },
    experiments: {
      pend00: ["st-data", "st-video"],
      spin31: ["st-data"],
      turn04: ["st-data"],
      "50% done/é": ["st-data"],
    },
  });
  await station.start();
  const { world } = station;
  await station.mail(/new health events/);
  world.addExperiment("extra07", { resource: null });
  world.stream("pend00-st-video").stall();
  world.stream("turn04-st-data").vanish();
  world.host("spin31").pull();
  world.book.takeOff("r-spin31", "being repaired");
  await station.line("turn04 ><   U [missing required turn04-st-data]");
  return station;
}

async function main(): Promise<boolean> {
  const schemathesis = await install();
  await using station = await laboratory();
  const url = `http://127.0.0.1:${station.port}`;
  return await run(
    schemathesis,
    "run",
    `${url}/api/v1/openapi.json`,
    ...["--url", url, "--checks", "all", "--exclude-path", "/api/v1/live"],
    ...["--seed", String(seed), "--max-time", String(secondsMax), "--generation-database", "none", "--no-color"],
  );
}

if (import.meta.main) Deno.exit(await main() ? 0 : 1);
