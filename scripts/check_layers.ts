/**
 * Do the imports point one way, and is nothing used that the house has banned? The layers are those of ARCHITECTURE.md;
 * each rule says what to do instead. Reads main.ts, src, scripts and test; prints a line for each fault, and exits 1 if
 * there is one. Formatting, types and style are for `deno fmt`, `deno check` and `deno lint`.
 */
import { maskSource } from "./source_mask.ts";

/** From the bottom up: a file may import its own layer and those before it. `*` stands for the rest of a name. */
const layers: readonly (readonly [layer: string, files: string])[] = [
  ["foundation", "clock runtime async duration failure http_client log setting_types settings"],
  [
    "core",
    "alerts report persisted lab health availability system_alerts history change_detector snapshot shift",
  ],
  ["services", "access socket_pool socket_worker feed report_entry report_decoder probe_socket book_client"],
  [
    "loop",
    "monitor stream_probe book_sync book_queue store sqlite_store sqlite_file store_writer notification outbox mail_text mail_html smtp heartbeat watchdog",
  ],
  [
    "readers",
    "http_server response_cache api api_schema api_routes sse live_updates webhook metrics metric_definitions page page_experiment page_header page_history page_list page_model profile healthcheck",
  ],
  ["wiring", "app serve check"],
];

const linesMax = 500;

interface Ban {
  readonly banned: RegExp;
  readonly in: "code" | "comments";
  readonly where: RegExp;
  readonly but: readonly string[];
  readonly instead: string;
}

const program = /^(?:main\.ts$|src\/)/;
const notTests = /^(?!test\/)/;
const everywhere = /^/;
const bans: readonly Ban[] = [
  {
    // Also without being called: `const now = Date.now`, `const { now } = Date`, and `new Date` needs no parentheses.
    banned:
      /\b(?:Date|performance)\.now\b|\bnew Date(?:\(\s*\)|\b(?!\s*\())|(?<![.\w$])Date\(\s*\)|=\s*(?:Date|performance)\s*;/,
    in: "code",
    where: notTests,
    but: ["src/async.ts", "src/clock.ts"],
    instead: "take the time as a parameter, or a Clock's nowMs()",
  },
  {
    banned: /(?<![.\w$])(?:globalThis\.)?set(?:Timeout|Interval)\b/, // a socket's own setTimeout is another thing
    in: "code",
    where: notTests,
    but: ["src/async.ts", "src/clock.ts"],
    instead: "wait with a Clock's wait(), which a signal ends and a test holds",
  },
  {
    banned: /\bAbortSignal\.any\b/, // on Deno 2.6 each leaves something in the signal that lives longest
    in: "code",
    where: program,
    but: ["src/check.ts", "src/profile.ts"], // where it is seldom
    instead: "use abortedWith() of src/clock.ts, and abort it in the end",
  },
  {
    banned: /\bDeno\.env\b/,
    in: "code",
    where: /^src\//,
    but: [],
    instead: "make it a setting in src/settings.ts; main.ts hands the environment in",
  },
  {
    banned: /\bconsole\./,
    in: "code",
    where: /^src\//,
    but: [],
    instead: "log with src/log.ts, or report it to the caller, who does",
  },
  {
    banned: /\bas any\b|<any>|:\s*any\b(?=\s*(?:[,;)=\]>|&}]|\[|$))/m,
    in: "code",
    where: everywhere,
    but: [],
    instead: "name the type, or take unknown and narrow it",
  },
  {
    banned: /@ts-(?:ignore|nocheck)\b/,
    in: "comments",
    where: everywhere,
    but: [],
    instead: "mend the type",
  },
  {
    banned: /\.only\(|\bonly:\s*true\b/,
    in: "code",
    where: /^test\//,
    but: [],
    instead: "let all tests run",
  },
];

