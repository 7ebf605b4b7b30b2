/**
 * The rules of the source that a script can hold: layers (those of ARCHITECTURE.md), import cycles, lengths of files and
 * functions, type names declared once, and what is banned. Reads main.ts, src, scripts and test; prints a line for each
 * fault with what to do instead, and exits 1 if there is one. The rest is for `deno fmt`, `deno check` and `deno lint`.
 */
import { functionsOf, maskSource } from "./source_mask.ts";

/** From the bottom up: a module may import its own layer and those before it. */
const layers: readonly (readonly [layer: string, files: string])[] = [
  ["foundation", "clock runtime async duration failure log setting_types settings"],
  [
    "core",
    "alerts report persisted lab health availability system_alerts history change_detector snapshot shift",
  ],
  ["services", "access socket_pool socket_worker feed report_entry report_decoder probe_socket book_client"],
  [
    "loop",
    "monitor effect_runner stream_probe book_sync book_queue store sqlite_store sqlite_file store_writer notification outbox mail_text mail_html smtp heartbeat watchdog",
  ],
  [
    "readers",
    "http_server response_cache api api_schema api_routes sse live_updates webhook metrics metric_definitions page page_experiment page_header page_history page_list page_model profile healthcheck",
  ],
  ["wiring", "app serve check"],
];

/** What the core, which is pure, may know besides itself; of `types` only the types. */
const coreKnows = { all: ["core", "duration", "failure"], types: ["clock", "runtime"] };

