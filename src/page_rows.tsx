/**
 * The list of experiments: as many of those that are asked for as are shown, and where the rest is. It is made a part at a
 * time, as there can be thousands. What is asked for and in which order is for `page_list`, what a row has for `page_row`.
 */
import { legend } from "./page_bar.tsx";
import { orderWords } from "./page_form.tsx";
import { isShown, ordered } from "./page_list.ts";
import { linkTo, type PageQuery, restMin, rowsMax } from "./page_query.ts";
import { row } from "./page_row.tsx";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

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
      {snapshot.experiments.length > 0 && <p class="none">No experiment is like that.</p>}
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
