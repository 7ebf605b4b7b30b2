/**
 * The history of one experiment as a bar that can be walked through by keyboard, its shares in words, and its spans as a
 * table. What is in it is for `history`; `page.js` says the words of the piece that is pointed at, and moves the bar on.
 */
import { durationWords } from "./duration.ts";
import { recentOf, sharesOf, type Span, spansOf } from "./history.ts";
import {
  counted,
  nameText,
  type PageWindow,
  sharesText,
  shortTimeWords,
  stateWords,
  timeWords,
  windowMs,
  windowWords,
} from "./page_model.ts";
import type { SpanState } from "./persisted.ts";
import { type ExperimentView, historyEndMs, type Snapshot } from "./snapshot.ts";

/** The bar of `view` up to the snapshot's time, and below it the shares. */
export function historyBar(view: ExperimentView, snapshot: Snapshot, window: PageWindow) {
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
      <span>{key(<rect class="unhealthy lumped" width="1" />)}intermittent</span>
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
  const pieces = segmentsOf(told.spans, segmentsMaxOf(experiments.length));
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
  pieces: readonly Segment[],
  { xOf, width }: { xOf: (atMs: number) => number; width: number },
): string {
  return pieces.map(({ available, fromMs, toMs }, at) => {
    if (available !== false) return "";
    const from = xOf(fromMs), until = xOf(toMs) + (at === pieces.length - 1 ? width : 0);
    return `M${from} 1V.82h${widthOf(from, until)}V1z`;
  }).join("");
}

