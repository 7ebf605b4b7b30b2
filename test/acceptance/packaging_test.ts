import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import config from "../../deno.json" with { type: "json" };
import {
  bundleArguments,
  compileArguments,
  memoryFlags,
  permissions,
  readArguments,
  workers,
} from "../../scripts/compile.ts";
import { licences } from "../../scripts/licences.ts";
import { type Component, graphOf, licencesAllowed, sbom } from "../../scripts/sbom.ts";
import { settingsList } from "../../src/settings.ts";
import { managerVariables } from "../../src/watchdog.ts";

const read = (path: string) => Deno.readTextFileSync(`${import.meta.dirname}/../../${path}`);

const pin = read(".deno-version").trim();
const dockerfile = read("Dockerfile");

Deno.test("readArguments: an executable for this machine, in build, unless something else is asked for", () => {
  assert.deepEqual(readArguments([]), { out: "build/status", target: null });
});

Deno.test("readArguments: another machine's executable, in another place", () => {
  assert.deepEqual(readArguments(["--target", "aarch64-unknown-linux-gnu", "--out", "/tmp/arm"]), {
    out: "/tmp/arm",
    target: "aarch64-unknown-linux-gnu",
  });
});

Deno.test("readArguments: a slip is told of, not ignored", () => {
  assert.throws(() => readArguments(["--oot", "a"]), /Unknown option '--oot'/);
  assert.throws(() => readArguments(["status"]), /Unexpected argument 'status'/);
});

Deno.test("bundleArguments: the program and its Worker side by side, of what deno.lock has and nothing else", () => {
  const how = ["bundle", "--quiet", "--frozen", "--check"];

  assert.deepEqual(bundleArguments("/tmp/b"), [
    [...how, "--code-splitting", "--outdir", "/tmp/b", "main.ts"],
    [...how, "--output", "/tmp/b/socket_worker.ts", "src/socket_worker.ts"],
  ]);
});

Deno.test("compileArguments: of the bundle, to which nothing can be added", () => {
  assert.deepEqual(compileArguments({ out: "build/status", target: null }, "/tmp/b"), [
    "compile",
    "--quiet",
    "--no-check",
    "--no-config",
    "--no-lock",
    "--no-npm",
    "--no-remote",
    "--unstable-raw-imports",
    "--unstable-net",
    "--allow-net",
    "--allow-env=STATUS_*,NOTIFY_SOCKET,WATCHDOG_PID,WATCHDOG_USEC",
    "--ignore-env",
    "--allow-read",
    "--allow-write",
    "--allow-sys",
    "--deny-sys=cpus,getPriority,getegid,gid,homedir,hostname,loadavg,networkInterfaces,osRelease,osUptime,setPriority,statfs,systemMemoryInfo,uid,userInfo,username",
    "--allow-import=0.0.0.0:0",
    "--no-prompt",
    "--v8-flags=--max-semi-space-size=2,--heap-growing-percent=30",
    "--no-code-cache",
    "--include",
    "/tmp/b/socket_worker.ts",
    "--output",
    "build/status",
    "/tmp/b/main.js",
  ]);
});

Deno.test("compileArguments: another machine is named to the compiler", () => {
  const args = compileArguments({ out: "build/status", target: "x86_64-apple-darwin" }, "/tmp/b");
  assert.deepEqual(args.slice(-5), ["--target", "x86_64-apple-darwin", "--output", "build/status", "/tmp/b/main.js"]);
});

Deno.test("V8 knows what it is told of memory", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["run", "--v8-flags=--help"] }).output();
  const help = new TextDecoder().decode(stdout);

  for (const flag of memoryFlags) assert.match(help, new RegExp(`^ *${flag.replace(/=.*/, "")} `, "m"));
});

