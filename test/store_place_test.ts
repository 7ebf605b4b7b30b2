/** The store's folder is the only place that has to be writable: an image's root, and its /tmp, need not be. */
import assert from "node:assert/strict";
import { openSqliteStore } from "../src/sqlite_file.ts";
import { experiment, noonMs, saying, turn } from "./support/store_samples.ts";

const root = new URL("..", import.meta.url).pathname;

/** Runs `script` with `folder` for temporary files, and gives the names of the files that were made there. */
async function madeIn(folder: string, script: string): Promise<string[]> {
  const watcher = Deno.watchFs(folder);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    // SQLite asks for the place once, when it is loaded.
    args: ["eval", script],
    env: { TMPDIR: folder },
    cwd: root,
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  await Deno.writeTextFile(`${folder}/end`, "");
  const made = new Set<string>();
  for await (const { paths } of watcher) {
    for (const path of paths) made.add(path.slice(folder.length + 1));
    if (made.has("end")) break;
  }
  return [...made].filter((name) => name !== "end");
}

/** A store with `turns` of each of a hundred experiments, closed; and a folder for temporary files. */
async function setUp(turns: number) {
  const folder = await Deno.makeTempDir({ prefix: "place" });
  const [file, temporary] = [`${folder}/status.db`, `${folder}/tmp`];
  await Deno.mkdir(temporary);
  const { store } = await openSqliteStore(file, { nowMs: noonMs });
  const names = Array.from({ length: 100 }, (_, at) => `experiment${at}`);
  await store.record([
    ...names.map((name) => saying.experiment(experiment(name))),
    ...names.flatMap((name) => Array.from({ length: turns }, (_, at) => saying.turn(name, turn(noonMs + at)))),
  ]);
  await store.close();
  return { folder, file, temporary };
}

Deno.test("a history too large for SQLite's cache is sorted in memory, not in a file elsewhere", async () => {
  const { folder, file, temporary } = await setUp(1_000);

  const made = await madeIn(
    temporary,
    `import { openSqliteStore } from "./src/sqlite_file.ts";
    const { store } = await openSqliteStore(${JSON.stringify(file)}, { nowMs: ${noonMs} });
    const { stateChanges: turns } = await store.load({ events: 1, stateChanges: 1_000, runs: 1 });
    if (turns.size !== 100) throw new Error(String(turns.size));
    await store.close();`,
  );

  assert.deepEqual(made, []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("check looks into a store without a place for temporary files", async () => {
  const { folder, file, temporary } = await setUp(1);
  const names = async () => (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  const before = await names();

  const made = await madeIn(
    temporary,
    `import { checkStore } from "./src/check.ts";
    const { kind, words } = await checkStore(${JSON.stringify(file)}, { asked: true }, ${noonMs});
    if (kind !== "ok") throw new Error(words);`,
  );

  assert.deepEqual([made, await names()], [[], before]);
  await Deno.remove(folder, { recursive: true });
});
