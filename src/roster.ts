/**
 * Which experiments and streams there are: those of the manifest, and, up to a limit, those that the feeds name besides.
 * Pure. When this has to be asked anew is for `experiment`.
 */
import type { Resource } from "./book_client.ts";
import type { Experiment, Lab } from "./experiment.ts";
import { splitTopic } from "./report_entry.ts";
import { isSeen, keeping, namedIn } from "./sighting.ts";

/** Experiments that book does not list and streams that it does not require, together: clients make names up. */
export const extrasMax = 20_000;

/** The laboratory with its roster made anew at `nowMs`. */
export function indexed(lab: Lab, nowMs: number): Lab {
  const resources = Map.groupBy(lab.resources, ({ stub }) => stub);
  const { names, watched, extras, refused } = admitted(lab, resources);
  const experiments = new Map([...names].map((name) => {
    const own = resources.get(name) ?? [];
    const was = lab.experiments.get(name);
    const shape = { resources: own, streams: streamsOf(own, extras.get(name) ?? [], was) };
    const listedBeforeMs = was ? foundInManifestMs(lab, was) : null;
    return [name, { ...(was ?? newExperiment(name, nowMs)), listedBeforeMs, ...shape }];
  }));
  const jump = keeping(lab.jump, (name) => names.has(name));
  const relay = keeping(lab.relay, (topic) => watched.has(topic));
  const refusedMs = refused.size > 0 ? nowMs : lab.refusedMs;
  return { ...lab, jump, relay, experiments, watched, refused, refusedMs };
}

/** When a manifest last listed it; null for one that book has not listed. */
export function foundInManifestMs({ listedMs }: Lab, { resources, listedBeforeMs }: Experiment): number | null {
  return resources.length > 0 ? listedMs : listedBeforeMs;
}

/** What is watched: first what book lists, then what was known (so that a flood cannot push it out), then what is new. */
function admitted(lab: Lab, resources: ReadonlyMap<string, readonly Resource[]>) {
  const names = new Set([...resources.keys(), ...lab.experiments.keys()]);
  const watched = new Set(lab.resources.flatMap(({ required }) => required));
  const extras = new Map<string, string[]>();
  const refused = new Set<string>();
  let count = [...names].filter((name) => !resources.has(name)).length;
  const admit = (name: string) => {
    if (names.has(name)) return true;
    if (count >= extrasMax) return refused.add(name), false;
    count++;
    return Boolean(names.add(name));
  };
  const addStream = (topic: string) => {
    const stub = splitTopic(topic)?.stub;
    if (stub === undefined || watched.has(topic)) return;
    if (!admit(stub) || count >= extrasMax) {
      refused.add(topic);
      return;
    }
    count++;
    watched.add(topic);
    const topics = extras.get(stub);
    if (topics) topics.push(topic);
    else extras.set(stub, [topic]);
  };
  for (const topic of lab.watched) if (isSeen(lab.relay, topic)) addStream(topic);
  for (const topic of [...lab.relay.left.keys(), ...namedIn(lab.relay).keys()]) addStream(topic);
  for (const name of namedIn(lab.jump).keys()) admit(name);
  return { names, watched, extras, refused };
}

function newExperiment(name: string, nowMs: number): Omit<Experiment, "resources" | "streams"> {
  return {
    name,
    firstSeenMs: nowMs,
    namedBeforeMs: nowMs,
    listedBeforeMs: null,
    isStarting: true,
    judged: { kind: "never" },
    events: [],
  };
}

/** Sorted by topic; the very array that it was where nothing has changed. */
function streamsOf(resources: readonly Resource[], extras: readonly string[], was: Experiment | undefined) {
  const required = new Set(resources.flatMap((resource) => resource.required));
  const streams = [...required, ...extras].sort().map((topic) => ({ topic, required: required.has(topic) }));
  const isSame = was?.streams.length === streams.length &&
    streams.every(({ topic, required }, i) => topic === was.streams[i]?.topic && required === was.streams[i]?.required);
  return isSame ? was.streams : streams;
}
