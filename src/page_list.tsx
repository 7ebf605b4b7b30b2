/**
 * The list of experiments: the form that says which are shown, the rows, one row with what is wrong and what book holds. Pure.
 * The document around it is in `page`, what is shown and in which words in `page_model`.
 */
import type { Issue } from "./alerts.ts";
import { sanitize } from "./failure.ts";
import { age, historyBar, legend, type Mark, mark, shortInstant } from "./page_history.tsx";
import {
  changeText,
  choices,
  countsOf,
  hostWords,
  isInTrouble,
  isShown,
  linkTo,
  nameText,
  ordered,
  ownIssueText,
  ownTopic,
  type PageQuery,
  type PageWindow,
  rankOf,
  restMin,
  rowId,
  rowsMax,
  searchText,
  stateWords,
  streamWords,
  tagsOf,
  windowWords,
} from "./page_model.ts";
import type { ExperimentView, Snapshot, StreamView } from "./snapshot.ts";

/*  What a reader can choose, as one form that works without JavaScript: the address keeps it. What it means is for `page_list`. */

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

/*
 * The list of experiments: as many of those that are asked for as are shown, and where the rest is. It is made a part at a
 * time, as there can be thousands. What is asked for and in which order is for `page_list`, what a row has for `page_row`.
 */

/** Experiments that are looked through, and rows that are made, in one go: some milliseconds' work each. */
const lookedAtPerPart = 1_000;

const rowsPerPart = 100;

export type Markup = ReturnType<typeof row>;

/** `listed`: as many of all that are `asked` for as are shown, in their order. */
export interface Found {
  readonly asked: number;
  readonly listed: readonly ExperimentView[];
}

/** An empty text asks for a turn for all else. */
export function* find(snapshot: Snapshot, query: PageQuery): Generator<"", Found> {
  const asked: ExperimentView[] = [];
  for (const [at, view] of snapshot.experiments.entries()) {
    if (at > 0 && at % lookedAtPerPart === 0) yield "";
    if (isShown(view, snapshot, query)) asked.push(view);
  }
  const inOrder = ordered({ ...snapshot, experiments: asked }, query.order);
  const isCut = query.rows === "first" && hasRest(asked.length);
  return { asked: asked.length, listed: isCut ? inOrder.slice(0, rowsMax) : inOrder };
}

/** `<main>` but for the rows themselves, which are to stand where `rows` does. */
export function list({ asked, listed }: Found, snapshot: Snapshot, query: PageQuery, rows: Markup) {
  const rest = restLine(asked, query);
  const limit = listed.length < asked ? rowsMax : undefined;
  return (
    <main id="main" tabindex={-1}>
      <h2 class="visually-hidden">Experiments</h2>
      {rest}
      <ol id="experiments" class={query.view} data-size={sizeOf(listed.length)} data-rows={limit}>{rows}</ol>
      {snapshot.experiments.length > 0 && <p class="none">No experiments match.</p>}
      {rest}
      {legend()}
    </main>
  );
}

/** Each a text, so that the many objects of which JSX makes it can go. */
export function* rowTexts(
  views: readonly ExperimentView[],
  snapshot: Snapshot,
  query: PageQuery,
): Generator<string> {
  for (const [at, view] of views.entries()) {
    if (at > 0 && at % rowsPerPart === 0) yield "";
    yield String(row(view, snapshot, query));
  }
}

function hasRest(count: number): boolean {
  return count >= rowsMax + restMin;
}

/** Where there are more than are usually shown: that there are, and how to see all. The script keeps the count true. */
function restLine(count: number, query: PageQuery) {
  if (!hasRest(count)) return null;
  const all = <b data-count={query.q === "" ? query.show : undefined}>{count}</b>;
  if (query.rows === "all") {
    return (
      <p class="rest">
        All {all} are listed. <a href={linkTo({ ...query, rows: "first" })}>List the first {rowsMax}</a>
      </p>
    );
  }
  return (
    <p class="rest">
      The first {rowsMax} of {all} are listed, {orderWords[query.order]}.{" "}
      <a href={linkTo({ ...query, rows: "all" })}>List all</a>
    </p>
  );
}

/** How dense the wall is. As of when the page is made: a stylesheet that counts rows lays all of them out anew for each. */
function sizeOf(count: number): "few" | "some" | "many" | "most" {
  return count > 120 ? "most" : count > 60 ? "many" : count > 12 ? "some" : "few";
}

/*
 * One experiment in the page's list: all that is to be known of it at a glance. The same HTML wherever the row comes from and
 * however it is shown: as a list or as tiles on a wall, the stylesheet decides. Few nodes, as there can be a thousand.
 */

/** The row of `view` with its history over `window`. */
export function renderRow(view: ExperimentView, snapshot: Snapshot, window: PageWindow): string {
  return String(row(view, snapshot, { window }));
}

