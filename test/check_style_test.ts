import assert from "node:assert/strict";
import { checkStyle, readTree } from "../scripts/check_style.ts";
import { functionsOf, maskSource } from "../scripts/source_mask.ts";

type Tree = Record<string, string>;

const noLayer = "is in no layer: add its name to one of `layers` in scripts/check_style.ts";
const theTime = "take the time as a parameter, or a Clock's nowMs()";
const theWait = "wait with a Clock's wait(), which a signal ends and a test holds";
const theType = "name the type, or take unknown and narrow it";
const cycle = "src/feed.ts → src/report_decoder.ts → src/feed.ts: move what both need to a third module";
const pure = "but the core is pure and knows only itself, duration and failure";

const cases: Record<string, [tree: Tree, want: string[]]> = {
  "a reader may know the loop, the core, a service and the foundation": [{
    "src/page.tsx": `import { a } from "./monitor.ts";
import type { B } from "./health.ts";
import { c } from "./report_decoder.ts";
import { d } from "./clock.ts";
`,
  }, []],
  "a service may not know the loop": [
    { "src/feed.ts": `\nimport { a } from "./monitor.ts";\n` },
    ["src/feed.ts:2: imports src/monitor.ts, but services may not know loop: hand in what it needs, or move it"],
  ],
  "a type is knowledge too": [
    { "src/clock.ts": `import type { A } from "./access.ts";\n` },
    ["src/clock.ts:1: imports src/access.ts, but foundation may not know services: hand in what it needs, or move it"],
  ],
  "the core knows itself, durations and the words of failures": [{
    "src/health.ts": `import { a } from "./lab.ts";
import { b } from "./duration.ts";
import { c } from "./failure.ts";
`,
  }, []],
  "and of the clock and the runtime the types": [{
    "src/health.ts": `import type { A } from "./clock.ts";
import { type B, type C } from "./runtime.ts";
import { type D, e } from "./clock.ts";
import { f, type G } from "./runtime.ts";
`,
  }, [
    "src/health.ts:3: imports more than types of src/clock.ts: the core is pure, so hand the value in",
    "src/health.ts:4: imports more than types of src/runtime.ts: the core is pure, so hand the value in",
  ]],
  "and nothing else": [{
    "src/health.ts": `import { a } from "./log.ts";
import type { B } from "./monitor.ts";
import { z } from "zod";
`,
  }, [
    `src/health.ts:1: imports src/log.ts, ${pure}`,
    `src/health.ts:2: imports src/monitor.ts, ${pure}`,
    `src/health.ts:3: imports zod, ${pure}`,
  ]],
  "what is exported onwards, loaded later or given to a worker is an import": [
    {
      "src/access.ts": `export { a } from "./monitor.ts";
export * from "./outbox.ts";
const b = await import("./store.ts");
const c = new Worker(new URL("./api.ts", import.meta.url));
`,
    },
    [
      "src/access.ts:1: imports src/monitor.ts, but services may not know loop: hand in what it needs, or move it",
      "src/access.ts:2: imports src/outbox.ts, but services may not know loop: hand in what it needs, or move it",
      "src/access.ts:3: imports src/store.ts, but services may not know loop: hand in what it needs, or move it",
      "src/access.ts:4: imports src/api.ts, but services may not know readers: hand in what it needs, or move it",
    ],
  ],
  "an import over several lines is found where its file is named": [
    { "src/health.ts": `import {\n  a,\n  type B,\n} from "./monitor.ts";\n` },
    [`src/health.ts:4: imports src/monitor.ts, ${pure}`],
  ],
  "an import in a comment, a string or a template is none": [
    {
      "src/health.ts":
        `// import "./api.ts"\n/* import "./api.ts" */\nconst a = 'import "./api.ts"', b = \`import "./api.ts"\`;\n`,
    },
    [],
  ],
  "a file that nobody gave a layer is told so": [{ "src/misc.ts": "" }, [`src/misc.ts:1: ${noLayer}`]],
  "and so is one in a folder, since src is flat": [{ "src/feeds/relay.ts": "" }, [`src/feeds/relay.ts:1: ${noLayer}`]],
  "the program does not know its tests and scripts": [
    { "main.ts": `import "./scripts/simulator/world.ts";\n`, "src/clock.ts": `import "../test/support/clock.ts";\n` },
    [
      "main.ts:1: imports scripts/simulator/world.ts: the program knows nothing of tests and scripts",
      "src/clock.ts:1: imports test/support/clock.ts: the program knows nothing of tests and scripts",
    ],
  ],
  "nothing in src knows main.ts": [
    { "src/http_server.ts": `import "../main.ts";\n` },
    ["src/http_server.ts:1: imports main.ts: hand in what it needs from there instead"],
  ],
  "main.ts, tests and scripts may know all of src": [{
    "main.ts": `import "./src/http_server.ts";\nimport config from "./deno.json" with { type: "json" };\n`,
    "test/a_test.ts":
      `import "../src/http_server.ts";\nimport "../main.ts";\nimport "../scripts/simulator/world.ts";\n`,
    "scripts/simulator/world.ts": `import "../src/clock.ts";\n`,
  }, []],
  "two modules of one layer may not import each other": [
    {
      "src/feed.ts": `import "./report_decoder.ts";\n`,
      "src/report_decoder.ts": `import "./socket_pool.ts";\nimport { a } from "./feed.ts";\n`,
    },
    [`src/report_decoder.ts:2: closes an import cycle: ${cycle}`],
  ],
  "nor may one that only needs the other's types": [
    {
      "src/feed.ts": `import "./report_decoder.ts";\n`,
      "src/report_decoder.ts": `import type { A } from "./feed.ts";\n`,
    },
    [`src/report_decoder.ts:1: closes an import cycle: ${cycle}`],
  ],
  "a cycle is told of once, wherever it is entered": [
    {
      "src/book_client.ts": `import "./feed.ts";\n`,
      "src/feed.ts": `import "./report_decoder.ts";\n`,
      "src/report_decoder.ts": `import "./feed.ts";\n`,
    },
    [`src/report_decoder.ts:1: closes an import cycle: ${cycle}`],
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
    { "src/clock.ts": "Date.now();\nsetTimeout(f, 1);\n" },
    [],
  ],
  "signals are tied together so that they can be untied": [
    { "src/feed.ts": "AbortSignal.any([signal, own]);\n", "src/profile.ts": "AbortSignal.any([signal, own]);\n" },
    ["src/feed.ts:1: `AbortSignal.any` is banned here: use abortedWith() of src/clock.ts, and abort it in the end"],
  ],
  "what comes from the environment is a setting, and main.ts hands it in": [
    { "main.ts": "Deno.env.toObject();\n", "src/mail_text.ts": 'Deno.env.get("HOME");\n' },
    [
      "src/mail_text.ts:1: `Deno.env` is banned here: make it a setting in src/settings.ts; main.ts hands the environment in",
    ],
  ],
  "the log is for log.ts": [
    { "src/mail_text.ts": 'console.log("sent");\n', "scripts/simulator/world.ts": 'console.log("up");\n' },
    ["src/mail_text.ts:1: `console.` is banned here: log with src/log.ts, or report it to the caller, who does"],
  ],
  "any is no type, wherever it stands": [
    {
      "scripts/a.ts": "const a = b as any;\n",
      "src/clock.ts": "let c: any;\nlet d: any[];\n",
      "test/a_test.ts": "f<any>();\n",
    },
    [
      `scripts/a.ts:1: \`as any\` is banned here: ${theType}`,
      `src/clock.ts:1: \`: any\` is banned here: ${theType}`,
      `src/clock.ts:2: \`: any\` is banned here: ${theType}`,
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
  "500 lines are enough, and 600 for tests": [
    {
      "scripts/a.ts": "a();\n".repeat(501),
      "src/clock.ts": "a();\n".repeat(500),
      "src/page.css": "a {}\n".repeat(501),
      "src/page.js": "a();\n".repeat(501),
      "src/page.tsx": "a();\n".repeat(501),
      "test/a_test.ts": "a();\n".repeat(600),
      "test/b_test.ts": "a();\n".repeat(601),
    },
    [
      "scripts/a.ts:501: has 501 lines, 500 at most: split it by subject",
      "src/page.js:501: has 501 lines, 500 at most: split it by subject",
      "src/page.tsx:501: has 501 lines, 500 at most: split it by subject",
      "test/b_test.ts:601: has 601 lines, 600 at most: split it by subject",
    ],
  ],
  "60 lines are enough for a function": [
    { "src/clock.ts": `${functionOf(60)}\n${functionOf(61)}` },
    ["src/clock.ts:62: act has 61 lines, 60 at most: give its parts names"],
  ],
  "and 80 for one that is mostly markup": [
    {
      "src/page.tsx": `${functionOf(80, "  a(<p>b</p>);\n")}\n${functionOf(81, "  a(<p>b</p>);\n")}${functionOf(61)}`,
      "src/clock.ts": functionOf(61, "  a(<p>b</p>);\n"),
    },
    [
      "src/clock.ts:1: act has 61 lines, 60 at most: give its parts names",
      "src/page.tsx:82: act has 81 lines, 80 at most: give its parts names",
      "src/page.tsx:163: act has 61 lines, 60 at most: give its parts names",
    ],
  ],
  "a type has one home, and its name one meaning": [
    {
      "src/clock.ts": "export interface A {}\ntype B = 1;\nexport const C = 1;\nexport type D = typeof C;\n",
      "src/feed.ts": `export type A = 1;
export type B = 1;
export class C {}
export abstract class D {}
export type { E } from "./clock.ts";
`,
      "test/a_test.ts": "export type A = 1;\n",
    },
    [
      "src/feed.ts:1: declares A, as src/clock.ts does: one name, one meaning",
      "src/feed.ts:4: declares D, as src/clock.ts does: one name, one meaning",
    ],
  ],
  "a small module with one user is part of that": [
    {
      "src/access.ts": "a();\n".repeat(79),
      "src/socket_pool.ts": "a();\n".repeat(80),
      "src/report_entry.ts": "a();\n",
      "src/socket_worker.ts": "a();\n",
      "src/feed.ts":
        `import "./access.ts";\nimport type { A } from "./access.ts";\nimport "./socket_pool.ts";\nimport "./report_entry.ts";\n`,
      "src/check.ts": `import "./report_entry.ts";\nnew URL("./socket_worker.ts", import.meta.url);\n`,
      "test/access_test.ts": `import "../src/access.ts";\n`,
    },
    ["src/access.ts:1: has 79 lines and one importer: make it part of src/feed.ts"],
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
  // Most modules of these small trees are small; that is the subject of the case that expects it.
  const isSubject = want.some((fault) => fault.includes("one importer"));
  Deno.test(`checkStyle: ${name}`, () => {
    const faults = checkStyle(new Map(Object.entries(tree)));
    assert.deepEqual(isSubject ? faults : faults.filter((fault) => !fault.includes("one importer")), want);
  });
}

Deno.test("checkStyle: the tree as it stands keeps every rule", () => {
  const tree = readTree(`${import.meta.dirname}/..`);

  assert.ok(["src/clock.ts", "src/page.js", "test/check_style_test.ts"].every((path) => tree.has(path)));
  assert.deepEqual(checkStyle(tree), []);
});

/** As `deno fmt` has one. */
function functionOf(lines: number, line = "  a();\n"): string {
  return `function act() {\n${line.repeat(lines - 2)}}\n`;
}

const code = (source: string) => maskSource(source).code;

// What stands before a body and is none, and what hides that it is one.
const functions: Record<string, [source: string, want: [name: string, line: number, lines: number][]]> = {
  "a function with parameters over several lines": ["function a(\n  b: { c: 1 },\n): { d: 2 } | null {\n  e();\n}\n", [
    ["a", 1, 5],
  ]],
  "a generic one that is exported": ["\nexport async function* a<B extends () => void>(b: B): C<B> {\n}\n", [[
    "a",
    2,
    2,
  ]]],
  "methods, getters and what an object has": [
    "class A {\n  constructor() {\n  }\n  get #b(): C {\n  }\n  async [Symbol.x](): P<{ a: 1 }> {\n  }\n}\n",
    [["constructor", 2, 2], ["#b", 4, 2], ["[Symbol.x]", 6, 2]],
  ],
  "an arrow, its name on its line": ["const a = (b) => {\n  c();\n};\nf({\n  d: () => {\n  },\n});\n", [["a", 1, 3], [
    "d",
    5,
    2,
  ]]],
  "an arrow with parameters over several lines": ["const a = (\n  b,\n  c,\n) => {\n  d();\n};\n", [["a", 1, 6]]],
  "an arrow that is an expression in brackets": ["const a = () => (\n  b\n);\n", [["a", 1, 3]]],
  "a test is a function too": [`Deno.test("a", async () => {\n  b();\n});\n`, [["an arrow function", 1, 3]]],
  "calls, blocks and declarations are none": [
    "if (a) {\n}\nfor (const b of c) {\n}\n  d(e);\nswitch (f) {\n}\n  g(h) ? {} : {};\ninterface I {\n  j(k: 1): void;\n}\n",
    [],
  ],
};
for (const [name, [source, want]] of Object.entries(functions)) {
  Deno.test(`functionsOf: ${name}`, () => {
    const found = functionsOf(code(source)).map(({ name, line, lines }) => [name, line, lines]);
    assert.deepEqual(found, want);
  });
}
