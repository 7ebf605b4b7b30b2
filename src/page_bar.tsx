/**
 * The history of one experiment as a bar that can be walked through by keyboard, its shares in words, and its spans as a
 * table. What is in it is for `history`; `page.js` says the words of the piece that is pointed at, and moves the bar on.
 */
import { durationWords } from "./duration.ts";
import { recentOf, sharesOf, type Span, spansOf } from "./history.ts";
import { counted } from "./page_banner.ts";
import { type Piece, piecesMaxOf, piecesOf } from "./page_pieces.ts";
import { type PageWindow, windowMs, windowWords } from "./page_query.ts";
import { age, instant, mark, shortInstant } from "./page_time.tsx";
import { nameText, sharesText, shortTimeWords, stateWords } from "./page_words.ts";
import { type ExperimentView, historyEndMs, type Snapshot } from "./snapshot.ts";

/** The bar of `view` up to the snapshot's time, and below it the shares. */
export function past(view: ExperimentView, snapshot: Snapshot, window: PageWindow) {
  const told = toldIn(view, snapshot, window);
  return (
    <div class="past">
      {bar(view, snapshot, { told, window })}
      <p class="shares">
        {told.text}
        {told.sinceMs !== null && <>, known since {shortInstant(told.sinceMs)}</>}
      </p>
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
      <span>{key(<rect class="unhealthy lumped" width="1" />)}at times</span>
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
  const { spans, sinceMs } = toldIn(view, snapshot, window);
  return (
    <table class="spans">
      <caption>
        {spans.length > rowsMax
          ? `The newest ${rowsMax} of ${counted(spans.length, "span")} of the last ${windowWords[window]}`
          : `The last ${windowWords[window]}, newest first`}
        {sinceMs !== null && <>; known since {shortInstant(sinceMs)}</>}
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

/** What is known of the window. */
interface Told {
  readonly spans: readonly Span[];
  /** The shares, or that there is nothing to take them of. */
  readonly text: string;
  /** Since when it is known, where that is not from the window's start. */
  readonly sinceMs: number | null;
}

function toldIn(view: ExperimentView, snapshot: Snapshot, window: PageWindow): Told {
  const past = { turns: view.turns, runs: snapshot.runs };
  const toMs = historyEndMs(snapshot);
  const whole = { fromMs: toMs - windowMs[window], toMs };
  const told = recentOf(past, whole);
  const spans = spansOf(past, told);
  if (spans.length === 0) return { spans, text: "nothing known yet", sinceMs: null };
  const sinceMs = told.fromMs > whole.fromMs ? told.fromMs : null;
  return { spans, text: sharesText(sharesOf(spans), isInBook(view)), sinceMs };
}

/** A picture with its story in words; the script makes it a slider, whose pieces can be reached. */
function bar(
  view: ExperimentView,
  { startedMs, atMs, experiments }: Snapshot,
  { told, window }: { told: Told; window: PageWindow },
) {
  // One for all bars of a run of the program, so that a row that comes later fits those that are there.
  const originMs = Math.floor(startedMs / 1_000) * 1_000;
  const pieces = piecesOf(told.spans, piecesMaxOf(experiments.length));
  const xOf = (ms: number) => Math.round((ms - originMs) / 1_000);
  const width = windowMs[window] / 1_000;
  const nowMs = pieces.at(-1)?.toMs ?? atMs;
  return (
    <svg
      class="bar"
      role="img"
      aria-label={`history of ${nameText(view.name)}, ${windowWords[window]}: ${toldText(told, view)}`}
      data-origin={originMs}
      viewBox={`${xOf(nowMs) - width} 0 ${width} 1`}
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
  pieces: readonly Piece[],
  { xOf, width }: { xOf: (atMs: number) => number; width: number },
): string {
  return pieces.map(({ available, fromMs, toMs }, at) => {
    if (available !== false) return "";
    const from = xOf(fromMs), until = xOf(toMs) + (at === pieces.length - 1 ? width : 0);
    return `M${from} 1V.82h${widthOf(from, until)}V1z`;
  }).join("");
}

function pieceClass({ state, available, isLumped }: Piece, view: ExperimentView): string {
  const isUnavailable = available === false && isInBook(view);
  return [state, ...(isUnavailable ? ["unavailable"] : []), ...(isLumped ? ["lumped"] : [])].join(" ");
}

/** The shares, since when they are known, and how it is now. */
function toldText({ spans, text, sinceMs }: Told, view: ExperimentView): string {
  const since = sinceMs === null ? "" : `, known since ${shortTimeWords(sinceMs)}`;
  const last = spans.at(-1);
  if (last === undefined) return text;
  const book = isInBook(view) && last.available !== null ? `, ${availabilityWords(last)}` : "";
  return `${text}${since}; ${stateWords[last.state]}${book} since ${shortTimeWords(last.fromMs)}`;
}

function availabilityWords({ available }: Span): string {
  return available === null ? "not watched" : available ? "available" : "unavailable";
}

function isInBook({ resources }: ExperimentView): boolean {
  return resources.length > 0;
}
