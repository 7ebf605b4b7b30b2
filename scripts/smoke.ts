/**
 * Does the executable do its work where nothing is installed? `deno run -A scripts/smoke.ts FILE` runs it in an empty folder
 * with no environment but its settings (so no PATH, HOME or Deno) and, where the machine lets it, no network but loopback;
 * against the stand-in world. A line a step, then how many passed; exits 1 if one failed. Making the file is for `compile`.
 */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import config from "../deno.json" with { type: "json" };
import { systemClock } from "../src/clock.ts";
import { replacedProgramEnvironment } from "../test/support/environment.ts";
import { freePort } from "./simulator/wire.ts";
import { startWorld, type World } from "./simulator/world.ts";
import { checkPermissions } from "./smoke_permissions.ts";

type Environment = Readonly<Record<string, string>>;

/** What the steps have between them: the executable, where it runs, and the world that it watches. */
interface Stage {
  readonly file: string;
  readonly folder: string;
  readonly storeFile: string;
  readonly port: number;
  readonly profilePort: number;
  readonly env: Environment;
  readonly world: World;
  serving: Deno.ChildProcess | null;
}

const commandMsMax = 20_000;
const stopMsMax = 5_000;

const steps: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  "says its version": async (stage) => {
    const { code, stdout, stderr } = await run(stage, ["version"], {});
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`\\b${config.version.replaceAll(".", "\\.")}\\b`));
  },
  "may run, load and import nothing, and reads no foreign variable": ({ file }) => checkPermissions(file),
  "accepts the environment of the program it replaces": async (stage) => {
    const { code, stdout, stderr } = await run(
      stage,
      ["check", "--offline"],
      replacedProgramEnvironment as Environment,
    );
    assert.equal(code, 0, stdout + stderr);
  },
  "refuses an environment without the required settings": async (stage) => {
    const { code } = await run(stage, ["check", "--offline"], {});
    assert.equal(code, 2);
  },
  "is not healthy before it serves": async (stage) => {
    assert.equal((await run(stage, ["healthcheck"], stage.env)).code, 1);
  },
  "serves, and answers /healthz": async (stage) => {
    stage.serving = command(stage, ["serve"], stage.env, { stdout: "null", stderr: "inherit" }).spawn();
    await stage.world.until(() => answers(stage, "/healthz"), { what: "/healthz" });
  },
  "is healthy while it serves": async (stage) => {
    const { code, stdout, stderr } = await run(stage, ["healthcheck"], stage.env);
    assert.equal(code, 0, stdout + stderr);
  },
  "has book, jump and relay": ({ world, ...stage }) =>
    world.until(() => answers(stage, "/readyz"), { what: "/readyz" }).then(() => {}),
  "takes an experiment off book and mails why, when its stream goes": async ({ world }) => {
    await world.until(() => world.mailbox.mails.length > 0, { what: "the first mail" });
    world.stream("turn04-st-data").vanish();
    await world.until(() => world.book.availability("r-turn04")?.available === false, { what: "turn04 off book" });
    const told = () => world.mailbox.mails.some(({ text }) => text.includes("missing required turn04-st-data"));
    await world.until(told, { what: "the mail" });
  },
  "shows its page, with all that it is made of": async (stage) => {
    const page = await text(stage, "/api/");
    assert.match(page, /<title>\(1\) status: [^]*missing required st-data/);
    const assets = Array.from(page.matchAll(/<(?:link|script) [^>]*(?:href|src)="([^"]+)"/g), ([, url = ""]) => url);
    assert.ok(assets.length >= 3, assets.join());
    for (const url of assets) assert.ok((await text(stage, `/api/${url}`)).length > 100, url);
  },
  "tells what happens as it happens": async ({ port, world }) => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/live`);
    world.host("pend00").pull();
    let told = "";
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
      told += piece;
      if (/^event: experiment$/m.test(told) && told.includes("missing jump")) break;
    }
  },
  "has its past": async (stage) => {
    const { spans } = JSON.parse(await text(stage, "/api/v1/experiments/turn04/history"));
    assert.ok(spans.length > 1);
  },
  "documents itself, and is measured": async (stage) => {
    assert.match(JSON.parse(await text(stage, "/api/v1/openapi.json")).openapi, /^3\.1/);
    assert.match(await text(stage, "/metrics"), /^status_experiment_healthy\{experiment="turn04"\} 0$/m);
  },
  "gives a profile of itself": async ({ profilePort }) => {
    const place = { port: profilePort };
    assert.ok(JSON.parse(await text(place, "/profile?seconds=1")).nodes.length > 1);
    assert.ok(JSON.parse(await text(place, "/memory")).memory.rss > 0);
  },
  "keeps what it knows in its store": async ({ storeFile }) => {
    assert.ok((await Deno.stat(storeFile)).size > 0);
  },
  "ends within 5 s of SIGTERM, with 0": async (stage) => {
    const serving = stage.serving!;
    const askedMs = systemClock.nowMs();
    serving.kill("SIGTERM");
    assert.equal((await serving.status).code, 0);
    stage.serving = null;
    assert.ok(systemClock.nowMs() - askedMs < stopMsMax, `it took ${systemClock.nowMs() - askedMs} ms`);
  },
  "leaves nothing where it ran": async ({ folder }) => {
    assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
  },
};

function command({ file, folder }: Stage, args: string[], env: Environment, output: Deno.CommandOptions): Deno.Command {
  return new Deno.Command(file, { args, env, clearEnv: true, cwd: folder, stdin: "null", ...output });
}

async function run(stage: Stage, args: string[], env: Environment) {
  const child = command(stage, args, env, { stdout: "piped", stderr: "piped" }).spawn();
  const end = new AbortController();
  const late = systemClock.wait(commandMsMax, end.signal).then(
    () => child.kill("SIGKILL"),
    () => {/* it ended in time */},
  );
  const { code, stdout, stderr } = await child.output();
  end.abort();
  await late;
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

async function answers({ port }: Pick<Stage, "port">, path: string): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`);
  await answer.body?.cancel();
  return answer.ok;
}

