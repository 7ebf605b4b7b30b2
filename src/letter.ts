/**
 * What is in one letter: news join it while it waits, within a bound, and letters that wait together become one. Pure.
 * When a letter is sent is for `outbox`, what it then says for `mail` and `webhook_body`.
 */
import type { HealthEvent, Letter, SystemAlert } from "./alert.ts";

export interface News {
  readonly events: readonly HealthEvent[];
  readonly alerts: readonly SystemAlert[];
}

/** What one letter holds: more than anyone reads, and little enough to be written to the store at each change. */
export const lettersBound = { eventsMax: 5_000, alertsMax: 500 };

export type Beginning = Pick<Letter, "id" | "channel" | "createdMs">;

export function newLetter(beginning: Beginning, news: News): Letter {
  return joined(emptyLetter(beginning), news);
}

/** A letter of nothing but the problems of the moment. */
export function newReminder(beginning: Beginning): Letter {
  return { ...emptyLetter(beginning), reminder: true };
}

/** Whether nothing is owed for it: its news have gone over to another letter. That some were left out is to be told, too. */
export function isEmpty({ events, alerts, reminder, leftOut }: Letter): boolean {
  return events.length === 0 && alerts.length === 0 && !reminder && leftOut === undefined;
}

/** `letter` with `news` behind its own. A reminder that has news is none any more. */
export function joined(letter: Letter, news: News): Letter {
  const hasNews = news.events.length + news.alerts.length > 0;
  const events = bounded([...letter.events, ...news.events]);
  const alerts = [...letter.alerts, ...news.alerts];
  const alertsOver = Math.max(alerts.length - lettersBound.alertsMax, 0);
  const leftOut = {
    events: (letter.leftOut?.events ?? 0) + events.leftOut,
    alerts: (letter.leftOut?.alerts ?? 0) + alertsOver,
  };
  return {
    ...letter,
    events: events.kept,
    alerts: alerts.slice(alertsOver),
    reminder: letter.reminder && !hasNews,
    ...(leftOut.events + leftOut.alerts > 0 ? { leftOut } : {}),
  };
}

/** All of `letters`, oldest first, as the first of them, and the others with nothing in them. */
export function merged([first, ...others]: readonly [Letter, ...Letter[]]): { letter: Letter; emptied: Letter[] } {
  const letter = others.reduce((all, other) => withLeftOutOf(joined(all, other), other), first);
  return { letter, emptied: others.map(emptyLetter) };
}

/** `letter` with those of its events that are `events`; the others count as left out. */
export function tellingOnly(events: readonly HealthEvent[], letter: Letter): Letter {
  const leftOut = { events: letter.events.length - events.length, alerts: 0 };
  return withLeftOutOf({ ...letter, events }, { leftOut });
}

function emptyLetter({ id, channel, createdMs }: Beginning): Letter {
  return { id, channel, createdMs, events: [], alerts: [], reminder: false, frozen: null };
}

function withLeftOutOf(letter: Letter, { leftOut }: Pick<Letter, "leftOut">): Letter {
  if (leftOut === undefined) return letter;
  const { events, alerts } = letter.leftOut ?? { events: 0, alerts: 0 };
  return { ...letter, leftOut: { events: events + leftOut.events, alerts: alerts + leftOut.alerts } };
}

/** Over the bound, events with a newer one of the same experiment go first (no mail shows them), then the oldest. */
function bounded(events: readonly HealthEvent[]): { kept: readonly HealthEvent[]; leftOut: number } {
  let over = events.length - lettersBound.eventsMax;
  if (over <= 0) return { kept: events, leftOut: 0 };
  const newest = new Map(events.map((event) => [event.experiment, event]));
  const kept = events.filter((event) => newest.get(event.experiment) === event || over-- <= 0);
  const leftOut = Math.max(kept.length - lettersBound.eventsMax, 0);
  return { kept: kept.slice(leftOut), leftOut };
}
