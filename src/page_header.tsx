/**
 * The top of every page, which is replaced as a whole: the banner, the system alerts, the sources, and the problems as a mail
 * has them, to be copied. What the banner says is for `page_banner`, what the sources say for `page_source`.
 */
import { alertText, type SystemAlert } from "./alerts.ts";
import { durationWords } from "./duration.ts";
import { sentence } from "./failure.ts";
import { problemsText } from "./mail_text.ts";
import { age, instant, type Mark, mark } from "./page_history.tsx";
import { counted, countsOf, isInTrouble, linkTo, nameText } from "./page_model.ts";
import type { ExperimentView, HeartbeatView, OutboxView, Snapshot } from "./snapshot.ts";
import type { BookView, ComponentStatus, FeedView, ProbesView, StoreView } from "./system_alerts.ts";

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
  return trouble === 0 ? "Problems (as in the mail): none" : `Problems (as in the mail): ${trouble}`;
}

/** More would be sent to every reader again and again, and read by nobody. */
const problemLinesMax = 1_000;

function cut(text: string): string {
  const lines = text.split("\n");
  if (lines.length <= problemLinesMax) return text;
  return [...lines.slice(0, problemLinesMax), `and ${lines.length - problemLinesMax} lines more`].join("\n");
}

/*
 * How each of the monitor's own sources and parts is: its state in a word and a shape, what is worth knowing besides, and its
 * last error. Pure. How it looks is for `page_top`.
 */

export interface SourceWords {
  readonly name: string;
  readonly part: ComponentStatus<string>;
  readonly mark: Mark;
  readonly state: string;
  /** What the time of its last success is that of. */
  readonly success: string;
  /** What waits for it; null for nothing. */
  readonly waits: string | null;
  readonly facts: readonly string[];
  /** Whether the last error is why it is as it is; else it is over. */
  readonly isError: boolean;
}

/** What is not set up is left out, but for mail: a monitor that tells nobody should say so. */
export function sourcesOf(snapshot: Snapshot, nowMs: number): readonly SourceWords[] {
  const { feeds, book, mail, webhook, probes, heartbeat, store } = snapshot;
  return [
    feedWords("jump", feeds.jump, nowMs),
    feedWords("relay", feeds.relay, nowMs),
    bookWords(book),
    ...(probes.state === "off" || probes.state === "idle" ? [] : [probesWords(probes)]),
    mailWords(mail, nowMs),
    ...(webhook.state === "off" ? [] : [outboxWords("webhook", webhook, "message", nowMs)]),
    ...(heartbeat.state === "off" ? [] : [heartbeatWords(heartbeat)]),
    storeWords(store),
  ];
}

function feedWords(name: string, view: FeedView, nowMs: number): SourceWords {
  const marks = { connecting: "starting", live: "healthy", late: "warned", lost: "unhealthy" } as const;
  const { counts, intervalMs, tokenExpiresMs, generation } = view;
  return {
    name,
    part: view,
    mark: marks[view.state],
    state: view.state,
    success: "last report",
    waits: null,
    facts: [
      ...(intervalMs === null ? [] : [`one every ${intervalText(intervalMs)}`]),
      ...(name === "relay" && generation === "unmeasured" ? ["gives no statistics"] : []),
      ...(counts.skipped > 0 ? [`${counted(counts.skipped, "entry", "entries")} skipped`] : []),
      ...(counts.badFrames > 0 ? [counted(counts.badFrames, "bad frame")] : []),
      ...(counts.connects > 1 ? [`connected ${counts.connects} times`] : []),
      ...(tokenExpiresMs === null ? [] : [tokenText(tokenExpiresMs - nowMs)]),
    ],
    isError: view.state !== "live",
  };
}

/** One that reports more than once a second does not do so every 0 s. */
function intervalText(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : durationWords(ms);
}