/** The answer, which has to be a good one. */
async function text({ port }: Pick<Stage, "port">, path: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`);
  const body = await answer.text();
  assert.equal(answer.status, 200, `${path} was answered ${answer.status}: ${body}`);
  return body;
}

async function setStage(file: string, scratch: string): Promise<Stage> {
  const world = await startWorld({ reportEveryMs: 500 });
  world.addExperiment("pend00");
  world.addExperiment("turn04");
  world.loadManifest();
  const port = freePort(3007);
  const profilePort = freePort(6061);
  const folder = `${scratch}/empty`;
  await Deno.mkdir(folder);
  const storeFile = `${scratch}/status.db`;
  const env = {
    ...world.env,
    STATUS_PORT_SERVE: String(port),
    STATUS_PROFILE: "true",
    STATUS_PORT_PROFILE: String(profilePort),
    STATUS_HEALTH_LAST: "2s",
    STATUS_HEALTH_STARTUP: "1s",
    STATUS_STORE_FILE: storeFile,
    STATUS_LOG_FILE: "stderr",
    STATUS_LOG_FORMAT: "text",
  };
  return { file, folder, storeFile, port, profilePort, env, world, serving: null };
}

/** A line for each step, until one fails: those after it need what it did. Then the count, as `deno test` gives it. */
async function play(stage: Stage): Promise<boolean> {
  let passed = 0;
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step(stage);
    } catch (error) {
      console.log(`FAILED: ${name}: ${error instanceof Error ? error.message : error}`);
      console.log(`smoke | ${passed} passed | 1 failed | ${Object.keys(steps).length - passed - 1} not tried`);
      return false;
    }
    passed++;
    console.log(`ok: ${name}`);
  }
  console.log(`smoke | ${passed} passed | 0 failed`);
  return true;
}

async function smoke(file: string): Promise<number> {
  const scratch = await Deno.makeTempDir({ prefix: "status-smoke-" });
  const stage = await setStage(resolve(file), scratch);
  try {
    return await play(stage) ? 0 : 1;
  } finally {
    await endServing(stage);
    await stage.world.stop();
    await Deno.remove(scratch, { recursive: true });
  }
}

async function endServing({ serving }: Stage): Promise<void> {
  try {
    serving?.kill("SIGKILL");
  } catch {
    // It has ended by itself, and the step that it failed says so.
  }
  await serving?.status;
}

const loopbackUp = 'ip link set lo up && exec "$@"';

/** How to run a command with no network but loopback; or why that is not possible. */
async function isolation(): Promise<{ kind: "had"; prefix: string[] } | { kind: "refused"; why: string }> {
  let why = "unshare and ip (util-linux, iproute2) are needed";
  for (const options of ["--net", "--map-root-user --net"]) {
    const prefix = ["unshare", ...options.split(" "), "sh", "-c", loopbackUp, "sh"];
    try {
      const tried = await new Deno.Command(prefix[0]!, { args: [...prefix.slice(1), "true"], stderr: "piped" })
        .output();
      if (tried.success) return { kind: "had", prefix };
      why = new TextDecoder().decode(tried.stderr).trim();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // no unshare: `why` says so
    }
  }
  return { kind: "refused", why };
}

async function main(args: readonly string[]): Promise<number> {
  const [file, where] = args;
  if (file === undefined) throw new TypeError("Cannot tell what to try: name the executable");
  if (where === "--here") return await smoke(file);
  const isolated = await isolation();
  if (isolated.kind === "refused") {
    console.log(`skipped: that no network but loopback is needed: ${isolated.why}`);
    return await smoke(file);
  }
  const [program, ...prefix] = isolated.prefix;
  const again = [Deno.execPath(), "run", "--allow-all", import.meta.filename!, file, "--here"];
  return (await new Deno.Command(program!, { args: [...prefix, ...again] }).spawn().status).code;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