Deno.test("what the program finds by its own address is bundled beside it, under the same name", () => {
  const sources = Array.from(Deno.readDirSync(`${import.meta.dirname}/../../src`), ({ name }) => `src/${name}`);
  const found = sources.flatMap((path) => read(path).match(/(?<=new URL\("\.\/)[^"]+(?=", import\.meta)/g) ?? []);
  const asked = sources.flatMap((path) => read(path).match(/import\.meta\b/g) ?? []);

  assert.deepEqual(found.map((name) => `src/${name}`), workers);
  assert.equal(asked.length, found.length);
});

Deno.test("the executable may run nothing, load no library and import nothing", () => {
  assert.deepEqual(permissions.filter((each) => /-A|allow-(all|run|ffi|import)|env$/.test(each)), [
    "--ignore-env",
    "--allow-import=0.0.0.0:0", // which is nowhere
  ]);
});

Deno.test("the executable learns nothing of the system but its own profile", async () => {
  const facts = `import os from "node:os";
    const asked = [Deno.hostname, Deno.loadavg, Deno.networkInterfaces, Deno.osRelease, Deno.osUptime, Deno.systemMemoryInfo,
      Deno.uid, Deno.gid, os.cpus, os.homedir, os.userInfo, os.getPriority, () => Deno.statfs?.("/") ?? os.hostname()];
    const told = asked.filter((ask) => { try { return ask(), true } catch { return false } });
    const { Session } = await import("node:inspector/promises");
    const session = new Session();
    session.connect();
    session.disconnect();
    console.log(asked.length, told.map(String));`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissions, `data:text/javascript,${encodeURIComponent(facts)}`],
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(new TextDecoder().decode(stdout), "13 []\n");
});

for (const paper of ["README.md", "CONTRIBUTING.md"]) {
  Deno.test(`${paper} gives its commands with the Deno that is pinned`, () => {
    const versions = new Set(Array.from(read(paper).matchAll(/npx --yes deno@([\d.]+\d)/g), ([, version]) => version));
    versions.delete("2.6.8"); // the other one that the program has to compile with
    assert.deepEqual([...versions], [pin]);
  });
}

Deno.test("image and CI take the pinned Deno from where it is pinned", () => {
  for (const path of ["Dockerfile", ".ci/run"]) {
    assert.match(read(path), /deno@\$\(cat \.deno-version\)/, path);
    assert.ok(!read(path).includes(pin), path);
  }
});

Deno.test("the image sets settings that there are", () => {
  const names = Array.from(dockerfile.matchAll(/\bSTATUS_(\w+)=/g), ([, name = ""]) => name);
  assert.deepEqual(names, ["HOST_SERVE", "LOG_FILE"]);
  for (const name of names) assert.ok(name in settingsList, name);
});

Deno.test("all that the image copies from the tree is let through to it, and nothing else", () => {
  const copied = Array.from(dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm), ([, paths = ""]) => paths.split(" "));
  const through = Array.from(read(".dockerignore").matchAll(/^!(.+)$/gm), ([, path]) => path);
  assert.deepEqual(through.sort(), copied.flat().sort());
});

/*
 * The permissions of the executable, tried by a program that would do harm: from its source, so that the gate needs no
 * compiler. That the executable has the same ones is for `smoke`.
 */

/** What came of each attempt of support/hostage.ts, by its name; what it ran or imported has left a trace. */
async function tryAll(): Promise<{ outcomes: Record<string, string>; traces: string[] }> {
  const folder = await Deno.makeTempDir({ prefix: "hostage" });
  const traces: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    traces.push(new URL(url).pathname);
    return new Response("export {};", { headers: { "Content-Type": "text/javascript" } });
  });
  const { HOME = "", PATH = "" } = Deno.env.toObject();
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      ...permissions,
      `${import.meta.dirname}/../support/hostage.ts`,
      `http://127.0.0.1:${server.addr.port}`,
      folder,
    ],
    env: { HOME, PATH, FOREIGN: "of no concern", STATUS_HOST_BOOK: "book.example.org", DENO_NO_UPDATE_CHECK: "1" },
    clearEnv: true,
  }).output();
  await server.shutdown();
  for await (const { name } of Deno.readDir(folder)) traces.push(name);
  await Deno.remove(folder, { recursive: true });
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  assert.ok(lines.length > 10, new TextDecoder().decode(stderr));
  return { outcomes: Object.fromEntries(lines.map((line) => JSON.parse(line))), traces };
}