function bookWords(view: BookView): SourceWords {
  const marks = {
    unread: "starting",
    ok: "healthy",
    failing: "warned",
    lost: "unhealthy",
    empty: "unhealthy",
  } as const;
  const words = { unread: "not read yet", ok: "ok", failing: "failing", lost: "lost", empty: "lists nothing" };
  return {
    name: "book",
    part: view,
    mark: marks[view.state],
    state: words[view.state],
    success: "last answer",
    waits: waitText(view.waiting, "change"),
    facts: [
      counted(view.resources, "resource"),
      ...(view.writes > 0 ? [`${counted(view.writes, "change")} written`] : []),
    ],
    isError: view.state === "failing" || view.state === "lost",
  };
}

function mailWords(view: OutboxView, nowMs: number): SourceWords {
  const words = outboxWords("mail", view, "mail", nowMs);
  return view.state === "off" ? { ...words, facts: ["alerts go to the log alone"] } : words;
}

function outboxWords(name: string, view: OutboxView, thing: string, nowMs: number): SourceWords {
  const marks = { off: "off", idle: "healthy", waiting: "starting", failing: "unhealthy" } as const;
  return {
    name,
    part: view,
    mark: marks[view.state],
    state: view.state,
    success: `last ${thing}`,
    waits: view.waiting > 0 ? `${waitText(view.waiting, thing)}${oldestText(view, nowMs)}` : null,
    facts: [
      ...(view.sent > 0 ? [`${view.sent} sent`] : []),
      ...(view.failed > 0 ? [`${counted(view.failed, "try", "tries")} failed`] : []),
    ],
    isError: view.state === "failing",
  };
}

function probesWords(view: ProbesView): SourceWords {
  const marks = { off: "off", idle: "off", probing: "healthy", failing: "warned" } as const;
  return {
    name: "listening",
    part: view,
    mark: marks[view.state],
    state: view.state === "probing" ? "ok" : view.state,
    success: "last heard",
    waits: null,
    facts: [
      `to ${counted(view.streams, "stream")} in turn`,
      ...(view.failed > 0 ? [`${counted(view.failed, "try", "tries")} failed`] : []),
    ],
    isError: view.state === "failing",
  };
}

function heartbeatWords(view: HeartbeatView): SourceWords {
  const marks = { off: "off", waiting: "starting", ok: "healthy", withheld: "warned", failing: "unhealthy" } as const;
  return {
    name: "heartbeat",
    part: view,
    mark: marks[view.state],
    state: view.state,
    success: "last answer",
    waits: null,
    facts: view.failed > 0 ? [`${counted(view.failed, "try", "tries")} failed`] : [],
    isError: view.state === "failing" || view.state === "withheld",
  };
}

function waitText(count: number, thing: string): string | null {
  return count > 0 ? `${counted(count, thing)} waiting` : null;
}

function tokenText(leftMs: number): string {
  return leftMs > 0 ? `token good for ${durationWords(leftMs)}` : "token expired";
}

function oldestText({ oldestMs }: OutboxView, nowMs: number): string {
  return oldestMs === null ? "" : `, the oldest for ${durationWords(nowMs - oldestMs)}`;
}

function storeWords(view: StoreView): SourceWords {
  const marks = { ok: "healthy", memory: "off", failing: "unhealthy" } as const;
  return {
    name: "store",
    part: view,
    mark: marks[view.state],
    state: view.state === "memory" ? "in memory" : view.state,
    success: "last write",
    waits: waitText(view.waiting, "change"),
    facts: [
      ...(view.state === "memory" ? ["a restart forgets history and unsent mail"] : []),
    ],
    isError: view.state === "failing",
  };
}

/*
 * What the page says first: one sign, one sentence with counts, and what adds to it. Which states there are and which of
 * them wins is here; how it looks is for `page_top`. Pure.
 *
 * In this order: there is nothing to watch; what is shown may not be so, as a feed is lost; something needs attention; not
 * everything has been judged yet; all works, but a system alert holds or mail fails; all is well.
 */

export interface Banner {
  readonly kind: "nothing" | "unknown" | "trouble" | "starting" | "warned" | "well";
  readonly headline: string;
  /** A sentence more, and the counts; none where there is nothing to add. */
  readonly more: readonly string[];
  readonly trouble: number;
}

