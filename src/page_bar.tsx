/**
 * The history of one experiment as a bar that can be walked through by keyboard, its shares in words, and its spans as a
 * table. What is in it is for `history`; `page.js` says the words of the piece that is pointed at, and moves the bar on.
 */
import { durationWords } from "./duration.ts";
import { recentOf, sharesOf, type Span, spansOf } from "./history.ts";
import { piecesOf } from "./page_pieces.ts";
import { type PageWindow, windowMs, windowWords } from "./page_query.ts";
import { age, instant, mark } from "./page_time.tsx";
import { nameText, sharesText, shortTimeWords, stateWords } from "./page_words.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

/** The bar of `view` up to the snapshot's time, and below it the shares. */
export function past(view: ExperimentView, snapshot: Snapshot, window: PageWindow) {
  const spans = spansIn(view, snapshot, window);
  return (
    <div class="past">
      {bar(view, { spans, window, originMs: originOf(snapshot) })}
      <p class="shares">{sharesText(sharesOf(spans), isInBook(view))}</p>
    </div>
  );
}

/** What the heights in a bar mean. */
export function legend() {
  return (
    <p class="legend">
      In the bars:
      {(["healthy", "unhealthy", "unknown", "starting", "not_watched"] as const).map((state) => (
        <span>{key(<rect class={state} width="1" />)}{stateWords[state]}</span>
      ))}
      <span>{key(<path d="M0 .82h1V1H0z" />)}unavailable in book</span>
    </p>
  );
}

function key(shape: ReturnType<typeof mark>) {
  return <svg class="key" viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">{shape}</svg>;
}

/** Spans in the table: as many as one reads. */
const rowsMax = 50;

/** The newest spans of the window, newest first, in words. */
export function pastTable(view: ExperimentView, snapshot: Snapshot, window: PageWindow) {
  const spans = spansIn(view, snapshot, window);
  return (
    <>
      <table class="spans">
        <caption>
          {spans.length > rowsMax
            ? `The newest ${rowsMax} of ${spans.length} spans of the last ${windowWords[window]}`
            : `The last ${windowWords[window]}, newest first`}
        </caption>
        <thead>
          <tr>
            <th scope="col">State</th>
            <th scope="col">Book</th>
            <th scope="col">From</th>
            <th scope="col">For</th>
          </tr>
        </thead>
        <tbody>
          {spans.slice(-rowsMax).reverse().map((span, at) => spanRow(span, { view, snapshot, isNow: at === 0 }))}
        </tbody>
      </table>
    </>
  );
}

interface SpanPlace {
  readonly view: ExperimentView;
  readonly snapshot: Snapshot;
  readonly isNow: boolean;
}

function spanRow(span: Span, { view, snapshot, isNow }: SpanPlace) {
  return (
    <tr>
      <td>{span.state === "not_watched" ? mark("off") : mark(span.state)} {stateWords[span.state]}</td>
      <td>{isInBook(view) ? availabilityWords(span) : "not in book"}</td>
      <td>{instant(span.fromMs)}</td>
      <td>{isNow ? age(span.fromMs, snapshot.atMs) : durationWords(span.toMs - span.fromMs)}</td>
    </tr>
  );
}

function spansIn({ turns }: ExperimentView, { runs, atMs }: Snapshot, window: PageWindow): readonly Span[] {
  const past = { turns, runs };
  // A clock that was put back: what has happened since is at the end of the run, ahead of it.
  const toMs = Math.max(atMs, runs.at(-1)?.aliveMs ?? atMs);
  return spansOf(past, recentOf(past, { fromMs: toMs - windowMs[window], toMs }));
}

/** One for all bars of a run of the program, so that a row that comes later fits those that are there. */
function originOf({ startedMs }: Snapshot): number {
  return Math.floor(startedMs / 1_000) * 1_000;
}

function bar(
  view: ExperimentView,
  { spans, window, originMs }: { spans: readonly Span[]; window: PageWindow; originMs: number },
) {
  const pieces = piecesOf(spans);
  const xOf = (atMs: number) => Math.round((atMs - originMs) / 1_000);
  const width = windowMs[window] / 1_000;
  const now = xOf(pieces.at(-1)?.toMs ?? originMs);
  return (
    <svg
      class="bar"
      role="slider"
      tabindex={0}
      aria-readonly="true"
      aria-label={`history of ${nameText(view.name)}, ${windowWords[window]}`}
      aria-valuemin={now - width}
      aria-valuemax={now}
      aria-valuenow={now}
      aria-valuetext={pieceText(pieces.at(-1), isInBook(view))}
      data-origin={originMs}
      viewBox={`${now - width} 0 ${width} 1`}
      preserveAspectRatio="none"
    >
      {pieces.map((piece, at) => {
        // The last goes on for as long as nobody says otherwise, and the reader moves along it.
        const untilMs = at === pieces.length - 1 ? piece.toMs + windowMs[window] : piece.toMs;
        return (
          <rect
            class={pieceClass(piece, view)}
            x={xOf(piece.fromMs)}
            width={widthOf(xOf(piece.fromMs), xOf(untilMs))}
          />
        );
      })}
      {isInBook(view) && <path d={unavailablePath(pieces, { xOf, width })} />}
    </svg>
  );
}

/** At least one second: a shorter trouble is seen all the same. */
function widthOf(from: number, until: number): number {
  return Math.max(until - from, 1);
}

/** A band along the bottom while book did not offer it. */
function unavailablePath(
  pieces: readonly Span[],
  { xOf, width }: { xOf: (atMs: number) => number; width: number },
): string {
  return pieces.map(({ available, fromMs, toMs }, at) => {
    if (available !== false) return "";
    const from = xOf(fromMs), until = xOf(toMs) + (at === pieces.length - 1 ? width : 0);
    return `M${from} .82h${widthOf(from, until)}V1H${from}z`;
  }).join("");
}

function pieceClass({ state, available }: Span, view: ExperimentView): string {
  return available === false && isInBook(view) ? `${state} unavailable` : state;
}

/** The piece that lasts: what a screen reader says before any other is chosen. */
function pieceText(piece: Span | undefined, inBook: boolean): string {
  if (piece === undefined) return "nothing known";
  const words = [stateWords[piece.state], ...(inBook && piece.available !== null ? [availabilityWords(piece)] : [])];
  return `${words.join(", ")} since ${shortTimeWords(piece.fromMs)}`;
}

function availabilityWords({ available }: Span): string {
  return available === null ? "not watched" : available ? "available" : "unavailable";
}

function isInBook({ resources }: ExperimentView): boolean {
  return resources.length > 0;
}
