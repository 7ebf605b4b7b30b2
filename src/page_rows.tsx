/**
 * The list of experiments: those that are asked for, as many of them as are shown, and where the rest is. It is made a part
 * at a time, as there can be thousands. What a row has is for `page_row`, what is asked for and in which order `page_list`.
 */
import { raw } from "hono/html";
import { legend } from "./page_bar.tsx";
import { orderWords } from "./page_form.tsx";
import { isShown, ordered } from "./page_list.ts";
import { linkTo, type PageQuery, rowsMax } from "./page_query.ts";
import { row } from "./page_row.tsx";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

/** Experiments that are looked through, and rows that are made, in one go: some milliseconds' work each. */
const lookedAtPerPart = 1_000;
export const rowsPerPart = 100;

/** `<main>`. At each step whoever takes it can let others have their turn. */
export function* listInParts(snapshot: Snapshot, query: PageQuery): Generator<void, ReturnType<typeof legend>> {
  const asked = yield* askedFor(snapshot, query);
  const views = query.rows === "all" ? asked : asked.slice(0, rowsMax);
  const rows: string[] = [];
  for (let at = 0; at < views.length; at += rowsPerPart) {
    if (at > 0) yield;
    // As a text: the objects that JSX makes of each row can go.
    rows.push(views.slice(at, at + rowsPerPart).map((view) => String(row(view, snapshot, query))).join(""));
  }
  const rest = restLine(asked.length, query);
  const limit = views.length < asked.length ? rowsMax : undefined;
  return (
    <main id="main" tabindex={-1}>
      <h2 class="visually-hidden">Experiments</h2>
      {rest}
      <ol id="experiments" class={query.view} data-size={sizeOf(views.length)} data-rows={limit}>
        {raw(rows.join(""))}
      </ol>
      {snapshot.experiments.length > 0 && <p class="none">No experiment is like that.</p>}
      {rest}
      {legend()}
    </main>
  );
}

/** In their order. */
function* askedFor(snapshot: Snapshot, query: PageQuery): Generator<void, readonly ExperimentView[]> {
  const found: ExperimentView[] = [];
  for (const [at, view] of snapshot.experiments.entries()) {
    if (at > 0 && at % lookedAtPerPart === 0) yield;
    if (isShown(view, snapshot, query)) found.push(view);
  }
  return ordered({ ...snapshot, experiments: found }, query.order);
}

/** Where there are more than are usually shown: that there are, and how to see all. The script keeps the count true. */
function restLine(count: number, query: PageQuery) {
  if (count <= rowsMax) return null;
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
