/** The papers agree with the code, as far as that is cheap to check. The table of settings is for `settings_table_test`. */
import assert from "node:assert/strict";
import config from "../deno.json" with { type: "json" };
import { composeMail } from "../src/mail_html.tsx";
import { unknownNames } from "../src/settings.ts";
import { appOf } from "./support/app.ts";
import { contractLab, contractLetter, letter, nowMs, snapshot } from "./support/letters.ts";

const root = new URL("..", import.meta.url);
const textOf = (path: string): string => Deno.readTextFileSync(new URL(path, root));
const readme = textOf("README.md");
const architecture = textOf("ARCHITECTURE.md");
const contributing = textOf("CONTRIBUTING.md");
const papers: Record<string, string> = {
  "README.md": readme,
  "ARCHITECTURE.md": architecture,
  "CONTRIBUTING.md": contributing,
  "CHANGELOG.md": textOf("CHANGELOG.md"),
  ...Object.fromEntries(
    ["rules", "settings", "api", "migration", "troubleshooting"].map((name) => [
      `docs/${name}.md`,
      textOf(`docs/${name}.md`),
    ]),
  ),
};
const allPapers = Object.values(papers).join("\n");

Deno.test("the papers name the Deno that is pinned, and no other", () => {
  const named = new Set(found(allPapers, /deno@([\d.]+)/g));

  assert.deepEqual([...named], [textOf(".deno-version").trim()]);
});

Deno.test("every task that the papers name is one of deno.json", () => {
  const named = found(allPapers, /\btask ([a-z]+)/g);

  assert.deepEqual(named.filter((task) => !Object.keys(config.tasks).includes(task)), []);
  assert.ok(named.includes("demo") && named.includes("ok"));
});

Deno.test("every STATUS_ variable that the papers name is a setting", () => {
  // `STATUS_SECRET_…` stands for several.
  const named = found(allPapers, /\b(STATUS_[A-Z_]+)/g).filter((name) => !name.endsWith("_"));

  assert.deepEqual(unknownNames(Object.fromEntries(named.map((name) => [name, ""]))), []);
  assert.ok(named.length > 0);
});

Deno.test("the mail of the README is what a mail says", async () => {
  const style = { subject: "app.example.org/t", link: "https://app.example.org/t/status" };
  const { subject, text } = await composeMail(letter(contractLetter), snapshot(contractLab), style, nowMs);

  const [shown] = found(readme, /<!-- mail -->\s*```\n([^]*?)```\s*<!-- \/mail -->/g);
  assert.equal(shown, `Subject: ${subject}\n\n${text}`);
});

Deno.test("the server answers at every address of docs/api.md", async () => {
  const app = appOf(snapshot(contractLab));
  const paths = found(papers["docs/api.md"] ?? "", /^\| `GET (\/\S*)`/gm).map((path) => path.replace("NAME", "pend00"));

  assert.ok(paths.length > 0);
  assert.deepEqual(
    await Promise.all(paths.map(async (path) => (await app.request(path)).status)),
    paths.map(() => 200),
  );
});

Deno.test("every command of the README is one of the program, and the other way round", () => {
  const named = new Set(found(readme, /^\| `status ([a-z]+)[^`]*`/gm));

  assert.deepEqual([...named].sort(), found(textOf("main.ts"), /\.command\("([a-z]+)"\)/g).sort());
});

for (const [name, text] of Object.entries(papers)) {
  Deno.test(`the links of ${name} lead somewhere`, () => {
    const dead = found(text, /\]\(([^)]+)\)/g).filter((link) => !/^https?:/.test(link) && !leads(link, name));

    assert.deepEqual(dead, []);
  });

  Deno.test(`every file that ${name} names is there`, () => {
    const named = found(
      text,
      /`((?:(?:src|test|scripts|deploy)\/)?[a-z_]+\.(?:tsx?|html|env|service|conf|logrotate)|\.ci\/run)`/g,
    );

    assert.deepEqual(named.filter((path) => !folders.some((folder) => exists(`${folder}${path}`))), []);
  });
}

Deno.test("every name that ARCHITECTURE and CONTRIBUTING give to search for can be found", () => {
  const named = found(architecture + contributing, /`([A-Za-z]+(?:\.[a-z][A-Za-z]*)?)`/g)
    .flatMap((name) => name.split(".")).filter((name) => /[a-z][A-Z]|^[A-Z][a-z]/.test(name));
  const code = ["src", "scripts", "test/support"].flatMap(sources).join("\n");

  assert.deepEqual(named.filter((name) => !new RegExp(`\\b${name}\\b`).test(code)), []);
  assert.ok(named.includes("verdictOf"));
});

Deno.test("ARCHITECTURE has every module of src, in the layer that check_style gives it", () => {
  const rows = [...architecture.matchAll(/^\| (\w+) +\| (`.*`.*) +\|$/gm)];
  const shown = rows.map(([, layer, files = ""]) => [layer, found(files, /`([a-z_]+)`/g).sort()]);
  const [, listed = ""] = /const layers[^=]*= \[([^]*?)\n\];/.exec(textOf("scripts/check_style.ts")) ?? [];
  const layers = [...listed.matchAll(/\[\s*"(\w+)",\s*"([^"]+)",?\s*\]/g)];

  assert.deepEqual(shown, layers.map(([, layer, files = ""]) => [layer, files.split(" ").sort()]));
  const modules = new Set(names("src").filter((name) => /\.tsx?$/.test(name)).map((name) => name.split(".")[0]));
  assert.deepEqual(new Set(shown.flatMap(([, files]) => files)), modules);
});

Deno.test("the README is short enough to be read", () => {
  assert.ok(readme.length <= 15 * 1024, `${readme.length} characters`);
});

// A name in a sentence may leave out where the file is.
const folders = ["", "src/", "scripts/", "deploy/"];

/** What the group of `pattern` matched, each time. */
function found(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, group = ""]) => group);
}

/** `paper`: where the link is. */
function leads(link: string, paper: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? paper : new URL(path, `file:///${paper}`).pathname.slice(1);
  return exists(target) && (anchor === undefined || headings(textOf(target)).includes(anchor));
}

/** As a forge makes addresses of headings. */
function headings(text: string): string[] {
  return found(text, /^#+ (.+)$/gm).map((each) => each.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-"));
}

function exists(path: string): boolean {
  try {
    Deno.statSync(new URL(path, root));
    return true;
  } catch {
    return false; // not there, or no path at all
  }
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(new URL(`${folder}/`, root))].filter(({ isFile }) => isFile).map(({ name }) => name);
}

function sources(folder: string): string[] {
  return names(folder).filter((name) => /\.tsx?$/.test(name)).map((name) => textOf(`${folder}/${name}`));
}
