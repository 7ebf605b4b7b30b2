/**
 * How the monitor's own sources are: what each feed and book did and said, for alerts and readers. Values that are never
 * changed in place; each function gives the next one. What they mean for experiments is for `health` and `availability`.
 */
import { type AlertCode, type SystemAlert, turnOf } from "./alerts.ts";
import type { ResourceState } from "./availability.ts";
import { type ServiceFailure, silenceHint } from "./failure.ts";
import type { Conditions } from "./health.ts";
import type { LabState } from "./lab.ts";
import type { FeedCounts, FeedNews, Report } from "./report.ts";
import { type Shift, shiftedAlert, told } from "./shift.ts";

export interface FeedStatus {
  readonly state: FeedView["state"];
  readonly sinceMs: number;
  readonly counts: FeedCounts;
  readonly lastReportMs: number | null;
  readonly generation: FeedView["generation"];
  readonly tokenExpiresMs: number | null;
  /** Why there have been no reports since the last one; null while no cause is known. */
  readonly trouble: ServiceFailure | null;
  /** The newest trouble, over or not, in words. */
  readonly lastError: string | null;
}

export interface BookStatus {
  readonly state: BookView["state"];
  readonly sinceMs: number;
  readonly states: ReadonlyMap<string, ResourceState>;
  readonly failures: number;
  /** Failures since nothing was failing: of everything, or of one resource while book answers the rest. */
  readonly stuck: number;
  /** The newest list of this run. `gone`: nothing in it, after one that held something. */
  readonly list: "unread" | "some" | "none" | "gone";
  /** Since when it has been `gone`; null while it is not. */
  readonly goneMs: number | null;
  readonly lastSuccessMs: number | null;
  readonly trouble: ServiceFailure | null;
  readonly writes: number;
}

/** Failed tries in a row, retries included, after which book counts as lost (design, "book is lost"). */
const bookFailuresMax = 3;

export interface Sources {
  readonly jump: FeedStatus;
  readonly relay: FeedStatus;
  readonly book: BookStatus;
}

export function newSources(startedMs: number): Sources {
  const feed = newFeedSource(startedMs);
  return { jump: feed, relay: feed, book: newBookSource(startedMs) };
}

function newFeedSource(startedMs: number): FeedStatus {
  return {
    state: "connecting",
    sinceMs: startedMs,
    counts: { reports: 0, entries: 0, skipped: 0, badFrames: 0, connects: 0, reconnects: 0 },
    lastReportMs: null,
    generation: "unseen",
    tokenExpiresMs: null,
    trouble: null,
    lastError: null,
  };
}

function newBookSource(startedMs: number): BookStatus {
  return {
    state: "unread",
    sinceMs: startedMs,
    states: new Map(),
    failures: 0,
    stuck: 0,
    list: "unread",
    goneMs: null,
    lastSuccessMs: null,
    trouble: null,
    writes: 0,
  };
}

export function afterReport(source: FeedStatus, report: Report): FeedStatus {
  const { counts } = source;
  return {
    ...source,
    lastReportMs: report.atMs,
    trouble: null,
    generation: report.connections.size > 0 || source.generation === "unseen" ? report.generation : source.generation,
    counts: {
      ...counts,
      reports: counts.reports + 1,
      entries: counts.entries + report.entries,
      skipped: counts.skipped + report.skipped,
    },
  };
}

export function afterNews(source: FeedStatus, news: FeedNews): FeedStatus {
  const { counts } = source;
  switch (news.kind) {
    case "trouble":
      return { ...source, trouble: news.trouble, lastError: news.trouble.message };
    case "connected":
      return {
        ...source,
        tokenExpiresMs: news.tokenExpiresMs,
        trouble: null,
        counts: {
          ...counts,
          connects: counts.connects + 1,
          reconnects: counts.reconnects + Number(counts.connects > 0 && source.trouble !== null),
        },
      };
    case "bad-frame": {
      const trouble = { kind: "garbage", message: `a frame could not be read: ${news.why}` } as const;
      return { ...source, trouble, lastError: trouble.message, counts: { ...counts, badFrames: counts.badFrames + 1 } };
    }
  }
}

export function inConditions(all: Sources, conditions: Conditions, nowMs: number): Sources {
  const jump = inState(all.jump, conditions.jump, nowMs), relay = inState(all.relay, conditions.relay, nowMs);
  return jump === all.jump && relay === all.relay ? all : { ...all, jump, relay };
}