function pieceClass({ state, available, isLumped }: Segment, view: ExperimentView): string {
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

/*
 * Times and ages as the page has them: in UTC and as of the snapshot for whoever has no JavaScript, and in attributes for
 * `page.js`, which tells them in the reader's zone and lets ages run. And the shapes that stand beside words.
 */

/** An instant, to the second. */
export function instant(atMs: number) {
  return <time datetime={iso(atMs)} title={timeWords(atMs)}>{timeWords(atMs)}</time>;
}

/** An instant to the minute and without the year: beside an age. */
export function shortInstant(atMs: number) {
  return <time datetime={iso(atMs)} title={timeWords(atMs)}>{shortTimeWords(atMs)}</time>;
}

/** How long it has been since `sinceMs`: a duration that runs. */
export function age(sinceMs: number, nowMs: number) {
  return (
    <time class="age" datetime={iso(sinceMs)} title={timeWords(sinceMs)}>
      {durationWords(nowMs - sinceMs)}
    </time>
  );
}

export type Mark = Exclude<SpanState, "not_watched"> | "held" | "off" | "warned";

/** The shape of a state; its words stand beside it. The shapes themselves are in `page_shapes`. */
export function mark(name: Mark) {
  return (
    <svg class={`mark ${name}`} aria-hidden="true">
      <use href={`#m-${name}`} />
    </svg>
  );
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}

/*
 * What a history bar shows of the spans of its window: all, or where they are more than anyone could tell apart, fewer in
 * which a short trouble is never hidden by what was well beside it. Pure. How they are drawn is for `page_bar`.
 */

/** `isLumped`: of several spans, of which the state is that of the worst and not that of all the time. */
export interface Segment extends Span {
  readonly isLumped?: true;
}

// More pieces of one bar would be neither told apart nor walked through.
const piecesMax = 120;
const piecesMin = 10;
// Of all bars of a page: this many fit into 300 kB, compressed, with all else of a thousand experiments.
const piecesTotalMax = 10_000;
const partMin = 1 / 400;

/** How many pieces a bar may have on a page with so many of them. */
export function segmentsMaxOf(bars: number): number {
  return Math.max(Math.min(Math.floor(piecesTotalMax / Math.max(bars, 1)), piecesMax), piecesMin);
}

/** Without a gap, oldest first, at most `max` (2 or more); the last is always how things are now. `spans`: as `spansOf` gives them. */
export function segmentsOf(spans: readonly Span[], max: number): readonly Segment[] {
  const [first, last] = [spans[0], spans.at(-1)];
  if (first === undefined || last === undefined || spans.length <= max) return spans;
  for (let shortMs = (last.toMs - first.fromMs) * partMin;; shortMs *= 2) {
    const pieces = [...lumped(spans.slice(0, -1), shortMs), last];
    if (pieces.length <= max) return pieces;
  }
}

/** Neighbours that are all short are lumped together, as the worst of them, until the lump is short no more. */
function lumped(spans: readonly Span[], shortMs: number): readonly Segment[] {
  const pieces: Segment[] = [];
  for (const span of spans) {
    const before = pieces.at(-1);
    const isLumped = before !== undefined && isShort(before, shortMs) && isShort(span, shortMs);
    if (isLumped) pieces[pieces.length - 1] = both(before, span);
    else pieces.push(span);
  }
  return pieces;
}

function isShort({ fromMs, toMs }: Span, shortMs: number): boolean {
  return toMs - fromMs < shortMs;
}

function both(one: Span, next: Span): Segment {
  return {
    fromMs: one.fromMs,
    toMs: next.toMs,
    state: badness[next.state] > badness[one.state] ? next.state : one.state,
    available: one.available === false || next.available === false ? false : one.available ?? next.available,
    isLumped: true,
  };
}

const badness: Readonly<Record<SpanState, number>> = {
  healthy: 0,
  not_watched: 1,
  starting: 2,
  unknown: 3,
  unhealthy: 4,
};

/**
 * The shapes that say a state besides words and colour: each can be told from the others in black and white. Drawn once in
 * the page and used by name (`mark`). And the icon of the browser's tab.
 */

/** What `mark` refers to; shown nowhere itself. */
export function shapes() {
  return (
    <svg class="shapes" width="0" height="0" aria-hidden="true">
      <symbol id="m-healthy" viewBox="0 0 16 16">
        <circle class="line" cx="8" cy="8" r="6.8" />
        <path class="line" d="m4.8 8.3 2.3 2.3 4.2-4.9" />
      </symbol>
      <symbol id="m-unhealthy" viewBox="0 0 16 16">
        <path class="body" d="M8 .9 15.6 15H.4z" />
        <path class="cut" d="M8 5.6v4.6M8 12.2v.6" />
      </symbol>
      <symbol id="m-warned" viewBox="0 0 16 16">
        <path class="line" d="M8 1.9 14.8 14.3H1.2z" />
        <path class="line" d="M8 6.3v3.6M8 11.7v.5" />
      </symbol>
      <symbol id="m-unknown" viewBox="0 0 16 16">
        <rect class="body" x="1" y="1" width="14" height="14" rx="2.5" />
        <path class="cut" d="M5.6 6.2q0-2.2 2.4-2.2t2.4 2q0 1.1-1.2 1.8T8 9.4M8 11.9v.3" />
      </symbol>
      <symbol id="m-starting" viewBox="0 0 16 16">
        <circle class="line dashed" cx="8" cy="8" r="6.6" />
        <path class="line" d="M8 4.6V8l2.4 1.6" />
      </symbol>
      <symbol id="m-held" viewBox="0 0 16 16">
        <path class="line" d="M5 7V5a3 3 0 0 1 6 0v2" />
        <path class="body" d="M3 7h10v7.5H3z" />
      </symbol>
      <symbol id="m-off" viewBox="0 0 16 16">
        <circle class="line" cx="8" cy="8" r="6.8" />
        <path class="line" d="M4.5 8h7" />
      </symbol>
    </svg>
  );
}

/** The tab's icon: a tick while nothing is in trouble, else how many are. An SVG document. */
export function iconSvg(trouble: number): string {
  const count = Math.max(Math.trunc(trouble), 0) || 0;
  const words = count > 99 ? "99+" : String(count);
  const sign = count === 0
    ? `<path d="m9 17 5 5 9-11" fill="none" stroke="#fff" stroke-width="4" stroke-linecap="round" stroke-linejoin="round"/>`
    : `<text x="16" y="23" text-anchor="middle" font-family="system-ui,sans-serif" font-weight="700" fill="#fff" font-size="${
      [20, 20, 18, 14][words.length]
    }">${words}</text>`;
  const ground = count === 0
    ? `<circle cx="16" cy="16" r="16" fill="#1a7f4b"/>`
    : `<rect width="32" height="32" rx="6" fill="#c0321d"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${ground}${sign}</svg>`;
}
