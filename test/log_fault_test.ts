/** Errors that nobody catches end a process, so each is played in one of its own. */
import assert from "node:assert/strict";

const script = new URL("./support/fault_process.ts", import.meta.url).pathname;

for (const how of ["thrown", "rejected"]) {
  Deno.test(`an error that is ${how} where nobody catches it ends the program, and its log says so`, async () => {
    const run = new Deno.Command(Deno.execPath(), { args: ["run", "--allow-all", script, how] });
    const { code, stdout, stderr } = await run.output();

    assert.equal(code, 1);
    assert.match(new TextDecoder().decode(stdout), /^\S+ error.* a fault of the program ends it: nobody looks at this/);
    assert.equal(new TextDecoder().decode(stderr), "");
  });
}
