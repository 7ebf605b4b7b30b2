/**
 * What people are told, as codes of closed unions, and the one place where a code becomes words. Log, mail, page, API
 * and metrics all take their words from here. Pure.
 */

/** What is wrong with an experiment (design, "issues"). */
export type Issue =
  | { readonly code: "missing-jump" }
  | { readonly code: "missing-required"; readonly topic: string }
  | { readonly code: "missing"; readonly topic: string }
  | { readonly code: "unhealthy"; readonly topic: string };

export function issueText(issue: Issue): string {
  switch (issue.code) {
    case "missing-jump":
      return "missing jump";
    case "missing-required":
      return `missing required ${issue.topic}`;
    case "missing":
      return `missing ${issue.topic}`;
    case "unhealthy":
      return `unhealthy ${issue.topic}`;
  }
}

/** That an experiment's list of issues is another than it was, or that it was judged for the first time. */
export interface HealthEvent {
  readonly experiment: string;
  readonly atMs: number;
  readonly healthy: boolean;
  readonly issues: readonly Issue[];
  readonly jumpOk: boolean;
  /** Whether each stream is ok, by topic: all that book requires and all that relay knows. */
  readonly streamOk: Readonly<Record<string, boolean>>;
  /** How long the state before this one had lasted; null for the first ever. */
  readonly lastedMs: number | null;
}

/** What is wrong with the monitor's own sources or store, which no experiment is to blame for. */
export type AlertCode = (typeof alertCodes)[number];

export const alertCodes = [
  "jump-lost",
  "relay-lost",
  "book-lost",
  "book-stuck",
  "book-empty",
  "store-damaged",
  "store-gone",
  "store-failing",
  "too-many",
  "probes-failing",
] as const;

/** A system alert: raised once when it begins, and (where `clearedText` has words) told of once when it ends. */
export interface SystemAlert {
  readonly code: AlertCode;
  readonly turn: "raised" | "cleared";
  readonly atMs: number;
  /** What is known of the cause, in the other side's own words; empty where nothing is. */
  readonly detail: string;
}

const raisedText: Record<AlertCode, string> = {
  "jump-lost": "jump has no fresh reports so may be down",
  "relay-lost": "relay has no fresh reports so may be down",
  "book-lost": "book does not answer so availability may be out of date",
  "book-stuck": "book does not take a change so availability may be out of date",
  "book-empty": "book lists no resources",
  "store-damaged": "the store was damaged and a new one has been begun",
  "store-gone": "the store was deleted or replaced and has been written anew",
  "store-failing": "the store cannot be written so a restart may repeat or lose alerts",
  "too-many": "there are more experiments and streams than the limit so some are not watched",
  "probes-failing": "no stream can be listened to so a silent one may go unnoticed",
};

const clearedText: Record<AlertCode, string> = {
  "jump-lost": "jump reports again",
  "relay-lost": "relay reports again",
  "book-lost": "book answers again",
  "book-stuck": "book takes all changes again",
  "book-empty": "book lists resources again",
  "store-damaged": "", // never ends: it is said once
  "store-gone": "",
  "store-failing": "the store can be written again",
  "too-many": "all experiments and streams are watched again",
  "probes-failing": "streams can be listened to again, or need not be",
};

/** An alert without its cause, as in a mail's subject. */
export function alertHeadline(alert: SystemAlert): string {
  return (alert.turn === "raised" ? raisedText : clearedText)[alert.code];
}

/** An alert as a line: what it is, then `: ` and what is known of the cause. */
export function alertText(alert: SystemAlert): string {
  return alert.detail === "" ? alertHeadline(alert) : `${alertHeadline(alert)}: ${alert.detail}`;
}

/** Whether it never ends, so that nothing has to be known of it once it has been told. */
export function isOneShot(code: AlertCode): boolean {
  return clearedText[code] === "";
}

/**
 * What is to be told of `code` now: `active` says whether it is so, `known` whether people have been told that it is.
 * Null where nothing has changed.
 */
export function turnOf(code: AlertCode, was: { known: boolean; active: boolean }): SystemAlert["turn"] | null {
  if (was.active === was.known) return null;
  if (was.active) return "raised";
  return isOneShot(code) ? null : "cleared";
}

/** By what people and their programs are told. Each has letters of its own, since one may be down while the other is not. */
export type Channel = (typeof channels)[number];

export const channels = ["mail", "webhook"] as const;

/** One message that is owed: what it has to tell of. Its text is made when it is sent. Joined by later news while it waits. */
export interface Notification {
  /** A UUID: a mail's Message-ID is made from it, so it stays the same whatever the retries. */
  readonly id: string;
  readonly channel: Channel;
  readonly createdMs: number;
  /** Oldest first; an experiment can be in it more than once (its newest event is what the mail shows). */
  readonly events: readonly HealthEvent[];
  readonly alerts: readonly SystemAlert[];
  /** A message of all current problems that nothing new is owed for. */
  readonly reminder: boolean;
  /** How many events and alerts there was no room for (the bound is the outbox's); absent while there was. */
  readonly leftOut?: { readonly events: number; readonly alerts: number };
  /**
   * The whole message, from just before it is handed to the other side until that has answered: it is repeated as it is,
   * since it may have been taken. Null while the text is still to be made.
   */
  readonly frozen: string | null;
}

/** `missing`: not reported. `unhealthy`: reported, not transmitting. */
export type Verdict = "ok" | "missing" | "unhealthy";
