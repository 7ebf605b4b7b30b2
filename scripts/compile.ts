/**
 * One executable of the program: `deno task compile [--target TRIPLE] [--out FILE]`, by the Deno that runs this. What it may
 * do is fixed here, and nobody who runs it can widen it. Deno fetches what it puts under the program (denort) by itself, or
 * takes the one that DENORT_BIN names. That what comes out works is for `smoke`.
 */
import { parseArgs } from "node:util";
import { managerVariables } from "../src/service_manager.ts";

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
 * by (`service_manager`); all else reads as absent, since libraries ask for what they don't need and a refusal would end
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

/** Loaded by name as the program runs, so nothing but this tells the compiler of it. */
export const workers = ["src/socket_worker.ts"];

/** The command line after `deno`; `denoVersion` is that of the Deno that compiles. */
export function compileArguments(wish: Wish, denoVersion: string): string[] {
  return [
    "compile",
    "--quiet", // or it lists a thousand files
    "--frozen", // what deno.lock says, or nothing
    ...permissions,
    // A cache lies in /tmp, under a name that anybody can guess and take first. It would save 50 ms of 180 at the start; but
    // for a program that imports JSON, as main.ts does for its version, Deno makes none, and the start takes as long.
    "--no-code-cache",
    // Deno 2.6 does not know it: what the tests alone import is then in the executable too, most of its 40 MB of packages.
    ...(isBefore(denoVersion, [2, 9]) ? [] : ["--exclude-unused-npm"]),
    ...workers.flatMap((path) => ["--include", path]),
    ...(wish.target === null ? [] : ["--target", wish.target]),
    "--output",
    wish.out,
    "main.ts",
  ];
}

function isBefore(version: string, [major, minor]: readonly [number, number]): boolean {
  const [hasMajor = 0, hasMinor = 0] = version.split(".").map(Number);
  return hasMajor < major || (hasMajor === major && hasMinor < minor);
}

async function compile(wish: Wish): Promise<number> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: compileArguments(wish, Deno.version.deno),
    cwd: `${import.meta.dirname}/..`,
    // The compiler of Deno 2.6 overflows the stack that it has without.
    env: { RUST_MIN_STACK: Deno.env.get("RUST_MIN_STACK") ?? "67108864" },
  }).spawn().status;
  return code;
}

if (import.meta.main) Deno.exit(await compile(readArguments(Deno.args)));
