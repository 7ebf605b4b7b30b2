/** What an executable may do, as the compiler has written it into the file: nobody who runs it can widen it. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { managerVariables } from "../src/service_manager.ts";

const start = '"permissions":{';

// An empty list is all of a kind, null is none.
const wanted = {
  allow_env: ["STATUS_*", ...managerVariables],
  ignore_env: [],
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
  const { allow_env, ignore_env, allow_run, allow_ffi, allow_import, prompt } = JSON.parse(json);
  assert.deepEqual({ allow_env, ignore_env, allow_run, allow_ffi, allow_import, prompt }, wanted);
}