function inState<Source extends { state: string; sinceMs: number }>(
  source: Source,
  state: Source["state"],
  nowMs: number,
): Source {
  return source.state === state ? source : { ...source, state, sinceMs: nowMs };
}

/** Book listed its resources: `isEmpty`, and whether a manifest that is not empty had been in use. */
export function afterList(
  source: BookStatus,
  list: { isEmpty: boolean; hadResources: boolean; atMs: number },
): BookStatus {
  const { isEmpty, hadResources, atMs } = list;
  const isGone = isEmpty && (hadResources || source.list === "gone");
  const goneMs = isGone ? source.goneMs ?? atMs : null;
  const next: BookStatus = {
    ...source,
    list: isGone ? "gone" : isEmpty ? "none" : "some",
    goneMs,
    lastSuccessMs: atMs,
  };
  // That the list was read does not mean that nothing fails any more: `afterAnswer` does.
  return isFailing(next) ? next : inState(next, settledState(next), atMs);
}

export function afterAnswer(source: BookStatus, nowMs: number): BookStatus {
  const state = isFailing(source) ? settledState(source) : source.state;
  return { ...inState(source, state, nowMs), failures: 0, stuck: 0, lastSuccessMs: nowMs };
}

export function afterTrouble(source: BookStatus, trouble: ServiceFailure, failures: number, nowMs: number): BookStatus {
  const state = failures >= bookFailuresMax ? "lost" : "failing";
  return { ...inState(source, state, nowMs), trouble, failures, stuck: source.stuck + 1 };
}

function isFailing({ state }: BookStatus): boolean {
  return state === "failing" || state === "lost";
}

function settledState({ list }: BookStatus): BookStatus["state"] {
  return ({ unread: "unread", some: "ok", none: "empty", gone: "empty" } as const)[list];
}

/** All that system alerts are raised for. `storeError`: null while the store can be written. */
export type Alerting = Sources & {
  readonly lab: LabState;
  readonly conditions: Conditions;
  readonly storeError: string | null;
  readonly probes: ProbesView;
};

// Names that somebody makes up come and go, report by report: each time a mail would be a flood of its own.
const roomMs = 3_600_000;

/** Whether there was no room for all a short while ago; a run that has just begun does not know. */
function hadRefused({ overLimitMs: refusedMs, startedMs }: LabState, nowMs: number): boolean {
  return nowMs - (refusedMs ?? startedMs) < roomMs;
}

/** What is to be told of the sources now, given what people have been told (`known`). Empty while nothing has changed. */
export function alertTurns(
  now: Alerting,
  known: ReadonlyMap<AlertCode, SystemAlert>,
  nowMs: number,
): readonly SystemAlert[] {
  const { jump, relay, book, lab, conditions, probes } = now;
  const unheard = (feed: "jump" | "relay") => lab[feed].newest.kind === "none" && known.has(`${feed}-lost`);
  const active: [code: AlertCode, isActive: boolean, detail: string][] = [
    ["jump-lost", conditions.jump === "lost" || unheard("jump"), lossDetail(jump)],
    ["relay-lost", conditions.relay === "lost" || unheard("relay"), lossDetail(relay)],
    [
      "book-lost",
      book.state === "lost" || (book.lastSuccessMs === null && known.has("book-lost")),
      book.trouble?.message ?? "",
    ],
    ["book-stuck", book.state === "failing" && book.stuck >= bookFailuresMax, book.trouble?.message ?? ""],
    ["book-empty", book.list === "gone" || (book.list !== "some" && known.has("book-empty")), ""],
    ["store-failing", now.storeError !== null, now.storeError ?? ""],
    [
      "probes-failing",
      probes.state === "failing" || (isUntried(now) && known.has("probes-failing")),
      probes.lastError ?? "",
    ],
    [
      "too-many",
      lab.overLimit.size > 0 || (hadRefused(lab, nowMs) && known.has("too-many")),
      `${lab.overLimit.size} left out`,
    ],
  ];
  return active.flatMap(([code, isActive, detail]) => {
    const turn = turnOf(code, { known: known.has(code), active: isActive });
    return turn ? [{ code, turn, atMs: nowMs, detail: turn === "raised" ? detail : "" }] : [];
  });
}

/** The alerts that hold and that people know of, after `turns` have been told. */
export function knownAfter(known: ReadonlyMap<AlertCode, SystemAlert>, turns: readonly SystemAlert[]) {
  if (turns.length === 0) return known;
  const next = new Map(known);
  for (const alert of turns) alert.turn === "raised" ? next.set(alert.code, alert) : next.delete(alert.code);
  return next;
}

