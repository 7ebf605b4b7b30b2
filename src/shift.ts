/**
 * The clock was set, or nothing of the program ran for a while: what is known, by the clock as it is now. Pure.
 * What ages keeps its age, so that no limit passes by it. What is only shown is told with the time at which it was, by the
 * clock as it is now: while nothing ran, time passed. What people were told stays as they were told it, but for what this
 * run has told by a clock that was then set: that goes with the clock, so that how long it has lasted stays true.
 */
import type { SystemAlert } from "./alerts.ts";
import type { ClockChange } from "./clock.ts";
import {
  type Departed,
  type Experiment,
  type FeedState,
  foundInManifestMs,
  type Judged,
  type LabState,
  type ProbeResult,
} from "./lab.ts";

export interface Shift {
  /** By how much the time of day moved without the program: put forward or back, or while nothing of it ran. */
  readonly byMs: number;
  /** How much of that is a clock that was set. */
  readonly setMs: number;
  /** When this run began, by the clock before it was set. */
  readonly startedMs: number;
  /** By the clock as it is now. */
  readonly nowMs: number;
}

/** What follows from `move`, seen at `nowMs`; `startedMs`: when this run began, by the clock before that. */
export function shiftOf(move: ClockChange, times: { readonly startedMs: number; readonly nowMs: number }): Shift {
  return { byMs: move.steppedMs + move.suspendedMs, setMs: move.steppedMs, ...times };
}

/** The laboratory in which nothing is older than before. */
export function shiftedLab(lab: LabState, shift: Shift): LabState {
  return {
    ...lab,
    startedMs: told(lab.startedMs, shift),
    jump: shiftedFeed(lab.jump, shift),
    relay: shiftedFeed(lab.relay, shift),
    overLimitMs: lab.overLimitMs === null ? null : lab.overLimitMs + shift.byMs,
    listedMs: lab.listedMs === null ? null : lab.listedMs + shift.setMs,
    experiments: new Map([...lab.experiments].map(([name, each]) => [name, shiftedExperiment(each, lab, shift)])),
  };
}

export function shiftedAlert(alert: SystemAlert, shift: Shift): SystemAlert {
  return { ...alert, atMs: told(alert.atMs, shift) };
}

/** What an earlier run told has a time from before this one began, or one that this clock has not come to yet. */
export function told(atMs: number, { setMs, startedMs, nowMs }: Shift): number {
  const isOfThisRun = startedMs <= atMs && atMs <= nowMs - setMs;
  return isOfThisRun ? atMs + setMs : atMs;
}

function shiftedFeed(feed: FeedState, { byMs, setMs }: Shift): FeedState {
  const { newest, recoveredMs, departed, probeResults, startedMs } = feed;
  const shiftedLeft = ({ seenMs, namedMs, connection }: Departed) => {
    return { seenMs: seenMs + byMs, namedMs: namedMs + byMs, connection };
  };
  const shiftedFinding = (each: ProbeResult) => ({ ...each, atMs: each.atMs + setMs, sinceMs: each.sinceMs + setMs });
  return {
    ...feed,
    startedMs: startedMs + byMs,
    newest: newest.kind === "none" ? newest : { ...newest, atMs: newest.atMs + byMs },
    recoveredMs: recoveredMs === null ? null : recoveredMs + byMs,
    departed: new Map([...departed].map(([topic, each]) => [topic, shiftedLeft(each)])),
    probeResults: new Map([...probeResults].map(([topic, each]) => [topic, shiftedFinding(each)])),
  };
}

function shiftedExperiment(experiment: Experiment, lab: LabState, shift: Shift): Experiment {
  const { byMs, setMs } = shift;
  const { firstSeenMs, isStarting, namedBeforeMs, listedBeforeMs } = experiment;
  return {
    ...experiment,
    firstSeenMs: isStarting ? firstSeenMs + byMs : told(firstSeenMs, shift),
    // That it was listed is shown, and makes it be kept for a while: the age is kept by what is not shown.
    namedBeforeMs: Math.max(namedBeforeMs, foundInManifestMs(lab, experiment) ?? 0) + byMs,
    listedBeforeMs: listedBeforeMs === null ? null : listedBeforeMs + setMs,
    judged: shiftedJudged(experiment.judged, shift),
    events: eventsUntil(experiment.events, shift),
  };
}

function shiftedJudged(judged: Judged, shift: Shift): Judged {
  return judged.kind === "never" ? judged : { ...judged, sinceMs: told(judged.sinceMs, shift) };
}

/** The store keeps those of this run no later than now too (`clock-back`), and those of earlier runs as they are. */
function eventsUntil(events: Experiment["events"], { setMs, startedMs, nowMs }: Shift): Experiment["events"] {
  const isTooLate = (atMs: number) => startedMs <= atMs && nowMs < atMs && atMs <= nowMs - setMs;
  if (!events.some(({ atMs }) => isTooLate(atMs))) return events;
  return events.map((event) => isTooLate(event.atMs) ? { ...event, atMs: nowMs } : event);
}
