/**
 * The top of every page, which is replaced as a whole: the banner, the system alerts, the sources, and the problems as a mail
 * has them, to be copied. What the banner says is for `page_banner`, what the sources say for `page_source`.
 */
import { alertText, type SystemAlert } from "./alerts.ts";
import { sentence } from "./failure.ts";
import { problemsText } from "./mail_text.ts";
import { type Banner, bannerOf, newestChange, titleOf } from "./page_banner.ts";
import { countsOf, isInTrouble } from "./page_list.ts";
import { linkTo } from "./page_query.ts";
import { sourcesOf, type SourceWords } from "./page_source.ts";
import { age, instant, type Mark, mark } from "./page_time.tsx";
import { nameText } from "./page_words.ts";
import type { Snapshot } from "./snapshot.ts";

/** `<header id="top">`: ages are as of `nowMs`. */
export function renderTop(snapshot: Snapshot, nowMs: number): string {
  return String(top(snapshot, nowMs));
}

export function top(snapshot: Snapshot, nowMs: number) {
  const banner = bannerOf(snapshot);
  return (
    <header
      id="top"
      data-trouble={banner.trouble}
      data-title={titleOf(banner)}
      data-counts={JSON.stringify(countsOf(snapshot))}
    >
      <div class={`banner ${banner.kind}`}>
        {mark(signs[banner.kind])}
        <div>
          <h1>{banner.headline}</h1>
          {banner.more.map(paragraph)}
          {newest(snapshot, nowMs)}
          <p class="asof">as of {instant(nowMs)}</p>
        </div>
      </div>
      {snapshot.alerts.length > 0 && (
        <ul class="alerts" aria-label="System alerts">
          {snapshot.alerts.map((alert) => alertItem(alert, nowMs))}
        </ul>
      )}
      <h2 class="visually-hidden">Sources</h2>
      <ul class="sources">{sourcesOf(snapshot, nowMs).map((source) => sourceItem(source, nowMs))}</ul>
      <div class="problems">
        <details id="problems">
          <summary>{problemsTitle(banner)}</summary>
          <pre>{cut(problemsText(snapshot, nowMs))}</pre>
        </details>
        <button type="button" id="copy" hidden>Copy the problems</button>
      </div>
    </header>
  );
}

const signs: Readonly<Record<Banner["kind"], Mark>> = {
  nothing: "off",
  unknown: "unknown",
  trouble: "unhealthy",
  starting: "starting",
  warned: "warned",
  well: "healthy",
};

function newest(snapshot: Snapshot, nowMs: number) {
  const view = newestChange(snapshot);
  if (view === null || view.state === "unknown" || view.state === "starting") return null;
  if (!isInTrouble(view, snapshot)) return <p>No change for {age(view.sinceMs, nowMs)}</p>;
  return (
    <p>
      Newest:{" "}
      <a href={linkTo({ experiment: view.name })}>
        <bdi>{nameText(view.name)}</bdi>
      </a>, {age(view.sinceMs, nowMs)} ago
    </p>
  );
}

function alertItem(alert: SystemAlert, nowMs: number) {
  return (
    <li>
      {mark("warned")} <span>{alertText({ ...alert, detail: sentence(alert.detail) })}</span>{" "}
      <i>for {age(alert.atMs, nowMs)}</i>
    </li>
  );
}

function sourceItem({ name, part, mark: shape, state, success, waits, facts, isError }: SourceWords, nowMs: number) {
  return (
    <li class={shape}>
      <p class="source">
        {mark(shape)} <b>{name}</b> {state} <span>for {age(part.sinceMs, nowMs)}</span>
      </p>
      <p class="facts">
        {part.lastSuccessMs !== null && <span>{success} {age(part.lastSuccessMs, nowMs)} ago</span>}
        {waits !== null && <span class="waits">{waits}</span>}
        {facts.map(fact)}
      </p>
      {part.lastError !== null && (isError
        ? (
          <p class="error">
            <q>{sentence(part.lastError)}</q>
          </p>
        )
        : (
          <details class="over">
            <summary>last error, over</summary>
            <q>{sentence(part.lastError)}</q>
          </details>
        ))}
    </li>
  );
}

function paragraph(words: string) {
  return <p>{words}</p>;
}

function fact(words: string) {
  return <span>{words}</span>;
}

function problemsTitle({ trouble }: Banner): string {
  return trouble === 0 ? "The problems as a mail has them: none" : `The problems as a mail has them (${trouble})`;
}

/** More would be sent to every reader again and again, and read by nobody. */
const problemLinesMax = 1_000;

function cut(text: string): string {
  const lines = text.split("\n");
  if (lines.length <= problemLinesMax) return text;
  return [...lines.slice(0, problemLinesMax), `and ${lines.length - problemLinesMax} lines more`].join("\n");
}