const linesMax = 500;
const testLinesMax = 600;
const functionLinesMax = 60;
/** Of a function that returns markup, most of whose lines decide nothing. */
const templateLinesMax = 80;
/** A module with one importer and fewer lines belongs in that importer. */
const ownModuleLinesMin = 80;
/** Started by something other than an import, or the one thing that a command does. */
const entryPoints = ["src/healthcheck.ts", "src/socket_worker.ts"];

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
export function checkStyle(files: ReadonlyMap<string, string>): string[] {
  const faults: Fault[] = [];
  const imports = new Map<string, Import[]>();
  const types = new Map<string, string>();
  for (const [path, source] of files) {
    if (path.endsWith(".css")) continue; // as long as it must be
    const masked = maskSource(source);
    faults.push(...fileLengthFaults(path, source), ...functionLengthFaults(path, masked.code));
    if (path.endsWith(".js")) continue; // of the page: it imports nothing, and has no types
    const found = importsOf(path, source, masked.code);
    imports.set(path, found);
    faults.push(...placeFaults(path), ...layerFaults(path, found), ...banFaults(path, masked));
    faults.push(...typeNameFaults(path, masked.code, types));
  }
  faults.push(...cycleFaults(imports), ...smallModuleFaults(files, imports));
  faults.sort((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line);
  return faults.map(({ path, line, says }) => `${path}:${line}: ${says}`);
}

interface Fault {
  readonly path: string;
  readonly line: number;
  readonly says: string;
}

interface Import {
  /** From the root; as it is written where it is a package. */
  readonly target: string;
  readonly line: number;
  readonly typeOnly: boolean;
}

// The mask leaves blanks between the quotes; what stood there is read from the source at the same place.
const importing =
  /\b(?:import|export)\s+(?:(type\s+)?(?<names>[\w$*{},\s]*?)\bfrom\s*)?(["'] *["'])|\b(?:import\s*\(|import\.meta\.resolve\(|new URL\()\s*(["'] *["'])/dg;

function importsOf(path: string, source: string, code: string): Import[] {
  return [...code.matchAll(importing)].map((match) => {
    const [from, to] = match.indices![3] ?? match.indices![4]!;
    const written = source.slice(from + 1, to - 1);
    const target = /^\.\.?\//.test(written) ? new URL(written, `file:///${path}`).pathname.slice(1) : written;
    const typeOnly = match[1] !== undefined || /^\{(?:\s*type\s[^,{}]+,?)+\s*\}\s*$/.test(match.groups?.names ?? "");
    return { target, line: lineAt(code, from), typeOnly };
  });
}

function layerFaults(path: string, imports: readonly Import[]): Fault[] {
  return imports.flatMap((each) => {
    const says = layerFault(path, each);
    return says === null ? [] : [{ path, line: each.line, says }];
  });
}

function layerFault(from: string, { target, typeOnly }: Import): string | null {
  if (!program.test(from)) return null; // scripts and tests may import anything
  if (/^(?:test|scripts)\//.test(target)) return `imports ${target}: the program knows nothing of tests and scripts`;
  if (from === "main.ts") return null;
  if (target === "main.ts") return "imports main.ts: hand in what it needs from there instead";
  const [here, there] = [layerOf(from), layerOf(target)];
  if (here === -1) return null; // a fault of its own
  const layer = layers[here]![0];
  if (layer === "core") return coreFault(target, typeOnly);
  if (there <= here) return null;
  return `imports ${target}, but ${layer} may not know ${layers[there]![0]}: hand in what it needs, or move it`;
}

function coreFault(target: string, typeOnly: boolean): string | null {
  const layer = layers[layerOf(target)]?.[0] ?? "";
  const name = moduleName(target) ?? target;
  if (coreKnows.all.includes(layer) || coreKnows.all.includes(name)) return null;
  if (!coreKnows.types.includes(name)) {
    return `imports ${target}, but the core is pure and knows only itself, ${coreKnows.all.slice(1).join(" and ")}`;
  }
  return typeOnly ? null : `imports more than types of ${target}: the core is pure, so hand the value in`;
}

function placeFaults(path: string): Fault[] {
  if (!path.startsWith("src/") || layerOf(path) !== -1) return [];
  return [{ path, line: 1, says: "is in no layer: add its name to one of `layers` in scripts/check_style.ts" }];
}

/** Its number in `layers`, or -1. */
function layerOf(path: string): number {
  const name = moduleName(path);
  return name === undefined ? -1 : layers.findIndex(([, modules]) => modules.split(" ").includes(name));
}

function moduleName(path: string): string | undefined {
  return /^src\/([^/]+)\.tsx?$/.exec(path)?.[1];
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

function fileLengthFaults(path: string, source: string): Fault[] {
  const lines = linesOf(source);
  const most = path.startsWith("test/") ? testLinesMax : linesMax;
  return lines <= most
    ? []
    : [{ path, line: most + 1, says: `has ${lines} lines, ${most} at most: split it by subject` }];
}

/** A test's body is a table or a story: its file has a limit, it has none. */
function functionLengthFaults(path: string, code: string): Fault[] {
  if (/_test\.tsx?$/.test(path)) return [];
  return functionsOf(code).flatMap(({ name, line, lines, isMarkup }) => {
    const most = isMarkup && path.endsWith(".tsx") ? templateLinesMax : functionLinesMax;
    return lines <= most
      ? []
      : [{ path, line, says: `${name} has ${lines} lines, ${most} at most: give its parts names` }];
  });
}

/** `declared`: where each name was first found, which grows from file to file. */
function typeNameFaults(path: string, code: string, declared: Map<string, string>): Fault[] {
  if (!path.startsWith("src/")) return [];
  const found = code.matchAll(/^export (?:declare )?(?:abstract )?(?:type|interface|class|enum) (\w+)/gm);
  return [...found].flatMap(({ 1: name = "", index }) => {
    const first = declared.get(name);
    declared.set(name, first ?? path);
    if (first === undefined || first === path) return [];
    return [{ path, line: lineAt(code, index), says: `declares ${name}, as ${first} does: one name, one meaning` }];
  });
}

function smallModuleFaults(
  files: ReadonlyMap<string, string>,
  imports: ReadonlyMap<string, readonly Import[]>,
): Fault[] {
  const importers = new Map<string, Set<string>>();
  for (const [path, targets] of imports) {
    if (!program.test(path)) continue;
    for (const { target } of targets) importers.set(target, (importers.get(target) ?? new Set()).add(path));
  }
  return [...files].flatMap(([path, source]) => {
    const [only, ...more] = importers.get(path) ?? [];
    const lines = linesOf(source);
    if (!/^src\/.*\.tsx?$/.test(path) || entryPoints.includes(path) || only === undefined) return [];
    if (more.length > 0 || lines >= ownModuleLinesMin) return [];
    return [{ path, line: 1, says: `has ${lines} lines and one importer: make it part of ${only}` }];
  });
}

/** One fault for each cycle of imports in src, those of types included, at the import that closes it. */
function cycleFaults(imports: ReadonlyMap<string, readonly Import[]>): Fault[] {
  const faults: Fault[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]) => {
    for (const { target, line } of imports.get(path) ?? []) {
      if (!target.startsWith("src/")) continue;
      const start = [...trail, path].indexOf(target);
      if (start !== -1) {
        const cycle = [...trail, path].slice(start).concat(target).join(" → ");
        faults.push({ path, line, says: `closes an import cycle: ${cycle}: move what both need to a third module` });
      } else if (!done.has(target)) visit(target, [...trail, path]);
    }
    done.add(path);
  };
  for (const path of imports.keys()) if (!done.has(path)) visit(path, []);
  return faults;
}

function linesOf(source: string): number {
  return source.replace(/\n$/, "").split("\n").length;
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** The files that the rules are for, by path from `root`. */
export function readTree(root: string): Map<string, string> {
  const files = new Map<string, string>();
  const read = (folder: string, deep: boolean) => {
    const entries = [...Deno.readDirSync(`${root}/${folder}`)].sort((a, b) => a.name < b.name ? -1 : 1);
    for (const { name, isDirectory } of entries) {
      if (isDirectory && deep) read(`${folder}${name}/`, deep);
      else if (/\.(?:tsx?|js)$/.test(name)) files.set(folder + name, Deno.readTextFileSync(`${root}/${folder}${name}`));
    }
  };
  read("", false);
  for (const folder of ["src/", "scripts/", "test/"]) read(folder, true);
  return files;
}

if (import.meta.main) {
  const faults = checkStyle(readTree(`${import.meta.dirname}/..`));
  for (const fault of faults) console.log(fault);
  if (faults.length > 0) Deno.exit(1);
}
