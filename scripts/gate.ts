/**
 * The gate, `deno task ok`: format, lint, types and style; then all tests, in groups that suit two cores. Unit tests run in
 * parallel; acceptance and browser tests, which mostly wait for real seconds, six files at a time; tests that count what
 * the machine has (descriptors, memory, connections) alone at the end. `--only GROUP` runs one group. Each group ends in the
 * line of `deno test` with what passed and failed. Exits 1 if a step failed; a failed check ends the gate, a failed test does
 * not keep the other groups from running.
 */
import { parseArgs } from "node:util";

interface Group {
  readonly files: readonly string[];
  /** How many files are tested at a time. */
  readonly jobs: number;
}

/** They count descriptors of their own process, memory, or connections. */
const alone = [
  ...["descriptors", "http_siege", "load", "soak"].map((name) => `test/acceptance/${name}_test.ts`),
  ...["probe_socket", "socket_pool"].map((name) => `test/${name}_test.ts`),
];

const groups: Readonly<Record<string, Group>> = {
  unit: { files: testsIn("test"), jobs: 2 },
  waiting: {
    files: [...testsIn("test/browser"), ...testsIn("test/acceptance")],
    jobs: 6,
  },
  alone: { files: alone, jobs: 1 },
};

const checks: readonly (readonly string[])[] = [
  ["fmt", "--check"],
  ["lint"],
  ["check", "main.ts", "src", "test", "scripts"],
  ["run", "--allow-read", "scripts/check_style.ts"],
];

function testsIn(folder: string): readonly string[] {
  const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).filter((name) => /_test\.tsx?$/.test(name));
  return names.sort().map((name) => `${folder}/${name}`).filter((file) => !alone.includes(file));
}

async function runs(args: readonly string[], jobs = 1): Promise<boolean> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args],
    env: { DENO_JOBS: String(jobs) },
    stdin: "null",
  });
  return (await command.spawn().status).success;
}

function runsGroup(name: string, { files, jobs }: Group): Promise<boolean> {
  console.log(`# ${name}: ${files.length} files, ${jobs} at a time`);
  const options = ["--allow-all", "--no-check", "--sanitize-ops", "--sanitize-resources"];
  return runs(["test", ...options, ...(jobs > 1 ? ["--parallel"] : []), ...files], jobs);
}

if (import.meta.main) {
  const { only } = parseArgs({ options: { only: { type: "string" } } }).values;
  const chosen = Object.entries(groups).filter(([name]) => only === undefined || name === only);
  if (chosen.length === 0) throw new Error(`Cannot run the group ${only}: there are ${Object.keys(groups).join(", ")}`);
  if (only === undefined) { for (const check of checks) if (!await runs(check)) Deno.exit(1); }
  let isGood = true;
  for (const [name, group] of chosen) isGood = await runsGroup(name, group) && isGood;
  Deno.exit(isGood ? 0 : 1);
}
