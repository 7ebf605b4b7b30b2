/**
 * One experiment in the page's list: all that is to be known of it at a glance. The same HTML wherever the row comes from and
 * however it is shown: as a list or as tiles on a wall, the stylesheet decides. Few nodes, as there can be a thousand.
 */
import type { Issue } from "./alerts.ts";
import { excerpt } from "./failure.ts";
import { past } from "./page_bar.tsx";
import { isInTrouble, rankOf, searchText, tagsOf } from "./page_list.ts";
import { linkTo, type PageQuery, type PageWindow } from "./page_query.ts";
import { age, type Mark, mark, shortInstant } from "./page_time.tsx";
import {
  changeText,
  hostWords,
  nameText,
  ownIssueText,
  ownTopic,
  rowId,
  stateWords,
  streamWords,
} from "./page_words.ts";
import type { ExperimentView, Snapshot, StreamView } from "./snapshot.ts";

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
        <p class="brief">{briefText(view, snapshot)}</p>
        {standing(view, snapshot)}
        {issueList(view)}
        {jumpLine(view, snapshot)}
      </div>
      <ul class="streams">{view.streams.map((stream) => streamItem(stream, view, snapshot))}</ul>
      {past(view, snapshot, query.window)}
    </li>
  );
}

/** State, for how long and since when. */
export function standing(view: ExperimentView, snapshot: Snapshot) {
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
      <bdi>{resources.map(excerpt).join(", ")}</bdi>: {held !== null ? mark("held") : available ? null : mark("off")}
      {available ? "available" : "unavailable"}
      {held !== null && (
        <>
          , held by a person: <q>{excerpt(held)}</q>
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
  return <bdi>{own === topic ? "" : <span class="stub">{nameText(name)}-</span>}{excerpt(own)}</bdi>;
}

export function markOf(view: ExperimentView, snapshot: Snapshot): Mark {
  if (view.state === "healthy" && isInTrouble(view, snapshot)) return "warned";
  return view.state;
}

/** What would be written, without the words and the time that every such reason begins with. */
function trialText(trial: string): string {
  return excerpt(trial.replaceAll(/status server: \S+ /g, ""));
}

/** The main trouble in a word or two, for the wall. */
function briefText(view: ExperimentView, snapshot: Snapshot): string {
  const [first, ...more] = view.issues;
  const count = more.length > 0 ? ` +${more.length}` : "";
  if (view.state === "unknown" || view.state === "starting") return stateWords[view.state];
  if (first !== undefined) return ownIssueText(first, view.name) + count;
  if (view.held !== null) return `held: ${excerpt(view.held)}`;
  return isInTrouble(view, snapshot) ? "unavailable" : stateWords[view.state];
}
