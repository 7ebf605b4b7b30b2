/**
 * One executable of the program: `deno task compile [--target TRIPLE] [--out FILE]`, by the Deno that runs this. What it may
 * do is fixed here, and nobody who runs it can widen it. Deno fetches what it puts under the program (denort) by itself, or
 * takes the one that DENORT_BIN names. That what comes out works is for `smoke`.
 */
import { basename } from "node:path";
import { parseArgs } from "node:util";
import config from "../deno.json" with { type: "json" };
import { managerVariables } from "../src/watchdog.ts";

export interface Wish {
  readonly out: string;
  /** Such as `aarch64-unknown-linux-gnu`; null for the machine that compiles. */
  readonly target: string | null;
}

/** Throws a TypeError for what is not an option. */
export function readArguments(args: readonly string[]): Wish {
  const options = { out: { type: "string", default: "build/status" }, target: { type: "string" } } as const;
  const { values } = parseArgs({ args: [...args], options });
  return { out: values.out, target: values.target ?? null };
}

/** All that Deno knows by name of the system, from 2.6 on, but for the profiler. */
export const systemFacts =
  ("cpus getPriority getegid gid homedir hostname loadavg networkInterfaces osRelease osUptime setPriority statfs " +
    "systemMemoryInfo uid userInfo username").split(" ");

/**
 * What it may do. Network: any host, since the settings name them. Environment: `STATUS_*`, and what a service manager asks
 * by (`service_manager`); other variables read as absent, since libraries ask for what they don't need and a refusal would end
 * them. Files: any, since store, log and secrets are where the settings say. Of the system nothing but its own CPU profile
 * (`profile`): that has no name that Deno 2.9 takes, so all is allowed and what has a name is taken away again. Nothing is
 * run or loaded, neither from the network nor as a library, and nobody is asked to allow more: imports are allowed from an
 * address that can't be, since Deno allows them from some hosts unless it is told from which, and `--deny-import` does not
 * change that (tried on 2.6.8 and 2.9.6).
 */
export const permissions: readonly string[] = [
  "--allow-net",
  `--allow-env=${["STATUS_*", ...managerVariables].join(",")}`,
  "--ignore-env",
  "--allow-read",
  "--allow-write",
  "--allow-sys",
  `--deny-sys=${systemFacts.join(",")}`,
  "--allow-import=0.0.0.0:0",
  "--no-prompt",
];

/**
 * How V8 keeps house, in the program and in its Worker alike: it is sparing instead of quick. What is made anew for a report
 * is garbage at once, so 2 MB are swept as well as 16 at a time; and a heap may grow by 30 % before it is gone through, not
 * to a multiple of what is alive. At 10,000 experiments that is 260 MB for 530, at 1,000 121 for 170, for 10 % more CPU. Of
 * what else was tried, `--optimize-for-size` and `--lite-mode` save no more and double the CPU. There is no limit to the
 * heap: what is over it would end the monitor of the very laboratory that needs it.
 */
export const memoryFlags = ["--max-semi-space-size=2", "--heap-growing-percent=30"];

/** Loaded by name as the program runs, so nothing but this tells the bundler and the compiler of it. */
export const workers = ["src/socket_worker.ts"];

/**
 * What the program is bundled by, a command line after `deno` each: of 15 MB in 1,200 files of its packages it needs 1 MB, and
 * all that is in an executable is read into memory at its start, so that it was 43 MB bigger, took 45 MB more of memory and
 * half again as long to start. With `--frozen` nothing gets in that deno.lock has no sum of: what is compiled then is the
 * bundle alone. No `--minify`, for people have to read what an error's stack says. The bundler is the esbuild that Deno
 * names and fetches from npm, as it fetches denort.
 */
export function bundleArguments(folder: string): string[][] {
  const how = ["bundle", "--quiet", "--frozen", "--check"];
  return [
    // Split, so that what is imported when it is needed is also read only then.
    [...how, "--code-splitting", "--outdir", folder, "main.ts"],
    // Beside it and under its own name, where `startSocketWorker` looks for it.
    ...workers.map((path) => [...how, "--output", bundled(path, folder), path]),
  ];
}

/** The command line after `deno` that makes the executable of what is bundled in `folder`. */
export function compileArguments(wish: Wish, folder: string): string[] {
  return [
    "compile",
    "--quiet",
    // Checked when it was bundled; and nothing is to come in but the bundle.
    ...["--no-check", "--no-config", "--no-lock", "--no-npm", "--no-remote"],
    ...config.unstable.map((feature) => `--unstable-${feature}`),
    ...permissions,
    `--v8-flags=${memoryFlags.join(",")}`,
    // A cache lies in /tmp, under a name that anybody can guess and take first: who does chooses what runs. It would save
    // 25 ms of 140 at the start.
    "--no-code-cache",
    ...workers.flatMap((path) => ["--include", bundled(path, folder)]),
    ...(wish.target === null ? [] : ["--target", wish.target]),
    "--output",
    wish.out,
    `${folder}/main.js`,
  ];
}

function bundled(path: string, folder: string): string {
  return `${folder}/${basename(path)}`;
}

/** Returns the exit code of the first step that failed, or 0. */
async function compile(wish: Wish): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "status-bundle" });
  try {
    for (const args of [...bundleArguments(folder), compileArguments(wish, folder)]) {
      const { code } = await new Deno.Command(Deno.execPath(), {
        args,
        cwd: `${import.meta.dirname}/..`,
        // The compiler of Deno 2.6 overflows the stack that it has without.
        env: { RUST_MIN_STACK: Deno.env.get("RUST_MIN_STACK") ?? "67108864" },
      }).spawn().status;
      if (code !== 0) return code;
    }
    return 0;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await compile(readArguments(Deno.args)));
