/**
 * Times and ages as the page has them: in UTC and as of the snapshot for whoever has no JavaScript, and in attributes for
 * `page.js`, which tells them in the reader's zone and lets ages run. And the shapes that stand beside words.
 */
import { durationWords } from "./duration.ts";
import { shortTimeWords, timeWords } from "./page_words.ts";
import type { SpanState } from "./persisted.ts";

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