const { outcomes, traces } = await tryAll();

const wants: Record<string, RegExp> = {
  "run a program": /^NotCapable: Requires run access/,
  "run a program, as Node does": /^Error: Command failed/,
  "run this program again": /^NotCapable: Requires run access/,
  "load a library": /^NotCapable: Requires ffi access/,
  "load an addon of Node's": /^NotCapable: Requires ffi access/,
  "import from the network": /^TypeError: Requires import access/,
  "import from the network in a Worker": /^TypeError: refused there/,
  "import from a host that Deno allows otherwise":
    /^TypeError: Requires import access to "raw\.githubusercontent\.com:443"/,
  "read its own environment from the system": /^NotCapable: Requires all access/,
  "read another's environment from the system": /^NotCapable: Requires all access/,
  "read the memory of the system": /^NotCapable: Requires all access/,
  "write the memory of its own process": /^NotCapable: Requires all access/,
  "learn whose user it is": /^NotCapable: Requires sys access/,
  "learn the name of the machine": /^NotCapable: Requires sys access/,
  "learn the machine's addresses": /^NotCapable: Requires sys access/,
  "get a permission": /^NotCapable: denied/,
  "see a variable of its own": /^done$/,
  "see a foreign variable": /^NotFound: absent/,
  "see a foreign variable, as Node does": /^NotFound: absent/,
  "see all variables": /^NotFound: absent/,
  // Which hosts it may speak with, and at which port it listens, is for the settings: the machine and its unit bound that.
  "listen": /^done$/,
  "listen for datagrams": /^done$/,
};

Deno.test("all that is attempted is judged here", () => {
  assert.deepEqual(Object.keys(outcomes).sort(), Object.keys(wants).sort());
});

for (const [attempt, want] of Object.entries(wants)) {
  const may = String(want) === String(/^done$/);
  Deno.test(`the program ${may ? "can" : "can't"} ${attempt}`, () => assert.match(outcomes[attempt] ?? "", want));
}

Deno.test("nothing was run or fetched by any attempt", () => assert.deepEqual(traces, []));

Deno.test("of the environment the settings can be read, and what a service manager asks by", () => {
  const [allowed = ""] = permissions.filter((each) => each.startsWith("--allow-env="));

  assert.deepEqual(allowed.slice("--allow-env=".length).split(","), ["STATUS_*", ...managerVariables]);
});

/*
 * What is loaded when: what a command does not always need is imported when it is first needed, and here it is seen that no
 * import has crept in that undoes it. A package costs up to 40 ms and 6 MB at every start.
 */

/** The npm packages that are loaded with `file`, by name: not those of an `import()`, nor those of types alone. */
async function packagesWith(file: string): Promise<string[]> {
  const { roots, redirects, modules } = await graphOf(file);
  const known = new Map(modules.map((each) => [each.specifier, each]));
  const seen = new Set(roots);
  const packages = new Set<string>();
  for (const specifier of seen) {
    const { npmPackage, dependencies = [] } = known.get(redirects[specifier] ?? specifier) ?? {};
    if (npmPackage !== undefined) packages.add(npmPackage.replace(/(?!^)@.*$/, ""));
    for (const { isDynamic, code } of dependencies) {
      if (!isDynamic && code?.specifier !== undefined) seen.add(code.specifier);
    }
  }
  return [...packages].sort();
}

const loaded: Record<string, [file: string, packages: string[]]> = {
  "the command line is there before any setting is read": ["main.ts", ["commander"]],
  "a health check, every 30 s in a container, reads two settings": ["src/healthcheck.ts", ["zod"]],
  "who serves sends no mail yet, and makes no OpenAPI document": [
    "src/serve.ts",
    ["@logtape/logtape", "hono", "jose", "prom-client", "zod"],
  ],
  "the Worker reads frames with nothing but our own": ["src/socket_worker.ts", []],
};
for (const [name, [file, packages]] of Object.entries(loaded)) {
  Deno.test(`${name}: ${file} loads ${packages.join(", ") || "no package"}`, async () => {
    assert.deepEqual(await packagesWith(file), packages);
  });
}

