/**
 * What of the laboratory survives a restart, and how a run goes on from it: a stream that was ok has its time to show up
 * again, one that was missing stays so, and nothing is judged anew before the start-up time has passed. Pure.
 */
import { type Experiment, type Lab, namedMs } from "./experiment.ts";
import type { Verdict } from "./health.ts";
import { indexed } from "./roster.ts";
import { type Feed, type Finding, lastSeenMs, type Left, withoutFindings } from "./sighting.ts";
import type { Saved, SavedExperiment, SavedVerdict } from "./store.ts";

/** The experiment as it was judged at `nowMs`, to be kept; null for one that never was. */
export function savedExperiment(experiment: Experiment, lab: Lab, nowMs: number): SavedExperiment | null {
  const { name, judged, streams } = experiment;
  if (judged.kind === "never") return null;
  const saved = streams.flatMap(({ topic }) => {
    const verdict = savedVerdict(lab.relay, topic);
    return verdict ? [[topic, verdict] as const] : [];
  });
  return {
    name,
    issues: judged.issues,
    sinceMs: judged.sinceMs,
    namedMs: namedMs(lab, experiment, nowMs),
    host: savedVerdict(lab.jump, name),
    streams: Object.fromEntries(saved),
  };
}

/** The laboratory as an earlier run left it. */
export function restored(empty: Lab, saved: Saved): Lab {
  const nowMs = empty.startedMs;
  const hosts = saved.experiments.map(({ name, host }) => [name, host] as const);
  const streams = saved.experiments.flatMap((each) => Object.entries(each.streams));
  const resources = saved.manifest?.resources ?? [];
  // The earlier run may have been killed after it had kept a manifest and before it had kept what that made of its findings.
  const required = new Set(resources.flatMap((resource) => resource.required));
  const experiments = saved.experiments.map((each): [string, Experiment] => [each.name, {
    name: each.name,
    firstSeenMs: nowMs,
    namedBeforeMs: Math.min(each.namedMs, nowMs),
    listedBeforeMs: null,
    resources: [],
    streams: [],
    isStarting: true,
    judged: { kind: "judged", issues: each.issues, sinceMs: each.sinceMs },
    events: saved.events.get(each.name) ?? [],
  }]);
  const lab: Lab = {
    ...empty,
    jump: restoredFeed(empty.jump, hosts, nowMs),
    relay: withoutFindings(restoredFeed(empty.relay, streams, nowMs), (topic) => required.has(topic)),
    resources,
    listedMs: saved.manifest ? Math.min(saved.manifest.atMs, nowMs) : null,
    experiments: new Map(experiments),
  };
  return indexed(lab, nowMs);
}

function savedVerdict(feed: Feed, topic: string): SavedVerdict | null {
  const verdict = feed.verdicts.get(topic), found = feed.findings.get(topic);
  if (verdict === undefined) return null;
  const seenMs = lastSeenMs(feed, topic);
  return found?.heard === false ? { verdict, seenMs, silent: found.connected } : { verdict, seenMs };
}

function restoredFeed(feed: Feed, entries: readonly (readonly [string, SavedVerdict | null])[], nowMs: number): Feed {
  const left = new Map<string, Left>();
  const verdicts = new Map<string, Verdict>();
  const findings = new Map<string, Finding>();
  for (const [topic, saved] of entries) {
    if (saved === null) continue;
    verdicts.set(topic, saved.verdict);
    // Else each restart would put it back on book until it is listened to again.
    if (saved.silent !== undefined) {
      findings.set(topic, { connected: saved.silent, heard: false, atMs: nowMs, sinceMs: nowMs });
    }
    // What was there when the last run was told of it may have been so until now. Its clock may have been ahead of this one.
    const verdict = saved.verdict, seenMs = saved.seenMs === null ? null : Math.min(saved.seenMs, nowMs);
    if (seenMs !== null) left.set(topic, { seenMs, namedMs: verdict === "missing" ? seenMs : nowMs, connection: null });
  }
  return { ...feed, left, verdicts, findings };
}