/** Every fault of the tree, as `path:line: what, and what to do`. `files`: text by path from the root, with slashes. */
export function checkLayers(files: ReadonlyMap<string, string>): string[] {
  const faults: Fault[] = [];
  const imports = new Map<string, Import[]>();
  for (const [path, source] of files) {
    const { code, comments } = maskSource(source);
    const found = importsOf(path, source, code);
    imports.set(path, found);
    faults.push(...placeFaults(path), ...arrowFaults(path, found), ...banFaults(path, { code, comments }));
    faults.push(...lengthFaults(path, source));
  }
  faults.push(...circleFaults(imports));
  faults.sort((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line);
  return faults.map(({ path, line, says }) => `${path}:${line}: ${says}`);
}

interface Fault {
  readonly path: string;
  readonly line: number;
  readonly says: string;
}

interface Import {
  readonly path: string;
  readonly line: number;
  /** `import type` is gone when the program runs: it keeps to the layers, but closes no circle. */
  readonly typeOnly: boolean;
}

// The mask leaves blanks between the quotes; what stood there is read from the source at the same place.
const importing =
  /\b(?:import|export)\s+(type\s+)?(?:[\w$*{},\s]*?\bfrom\s*)?(["'] *["'])|\b(?:import\s*\(|import\.meta\.resolve\(|new URL\()\s*(["'] *["'])/dg;

function importsOf(path: string, source: string, code: string): Import[] {
  const found: Import[] = [];
  for (const match of code.matchAll(importing)) {
    const [from, to] = match.indices![2] ?? match.indices![3]!;
    const target = source.slice(from + 1, to - 1);
    if (!/^\.\.?\//.test(target)) continue;
    const url = new URL(target, `file:///${path}`);
    found.push({ path: url.pathname.slice(1), line: lineAt(code, from), typeOnly: match[1] !== undefined });
  }
  return found;
}

function arrowFaults(path: string, imports: readonly Import[]): Fault[] {
  return imports.flatMap((target) => {
    const says = arrowFault(path, target.path);
    return says === null ? [] : [{ path, line: target.line, says }];
  });
}

function arrowFault(from: string, to: string): string | null {
  if (!program.test(from)) return null; // scripts and tests may import anything
  if (/^(?:test|scripts)\//.test(to)) return `imports ${to}: the program knows nothing of tests and scripts`;
  if (from === "main.ts") return null;
  if (to === "main.ts") return "imports main.ts: hand in what it needs from there instead";
  const [here, there] = [layerOf(from), layerOf(to)];
  if (here === -1 || there <= here) return null; // a file in no layer is a fault of its own
  return `imports ${to}, but ${layers[here]![0]} may not know ${layers[there]![0]}: hand in what it needs, or move it`;
}

function placeFaults(path: string): Fault[] {
  if (!path.startsWith("src/") || layerOf(path) !== -1) return [];
  return [{ path, line: 1, says: "is in no layer: add its name to one of `layers` in scripts/check_layers.ts" }];
}

/** Its number in `layers`, or -1. */
function layerOf(path: string): number {
  const name = /^src\/([^/]+)\.tsx?$/.exec(path)?.[1];
  if (name === undefined) return -1;
  const isOf = (file: string) => file.endsWith("*") ? name.startsWith(file.slice(0, -1)) : name === file;
  return layers.findIndex(([, files]) => files.split(" ").some(isOf));
}

function banFaults(path: string, masked: { code: string; comments: string }): Fault[] {
  return bans.filter((ban) => ban.where.test(path) && !ban.but.includes(path)).flatMap((ban) => {
    const text = masked[ban.in];
    const found = text.matchAll(new RegExp(ban.banned, `${ban.banned.flags}g`));
    return [...found].map((match) => ({
      path,
      line: lineAt(text, match.index),
      says: `\`${match[0]}\` is banned here: ${ban.instead}`,
    }));
  });
}

function lengthFaults(path: string, source: string): Fault[] {
  const lines = source.replace(/\n$/, "").split("\n").length;
  if (path.startsWith("test/") || lines <= linesMax) return [];
  return [{ path, line: linesMax + 1, says: `has ${lines} lines, ${linesMax} at most: a file a subject` }];
}

/** One fault for each circle of imports in src, at the import that closes it. */
function circleFaults(imports: ReadonlyMap<string, readonly Import[]>): Fault[] {
  const faults: Fault[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]) => {
    for (const target of imports.get(path) ?? []) {
      if (target.typeOnly || !target.path.startsWith("src/")) continue;
      const start = [...trail, path].indexOf(target.path);
      if (start !== -1) {
        const circle = [...trail, path].slice(start).concat(target.path).join(" → ");
        faults.push({
          path,
          line: target.line,
          says: `closes a circle: ${circle}: move what both need to a third file`,
        });
      } else if (!done.has(target.path)) visit(target.path, [...trail, path]);
    }
    done.add(path);
  };
  for (const path of imports.keys()) if (!done.has(path)) visit(path, []);
  return faults;
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** The TypeScript that the rules are for, by path from `root`. */
export function readTree(root: string): Map<string, string> {
  const files = new Map<string, string>();
  const read = (folder: string, deep: boolean) => {
    for (const { name, isDirectory } of Deno.readDirSync(`${root}/${folder}`)) {
      if (isDirectory && deep) read(`${folder}${name}/`, deep);
      else if (/\.tsx?$/.test(name)) files.set(folder + name, Deno.readTextFileSync(`${root}/${folder}${name}`));
    }
  };
  read("", false);
  for (const folder of ["src/", "scripts/", "test/"]) read(folder, true);
  return files;
}

if (import.meta.main) {
  const faults = checkLayers(readTree(`${import.meta.dirname}/..`));
  for (const fault of faults) console.log(fault);
  if (faults.length > 0) Deno.exit(1);
}
