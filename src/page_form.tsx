/** What a reader can choose, as one form that works without JavaScript: the address keeps it. What it means is for `page_list`. */
import { countsOf } from "./page_list.ts";
import { choices, linkTo, type PageQuery, type PageWindow, windowWords } from "./page_query.ts";
import type { Snapshot } from "./snapshot.ts";

/** `<form id="choose">`. */
export function form(snapshot: Snapshot, query: PageQuery) {
  const counts = countsOf(snapshot);
  return (
    <form id="choose" role="search" aria-label="Experiments" action="?" method="get" autocomplete="off">
      <p class="field">
        <label for="q">Search</label>
        <input type="search" id="q" name="q" value={query.q} maxlength={200} autocomplete="off" spellcheck={false} />
      </p>
      <fieldset>
        <legend>Show</legend>
        {choices.show.map((value) => (
          <label>
            <input type="radio" name="show" value={value} checked={query.show === value} />
            <span>
              {words.show[value]} <b data-count={value}>{counts[value]}</b>
            </span>
          </label>
        ))}
      </fieldset>
      {select("order", "Order", query)}
      {select("window", "History", query)}
      {select("view", "View", query)}
      {select("theme", "Colours", query)}
      {query.rows === "all" && <input type="hidden" name="rows" value="all" />}
      <button type="submit">Apply</button>
    </form>
  );
}

/** The windows of one experiment's history. */
export function windowLinks(query: PageQuery) {
  return (
    <ul class="windows" aria-label="History of">
      {choices.window.map((window) => (
        <li>
          <a href={linkTo({ ...query, window })} aria-current={query.window === window ? "true" : undefined}>
            {windowWords[window]}
          </a>
        </li>
      ))}
    </ul>
  );
}

/** How the list is ordered, in words. */
export const orderWords = { trouble: "trouble first", name: "by name", since: "newest first" } as const;

const words = {
  show: { all: "all", trouble: "in trouble", unavailable: "unavailable", held: "held", extra: "extra" },
  order: orderWords,
  window: windowWords satisfies Record<PageWindow, string>,
  view: { list: "list", wall: "wall" },
  theme: { system: "system", light: "light", dark: "dark" },
} as const satisfies { [Key in Exclude<keyof typeof choices, "rows">]: Record<(typeof choices)[Key][number], string> };

function select<Key extends "order" | "window" | "view" | "theme">(key: Key, label: string, query: PageQuery) {
  const options: readonly string[] = choices[key];
  const named: Readonly<Record<string, string>> = words[key];
  const option = (value: string) => {
    return <option value={value} selected={query[key] === value}>{named[value]}</option>;
  };
  return (
    <p class="field">
      <label for={`c-${key}`}>{label}</label>
      <select id={`c-${key}`} name={key}>
        {options.map(option)}
      </select>
    </p>
  );
}
