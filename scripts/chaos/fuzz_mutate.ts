/** Makes other texts out of texts: by their characters, by the words of their grammar, and, where they are JSON, by their tree. */
import { hostileList } from "../../test/support/hostile.ts";
import type { Dice } from "./kill_dice.ts";

/** What a text may hold instead of what is there. */
export interface Grammar {
  /** Words that mean something where these texts are read. */
  readonly words: readonly string[];
  readonly isJson: boolean;
}

const charsMax = 20_000;

/** One to four changes. Never throws, and is never much longer than it was. */
export function mutate(text: string, grammar: Grammar, dice: Dice): string {
  let changed = text;
  for (let left = 1 + dice.below(4); left > 0; left--) {
    const tree = grammar.isJson && dice.chance(0.7) ? mutateTree(changed, grammar, dice) : null;
    changed = (tree ?? mutateText(changed, grammar, dice)).slice(0, charsMax);
  }
  return changed;
}

/** A text of somebody who wants to do harm, or a word of the grammar. */
export function word({ words }: Grammar, dice: Dice): string {
  return dice.chance(0.5) && words.length > 0 ? dice.pick(words) : dice.pick(hostileList);
}

function mutateText(text: string, grammar: Grammar, dice: Dice): string {
  const [at, length] = [dice.below(text.length + 1), dice.below(Math.min(text.length, 40) + 1)];
  const [before, middle, after] = [text.slice(0, at), text.slice(at, at + length), text.slice(at + length)];
  switch (dice.below(8)) {
    case 0:
      return before + after;
    case 1:
      return before + middle + middle + after;
    case 2:
      return before + middle.repeat(dice.below(30)) + after;
    case 3:
      return before + String.fromCharCode(dice.below(dice.chance(0.5) ? 128 : 65_536)) + after.slice(1);
    case 4:
      return before + middle.split("").toReversed().join("") + after;
    case 5:
      return before; // cut off
    case 6:
      return withOtherNumber(text, dice);
    default:
      return before + word(grammar, dice) + after;
  }
}

const numbers = ["0", "-1", "1e308", "1e309", "-0", "9007199254740993", "0.1e-400", "00", "1.", "NaN", "9".repeat(400)];

function withOtherNumber(text: string, dice: Dice): string {
  const found = [...text.matchAll(/"?-?\d+(?:\.\d+)?[a-zµ]{0,2}"?/g)];
  if (found.length === 0) return text;
  const { index, 0: number } = dice.pick(found);
  return text.slice(0, index) + dice.pick(numbers) + text.slice(index + number.length);
}

/** Null where it is no JSON. */
function mutateTree(text: string, grammar: Grammar, dice: Dice): string | null {
  try {
    return JSON.stringify(mutateValue(JSON.parse(text), grammar, dice)) ?? null;
  } catch {
    return null; // no JSON, or no more: its characters are changed then
  }
}

/** Mostly goes down into one of its parts, and changes that. */
function mutateValue(value: unknown, grammar: Grammar, dice: Dice): unknown {
  if (Array.isArray(value) && value.length > 0 && dice.chance(0.8)) return mutateList(value, grammar, dice);
  if (typeof value === "object" && value !== null && !Array.isArray(value) && dice.chance(0.8)) {
    const entries = Object.entries(value);
    if (entries.length === 0) return { [word(grammar, dice)]: leaf(grammar, dice) };
    const at = dice.below(entries.length);
    const [name, part] = entries[at]!;
    const renamed = dice.chance(0.15) ? word(grammar, dice) : name;
    entries[at] = [renamed, mutateValue(part, grammar, dice)];
    if (dice.chance(0.1)) entries.splice(at, 1);
    if (dice.chance(0.1)) entries.push([word(grammar, dice), leaf(grammar, dice)]);
    return Object.fromEntries(entries);
  }
  return leaf(grammar, dice, value);
}

function mutateList(list: readonly unknown[], grammar: Grammar, dice: Dice): unknown[] {
  const at = dice.below(list.length);
  const part = list[at];
  if (dice.chance(0.1)) return list.toSpliced(at, 1);
  if (dice.chance(0.2)) return [...list, mutateValue(part, grammar, dice)];
  return list.with(at, mutateValue(part, grammar, dice));
}

function leaf(grammar: Grammar, dice: Dice, was: unknown = null): unknown {
  switch (dice.below(9)) {
    case 0:
      return null;
    case 1:
      return dice.chance(0.5);
    case 2:
      return dice.pick([0, -1, 1e308, -1e308, 5e-324, 2 ** 53, 1e21, 1.5]);
    case 3:
      return dice.pick<unknown>([[], {}, [[]], [null], { length: 1 }]);
    case 4:
      return [was, was];
    case 5:
      return { [word(grammar, dice)]: was };
    case 6:
      return typeof was === "string" ? mutateText(was, grammar, dice) : was;
    default:
      return word(grammar, dice);
  }
}
