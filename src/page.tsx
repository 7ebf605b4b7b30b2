/**
 * The page that a lab manager leaves open on a wall and opens on a phone at night: the whole document, complete without
 * JavaScript; `page.js` keeps it live, `live_page` sends the pieces. Every URL is relative, as it sits behind a proxy's path.
 * Parts: `page_top`, `page_form`, `page_rows`, `page_row`, `page_experiment`.
 */
import { raw } from "hono/html";
import css from "./page.css" with { type: "text" };
import js from "./page.js" with { type: "text" };
import changeJs from "./page_change.js" with { type: "text" };
import { experiment } from "./page_experiment.tsx";
import { type Banner, bannerOf, titleOf, top } from "./page_header.tsx";
import { instant, legend, shapes } from "./page_history.tsx";
import { find, form, list, type Markup, rowTexts, windowLinks } from "./page_list.tsx";
import { linkTo, nameText, type PageQuery } from "./page_model.ts";
import timeJs from "./page_time.js" with { type: "text" };
import type { ExperimentView, Snapshot } from "./snapshot.ts";

/** `prefix`: from the page to what is under `/api/`. */
export interface PageAt {
  readonly nowMs: number;
  readonly prefix: "" | "api/";
}

/** False for an experiment that there is not: the page says so, and its answer is a 404. */
export function isKnown(snapshot: Snapshot, { experiment }: PageQuery): boolean {
  return experiment === null || viewOf(snapshot, experiment) !== undefined;
}

/**
 * The page in pieces, in their order. An empty one asks for a turn for all else: there can be thousands of rows, and all
 * experiments are looked through.
 */
export function* pageTexts(snapshot: Snapshot, query: PageQuery, at: PageAt): Generator<string> {
  if (query.experiment !== null) {
    yield wholeText(snapshot, query, at, one(snapshot, query.experiment, { query, prefix: at.prefix }));
    return;
  }
  const found = yield* find(snapshot, query);
  const whole = wholeText(snapshot, query, at, list(found, snapshot, query, raw(rowsMark)));
  const [before = "", after = ""] = whole.split(rowsMark);
  yield before;
  yield* rowTexts(found.listed, snapshot, query);
  yield after;
}

// Where the rows go. It stands nowhere else: what others say is escaped.
const rowsMark = "<!--rows-->";

function wholeText(snapshot: Snapshot, query: PageQuery, { nowMs, prefix }: PageAt, main: Markup): string {
  const banner = bannerOf(snapshot);
  return `<!DOCTYPE html>${(
    <html lang="en" data-theme={query.theme}>
      {head(banner, query, prefix)}
      <body
        class={query.experiment === null ? query.view : "one"}
        data-live={liveAddress(query, prefix)}
        data-revision={`${snapshot.startedMs}-${snapshot.revision}`}
        data-version={snapshot.version}
      >
        <a class="skip" href="#main">Skip to the experiments</a>
        {shapes()}
        {top(snapshot, nowMs)}
        <aside class="fresh" aria-label="How fresh this page is">
          <p id="freshness" data-state="static">as of {instant(nowMs)}; reload for newer</p>
        </aside>
        {query.experiment === null && form(snapshot, query)}
        {main}
        <p id="said" class="visually-hidden" aria-live="polite"></p>
        <footer>
          <p>status {snapshot.version}, running since {instant(snapshot.startedMs)}</p>
          <p>
            For programs: <a href={`${prefix}v1/experiments`}>experiments</a>,{" "}
            <a href={`${prefix}v1/status`}>status</a>, <a href={`${prefix}v1/openapi.json`}>what else there is</a>
          </p>
        </footer>
      </body>
    </html>
  )}`;
}

function head(banner: Banner, { theme }: PageQuery, prefix: string) {
  return (
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content={theme === "system" ? "light dark" : theme} />
      <meta name="robots" content="noindex" />
      <title>{titleOf(banner)}</title>
      <link rel="icon" id="icon" type="image/svg+xml" href={`${prefix}icon.svg?trouble=${banner.trouble}`} />
      <link rel="stylesheet" href={`${prefix}page.css`} />
      <script type="module" src={`${prefix}page.js`}></script>
    </head>
  );
}

function one(snapshot: Snapshot, name: string, { query, prefix }: { query: PageQuery; prefix: string }) {
  const view = viewOf(snapshot, name);
  const path = encodeURIComponent(name.toWellFormed());
  return (
    <>
      <nav aria-label="This page">
        <a href={linkTo({ ...query, experiment: null })}>All experiments</a>
        {view && windowLinks(query)}
      </nav>
      <main id="main" tabindex={-1}>
        {view ? experiment(view, snapshot, query.window) : (
          <h2>
            There is no experiment <bdi>{nameText(name)}</bdi>
          </h2>
        )}
        {view && legend()}
        {view && !isFolded(path) && (
          <p class="json">
            As JSON: <a href={`${prefix}v1/experiments/events/${path}`}>events</a>,{" "}
            <a href={`${prefix}v1/experiments/${path}/history?window=${query.window}`}>history</a>
          </p>
        )}
      </main>
    </>
  );
}

/** Browsers take these for steps in the path, however they are written: no link leads to an experiment of such a name. */
function isFolded(path: string): boolean {
  return path === "." || path === "..";
}

function liveAddress({ experiment, window }: PageQuery, prefix: string): string {
  const page = experiment === null ? { page: "list" } : { page: "experiment", experiment };
  return `${prefix}v1/live?${new URLSearchParams({ ...page, window })}`;
}

function viewOf({ experiments }: Snapshot, name: string): ExperimentView | undefined {
  return experiments.find((each) => each.name === name);
}

/*  What the page needs besides its HTML: the stylesheet and the client's script as text, and the tab's icon. */

export const pageCss: string = css;
export const pageJs: string = js;
export const pageChangeJs: string = changeJs;
export const pageTimeJs: string = timeJs;
