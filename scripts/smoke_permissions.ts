/** What an executable may do, as the compiler has written it into the file: nobody who runs it can widen it. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { managerVariables } from "../src/watchdog.ts";
import { systemFacts } from "./compile.ts";

const start = '"permissions":{';

// An empty list is all of a kind, null is none.
const wanted = {
  allow_env: ["STATUS_*", ...managerVariables],
  ignore_env: [],
  // The settings name the hosts and the files.
  allow_net: [],
  deny_net: null,
  allow_read: [],
  deny_read: null,
  allow_write: [],
  deny_write: null,
  allow_sys: [],
  deny_sys: oneNameEach(systemFacts),
  allow_run: null,
  allow_ffi: null,
  allow_import: ["0.0.0.0:0"], // which is nowhere
  prompt: false,
};

/** Throws where the executable may do other things than `compile` asks for, of those that could do harm. */
export async function checkPermissions(file: string): Promise<void> {
  const bytes = Buffer.from((await Deno.readFile(file)).buffer);
  const at = bytes.lastIndexOf(start);
  assert.notEqual(at, -1, `there are no permissions in ${file}`);
  const json = bytes.subarray(at + start.length - 1, bytes.indexOf("}", at) + 1).toString();
  const all: Record<string, unknown> = JSON.parse(json);
  const { deny_sys } = all;
  const found: Record<string, unknown> = {
    ...all,
    deny_sys: Array.isArray(deny_sys) ? oneNameEach(deny_sys) : deny_sys,
  };
  assert.deepEqual(Object.fromEntries(Object.keys(wanted).map((each) => [each, found[each]])), wanted);
}

/** `username` is the older name of `userInfo`, and some compilers write the newer for it. */
function oneNameEach(names: readonly string[]): string[] {
  return [...new Set(names.map((each) => each === "username" ? "userInfo" : each))];
}