export function bannerOf(snapshot: Snapshot): Banner {
  const { experiments, counts } = snapshot;
  const trouble = experiments.filter((view) => isInTrouble(view, snapshot)).length;
  const total = experiments.length;
  const known = { trouble, more: countWords(snapshot) };
  const attention = `${trouble} of ${counted(total, "experiment")} ${trouble === 1 ? "needs" : "need"} attention`;
  if (total === 0) return { trouble, kind: "nothing", headline: "Nothing to watch yet", more: [whatToDo(snapshot)] };
  if (counts.unknown > 0) {
    const more = trouble === 0 ? [] : [`As last known, ${attention}`];
    return { trouble, kind: "unknown", headline: unknownWords(snapshot), more: [...more, ...known.more] };
  }
  if (trouble > 0) return { ...known, kind: "trouble", headline: attention };
  if (counts.starting === total) {
    return { ...known, kind: "starting", headline: `Nothing is known yet: ${counted(total, "experiment")} starting` };
  }
  if (counts.starting > 0) {
    const starting = `${counts.starting} ${counts.starting === 1 ? "is" : "are"} starting`;
    const headline = `${total - counts.starting} of ${counted(total, "experiment")} work, ${starting}`;
    return { ...known, kind: "starting", headline };
  }
  const headline = total === 1 ? "The one experiment works" : `All ${total} experiments work`;
  const but = warningWords(snapshot);
  return but === null ? { ...known, kind: "well", headline } : { ...known, kind: "warned", headline: headline + but };
}

/** The title of the browser's tab: the number in trouble first. */
export function titleOf({ trouble, headline }: Banner): string {
  return `${trouble > 0 ? `(${trouble}) ` : ""}status: ${headline}`;
}

/** Which changed last, of those that are (or, if none is, of all): `since` when all has been as it is. */
export function newestChange(snapshot: Snapshot): ExperimentView | null {
  const troubled = snapshot.experiments.filter((view) => isInTrouble(view, snapshot));
  const views = troubled.length > 0 ? troubled : snapshot.experiments;
  return views.reduce<ExperimentView | null>(
    (newest, view) => newest && newest.sinceMs >= view.sinceMs ? newest : view,
    null,
  );
}

/** What keeps it from being all well: the monitor is not all it should be. */
function warningWords({ alerts, mail }: Snapshot): string | null {
  if (alerts.length > 0) return `, with ${counted(alerts.length, "system alert")}`;
  return mail.state === "failing" ? ", but no mail gets through" : null;
}

function unknownWords({ feeds }: Snapshot): string {
  const lost = (["jump", "relay"] as const).filter((name) => feeds[name].state === "lost");
  if (lost.length === 2) return "Health is unknown: jump and relay are lost";
  return lost[0] === "jump" ? "Health is only half known: jump is lost" : "Health is unknown: relay is lost";
}

function countWords({ experiments, counts }: Snapshot): readonly string[] {
  const count = (chosen: (view: ExperimentView) => boolean) => experiments.filter(chosen).length;
  const words: [number, string][] = [
    [counts.healthy, "healthy"],
    [counts.unhealthy, "unhealthy"],
    [counts.unknown, "unknown"],
    [counts.starting, "starting"],
    [count(({ resources, available }) => resources.length > 0 && !available), "unavailable"],
    [count(({ held }) => held !== null), "held by a person"],
    [count(({ resources }) => resources.length === 0), "not in book"],
  ];
  return [words.filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`).join(" · ")];
}

function whatToDo({ book, feeds }: Snapshot): string {
  if (book.lastSuccessMs === null) return "Book has not been read yet, and no feed has named an experiment";
  const silent = (["jump", "relay"] as const).filter((name) => feeds[name].lastSuccessMs === null);
  const cause = silent.length > 0
    ? `, and ${silent.join(" and ")} ${silent.length === 1 ? "has" : "have"} not reported`
    : "";
  return `Book lists no resources${cause}: load a manifest into book, or connect an experiment to jump or relay`;
}