/** In this run nothing has been found by listening yet, and it is not known that there is no need to. */
function isUntried({ probes: { state, heard, silent }, lab }: Alerting): boolean {
  return heard + silent === 0 && (state === "probing" || (state === "idle" && lab.relay.newest.kind === "none"));
}

function lossDetail({ trouble, counts }: FeedStatus): string {
  if (trouble) return trouble.message;
  return counts.connects === 0 ? "no answer yet" : `connected but silent, ${silenceHint}`;
}

/*
 * Which system alerts have people been told of, and what is to be told of them now? The memory of `alertTurns` in `sources`,
 * which has the rule.
 */

export class SystemAlertTracker {
  /** That people have been told of and that still hold. */
  #known: ReadonlyMap<AlertCode, SystemAlert>;
  /** Of this program's own start, to be told with the first judgement. */
  #owed: readonly SystemAlert[];

  constructor(known: ReadonlyMap<AlertCode, SystemAlert>, owed: readonly SystemAlert[]) {
    this.#known = known;
    this.#owed = owed;
  }

  get known(): ReadonlyMap<AlertCode, SystemAlert> {
    return this.#known;
  }

  /** What is to be told now, and is then known. */
  turns(now: Omit<Alerting, "storeError"> & { readonly store: StoreView }, nowMs: number): readonly SystemAlert[] {
    const { state, lastError } = now.store;
    const storeError = state === "failing" ? lastError ?? "" : null;
    const turns = alertTurns({ ...now, storeError }, this.#known, nowMs);
    this.#known = knownAfter(this.#known, turns);
    const owed = this.#owed;
    this.#owed = [];
    return [...owed, ...turns];
  }

  /** The clock was set. */
  shift(shift: Shift): void {
    this.#known = new Map([...this.#known].map(([code, alert]) => [code, shiftedAlert(alert, shift)]));
  }
}

export interface FeedView extends ComponentStatus<"connecting" | "live" | "late" | "lost"> {
  readonly counts: FeedCounts;
  readonly intervalMs: number | null;
  readonly generation: "measured" | "unmeasured" | "unseen";
  readonly tokenExpiresMs: number | null;
}

export interface BookView extends ComponentStatus<"unread" | "ok" | "failing" | "lost" | "empty"> {
  readonly resources: number;
  readonly writes: number;
  /** Changes of availability that wait for book. */
  readonly waiting: number;
}

/** `idle`: relay gives statistics, so nothing has to be listened to. `failing`: no stream can be. Counts are of this run. */
export interface ProbesView extends ComponentStatus<"off" | "idle" | "probing" | "failing"> {
  /** Streams that are listened to in turn now. */
  readonly streams: number;
  readonly heard: number;
  readonly silent: number;
  readonly failed: number;
}

export interface StoreView extends ComponentStatus<"ok" | "memory" | "failing"> {
  /** Changes that could not be written yet. */
  readonly waiting: number;
}

/*  How each part of the monitor is, as readers see it: its sources, what it tells people by, its store. Types alone. */

/** Of every part: its state, since when, when it last succeeded, and its last error in words (null: never). */
export interface ComponentStatus<State extends string> {
  readonly state: State;
  readonly sinceMs: number;
  readonly lastSuccessMs: number | null;
  readonly lastError: string | null;
}

export function shiftedSources(sources: Sources, shift: Shift): Sources {
  return {
    jump: shiftedFeedSource(sources.jump, shift),
    relay: shiftedFeedSource(sources.relay, shift),
    book: shiftedBook(sources.book, shift),
  };
}

function shiftedFeedSource(source: FeedStatus, shift: Shift): FeedStatus {
  const { sinceMs, lastReportMs } = source;
  return {
    ...source,
    sinceMs: told(sinceMs, shift),
    lastReportMs: lastReportMs === null ? null : lastReportMs + shift.setMs,
  };
}

function shiftedBook(source: BookStatus, shift: Shift): BookStatus {
  const { sinceMs, goneMs, lastSuccessMs } = source;
  return {
    ...source,
    sinceMs: told(sinceMs, shift),
    goneMs: goneMs === null ? null : goneMs + shift.byMs,
    lastSuccessMs: lastSuccessMs === null ? null : lastSuccessMs + shift.setMs,
  };
}
