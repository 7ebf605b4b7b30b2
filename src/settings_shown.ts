/**
 * The settings as people are shown them: the README's table, those in force (`status check --offline`), and the nearest
 * name for a variable that is none. Made from the list of them alone. Shows no secret.
 */
import type { Otherwise } from "./setting.ts";
import { allSettings, type SettingName, type Values } from "./settings_list.ts";
import { excerpt } from "./trouble.ts";

/** The table of the README: Markdown, a row for each variable. */
export function settingsTable(): string {
  const cell = (text: string) => text.replace(/[|<>\\]/g, "\\$&");
  const rows = allSettings.map(([name, { meaning, kind, otherwise }]) => {
    const allowed = kind.source === "file" ? `a file that holds ${kind.allowed}` : kind.allowed;
    return `| \`STATUS_${name}\` | ${cell(defaultWords(otherwise))} | ${cell(allowed)} | ${cell(meaning)} |`;
  });
  return ["| variable | default | what it may be | what it is |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

/** A line each, with secrets as `(secret)`. */
export function settingsInForce(settings: Values & { readonly given: ReadonlySet<SettingName> }): string[] {
  return allSettings.map(([name, { kind, otherwise }]) => {
    if (settings.given.has(name)) return `STATUS_${name}: ${kind.show(settings[name])}`;
    const isUnset = otherwise.kind === "value" && otherwise.value === settings[name];
    return `STATUS_${name}: ${isUnset ? otherwise.words : kind.show(settings[name])} (default)`;
  });
}

/** A warning for each `STATUS_*` variable of `env` that is none of ours. Says its name only: it may hold a secret. */
export function unknownNames(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = allSettings.flatMap(([name, { kind }]) => {
    return kind.source === "secret" ? [`STATUS_${name}`, `STATUS_${name}_FILE`] : [`STATUS_${name}`];
  });
  return Object.keys(env)
    .filter((name) => name.startsWith("STATUS_") && !known.includes(name))
    .sort()
    .map((name) => `${excerpt(name)} is not a setting: is ${nearest(name, known)} meant?`);
}

function defaultWords(otherwise: Otherwise<unknown>): string {
  switch (otherwise.kind) {
    case "required":
      return "required";
    case "text":
      return `\`${otherwise.text}\``;
    case "value":
      return otherwise.words;
    case "follows":
      return `as \`STATUS_${otherwise.name}\``;
  }
}

function nearest(name: string, known: readonly string[]): string | undefined {
  // The host's environment sets the length of a name: beyond this it is no slip of the pen, and costs time.
  const typed = name.slice(0, 100);
  const distances = known.map((each) => distance(typed, each));
  return known[distances.indexOf(Math.min(...distances))];
}

/** How many letters to add, drop or change to make `b` of `a` (Levenshtein), by rows of the usual table. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [done, letter] of [...a].entries()) {
    const next = [done + 1];
    for (const [at, other] of [...b].entries()) {
      const changed = (row[at] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(changed, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
