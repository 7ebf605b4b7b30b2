import assert from "node:assert/strict";
import { checkLayers, readTree } from "../scripts/check_layers.ts";

type Tree = Record<string, string>;

const noLayer = "is in no layer: add its name to one of `layers` in scripts/check_layers.ts";
const theTime = "take the time as a parameter, or a Clock's nowMs()";
const theWait = "wait with a Clock's wait(), which a signal ends and a test holds";
const theType = "name the type, or take unknown and narrow it";
const circle = "src/feed.ts → src/relay.ts → src/feed.ts: move what both need to a third file";

const cases: Record<string, [tree: Tree, want: string[]]> = {
  "a reader may know the loop, the core, a service and a leaf": [{
    "src/page.tsx": `import { a } from "./monitor.ts";
import type { B } from "./health.ts";
import { c } from "./relay.ts";
import { d } from "./wait.ts";
`,
  }, []],
  "the core may not know the loop": [
    { "src/health.ts": `\nimport { a } from "./monitor.ts";\n` },
    ["src/health.ts:2: imports src/monitor.ts, but core may not know loop: hand in what it needs, or move it"],
  ],
  "a type is knowledge too": [
    { "src/wait.ts": `import type { A } from "./token.ts";\n` },
    ["src/wait.ts:1: imports src/token.ts, but leaves may not know services: hand in what it needs, or move it"],
  ],
  "what is exported onwards, loaded later or given to a worker is an import": [
    {
      "src/token.ts": `export { a } from "./health.ts";
export * from "./alert.ts";
const b = await import("./store.ts");
const c = new Worker(new URL("./api.ts", import.meta.url));
`,
    },
    [
      "src/token.ts:1: imports src/health.ts, but services may not know core: hand in what it needs, or move it",
      "src/token.ts:2: imports src/alert.ts, but services may not know core: hand in what it needs, or move it",
      "src/token.ts:3: imports src/store.ts, but services may not know loop: hand in what it needs, or move it",
      "src/token.ts:4: imports src/api.ts, but services may not know readers: hand in what it needs, or move it",
    ],
  ],
  "an import over several lines is found where its file is named": [
    { "src/health.ts": `import {\n  a,\n  type B,\n} from "./monitor.ts";\n` },
    ["src/health.ts:4: imports src/monitor.ts, but core may not know loop: hand in what it needs, or move it"],
  ],
  "an import in a comment, a string or a template is none": [
    {
      "src/health.ts":
        `// import "./api.ts"\n/* import "./api.ts" */\nconst a = 'import "./api.ts"', b = \`import "./api.ts"\`;\n`,
    },
    [],
  ],
  "a store is of the loop, whatever it stores in": [{ "src/store_postgres.ts": `import "./store.ts";\n` }, []],
  "a file that nobody gave a layer is told so": [{ "src/misc.ts": "" }, [`src/misc.ts:1: ${noLayer}`]],
  "and so is one in a folder, since src is flat": [{ "src/feeds/relay.ts": "" }, [`src/feeds/relay.ts:1: ${noLayer}`]],
  "the program does not know its tests and scripts": [
    { "main.ts": `import "./scripts/simulator/world.ts";\n`, "src/wait.ts": `import "../test/support/clock.ts";\n` },
    [
      "main.ts:1: imports scripts/simulator/world.ts: the program knows nothing of tests and scripts",
      "src/wait.ts:1: imports test/support/clock.ts: the program knows nothing of tests and scripts",
    ],
  ],
  "nothing in src knows main.ts": [
    { "src/server.ts": `import "../main.ts";\n` },
    ["src/server.ts:1: imports main.ts: hand in what it needs from there instead"],
  ],
  "main.ts, tests and scripts may know all of src": [{
    "main.ts": `import "./src/server.ts";\nimport config from "./deno.json" with { type: "json" };\n`,
    "test/a_test.ts": `import "../src/server.ts";\nimport "../main.ts";\nimport "../scripts/simulator/world.ts";\n`,
    "scripts/simulator/world.ts": `import "../src/wait.ts";\n`,
  }, []],
  "two files of one layer may not import each other": [
    {
      "src/feed.ts": `import "./relay.ts";\n`,
      "src/relay.ts": `import "./pulse.ts";\nimport { a } from "./feed.ts";\n`,
    },
    [`src/relay.ts:2: closes a circle: ${circle}`],
  ],
  "unless one of them only needs the other's types": [
    { "src/feed.ts": `import "./relay.ts";\n`, "src/relay.ts": `import type { A } from "./feed.ts";\n` },
    [],
  ],
  "a circle is told of once, wherever it is entered": [
    {
      "src/book.ts": `import "./feed.ts";\n`,
      "src/feed.ts": `import "./relay.ts";\n`,
      "src/relay.ts": `import "./feed.ts";\n`,
    },
    [`src/relay.ts:1: closes a circle: ${circle}`],
  ],
  "the time is handed in": [
    { "src/health.ts": "a(Date.now());\nb(performance.now());\nc(new Date());\nd(new Date(atMs));\n" },
    [
      `src/health.ts:1: \`Date.now\` is banned here: ${theTime}`,
      `src/health.ts:2: \`performance.now\` is banned here: ${theTime}`,
      `src/health.ts:3: \`new Date()\` is banned here: ${theTime}`,
    ],
  ],
  "however it is read": [
    {
      "src/health.ts": `const now = Date.now;
const a = new Date, b = new Date;
const c = Date();
const { now: d } = Date;
const { now } = performance;
const e = new Date( );
`,
    },
    [
      `src/health.ts:1: \`Date.now\` is banned here: ${theTime}`,
      `src/health.ts:2: \`new Date\` is banned here: ${theTime}`,
      `src/health.ts:2: \`new Date\` is banned here: ${theTime}`,
      `src/health.ts:3: \`Date()\` is banned here: ${theTime}`,
      `src/health.ts:4: \`= Date;\` is banned here: ${theTime}`,
      `src/health.ts:5: \`= performance;\` is banned here: ${theTime}`,
      `src/health.ts:6: \`new Date( )\` is banned here: ${theTime}`,
    ],
  ],
  "a time that was handed in can be written and named": [{
    "src/health.ts": `a(new Date(atMs), new Date(
  atMs,
), new Date("2026"), toDate(), nowMs, Date.parse(b), c instanceof Date, new DateRange());
`,
  }, []],
  "a wait is a Clock's": [
    {
      "scripts/simulator/world.ts": "setTimeout(f, 1);\n",
      "src/feed.ts": "x();\nsetInterval(f, 1);\nclearTimeout(t);\nsocket.setTimeout(1);\nconst later = setTimeout;\n",
      "src/socket_worker.ts": "globalThis.setTimeout(f, 1);\n",
    },
    [
      `scripts/simulator/world.ts:1: \`setTimeout\` is banned here: ${theWait}`,
      `src/feed.ts:2: \`setInterval\` is banned here: ${theWait}`,
      `src/feed.ts:5: \`setTimeout\` is banned here: ${theWait}`,
      `src/socket_worker.ts:1: \`globalThis.setTimeout\` is banned here: ${theWait}`,
    ],
  ],
  "the clock itself reads the time and waits": [
    { "src/wait.ts": "Date.now();\nsetTimeout(f, 1);\n" },
    [],
  ],
  "signals are tied together so that they can be untied": [
    { "src/feed.ts": "AbortSignal.any([signal, own]);\n", "src/profile.ts": "AbortSignal.any([signal, own]);\n" },
    ["src/feed.ts:1: `AbortSignal.any` is banned here: use abortedWith() of src/wait.ts, and abort it in the end"],
  ],
  "what comes from the environment is a setting, and main.ts hands it in": [
    { "main.ts": "Deno.env.toObject();\n", "src/mail.ts": 'Deno.env.get("HOME");\n' },
    [
      "src/mail.ts:1: `Deno.env` is banned here: make it a setting in src/settings.ts; main.ts hands the environment in",
    ],
  ],
  "the log is for log.ts": [
    { "src/mail.ts": 'console.log("sent");\n', "scripts/simulator/world.ts": 'console.log("up");\n' },
    ["src/mail.ts:1: `console.` is banned here: log with src/log.ts, or report it to the caller, who does"],
  ],
  "any is no type, wherever it stands": [
    {
      "scripts/a.ts": "const a = b as any;\n",
      "src/wait.ts": "let c: any;\nlet d: any[];\n",
      "test/a_test.ts": "f<any>();\n",
    },
    [
      `scripts/a.ts:1: \`as any\` is banned here: ${theType}`,
      `src/wait.ts:1: \`: any\` is banned here: ${theType}`,
      `src/wait.ts:2: \`: any\` is banned here: ${theType}`,
      `test/a_test.ts:1: \`<any>\` is banned here: ${theType}`,
    ],
  ],
  "a fault of types is mended, not silenced": [
    { "test/a_test.ts": "f();\n// @ts-ignore: later\nf(1);\n" },
    ["test/a_test.ts:2: `@ts-ignore` is banned here: mend the type"],
  ],
  "no test runs alone": [
    { "test/a_test.ts": 'Deno.test.only("a", () => {});\nDeno.test({ only: true, name: "b", fn });\n' },
    [
      "test/a_test.ts:1: `.only(` is banned here: let all tests run",
      "test/a_test.ts:2: `only: true` is banned here: let all tests run",
    ],
  ],
  "250 lines are enough": [
    {
      "scripts/a.ts": "a();\n".repeat(250),
      "src/wait.ts": "a();\n".repeat(251),
      "test/a_test.ts": "a();\n".repeat(999),
    },
    ["src/wait.ts:251: has 251 lines, 250 at most: a file a subject"],
  ],
  "what comments, strings, templates and regular expressions say is not done": [{
    "src/health.ts": `// Date.now() and setTimeout( and console.log and : any
/* Deno.env
   as any */
const a = "Date.now()", b = 'it\\'s Date.now()', c = \`Date.now() \${d("}")} Date.now()\`;
const e = /Date.now()|[/"]setTimeout(/g;
const f = "@ts-ignore";
`,
  }, []],
  "what a template computes is done": [
    { "src/health.ts": "const a = `${`${Date.now()}`}`;\n" },
    [`src/health.ts:1: \`Date.now\` is banned here: ${theTime}`],
  ],
  "a division hides nothing behind it": [
    { "src/health.ts": "const a = (b) / 2 + Date.now() / c;\n" },
    [`src/health.ts:1: \`Date.now\` is banned here: ${theTime}`],
  ],
  "an apostrophe in a page's text hides nothing on the next line": [
    { "src/page.tsx": "<p>It doesn't: any stream</p>;\n<p>{Date.now()}</p>;\n" },
    [`src/page.tsx:2: \`Date.now\` is banned here: ${theTime}`],
  ],
};
for (const [name, [tree, want]] of Object.entries(cases)) {
  Deno.test(`checkLayers: ${name}`, () => assert.deepEqual(checkLayers(new Map(Object.entries(tree))), want));
}

Deno.test("checkLayers: the tree as it stands keeps every rule", () => {
  const tree = readTree(`${import.meta.dirname}/..`);

  assert.ok(tree.has("src/wait.ts") && tree.has("test/check_layers_test.ts"));
  assert.deepEqual(checkLayers(tree), []);
});
