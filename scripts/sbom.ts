/**
 * What is in the executable, and under which licences: writes docs/sbom.cdx.json (CycloneDX 1.6) from deno.lock and the
 * graph of imports, `deno run --allow-all scripts/sbom.ts`. The same input makes the same bytes; a test compares. What only
 * tests and scripts import is not in it.
 */
import { Buffer } from "node:buffer";
import { DatabaseSync } from "node:sqlite";
import config from "../deno.json" with { type: "json" };
import { workers } from "./compile.ts";

const root = new URL("..", import.meta.url);

/** Those that go with AGPL-3.0, of which the program is, among those that there are. */
export const licencesAllowed: readonly string[] = ["Apache-2.0", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "blessing"];

export interface Component {
  readonly type: "library" | "platform" | "application";
  readonly "bom-ref": string;
  readonly group?: string;
  readonly name: string;
  readonly version: string;
  readonly licenses: readonly [{ readonly license: { readonly id: string } }];
  readonly purl?: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

/** Of deno.lock. */
interface Lock {
  readonly npm: Readonly<Record<string, { readonly integrity: string }>>;
}

/** What `deno info --json` says of a file's imports, as far as it is read. */
export interface Graph {
  readonly roots: readonly string[];
  readonly redirects: Readonly<Record<string, string>>;
  readonly modules: readonly {
    readonly specifier: string;
    readonly npmPackage?: string;
    readonly dependencies?: readonly {
      readonly isDynamic?: boolean;
      readonly code?: { readonly specifier?: string };
    }[];
  }[];
  readonly npmPackages: Readonly<Record<string, Package>>;
}

export interface Package {
  readonly name: string;
  readonly version: string;
  readonly dependencies: readonly string[];
  readonly localPath: string;
}

/** The document, of what the executable is made of by the Deno that is pinned. Throws where another one runs this. */
export async function sbom(): Promise<string> {
  const pin = (await Deno.readTextFile(new URL(".deno-version", root))).trim();
  if (Deno.version.deno !== pin) {
    throw new TypeError(`Cannot list what Deno ${pin} is made of: this is ${Deno.version.deno}`);
  }
  const packages = await programPackages();
  const { npm: locked }: Lock = JSON.parse(await Deno.readTextFile(new URL("deno.lock", root)));
  const npm = await Promise.all([...packages].map(([id, found]) => npmComponent(found, locked[id]?.integrity ?? "")));
  const runtime = runtimeComponents();
  const program = component("application", { name: "status", version: config.version, licence: config.license });
  const refs = new Map([...packages].map(([id], at) => [id, npm[at]!["bom-ref"]]));
  const [deno, ...within] = runtime.map((each) => each["bom-ref"]);
  const dependencies = [
    { ref: program["bom-ref"], dependsOn: [deno!, ...npm.map((each) => each["bom-ref"])].sort() },
    { ref: deno!, dependsOn: within.sort() },
    ...[...packages].map(([id, found]) => ({
      ref: refs.get(id)!,
      dependsOn: found.dependencies.map((each) => refs.get(each)!).sort(),
    })),
  ];
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: program },
    components: sorted([...npm, ...runtime], (each) => each["bom-ref"]),
    dependencies: sorted(dependencies, ({ ref }) => ref),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** All npm packages that the program needs when it runs, by Deno's name of each, which has its peers too. */
export async function programPackages(): Promise<Map<string, Package>> {
  const graphs = await Promise.all(["main.ts", ...workers].map(graphOf));
  const found = new Map<string, Package>();
  const open = graphs.flatMap((graph) => [...directPackages(graph)].map((id) => ({ id, graph })));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { id, graph } = next;
    const known = graph.npmPackages[id];
    if (known === undefined) throw new TypeError(`Cannot find ${id} among the packages of Deno`);
    if (found.has(id)) continue;
    found.set(id, known);
    open.push(...known.dependencies.map((dependency) => ({ id: dependency, graph })));
  }
  return new Map(sorted([...found], ([id]) => id));
}

export async function graphOf(file: string): Promise<Graph> {
  const args = ["info", "--json", file];
  const { stdout, success } = await new Deno.Command(Deno.execPath(), { args, cwd: root, stderr: "inherit" }).output();
  if (!success) throw new TypeError(`Cannot read what ${file} imports`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** What is imported for its types alone is not in the executable. */
function directPackages({ roots, redirects, modules }: Graph): Set<string> {
  const bySpecifier = new Map(modules.map((each) => [each.specifier, each]));
  const seen = new Set<string>();
  const packages = new Set<string>();
  const open = [...roots];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const specifier = redirects[next] ?? next;
    if (seen.has(specifier)) continue;
    seen.add(specifier);
    const { npmPackage, dependencies = [] } = bySpecifier.get(specifier) ?? {};
    if (npmPackage !== undefined) packages.add(npmPackage);
    open.push(...dependencies.flatMap(({ code }) => code?.specifier ?? []));
  }
  return packages;
}

async function npmComponent({ name, version, localPath }: Package, integrity: string): Promise<Component> {
  const { license }: { license: string } = JSON.parse(await Deno.readTextFile(`${localPath}/package.json`));
  const [, sum] = /^sha512-(.+)$/.exec(integrity) ?? [];
  if (sum === undefined) throw new TypeError(`Cannot find the sum of ${name} in deno.lock`);
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  const hashes = [{ alg: "SHA-512", content: Buffer.from(sum, "base64").toString("hex") }];
  return component("library", { name, version, licence: license, purl, hashes });
}

/** Deno comes first; the others are within it. */
function runtimeComponents(): readonly Component[] {
  const { deno, v8 } = Deno.version;
  const engine = v8.replace("-rusty", "");
  const database = new DatabaseSync(":memory:");
  const sqlite = String(database.prepare("SELECT sqlite_version() AS version").get()?.version);
  database.close();
  return [
    component("platform", { name: "deno", version: deno, licence: "MIT", purl: `pkg:github/denoland/deno@v${deno}` }),
    component("library", { name: "v8", version: engine, licence: "BSD-3-Clause", purl: `pkg:github/v8/v8@${engine}` }),
    component("library", {
      name: "sqlite",
      version: sqlite,
      licence: "blessing",
      purl: `pkg:generic/sqlite@${sqlite}`,
    }),
  ];
}

function component(
  type: Component["type"],
  { name, version, licence, ...more }: Pick<Component, "name" | "version" | "purl" | "hashes"> & { licence: string },
): Component {
  const [, group, own = name] = /^(@[^/]+)\/(.+)$/.exec(name) ?? [];
  return {
    type,
    "bom-ref": more.purl ?? `${name}@${version}`,
    ...(group === undefined ? {} : { group }),
    name: own,
    version,
    licenses: [{ license: { id: licence } }],
    ...more,
  };
}

/** By code unit, so that it is the same on every machine. */
function sorted<Item>(items: readonly Item[], key: (item: Item) => string): Item[] {
  return items.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

if (import.meta.main) await Deno.writeTextFile(new URL("docs/sbom.cdx.json", root), await sbom());
