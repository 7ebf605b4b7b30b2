/**
 * What a reader asked the page for, as its address has it: what is there is checked, what is not or is nonsense is the
 * default, and defaults are left out of links. Pure. What is then shown is for `page_list` and `page`.
 */
import { excerpt } from "./failure.ts";

export type PageWindow = "24h" | "7d" | "30d";
export type PageShow = "all" | "trouble" | "unavailable" | "held" | "extra";
export type PageOrder = "trouble" | "name" | "since";
export type PageView = "list" | "wall";
export type PageTheme = "system" | "light" | "dark";
export type PageRows = "first" | "all";

export interface PageQuery {
  /** The name of the one experiment that is asked for; null for the list. */
  readonly experiment: string | null;
  /** What is searched for, in any case; empty for nothing. */
  readonly q: string;
  readonly show: PageShow;
  readonly order: PageOrder;
  readonly window: PageWindow;
  readonly view: PageView;
  readonly theme: PageTheme;
  /** Which of those that are asked for are listed, where there are more than `rowsMax` and a rest worth the name. */
  readonly rows: PageRows;
}

/** Experiments in the list unless all are asked for: nobody reads more, and whoever only looks in would wait for them. */
export const rowsMax = 1_000;
/** A rest of fewer is listed, too: nobody should have to ask for the last one. */
export const restMin = 100;

/** Each choice of the page; the first is the default. */
export const choices = {
  show: ["all", "trouble", "unavailable", "held", "extra"],
  order: ["trouble", "name", "since"],
  window: ["24h", "7d", "30d"],
  view: ["list", "wall"],
  theme: ["system", "light", "dark"],
  rows: ["first", "all"],
} as const satisfies { [Key in keyof PageQuery]?: readonly PageQuery[Key][] };

/** Longer words match nothing anyway; what is searched has no control characters either. */
const searchLengthMax = 200;

export function readQuery(params: URLSearchParams): PageQuery {
  return {
    experiment: params.get("experiment") || null,
    q: excerpt((params.get("q") ?? "").slice(0, searchLengthMax)),
    show: chosen("show", params),
    order: chosen("order", params),
    window: chosen("window", params),
    view: chosen("view", params),
    theme: chosen("theme", params),
    rows: chosen("rows", params),
  };
}

/** The relative address of the page that `query` asks for: `?` and what is not the default. */
export function linkTo(query: Partial<PageQuery>): string {
  const params = new URLSearchParams();
  if (query.experiment) params.set("experiment", query.experiment);
  if (query.q) params.set("q", query.q);
  for (const [key, [usual]] of Object.entries(choices) as [keyof typeof choices, readonly string[]][]) {
    const value = query[key];
    if (value !== undefined && value !== usual) params.set(key, value);
  }
  return `?${params}`;
}

export const windowMs: Readonly<Record<PageWindow, number>> = {
  "24h": 86_400_000,
  "7d": 7 * 86_400_000,
  "30d": 30 * 86_400_000,
};

export const windowWords: Readonly<Record<PageWindow, string>> = {
  "24h": "24 hours",
  "7d": "7 days",
  "30d": "30 days",
};

function chosen<Key extends keyof typeof choices>(key: Key, params: URLSearchParams): (typeof choices)[Key][number] {
  const values: readonly (typeof choices)[Key][number][] = choices[key];
  return values.find((value) => value === params.get(key)) ?? choices[key][0];
}