/*  The list of what is in the executable: is it what deno.lock and the imports say, and may all of it be there? */

const sbomRead = (path: string) => Deno.readTextFile(new URL(`../../${path}`, import.meta.url));
const text = await sbomRead("docs/sbom.cdx.json");
const { bomFormat, specVersion, metadata, components, dependencies }: {
  bomFormat: string;
  specVersion: string;
  metadata: { component: Component };
  components: Component[];
  dependencies: { ref: string; dependsOn: string[] }[];
} = JSON.parse(text);
const lock: { npm: Record<string, { integrity: string }> } = JSON.parse(await sbomRead("deno.lock"));
const names = components.map(({ group, name }) => group === undefined ? name : `${group}/${name}`);

Deno.test("docs/sbom.cdx.json is what scripts/sbom.ts makes", async () => {
  assert.equal(await sbom(), text, "run scripts/sbom.ts");
});

Deno.test("docs/licences.txt is what scripts/licences.ts makes, and has every npm package that is listed", async () => {
  const notices = await sbomRead("docs/licences.txt");
  assert.equal(notices, await licences(), "run scripts/licences.ts");

  const listed = components.filter(({ purl }) => purl?.startsWith("pkg:npm/"));
  const missing = listed.filter(({ group, name, version, licenses: [{ license }] }) =>
    !notices.includes(`\n${group === undefined ? "" : `${group}/`}${name} ${version}: ${license.id}\n`)
  );
  assert.deepEqual(missing.map(({ name }) => name), []);
});

Deno.test("it is CycloneDX, of this program", () => {
  assert.deepEqual([bomFormat, specVersion], ["CycloneDX", "1.6"]);
  assert.equal(metadata.component.version, config.version);
  assert.equal(metadata.component.licenses[0].license.id, config.license);
});

Deno.test("what the program imports is in it, and what only tests import is not", () => {
  for (const name of ["hono", "nodemailer", "zod", "jose", "deno", "v8", "sqlite"]) {
    assert.ok(names.includes(name), name);
  }
  for (const name of ["playwright-core", "fast-check", "smtp-server", "ajv", "axe-core"]) {
    assert.ok(!names.includes(name), name);
  }
});

Deno.test("every npm package in it has the version and the sum that deno.lock has", () => {
  const sums = new Map(
    Object.entries(lock.npm).map(([id, { integrity }]) => [id.replace(/^(@?[^@]+@[^_]+).*$/, "$1"), integrity]),
  );
  const packages = components.filter(({ purl }) => purl?.startsWith("pkg:npm/"));
  assert.ok(packages.length >= 10);
  for (const { group, name, version, hashes = [] } of packages) {
    const id = `${group === undefined ? "" : `${group}/`}${name}@${version}`;
    const [sum] = hashes.map(({ content }) => content);
    assert.equal(sum, Buffer.from(sums.get(id)!.replace("sha512-", ""), "base64").toString("hex"), id);
  }
});

Deno.test("every licence goes with AGPL-3.0", () => {
  const licences = components.map(({ name, licenses: [{ license }] }) => `${name}: ${license.id}`);

  assert.deepEqual(licences.filter((each) => !licencesAllowed.includes(each.replace(/^.*: /, ""))), []);
});

Deno.test("every component is needed by another, and what is needed is there", () => {
  const refs = [metadata.component, ...components].map((each) => each["bom-ref"]);
  const needed = new Set(dependencies.flatMap(({ dependsOn }) => dependsOn));

  assert.deepEqual(refs.slice(1).filter((ref) => !needed.has(ref)), []);
  assert.deepEqual([...needed].filter((ref) => !refs.includes(ref)), []);
  assert.equal(new Set(refs).size, refs.length);
});

Deno.test("nothing in it is of the moment or the machine that made it", () => {
  assert.doesNotMatch(text, /"(timestamp|serialNumber)"|\/root|\/home|\.cache/);
});
