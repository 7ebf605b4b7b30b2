import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { freePort } from "../scripts/simulator/port.ts";
import { checkLogFile, checkPort, checkProfilePort, type CheckResult, checkStore } from "../src/check.ts";
import { startProfiling } from "../src/profile.ts";
import { openSqliteStore } from "../src/sqlite_file.ts";
import { FakeClock } from "./support/clock.ts";
import { withFolder } from "./support/folder.ts";

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

const isAsked = { asked: true };
const isDefault = { asked: false };

Deno.test("a log file that is there can be written, and is not touched", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.log`;
    await Deno.writeTextFile(path, "before\n");

    assert.deepEqual(checkLogFile(path, isAsked), { kind: "ok", words: `${path} can be written` });
    assert.equal(await Deno.readTextFile(path), "before\n");
  }));

Deno.test("a log file that is not there can be made, and is not", () =>
  withFolder((folder) => {
    const path = `${folder}/status.log`;

    assert.deepEqual(checkLogFile(path, isAsked), { kind: "ok", words: `${path} can be made` });
    assert.deepEqual(names(folder), []);
    return Promise.resolve();
  }));

Deno.test("a log file in a folder that is not there fails where it was asked for, and falls back where not", () =>
  withFolder((folder) => {
    const path = `${folder}/none/status.log`;

    assert.deepEqual(checkLogFile(path, isAsked), {
      kind: "failed",
      words: `Cannot write ${path}: there is no folder ${folder}/none`,
    });
    assert.deepEqual(checkLogFile(path, isDefault), {
      kind: "warn",
      words: `Cannot write ${path}: there is no folder ${folder}/none, so the log goes to stderr`,
    });
    return Promise.resolve();
  }));

Deno.test("a log file that is a folder fails", () =>
  withFolder((folder) => {
    const { kind, words } = checkLogFile(folder, isAsked);

    assert.equal(kind, "failed");
    assert.match(words, new RegExp(`^Cannot write ${folder}: Is a directory`));
    return Promise.resolve();
  }));

for (const stream of ["stdout", "stderr"]) {
  Deno.test(`a log on ${stream} is all right`, () => {
    assert.deepEqual(checkLogFile(stream, isAsked), { kind: "ok", words: stream });
  });
}

Deno.test("a store that is not there can be made, folders included, and none of it is", () =>
  withFolder(async (folder) => {
    const path = `${folder}/a/b/status.db`;

    assert.deepEqual(await checkStore(path, isAsked, 0), { kind: "ok", words: `${path} can be made` });
    assert.deepEqual(names(folder), []);
  }));

Deno.test("a store that is there is well, and is not touched", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    await (await openSqliteStore(path, { nowMs: 0 })).store.close();
    const before = names(folder);

    assert.deepEqual(await checkStore(path, isAsked, 0), { kind: "ok", words: `${path} can be written` });
    assert.deepEqual(names(folder), before);
    await (await openSqliteStore(path, { nowMs: 0 })).store.close();
  }));

Deno.test("a store that a running status holds is all right", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    const { store } = await openSqliteStore(path, { nowMs: 0 });

    const finding = await checkStore(path, isAsked, 0);
    await store.close();

    assert.deepEqual(finding, {
      kind: "ok",
      words: `${path} is in use by a running status: process ${Deno.pid} has held it since 1970-01-01T00:00:00.000Z`,
    });
  }));

Deno.test("a damaged store is warned about, and stays where it is", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    await Deno.writeTextFile(path, "no database at all, but long enough to be read as the head of one".repeat(20));

    const { kind, words } = await checkStore(path, isAsked, 0);

    assert.equal(kind, "warn");
    assert.equal(words, `${path} is damaged: it will be set aside, and a new one begun`);
    assert.deepEqual(names(folder), ["status.db"]);
  }));

Deno.test("an empty file will be a store", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    await Deno.writeTextFile(path, "");

    assert.deepEqual(await checkStore(path, isAsked, 0), { kind: "ok", words: `${path} can be written` });
    assert.deepEqual(names(folder), ["status.db"]);
  }));

Deno.test("the database of another program fails", () =>
  withFolder(async (folder) => {
    const path = `${folder}/status.db`;
    const db = new DatabaseSync(path);
    db.exec("CREATE TABLE theirs (one INTEGER)");
    db.close();

    assert.deepEqual(await checkStore(path, isAsked, 0), {
      kind: "failed",
      words: `Cannot use the store ${path}: it is the database of another program`,
    });
  }));

Deno.test("a store that is a folder fails", () =>
  withFolder(async (folder) => {
    const { kind, words } = await checkStore(folder, isAsked, 0);

    assert.equal(kind, "failed");
    assert.match(words, new RegExp(`^Cannot use the store ${folder}: Is a directory`));
  }));

Deno.test("a store below something that is no folder fails where it was asked for, and falls back where not", async () => {
  const words = "Cannot use the store /dev/null/status.db: /dev/null is no folder";

  assert.deepEqual(await checkStore("/dev/null/status.db", isAsked, 0), { kind: "failed", words });
  assert.deepEqual(await checkStore("/dev/null/status.db", isDefault, 0), {
    kind: "warn",
    words: `${words}, so nothing is kept beyond a run`,
  });
});

Deno.test("no store is all right", async () => {
  assert.deepEqual(await checkStore("memory", isAsked, 0), {
    kind: "ok",
    words: "memory: nothing is kept beyond a run",
  });
});

// Ports.

const none = new AbortController().signal;

Deno.test("a port that nobody listens on is free", async () => {
  const port = freePort(3007);

  assert.deepEqual(await checkPort({ host: "localhost", port }, none), {
    kind: "ok",
    words: `localhost:${port} is free`,
  });
  await checkPort({ host: "localhost", port }, none); // and still is
});

Deno.test("any free port is all right", async () => {
  assert.deepEqual(await checkPort({ host: "::1", port: 0 }, none), { kind: "ok", words: "any free one at [::1]" });
});

/** What answers on a port, and what is found. */
const answers: Record<string, [() => Response, (port: number) => CheckResult]> = {
  "a running status is all right": [
    () => Response.json({ version: "0.1.0", feeds: {} }),
    (port) => ({ kind: "ok", words: `a running status 0.1.0 answers at 127.0.0.1:${port}` }),
  ],
  "another program fails": [
    () => new Response("hello"),
    (port) => ({ kind: "failed", words: `127.0.0.1:${port} is used by another program` }),
  ],
  "another program with JSON fails": [
    () => Response.json(null),
    (port) => ({ kind: "failed", words: `127.0.0.1:${port} is used by another program` }),
  ],
};
for (const [name, [answer, want]] of Object.entries(answers)) {
  Deno.test(`a port on which ${name}`, async () => {
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
    const { port } = server.addr;

    const finding: CheckResult = await checkPort({ host: "127.0.0.1", port }, none);
    await server.shutdown();

    assert.deepEqual(finding, want(port));
  });
}

Deno.test("the port for profiles is free, or a running status answers there with its memory, or another program", async () => {
  const port = freePort(6061);
  assert.deepEqual(await checkProfilePort(port, none), {
    kind: "ok",
    words: `127.0.0.1:${port} (for profiles) is free`,
  });

  const stop = new AbortController();
  const profiles = startProfiling(port, { clock: new FakeClock(), startedMs: 0, signal: stop.signal });
  const running = await checkProfilePort(port, none);
  stop.abort();
  await profiles.done;
  assert.deepEqual(running, { kind: "ok", words: `a running status answers at 127.0.0.1:${port} (for profiles)` });

  const other = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, () => Response.json({ version: "1" }));
  const used = await checkProfilePort(port, none);
  await other.shutdown();
  assert.deepEqual(used, { kind: "failed", words: `127.0.0.1:${port} (for profiles) is used by another program` });
});

Deno.test("an address that is not this machine's fails", async () => {
  const { kind, words } = await checkPort({ host: "192.0.2.1", port: 3007 }, none);

  assert.equal(kind, "failed");
  assert.match(words, /^Cannot listen on 192\.0\.2\.1:3007: Cannot assign requested address/);
});
