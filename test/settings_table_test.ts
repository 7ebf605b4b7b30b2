import assert from "node:assert/strict";
import { readSettings, settingsInForce, settingsTable } from "../src/settings.ts";
import { authorityPem } from "./support/authority.ts";
import { leastEnvironment, mailEnvironment } from "./support/environment.ts";

Deno.test("the table has a row for each variable", () => {
  const rows = settingsTable().split("\n");

  assert.equal(rows[2], "| `STATUS_SCHEME_BOOK` | `https` | http or https | how book is reached |");
  assert.ok(
    rows.includes(
      `| \`STATUS_EMAIL_CC\` | none | addresses, separated by commas, semicolons or spaces | further recipients |`,
    ),
  );
  assert.ok(
    rows.includes("| `STATUS_SECRET_BOOK` | required | one character or more | what book's tokens are signed with |"),
  );
  assert.equal(new Set(rows.map((row) => row.split("|")[1])).size, rows.length);
});

Deno.test("the table of docs/settings.md is the one that is made from the settings", async () => {
  const paper = await Deno.readTextFile(new URL("../docs/settings.md", import.meta.url));
  const withoutPadding = (table: string) => table.trim().replace(/ +/g, " ").replace(/-{3,}/g, "---");

  const [, table = ""] = /<!-- settings -->([^]*)<!-- \/settings -->/.exec(paper) ?? [];
  assert.equal(withoutPadding(table), withoutPadding(settingsTable()));
});

Deno.test("the settings in force say what was given, what is a default, and no secret", () => {
  const result = readSettings({
    ...leastEnvironment,
    ...mailEnvironment,
    STATUS_EMAIL_TO: '"Lab, The" <lab@x.org>; ann@a.org',
    STATUS_EMAIL_PASSWORD: "hunter2",
    STATUS_QUERY_BOOK_EVERY: "90m",
    STATUS_EMAIL_CA_FILE: "/ca.pem",
  }, () => authorityPem);
  assert.ok(result.kind === "ok");
  const lines = settingsInForce(result.settings);

  const wanted = [
    "STATUS_SCHEME_BOOK: https (default)",
    "STATUS_HOST_BOOK: book.example.org",
    "STATUS_BASEPATH_BOOK: / (default)",
    "STATUS_SECRET_BOOK: (secret)",
    "STATUS_QUERY_BOOK_EVERY: 1h30m",
    "STATUS_HEALTH_LAST_ACTIVE: 10s (default)",
    'STATUS_EMAIL_TO: "Lab, The" <lab@x.org>, ann@a.org',
    "STATUS_EMAIL_CC: none (default)",
    "STATUS_EMAIL_AUTH_TYPE: plain (default)",
    "STATUS_EMAIL_USER: status@example.org (default)",
    "STATUS_EMAIL_PASSWORD: (secret)",
    "STATUS_EMAIL_CA_FILE: 1 certificate",
  ];
  assert.deepEqual(lines.filter((line) => wanted.includes(line)), wanted);
});
