/**
 * What the page says first: one sign, one sentence with counts, and what adds to it. Which states there are and which of
 * them wins is here; how it looks is for `page_top`. Pure.
 *
 * In this order: there is nothing to watch; what is shown may not be so, as a feed is lost; something needs attention; not
 * everything has been judged yet; all works, but a system alert holds or mail fails; all is well.
 */
import { isInTrouble } from "./page_list.ts";
import type { ExperimentView, Snapshot } from "./snapshot.ts";

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

/** `1 experiment`, `14 experiments`, `3 entries`. */
export function counted(count: number, thing: string, things = `${thing}s`): string {
  return `${count} ${count === 1 ? thing : things}`;
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