/** `query`: what its link keeps. */
export function row(view: ExperimentView, snapshot: Snapshot, query: Partial<PageQuery> & { window: PageWindow }) {
  return (
    <li
      class={`row ${view.state}`}
      id={rowId(view.name)}
      data-tags={tagsOf(view, snapshot).join(" ")}
      data-search={searchText(view)}
      data-rank={rankOf(view, snapshot)}
      data-name={nameText(view.name)}
      data-since={view.sinceMs}
      data-says={changeText(view)}
    >
      <div class="who">
        <h3>
          <a href={linkTo({ ...query, experiment: view.name })}>
            {mark(markOf(view, snapshot))}
            <bdi>{nameText(view.name)}</bdi>
          </a>
        </h3>
        {bookLine(view, snapshot)}
      </div>
      <div class="how">
        <p class="brief">{summaryText(view, snapshot)}</p>
        {statusLine(view, snapshot)}
        {issueList(view)}
        {jumpLine(view, snapshot)}
      </div>
      <ul class="streams">{view.streams.map((stream) => streamItem(stream, view, snapshot))}</ul>
      {historyBar(view, snapshot, query.window)}
    </li>
  );
}

/** State, for how long and since when. */
export function statusLine(view: ExperimentView, snapshot: Snapshot) {
  return (
    <p class="standing">
      <b>{stateWords[view.state]}</b> for {age(view.sinceMs, snapshot.atMs)}{" "}
      <span class="since">since {shortInstant(view.sinceMs)}</span>
    </p>
  );
}

/** What is wrong; while it is not known whether that still holds, so it says. */
export function issueList({ name, state, issues }: ExperimentView) {
  if (issues.length === 0) return null;
  const isPast = state === "unknown" || state === "starting";
  const item = (issue: Issue) => {
    return <li>{isPast ? "last: " : ""}{ownIssueText(issue, name)}</li>;
  };
  return <ul class="issues">{issues.map(item)}</ul>;
}

/** Its resources, what book offers of them, who holds it and why, and what is not done about it. */
export function bookLine(view: ExperimentView, snapshot: Snapshot) {
  const { resources, available, held, trial } = view;
  if (resources.length === 0) return <p class="resource">not in book</p>;
  const isStranded = isInTrouble(view, snapshot) && view.issues.length === 0;
  return (
    <p class={`book ${available ? "available" : "unavailable"}`}>
      <bdi>{resources.map(sanitize).join(", ")}</bdi>: {held !== null ? mark("held") : available ? null : mark("off")}
      {available ? "available" : "unavailable"}
      {held !== null && (
        <>
          , held by a person: <q>{sanitize(held)}</q>
        </>
      )}
      {isStranded && trial === null && ", although all required streams are ok"}
      {trial !== null && (
        <>
          . A trial, so not written: <q>{trialText(trial)}</q>
        </>
      )}
    </p>
  );
}

/** Whether it can be logged into. */
function jumpLine({ host }: ExperimentView, snapshot: Snapshot) {
  const { mark: shape, words, sinceMs } = hostWords(host, snapshot);
  return <p class="jump">{mark(shape)} jump: {words}{sinceMs !== null && <>{" "}{age(sinceMs, snapshot.atMs)}</>}</p>;
}

/** Its shape, its name, how it is, and whether book requires it. */
function streamItem(stream: StreamView, view: ExperimentView, snapshot: Snapshot) {
  const { mark: shape, words, sinceMs } = streamWords(stream, snapshot);
  return (
    <li>
      {mark(shape)} <span>{streamName(stream, view)}</span>{" "}
      <span>
        {words}
        {sinceMs !== null && <>{" "}{age(sinceMs, snapshot.atMs)}</>}
      </span>{" "}
      <i>{stream.required ? "required" : "extra"}</i>
    </li>
  );
}

/** The whole topic; what is its experiment's name in it stands back. */
function streamName({ topic }: StreamView, { name }: ExperimentView) {
  const own = ownTopic(topic, name);
  return <bdi>{own === topic ? "" : <span class="stub">{nameText(name)}-</span>}{sanitize(own)}</bdi>;
}

export function markOf(view: ExperimentView, snapshot: Snapshot): Mark {
  if (view.state === "healthy" && isInTrouble(view, snapshot)) return "warned";
  return view.state;
}

/** What would be written, without the words and the time that every such reason begins with. */
function trialText(trial: string): string {
  return sanitize(trial.replaceAll(/status server: \S+ /g, ""));
}

/** The main trouble in a word or two, for the wall. */
function summaryText(view: ExperimentView, snapshot: Snapshot): string {
  const [first, ...more] = view.issues;
  const count = more.length > 0 ? ` +${more.length}` : "";
  if (view.state === "unknown" || view.state === "starting") return stateWords[view.state];
  if (first !== undefined) return ownIssueText(first, view.name) + count;
  if (view.held !== null) return `held: ${sanitize(view.held)}`;
  return isInTrouble(view, snapshot) ? "unavailable" : stateWords[view.state];
}
