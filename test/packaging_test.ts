import assert from "node:assert/strict";
import {
  bundleArguments,
  compileArguments,
  memoryFlags,
  permissions,
  readArguments,
  workers,
} from "../scripts/compile.ts";
import { settingsList } from "../src/settings.ts";

const read = (path: string) => Deno.readTextFileSync(`${import.meta.dirname}/../${path}`);

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
  const sources = Array.from(Deno.readDirSync(`${import.meta.dirname}/../src`), ({ name }) => `src/${name}`);
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
